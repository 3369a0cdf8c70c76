// The settings page: nothing but what the form's data says, and beside it the way through it.
#pragma once

#include "field.hpp"
#include "report.hpp"

#include <QJsonObject>
#include <QMap>
#include <QWidget>

#include <functional>
#include <memory>

class QHBoxLayout;

class Settings : public QWidget {
public:
    explicit Settings(const Library& library);

    // Settings that somebody proposes; they are merged into what is filled in.
    void merge(const QJsonObject& patch);

    // They were saved: what they allow may have changed.
    std::function<void()> on_saved;

private:
    QJsonObject values() const;
    void ask_again();
    void show_form(const QJsonObject& reply, bool fills);
    void show_fields(const QJsonObject& form, bool fills);
    void show_buttons(const QJsonObject& form);
    void show_proposal(const QJsonObject& proposal);
    void show_provider(const QJsonObject& provider);
    void press(const QString& key);
    void test();
    void update();
    void complain(const QJsonObject& reply);
    void accept(const QJsonObject& patch);

    const Library& library_;
    QMap<QString, Field*> fields_;
    QMap<QString, QPushButton*> buttons_;
    QVBoxLayout *form_, *proposal_, *steps_;
    QHBoxLayout* bar_;
    QLabel *why_not_, *protection_;
    QJsonObject shown_proposal_, shown_provider_;
    Report* report_;
    std::unique_ptr<Work> work_;
    bool is_testing_ = false;
};
