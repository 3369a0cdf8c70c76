/*
 * mailbutton: an email settings form and an Email button for any program.
 *
 * Generated from src/ffi by cbindgen. This header is the specification.
 *
 * Five rules:
 *
 * 1. Nearly every call returns a reply, never NULL. mailbutton_reply_wait gives its status, mailbutton_reply_message the
 *    sentence to show, mailbutton_reply_json everything, and mailbutton_reply_free ends it. A reply of an offline call is
 *    ready at once; a send runs in the background.
 * 2. Text in is UTF-8 and NUL-terminated; bytes in are a pointer and a length. Both are copied before the call returns.
 *    Text out belongs to its reply, or is static. NULL where something is needed is an error, never a crash.
 * 3. A const pointer to an account or a reply may be used by any number of threads at once. The two functions whose names
 *    end in _free want the object for themselves; they never block, and they may come in any order.
 * 4. mailbutton starts no thread before the first send, and changes nothing that belongs to the process: no signal
 *    handler, locale, environment, umask or logger. After fork(), a child may use its account; replies that were pending
 *    belong to the parent. The library may be unloaded at any time; its code stays in memory.
 * 5. mailbutton calls the program only inside mailbutton_reply_wait, on the thread that waits.
 */
#ifndef MAILBUTTON_H
#define MAILBUTTON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif


/*
 The ABI that this header describes. A program that was built against one number works with every library of that number.
 */
#define MAILBUTTON_ABI_VERSION 0

/*
 Done. For a send: the server accepted the email.
 */
#define MAILBUTTON_OK 0

/*
 Still under way.
 */
#define MAILBUTTON_PENDING 1

/*
 The call is wrong, and the program is to be mended: the message names the argument and the place in the JSON.
 */
#define MAILBUTTON_BAD_CALL -1

/*
 The settings are not complete or not right: show the form; `errors` names the fields.
 */
#define MAILBUTTON_BAD_SETTINGS -2

/*
 The server did not answer, or the connection broke before it accepted the email. Nothing was sent.
 */
#define MAILBUTTON_UNREACHABLE -3

/*
 No safe connection came about. Neither a password nor an email was sent.
 */
#define MAILBUTTON_NOT_SECURE -4

/*
 The server did not accept the login. Nothing was sent.
 */
#define MAILBUTTON_LOGIN_REFUSED -5

/*
 The server says "not now": the same email may succeed later. Nothing was sent.
 */
#define MAILBUTTON_TRY_LATER -6

/*
 The server says "no": the same email will not succeed. Nothing was sent.
 */
#define MAILBUTTON_REFUSED -7

/*
 The email was sent completely, and nobody knows whether it was accepted. A person decides; nothing is sent again.
 */
#define MAILBUTTON_UNCERTAIN -8

/*
 Cancelled before anything was accepted. Nothing was sent.
 */
#define MAILBUTTON_CANCELED -9

/*
 A bug in mailbutton.
 */
#define MAILBUTTON_INTERNAL -10

/*
 The email is not complete or not right: show it again; `errors` names its parts.
 */
#define MAILBUTTON_BAD_EMAIL -11

/*
 The settings file cannot be read or written. It was left as it is.
 */
#define MAILBUTTON_STORE_FAILED -12

/*
 One account: one set of settings, and what can be done with it.
 */
typedef struct mailbutton_account mailbutton_account;

/*
 What a call gives back. It is ready at once, or still under way.
 */
typedef struct mailbutton_reply mailbutton_reply;

/*
 Told of the progress of a reply that is being waited for, on the waiting thread.

 `step` is one of turn, name, connect, proxy, tls, greeting, login, sender, recipient, content, verdict, repair. `text` says the
 same in words for the user. `permille` is how much of the email is uploaded, 0 to 1000. Both texts belong to mailbutton
 and are valid until the callback returns.

 Return 0 to go on, anything else to cancel. The callback may call any function of mailbutton, except
 mailbutton_reply_free for the reply that is being waited for. It must return: no longjmp, no C++ exception, no
 pthread_exit.
 */
typedef int32_t (*mailbutton_progress)(void *userdata,
                                       const char *step,
                                       const char *text,
                                       int32_t permille);

/*
 The library's ABI: equal to MAILBUTTON_ABI_VERSION of the header that fits it.
 */
int32_t mailbutton_abi_version(void);

/*
 The library's version, for example "0.1.0". Static: never freed.
 */
const char *mailbutton_version(void);

/*
 Opens an account.

 `options_json` may be NULL: the settings are then kept in memory. The options are described in docs/json.md; the one
 that most hosts give is {"store": "path of the settings file", "program_name": "your program"}.
 `*account` becomes the account, to be freed with mailbutton_free, or NULL if the reply is not MAILBUTTON_OK.
 Opens no connection, starts no thread, creates no file.
 */
mailbutton_reply *mailbutton_open(const char *options_json,
                                  mailbutton_account **account);

/*
 Frees an account. NULL is fine. Never blocks; replies that are still under way live on.
 No other thread may be using the account.
 */
void mailbutton_free(mailbutton_account *account);

/*
 The settings form as data, for any user interface. Ready at once.

 `values_json`: the values as they are typed so far, as one object of settings, for validation at each keystroke; or
 NULL for the saved ones. A `locale` beside them is the language of the reply. No reply ever holds a secret: of a secret, `has_value` says whether there is one.
 */
mailbutton_reply *mailbutton_form(const mailbutton_account *account,
                                  const char *values_json);

/*
 The words that a user interface needs around the form and the email (To, Send, Show, Cancel ...), for programs that have none
 of their own. Ready at once.

 `words_json` may be NULL: the words are then in the account's language; or {"locale": "ro"}.
 */
mailbutton_reply *mailbutton_words(const mailbutton_account *account,
                                   const char *words_json);

/*
 Looks for the settings of an email address: {"email_address": "ana@example.com"}. The reply has `proposals`, each with a
 patch of the settings, the most trusted first.

 Known providers are found offline. Without the option `discovery`, nothing else is done, and the reply is ready at once.
 With it, the domain of an address that no known provider has is looked up in the network, in the background: its own
 web server (over https), the name servers, and the servers with the usual names are asked. They hear of the domain, and
 nothing of the rest of the address or a password.
 */
mailbutton_reply *mailbutton_discover(const mailbutton_account *account,
                                      const char *discover_json);

/*
 Checks and saves the settings. Ready at once.

 `settings_json` is the whole of the settings; what is left out gets its default. A secret that is left out or empty
 keeps the stored one, unless it belongs to another server, port, encryption, username or web address. All errors come at once, and then nothing is saved.
 */
mailbutton_reply *mailbutton_settings_set(const mailbutton_account *account,
                                          const char *settings_json);

/*
 The saved settings without their secrets. Ready at once.
 */
mailbutton_reply *mailbutton_settings_get(const mailbutton_account *account);

/*
 Forgets the settings and their secrets, also where the settings file is damaged. Ready at once.
 */
mailbutton_reply *mailbutton_settings_clear(const mailbutton_account *account);

/*
 The Email button of a document: visible or not, enabled or why not, and the email that it begins with, in the form
 that mailbutton_send_document takes. Ready at once.
 */
mailbutton_reply *mailbutton_button(const mailbutton_account *account,
                                    const char *document_json);

/*
 Begins to sign in with the provider of the settings (OAuth 2.0), and tells what to show: the address of a page to open in
 the browser (`url`), and for a device its `code`. mailbutton_sign_in_finish then waits for the end.

 `sign_in_json` may be NULL: the saved settings are meant, and the browser of this computer. {"settings": {...}} are values
 that are not saved yet; {"flow": "browser", "redirect", "device" or "client_credentials"} says how. The reply is ready at
 once, but for "device" and "client_credentials", which ask the provider; the last one needs no person and no second call.
 The program's own client id stands in the options of mailbutton_open (`oauth`).
 */
mailbutton_reply *mailbutton_sign_in(const mailbutton_account *account,
                                     const char *sign_in_json);

/*
 Waits for the end of a sign-in, and saves it with the settings that it was begun with. Starts at once and runs in the
 background.

 `finish_json` names the sign-in, {"sign_in": "..."}, as its beginning did; for the flow "redirect" it has the whole
 address besides to which the provider sent the browser, {"url": "..."}. A sign-in can be finished once.
 */
mailbutton_reply *mailbutton_sign_in_finish(const mailbutton_account *account,
                                            const char *finish_json);

/*
 Forgets the sign-in of the saved settings at once, and asks the provider in the background to do the same (`revoked`).
 The other settings stay.
 */
mailbutton_reply *mailbutton_sign_out(const mailbutton_account *account);

/*
 Looks at an email before it is sent, and sends nothing: what is probably not meant, such as a mistyped address or a
 placeholder that nobody filled in, comes as `warnings`, some of them with a proposal. Ready at once, and offline.

 `email_json` and `pdf_len` are those of mailbutton_send_document; the bytes of the PDF are not needed. `pdf_len` is 0
 where `email_json` names the document's file, or where there is no document yet. What mailbutton_send_document would
 refuse at once gets the same reply here. Otherwise the status is MAILBUTTON_OK, with warnings or without: what to do
 about them the program decides, or its user.
 */
mailbutton_reply *mailbutton_check_document(const mailbutton_account *account,
                                            const char *email_json,
                                            size_t pdf_len);

/*
 Sends a test email and reports each step. Starts at once and runs in the background.

 `test_json` may be NULL: the saved settings are tested with an email to the sender's own address. {"settings": {...}}
 tests values that are not saved yet; {"to": "address"} sends to another address.
 Where no safe connection came about, the usual ports of the same server are tried for a few seconds, without a login, and
 one that works is the first advice.
 */
mailbutton_reply *mailbutton_send_test(const mailbutton_account *account,
                                       const char *test_json);

/*
 Sends a document with the saved settings. Starts at once and runs in the background.

 `email_json` says to whom, the subject, the body, the document's file name and further attachments. `pdf` points to the
 document's `pdf_len` bytes, which are copied before this returns; attachments that are given by path are read before.
 Or `pdf` is NULL and `pdf_len` 0, and {"document": {"path": "file"}} in `email_json` names the document's file: it is
 read while it is sent, and must stay as it is until the reply has ended. One that does not is never sent.
 At most as many emails of an account as the option `connections` says (four) are on their way at a time; more wait for
 their turn, and go out on the same connections.
 */
mailbutton_reply *mailbutton_send_document(const mailbutton_account *account,
                                           const char *email_json,
                                           const uint8_t *pdf,
                                           size_t pdf_len);

/*
 Waits for a reply, and gives its status.

 `timeout_ms`: negative (-1) waits to the end, however long that takes; 0 only looks; anything else waits at most so
 many milliseconds, to which the time that the callback takes is added. MAILBUTTON_PENDING: the time is up, and the work
 goes on. A NULL reply gives MAILBUTTON_BAD_CALL.
 `on_progress` may be NULL; it is called from within this function only. `userdata` is handed to it as it is.
 Any number of threads may wait for one reply; each step of the progress reaches one of those that have a callback.
 */
int32_t mailbutton_reply_wait(const mailbutton_reply *reply,
                              int32_t timeout_ms,
                              mailbutton_progress on_progress,
                              void *userdata);

/*
 The reply's JSON, or NULL while it is pending. It belongs to the reply and is valid until the reply is freed.

 Every reply has `status` (a number of this header), `status_name`, `reason` (a stable word) and `message` (a sentence
 for the user; for MAILBUTTON_BAD_CALL, for the developer). docs/json.md describes the rest.
 */
const char *mailbutton_reply_json(const mailbutton_reply *reply);

/*
 Why the status is what it is: a stable word, the same as `reason` in the JSON. NULL while the reply is pending.
 It belongs to the reply and is valid until the reply is freed.
 */
const char *mailbutton_reply_reason(const mailbutton_reply *reply);

/*
 The sentence to show, the same as `message` in the JSON; empty where there is nothing to say. NULL while the reply is
 pending. It belongs to the reply and is valid until the reply is freed.
 */
const char *mailbutton_reply_message(const mailbutton_reply *reply);

/*
 Asks the work to stop. Does not wait; mailbutton_reply_wait then comes to its end soon. From any thread.
 The status becomes MAILBUTTON_CANCELED if nothing was accepted, and MAILBUTTON_UNCERTAIN if the email had been sent
 completely; work that had ended keeps its status.
 */
void mailbutton_reply_cancel(const mailbutton_reply *reply);

/*
 Frees a reply, and cancels its work if that is still under way. NULL is fine. Never blocks.
 No other thread may be using the reply. It may outlive its account.
 */
void mailbutton_reply_free(mailbutton_reply *reply);

#ifdef __cplusplus
}
#endif

#endif /* MAILBUTTON_H */
