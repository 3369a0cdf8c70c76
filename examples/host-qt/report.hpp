// What became of a test or an email: the steps as they happen, the sentence, the server's words, and what to do.
#pragma once

#include "library.hpp"
#include "look.hpp"

#include <QWidget>

#include <functional>

class Report : public QWidget {
public:
    // Of an email the report names the recipients; a test has one, whom its message names.
    Report(const Library& library, bool names_recipients);

    void progress(const Work::Progress& now);
    void show_reply(const QJsonObject& reply);
    void clear();

    // A repair that the user accepted: settings, to be merged into the form.
    std::function<void(const QJsonObject&)> on_patch;

private:
    void add_advice(const QJsonObject& advice, const QJsonObject& certificate);
    void add_recipients(const QJsonObject& reply);
    void add_steps(const QJsonObject& reply);

    const Library& library_;
    bool names_recipients_;
    QVBoxLayout *said_, *steps_;
    Note* last_ = nullptr;
    QString last_step_;
};

// The server's own words, such as 535 5.7.8 and its text; empty if there are none.
QString words_of(const QJsonObject& server);
