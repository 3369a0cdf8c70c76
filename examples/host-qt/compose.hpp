// The email with a document: to whom and what, its way out, and what became of it.
#pragma once

#include "library.hpp"
#include "look.hpp"
#include "report.hpp"

#include <QJsonArray>
#include <QMap>
#include <QWidget>

#include <functional>
#include <memory>

class QLineEdit;
class QPlainTextEdit;
class QProgressBar;
class QScrollArea;

class Compose : public QWidget {
public:
    explicit Compose(const Library& library);

    // `email` is what the button's reply begins with.
    void begin(const QJsonObject& email, const QByteArray& pdf);

    std::function<void()> on_close;
    // A repair of the settings, which a failed send proposes.
    std::function<void(const QJsonObject&)> on_patch;

private:
    enum State { writing, sending, over };

    QVBoxLayout* add_line(const QString& key, QWidget* edit);
    QJsonObject email() const;
    void set_state(State state);
    void check();
    void add_warning(const QJsonObject& warning);
    void take_proposal(const QString& place, const QString& proposal);
    void send();
    void ended(const QJsonObject& reply);
    void complain(const QJsonObject& errors);

    const Library& library_;
    QJsonObject document_;
    QByteArray pdf_;
    QJsonArray told_;
    QMap<QString, QLineEdit*> lines_;
    QMap<QString, Note*> errors_;
    // Each below the part that it is about, and the others at the end.
    QMap<QString, QVBoxLayout*> warnings_;
    QPlainTextEdit* body_;
    QLabel* file_;
    QWidget *form_, *progress_row_;
    QProgressBar* progress_;
    Note* progress_text_;
    QScrollArea* area_;
    Report* report_;
    QPushButton *send_, *cancel_;
    std::unique_ptr<Work> work_;
    State state_ = writing;
};
