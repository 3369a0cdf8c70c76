/*
 * What a program does with mailbutton, on a terminal instead of in windows. examples/demo/run starts it.
 *
 *   demo smtp PORT STORE PDF PHOTO    settings, test, save, and an invoice through a mail server
 *   demo http URL TOKEN PDF PHOTO     the same invoice through an HTTP relay
 */
#include "mailbutton.h"

#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { COLUMNS = 100, BAR = 60 };

/* Showing things */

static void heading(const char *text)
{
    int is_terminal = isatty(1);
    printf("\n%s%s%s\n", is_terminal ? "\033[1m" : "", text, is_terminal ? "\033[0m" : "");
}

/* How wide a UTF-8 text is shown. */
static int width(const char *text, size_t bytes)
{
    int letters = 0;
    while (bytes--)
        letters += (*text++ & 0xC0) != 0x80;
    return letters;
}

/* A text in lines that fit; all but the first begin `indent` columns to the right. */
static void say(int indent, const char *format, ...)
{
    static char text[8192];
    const char *word;
    int column = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (word = text; *word;) {
        size_t blanks = strspn(word, " "), bytes = blanks + strcspn(word + blanks, " \n");
        int wide = width(word, bytes);
        if (column > indent && column + wide > COLUMNS) {
            column = printf("\n%*s", indent, "") - 1;
            word += blanks;
            bytes -= blanks;
            wide -= (int)blanks;
        }
        printf("%.*s", (int)bytes, word);
        column += wide;
        word += bytes;
        if (*word == '\n') {
            word++;
            column = printf("\n%*s", *word && *word != '\n' ? indent : 0, "") - 1;
        }
    }
    putchar('\n');
}

/* Calling mailbutton_account */

struct shown {
    int column, bar;
};

/* Steps one after the other, and a bar that only ever grows: it looks the same in a terminal and in a file. */
static int32_t show_progress(void *userdata, const char *step, const char *text, int32_t permille)
{
    struct shown *shown = userdata;
    int wide = width(text, strlen(text)) + 5;
    if (!strcmp(step, "content")) {
        if (shown->bar < 0)
            shown->bar = 0, printf("\n  %s [", text);
        for (; shown->bar < permille * BAR / 1000; shown->bar++)
            putchar('#');
    } else {
        if (shown->bar >= 0)
            shown->column = COLUMNS, printf("%*s] %d %%", BAR - shown->bar, "", (int)permille / 10);
        shown->bar = -1;
        if (shown->column + wide > COLUMNS)
            shown->column = 0, putchar('\n');
        printf("%s%s ...", shown->column ? " " : "  ", text);
        shown->column += wide;
    }
    fflush(stdout);
    return 0;
}

/* Waits to the end and gives the reply's JSON, or ends the demo if the reply is not the expected one. */
static const char *expect(int32_t expected, const mailbutton_reply *reply, struct shown *shown)
{
    int32_t status = mailbutton_reply_wait(reply, -1, shown ? show_progress : NULL, shown);
    const char *json = mailbutton_reply_json(reply);
    if (status != expected) {
        fflush(stdout);
        fprintf(stderr, "\ndemo: expected status %d, and got %s\n", (int)expected, json);
        exit(1);
    }
    return json;
}

static mailbutton_account *open_account(const char *options)
{
    mailbutton_account *account;
    mailbutton_reply *reply = mailbutton_open(options, &account);
    expect(MAILBUTTON_OK, reply, NULL);
    mailbutton_reply_free(reply);
    return account;
}

/* Showing what mailbutton says */

static void show_field(const char *field)
{
    const char *value = json_at(field, "value"), *type = json_at(field, "type"), *choice;
    char shown[256];
    if (json_is(json_at(field, "secret"), "true")) {
        strcpy(shown, json_is(json_at(field, "has_value"), "true") ? "**********" : "");
    } else if (json_is(type, "\"choice\"")) {
        for (choice = json_first(json_at(field, "choices")); choice; choice = json_next(choice))
            if (!strcmp(json_text(json_at(choice, "value")), json_text(value)))
                snprintf(shown, sizeof shown, "%s  v", json_text(json_at(choice, "label")));
    } else if (json_is(type, "\"port\"")) {
        snprintf(shown, sizeof shown, "%ld", json_number(value));
    } else {
        snprintf(shown, sizeof shown, "%s", json_text(value));
    }
    if (json_is(type, "\"checkbox\""))
        say(4, "  [%c] %s", json_is(value, "true") ? 'x' : ' ', json_text(json_at(field, "label")));
    else
        printf("  %-16s [ %s%*s ]%s\n", json_text(json_at(field, "label")), shown,
               40 - width(shown, strlen(shown)), "", json_is(json_at(field, "required"), "true") ? " needed" : "");
    say(19, "                   %s", json_text(json_at(field, "help")));
    if (json_is(json_at(field, "error"), "{"))
        say(19, "               >>> %s", json_text(json_at(field, "error.message")));
}

static void show_form(const mailbutton_account *account, const char *values)
{
    mailbutton_reply *reply = mailbutton_form(account, values);
    const char *json = expect(MAILBUTTON_OK, reply, NULL), *item;
    for (item = json_first(json_at(json, "form.fields")); item; item = json_next(item))
        if (json_is(json_at(item, "visible"), "true"))
            show_field(item);
    for (item = json_first(json_at(json, "form.buttons")); item; item = json_next(item))
        printf("  ( %s )%s%s\n", json_text(json_at(item, "label")),
               json_is(json_at(item, "enabled"), "true") ? "" : " is greyed out: ", json_text(json_at(item, "why_not.message")));
    mailbutton_reply_free(reply);
}

/* What a form shows at the server's field while it is being typed. */
static void show_typing(const mailbutton_account *account, const char *host)
{
    char values[256];
    mailbutton_reply *reply;
    const char *field;
    snprintf(values, sizeof values, "{\"smtp_host\": \"%s\"}", host);
    reply = mailbutton_form(account, values);
    field = json_first(json_at(expect(MAILBUTTON_OK, reply, NULL), "form.fields"));
    while (strcmp(json_text(json_at(field, "key")), "smtp_host"))
        field = json_next(field);
    field = json_at(field, "error.message");
    say(33, "  [ %-26s ]  %s", host, field ? json_text(field) : "(right)");
    mailbutton_reply_free(reply);
}

static void show_failure(const char *json)
{
    int number = 0;
    const char *advice, *key;
    say(2, "  %s", json_text(json_at(json, "message")));
    if (json_is(json_at(json, "server"), "{"))
        say(2, "  The server's own words: \"%ld %s %s\"", json_number(json_at(json, "server.code")),
            json_text(json_at(json, "server.enhanced")), json_text(json_at(json, "server.text")));
    if (json_at(json, "certificate"))
        say(4, "  The certificate: %s, SHA-256 %.48s %s", json_text(json_at(json, "certificate.subject")),
            json_text(json_at(json, "certificate.fingerprint")),
            json_text(json_at(json, "certificate.fingerprint")) + 48);
    for (advice = json_first(json_at(json, "advice")); advice; advice = json_next(advice)) {
        say(5, "  %d. %s", ++number, json_text(json_at(advice, "text")));
        if (json_is(json_at(advice, "patch"), "{"))
            printf("     ( Do this ) fills in");
        for (key = json_first(json_at(advice, "patch")); key; key = json_next(json_space(json_space(json_end(key)) + 1)))
            printf(" %s", json_text(key));
        if (json_is(json_at(advice, "patch"), "{"))
            putchar('\n');
    }
}

static void show_steps(const char *json)
{
    const char *step;
    for (step = json_first(json_at(json, "steps")); step; step = json_next(step)) {
        const char *found = json_at(step, "found"), *first = json_first(json_at(found, "addresses"));
        printf("  %-4s%5ld ms  %s", json_text(json_at(step, "status")), json_number(json_at(step, "ms")),
               json_text(json_at(step, "label")));
        if (first)
            printf(": %s", json_text(first));
        if (json_at(found, "address"))
            printf(": %s", json_text(json_at(found, "address")));
        if (json_at(found, "tls_version"))
            printf(": %s, %s", json_text(json_at(found, "tls_version")), json_text(json_at(found, "cipher")));
        if (json_at(found, "mechanism"))
            printf(": %s", json_text(json_at(found, "mechanism")));
        if (json_at(found, "bytes"))
            printf(": %ld bytes", json_number(json_at(found, "bytes")));
        if (json_is(json_at(step, "step"), "\"verdict\""))
            printf(": \"%s\"", json_text(json_at(step, "server.text")));
        putchar('\n');
    }
}

/* What the user does */

static const char *test(const mailbutton_account *account, int32_t expected, const char *settings, mailbutton_reply **reply)
{
    char request[2048];
    snprintf(request, sizeof request, "{\"settings\": %s}", settings);
    *reply = mailbutton_send_test(account, request);
    return expect(expected, *reply, NULL);
}

static void save(const mailbutton_account *account, const char *settings)
{
    mailbutton_reply *reply = mailbutton_settings_set(account, settings);
    const char *json = expect(MAILBUTTON_OK, reply, NULL);
    say(2, "  Saved. %s", json_text(json_at(json, "protection.message")));
    mailbutton_reply_free(reply);
}

/* The button's email as the user leaves it: the file's name and a photo are added, the rest stays as it was. */
static char *press_button(const mailbutton_account *account, const char *photo, int is_shown)
{
    static const char document[] =
        "{\"kind\": \"invoice\", \"reference\": \"2026-0117\","
        " \"file_name\": \"Factură 2026-0117 – Țăndărică SRL.pdf\","
        " \"recipient\": {\"name\": \"Maria\", \"addresses\": \"Țăndărică SRL <contabil@tandarica.example>\"}}";
    mailbutton_reply *reply = mailbutton_button(account, document);
    const char *json = expect(MAILBUTTON_OK, reply, NULL), *email = json_at(json, "email");
    char *prefilled = json_copy(email), *whole = malloc(strlen(prefilled) + strlen(photo) + 256);
    if (is_shown) {
        printf("  ( %s ) is %s. Pressed, it shows this email, ready to be changed:\n", json_text(json_at(json, "button.label")),
               json_is(json_at(json, "button.enabled"), "true") ? "there" : "greyed out");
        printf("    To:       %s\n    Subject:  %s\n    Document: %s\n", json_text(json_at(email, "to")),
               json_text(json_at(email, "subject")), json_text(json_at(email, "document.file_name")));
        say(14, "    Text:     %s", json_text(json_at(email, "body")));
    }
    prefilled[strlen(prefilled) - 1] = 0;
    sprintf(whole, "%s, \"idempotency_key\": \"invoice-2026-0117\", \"attachments\":"
            " [{\"path\": \"%s\", \"file_name\": \"Livada în noiembrie.png\"}]}", prefilled, photo);
    free(prefilled);
    mailbutton_reply_free(reply);
    return whole;
}

static void send_invoice(const mailbutton_account *account, const char *email, const char *path)
{
    static uint8_t pdf[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(pdf, 1, sizeof pdf, file) : 0;
    struct shown shown = {0, -1};
    mailbutton_reply *reply;
    const char *json, *recipient;
    if (file)
        fclose(file);
    reply = mailbutton_send_document(account, email, pdf, length);
    json = expect(MAILBUTTON_OK, reply, &shown);
    printf("\n  %s", json_text(json_at(json, "message")));
    for (recipient = json_first(json_at(json, "recipients")); recipient; recipient = json_next(recipient))
        printf(" (%s: %s)", json_text(json_at(recipient, "address")), json_text(json_at(recipient, "outcome")));
    putchar('\n');
    mailbutton_reply_free(reply);
}

static void by_smtp(int port, const char *store, const char *pdf, const char *photo)
{
    static const char form[] =
        "{\"smtp_host\": \"%s\", \"smtp_port\": %d, \"username\": \"facturi@livada.example\", \"password\": \"%s\","
        " \"sender_name\": \"Livada Mare SRL\"%s}";
    char options[1024], settings[1024], accepted[512];
    mailbutton_reply *reply;
    mailbutton_account *account;
    const char *json, *patch;
    char *copy, *email;

    snprintf(options, sizeof options, "{\"store\": \"%s\", \"program_name\": \"Demo Books\"}", store);
    account = open_account(options);

    heading("The email settings form, as its user has filled it in. One field has a mistake");
    snprintf(settings, sizeof settings, form, "https://localhost", port, "not the password", "");
    show_form(account, settings);

    heading("The server's field, checked at each keystroke");
    show_typing(account, "facturi@livada.example");
    show_typing(account, "localhost:587");
    show_typing(account, "localhost");

    heading("The mistake is mended. Test email settings: nobody vouches for this server's certificate");
    snprintf(settings, sizeof settings, form, "localhost", port, "not the password", "");
    json = test(account, MAILBUTTON_NOT_SECURE, settings, &reply);
    show_failure(json);
    patch = json_at(json_first(json_at(json, "advice")), "patch");
    copy = json_copy(patch);
    copy[strlen(copy) - 1] = 0;
    snprintf(accepted, sizeof accepted, ", %s", copy + 1);
    free(copy);
    mailbutton_reply_free(reply);

    heading("The user accepts the certificate. Test again: the password is wrong");
    snprintf(settings, sizeof settings, form, "localhost", port, "not the password", accepted);
    json = test(account, MAILBUTTON_LOGIN_REFUSED, settings, &reply);
    show_failure(json);
    mailbutton_reply_free(reply);

    heading("Test with the right password");
    snprintf(settings, sizeof settings, form, "localhost", port, "mere ionatan 7", accepted);
    json = test(account, MAILBUTTON_OK, settings, &reply);
    show_steps(json);
    printf("  %s\n", json_text(json_at(json, "message")));
    mailbutton_reply_free(reply);

    heading("Update");
    save(account, settings);

    heading("The Email button of an invoice");
    email = press_button(account, photo, 1);

    heading("The user adds a photo and presses Send");
    send_invoice(account, email, pdf);
    free(email);
    mailbutton_free(account);
}

static void by_http(const char *url, const char *token, const char *pdf, const char *photo)
{
    char settings[512];
    mailbutton_reply *reply;
    mailbutton_account *account = open_account("{\"program_name\": \"Demo Books\"}");
    const char *json;
    char *email;

    heading("The same through a web service instead of SMTP: test, update, button, send");
    snprintf(settings, sizeof settings, "{\"protocol\": \"http\", \"http_server\": \"%s\", \"http_token\": \"%s\","
             " \"sender_name\": \"Livada Mare SRL\", \"reply_to\": \"facturi@livada.example\"}", url, token);
    json = test(account, MAILBUTTON_OK, settings, &reply);
    printf("  %s\n", json_text(json_at(json, "message")));
    mailbutton_reply_free(reply);
    save(account, settings);
    email = press_button(account, photo, 0);
    send_invoice(account, email, pdf);
    free(email);
    mailbutton_free(account);
}

int main(int argc, char **argv)
{
    if (mailbutton_abi_version() != MAILBUTTON_ABI_VERSION) {
        fprintf(stderr, "demo: this library is not the one that the demo was built for\n");
        return 1;
    }
    if (argc == 6 && !strcmp(argv[1], "smtp"))
        by_smtp(atoi(argv[2]), argv[3], argv[4], argv[5]);
    else if (argc == 6 && !strcmp(argv[1], "http"))
        by_http(argv[2], argv[3], argv[4], argv[5]);
    else
        return 2;
    return 0;
}
