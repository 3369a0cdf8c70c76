/* What every function does with arguments that are wrong in C or in JSON. */
#include "harness.h"

#define NOT_UTF8 "{\"a\": \"\xff\"}"

static void versions(void)
{
    CHECK(mailbutton_abi_version() == MAILBUTTON_ABI_VERSION);
    CHECK(strcmp(mailbutton_version(), EXPECTED_VERSION) == 0);
    CHECK(mailbutton_version() == mailbutton_version());
}

/* Calls each function that takes an account and a JSON text. */
static void with_json(const mailbutton_account *account, const char *json, const char *reason, const char *part)
{
    EXPECT(mailbutton_form(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_words(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_discover(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_settings_set(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_button(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_check_document(account, json, PDF_LENGTH), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_send_test(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_sign_in(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_sign_in_finish(account, json), MAILBUTTON_BAD_CALL, reason, part);
    EXPECT(mailbutton_send_document(account, json, PDF, PDF_LENGTH), MAILBUTTON_BAD_CALL, reason, part);
}

static void refused_open(const char *json, const char *reason, const char *part)
{
    mailbutton_account *account = (mailbutton_account *)json;
    EXPECT(mailbutton_open(json, &account), MAILBUTTON_BAD_CALL, reason, part);
    CHECK(account == NULL);
}

static void null_account(void)
{
    with_json(NULL, "{}", "null_argument", "account is NULL");
    EXPECT(mailbutton_settings_get(NULL), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    EXPECT(mailbutton_sign_out(NULL), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    EXPECT(mailbutton_settings_clear(NULL), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    EXPECT(mailbutton_open("{}", NULL), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    EXPECT(mailbutton_open(NULL, NULL), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    EXPECT(mailbutton_send_document(NULL, NULL, NULL, 0), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    EXPECT(mailbutton_check_document(NULL, NULL, 0), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    EXPECT(mailbutton_send_test(NULL, NULL), MAILBUTTON_BAD_CALL, "null_argument", "account is NULL");
    mailbutton_free(NULL);
}

static void null_texts(void)
{
    mailbutton_account *account = opened(NULL);
    EXPECT(mailbutton_form(account, NULL), MAILBUTTON_OK, "form", "\"smtp_host\"");
    EXPECT(mailbutton_words(account, NULL), MAILBUTTON_OK, "words", "\"cancel\"");
    EXPECT(mailbutton_words(NULL, NULL), MAILBUTTON_BAD_CALL, "null_argument", "account");
    EXPECT(mailbutton_discover(account, NULL), MAILBUTTON_BAD_CALL, "null_argument", "discover_json is NULL");
    EXPECT(mailbutton_settings_set(account, NULL), MAILBUTTON_BAD_CALL, "null_argument", "settings_json is NULL");
    EXPECT(mailbutton_button(account, NULL), MAILBUTTON_BAD_CALL, "null_argument", "document_json is NULL");
    EXPECT(mailbutton_send_test(account, NULL), MAILBUTTON_BAD_SETTINGS, "not_configured", "not set up");
    EXPECT(mailbutton_sign_in(account, NULL), MAILBUTTON_BAD_SETTINGS, "not_configured", "not set up");
    EXPECT(mailbutton_sign_out(account), MAILBUTTON_BAD_SETTINGS, "not_configured", "not set up");
    EXPECT(mailbutton_sign_in_finish(account, NULL), MAILBUTTON_BAD_CALL, "null_argument", "finish_json is NULL");
    EXPECT(mailbutton_check_document(account, NULL, PDF_LENGTH), MAILBUTTON_BAD_CALL, "null_argument",
           "email_json is NULL");
    EXPECT(mailbutton_send_document(account, NULL, PDF, PDF_LENGTH), MAILBUTTON_BAD_CALL, "null_argument",
           "email_json is NULL");
    mailbutton_free(account);
}

static void null_reply(void)
{
    CHECK(mailbutton_reply_wait(NULL, 0, NULL, NULL) == MAILBUTTON_BAD_CALL);
    CHECK(mailbutton_reply_wait(NULL, -1, NULL, NULL) == MAILBUTTON_BAD_CALL);
    CHECK(mailbutton_reply_json(NULL) == NULL);
    CHECK(mailbutton_reply_reason(NULL) == NULL);
    CHECK(mailbutton_reply_message(NULL) == NULL);
    mailbutton_reply_cancel(NULL);
    mailbutton_reply_free(NULL);
}

static void null_pdf(void)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    EXPECT(mailbutton_send_document(account, EMAIL, NULL, 0), MAILBUTTON_BAD_CALL, "null_argument",
           "pdf is NULL, and email_json has no document.path");
    EXPECT(mailbutton_send_document(account, "{\"to\": \"a@b.ro\", \"document\": {\"path\": null}}", NULL, 0),
           MAILBUTTON_BAD_CALL, "null_argument", "\"key\":\"pdf\"");
    EXPECT(mailbutton_send_document(account, EMAIL, NULL, 17), MAILBUTTON_BAD_CALL, "null_with_length", "17 bytes");
    EXPECT(mailbutton_send_document(account, EMAIL, NULL, (size_t)-1), MAILBUTTON_BAD_CALL, "null_with_length", "pdf");
    /* Longer than any object: refused by its length, unread. */
    EXPECT(mailbutton_send_document(account, EMAIL, PDF, (size_t)-1), MAILBUTTON_BAD_CALL, "bad_length", "pdf");
    CHECK(server_connections(server) == 0);
    mailbutton_free(account);
    server_stop(server);
}

static void invalid_utf8(void)
{
    mailbutton_account *account = opened(NULL);
    with_json(account, NOT_UTF8, "bad_utf8", "is not UTF-8: the first wrong byte is at position 7");
    refused_open(NOT_UTF8, "bad_utf8", "options_json is not UTF-8");
    with_json(account, "{\"a\": \"\xed\xa0\x80\"}", "bad_utf8", "position 7"); /* half a surrogate pair */
    with_json(account, "\xc0\x80", "bad_utf8", "position 0");                /* an overlong NUL */
    mailbutton_free(account);
}

static void invalid_json(void)
{
    static const char *const wrong[] = {"", " ", "{", "{}{}", "{'a': 1}", "{\"a\": 1,}", "nul", "\xef\xbb\xbf{}", "{\"a\":\n"};
    mailbutton_account *account = opened(NULL);
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        with_json(account, wrong[i], "bad_argument", "This is not JSON: the error is at line ");
        refused_open(wrong[i], "bad_argument", "options_json: This is not JSON");
    }
    EXPECT(mailbutton_settings_set(account, "{\"password\": \"hunter2\", oops"), MAILBUTTON_BAD_CALL, "bad_argument",
           "settings_json: This is not JSON: the error is at line 1, column 25");
    mailbutton_free(account);
}

static void no_object(void)
{
    static const char *const wrong[][2] = {{"[]", "a list"}, {"1", "a number"}, {"\"a\"", "text"}, {"true", "true or false"}};
    mailbutton_account *account = opened(NULL);
    size_t i;

    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        with_json(account, wrong[i][0], "bad_argument", format("This should be an object and is %s.", wrong[i][1]));
        refused_open(wrong[i][0], "bad_argument", "options_json: This should be an object");
    }
    mailbutton_free(account);
}

static void unknown_keys(void)
{
    mailbutton_account *account = opened(NULL);
    EXPECT(mailbutton_settings_set(account, "{\"smtp_prot\": 25}"), MAILBUTTON_BAD_CALL, "bad_argument",
           "smtp_prot: There is no such key. Is smtp_port meant?");
    EXPECT(mailbutton_form(account, "{\"pasword\": \"hunter2\"}"), MAILBUTTON_BAD_CALL, "bad_argument",
           "Is password meant?");
    EXPECT(mailbutton_button(account, "{\"refernce\": \"7\"}"), MAILBUTTON_BAD_CALL, "bad_argument",
           "Is reference meant?");
    EXPECT(mailbutton_send_test(account, "{\"setings\": {}}"), MAILBUTTON_BAD_CALL, "bad_argument",
           "Is settings meant?");
    EXPECT(mailbutton_check_document(account, "{\"subjct\": \"a\"}", 0), MAILBUTTON_BAD_CALL, "bad_argument",
           "Is subject meant?");
    EXPECT(mailbutton_send_document(account, "{\"subjct\": \"a\"}", PDF, PDF_LENGTH), MAILBUTTON_BAD_CALL,
           "bad_argument", "subjct: There is no such key. Is subject meant?");
    refused_open("{\"stor\": \"a\"}", "bad_argument", "Is store meant?");
    refused_open("{\"quite_other\": 1}", "bad_argument", "quite_other: There is no such key.");
    refused_open("{\"deadlines\": {\"login_m\": 1}}", "bad_argument", "deadlines.login_m");
    mailbutton_free(account);
}

static void wrong_types(void)
{
    mailbutton_account *account = opened(NULL);
    EXPECT(mailbutton_settings_set(account, "{\"smtp_host\": 1}"), MAILBUTTON_BAD_CALL, "bad_argument", "smtp_host: ");
    EXPECT(mailbutton_settings_set(account, "{\"send_copy\": \"yes\"}"), MAILBUTTON_BAD_CALL, "bad_argument",
           "send_copy: ");
    EXPECT(mailbutton_form(account, "{\"password\": {}}"), MAILBUTTON_BAD_CALL, "bad_argument", "password: ");
    EXPECT(mailbutton_button(account, "{\"recipient\": \"a@b.ro\"}"), MAILBUTTON_BAD_CALL, "bad_argument",
           "recipient: This should be an object and is text.");
    EXPECT(mailbutton_button(account, "{\"kind\": \"novel\"}"), MAILBUTTON_BAD_CALL, "bad_argument", "kind: novel");
    EXPECT(mailbutton_send_test(account, "{\"to\": 1}"), MAILBUTTON_BAD_CALL, "bad_argument", "to: ");
    EXPECT(mailbutton_send_test(account, "{\"total_ms\": 0}"), MAILBUTTON_BAD_CALL, "bad_argument", "total_ms: ");
    EXPECT(mailbutton_send_document(account, "{\"to\": 1}", PDF, PDF_LENGTH), MAILBUTTON_BAD_CALL, "bad_argument",
           "to: ");
    EXPECT(mailbutton_send_document(account, "{\"to\": [[]]}", PDF, PDF_LENGTH), MAILBUTTON_BAD_CALL, "bad_argument",
           "to[0]: ");
    refused_open("{\"store\": 1}", "bad_argument", "store: This should be text and is a number.");
    refused_open("{\"deadlines\": {\"login_ms\": 0.5}}", "bad_argument", "deadlines.login_ms: ");
    refused_open("{\"ca_file\": \"/nonexistent.pem\"}", "bad_argument", "ca_file: ");
    refused_open("{\"hello_name\": \"a b\"}", "bad_argument", "hello_name: ");
    mailbutton_free(account);
}

/* Refused by its length where no call of that kind is so long; read to its end where attachments may be. */
static void ten_megabytes(void)
{
    char *json = repeated("{\"a\": \"", "0123456789abcdef", 10 * 1024 * 1024 / 16, "\"}");
    char *email = repeated("{\"to\": \"a@b.ro\", \"sbject\": \"", "0123456789abcdef", 10 * 1024 * 1024 / 16, "\"}");
    mailbutton_account *account = opened(NULL);
    EXPECT(mailbutton_form(account, json), MAILBUTTON_BAD_CALL, "bad_argument", "values_json: 10485769 bytes are too many");
    EXPECT(mailbutton_settings_set(account, json), MAILBUTTON_BAD_CALL, "bad_argument", "settings_json: 10485769 bytes");
    EXPECT(mailbutton_button(account, json), MAILBUTTON_BAD_CALL, "bad_argument", "document_json: 10485769 bytes");
    EXPECT(mailbutton_send_test(account, json), MAILBUTTON_BAD_CALL, "bad_argument", "test_json: 10485769 bytes");
    EXPECT(mailbutton_send_document(account, email, PDF, PDF_LENGTH), MAILBUTTON_BAD_CALL, "bad_argument",
           "Is subject meant?");
    refused_open(json, "bad_argument", "options_json: 10485769 bytes");
    free(json);
    free(email);
    mailbutton_free(account);
}

static void too_long_email(void)
{
    char *json = repeated("\"", "0123456789abcdef", 65 * 1024 * 1024 / 16, "\"");
    mailbutton_account *account = opened(NULL);
    EXPECT(mailbutton_send_document(account, json, PDF, PDF_LENGTH), MAILBUTTON_BAD_CALL, "bad_argument",
           "email_json: 68157442 bytes are too many");
    free(json);
    mailbutton_free(account);
}

static void deep_nesting(void)
{
    char *lists = repeated("", "[", 50000, "");
    char *closed = repeated(lists, "]", 50000, "");
    char *objects = repeated("", "{\"a\":", 100000, "1");
    mailbutton_account *account = opened(NULL);
    with_json(account, lists, "bad_argument", "This is not JSON: ");
    with_json(account, closed, "bad_argument", "This is not JSON: ");
    EXPECT(mailbutton_settings_set(account, objects), MAILBUTTON_BAD_CALL, "bad_argument", "This is not JSON: ");
    refused_open(closed, "bad_argument", "options_json: ");
    free(lists);
    free(closed);
    free(objects);
    mailbutton_free(account);
}

/* NUL inside a text is legal in JSON, and a reply that quotes it is still one C string. */
static void escaped_nul(void)
{
    mailbutton_account *account = opened(NULL);
    EXPECT(mailbutton_settings_set(account, "{\"a\\u0000b\": 1}"), MAILBUTTON_BAD_CALL, "bad_argument", "\"errors\":");
    EXPECT(mailbutton_form(account, "{\"smtp_host\": \"a\\u0000b\"}"), MAILBUTTON_OK, "form", "\"form\":");
    mailbutton_free(account);
}

const struct test call_tests[] = {
    TEST(versions), TEST(null_account), TEST(null_texts), TEST(null_reply), TEST(null_pdf), TEST(invalid_utf8),
    TEST(invalid_json), TEST(no_object), TEST(unknown_keys), TEST(wrong_types), TEST(ten_megabytes),
    TEST(too_long_email), TEST(deep_nesting), TEST(escaped_nul), {NULL, NULL},
};
