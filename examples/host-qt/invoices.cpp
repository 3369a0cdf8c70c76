#include "invoices.hpp"

#include <QFile>
#include <QJsonArray>
#include <QLocale>
#include <QPageSize>
#include <QPainter>
#include <QPdfWriter>
#include <QSaveFile>

#include <numeric>

namespace {

constexpr int page_width = 595, page_height = 842, margin = 54, right = page_width - margin;
const QLocale english(QLocale::English, QLocale::UnitedKingdom);
const QColor green(0x1f, 0x6f, 0x54), ink(0x1d, 0x2a, 0x24), grey(0x6b, 0x78, 0x71), pale(0xe8, 0xf1, 0xec);

// A page in points, whatever it is drawn on.
class Page {
public:
    explicit Page(QPainter& painter) : painter_(painter) {}

    void box(QRectF area, const QColor& colour) { painter_.fillRect(area, colour); }
    void text(qreal x, qreal y, const QString& text, int size = 10, const QColor& colour = ink, bool is_bold = false,
              bool ends_here = false) {
        QFont font("Noto Sans");
        font.setStyleHint(QFont::SansSerif);
        font.setPixelSize(size);
        font.setWeight(is_bold ? QFont::DemiBold : QFont::Normal);
        painter_.setFont(font);
        painter_.setPen(colour);
        const QRectF area(ends_here ? x - page_width : x, y - size * 2, page_width, size * 3);
        painter_.drawText(area, (ends_here ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignAbsolute | Qt::AlignVCenter, text);
    }

private:
    QPainter& painter_;
};

void draw_lines(Page& page, const Invoice& invoice) {
    constexpr int count_at = 350, price_at = 440;
    page.box({margin, 262, right - margin, 24}, pale);
    const auto row = [&](qreal y, const QString& what, const QString& count, const QString& price, const QString& amount,
                         const QColor& colour, bool is_bold) {
        page.text(margin + 10, y, what, 10, colour, is_bold);
        page.text(count_at, y, count, 10, colour, is_bold, true);
        page.text(price_at, y, price, 10, colour, is_bold, true);
        page.text(right - 10, y, amount, 10, colour, is_bold, true);
    };
    row(279, "Item", "Quantity", "Price", "Amount", green, true);
    qreal y = 312;
    for (const Line& line : invoice.lines) {
        row(y, line.what, english.toString(line.count), money(line.cents, english),
            money(line.count * line.cents, english), ink, false);
        page.box({margin, y + 11, right - margin, 0.6}, QColor(0xdd, 0xe3, 0xdd));
        y += 30;
    }
    page.box({330, y + 8, right - 330.0, 32}, green);
    page.text(344, y + 29, "Total", 13, Qt::white, true);
    page.text(right - 10, y + 29, money(invoice.total(), english) + " EUR", 13, Qt::white, true, true);
}

void draw(QPainter& painter, const Invoice& invoice) {
    // The company writes its invoices in English, whoever reads them in the program.
    painter.setLayoutDirection(Qt::LeftToRight);
    Page page(painter);
    page.box({0, 0, page_width, page_height}, Qt::white);
    page.box({0, 0, page_width, 8}, green);
    page.text(margin, 72, "Orchard Books", 22, green, true);
    page.text(margin, 92, "12 Apple Lane, Satu Mare", 9, grey);
    page.text(right, 72, "Invoice " + invoice.number, 16, ink, true, true);
    page.text(right, 92, english.toString(invoice.date, "d MMMM yyyy"), 9, grey, false, true);
    page.text(margin, 150, "Bill to", 9, grey);
    page.text(margin, 170, invoice.customer, 13, ink, true);
    qreal y = 189;
    for (const QString& line : invoice.address) {
        page.text(margin, y, line);
        y += 16;
    }
    draw_lines(page, invoice);
    page.text(margin, page_height - 64, "Please pay within 30 days.  IBAN RO49 AAAA 1B31 0075 9384 0000", 9, grey);
    page.text(margin, page_height - 48, "Thank you for choosing our apples.", 9, grey);
}

}  // namespace

int Invoice::total() const {
    return std::accumulate(lines.begin(), lines.end(), 0,
                           [](int sum, const Line& line) { return sum + line.count * line.cents; });
}

QJsonObject Invoice::document() const {
    const QJsonObject recipient{{"name", customer}, {"addresses", QJsonArray{email}}};
    return {{"kind", "invoice"}, {"reference", number}, {"recipient", recipient}};
}

QVector<Invoice> sample_invoices() {
    return {
        {"2026-0117", QDate(2026, 11, 23), "Țăndărică SRL", "office@tandarica.example",
         {"Bd. Păcii 7", "400001 Cluj-Napoca"},
         {{"Jonathan apples, box of 10 kg", 40, 3250}, {"Pears, box of 8 kg", 25, 4100}, {"Apple juice, 3 l", 60, 1890},
          {"Refrigerated transport", 1, 42000}}},
        {"2026-0116", QDate(2026, 11, 19), "Smith & Sons <Cider>", "accounts@smith.example",
         {"3 Mill Road", "Hereford HR1 2AB"},
         {{"Cider apples, per tonne", 6, 18500}, {"Crates, returnable", 48, 450}}},
        {"2026-0115", QDate(2026, 11, 12), "مخبز النخيل", "info@nakheel.example",
         {"14 Corniche Road", "Abu Dhabi"},
         {{"Dried apples, bag of 1 kg", 200, 780}, {"Apple syrup, 0.5 l", 90, 640}}},
    };
}

QString money(int cents, const QLocale& locale) { return locale.toString(cents / 100.0, 'f', 2); }

QByteArray pdf_of(const Invoice& invoice, const QDir& archive) {
    const QString path = archive.filePath(invoice.number + ".pdf");
    QFile kept(path);
    if (kept.open(QIODevice::ReadOnly)) return kept.readAll();
    QSaveFile made(path);
    if (!made.open(QIODevice::WriteOnly)) return {};
    {
        QPdfWriter writer(&made);
        writer.setPageSize(QPageSize(QPageSize::A4));
        writer.setPageMargins(QMarginsF());
        writer.setTitle("Invoice " + invoice.number);
        QPainter painter(&writer);
        painter.scale(writer.width() / double(page_width), writer.height() / double(page_height));
        draw(painter, invoice);
    }
    made.commit();
    return kept.open(QIODevice::ReadOnly) ? kept.readAll() : QByteArray();
}

Preview::Preview() {
    setMinimumSize(300, 420);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
}

void Preview::show_invoice(const Invoice& invoice) {
    invoice_ = invoice;
    setAccessibleName(invoice.number + ", " + invoice.customer);
    update();
}

void Preview::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHints(QPainter::Antialiasing | QPainter::TextAntialiasing);
    const qreal scale = qMin((width() - 12) / double(page_width), (height() - 12) / double(page_height));
    painter.translate((width() - page_width * scale) / 2, 4);
    for (int edge = 4; edge > 0; --edge)
        painter.fillRect(QRectF(-edge, -edge + 2, page_width * scale + 2 * edge, page_height * scale + 2 * edge),
                         QColor(0, 30, 15, 7));
    painter.scale(scale, scale);
    painter.setClipRect(0, 0, page_width, page_height);
    draw(painter, invoice_);
}
