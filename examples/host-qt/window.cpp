#include "window.hpp"

#include <QGuiApplication>
#include <QHBoxLayout>
#include <QListWidget>
#include <QShortcut>
#include <QStackedWidget>

namespace {

enum { invoices_at, settings_at };

// The host's own words; all others are mailbutton's.
QString own_word(const QString& key) {
    static const QMap<QString, QMap<QString, QString>> words{
        {"ro", {{"Invoices", "Facturi"}, {"Invoice", "Factura"}}},
        {"ar", {{"Invoices", "الفواتير"}, {"Invoice", "فاتورة"}}},
    };
    return words.value(QLocale().name().section('_', 0, 0)).value(key, key);
}

// Text that may run the other way than the words around it.
QString isolated(const QString& text) {
    return QGuiApplication::isRightToLeft() ? QChar(0x2068) + text + QChar(0x2069) : text;
}

}  // namespace

Window::Window(const Library& library, const QDir& archive)
    : library_(library), archive_(archive), invoices_(sample_invoices()) {
    setWindowTitle("Orchard Books");
    pages_ = new QStackedWidget;
    pages_->setObjectName("pages");
    settings_ = new Settings(library);
    settings_->on_saved = [this] { ask_for_button(); };
    pages_->addWidget(invoices_page());
    pages_->addWidget(settings_);
    auto* all = new QHBoxLayout(this);
    all->setContentsMargins(0, 0, 0, 0);
    all->setSpacing(0);
    all->addWidget(navigation());
    all->addWidget(pages_, 1);
    list_->setCurrentRow(0);
    go_to(invoices_at);
    connect(new QShortcut(QKeySequence("Ctrl+Q"), this), &QShortcut::activated, this, [this] { close(); });
    resize(1200, 800);
}

QWidget* Window::navigation() {
    auto* bar = new QWidget;
    bar->setObjectName("navigation");
    bar->setAttribute(Qt::WA_StyledBackground);
    bar->setFixedWidth(208);
    auto* inside = column(bar, 16, 6);
    auto* program = label("Orchard Books", "heading");
    program->setContentsMargins(8, 8, 8, 14);
    inside->addWidget(program);
    for (const QString& text : {own_word("Invoices"), library_.word("settings_title")}) {
        const int page = static_cast<int>(places_.size());
        auto* place = button(text, "navigation");
        place->setCheckable(true);
        place->setAutoExclusive(true);
        connect(place, &QPushButton::clicked, this, [this, page] { go_to(page); });
        inside->addWidget(place);
        places_ += place;
    }
    inside->addStretch();
    return bar;
}

QWidget* Window::invoices_page() {
    list_ = new QListWidget;
    list_->setAccessibleName(own_word("Invoices"));
    list_->setMinimumWidth(280);
    for (const Invoice& invoice : std::as_const(invoices_)) {
        const QString total = money(invoice.total(), QLocale()) + " EUR";
        list_->addItem(isolated(invoice.number) + "   " + isolated(total) + '\n' + isolated(invoice.customer));
        // Scripts differ in height, and a row that is too low would lose its second line.
        list_->item(list_->count() - 1)->setSizeHint({0, 68});
    }
    connect(list_, &QListWidget::currentRowChanged, this, [this] { show_invoice(); });

    compose_ = new Compose(library_);
    compose_->on_close = [this] {
        left_->setCurrentWidget(list_);
        ask_for_button();
        email_button_->setFocus();
    };
    compose_->on_patch = [this](const QJsonObject& patch) {
        settings_->merge(patch);
        go_to(settings_at);
    };
    left_ = new QStackedWidget;
    left_->addWidget(list_);
    left_->addWidget(compose_);

    title_ = label("", "title");
    why_not_ = label("", "help");
    email_button_ = button("", "main");
    to_settings_ = button(library_.word("settings_title"));
    connect(email_button_, &QPushButton::clicked, this, [this] { compose(); });
    connect(to_settings_, &QPushButton::clicked, this, [this] { go_to(settings_at); });
    auto* top = new QHBoxLayout;
    top->setSpacing(14);
    top->addWidget(title_);
    top->addWidget(why_not_, 1);
    top->addWidget(to_settings_);
    top->addWidget(email_button_);

    preview_ = new Preview;
    auto* columns = new QHBoxLayout;
    columns->setSpacing(24);
    columns->addWidget(left_, 1);
    columns->addWidget(preview_, 1);

    auto* page = new QWidget;
    auto* all = column(page, 28, 20);
    all->addLayout(top);
    all->addLayout(columns, 1);
    return page;
}

void Window::go_to(int page) {
    pages_->setCurrentIndex(page);
    for (int at = 0; at < places_.size(); ++at) places_[at]->setChecked(at == page);
}

void Window::show_invoice() {
    const Invoice& invoice = invoices_[list_->currentRow()];
    title_->setWordWrap(false);
    say(title_, own_word("Invoice") + ' ' + isolated(invoice.number));
    preview_->show_invoice(invoice);
    ask_for_button();
}

void Window::ask_for_button() {
    const QJsonObject reply = library_.button(invoices_[list_->currentRow()].document());
    const QJsonObject state = reply["button"].toObject();
    email_ = reply["email"].toObject();
    name(email_button_, state["label"].toString());
    email_button_->setVisible(state["visible"].toBool());
    email_button_->setEnabled(state["enabled"].toBool());
    // A reply without a button is an error, whose message says what is the matter.
    say(why_not_, state["why_not"]["message"].toString(reply["message"].toString()));
    to_settings_->setVisible(!state["enabled"].toBool());
}

void Window::compose() {
    email_button_->hide();
    left_->setCurrentWidget(compose_);
    compose_->begin(email_, pdf_of(invoices_[list_->currentRow()], archive_));
}
