// A small invoicing program with mailbutton's email settings and Email button, in Qt's own widgets.
//
//     host-qt FOLDER [--locale ro] [--ca-file authorities.pem]
//
// FOLDER is the company's: the email settings and the invoices' PDFs are kept there.
#include "library.hpp"
#include "look.hpp"
#include "window.hpp"

#include <QApplication>
#include <QCommandLineParser>
#include <QLocale>

#include <cstdio>

int main(int argc, char** argv) try {
    QApplication application(argc, argv);
    QCommandLineParser arguments;
    arguments.addHelpOption();
    arguments.addPositionalArgument("FOLDER", "where the settings and the PDFs are kept");
    arguments.addOption({"locale", "the language, such as ro or ar", "tag", "en"});
    arguments.addOption({"ca-file", "certificates to trust besides the system's", "file"});
    arguments.process(application);
    const QDir folder(arguments.positionalArguments().value(0));
    if (arguments.positionalArguments().size() != 1 || !folder.exists()) arguments.showHelp(2);

    QLocale::setDefault(QLocale(arguments.value("locale")));
    QJsonObject options{{"store", folder.filePath("email-settings")},
                        {"program_name", "Orchard Books"},
                        {"locale", arguments.value("locale")}};
    if (arguments.isSet("ca-file")) options["ca_file"] = arguments.value("ca-file");
    const Library library(options);

    application.setLayoutDirection(library.is_right_to_left() ? Qt::RightToLeft : Qt::LeftToRight);
    dress(application);
    Window window(library, folder);
    window.show();
    window.activateWindow();
    return application.exec();
} catch (const mailbutton::error& refused) {
    std::fprintf(stderr, "host-qt: %s\n", refused.what());
    return 1;
}
