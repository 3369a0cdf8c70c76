#include "field.hpp"

#include <QCheckBox>
#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QJsonArray>
#include <QJsonDocument>
#include <QLineEdit>
#include <QListView>
#include <QPainter>
#include <QSet>
#include <QStringList>
#include <QWheelEvent>

namespace {

QString as_text(const QJsonValue& value) {
    if (value.isArray()) {
        QStringList parts;
        for (const QJsonValue& part : value.toArray()) parts += as_text(part);
        return parts.join(", ");
    }
    if (value.isObject()) return QJsonDocument(value.toObject()).toJson(QJsonDocument::Compact);
    return value.toVariant().toString();
}

class Line : public Control {
public:
    explicit Line(const QJsonObject& field) {
        edit_->setPlaceholderText(field["placeholder"].toString());
        edit_->setClearButtonEnabled(false);
        QObject::connect(edit_, &QLineEdit::textEdited, edit_, [this] { on_change(); });
        QObject::connect(edit_, &QLineEdit::editingFinished, edit_, [this] { on_leave(); });
    }
    QWidget* widget() override { return edit_; }
    QJsonValue value() const override { return edit_->text().isEmpty() ? QJsonValue() : QJsonValue(edit_->text()); }
    void fill(const QJsonObject& field) override { edit_->setText(as_text(field["value"])); }
    void show_wrong(bool is_wrong) override { set_kind(edit_, is_wrong ? "wrong" : "plain"); }

protected:
    QLineEdit* edit_ = new QLineEdit;
};

class Secret : public Line {
public:
    Secret(const QJsonObject& field, const Library& library)
        : Line(field), show_(library.word("show_password")), hide_(library.word("hide_password")), eye_(button(show_)) {
        edit_->setEchoMode(QLineEdit::Password);
        auto* row = new QHBoxLayout(&row_);
        row->setContentsMargins(0, 0, 0, 0);
        row->addWidget(edit_, 1);
        row->addWidget(eye_);
        row_.setFocusProxy(edit_);
        QObject::connect(eye_, &QPushButton::clicked, eye_, [this] {
            const bool is_shown = edit_->echoMode() == QLineEdit::Password;
            edit_->setEchoMode(is_shown ? QLineEdit::Normal : QLineEdit::Password);
            name(eye_, is_shown ? hide_ : show_);
        });
    }
    QWidget* widget() override { return &row_; }
    // No reply holds a secret, so that what was typed is only here.
    void fill(const QJsonObject&) override {}
    void forget() override { edit_->clear(); }
    // Dots for one that is stored: it is kept if nothing is typed.
    void show_state(const QJsonObject& field) override {
        const bool is_stored = field["has_value"].toBool() && edit_->text().isEmpty();
        edit_->setPlaceholderText(is_stored ? QString(10, QChar(0x2022)) : field["placeholder"].toString());
    }

private:
    QString show_, hide_;
    QPushButton* eye_;
    QWidget row_;
};

// The style sheet's own arrow would be a picture in a file.
class Box : public QComboBox {
public:
    Box() { setView(new QListView); }

protected:
    void paintEvent(QPaintEvent* event) override {
        QComboBox::paintEvent(event);
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(QColor(0x4b, 0x5a, 0x52), 1.8, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        painter.translate(isLeftToRight() ? width() - 20 : 20, height() / 2.0);
        painter.drawPolyline(QPolygonF({{-4, -2}, {0, 2}, {4, -2}}));
    }
    // Turning the wheel is for the page.
    void wheelEvent(QWheelEvent* event) override { event->ignore(); }
};

class Choice : public Control {
public:
    explicit Choice(const QJsonObject& field) {
        for (const QJsonValue& choice : field["choices"].toArray())
            box_->addItem(choice["label"].toString(as_text(choice["value"])), choice["value"].toVariant());
        QObject::connect(box_, &QComboBox::activated, box_, [this] { on_change(); });
    }
    QWidget* widget() override { return box_; }
    QJsonValue value() const override { return QJsonValue::fromVariant(box_->currentData()); }
    void fill(const QJsonObject& field) override { box_->setCurrentIndex(box_->findData(field["value"].toVariant())); }

private:
    QComboBox* box_ = new Box;
};

// A label that wraps, which Qt's own check box cannot have.
class Check : public QObject, public Control {
public:
    explicit Check(const QJsonObject& field) : label_(label(field["label"].toString())) {
        auto* row = new QHBoxLayout(&row_);
        row->setContentsMargins(0, 0, 0, 0);
        row->setSpacing(10);
        row->addWidget(box_, 0, Qt::AlignTop);
        row->addWidget(label_, 1);
        row_.setFocusProxy(box_);
        label_->installEventFilter(this);
        QObject::connect(box_, &QCheckBox::clicked, box_, [this] { on_change(); });
    }
    QWidget* widget() override { return &row_; }
    QJsonValue value() const override { return box_->isChecked(); }
    void fill(const QJsonObject& field) override { box_->setChecked(field["value"].toBool()); }
    bool has_own_label() const override { return true; }
    bool eventFilter(QObject*, QEvent* event) override {
        if (event->type() != QEvent::MouseButtonRelease) return false;
        box_->click();
        return true;
    }

private:
    QCheckBox* box_ = new QCheckBox;
    QLabel* label_;
    QWidget row_;
};

// A type of another version of the library: it can be read, and goes back as it came.
class Unknown : public Control {
public:
    QWidget* widget() override { return text_; }
    QJsonValue value() const override { return value_; }
    void fill(const QJsonObject& field) override {
        value_ = field["value"];
        say(text_, as_text(value_));
    }

private:
    QLabel* text_ = label("");
    QJsonValue value_;
};

std::unique_ptr<Control> control_for(const QJsonObject& field, const Library& library) {
    static const QSet<QString> lines{"text", "host", "port", "url", "email", "email_list", "fingerprint"};
    const QString type = field["type"].toString();
    if (type == "choice") return std::make_unique<Choice>(field);
    if (type == "checkbox") return std::make_unique<Check>(field);
    if (type == "secret") return std::make_unique<Secret>(field, library);
    if (lines.contains(type)) return std::make_unique<Line>(field);
    return std::make_unique<Unknown>();
}

}  // namespace

Field::Field(const QJsonObject& field, const Library& library)
    : control_(control_for(field, library)),
      help_(label("", "help")),
      error_(new Note(Mark::failed, "", "error", 16)),
      warning_(new Note(Mark::warning, "", "warning", 16)) {
    auto* lines = column(this, 0, 5);
    const QString name = field["label"].toString(field["key"].toString());
    QWidget* widget = control_->widget();
    QWidget* focus = widget->focusProxy() ? widget->focusProxy() : widget;
    const bool takes_focus = focus->focusPolicy() != Qt::NoFocus;
    if (!control_->has_own_label()) {
        label_ = label("", "strong");
        if (takes_focus) label_->setBuddy(focus);
        lines->addWidget(label_);
    }
    // What only shows its value would be called by the label's name instead.
    if (takes_focus) focus->setAccessibleName(name);
    for (QWidget* part : {widget, static_cast<QWidget*>(error_), static_cast<QWidget*>(warning_),
                          static_cast<QWidget*>(help_)})
        lines->addWidget(part);
    control_->on_change = [this] { changed(); };
    control_->on_leave = [this] {
        is_typed_ = false;
        show_notes();
    };
    fill(field);
}

void Field::changed() {
    complaint_.clear();
    is_typed_ = true;
    on_change();
}

void Field::fill(const QJsonObject& field) {
    control_->fill(field);
    is_typed_ = false;
    show_state(field);
}

void Field::show_state(const QJsonObject& field) {
    setVisible(field["visible"].toBool(true));
    control_->widget()->setEnabled(field["enabled"].toBool(true));
    control_->show_state(field);
    const QString name = field["label"].toString(field["key"].toString());
    if (label_) say(label_, field["required"].toBool() ? name + " *" : name);
    say(help_, field["help"].toString());
    help_->setVisible(!field["help"].toString().isEmpty());
    wrong_ = field["error"]["message"].toString();
    warns_ = field["warning"]["message"].toString();
    show_notes();
}

void Field::show_notes() {
    const QString wrong = is_typed_ ? QString() : complaint_.isEmpty() ? wrong_ : complaint_;
    error_->tell(Mark::failed, wrong, "error");
    error_->setVisible(!wrong.isEmpty());
    warning_->tell(Mark::warning, warns_, "warning");
    warning_->setVisible(!warns_.isEmpty());
    control_->show_wrong(!wrong.isEmpty());
}

void Field::complain(const QString& message) {
    complaint_ = message;
    is_typed_ = false;
    show_notes();
}

void Field::take_focus() { control_->widget()->setFocus(Qt::OtherFocusReason); }
