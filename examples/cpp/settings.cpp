// The email settings: saves what was filled in, tests it, and prints the form. Exceptions say what went wrong.
//
//     settings OPTIONS <SETTINGS-FILE
//
// OPTIONS is JSON, for example '{"store": "email.json", "program_name": "My ERP"}'.
#include <mailbutton.hpp>

#include <iostream>
#include <iterator>

int main(int argc, char** argv) try {
    if (argc != 2) {
        std::cerr << "usage: " << argv[0] << " OPTIONS <SETTINGS-FILE\n";
        return 2;
    }
    const std::string settings{std::istreambuf_iterator<char>(std::cin), {}};
    const mailbutton::account account(argv[1]);
    account.settings_set(settings).expect_ok();
    const mailbutton::reply test = account.send_test();
    test.wait([](const mailbutton::progress& now) { std::cerr << '[' << now.step << "] " << now.text << '\n'; });
    std::cout << test.expect_ok().message() << '\n' << account.form().json() << '\n';
    return 0;
} catch (const mailbutton::error& refused) {
    // The JSON names the fields at fault and carries the advice; a program shows both in its form.
    std::cerr << refused.what() << '\n' << refused.json() << '\n';
    return 1;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
