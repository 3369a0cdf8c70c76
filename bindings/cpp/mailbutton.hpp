// mailbutton for C++17 and later: mailbutton.h with owners, std::string, and exceptions where they are wanted.
//
//     mailbutton::account account(R"({"store": "/home/ana/.erp/email.json", "program_name": "ERP"})");
//     mailbutton::reply reply = account.send_document(email_json, pdf);
//     if (reply.wait() != mailbutton::status::ok) show(reply.message());
//
// Calls never throw because of what mailbutton answers: a reply says it by its status. Two places turn it into a
// mailbutton::error: the constructor of account, and reply::expect_ok. JSON goes in and comes out as text, for whatever
// JSON library the program has; mailbutton.h and docs/json.md say what is in it.
#ifndef MAILBUTTON_HPP
#define MAILBUTTON_HPP

#include <mailbutton.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mailbutton {

enum class status : std::int32_t {
    ok = MAILBUTTON_OK,
    pending = MAILBUTTON_PENDING,
    bad_call = MAILBUTTON_BAD_CALL,
    bad_settings = MAILBUTTON_BAD_SETTINGS,
    unreachable = MAILBUTTON_UNREACHABLE,
    not_secure = MAILBUTTON_NOT_SECURE,
    login_refused = MAILBUTTON_LOGIN_REFUSED,
    try_later = MAILBUTTON_TRY_LATER,
    refused = MAILBUTTON_REFUSED,
    uncertain = MAILBUTTON_UNCERTAIN,
    canceled = MAILBUTTON_CANCELED,
    internal = MAILBUTTON_INTERNAL,
    bad_email = MAILBUTTON_BAD_EMAIL,
    store_failed = MAILBUTTON_STORE_FAILED,
};

// What a progress callable is told. The texts are valid until it returns.
struct progress {
    std::string_view step;
    std::string_view text;
    std::int32_t permille;
};

inline std::int32_t abi_version() noexcept { return mailbutton_abi_version(); }
inline std::string_view version() noexcept { return mailbutton_version(); }

namespace detail {

// Carries a C++ callable through the C frames, and what it throws back over them.
struct bridge {
    std::function<bool(const progress&)> tell;
    std::exception_ptr thrown;
};

// The name is long as C linkage knows no namespace.
extern "C" inline std::int32_t mailbutton_cpp_on_progress(void* userdata, const char* step, const char* text,
                                                          std::int32_t permille) noexcept {
    auto& over = *static_cast<bridge*>(userdata);
    if (over.thrown) return 1;
    try {
        return over.tell(progress{step, text, permille}) ? 0 : 1;
    } catch (...) {
        over.thrown = std::current_exception();
        return 1;
    }
}

// So that a lambda may also return nothing. An int would be taken the wrong way round: in C, 0 means to go on.
template <class F>
std::function<bool(const progress&)> teller(F& on_progress) {
    using result = std::invoke_result_t<F&, const progress&>;
    static_assert(std::is_same_v<result, bool> || std::is_void_v<result>,
                  "on_progress returns true to go on and false to cancel, or nothing");
    return [&on_progress](const progress& now) {
        if constexpr (std::is_void_v<result>) return on_progress(now), true;
        else return on_progress(now);
    };
}

}  // namespace detail

// Text for mailbutton: NUL-terminated, from whatever the program has. A NULL pointer stays NULL: "not given".
class text {
public:
    text(std::nullptr_t) noexcept {}
    text(const char* chars) noexcept : chars_(chars) {}
    text(const std::string& whole) : chars_(whole.c_str()) { refuse_nul(whole); }
    text(std::string_view part) : copy_(part), chars_(copy_.c_str()) { refuse_nul(part); }
    text(const text&) = delete;
    text& operator=(const text&) = delete;

    const char* c_str() const noexcept { return chars_; }

private:
    // C would read up to it only, and not say so.
    static void refuse_nul(std::string_view whole) {
        if (whole.find('\0') != std::string_view::npos) throw std::invalid_argument("mailbutton: a NUL in the text");
    }

    std::string copy_;
    const char* chars_ = nullptr;
};

// A reply that is not ok, where the program asked for an exception. what() is the message.
class error : public std::runtime_error {
public:
    error(mailbutton::status ended, std::string_view reason, std::string_view message, std::string_view json)
        : std::runtime_error(said(reason, message)),
          status_(ended),
          said_(std::make_shared<const parts>(parts{std::string(reason), std::string(message), std::string(json)})) {}

    mailbutton::status status() const noexcept { return status_; }
    const std::string& reason() const noexcept { return said_->reason; }
    const std::string& message() const noexcept { return said_->message; }
    const std::string& json() const noexcept { return said_->json; }

private:
    struct parts {
        std::string reason, message, json;
    };

    static std::string said(std::string_view reason, std::string_view message) {
        return message.empty() ? "mailbutton: " + std::string(reason) : std::string(message);
    }

    mailbutton::status status_;
    // Shared, as copying an exception must not throw.
    std::shared_ptr<const parts> said_;
};

// Owns one reply. One that was moved from answers bad_call, with empty texts.
class reply {
public:
    explicit reply(mailbutton_reply* owned = nullptr) noexcept : reply_(owned) {}

    static constexpr std::chrono::milliseconds forever{-1};

    // At most 24 days at a time, if not forever.
    status wait(std::chrono::milliseconds timeout = forever) const noexcept {
        return static_cast<status>(mailbutton_reply_wait(get(), clamp(timeout), nullptr, nullptr));
    }

    // `on_progress(const mailbutton::progress&)` is called on this thread. It returns true to go on, false to cancel, or
    // nothing; what it throws cancels the work and is thrown again from here.
    template <class F>
    status wait(std::chrono::milliseconds timeout, F&& on_progress) const {
        detail::bridge over{detail::teller(on_progress), nullptr};
        const auto call = &detail::mailbutton_cpp_on_progress;
        const std::int32_t now = mailbutton_reply_wait(get(), clamp(timeout), call, &over);
        if (over.thrown) std::rethrow_exception(over.thrown);
        return static_cast<status>(now);
    }

    template <class F, std::enable_if_t<std::is_invocable_v<F&, const progress&>, int> = 0>
    status wait(F&& on_progress) const {
        return wait(forever, on_progress);
    }

    // Only looks.
    status poll() const noexcept { return wait(std::chrono::milliseconds(0)); }
    bool is_pending() const noexcept { return poll() == status::pending; }

    // Waits to the end, and throws an error if that is not ok.
    const reply& expect_ok() const {
        const status ended = wait();
        if (ended != status::ok) throw error(ended, reason(), message(), json());
        return *this;
    }

    // Empty while pending. Valid as long as the reply.
    std::string_view json() const noexcept { return view(mailbutton_reply_json(get())); }
    std::string_view reason() const noexcept { return view(mailbutton_reply_reason(get())); }
    std::string_view message() const noexcept { return view(mailbutton_reply_message(get())); }

    void cancel() const noexcept { mailbutton_reply_cancel(get()); }

    mailbutton_reply* get() const noexcept { return reply_.get(); }
    mailbutton_reply* release() noexcept { return reply_.release(); }

private:
    struct freer {
        void operator()(mailbutton_reply* owned) const noexcept { mailbutton_reply_free(owned); }
    };

    static std::string_view view(const char* text) noexcept { return text ? std::string_view(text) : std::string_view(); }

    static std::int32_t clamp(std::chrono::milliseconds timeout) noexcept {
        using wide = std::chrono::milliseconds::rep;
        constexpr wide most = std::numeric_limits<std::int32_t>::max();
        return static_cast<std::int32_t>(std::clamp<wide>(timeout.count(), -1, most));
    }

    std::unique_ptr<mailbutton_reply, freer> reply_;
};

// Owns one account. Its const functions may be used by any number of threads at once.
class account {
public:
    // Throws an error if the account cannot be opened.
    explicit account(const text& options_json = nullptr) {
        const reply opened = open(options_json, *this);
        opened.expect_ok();
    }

    // The same without the exception: `into` becomes the account, or empty.
    static reply open(const text& options_json, account& into) {
        mailbutton_account* opened = nullptr;
        reply answer(mailbutton_open(options_json.c_str(), &opened));
        into.account_.reset(opened);
        return answer;
    }
    // An account that is not open yet: every call answers bad_call.
    static account none() noexcept { return account(static_cast<mailbutton_account*>(nullptr)); }

    explicit operator bool() const noexcept { return account_ != nullptr; }

    reply form(const text& values_json = nullptr) const { return reply(mailbutton_form(get(), values_json.c_str())); }
    reply words(const text& words_json = nullptr) const { return reply(mailbutton_words(get(), words_json.c_str())); }
    reply sign_in(const text& sign_in_json = nullptr) const {
        return reply(mailbutton_sign_in(get(), sign_in_json.c_str()));
    }
    reply sign_in_finish(const text& finish_json) const {
        return reply(mailbutton_sign_in_finish(get(), finish_json.c_str()));
    }
    reply sign_out() const { return reply(mailbutton_sign_out(get())); }
    reply discover(const text& discover_json) const { return reply(mailbutton_discover(get(), discover_json.c_str())); }
    reply settings_set(const text& settings_json) const {
        return reply(mailbutton_settings_set(get(), settings_json.c_str()));
    }
    reply settings_get() const { return reply(mailbutton_settings_get(get())); }
    reply settings_clear() const { return reply(mailbutton_settings_clear(get())); }
    reply button(const text& document_json) const { return reply(mailbutton_button(get(), document_json.c_str())); }
    // `pdf_len`: 0 where the JSON names the document's file, or where there is no document yet.
    reply check_document(const text& email_json, std::size_t pdf_len = 0) const {
        return reply(mailbutton_check_document(get(), email_json.c_str(), pdf_len));
    }
    reply send_test(const text& test_json = nullptr) const {
        return reply(mailbutton_send_test(get(), test_json.c_str()));
    }
    reply send_document(const text& email_json, const void* pdf, std::size_t pdf_len) const {
        const auto* bytes = static_cast<const std::uint8_t*>(pdf);
        return reply(mailbutton_send_document(get(), email_json.c_str(), bytes, pdf_len));
    }
    // `pdf`: a vector, string, array, span or the like, of single bytes. It is copied before this returns.
    template <class Bytes, class = decltype(std::declval<const Bytes&>().data())>
    reply send_document(const text& email_json, const Bytes& pdf) const {
        static_assert(sizeof(*pdf.data()) == 1, "a PDF is bytes");
        // An empty vector may have no address, and is an empty PDF all the same.
        static constexpr char nothing = 0;
        const void* bytes = pdf.data();
        return send_document(email_json, bytes ? bytes : &nothing, pdf.size());
    }

    // The document is the file that {"document": {"path": ...}} of the JSON names. It is read while it is sent, and must
    // stay as it is until the reply has ended.
    reply send_document(const text& email_json) const { return send_document(email_json, nullptr, 0); }

    mailbutton_account* get() const noexcept { return account_.get(); }

private:
    struct freer {
        void operator()(::mailbutton_account* owned) const noexcept { mailbutton_free(owned); }
    };

    explicit account(::mailbutton_account* owned) noexcept : account_(owned) {}

    std::unique_ptr<::mailbutton_account, freer> account_;
};

}  // namespace mailbutton

#endif  // MAILBUTTON_HPP
