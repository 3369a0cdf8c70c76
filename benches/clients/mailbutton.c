/*
 * The job through mailbutton's C ABI:  mailbutton library=PATH ...
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../include/mailbutton.h"
#include "client.h"

#define TEXT 4096
#define MOST_CONNECTIONS 64

static mailbutton_reply *(*open_account)(const char *, mailbutton_account **);
static void (*free_account)(mailbutton_account *);
static mailbutton_reply *(*settings_set)(const mailbutton_account *, const char *);
static mailbutton_reply *(*send_document)(const mailbutton_account *, const char *, const uint8_t *, size_t);
static int32_t (*reply_wait)(const mailbutton_reply *, int32_t, mailbutton_progress, void *);
static const char *(*reply_json)(const mailbutton_reply *);
static void (*reply_free)(mailbutton_reply *);

static struct job job;
static const char *library_path, *note = "";
static mailbutton_account *account;
static char email[TEXT];
static atomic_int left;

static void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (!symbol)
        fail(name, dlerror());
    return symbol;
}

/* ISO C has no cast from an object pointer to a function pointer; POSIX promises that this works. */
#define FIND(pointer, name) (*(void **)&(pointer) = find(library, name))

static void load(void)
{
    void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail(library_path, dlerror());
    FIND(open_account, "mailbutton_open");
    FIND(free_account, "mailbutton_free");
    FIND(settings_set, "mailbutton_settings_set");
    FIND(send_document, "mailbutton_send_document");
    FIND(reply_wait, "mailbutton_reply_wait");
    FIND(reply_json, "mailbutton_reply_json");
    FIND(reply_free, "mailbutton_reply_free");
}

static void done(mailbutton_reply *reply)
{
    int32_t status = reply_wait(reply, -1, NULL, NULL);
    if (status == MAILBUTTON_BAD_CALL && job.is_from_file)
        report_unavailable("this library takes no document.path");
    if (status != MAILBUTTON_OK)
        fail("not accepted", reply_json(reply));
    reply_free(reply);
}

/* Whether the options suited the library. */
static int try_to_open(int with_connections)
{
    char options[TEXT], connections[32] = "";
    mailbutton_reply *reply;
    int32_t status;
    if (with_connections)
        snprintf(connections, sizeof connections, ", \"connections\": %d", job.connections);
    snprintf(options, sizeof options, "{\"ca_file\": \"%s\"%s%s%s%s}", job.ca_file, connections,
             job.wants_chunking ? ", \"chunking\": [\"" : "", job.wants_chunking ? job.host : "",
             job.wants_chunking ? "\"]" : "");
    reply = open_account(options, &account);
    status = reply_wait(reply, -1, NULL, NULL);
    if (status != MAILBUTTON_OK && status != MAILBUTTON_BAD_CALL)
        fail("cannot open", reply_json(reply));
    reply_free(reply);
    return status == MAILBUTTON_OK;
}

/* A library from before an option still gets its figures, and the table says so. */
static void open_it(void)
{
    char settings[TEXT];
    if (!try_to_open(1)) {
        note = "without the option connections";
        if (!try_to_open(0)) {
            if (job.wants_chunking)
                report_unavailable("this library has no option chunking");
            fail("cannot open", "the options are refused");
        }
    }
    snprintf(settings, sizeof settings,
             "{\"smtp_host\": \"%s\", \"smtp_port\": %d, \"smtp_security\": \"%s\", \"username\": \"%s\", "
             "\"password\": \"%s\"}",
             job.host, job.port, job.is_starttls ? "starttls" : "tls", job.user, job.password);
    done(settings_set(account, settings));
}

static void write_email(void)
{
    size_t at = (size_t)snprintf(email, sizeof email, "{\"subject\": \"Invoice\", \"body\": \"Please find it attached.\"");
    if (job.is_from_file)
        at += (size_t)snprintf(email + at, sizeof email - at, ", \"document\": {\"path\": \"%s\"}", job.document_path);
    at += (size_t)snprintf(email + at, sizeof email - at, ", \"to\": [");
    for (int recipient = 0; recipient < job.recipients; recipient++)
        at += (size_t)snprintf(email + at, sizeof email - at, "%s\"r%d@example.com\"", recipient ? ", " : "", recipient);
    snprintf(email + at, sizeof email - at, "]}");
}

static mailbutton_reply *start(void)
{
    return send_document(account, email, job.document, job.document_length);
}

static void *one_after_the_other(void *unused)
{
    while (atomic_fetch_sub(&left, 1) > 0)
        done(start());
    return unused;
}

static void single(void)
{
    pthread_t threads[MOST_CONNECTIONS];
    int others = job.connections - 1;
    atomic_store(&left, job.count);
    for (int at = 0; at < others; at++)
        if (pthread_create(&threads[at], NULL, one_after_the_other, NULL) != 0)
            fail("pthread_create", "failed");
    one_after_the_other(NULL);
    for (int at = 0; at < others; at++)
        pthread_join(threads[at], NULL);
}

static void batch(void)
{
    mailbutton_reply **replies = calloc((size_t)job.count, sizeof *replies);
    if (!replies)
        fail("calloc", "no memory");
    for (int at = 0; at < job.count; at++)
        replies[at] = start();
    for (int at = 0; at < job.count; at++)
        done(replies[at]);
    free(replies);
}

/* As many emails at once as there are connections, so that each of these is open. */
static void warm_up(void)
{
    mailbutton_reply *replies[MOST_CONNECTIONS];
    const char *small = "{\"to\": \"r0@example.com\", \"subject\": \"Invoice\"}";
    for (int at = 0; at < job.connections; at++)
        replies[at] = send_document(account, small, small_document, small_document_length);
    for (int at = 0; at < job.connections; at++)
        done(replies[at]);
}

int main(int count, char **arguments)
{
    struct costs before;
    double idle;
    library_path = argument(count, arguments, "library");
    job = read_job(count, arguments);
    if (job.connections > MOST_CONNECTIONS)
        fail("connections", "too many");
    write_email();
    if (job.is_cold) {
        wait_for_go();
        before = costs_now();
        load();
        open_it();
        done(start());
        report_cold(before, costs_now());
        free_account(account);
        return 0;
    }
    load();
    open_it();
    warm_up();
    wait_for_go();
    idle = idle_mb();
    before = costs_now();
    if (job.is_batch)
        batch();
    else
        single();
    report_sends(before, costs_now(), idle, note);
    free_account(account);
    return 0;
}
