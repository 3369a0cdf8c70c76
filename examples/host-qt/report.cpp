#include "report.hpp"

#include <QHBoxLayout>
#include <QJsonArray>

namespace {

Mark::Kind mark_of(const QString& status) {
    if (status == "ok" || status == "accepted") return Mark::ok;
    if (status == "skipped" || status == "not_sent") return Mark::skipped;
    if (status == "deferred" || status == "uncertain") return Mark::warning;
    return Mark::failed;
}

QHBoxLayout* row_of(QWidget* first, QWidget* last) {
    auto* row = new QHBoxLayout;
    row->setSpacing(8);
    row->addWidget(first, 1);
    row->addWidget(last, 0, Qt::AlignTop);
    return row;
}

// What there is to compare with what the server's administrator says.
void add_certificate(Card* card, const QJsonObject& certificate, const Library& library) {
    for (const QString part : {"subject", "issuer", "fingerprint"}) {
        if (!certificate[part].isString()) continue;
        card->inside->addWidget(label(library.word("certificate_" + part), "help"));
        card->inside->addWidget(label(certificate[part].toString(), "server"));
    }
}

}  // namespace

QString words_of(const QJsonObject& server) {
    QString words = server["code"].isDouble() ? QString::number(server["code"].toInt()) + ' ' : QString();
    if (!server["enhanced"].toString().isEmpty()) words += server["enhanced"].toString() + ' ';
    return (words + server["text"].toString()).trimmed();
}

Report::Report(const Library& library, Kind kind) : library_(library), kind_(kind) {
    auto* all = column(this, 0, 14);
    said_ = new QVBoxLayout;
    said_->setSpacing(10);
    steps_ = new QVBoxLayout;
    steps_->setSpacing(8);
    all->addLayout(said_);
    all->addLayout(steps_);
    hide();
}

void Report::clear() {
    ::clear(said_);
    ::clear(steps_);
    last_ = nullptr;
    last_step_.clear();
    hide();
}

void Report::progress(const Work::Progress& now) {
    show();
    if (last_ && now.step == last_step_) return last_->tell(Mark::running, now.text, "plain");
    if (last_) last_->tell(Mark::ok, last_->text(), "plain");
    last_ = new Note(Mark::running, now.text);
    last_step_ = now.step;
    steps_->addWidget(last_);
}

void Report::show_reply(const QJsonObject& reply) {
    clear();
    const int status = reply["status"].toInt(MAILBUTTON_INTERNAL);
    const bool is_good = status == MAILBUTTON_OK && reply["reason"] != "accepted_partly";
    const bool is_open = status == MAILBUTTON_UNCERTAIN || status == MAILBUTTON_OK;
    auto* card = new Card(is_good ? "card-ok" : is_open ? "card-warning" : "card-failed");
    const Mark::Kind mark = is_good ? Mark::ok : is_open ? Mark::warning : Mark::failed;
    card->inside->addWidget(new Note(mark, reply["message"].toString(reply["reason"].toString()), "strong"));
    const QString server = words_of(reply["server"].toObject());
    if (!server.isEmpty()) card->inside->addWidget(label(server, "server"));
    said_->addWidget(card);
    if (kind_ == of_email) add_recipients(reply);
    for (const QJsonValue& advice : reply["advice"].toArray())
        add_advice(advice.toObject(), reply["certificate"].toObject());
    if (kind_ == of_test) add_steps(reply);
    show();
}

void Report::add_advice(const QJsonObject& advice, const QJsonObject& certificate) {
    const QString text = advice["text"].toString();
    if (text.isEmpty()) return;
    auto* card = new Card;
    card->inside->addWidget(new Note(Mark::hint, text));
    const bool is_trust = advice["code"] == "accept_certificate";
    if (is_trust) add_certificate(card, certificate, library_);
    if (advice["link"].isString()) card->inside->addWidget(link(advice["link"].toString()), 0, Qt::AlignLeft);
    const QJsonObject patch = advice["patch"].toObject();
    if (!patch.isEmpty()) {
        auto* apply = button(library_.word(is_trust ? "accept_certificate" : kind_ == of_test ? "apply_and_test" : "apply"));
        connect(apply, &QPushButton::clicked, this, [this, patch] { on_patch(patch); });
        card->inside->addWidget(apply, 0, Qt::AlignLeft);
    }
    said_->addWidget(card);
}

void Report::add_recipients(const QJsonObject& reply) {
    for (const QJsonValue& each : reply["recipients"].toArray()) {
        const QJsonObject recipient = each.toObject();
        const QString outcome = recipient["outcome"].toString();
        auto* who = new Note(mark_of(outcome), recipient["address"].toString());
        said_->addLayout(row_of(who, label(library_.word("outcome_" + outcome), "help")));
        const QString server = words_of(recipient["server"].toObject());
        // What was said of one is often what the whole came to grief over, and stands above.
        if (!server.isEmpty() && outcome != "accepted" && server != words_of(reply["server"].toObject()))
            said_->addWidget(label(server, "server"));
    }
}

void Report::add_steps(const QJsonObject& reply) {
    for (const QJsonValue& each : reply["steps"].toArray()) {
        const QJsonObject step = each.toObject();
        const QString status = step["status"].toString();
        auto* what = new Note(mark_of(status), step["label"].toString(step["step"].toString()),
                              status == "skipped" ? "help" : "plain");
        const QString time = QString::number(step["ms"].toInt()) + " ms";
        auto* took = label(status == "skipped" ? QString() : time, "help");
        took->setWordWrap(false);
        steps_->addLayout(row_of(what, took));
    }
}
