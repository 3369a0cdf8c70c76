// mailbutton.hpp: what it adds to the C functions, against a server of the C harness.
#include <mailbutton.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

#include <unistd.h>

extern "C" {
#include "../c/server.h"
}

namespace mb = mailbutton;
using namespace std::chrono_literals;

static int failures;
#define CHECK(what) \
    ((what) ? void() : (++failures, void(std::printf("  %s:%d: not so: %s\n", __FILE__, __LINE__, #what))))

static const std::string email = R"({"to": "bogdan@example.test", "subject": "Invoice 7"})";
static const std::string pdf = "%PDF-1.4\n%%EOF\n";

static std::string settings_for(const server* server) {
    return R"({"smtp_host": "127.0.0.1", "smtp_security": "none", "email_address": "ana@example.test", "smtp_port": )" +
           std::to_string(server_port(server)) + "}";
}

struct fixture {
    explicit fixture(manner manner) : server(server_start(manner)) {
        account.settings_set(settings_for(server)).expect_ok();
    }
    ~fixture() { server_stop(server); }
    fixture(const fixture&) = delete;
    fixture& operator=(const fixture&) = delete;

    ::server* server;
    mb::account account;
};

static_assert(!std::is_copy_constructible_v<mb::account> && std::is_nothrow_move_constructible_v<mb::account>);
static_assert(!std::is_copy_constructible_v<mb::reply> && std::is_nothrow_move_assignable_v<mb::reply>);
static_assert(std::is_nothrow_copy_constructible_v<mb::error>);
static_assert(!std::is_convertible_v<int, mb::text>);

static void versions() {
    CHECK(mb::abi_version() == MAILBUTTON_ABI_VERSION);
    CHECK(mb::version() == EXPECTED_VERSION);
}

static void sends_from_every_container() {
    fixture f(ACCEPTS);
    const std::vector<std::uint8_t> bytes(pdf.begin(), pdf.end());
    const std::vector<char> chars(pdf.begin(), pdf.end());
    std::array<unsigned char, 15> array{};
    std::copy(pdf.begin(), pdf.end(), array.begin());
    CHECK(f.account.send_document(email, bytes).wait() == mb::status::ok);
    CHECK(f.account.send_document(email.c_str(), chars).wait() == mb::status::ok);
    CHECK(f.account.send_document(std::string_view(email), array).wait() == mb::status::ok);
    CHECK(f.account.send_document(email, pdf).wait() == mb::status::ok);
    CHECK(f.account.send_document(email, std::string_view(pdf)).wait() == mb::status::ok);
    CHECK(f.account.send_document(email, pdf.data(), pdf.size()).wait() == mb::status::ok);
#if __cplusplus >= 202002L
    CHECK(f.account.send_document(email, std::as_bytes(std::span(bytes))).wait() == mb::status::ok);
    CHECK(server_messages(f.server) == 7);
#else
    CHECK(server_messages(f.server) == 6);
#endif
    const mb::reply empty = f.account.send_document(email, std::vector<char>());
    CHECK(empty.wait() == mb::status::bad_call && empty.message() == "pdf: The PDF is empty: it has no bytes.");
    CHECK(f.account.send_document(email, nullptr, 0).reason() == "null_argument");
    CHECK(f.account.send_document(email).reason() == "null_argument");
    const std::filesystem::path path = std::filesystem::temp_directory_path() / ("document-" + std::to_string(getpid()));
    std::ofstream(path, std::ios::binary) << pdf;
    const int before = server_messages(f.server);
    const std::string named = R"({"to": "bogdan@example.test", "document": {"path": ")" + path.string() + R"("}})";
    CHECK(f.account.send_document(named).wait() == mb::status::ok);
    CHECK(server_messages(f.server) == before + 1);
    std::filesystem::remove(path);
}

static void checks_before_sending() {
    fixture f(ACCEPTS);
    const mb::reply checked = f.account.check_document(R"({"to": "ion@gmial.com"})", pdf.size());
    CHECK(checked.wait() == mb::status::ok && checked.json().find(R"("proposal":"ion@gmail.com")") != std::string_view::npos);
    CHECK(f.account.check_document(email).reason() == "checked");
    CHECK(f.account.check_document("{}").wait() == mb::status::bad_email);
    CHECK(server_connections(f.server) == 0);
}

static void errors_carry_what_was_said() {
    try {
        mb::account account(R"({"stor": "a"})");
        CHECK(!"reached");
    } catch (const mb::error& refused) {
        CHECK(refused.status() == mb::status::bad_call && refused.reason() == "bad_argument");
        CHECK(refused.message() == "stor: There is no such key. Is store meant?");
        CHECK(refused.message() == refused.what());
        CHECK(refused.json().front() == '{' && refused.json().back() == '}');
    }
    mb::account account = mb::account::none();
    CHECK(!account && account.form().wait() == mb::status::bad_call);
    CHECK(mb::account::open("[]", account).wait() == mb::status::bad_call && !account);
    CHECK(mb::account::open(nullptr, account).wait() == mb::status::ok && account);
    const mb::reply host = account.settings_set(R"({"smtp_host": "https://x", "smtp_port": 25, "username": "a@b.ro",
                                                    "password": "p"})");
    CHECK(host.wait() == mb::status::bad_settings && host.message().find("SMTP server: Leave out \"https://\"") == 0);
}

static void nul_is_refused() {
    const mb::account account;
    const std::string hidden("{}\0junk", 7);
    int thrown = 0;
    try { account.form(hidden); } catch (const std::invalid_argument&) { ++thrown; }
    try { account.form(std::string_view(hidden)); } catch (const std::invalid_argument&) { ++thrown; }
    CHECK(thrown == 2);
    CHECK(account.form(std::string_view(hidden).substr(0, 2)).wait() == mb::status::ok);
}

static void an_address_is_enough_for_a_known_provider() {
    const mb::account account;
    const mb::reply found = account.discover(R"({"email_address": "ana@gmail.com"})");
    CHECK(found.wait() == mb::status::ok && found.json().find("smtp.gmail.com") != std::string_view::npos);
    CHECK(account.discover("{}").wait() == mb::status::bad_settings);
}

static void owners_move() {
    fixture f(SILENT);
    mb::reply first = f.account.send_test();
    mb::reply second = std::move(first);
    CHECK(first.wait() == mb::status::bad_call && first.json().empty() && first.reason().empty());
    CHECK(second.wait(1ms) == mb::status::pending && second.is_pending() && second.json().empty());
    second = mb::reply();
    mb::account other = std::move(f.account);
    CHECK(!f.account && other);
    mb::reply third = other.send_test();
    other = mb::account::none();
    CHECK(third.poll() == mb::status::pending);
    std::thread([&third] { third.cancel(); }).join();
    CHECK(third.wait(std::chrono::hours(24 * 365)) == mb::status::canceled && third.reason() == "canceled");
    mailbutton_reply_free(third.release());
}

static void progress() {
    fixture f(ACCEPTS);
    std::string steps;
    const mb::reply reply = f.account.send_document(email, pdf);
    const auto status = reply.wait([&](const mb::progress& now) {
        CHECK(!now.text.empty() && now.permille >= 0 && now.permille <= 1000);
        steps.append(now.step).push_back(' ');
        return true;
    });
    CHECK(status == mb::status::ok && steps.find("verdict ") != std::string::npos);
    struct functor {
        int calls = 0;
        void operator()(const mb::progress&) { ++calls; }
    } counting;
    CHECK(f.account.send_test().wait(-1ms, counting) == mb::status::ok && counting.calls > 0);
}

static void progress_cancels() {
    fixture f(SILENT);
    const mb::reply reply = f.account.send_document(email, pdf);
    CHECK(reply.wait([](const mb::progress&) { return false; }) == mb::status::canceled);
}

// The exception stays on this side of the C frames, and the work has ended when it arrives.
static void progress_throws() {
    fixture f(SILENT);
    const mb::reply reply = f.account.send_document(email, pdf);
    int calls = 0;
    try {
        reply.wait([&](const mb::progress&) -> bool { throw std::out_of_range(std::to_string(++calls)); });
        CHECK(!"reached");
    } catch (const std::out_of_range& thrown) {
        CHECK(std::string(thrown.what()) == "1" && calls == 1);
    }
    CHECK(reply.poll() == mb::status::canceled && server_messages(f.server) == 0);
}

int main() {
    int passed = 0, failed = 0;
    const auto run = [&](const char* name, void (*test)()) {
        failures = 0;
        test();
        std::printf("%s %s\n", failures ? "FAILED" : "ok", name);
        ++(failures ? failed : passed);
    };
#define RUN(test) run(#test, test)
    RUN(versions);
    RUN(sends_from_every_container);
    RUN(checks_before_sending);
    RUN(errors_carry_what_was_said);
    RUN(nul_is_refused);
    RUN(an_address_is_enough_for_a_known_provider);
    RUN(owners_move);
    RUN(progress);
    RUN(progress_cancels);
    RUN(progress_throws);
    std::printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
