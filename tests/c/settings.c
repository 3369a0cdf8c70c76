/* Settings that cannot work: each is named with its field and its code, all at once, and nothing is saved. */
#include "harness.h"

#define REST "\"smtp_security\": \"none\", \"email_address\": \"ana@example.test\""

static char *saved_json(const mailbutton_account *account)
{
    mailbutton_reply *reply = mailbutton_settings_get(account);
    char *json = malloc(strlen(mailbutton_reply_json(reply)) + 1);
    strcpy(json, mailbutton_reply_json(reply));
    mailbutton_reply_free(reply);
    return json;
}

/* Refused by saving and by testing, named by the form; what was saved before stays. */
static void refused(const char *settings, const char *key, const char *code, const char *sentence)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    char *before = saved_json(account), *after;
    const char *error = format("{\"key\":\"%s\",\"code\":\"%s\",\"message\":\"%s", key, code, sentence);

    EXPECT(mailbutton_settings_set(account, settings), MAILBUTTON_BAD_SETTINGS, "bad_settings", error);
    /* A form complains of what was typed, and not of what was not typed yet. */
    EXPECT(mailbutton_form(account, settings), MAILBUTTON_OK, "form",
           strcmp(code, "required") == 0 ? "\"required\":true" : format("{\"code\":\"%s\",", code));
    EXPECT(mailbutton_send_test(account, format("{\"settings\": %s}", settings)), MAILBUTTON_BAD_SETTINGS,
           "bad_settings", error);
    after = saved_json(account);
    CHECK(strcmp(before, after) == 0);
    CHECK(server_connections(server) == 0);
    free(before);
    free(after);
    mailbutton_free(account);
    server_stop(server);
}

static void ports(void)
{
    static const char *const wrong[] = {"0", "70000", "-1", "65536", "25.5", "\"\\u0665\"", "\"smtp\"", "1e99", "99999999999999999999"};
    size_t i;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refused(format("{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": %s, " REST "}", wrong[i]), "smtp_port",
                "port_invalid", "The port is a whole number from 1 to 65535");
    refused("{\"smtp_host\": \"127.0.0.1\", " REST "}", "smtp_port", "required", "Enter the port");
}

static void hosts(void)
{
    static const char *const wrong[][3] = {
        {"https://smtp.example.com", "host_has_scheme", "Leave out \\\"https://\\\""},
        {"smtp.example.com:587", "host_has_port", "Leave out \\\":587\\\""},
        {"smtp.example.com/mail", "host_has_path", "Leave out everything from the \\\"/\\\" on"},
        {"smtp example.com", "host_has_space", "A server name has no spaces"},
        {"ana@example.com", "host_is_address", "This is an email address"},
        {"smtp..example.com", "host_invalid", "This is not a server name"},
        {"smtp.exa\\u0000mple.com", "host_invalid", "This is not a server name"},
        {"  ", "required", "Enter the name"},
    };
    size_t i;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refused(format("{\"smtp_host\": \"%s\", \"smtp_port\": 25, " REST "}", wrong[i][0]), "smtp_host", wrong[i][1],
                wrong[i][2]);
}

static void usernames(void)
{
    refused("{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": 25, \"password\": \"a\", \"username\": \"a\\r\\nRSET@b.ro\", " REST "}",
            "username", "username_control", "The username has a line break");
    refused("{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": 25, \"password\": \"a\\nb\", \"username\": \"a@b.ro\", " REST "}",
            "password", "secret_control", "There is a line break");
    refused("{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": 25, \"sender_name\": \"a\\nBcc: x@y.ro\", " REST "}",
            "sender_name", "control_character", "There is a character in this text that cannot be sent");
}

static void all_errors_at_once(void)
{
    mailbutton_account *account = opened(NULL);
    const char *settings = "{\"smtp_host\": \"a b\", \"smtp_port\": 0, \"send_copy\": true, \"copy_to\": \"x\"}";
    EXPECT(mailbutton_settings_set(account, settings), MAILBUTTON_BAD_SETTINGS, "bad_settings", "host_has_space");
    EXPECT(mailbutton_settings_set(account, settings), MAILBUTTON_BAD_SETTINGS, "bad_settings", "port_invalid");
    EXPECT(mailbutton_settings_set(account, settings), MAILBUTTON_BAD_SETTINGS, "bad_settings", "address_no_at");
    EXPECT(mailbutton_settings_set(account, settings), MAILBUTTON_BAD_SETTINGS, "bad_settings", "4 fields need");
    EXPECT(mailbutton_settings_get(account), MAILBUTTON_OK, "not_configured", "\"configured\":false");
    mailbutton_free(account);
}

static void save_get_clear(void)
{
    mailbutton_account *account = opened("{\"program_name\": \"Harness\"}");
    const char *settings = "{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": 587, \"username\": \"ana@example.test\","
                           " \"password\": \"hunter2\"}";
    mailbutton_reply *reply;

    EXPECT(mailbutton_button(account, "{}"), MAILBUTTON_OK, "button", "\"visible\":false");
    EXPECT(mailbutton_settings_set(account, settings), MAILBUTTON_OK, "saved", "\"password\":true");
    EXPECT(mailbutton_settings_get(account), MAILBUTTON_OK, "settings", "\"smtp_port\":587");
    reply = mailbutton_settings_get(account);
    CHECK(strstr(mailbutton_reply_json(reply), "hunter2") == NULL);
    mailbutton_reply_free(reply);
    EXPECT(mailbutton_form(account, NULL), MAILBUTTON_OK, "form", "\"has_value\":true");
    EXPECT(mailbutton_button(account, "{\"kind\": \"invoice\", \"reference\": \"7\"}"), MAILBUTTON_OK, "button",
           "\"file_name\":\"Invoice 7.pdf\"");
    EXPECT(mailbutton_settings_clear(account), MAILBUTTON_OK, "cleared", "");
    EXPECT(mailbutton_settings_get(account), MAILBUTTON_OK, "not_configured", "\"settings\":null");
    mailbutton_free(account);
}

/* The texts given may change as soon as the call is back. */
static void texts_are_copied(void)
{
    struct server *server = server_start(ACCEPTS);
    char options[] = "{\"program_name\": \"Harness\"}", email[] = EMAIL, settings[512];
    uint8_t pdf[PDF_LENGTH];
    mailbutton_account *account = opened(options);
    mailbutton_reply *reply;

    memset(options, '!', sizeof options);
    snprintf(settings, sizeof settings, "%s", settings_for(server));
    EXPECT(mailbutton_settings_set(account, settings), MAILBUTTON_OK, "saved", "");
    memset(settings, '!', sizeof settings);
    memcpy(pdf, PDF, PDF_LENGTH);
    reply = mailbutton_send_document(account, email, pdf, sizeof pdf);
    memset(email, '!', sizeof email);
    memset(pdf, '!', sizeof pdf);
    EXPECT(reply, MAILBUTTON_OK, "accepted", "bogdan@example.test");
    CHECK_TEXT(server_newest(server), "JVBERi0xLjQKJSVFT0YK"); /* the PDF in base64 */
    mailbutton_free(account);
    server_stop(server);
}

const struct test settings_tests[] = {
    TEST(ports), TEST(hosts), TEST(usernames), TEST(all_errors_at_once), TEST(save_get_clear), TEST(texts_are_copied),
    {NULL, NULL},
};
