// The host's own part: its invoices, and how one is drawn, on the screen and as a PDF.
#pragma once

#include <QByteArray>
#include <QDate>
#include <QDir>
#include <QJsonObject>
#include <QLocale>
#include <QString>
#include <QStringList>
#include <QVector>
#include <QWidget>

struct Line {
    QString what;
    int count;
    int cents;
};

struct Invoice {
    QString number;
    QDate date;
    QString customer, email;
    QStringList address;
    QVector<Line> lines;

    int total() const;
    // What mailbutton wants to know of it for the Email button.
    QJsonObject document() const;
};

QVector<Invoice> sample_invoices();
QString money(int cents, const QLocale& locale);

// The PDF as it is kept: drawn once, and the same bytes ever after.
QByteArray pdf_of(const Invoice& invoice, const QDir& archive);

class Preview : public QWidget {
public:
    Preview();
    void show_invoice(const Invoice& invoice);

protected:
    void paintEvent(QPaintEvent*) override;

private:
    Invoice invoice_;
};
