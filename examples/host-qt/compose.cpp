#include "compose.hpp"

#include <QGuiApplication>
#include <QHBoxLayout>
#include <QJsonArray>
#include <QLineEdit>
#include <QLocale>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <QRegularExpression>
#include <QScrollArea>
#include <QScrollBar>
#include <QTextDocument>
#include <QTextOption>

namespace {

// A comma may be part of a name, so that every address keeps its place between semicolons.
QString as_line(const QJsonValue& addresses) {
    if (!addresses.isArray()) return addresses.toString();
    QStringList each;
    for (const QJsonValue& address : addresses.toArray()) each += address.toString();
    return each.join("; ");
}

// The part of the email that a place such as to[2] or document.file_name lies in.
QString part_of(const QString& place) {
    const QString part = place.section('[', 0, 0).section('.', 0, 0);
    return part == "body" ? "message" : part;
}

}  // namespace

Compose::Compose(const Library& library) : library_(library) {
    form_ = new QWidget;
    form_->setObjectName("scrolled");
    auto* fields = column(form_, 0, 12);
    for (const char* key : {"to", "cc", "bcc", "subject"}) {
        lines_[key] = new QLineEdit;
        fields->addLayout(add_line(key, lines_[key]));
        connect(lines_[key], &QLineEdit::editingFinished, this, [this] { check(); });
    }
    body_ = new QPlainTextEdit;
    body_->setTabChangesFocus(true);
    QTextOption beginning;
    beginning.setAlignment(QGuiApplication::isRightToLeft() ? Qt::AlignRight | Qt::AlignAbsolute : Qt::AlignLeft);
    body_->document()->setDefaultTextOption(beginning);
    body_->setMinimumHeight(150);
    fields->addLayout(add_line("message", body_));
    file_ = label("", "help");
    fields->addWidget(file_);
    warnings_[""] = column(nullptr, 0, 8);
    fields->addLayout(warnings_[""]);

    report_ = new Report(library, Report::of_email);
    report_->on_patch = [this](const QJsonObject& patch) { on_patch(patch); };
    auto* inside = new QWidget;
    auto* all = column(inside, 0, 14);
    all->setContentsMargins(0, 0, 12, 0);
    all->addWidget(report_);
    all->addWidget(form_);
    all->addStretch();
    area_ = scrolled(inside);

    progress_row_ = new QWidget;
    auto* progress = column(progress_row_, 0, 8);
    progress_text_ = new Note(Mark::running, "");
    progress_ = new QProgressBar;
    progress_->setTextVisible(false);
    progress_->setRange(0, 1000);
    progress->addWidget(progress_text_);
    progress->addWidget(progress_);

    auto* bar = new QHBoxLayout;
    bar->setSpacing(12);
    cancel_ = button("");
    send_ = button(library.word("send"), "main");
    bar->addStretch();
    bar->addWidget(cancel_);
    bar->addWidget(send_);
    connect(send_, &QPushButton::clicked, this, [this] { send(); });
    connect(cancel_, &QPushButton::clicked, this, [this] {
        if (state_ == sending) work_->cancel();
        else on_close();
    });

    auto* page = column(this, 0, 14);
    page->addWidget(area_, 1);
    page->addWidget(progress_row_);
    page->addLayout(bar);
}

QVBoxLayout* Compose::add_line(const QString& key, QWidget* edit) {
    auto* lines = column(nullptr, 0, 4);
    const QString word = library_.word(key);
    edit->setAccessibleName(word);
    errors_[key] = new Note(Mark::failed, "", "error", 16);
    errors_[key]->hide();
    for (QWidget* part : {static_cast<QWidget*>(label(word, "strong")), edit, static_cast<QWidget*>(errors_[key])})
        lines->addWidget(part);
    warnings_[key] = column(nullptr, 0, 8);
    lines->addLayout(warnings_[key]);
    return lines;
}

void Compose::begin(const QJsonObject& email, const QByteArray& pdf) {
    document_ = email["document"].toObject();
    pdf_ = pdf;
    for (auto line = lines_.begin(); line != lines_.end(); ++line) line.value()->setText(as_line(email[line.key()]));
    body_->setPlainText(email["body"].toString());
    const QString size = QLocale().formattedDataSize(pdf.size(), 1, QLocale::DataSizeTraditionalFormat);
    say(file_, document_["file_name"].toString() + " (" + size + ")");
    report_->clear();
    complain({});
    set_state(writing);
    check();
    lines_["to"]->setFocus();
}

QJsonObject Compose::email() const {
    QJsonObject email{{"body", body_->toPlainText()}, {"document", document_}};
    for (auto line = lines_.begin(); line != lines_.end(); ++line)
        if (!line.value()->text().isEmpty()) email[line.key()] = line.value()->text();
    return email;
}

void Compose::set_state(State state) {
    state_ = state;
    form_->setEnabled(state == writing);
    form_->setVisible(state != over);
    progress_row_->setVisible(state == sending);
    send_->setVisible(state == writing);
    name(cancel_, library_.word(state == over ? "close" : "cancel"));
    if (state != writing) cancel_->setFocus();
}

// What is probably not meant. It keeps nobody from sending.
void Compose::check() {
    const QJsonArray told = library_.check_document(email(), pdf_)["warnings"].toArray();
    // The focus leaves a field when a warning's own button is pressed, which must still be there then.
    if (told == told_) return;
    told_ = told;
    for (QVBoxLayout* warnings : std::as_const(warnings_)) clear(warnings);
    for (const QJsonValue& warning : told) add_warning(warning.toObject());
}

void Compose::add_warning(const QJsonObject& warning) {
    auto* card = new Card("card-warning");
    card->inside->addWidget(new Note(Mark::warning, warning["message"].toString()));
    const QString place = warning["key"].toString(), proposal = warning["proposal"].toString();
    if (!proposal.isEmpty() && lines_.contains(part_of(place))) {
        auto* apply = button(library_.word("apply"));
        connect(apply, &QPushButton::clicked, this, [this, place, proposal] { take_proposal(place, proposal); });
        card->inside->addWidget(apply, 0, Qt::AlignLeft);
    }
    warnings_.value(part_of(place), warnings_[""])->addWidget(card);
}

void Compose::take_proposal(const QString& place, const QString& proposal) {
    QLineEdit* line = lines_[part_of(place)];
    if (!place.contains('[')) {
        line->setText(proposal);
    } else {
        // A comma between quotes belongs to a name.
        static const QRegularExpression between(R"(\s*[;,]\s*(?=(?:[^"]*"[^"]*")*[^"]*$))");
        QStringList each = line->text().trimmed().split(between, Qt::SkipEmptyParts);
        const int at = place.section('[', 1).section(']', 0, 0).toInt();
        if (at < each.size()) each[at] = proposal;
        line->setText(each.join("; "));
    }
    check();
}

void Compose::send() {
    report_->clear();
    complain({});
    progress_->setValue(0);
    progress_text_->tell(Mark::running, library_.word("sending"), "plain");
    set_state(sending);
    work_ = std::make_unique<Work>(
        library_.send_document(email(), pdf_),
        [this](const Work::Progress& now) {
            progress_text_->tell(Mark::running, now.text, "plain");
            progress_->setValue(now.permille);
        },
        [this](const QJsonObject& reply) { ended(reply); });
}

// Where the email can be mended it stays, with what was said above it.
void Compose::ended(const QJsonObject& reply) {
    const int status = reply["status"].toInt(MAILBUTTON_INTERNAL);
    set_state(status == MAILBUTTON_OK || status == MAILBUTTON_UNCERTAIN ? over : writing);
    report_->show_reply(reply);
    if (state_ == writing) lines_["to"]->setFocus();
    area_->verticalScrollBar()->setValue(0);
    complain(reply);
}

void Compose::complain(const QJsonObject& reply) {
    for (Note* error : std::as_const(errors_)) error->hide();
    for (const QJsonValue& error : reply["errors"].toArray()) {
        Note* note = errors_.value(part_of(error["key"].toString()));
        if (!note) continue;
        note->tell(Mark::failed, error["message"].toString(), "error");
        note->show();
    }
}
