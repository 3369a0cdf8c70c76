// What became of a test or an email: the steps as they happen, the sentence, the server's words, and what to do.
#pragma once

#include "library.hpp"
#include "look.hpp"

#include <QWidget>

#include <functional>

class Report : public QWidget {
public:
    // Of a test it shows the steps; of an email what became of it for each recipient.
    enum Kind { of_test, of_email };

    Report(const Library& library, Kind kind);

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
    Kind kind_;
    QVBoxLayout *said_, *steps_;
    Note* last_ = nullptr;
    QString last_step_;
};

// The server's own words, such as 535 5.7.8 and its text; empty if there are none.
QString words_of(const QJsonObject& server);
