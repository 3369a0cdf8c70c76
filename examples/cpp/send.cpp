// Sends a document with the saved settings, and says how it went.
//
//     send OPTIONS EMAIL DOCUMENT.pdf
//
// OPTIONS is JSON, for example '{"store": "email.json", "program_name": "My ERP"}', and so is
// EMAIL: '{"to": "ana@example.com", "subject": "Invoice 7", "document": {"file_name": "Invoice 7.pdf"}}'.
#include <mailbutton.hpp>

#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

static std::vector<char> read(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(std::string("cannot read ") + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What a program does about each status. Only the user can say whether to send an uncertain one again.
static const char* what_next(mailbutton::status ended) {
    using mailbutton::status;
    switch (ended) {
        case status::ok: return "sent";
        case status::bad_settings: return "show the settings form";
        case status::bad_email: return "show the email again";
        case status::try_later: return "offer to try again later";
        case status::uncertain: return "ask the user: it may have been delivered";
        default: return "show the message";
    }
}

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " OPTIONS EMAIL DOCUMENT.pdf\n";
        return 2;
    }
    const mailbutton::account account(argv[1]);
    const mailbutton::reply reply = account.send_document(argv[2], read(argv[3]));
    const auto status = reply.wait([](const mailbutton::progress& now) {
        std::cerr << now.text << " (" << now.permille / 10 << "%)\n";
    });
    std::cout << what_next(status) << '\n' << reply.message() << '\n' << reply.json() << '\n';
    return status == mailbutton::status::ok ? 0 : 1;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
