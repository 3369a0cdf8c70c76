#include "library.hpp"

#include <QJsonDocument>

namespace {

QByteArray written(const QJsonObject& object) { return QJsonDocument(object).toJson(QJsonDocument::Compact); }

QJsonObject read(const mailbutton::reply& reply) {
    const std::string_view json = reply.json();
    return QJsonDocument::fromJson(QByteArray(json.data(), static_cast<qsizetype>(json.size()))).object();
}

QString copied(std::string_view text) { return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size())); }

}  // namespace

Work::Work(mailbutton::reply reply, std::function<void(const Progress&)> on_progress,
           std::function<void(const QJsonObject&)> on_end)
    : reply_(std::move(reply)),
      on_progress_(std::move(on_progress)),
      on_end_(std::move(on_end)),
      thread_([this] { wait(); }) {}

Work::~Work() {
    cancel();
    thread_.join();
}

void Work::wait() const {
    reply_.wait([this](const mailbutton::progress& now) {
        const Progress told{copied(now.step), copied(now.text), now.permille};
        QMetaObject::invokeMethod(&main_, [this, told] { on_progress_(told); }, Qt::QueuedConnection);
    });
    const QJsonObject ended = read(reply_);
    QMetaObject::invokeMethod(&main_, [this, ended] { on_end_(ended); }, Qt::QueuedConnection);
}

Library::Library(const QJsonObject& options) : account_(written(options).constData()) {
    const QJsonObject reply = read(mailbutton::reply(mailbutton_words(account_.get(), nullptr)));
    words_ = reply["words"].toObject();
    right_to_left_ = reply["direction"].toString() == "rtl";
}

QJsonObject Library::form() const { return read(account_.form()); }

QJsonObject Library::form(const QJsonObject& values) const { return read(account_.form(written(values).constData())); }

QJsonObject Library::settings_set(const QJsonObject& settings) const {
    return read(account_.settings_set(written(settings).constData()));
}

QJsonObject Library::button(const QJsonObject& document) const {
    return read(account_.button(written(document).constData()));
}

QJsonObject Library::check_document(const QJsonObject& email, const QByteArray& pdf) const {
    return read(account_.check_document(written(email).constData(), static_cast<std::size_t>(pdf.size())));
}

mailbutton::reply Library::send_test(const QJsonObject& test) const {
    return account_.send_test(written(test).constData());
}

mailbutton::reply Library::send_document(const QJsonObject& email, const QByteArray& pdf) const {
    return account_.send_document(written(email).constData(), pdf.constData(), static_cast<std::size_t>(pdf.size()));
}

QString Library::word(const QString& key) const { return words_[key].toString(key); }
