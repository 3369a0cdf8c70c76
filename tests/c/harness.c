/* Runs the tests of the C functions: all of them, or those whose names are given. */
#define _XOPEN_SOURCE 700
#include "harness.h"

#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[1024];
static int failures_here, skipped_here;
static int passed, failed, skipped;

void check(int holds, const char *file, int line, const char *what)
{
    if (holds)
        return;
    failures_here++;
    printf("  %s:%d: not so: %s\n", file, line, what);
}

void check_text(const char *text, const char *part, const char *file, int line)
{
    if (text != NULL && strstr(text, part) != NULL)
        return;
    failures_here++;
    printf("  %s:%d: no \"%s\" in %.600s\n", file, line, part, text == NULL ? "NULL" : text);
}

void expect(mailbutton_reply *reply, int32_t status, const char *reason, const char *part, const char *file, int line)
{
    int32_t ended = mailbutton_reply_wait(reply, -1, NULL, NULL);
    const char *json = mailbutton_reply_json(reply);
    char head[64], why[128];

    if (ended != status) {
        failures_here++;
        printf("  %s:%d: status %d, not %d\n", file, line, (int)ended, (int)status);
    }
    snprintf(head, sizeof head, "{\"status\":%d,\"status_name\":\"", (int)status);
    snprintf(why, sizeof why, "\"reason\":\"%s\",\"message\":\"", reason);
    check_text(json, head, file, line);
    check_text(json, why, file, line);
    check(strcmp(mailbutton_reply_reason(reply), reason) == 0, file, line, "the reason is the JSON's");
    check((*mailbutton_reply_message(reply) == '\0') == (status == MAILBUTTON_OK && strstr(json, "\"message\":\"\"")), file,
          line, "the message is the JSON's");
    check_text(json, part, file, line);
    /* Whoever is refused is told why. */
    if (status != MAILBUTTON_OK && json != NULL)
        check(strstr(json, "\"message\":\"\"") == NULL, file, line, "there is a message");
    mailbutton_reply_free(reply);
}

void skip(const char *why)
{
    skipped_here = 1;
    printf("  SKIPPED: %s\n", why);
}

const char *format(const char *pattern, ...)
{
    static char texts[16][4096];
    static int next;
    char *text = texts[next++ % 16];
    va_list values;

    va_start(values, pattern);
    vsnprintf(text, sizeof texts[0], pattern, values);
    va_end(values);
    return text;
}

char *repeated(const char *before, const char *unit, size_t count, const char *after)
{
    size_t length = strlen(unit), i;
    char *text = malloc(strlen(before) + count * length + strlen(after) + 1);
    char *end = text;

    if (text == NULL)
        abort();
    end += sprintf(end, "%s", before);
    for (i = 0; i < count; i++, end += length)
        memcpy(end, unit, length);
    strcpy(end, after);
    return text;
}

const char *temporary(const char *name)
{
    return format("%s/%s", folder, name);
}

void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

mailbutton_account *opened(const char *options)
{
    mailbutton_account *account = NULL;
    EXPECT(mailbutton_open(options, &account), MAILBUTTON_OK, "opened", "\"protection\":");
    CHECK(account != NULL);
    return account;
}

const char *settings_for(const struct server *server)
{
    return format("{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": %d, \"smtp_security\": \"none\","
                  " \"email_address\": \"ana@example.test\"}", server_port(server));
}

mailbutton_account *account_for(const struct server *server)
{
    mailbutton_account *account = opened("{\"deadlines\": {\"connect_ms\": 86400000, \"command_ms\": 86400000,"
                                 " \"upload_ms\": 86400000, \"verdict_ms\": 86400000, \"test_ms\": 86400000}}");
    EXPECT(mailbutton_settings_set(account, settings_for(server)), MAILBUTTON_OK, "saved", "127.0.0.1");
    return account;
}

mailbutton_reply *send_one(const mailbutton_account *account)
{
    return mailbutton_send_document(account, EMAIL, PDF, PDF_LENGTH);
}

static int is_wanted(const char *name, char **names)
{
    if (*names == NULL)
        return 1;
    for (; *names != NULL; names++)
        if (strstr(name, *names) != NULL)
            return 1;
    return 0;
}

static void run(const struct test *tests, char **names)
{
    for (; tests->name != NULL; tests++) {
        if (!is_wanted(tests->name, names))
            continue;
        failures_here = skipped_here = 0;
        tests->run();
        printf("%s %s\n", failures_here ? "FAILED" : skipped_here ? "skipped" : "ok", tests->name);
        fflush(stdout);
        if (failures_here)
            failed++;
        else if (skipped_here)
            skipped++;
        else
            passed++;
    }
}

static int forget(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

int main(int argc, char **argv)
{
    const char *base = getenv("TMPDIR");

    (void)argc;
    snprintf(folder, sizeof folder, "%s/mailbutton-c-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 2;
    }
    /* First, as the other tests start threads and servers. */
    run(process_tests, argv + 1);
    run(call_tests, argv + 1);
    run(settings_tests, argv + 1);
    run(store_tests, argv + 1);
    run(email_tests, argv + 1);
    run(waiting_tests, argv + 1);
    run(sign_in_tests, argv + 1);
    nftw(folder, forget, 16, FTW_DEPTH | FTW_PHYS);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
