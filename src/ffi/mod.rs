//! The C ABI: pointers in, pointers out, and nothing else. It knows `account` and `reply`, and no panic passes it. What is
//! promised to C programmers is written here, and cbindgen makes the header of it.
#![allow(unsafe_code)]
#![allow(non_camel_case_types)]
// The comments are the C header's: C has no backticks, and rule 2 of the header is what every caller promises.
#![allow(clippy::doc_markdown, clippy::missing_safety_doc)]
// A Box in a signature is a pointer in C, and says who owns it.
#![allow(clippy::unnecessary_box_returns)]

mod arguments;

use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::time::Duration;

use crate::account::{Account, null_account};
use crate::reply::{Answer, End, Progress, Reply, Status};

use arguments::{Arguments, pdf};

/// The ABI that this header describes. A program that was built against one number works with every library of that number.
pub const MAILBUTTON_ABI_VERSION: i32 = 0;

/// Done. For a send: the server accepted the email.
pub const MAILBUTTON_OK: i32 = 0;
/// Still under way.
pub const MAILBUTTON_PENDING: i32 = 1;
/// The call is wrong, and the program is to be mended: the message names the argument and the place in the JSON.
pub const MAILBUTTON_BAD_CALL: i32 = -1;
/// The settings are not complete or not right: show the form; `errors` names the fields.
pub const MAILBUTTON_BAD_SETTINGS: i32 = -2;
/// The server did not answer, or the connection broke before it accepted the email. Nothing was sent.
pub const MAILBUTTON_UNREACHABLE: i32 = -3;
/// No safe connection came about. Neither a password nor an email was sent.
pub const MAILBUTTON_NOT_SECURE: i32 = -4;
/// The server did not accept the login. Nothing was sent.
pub const MAILBUTTON_LOGIN_REFUSED: i32 = -5;
/// The server says "not now": the same email may succeed later. Nothing was sent.
pub const MAILBUTTON_TRY_LATER: i32 = -6;
/// The server says "no": the same email will not succeed. Nothing was sent.
pub const MAILBUTTON_REFUSED: i32 = -7;
/// The email was sent completely, and nobody knows whether it was accepted. A person decides; nothing is sent again.
pub const MAILBUTTON_UNCERTAIN: i32 = -8;
/// Cancelled before anything was accepted. Nothing was sent.
pub const MAILBUTTON_CANCELED: i32 = -9;
/// A bug in mailbutton.
pub const MAILBUTTON_INTERNAL: i32 = -10;
/// The email is not complete or not right: show it again; `errors` names its parts.
pub const MAILBUTTON_BAD_EMAIL: i32 = -11;
/// The settings file cannot be read or written. It was left as it is.
pub const MAILBUTTON_STORE_FAILED: i32 = -12;

/// One account: one set of settings, and what can be done with it.
pub struct mailbutton_account(Account);

/// What a call gives back. It is ready at once, or still under way.
pub struct mailbutton_reply(Reply);

/// Told of the progress of a reply that is being waited for, on the waiting thread.
///
/// `step` is one of turn, name, connect, proxy, tls, greeting, login, sender, recipient, content, verdict, repair. `text` says the
/// same in words for the user. `permille` is how much of the email is uploaded, 0 to 1000. Both texts belong to mailbutton
/// and are valid until the callback returns.
///
/// Return 0 to go on, anything else to cancel. The callback may call any function of mailbutton, except
/// mailbutton_reply_free for the reply that is being waited for. It must return: no longjmp, no C++ exception, no
/// pthread_exit.
pub type mailbutton_progress =
    Option<unsafe extern "C" fn(userdata: *mut c_void, step: *const c_char, text: *const c_char, permille: i32) -> i32>;

/// The library's ABI: equal to MAILBUTTON_ABI_VERSION of the header that fits it.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_abi_version() -> i32 {
    MAILBUTTON_ABI_VERSION
}

/// The library's version, for example "0.1.0". Static: never freed.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Opens an account.
///
/// `options_json` may be NULL: the settings are then kept in memory. The options are described in docs/json.md; the one
/// that most hosts give is {"store": "path of the settings file", "program_name": "your program"}.
/// `*account` becomes the account, to be freed with mailbutton_free, or NULL if the reply is not MAILBUTTON_OK.
/// Opens no connection, starts no thread, creates no file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_open(
    options_json: *const c_char,
    account: *mut *mut mailbutton_account,
) -> Box<mailbutton_reply> {
    if !account.is_null() {
        // SAFETY: header rule 2: an out pointer that is not NULL can be written to.
        unsafe { account.write(ptr::null_mut()) };
    }
    answer(|| {
        let arguments = Arguments::of_nobody();
        if account.is_null() {
            return Err(arguments.null("account"));
        }
        // SAFETY: header rule 2: text in is NULL or NUL-terminated and stays in place during the call.
        let options = unsafe { arguments.text("options_json", options_json) }?;
        let opened = Account::open(options)?;
        let answer = opened.opened();
        // SAFETY: as above.
        unsafe { account.write(Box::into_raw(Box::new(mailbutton_account(opened)))) };
        Ok(answer)
    })
}

/// Frees an account. NULL is fine. Never blocks; replies that are still under way live on.
/// No other thread may be using the account.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_free(account: Option<Box<mailbutton_account>>) {
    catch_unwind(AssertUnwindSafe(|| drop(account))).ok();
}

/// The settings form as data, for any user interface. Ready at once.
///
/// `values_json`: the values as they are typed so far, as one object of settings, for validation at each keystroke; or
/// NULL for the saved ones. A `locale` beside them is the language of the reply. No reply ever holds a secret: of a secret, `has_value` says whether there is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_form(
    account: Option<&mailbutton_account>,
    values_json: *const c_char,
) -> Box<mailbutton_reply> {
    with(account, |account, arguments| {
        // SAFETY: header rule 2.
        Ok(account.form(unsafe { arguments.text("values_json", values_json) }?))
    })
}

/// The words that a user interface needs around the form and the email (To, Send, Show, Cancel ...), for programs that have none
/// of their own. Ready at once.
///
/// `words_json` may be NULL: the words are then in the account's language; or {"locale": "ro"}.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_words(
    account: Option<&mailbutton_account>,
    words_json: *const c_char,
) -> Box<mailbutton_reply> {
    with(account, |account, arguments| {
        // SAFETY: header rule 2.
        let words = unsafe { arguments.text("words_json", words_json) }?;
        Ok(account.words(words))
    })
}

/// Looks for the settings of an email address: {"email_address": "ana@example.com"}. The reply has `proposals`, each with a
/// patch of the settings, the most trusted first.
///
/// Known providers are found offline. Without the option `discovery`, nothing else is done, and the reply is ready at once.
/// With it, the domain of an address that no known provider has is looked up in the network, in the background: its own
/// web server (over https), the name servers, and the servers with the usual names are asked. They hear of the domain, and
/// nothing of the rest of the address or a password.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_discover(
    account: Option<&mailbutton_account>,
    discover_json: *const c_char,
) -> Box<mailbutton_reply> {
    begin(account, |account, arguments| {
        // SAFETY: header rule 2.
        Ok(account.discover(unsafe { arguments.needed("discover_json", discover_json) }?))
    })
}

/// Checks and saves the settings. Ready at once.
///
/// `settings_json` is the whole of the settings; what is left out gets its default. A secret that is left out or empty
/// keeps the stored one, unless it belongs to another server, port, encryption, username or web address. All errors come at once, and then nothing is saved.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_settings_set(
    account: Option<&mailbutton_account>,
    settings_json: *const c_char,
) -> Box<mailbutton_reply> {
    with(account, |account, arguments| {
        // SAFETY: header rule 2.
        Ok(account.settings_set(unsafe { arguments.needed("settings_json", settings_json) }?))
    })
}

/// The saved settings without their secrets. Ready at once.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_settings_get(account: Option<&mailbutton_account>) -> Box<mailbutton_reply> {
    with(account, |account, _| Ok(account.settings_get()))
}

/// Forgets the settings and their secrets, also where the settings file is damaged. Ready at once.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_settings_clear(account: Option<&mailbutton_account>) -> Box<mailbutton_reply> {
    with(account, |account, _| Ok(account.settings_clear()))
}

/// The Email button of a document: visible or not, enabled or why not, and the email that it begins with, in the form
/// that mailbutton_send_document takes. Ready at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_button(
    account: Option<&mailbutton_account>,
    document_json: *const c_char,
) -> Box<mailbutton_reply> {
    with(account, |account, arguments| {
        // SAFETY: header rule 2.
        Ok(account.button(unsafe { arguments.needed("document_json", document_json) }?))
    })
}

/// Begins to sign in with the provider of the settings (OAuth 2.0), and tells what to show: the address of a page to open in
/// the browser (`url`), and for a device its `code`. mailbutton_sign_in_finish then waits for the end.
///
/// `sign_in_json` may be NULL: the saved settings are meant, and the browser of this computer. {"settings": {...}} are values
/// that are not saved yet; {"flow": "browser", "redirect", "device" or "client_credentials"} says how. The reply is ready at
/// once, but for "device" and "client_credentials", which ask the provider; the last one needs no person and no second call.
/// The program's own client id stands in the options of mailbutton_open (`oauth`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_sign_in(
    account: Option<&mailbutton_account>,
    sign_in_json: *const c_char,
) -> Box<mailbutton_reply> {
    begin(account, |account, arguments| {
        // SAFETY: header rule 2.
        Ok(account.sign_in(unsafe { arguments.text("sign_in_json", sign_in_json) }?))
    })
}

/// Waits for the end of a sign-in, and saves it with the settings that it was begun with. Starts at once and runs in the
/// background.
///
/// `finish_json` names the sign-in, {"sign_in": "..."}, as its beginning did; for the flow "redirect" it has the whole
/// address besides to which the provider sent the browser, {"url": "..."}. A sign-in can be finished once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_sign_in_finish(
    account: Option<&mailbutton_account>,
    finish_json: *const c_char,
) -> Box<mailbutton_reply> {
    begin(account, |account, arguments| {
        // SAFETY: header rule 2.
        Ok(account.finish_sign_in(unsafe { arguments.needed("finish_json", finish_json) }?))
    })
}

/// Forgets the sign-in of the saved settings at once, and asks the provider in the background to do the same (`revoked`).
/// The other settings stay.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_sign_out(account: Option<&mailbutton_account>) -> Box<mailbutton_reply> {
    begin(account, |account, _| Ok(account.sign_out()))
}

/// Looks at an email before it is sent, and sends nothing: what is probably not meant, such as a mistyped address or a
/// placeholder that nobody filled in, comes as `warnings`, some of them with a proposal. Ready at once, and offline.
///
/// `email_json` and `pdf_len` are those of mailbutton_send_document; the bytes of the PDF are not needed. `pdf_len` is 0
/// where `email_json` names the document's file, or where there is no document yet. What mailbutton_send_document would
/// refuse at once gets the same reply here. Otherwise the status is MAILBUTTON_OK, with warnings or without: what to do
/// about them the program decides, or its user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_check_document(
    account: Option<&mailbutton_account>,
    email_json: *const c_char,
    pdf_len: usize,
) -> Box<mailbutton_reply> {
    with(account, |account, arguments| {
        // SAFETY: header rule 2.
        let email = unsafe { arguments.needed("email_json", email_json) }?;
        Ok(account.check_document(email, u64::try_from(pdf_len).unwrap_or(u64::MAX)))
    })
}

/// Sends a test email and reports each step. Starts at once and runs in the background.
///
/// `test_json` may be NULL: the saved settings are tested with an email to the sender's own address. {"settings": {...}}
/// tests values that are not saved yet; {"to": "address"} sends to another address.
/// Where no safe connection came about, the usual ports of the same server are tried for a few seconds, without a login, and
/// one that works is the first advice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_send_test(
    account: Option<&mailbutton_account>,
    test_json: *const c_char,
) -> Box<mailbutton_reply> {
    begin(account, |account, arguments| {
        // SAFETY: header rule 2.
        Ok(account.send_test(unsafe { arguments.text("test_json", test_json) }?))
    })
}

/// Sends a document with the saved settings. Starts at once and runs in the background.
///
/// `email_json` says to whom, the subject, the body, the document's file name and further attachments. `pdf` points to the
/// document's `pdf_len` bytes, which are copied before this returns; attachments that are given by path are read before.
/// Or `pdf` is NULL and `pdf_len` 0, and {"document": {"path": "file"}} in `email_json` names the document's file: it is
/// read while it is sent, and must stay as it is until the reply has ended. One that does not is never sent.
/// At most as many emails of an account as the option `connections` says (four) are on their way at a time; more wait for
/// their turn, and go out on the same connections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_send_document(
    account: Option<&mailbutton_account>,
    email_json: *const c_char,
    pdf: *const u8,
    pdf_len: usize,
) -> Box<mailbutton_reply> {
    begin(account, |account, arguments| {
        // SAFETY: header rule 2.
        let email = unsafe { arguments.needed("email_json", email_json) }?;
        // SAFETY: header rule 2: bytes in are a pointer to as many readable bytes as the length says.
        let bytes = unsafe { arguments.bytes("pdf", pdf, pdf_len) }?;
        Ok(account.send_document(email, || bytes.map(self::pdf).transpose()))
    })
}

/// Waits for a reply, and gives its status.
///
/// `timeout_ms`: negative (-1) waits to the end, however long that takes; 0 only looks; anything else waits at most so
/// many milliseconds, to which the time that the callback takes is added. MAILBUTTON_PENDING: the time is up, and the work
/// goes on. A NULL reply gives MAILBUTTON_BAD_CALL.
/// `on_progress` may be NULL; it is called from within this function only. `userdata` is handed to it as it is.
/// Any number of threads may wait for one reply; each step of the progress reaches one of those that have a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailbutton_reply_wait(
    reply: Option<&mailbutton_reply>,
    timeout_ms: i32,
    on_progress: mailbutton_progress,
    userdata: *mut c_void,
) -> i32 {
    let Some(reply) = reply else { return Status::BadCall.code() };
    let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let wait = || {
        let Some(callback) = on_progress else { return reply.0.wait(limit, None) };
        let mut tell = |progress: &Progress| {
            let step = CString::new(progress.step).unwrap_or_default();
            let permille = i32::from(progress.permille);
            // SAFETY: header rule 5: the callback is the host's own, takes its own userdata, and returns.
            unsafe { callback(userdata, step.as_ptr(), progress.text.as_ptr(), permille) == 0 }
        };
        reply.0.wait(limit, Some(&mut tell))
    };
    catch_unwind(AssertUnwindSafe(wait)).unwrap_or(Status::Internal).code()
}

/// The reply's JSON, or NULL while it is pending. It belongs to the reply and is valid until the reply is freed.
///
/// Every reply has `status` (a number of this header), `status_name`, `reason` (a stable word) and `message` (a sentence
/// for the user; for MAILBUTTON_BAD_CALL, for the developer). docs/json.md describes the rest.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_reply_json(reply: Option<&mailbutton_reply>) -> *const c_char {
    part(reply, End::json)
}

/// Why the status is what it is: a stable word, the same as `reason` in the JSON. NULL while the reply is pending.
/// It belongs to the reply and is valid until the reply is freed.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_reply_reason(reply: Option<&mailbutton_reply>) -> *const c_char {
    part(reply, End::reason)
}

/// The sentence to show, the same as `message` in the JSON; empty where there is nothing to say. NULL while the reply is
/// pending. It belongs to the reply and is valid until the reply is freed.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_reply_message(reply: Option<&mailbutton_reply>) -> *const c_char {
    part(reply, End::message)
}

/// Asks the work to stop. Does not wait; mailbutton_reply_wait then comes to its end soon. From any thread.
/// The status becomes MAILBUTTON_CANCELED if nothing was accepted, and MAILBUTTON_UNCERTAIN if the email had been sent
/// completely; work that had ended keeps its status.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_reply_cancel(reply: Option<&mailbutton_reply>) {
    if let Some(reply) = reply {
        catch_unwind(AssertUnwindSafe(|| reply.0.cancel())).ok();
    }
}

/// Frees a reply, and cancels its work if that is still under way. NULL is fine. Never blocks.
/// No other thread may be using the reply. It may outlive its account.
#[unsafe(no_mangle)]
pub extern "C" fn mailbutton_reply_free(reply: Option<Box<mailbutton_reply>>) {
    catch_unwind(AssertUnwindSafe(|| drop(reply))).ok();
}

fn part(reply: Option<&mailbutton_reply>, of: impl FnOnce(&End) -> &CStr) -> *const c_char {
    let text = || reply.and_then(|reply| reply.0.end()).map_or(ptr::null(), |end| of(end).as_ptr());
    catch_unwind(AssertUnwindSafe(text)).unwrap_or(ptr::null())
}

/// The guard of every call that answers at once: what goes wrong in it becomes a reply, a panic too.
fn answer(call: impl FnOnce() -> Result<Answer, Answer>) -> Box<mailbutton_reply> {
    guard(|| Reply::ready(call().unwrap_or_else(|refusal| refusal)))
}

fn guard(call: impl FnOnce() -> Reply) -> Box<mailbutton_reply> {
    let reply = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Reply::ready(Answer::internal()));
    Box::new(mailbutton_reply(reply))
}

fn with(
    account: Option<&mailbutton_account>,
    call: impl FnOnce(&Account, Arguments<'_>) -> Result<Answer, Answer>,
) -> Box<mailbutton_reply> {
    answer(|| {
        let mailbutton_account(account) = account.ok_or_else(null_account)?;
        call(account, Arguments::of(account))
    })
}

fn begin(
    account: Option<&mailbutton_account>,
    call: impl FnOnce(&Account, Arguments<'_>) -> Result<Reply, Answer>,
) -> Box<mailbutton_reply> {
    guard(|| {
        let reply = account
            .ok_or_else(null_account)
            .and_then(|mailbutton_account(account)| call(account, Arguments::of(account)));
        reply.unwrap_or_else(Reply::ready)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_statuses() {
        for (constant, status) in [
            (MAILBUTTON_OK, Status::Ok),
            (MAILBUTTON_PENDING, Status::Pending),
            (MAILBUTTON_BAD_CALL, Status::BadCall),
            (MAILBUTTON_BAD_SETTINGS, Status::BadSettings),
            (MAILBUTTON_UNREACHABLE, Status::Unreachable),
            (MAILBUTTON_NOT_SECURE, Status::NotSecure),
            (MAILBUTTON_LOGIN_REFUSED, Status::LoginRefused),
            (MAILBUTTON_TRY_LATER, Status::TryLater),
            (MAILBUTTON_REFUSED, Status::Refused),
            (MAILBUTTON_UNCERTAIN, Status::Uncertain),
            (MAILBUTTON_CANCELED, Status::Canceled),
            (MAILBUTTON_INTERNAL, Status::Internal),
            (MAILBUTTON_BAD_EMAIL, Status::BadEmail),
            (MAILBUTTON_STORE_FAILED, Status::StoreFailed),
        ] {
            assert_eq!(constant, status.code(), "{}", status.name());
        }
    }

    #[test]
    fn a_panic_becomes_a_reply() {
        let reply = answer(|| panic!("a bug"));
        assert_eq!(reply.0.wait(None, None), Status::Internal);
    }
}
