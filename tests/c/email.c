/* Emails that cannot be sent, each for a reason that is named, and some that can. */
#define _XOPEN_SOURCE 700
#include "harness.h"

#include <sys/stat.h>

static struct server *server;
static mailbutton_account *account;

static void begin(void)
{
    server = server_start(ACCEPTS);
    account = account_for(server);
}

/* Whatever was refused, the server has heard nothing of it. */
static void end_unsent(void)
{
    CHECK(server_connections(server) == 0);
    mailbutton_free(account);
    server_stop(server);
}

static void end_sent(int messages)
{
    CHECK(server_messages(server) == messages);
    mailbutton_free(account);
    server_stop(server);
}

/* What cannot be sent is refused alike when it is only looked at. */
static mailbutton_reply *check_json(const char *email) { return mailbutton_check_document(account, email, PDF_LENGTH); }

static mailbutton_reply *send_json(const char *email) { return mailbutton_send_document(account, email, PDF, PDF_LENGTH); }

static void refused(const char *email, const char *key, const char *code)
{
    const char *part = format("{\"key\":\"%s\",\"code\":\"%s\"", key, code);
    EXPECT(send_json(email), MAILBUTTON_BAD_EMAIL, "bad_email", part);
    EXPECT(check_json(email), MAILBUTTON_BAD_EMAIL, "bad_email", part);
}

static void addresses(void)
{
    begin();
    refused("{\"to\": [\"a@b.ro\", \"\", \"c@d.ro\"]}", "to[1]", "address_empty");
    refused("{\"to\": [\" \"]}", "to[0]", "address_empty");
    refused("{\"to\": \"\"}", "to", "no_recipients");
    refused("{\"to\": \" ,; \"}", "to[0]", "address_empty");
    refused("{\"to\": \"a@b.ro,, c@d.ro\"}", "to[1]", "address_empty");
    refused("{}", "to", "no_recipients");
    refused("{\"to\": \"a@b.ro\", \"cc\": \"nobody\"}", "cc[0]", "address_no_at");
    refused("{\"to\": \"a@b.ro c@d.ro\"}", "to[0]", "address_missing_separator");
    refused("{\"to\": \"a@b.ro\\r\\nBcc: x@y.ro\"}", "to[0]", "control_character");
    refused("{\"to\": \"a@b.ro\", \"subject\": \"a\\nBcc: x@y.ro\"}", "subject", "control_character");
    end_unsent();
}

/* A separator after the last address is what people leave when they type a list. */
static void separator_at_the_end(void)
{
    begin();
    EXPECT(send_json("{\"to\": \"bogdan@example.test; \", \"cc\": \"\", \"subject\": \"a\"}"), MAILBUTTON_OK,
           "accepted", "bogdan@example.test");
    end_sent(1);
}

static void ten_thousand_recipients(void)
{
    char *typed = repeated("{\"to\": \"", "a@b.ro, ", 10000, "\"}");
    char *list = repeated("{\"to\": [", "\"a@b.ro\", ", 9999, "\"a@b.ro\"]}");
    begin();
    EXPECT(send_json(typed), MAILBUTTON_BAD_EMAIL, "bad_email", "10000 recipients are too many for one email");
    EXPECT(send_json(list), MAILBUTTON_BAD_EMAIL, "bad_email", "10000 recipients are too many for one email");
    end_unsent();
    free(typed);
    free(list);
}

static void empty_subject(void)
{
    begin();
    EXPECT(send_json("{\"to\": \"bogdan@example.test\", \"subject\": \"\"}"), MAILBUTTON_OK, "accepted", "\"outcome\":");
    CHECK_TEXT(server_newest(server), "\r\nSubject: \r\n");
    EXPECT(send_json("{\"to\": \"bogdan@example.test\"}"), MAILBUTTON_OK, "accepted", "\"outcome\":");
    end_sent(2);
}

static void warned(const char *email, const char *key, const char *code, const char *proposal)
{
    EXPECT(check_json(email), MAILBUTTON_OK, "checked", format("{\"key\":\"%s\",\"code\":\"%s\"", key, code));
    EXPECT(check_json(email), MAILBUTTON_OK, "checked", format("\"proposal\":%s}", proposal));
}

static void warnings(void)
{
    static const char good[] = "{\"to\": \"ion@gmail.com\", \"subject\": \"Factura 7\", \"body\": \"Atașat.\"}";
    const char *path = temporary("Factura 9.pdf");
    begin();
    EXPECT(check_json(good), MAILBUTTON_OK, "checked", "\"warnings\":[]");
    warned("{\"to\": \"Ion <ion@gmial.com>\"}", "to[0]", "address_mistyped", "\"Ion <ion@gmail.com>\"");
    warned("{\"to\": \"a@b.ro\", \"cc\": \"A@b.ro\"}", "cc[0]", "recipient_twice", "null");
    warned("{\"to\": \"a@b.ro\", \"document\": {\"file_name\": \"Factura 7.pdf\"}}", "subject", "no_subject", "\"Factura 7\"");
    warned("{\"to\": \"a@b.ro\"}", "body", "no_body", "null");
    warned("{\"to\": \"a@b.ro\", \"subject\": \"Factura {numar}\"}", "subject", "placeholder", "null");
    /* The document as a file, and not made yet. */
    write_file(path, "%PDF-1.4\n%%EOF\n");
    EXPECT(mailbutton_check_document(account, format("{\"to\": \"a@b.ro\", \"document\": {\"path\": \"%s\"}}", path), 0),
           MAILBUTTON_OK, "checked", "\"proposal\":\"Factura 9\"");
    EXPECT(mailbutton_check_document(account, good, 0), MAILBUTTON_OK, "checked", "\"warnings\":[]");
    EXPECT(check_json(format("{\"to\": \"a@b.ro\", \"document\": {\"path\": \"%s\"}}", path)), MAILBUTTON_BAD_CALL,
           "bad_argument", "document.path: Either the bytes of the PDF or the path of its file can be given");
    EXPECT(mailbutton_check_document(account, good, ((size_t)1 << 30) + 1), MAILBUTTON_BAD_EMAIL, "bad_email",
           "{\"key\":\"pdf\",\"code\":\"files_too_large\"");
    EXPECT(mailbutton_check_document(account, good, (size_t)-1), MAILBUTTON_BAD_EMAIL, "bad_email", "files_too_large");
    EXPECT(mailbutton_settings_clear(account), MAILBUTTON_OK, "cleared", "");
    EXPECT(check_json(good), MAILBUTTON_BAD_SETTINGS, "not_configured", "not set up");
    end_unsent();
}

static void no_pdf(void)
{
    static const uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    begin();
    EXPECT(mailbutton_send_document(account, EMAIL, PDF, 0), MAILBUTTON_BAD_CALL, "bad_argument",
           "pdf: The PDF is empty");
    EXPECT(mailbutton_send_document(account, EMAIL, png, sizeof png), MAILBUTTON_BAD_CALL, "bad_argument",
           "pdf: This is not a PDF");
    EXPECT(mailbutton_send_document(account, EMAIL, PDF, 4), MAILBUTTON_BAD_CALL, "bad_argument",
           "pdf: This is not a PDF");
    end_unsent();
}

static mailbutton_reply *send_file(const char *path)
{
    return mailbutton_send_document(account, format("{\"to\": \"a@b.ro\", \"document\": {\"path\": \"%s\"}}", path), NULL, 0);
}

static void document_of_a_file(void)
{
    const char *path = temporary("Factura 8.pdf"), *pipe = temporary("document-pipe"), *text = temporary("text.pdf");
    begin();
    CHECK(mkfifo(pipe, 0600) == 0);
    write_file(path, "%PDF-1.4\n%%EOF\n");
    write_file(text, "no PDF\n");
    EXPECT(send_file(pipe), MAILBUTTON_BAD_EMAIL, "bad_email", "{\"key\":\"document.path\",\"code\":\"file_not_regular\"");
    EXPECT(send_file(temporary("none.pdf")), MAILBUTTON_BAD_EMAIL, "bad_email", "none.pdf is not there");
    EXPECT(send_file(text), MAILBUTTON_BAD_CALL, "bad_argument", "document.path: This is not a PDF");
    EXPECT(send_json(format("{\"to\": \"a@b.ro\", \"document\": {\"path\": \"%s\"}}", path)), MAILBUTTON_BAD_CALL,
           "bad_argument", "document.path: Either the bytes of the PDF or the path of its file can be given");
    CHECK(server_connections(server) == 0);
    EXPECT(send_file(path), MAILBUTTON_OK, "accepted", "\"outcome\":\"accepted\"");
    CHECK_TEXT(server_newest(server), "filename=\"Factura 8.pdf\"");
    CHECK_TEXT(server_newest(server), "JVBERi0xLjQKJSVFT0YK");
    end_sent(1);
}

static void attached(const char *path, const char *code, const char *sentence)
{
    const char *email = format("{\"to\": \"a@b.ro\", \"attachments\": [{\"path\": \"%s\", \"file_name\": \"a\"}]}", path);
    refused(email, "attachments[0].path", code);
    EXPECT(send_json(email), MAILBUTTON_BAD_EMAIL, "bad_email", sentence);
}

static void attachments(void)
{
    const char *folder = temporary("attachments"), *pipe = temporary("attachment-pipe");
    begin();
    CHECK(mkdir(folder, 0700) == 0 && mkfifo(pipe, 0600) == 0);
    attached(folder, "file_is_folder", format("%s is a folder", folder));
    attached(pipe, "file_not_regular", format("%s is not an ordinary file", pipe));
    attached("/dev/zero", "file_not_regular", "/dev/zero is not an ordinary file");
    attached(temporary("none.csv"), "file_missing", "none.csv is not there");
    attached("", "file_missing", " is not there");
    EXPECT(send_json("{\"to\": \"a@b.ro\", \"attachments\": [{}]}"), MAILBUTTON_BAD_CALL, "bad_argument",
           "attachments[0]");
    EXPECT(send_json("{\"to\": \"a@b.ro\", \"attachments\": [{\"base64\": \"!\", \"file_name\": \"a\"}]}"),
           MAILBUTTON_BAD_CALL, "bad_argument", "attachments[0].base64: This is not base64.");
    end_unsent();
}

static void all_is_sent(void)
{
    const char *path = temporary("lines.csv");
    begin();
    write_file(path, "1;2\n");
    EXPECT(send_json(format("{\"to\": \"Bogdan <bogdan@example.test>\", \"bcc\": [\"carmen@example.test\"],"
                            " \"subject\": \"Factura 7\", \"body\": \"**Bun\\u0103**\", \"document\": {\"file_name\":"
                            " \"Factura 7.pdf\"}, \"attachments\": [{\"path\": \"%s\"}]}", path)),
           MAILBUTTON_OK, "accepted", "{\"address\":\"carmen@example.test\",\"role\":\"bcc\",\"outcome\":\"accepted\"");
    CHECK_TEXT(server_newest(server), "Subject: Factura 7\r\n");
    CHECK_TEXT(server_newest(server), "JVBERi0xLjQKJSVFT0YK");
    CHECK_TEXT(server_newest(server), "lines.csv");
    CHECK(strstr(server_newest(server), "carmen") == NULL);
    end_sent(1);
}

static void tests_are_sent(void)
{
    begin();
    EXPECT(mailbutton_send_test(account, NULL), MAILBUTTON_OK, "accepted", "ana@example.test");
    EXPECT(mailbutton_send_test(account, "{\"to\": \"carmen@example.test\"}"), MAILBUTTON_OK, "accepted",
           "carmen@example.test");
    EXPECT(mailbutton_settings_clear(account), MAILBUTTON_OK, "cleared", "");
    EXPECT(mailbutton_send_test(account, format("{\"settings\": %s}", settings_for(server))), MAILBUTTON_OK,
           "accepted", "\"steps\":");
    EXPECT(mailbutton_send_test(account, "{\"to\": \"nobody\"}"), MAILBUTTON_BAD_EMAIL, "bad_email", "\"to\"");
    end_sent(3);
}

static void one_ending(enum manner manner, int32_t status, const char *reason, const char *part)
{
    server = server_start(manner);
    account = account_for(server);
    EXPECT(send_json(EMAIL), status, reason, part);
    mailbutton_free(account);
    server_stop(server);
}

static void endings(void)
{
    one_ending(REFUSES, MAILBUTTON_REFUSED, "content_refused", "content is spam");
    one_ending(DEFERS, MAILBUTTON_TRY_LATER, "sender_deferred", "greylisted");
    one_ending(HANGS_UP, MAILBUTTON_UNREACHABLE, "disconnected", "\"advice\":");
}

static void nobody_listens(void)
{
    struct server *gone = server_start(ACCEPTS);
    account = account_for(gone);
    server_stop(gone);
    EXPECT(send_json(EMAIL), MAILBUTTON_UNREACHABLE, "connection_refused", "127.0.0.1");
    mailbutton_free(account);
}

const struct test email_tests[] = {
    TEST(addresses), TEST(separator_at_the_end), TEST(ten_thousand_recipients), TEST(empty_subject),
    TEST(warnings), TEST(no_pdf), TEST(document_of_a_file), TEST(attachments), TEST(all_is_sent), TEST(tests_are_sent), TEST(endings), TEST(nobody_listens),
    {NULL, NULL},
};
