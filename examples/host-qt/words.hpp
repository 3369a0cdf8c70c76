// The words around form and email that no reply of the library has.
#pragma once

#include <QMap>
#include <QString>

// Those of a language, or English.
const QMap<QString, QString>& words(const QString& locale);
