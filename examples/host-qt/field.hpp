// One field of the settings form: its label, what is filled in, and what is said about it.
#pragma once

#include "library.hpp"
#include "look.hpp"

#include <QJsonValue>
#include <QWidget>

#include <functional>
#include <memory>

// The part that a value is filled in with. What kind of value it is, the field's type says.
class Control {
public:
    virtual ~Control() = default;
    virtual QWidget* widget() = 0;
    virtual QJsonValue value() const = 0;
    virtual void fill(const QJsonObject& field) = 0;
    virtual void show_state(const QJsonObject&) {}
    virtual void show_wrong(bool) {}
    // Of a secret that is stored now, nothing stays in the window.
    virtual void forget() {}
    // What the user reads as the name of the field, unless the control has it on itself.
    virtual bool has_own_label() const { return false; }

    std::function<void()> on_change, on_leave;
};

class Field : public QWidget {
public:
    Field(const QJsonObject& field, const Library& library);

    // What the form says now. The value stays as it is, which may be half a word that is being typed.
    void show_state(const QJsonObject& field);
    // The same, and the value as well.
    void fill(const QJsonObject& field);
    QJsonValue value() const { return control_->value(); }
    // From a reply's `errors`; until the value changes.
    void complain(const QString& message);
    void forget() { control_->forget(); }
    void take_focus();

    std::function<void()> on_change;

private:
    void changed();
    void show_notes();

    std::unique_ptr<Control> control_;
    QLabel* label_ = nullptr;
    QLabel* help_;
    Note *error_, *warning_;
    QString complaint_;
    QString wrong_, warns_;
    // What is wrong with a value is told when it is left, not while it is typed.
    bool is_typed_ = false;
};
