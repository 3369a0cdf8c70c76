#include "settings.hpp"

#include <QHBoxLayout>
#include <QJsonArray>
#include <QScrollArea>
#include <QTimer>

Settings::Settings(const Library& library) : library_(library) {
    auto* fields = new QWidget;
    form_ = column(fields, 32, 18);
    form_->addWidget(label(library.word("settings_title"), "title"));
    form_->addStretch();

    auto* beside = new QWidget;
    auto* helpers = column(beside, 24, 14);
    proposal_ = column(nullptr, 0, 0);
    steps_ = column(nullptr, 0, 0);
    report_ = new Report(library, Report::of_test);
    report_->on_patch = [this](const QJsonObject& patch) { accept(patch); };
    protection_ = label("", "help");
    helpers->addLayout(proposal_);
    helpers->addWidget(report_);
    helpers->addLayout(steps_);
    helpers->addStretch();
    helpers->addWidget(protection_);

    auto* bar = new QWidget;
    bar->setObjectName("bar");
    bar->setAttribute(Qt::WA_StyledBackground);
    bar_ = new QHBoxLayout(bar);
    bar_->setContentsMargins(32, 12, 32, 12);
    bar_->setSpacing(12);
    why_not_ = label("", "help");
    bar_->addWidget(why_not_, 1);

    auto* columns = new QHBoxLayout;
    columns->setSpacing(0);
    columns->addWidget(scrolled(fields), 3);
    columns->addWidget(scrolled(beside), 2);
    auto* all = column(this, 0, 0);
    all->addLayout(columns, 1);
    all->addWidget(bar);
    show_form(library_.form(), true);
}

QJsonObject Settings::values() const {
    QJsonObject values;
    for (auto field = fields_.begin(); field != fields_.end(); ++field) {
        const QJsonValue value = field.value()->value();
        if (!value.isNull() && !value.isUndefined()) values[field.key()] = value;
    }
    return values;
}

void Settings::ask_again() { show_form(library_.form(values()), false); }

void Settings::show_form(const QJsonObject& reply, bool fills) {
    const QJsonObject form = reply["form"].toObject();
    show_fields(form, fills);
    show_buttons(form);
    show_proposal(form["proposal"].toObject());
    show_provider(form["provider"].toObject());
    say(protection_, reply["protection"]["message"].toString());
    // The form is there although something is the matter: a damaged settings file, or a call of another version.
    if (reply["status"].toInt(MAILBUTTON_INTERNAL) != MAILBUTTON_OK) report_->show_reply(reply);
}

void Settings::show_fields(const QJsonObject& form, bool fills) {
    for (const QJsonValue& each : form["fields"].toArray()) {
        const QJsonObject field = each.toObject();
        // Without one its value could not go back.
        if (field["key"].toString().isEmpty()) continue;
        Field*& shown = fields_[field["key"].toString()];
        if (!shown) {
            shown = new Field(field, library_);
            shown->on_change = [this] { ask_again(); };
            form_->insertWidget(form_->count() - 1, shown);
        } else if (fills) {
            shown->fill(field);
        } else {
            shown->show_state(field);
        }
    }
}

void Settings::show_buttons(const QJsonObject& form) {
    QString why_not;
    for (const QJsonValue& each : form["buttons"].toArray()) {
        const QString key = each["key"].toString();
        if (key != "test" && key != "update") continue;
        QPushButton*& shown = buttons_[key];
        if (!shown) {
            shown = button(each["label"].toString(key), key == "update" ? "main" : "plain");
            bar_->addWidget(shown);
            connect(shown, &QPushButton::clicked, this, [this, key] { press(key); });
        }
        shown->setEnabled(each["enabled"].toBool() || (is_testing_ && key == "test"));
        name(shown, is_testing_ && key == "test" ? library_.word("cancel") : each["label"].toString(key));
        if (why_not.isEmpty()) why_not = each["why_not"]["message"].toString();
    }
    say(why_not_, why_not);
}

void Settings::show_proposal(const QJsonObject& proposal) {
    if (proposal == shown_proposal_) return;
    shown_proposal_ = proposal;
    clear(proposal_);
    if (proposal.isEmpty()) return;
    auto* card = new Card("card-hint");
    card->inside->addWidget(new Note(Mark::hint, proposal["message"].toString()));
    auto* apply = button(library_.word("use_proposal"));
    const QJsonObject patch = proposal["patch"].toObject();
    connect(apply, &QPushButton::clicked, this, [this, patch] { merge(patch); });
    card->inside->addWidget(apply, 0, Qt::AlignLeft);
    proposal_->addWidget(card);
}

void Settings::show_provider(const QJsonObject& provider) {
    if (provider == shown_provider_) return;
    shown_provider_ = provider;
    clear(steps_);
    if (provider.isEmpty()) return;
    auto* card = new Card;
    card->inside->addWidget(label(library_.word("provider_steps").replace("{provider}", provider["name"].toString()), "heading"));
    int number = 0;
    for (const QJsonValue& step : provider["steps"].toArray()) {
        card->inside->addWidget(label(QString("%1. %2").arg(++number).arg(step["text"].toString())));
        if (step["link"].isString()) card->inside->addWidget(link(step["link"].toString()), 0, Qt::AlignLeft);
    }
    if (provider["help"].isString()) card->inside->addWidget(link(provider["help"].toString()), 0, Qt::AlignLeft);
    steps_->addWidget(card);
}

void Settings::merge(const QJsonObject& patch) {
    QJsonObject all = values();
    for (auto member = patch.begin(); member != patch.end(); ++member) all[member.key()] = member.value();
    show_form(library_.form(all), true);
}

// A repair is tried at once; where something has to be typed first, the form says what.
void Settings::accept(const QJsonObject& patch) {
    merge(patch);
    if (!is_testing_ && buttons_.contains("test") && buttons_["test"]->isEnabled()) test();
}

void Settings::press(const QString& key) {
    if (key == "update") update();
    else if (is_testing_) work_->cancel();
    else test();
}

void Settings::test() {
    report_->clear();
    is_testing_ = true;
    ask_again();
    work_ = std::make_unique<Work>(
        library_.send_test({{"settings", values()}}), [this](const Work::Progress& now) { report_->progress(now); },
        [this](const QJsonObject& reply) {
            is_testing_ = false;
            ask_again();
            report_->show_reply(reply);
            complain(reply);
        });
}

void Settings::update() {
    const QJsonObject reply = library_.settings_set(values());
    QJsonObject told = reply;
    if (reply["status"] == MAILBUTTON_OK) told["message"] = library_.word("saved");
    complain(reply);
    if (reply["status"] == MAILBUTTON_OK) {
        for (Field* field : fields_) field->forget();
        show_form(library_.form(), true);
        on_saved();
    }
    report_->show_reply(told);
}

void Settings::complain(const QJsonObject& reply) {
    Field* first = nullptr;
    for (const QJsonValue& error : reply["errors"].toArray()) {
        // A place within a field, such as reply_to[1], is the field's.
        Field* field = fields_.value(error["key"].toString().section('[', 0, 0));
        if (!field) continue;
        field->complain(error["message"].toString());
        if (!first) first = field;
    }
    if (first) first->take_focus();
}
