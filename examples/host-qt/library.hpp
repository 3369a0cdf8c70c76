// mailbutton with Qt's JSON, and its work without waiting for it in the window.
#pragma once

#include <mailbutton.hpp>

#include <QByteArray>
#include <QJsonObject>
#include <QObject>
#include <QString>

#include <functional>
#include <thread>

// Work under way. A thread of its own waits for it; what it tells is told again in the main loop.
class Work {
public:
    struct Progress {
        QString step, text;
        int permille;
    };

    Work(mailbutton::reply reply, std::function<void(const Progress&)> on_progress,
         std::function<void(const QJsonObject&)> on_end);
    // Cancels what still runs. Nothing is told any more.
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    void cancel() const noexcept { reply_.cancel(); }

private:
    void wait() const;

    mailbutton::reply reply_;
    std::function<void(const Progress&)> on_progress_;
    std::function<void(const QJsonObject&)> on_end_;
    // Lives in the main loop, and takes with it what was not told yet.
    mutable QObject main_;
    std::thread thread_;
};

class Library {
public:
    // Throws a mailbutton::error if there is no account to be had.
    Library(const QJsonObject& options);

    // Ready at once.
    QJsonObject form() const;
    QJsonObject form(const QJsonObject& values) const;
    QJsonObject settings_set(const QJsonObject& settings) const;
    QJsonObject button(const QJsonObject& document) const;
    QJsonObject check_document(const QJsonObject& email, const QByteArray& pdf) const;

    // Under way; for Work.
    mailbutton::reply send_test(const QJsonObject& test) const;
    mailbutton::reply send_document(const QJsonObject& email, const QByteArray& pdf) const;

    // A word that stands around form and email, in the user's language. One that is not there is its key.
    QString word(const QString& key) const;
    bool is_right_to_left() const { return right_to_left_; }

private:
    mailbutton::account account_;
    QJsonObject words_;
    bool right_to_left_;
};
