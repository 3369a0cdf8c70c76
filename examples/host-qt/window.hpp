// The window: the host's invoices with the Email button, and the email settings.
#pragma once

#include "compose.hpp"
#include "invoices.hpp"
#include "library.hpp"
#include "settings.hpp"

#include <QDir>
#include <QWidget>

class QListWidget;
class QStackedWidget;

class Window : public QWidget {
public:
    Window(const Library& library, const QDir& archive);

private:
    QWidget* navigation();
    QWidget* invoices_page();
    void go_to(int page);
    void show_invoice();
    void ask_for_button();
    void compose();

    const Library& library_;
    QDir archive_;
    QVector<Invoice> invoices_;
    QJsonObject email_;

    QStackedWidget *pages_, *left_;
    QListWidget* list_;
    QLabel *title_, *why_not_;
    QPushButton *email_button_, *to_settings_;
    QVector<QPushButton*> places_;
    Preview* preview_;
    Compose* compose_;
    Settings* settings_;
};
