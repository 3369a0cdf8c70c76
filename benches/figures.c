/*
 * Prints the library's figures: what it costs a host to have it and to use it.
 *
 *   figures LIBRARY [HOST PORT USERNAME PASSWORD CA_FILE RECIPIENT]
 *
 * The library is loaded while the program runs, so that the memory before is the host's own. With a server, a 25 MB PDF is
 * sent to it twice: the first send starts the thread and reads the system's certificates, the second one does not.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../include/mailbutton.h"

#define PDF_BYTES ((size_t)25 * 1000 * 1000)
#define ROUNDS 201

static mailbutton_reply *(*open_account)(const char *, mailbutton_account **);
static void (*free_account)(mailbutton_account *);
static mailbutton_reply *(*form)(const mailbutton_account *, const char *);
static mailbutton_reply *(*settings_set)(const mailbutton_account *, const char *);
static mailbutton_reply *(*send_document)(const mailbutton_account *, const char *, const uint8_t *, size_t);
static int32_t (*reply_wait)(const mailbutton_reply *, int32_t, mailbutton_progress, void *);
static const char *(*reply_json)(const mailbutton_reply *);
static void (*reply_free)(mailbutton_reply *);

static void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return symbol;
}

/* ISO C has no cast from an object pointer to a function pointer; POSIX promises that this works. */
#define FIND(pointer, name) (*(void **)&(pointer) = find(library, name))

static void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    FIND(open_account, "mailbutton_open");
    FIND(free_account, "mailbutton_free");
    FIND(form, "mailbutton_form");
    FIND(settings_set, "mailbutton_settings_set");
    FIND(send_document, "mailbutton_send_document");
    FIND(reply_wait, "mailbutton_reply_wait");
    FIND(reply_json, "mailbutton_reply_json");
    FIND(reply_free, "mailbutton_reply_free");
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A line of /proc/self/status in MB: "VmRSS:" is what is in memory now, "VmHWM:" the most that was. */
static double memory_mb(const char *line)
{
    char buffer[256];
    double kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(buffer, sizeof buffer, status))
        if (strncmp(buffer, line, strlen(line)) == 0)
            kilobytes = strtod(buffer + strlen(line), NULL);
    if (status)
        fclose(status);
    return kilobytes / 1000;
}

static void forget_peak(void)
{
    FILE *refs = fopen("/proc/self/clear_refs", "w");
    if (refs) {
        fputs("5", refs);
        fclose(refs);
    }
}

static int threads(void)
{
    int count = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    while (tasks && (entry = readdir(tasks)))
        count += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return count;
}

/* Ends a reply that should be fine. */
static void done(mailbutton_reply *reply)
{
    if (reply_wait(reply, -1, NULL, NULL) != MAILBUTTON_OK) {
        fprintf(stderr, "%s\n", reply_json(reply));
        exit(1);
    }
    reply_free(reply);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static const char *values = "{\"smtp_host\": \"smtp.example.com\", \"smtp_port\": 587, "
                            "\"username\": \"ana@example.com\", \"password\": \"x\", \"sender_name\": \"Ana\"}";

/* What a form is filled in from, with its provider and that provider's steps. */
static const char *address = "{\"email_address\": \"ana@gmail.com\"}";

static void offline(void)
{
    static double all[ROUNDS], forms[ROUNDS], proposals[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        mailbutton_account *account;
        double start = now_ms();
        done(open_account(NULL, &account));
        done(form(account, values));
        done(settings_set(account, values));
        all[round] = now_ms() - start;
        start = now_ms();
        done(form(account, values));
        forms[round] = now_ms() - start;
        start = now_ms();
        done(form(account, address));
        proposals[round] = now_ms() - start;
        free_account(account);
    }
    printf("first open + form + settings_set  %8.2f ms\n", all[0]);
    printf("open + form + settings_set        %8.2f ms   (median of %d)\n", median(all, ROUNDS), ROUNDS);
    printf("form at a keystroke               %8.2f ms   (median of %d)\n", median(forms, ROUNDS), ROUNDS);
    printf("form that proposes a provider's   %8.2f ms   (median of %d)\n", median(proposals, ROUNDS), ROUNDS);
}

static void one_send(const mailbutton_account *account, const char *email, const uint8_t *pdf, const char *which)
{
    double before = memory_mb("VmRSS:"), copy = (double)PDF_BYTES / 1e6, start;
    forget_peak();
    start = now_ms();
    done(send_document(account, email, pdf, PDF_BYTES));
    printf("25 MB PDF, %-22s %8.2f MB   over its own copy at the peak; %.0f ms\n", which,
           memory_mb("VmHWM:") - before - copy, now_ms() - start);
}

static void online(char **argument)
{
    char options[1024], settings[1024], email[512];
    mailbutton_account *account;
    uint8_t *pdf = malloc(PDF_BYTES);
    if (!pdf)
        exit(2);
    for (size_t at = 0; at < PDF_BYTES; at++)
        pdf[at] = (uint8_t)(at * 2654435761u >> 13);
    memcpy(pdf, "%PDF-1.7", 8);
    snprintf(options, sizeof options, "{\"ca_file\": \"%s\"}", argument[4]);
    snprintf(settings, sizeof settings,
             "{\"smtp_host\": \"%s\", \"smtp_port\": \"%s\", \"smtp_security\": \"tls\", \"username\": \"%s\", \"password\": \"%s\"}", argument[0],
             argument[1], argument[2], argument[3]);
    snprintf(email, sizeof email, "{\"to\": \"%s\", \"subject\": \"figures\"}", argument[5]);
    done(open_account(options, &account));
    done(settings_set(account, settings));
    one_send(account, email, pdf, "first send");
    one_send(account, email, pdf, "second send");
    free_account(account);
    free(pdf);
}

int main(int count, char **argument)
{
    mailbutton_account *account;
    double before;
    if (count != 2 && count != 8)
        return 2;
    before = memory_mb("VmRSS:");
    load(argument[1]);
    done(open_account("{\"program_name\": \"figures\"}", &account));
    printf("memory after open                 %8.2f MB   over the host's own\n", memory_mb("VmRSS:") - before);
    done(settings_set(account, values));
    done(form(account, NULL));
    printf("memory after form, settings_set   %8.2f MB   over the host's own\n", memory_mb("VmRSS:") - before);
    printf("threads before the first send     %8d      of the library\n", threads() - 1);
    free_account(account);
    offline();
    if (count == 8)
        online(argument + 2);
    return 0;
}
