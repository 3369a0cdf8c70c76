#include "look.hpp"

#include <QApplication>
#include <QDesktopServices>
#include <QHBoxLayout>
#include <QPainter>
#include <QPainterPath>
#include <QScrollArea>
#include <QStyle>
#include <QStyleOption>
#include <QTimerEvent>
#include <QUrl>

namespace {

// More letters than this without a place to break would make a column as wide as they are; after fewer, signs such as a
// colon are a good place.
constexpr int longest_word = 28, long_word = 16;

const char* const style = R"(
* { font-size: 14px; }
QWidget { color: #1d2a24; }
QWidget#pages, QScrollArea, QWidget#scrolled { background: #f5f7f4; border: none; }
QWidget#side { background: #ffffff; }
QWidget#bar { background: #ffffff; border-top: 1px solid #dde3dd; }
QLabel { background: transparent; }
QLabel[kind="title"] { font-size: 24px; font-weight: 600; }
QLabel[kind="heading"] { font-size: 16px; font-weight: 600; }
QLabel[kind="strong"] { font-weight: 600; }
QLabel[kind="help"] { color: #5b6a62; font-size: 13px; }
QLabel[kind="error"] { color: #a3201c; font-size: 13px; }
QLabel[kind="warning"] { color: #7a4b00; font-size: 13px; }
QLabel[kind="ok"] { color: #14532d; font-weight: 600; }
QLabel[kind="server"] { color: #3c4a43; font-family: "Noto Sans Mono", "DejaVu Sans Mono", monospace; font-size: 12px; }
QLineEdit, QPlainTextEdit, QComboBox {
    background: #ffffff; border: 1px solid #b9c4bc; border-radius: 6px; padding: 7px 10px;
    selection-background-color: #1f6f54; selection-color: #ffffff;
}
QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus { border: 2px solid #1f6f54; padding: 6px 9px; }
QLineEdit[kind="wrong"] { border: 2px solid #a3201c; padding: 6px 9px; }
QLineEdit:disabled, QComboBox:disabled, QPlainTextEdit:disabled { background: #eef1ee; color: #5b6a62; }
QComboBox::drop-down { border: none; width: 28px; }
QComboBox::down-arrow { image: none; }
QComboBox QAbstractItemView {
    background: #ffffff; border: 1px solid #b9c4bc; padding: 4px; outline: none;
    selection-background-color: #e2efe8; selection-color: #1d2a24;
}
QCheckBox::indicator { width: 18px; height: 18px; }
QPushButton {
    background: #ffffff; border: 1px solid #b9c4bc; border-radius: 6px; padding: 8px 16px; font-weight: 500;
}
QPushButton, QCheckBox { outline: none; }
QCheckBox:focus { background: #e2efe8; border-radius: 4px; }
QPushButton:hover { background: #f0f4f1; }
QPushButton:focus { border: 2px solid #1f6f54; padding: 7px 15px; }
QPushButton:disabled { color: #8a968f; background: #eef1ee; border-color: #d5dcd6; }
QPushButton[kind="main"] { background: #1f6f54; border: 1px solid #1f6f54; color: #ffffff; font-weight: 600; }
QPushButton[kind="main"]:hover { background: #195c45; }
QPushButton[kind="main"]:focus { border: 2px solid #0c2f23; padding: 7px 15px; }
QPushButton[kind="main"]:disabled { background: #c4d3cb; border-color: #c4d3cb; color: #ffffff; }
QPushButton[kind="link"] {
    background: transparent; border: none; border-bottom: 1px solid transparent; border-radius: 0;
    color: #0f5c9c; padding: 1px 0; text-align: left; font-weight: 400; font-size: 13px;
}
QPushButton[kind="link"]:hover, QPushButton[kind="link"]:focus { border: none; border-bottom: 1px solid #0f5c9c; padding: 1px 0; }
QWidget#navigation { background: #17392d; }
QWidget#navigation QLabel { color: #ffffff; }
QWidget#navigation QLabel[kind="help"] { color: #a9c4b7; }
QPushButton[kind="navigation"] {
    background: transparent; border: 2px solid transparent; border-radius: 6px; color: #d5e5dc; padding: 10px 12px;
    text-align: left; font-weight: 500;
}
QPushButton[kind="navigation"]:hover { background: #1f4a3b; }
QPushButton[kind="navigation"]:checked { background: #2a5c4a; color: #ffffff; font-weight: 600; }
QPushButton[kind="navigation"]:focus { border: 2px solid #8fd0b2; padding: 10px 12px; }
QListWidget { background: #ffffff; border: 1px solid #dde3dd; border-radius: 8px; outline: none; padding: 6px; }
QListWidget::item { border-radius: 6px; padding: 10px; }
QListWidget::item:selected { background: #e2efe8; color: #1d2a24; }
QListWidget::item:selected:focus { border: 2px solid #1f6f54; }
QProgressBar { background: #e3e9e4; border: none; border-radius: 5px; max-height: 10px; min-height: 10px; }
QProgressBar::chunk { background: #1f6f54; border-radius: 5px; }
QWidget[kind="card"] { background: #ffffff; border: 1px solid #dde3dd; border-radius: 8px; }
QWidget[kind="card-hint"] { background: #eef5fb; border: 1px solid #c3dbee; border-radius: 8px; }
QWidget[kind="card-ok"] { background: #eaf6ef; border: 1px solid #b5dcc6; border-radius: 8px; }
QWidget[kind="card-failed"] { background: #fcf0ef; border: 1px solid #efc7c4; border-radius: 8px; }
QWidget[kind="card-warning"] { background: #fdf6e7; border: 1px solid #ecd9a8; border-radius: 8px; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar::handle:vertical { background: #c4cec7; border-radius: 5px; min-height: 30px; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; width: 0; }
)";

QColor colour(Mark::Kind kind) {
    switch (kind) {
        case Mark::ok: return QColor(0x1a, 0x7f, 0x4b);
        case Mark::failed: return QColor(0xb3, 0x26, 0x1e);
        case Mark::warning: return QColor(0xb2, 0x6b, 0x00);
        case Mark::hint: return QColor(0x0f, 0x5c, 0x9c);
        case Mark::skipped: return QColor(0xa5, 0xb0, 0xa9);
        case Mark::running: return QColor(0x1f, 0x6f, 0x54);
    }
    return {};
}

QString breakable(const QString& text) {
    const QChar here(0x200b);
    QString broken;
    int run = 0;
    for (const QChar letter : text) {
        run = letter.isSpace() ? 0 : run + 1;
        if (run > longest_word && !letter.isLowSurrogate() && !letter.isMark()) {
            broken += here;
            run = 1;
        }
        broken += letter;
        if (run > long_word && letter.isPunct()) {
            broken += here;
            run = 0;
        }
    }
    return broken;
}

}  // namespace

void dress(QApplication& application) {
    application.setStyle("Fusion");
    QPalette palette = application.palette();
    palette.setColor(QPalette::Window, QColor(0xf5, 0xf7, 0xf4));
    palette.setColor(QPalette::Base, Qt::white);
    palette.setColor(QPalette::Text, QColor(0x1d, 0x2a, 0x24));
    palette.setColor(QPalette::WindowText, QColor(0x1d, 0x2a, 0x24));
    palette.setColor(QPalette::Highlight, QColor(0x1f, 0x6f, 0x54));
    palette.setColor(QPalette::PlaceholderText, QColor(0x7d, 0x89, 0x82));
    application.setPalette(palette);
    application.setStyleSheet(style);
}

QLabel* label(const QString& text, const char* kind) {
    auto* made = new QLabel;
    made->setTextFormat(Qt::PlainText);
    made->setWordWrap(true);
    made->setProperty("kind", kind);
    // Qt would align it by the language of the text, not by that of the window.
    if (QGuiApplication::isRightToLeft()) made->setAlignment(Qt::AlignRight | Qt::AlignAbsolute | Qt::AlignVCenter);
    say(made, text);
    return made;
}

void say(QLabel* label, const QString& text) {
    const QString shown = breakable(text);
    label->setText(label->buddy() ? QString(shown).replace('&', "&&") : shown);
    // Qt would leave out each "&", the doubled ones as well.
    if (label->buddy()) label->setAccessibleName(text);
}

void name(QPushButton* button, const QString& text) {
    button->setText(QString(text).replace('&', "&&"));
    button->setAccessibleName(text);
}

QPushButton* button(const QString& text, const char* kind) {
    auto* made = new QPushButton;
    name(made, text);
    made->setProperty("kind", kind);
    made->setCursor(Qt::PointingHandCursor);
    return made;
}

QPushButton* link(const QString& address) {
    const QUrl url(address, QUrl::StrictMode);
    QString shown = url.host() + url.path();
    if (shown.size() > 44) shown = shown.left(43) + QChar(0x2026);
    auto* made = button(shown, "link");
    made->setAccessibleDescription(address);
    made->setVisible(url.isValid() && url.scheme() == "https");
    QObject::connect(made, &QPushButton::clicked, made, [url] { QDesktopServices::openUrl(url); });
    return made;
}

void set_kind(QWidget* widget, const char* kind) {
    if (widget->property("kind").toByteArray() == kind) return;
    widget->setProperty("kind", kind);
    widget->style()->unpolish(widget);
    widget->style()->polish(widget);
}

void clear(QLayout* layout) {
    while (QLayoutItem* item = layout->takeAt(0)) {
        if (QWidget* widget = item->widget()) {
            widget->hide();
            // It may be the one whose click is being answered.
            widget->deleteLater();
        }
        if (QLayout* inner = item->layout()) clear(inner);
        delete item;
    }
}

QVBoxLayout* column(QWidget* parent, int margin, int spacing) {
    auto* made = new QVBoxLayout(parent);
    made->setContentsMargins(margin, margin, margin, margin);
    made->setSpacing(spacing);
    return made;
}

QScrollArea* scrolled(QWidget* inside) {
    auto* area = new QScrollArea;
    area->setWidgetResizable(true);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    area->setFrameShape(QFrame::NoFrame);
    area->setFocusPolicy(Qt::NoFocus);
    inside->setObjectName("scrolled");
    area->setWidget(inside);
    QObject::connect(qApp, &QApplication::focusChanged, area, [area, inside](QWidget*, QWidget* now) {
        if (now && inside->isAncestorOf(now)) area->ensureWidgetVisible(now, 0, 60);
    });
    return area;
}

Card::Card(const char* kind) {
    setProperty("kind", kind);
    inside = column(this, 14, 8);
}

void Card::paintEvent(QPaintEvent*) {
    QStyleOption option;
    option.initFrom(this);
    QPainter painter(this);
    style()->drawPrimitive(QStyle::PE_Widget, &option, &painter, this);
}

Mark::Mark(Kind kind, int size) {
    setFixedSize(size, size);
    set(kind);
}

void Mark::set(Kind kind) {
    kind_ = kind;
    if (timer_) killTimer(timer_);
    timer_ = kind == running ? startTimer(60) : 0;
    update();
}

void Mark::timerEvent(QTimerEvent*) {
    turn_ = (turn_ + 30) % 360;
    update();
}

void Mark::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.scale(width() / 18.0, height() / 18.0);
    const QColor tone = colour(kind_);
    if (kind_ == running) {
        painter.setPen(QPen(QColor(0xd5, 0xdf, 0xd8), 2.4));
        painter.drawEllipse(QRectF(3, 3, 12, 12));
        painter.setPen(QPen(tone, 2.4, Qt::SolidLine, Qt::RoundCap));
        painter.drawArc(QRectF(3, 3, 12, 12), -turn_ * 16, 100 * 16);
        return;
    }
    QPainterPath sign;
    if (kind_ == warning) {
        painter.setPen(QPen(tone, 2, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        painter.setBrush(tone);
        painter.drawPolygon(QPolygonF({{9, 2.5}, {16, 15}, {2, 15}}));
        sign.moveTo(9, 7);
        sign.lineTo(9, 10.2);
        sign.addEllipse(QPointF(9, 13.1), 0.35, 0.35);
    } else {
        painter.setPen(Qt::NoPen);
        painter.setBrush(tone);
        painter.drawEllipse(QRectF(1, 1, 16, 16));
    }
    if (kind_ == ok) {
        sign.moveTo(5.2, 9.4);
        sign.lineTo(8, 12);
        sign.lineTo(12.9, 6.4);
    } else if (kind_ == failed) {
        sign.moveTo(6, 6);
        sign.lineTo(12, 12);
        sign.moveTo(12, 6);
        sign.lineTo(6, 12);
    } else if (kind_ == skipped) {
        sign.moveTo(5.5, 9);
        sign.lineTo(12.5, 9);
    } else if (kind_ == hint) {
        sign.addEllipse(QPointF(9, 5.4), 0.4, 0.4);
        sign.moveTo(9, 8.6);
        sign.lineTo(9, 13);
    }
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(Qt::white, 1.9, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    painter.drawPath(sign);
}

Note::Note(Mark::Kind kind, const QString& text, const char* look, int size)
    : mark_(new Mark(kind, size)), label_(label(text, look)), text_(text) {
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(8);
    row->addWidget(mark_, 0, Qt::AlignTop);
    row->addWidget(label_, 1);
}

void Note::tell(Mark::Kind kind, const QString& text, const char* look) {
    mark_->set(kind);
    text_ = text;
    say(label_, text);
    set_kind(label_, look);
}
