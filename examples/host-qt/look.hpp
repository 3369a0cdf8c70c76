// How things look: colours, spacing, and the few small pieces that every page is made of.
#pragma once

#include <QLabel>
#include <QPushButton>
#include <QString>
#include <QVBoxLayout>
#include <QWidget>

class QApplication;
class QScrollArea;

void dress(QApplication& application);

// Text from anywhere, shown as it is: no markup, and long words are broken. `kind` chooses the look.
QLabel* label(const QString& text, const char* kind = "plain");
// The same for text that goes into a label that is there already.
void say(QLabel* label, const QString& text);
// An "&" would otherwise underline the next letter.
void name(QPushButton* button, const QString& text);
QPushButton* button(const QString& text, const char* kind = "plain");
// A page of the web. Only https is opened.
QPushButton* link(const QString& address);

void set_kind(QWidget* widget, const char* kind);
void clear(QLayout* layout);
QVBoxLayout* column(QWidget* parent, int margin, int spacing);

// What is higher than the window. It follows the focus.
QScrollArea* scrolled(QWidget* inside);

// A box with a border, for what belongs together.
class Card : public QWidget {
public:
    explicit Card(const char* kind = "card");
    QVBoxLayout* inside;

protected:
    void paintEvent(QPaintEvent*) override;
};

// A sign that tells by its shape, not only by its colour.
class Mark : public QWidget {
public:
    enum Kind { ok, failed, warning, hint, skipped, running };

    Mark(Kind kind, int size = 18);
    void set(Kind kind);

protected:
    void paintEvent(QPaintEvent*) override;
    void timerEvent(QTimerEvent*) override;

private:
    Kind kind_ = skipped;
    int turn_ = 0, timer_ = 0;
};

// A mark, and beside it a text.
class Note : public QWidget {
public:
    Note(Mark::Kind kind, const QString& text, const char* look = "plain", int size = 18);
    void tell(Mark::Kind kind, const QString& text, const char* look);
    const QString& text() const { return text_; }

private:
    Mark* mark_;
    QLabel* label_;
    QString text_;
};
