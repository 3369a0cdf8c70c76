/*
 * What a program does with mailbutton, on a terminal instead of in windows. examples/demo/run starts it.
 *
 *   demo smtp PORT CA STORE PDF PHOTO       settings, test, save, and an invoice through a mail server
 *   demo http URL TOKEN PDF PHOTO           the same invoice through an HTTP relay
 *   demo repairs CA PORT GMAIL_PORT PORT    three failures of a test, and how each of them is mended
 *   demo signin CA PORT URL STORE PDF PHOTO a sign-in instead of a password, and an invoice with it
 */
#include "mailbutton.h"

#include "json.h"

#include <stdarg.h>
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

/* A button, and what it fills into the form. */
static void show_patch(const char *patch)
{
    const char *key, *comma = "";
    printf("     ( Do this ) fills in");
    for (key = json_first(patch); key; key = json_next(json_value(key))) {
        char *value = json_copy(json_value(key));
        const char *shown = *value == '"' ? json_text(value) : value;
        printf("%s %s: %.11s%s", comma, json_text(key), shown, strlen(shown) > 11 ? "..." : "");
        comma = ",";
        free(value);
    }
    putchar('\n');
}

static void show_failure(const char *json)
{
    int number = 0;
    const char *advice;
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
            show_patch(json_at(advice, "patch"));
        if (json_is(json_at(advice, "link"), "\""))
            printf("     %s\n", json_text(json_at(advice, "link")));
    }
}

/* What the form shows of the provider that it has recognised. */
static void show_provider(const mailbutton_account *account, const char *values)
{
    mailbutton_reply *reply = mailbutton_form(account, values);
    const char *provider = json_at(expect(MAILBUTTON_OK, reply, NULL), "form.provider"), *step;
    int number = 0;
    printf("  The form shows the steps of %s:\n", json_text(json_at(provider, "name")));
    for (step = json_first(json_at(provider, "steps")); step; step = json_next(step)) {
        say(5, "  %d. %s", ++number, json_text(json_at(step, "text")));
        if (json_is(json_at(step, "link"), "\""))
            printf("     %s\n", json_text(json_at(step, "link")));
    }
    mailbutton_reply_free(reply);
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

/* A test that fails, the first advice that a click can follow, and the test after the click. */
static void repair(const mailbutton_account *account, int32_t failure, const char *settings)
{
    mailbutton_reply *failed, *repaired;
    const char *advice = json_first(json_at(test(account, failure, settings, &failed), "advice"));
    char *mended;
    show_failure(mailbutton_reply_json(failed));
    while (advice && !json_is(json_at(advice, "patch"), "{"))
        advice = json_next(advice);
    if (!advice) {
        fprintf(stderr, "demo: there is no advice with a patch\n");
        exit(1);
    }
    mended = json_merge(settings, json_at(advice, "patch"));
    printf("  The user clicks on ( Do this ), and the program tests again:\n");
    test(account, MAILBUTTON_OK, mended, &repaired);
    say(2, "  %s", mailbutton_reply_message(repaired));
    free(mended);
    mailbutton_reply_free(failed);
    mailbutton_reply_free(repaired);
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

/* Warnings, and the proposals that the user takes. The email that this gives is to be freed. */
static char *check_invoice(const mailbutton_account *account, char *email)
{
    mailbutton_reply *reply = mailbutton_check_document(account, email, 0);
    const char *json = expect(MAILBUTTON_OK, reply, NULL), *warning;
    char patch[1024], *mended;
    for (warning = json_first(json_at(json, "warnings")); warning; warning = json_next(warning)) {
        const char *proposal = json_at(warning, "proposal");
        say(4, "  ! %s", json_text(json_at(warning, "message")));
        if (!json_is(proposal, "\"") || strcmp(json_text(json_at(warning, "key")), "cc[0]"))
            continue;
        printf("    ( Use %s )\n", json_text(proposal));
        snprintf(patch, sizeof patch, "{\"cc\": [%.*s]}", (int)(json_end(proposal) - proposal), proposal);
        mended = json_merge(email, patch);
        free(email);
        email = mended;
    }
    mailbutton_reply_free(reply);
    return email;
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

static void by_smtp(int port, const char *ca, const char *store, const char *pdf, const char *photo)
{
    static const char form[] =
        "{\"smtp_host\": \"%s\", \"smtp_port\": %d, \"username\": \"facturi@livada.example\","
        " \"password\": \"mere ionatan 7\", \"sender_name\": \"Livada Mare SRL\"}";
    char options[2048], settings[1024], *email, *copied;
    mailbutton_reply *reply;
    mailbutton_account *account;
    const char *json;

    snprintf(options, sizeof options, "{\"store\": \"%s\", \"ca_file\": \"%s\", \"program_name\": \"Demo Books\"}", store, ca);
    account = open_account(options);

    heading("The email settings form, as its user has filled it in. One field has a mistake");
    snprintf(settings, sizeof settings, form, "https://localhost", port);
    show_form(account, settings);

    heading("The server's field, checked at each keystroke");
    show_typing(account, "facturi@livada.example");
    show_typing(account, "localhost:587");
    show_typing(account, "localhost");

    heading("The mistake is mended. Test email settings");
    snprintf(settings, sizeof settings, form, "localhost", port);
    json = test(account, MAILBUTTON_OK, settings, &reply);
    show_steps(json);
    printf("  %s\n", json_text(json_at(json, "message")));
    mailbutton_reply_free(reply);

    heading("Update");
    save(account, settings);

    heading("The Email button of an invoice");
    email = press_button(account, photo, 1);

    heading("The user adds a photo, and a second recipient in a hurry. The email is checked before it is sent");
    copied = json_merge(email, "{\"cc\": [\"Maria Pop <maria.pop@gmial.com>\"]}");
    free(email);
    email = check_invoice(account, copied);

    heading("The user takes the proposal and presses Send");
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

/* A server of the user's own, or one that plays Gmail: the row replaces the one that mailbutton has of it. */
static mailbutton_account *open_trusting(const char *ca, const char *providers)
{
    char options[2048];
    snprintf(options, sizeof options, "{\"program_name\": \"Demo Books\", \"ca_file\": \"%s\"%s}", ca, providers);
    return open_account(options);
}

static void repair_mode(const char *ca, int port)
{
    mailbutton_account *account = open_trusting(ca, "");
    char settings[512];
    heading("Failure 1: the port and the encryption do not belong together");
    printf("  Set: server localhost, port %d, encryption TLS from the start\n", port);
    snprintf(settings, sizeof settings, "{\"smtp_host\": \"localhost\", \"smtp_port\": %d, \"smtp_security\": \"tls\","
             " \"username\": \"facturi@livada.example\", \"password\": \"mere ionatan 7\"}", port);
    repair(account, MAILBUTTON_NOT_SECURE, settings);
    mailbutton_free(account);
}

static void repair_password(const char *ca, int port)
{
    static const char form[] = "{\"smtp_host\": \"localhost\", \"smtp_port\": %d, \"username\": \"livada.mare@gmail.com\"}";
    char providers[1024], settings[512], *entered;
    mailbutton_account *account;
    mailbutton_reply *reply;

    heading("Failure 2: Gmail, with the password that its user signs in with on the web");
    snprintf(providers, sizeof providers, ", \"providers\": [{\"id\": \"gmail\", \"name\": \"Gmail\", \"domains\": [\"gmail.com\"],"
             " \"servers\": [{\"host\": \"localhost\", \"port\": %d, \"security\": \"starttls\"}], \"username\": \"address\","
             " \"login\": [\"app_password\"], \"app_password\": \"required\","
             " \"app_password_page\": \"https://myaccount.google.com/apppasswords\","
             " \"steps\": [\"https://myaccount.google.com/security\", \"https://myaccount.google.com/apppasswords\", null]}]", port);
    account = open_trusting(ca, providers);
    snprintf(settings, sizeof settings, form, port);
    printf("  Set: server localhost, which plays smtp.gmail.com, username livada.mare@gmail.com\n");
    entered = json_merge(settings, "{\"password\": \"mere ionatan 7\"}");
    show_failure(test(account, MAILBUTTON_LOGIN_REFUSED, entered, &reply));
    free(entered);
    mailbutton_reply_free(reply);

    show_provider(account, settings);
    printf("  The user makes an app password, enters it, and tests again:\n");
    entered = json_merge(settings, "{\"password\": \"abcd efgh ijkl mnop\"}");
    test(account, MAILBUTTON_OK, entered, &reply);
    say(2, "  %s", mailbutton_reply_message(reply));
    free(entered);
    mailbutton_reply_free(reply);
    mailbutton_free(account);
}

static void repair_certificate(int port)
{
    mailbutton_account *account = open_account("{\"program_name\": \"Demo Books\"}");
    char settings[512];
    heading("Failure 3: the user's own server, whose certificate nobody vouches for");
    printf("  Set: server localhost, port %d, encryption automatic\n", port);
    snprintf(settings, sizeof settings, "{\"smtp_host\": \"localhost\", \"smtp_port\": %d,"
             " \"username\": \"facturi@livada.example\", \"password\": \"mere ionatan 7\"}", port);
    repair(account, MAILBUTTON_NOT_SECURE, settings);
    mailbutton_free(account);
}

/* Opens a page as a browser does: examples/demo/run reads its address, and answers when the browser has come to the end. */
static void open_browser(const char *url)
{
    printf("  BROWSER %s\n", url);
    fflush(stdout);
}

static void by_sign_in(const char *ca, int port, const char *url, const char *store, const char *pdf, const char *photo)
{
    static const char row[] = "{\"store\": \"%s\", \"program_name\": \"Demo Books\", \"ca_file\": \"%s\","
        " \"oauth\": {\"demo365\": {\"client_id\": \"demo-books\"}}, \"providers\": [{\"id\": \"demo365\", \"name\": \"Demo 365\","
        " \"servers\": [{\"host\": \"localhost\", \"port\": %d, \"security\": \"starttls\"}], \"login\": [\"oauth2\"],"
        " \"oauth\": {\"authorization_endpoint\": \"%s/authorize\", \"token_endpoint\": \"%s/token\", \"scopes\": [\"send\"]}}]}";
    char options[2048], settings[512], finish[256], *signing, *email;
    mailbutton_account *account;
    mailbutton_reply *begun, *reply;
    const char *json;

    snprintf(options, sizeof options, row, store, ca, port, url, url);
    account = open_account(options);
    snprintf(settings, sizeof settings, "{\"smtp_host\": \"localhost\", \"smtp_port\": %d, \"username\": \"facturi@livada.example\","
             " \"password\": \"mere ionatan 7\", \"sender_name\": \"Livada Mare SRL\"}", port);

    heading("A provider that takes no passwords from programs");
    show_failure(test(account, MAILBUTTON_LOGIN_REFUSED, settings, &reply));
    signing = json_merge(settings, json_at(json_first(json_at(mailbutton_reply_json(reply), "advice")), "patch"));
    mailbutton_reply_free(reply);

    heading("The user clicks on ( Do this ), and then on ( Sign in )");
    {
        char *request = malloc(strlen(signing) + 32);
        sprintf(request, "{\"settings\": %s}", signing);
        begun = mailbutton_sign_in(account, request);
        free(request);
    }
    json = expect(MAILBUTTON_OK, begun, NULL);
    snprintf(finish, sizeof finish, "{\"sign_in\": \"%s\"}", json_text(json_at(json, "sign_in")));
    open_browser(json_text(json_at(json, "url")));
    reply = mailbutton_sign_in_finish(account, finish);
    json = expect(MAILBUTTON_OK, reply, NULL);
    say(2, "  Signed in as %s, and saved.", json_text(json_at(json, "account")));
    mailbutton_reply_free(reply);
    mailbutton_reply_free(begun);
    free(signing);

    heading("The user presses Send");
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
    if (argc == 7 && !strcmp(argv[1], "smtp")) {
        by_smtp(atoi(argv[2]), argv[3], argv[4], argv[5], argv[6]);
    } else if (argc == 6 && !strcmp(argv[1], "http")) {
        by_http(argv[2], argv[3], argv[4], argv[5]);
    } else if (argc == 6 && !strcmp(argv[1], "repairs")) {
        repair_mode(argv[2], atoi(argv[3]));
        repair_password(argv[2], atoi(argv[4]));
        repair_certificate(atoi(argv[5]));
    } else if (argc == 8 && !strcmp(argv[1], "signin")) {
        by_sign_in(argv[2], atoi(argv[3]), argv[4], argv[5], argv[6], argv[7]);
    } else {
        return 2;
    }
    return 0;
}
