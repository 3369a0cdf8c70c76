/*
 * The job through libcurl: a thread and an easy handle for each connection. The multi interface would do it in one thread,
 * but libcurl waits for the answer to the closing dot inside curl_multi_perform, so that all other connections stand still
 * for a round trip at every email.
 *
 * The library is loaded while the program runs, so that its loading counts in a cold start as it does for the others.
 */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

#define TEXT 1024
#define MOST_CONNECTIONS 64

static CURLcode (*global_init)(long);
static CURL *(*easy_init)(void);
static CURLcode (*easy_perform)(CURL *);
static CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
static void (*easy_cleanup)(CURL *);
static const char *(*easy_strerror)(CURLcode);
static curl_mime *(*mime_init)(CURL *);
static void (*mime_free)(curl_mime *);
static curl_mimepart *(*mime_addpart)(curl_mime *);
static CURLcode (*mime_data)(curl_mimepart *, const char *, size_t);
static CURLcode (*mime_filedata)(curl_mimepart *, const char *);
static CURLcode (*mime_filename)(curl_mimepart *, const char *);
static CURLcode (*mime_type)(curl_mimepart *, const char *);
static CURLcode (*mime_encoder)(curl_mimepart *, const char *);
static struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
static void (*slist_free_all)(struct curl_slist *);

/* A connection, and the email that is on its way on it. */
struct email {
    CURL *easy;
    curl_mime *mime;
    struct curl_slist *headers;
};

static struct job job;
static struct curl_slist *recipients;
static atomic_int serial, left;

static void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (!symbol)
        fail(name, dlerror());
    return symbol;
}

/* ISO C has no cast from an object pointer to a function pointer; POSIX promises that this works. */
#define FIND(name) (*(void **)&(name) = find(library, "curl_" #name))

static void load(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail("libcurl.so.4", dlerror());
    FIND(global_init);
    FIND(easy_init);
    FIND(easy_perform);
    FIND(easy_setopt);
    FIND(easy_cleanup);
    FIND(easy_strerror);
    FIND(mime_init);
    FIND(mime_free);
    FIND(mime_addpart);
    FIND(mime_data);
    FIND(mime_filedata);
    FIND(mime_filename);
    FIND(mime_type);
    FIND(mime_encoder);
    FIND(slist_append);
    FIND(slist_free_all);
}

static void initialize(void)
{
    char address[64];
    global_init(CURL_GLOBAL_DEFAULT);
    for (int recipient = 0; recipient < job.recipients; recipient++) {
        snprintf(address, sizeof address, "r%d@example.com", recipient);
        recipients = slist_append(recipients, address);
    }
}

static void open_easy(struct email *email)
{
    char url[TEXT];
    snprintf(url, sizeof url, "%s://%s:%d/client.example.com", job.is_starttls ? "smtp" : "smtps", job.host, job.port);
    email->easy = easy_init();
    easy_setopt(email->easy, CURLOPT_URL, url);
    easy_setopt(email->easy, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    easy_setopt(email->easy, CURLOPT_CAINFO, job.ca_file);
    easy_setopt(email->easy, CURLOPT_USERNAME, job.user);
    easy_setopt(email->easy, CURLOPT_PASSWORD, job.password);
    easy_setopt(email->easy, CURLOPT_SASL_IR, 1L);
    easy_setopt(email->easy, CURLOPT_TCP_NODELAY, 1L);
    easy_setopt(email->easy, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V4);
    easy_setopt(email->easy, CURLOPT_MAIL_FROM, job.user);
    easy_setopt(email->easy, CURLOPT_MAIL_RCPT, recipients);
    easy_setopt(email->easy, CURLOPT_NOSIGNAL, 1L);
}

static void header(struct email *email, const char *name, const char *value)
{
    char line[TEXT];
    snprintf(line, sizeof line, "%s: %s", name, value);
    email->headers = slist_append(email->headers, line);
}

static void write_headers(struct email *email)
{
    char date[64], id[128], to[TEXT] = "";
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &utc));
    snprintf(id, sizeof id, "<%ld.%d@example.com>", (long)now, atomic_fetch_add(&serial, 1));
    for (struct curl_slist *one = recipients; one; one = one->next) {
        size_t at = strlen(to);
        snprintf(to + at, sizeof to - at, "%s%s", at ? ", " : "", one->data);
    }
    header(email, "Date", date);
    header(email, "From", job.user);
    header(email, "To", to);
    header(email, "Message-ID", id);
    header(email, "Subject", "Invoice");
}

static void write_email(struct email *email, int is_small)
{
    curl_mimepart *part;
    write_headers(email);
    email->mime = mime_init(email->easy);
    part = mime_addpart(email->mime);
    mime_data(part, "Please find it attached.\r\n", CURL_ZERO_TERMINATED);
    mime_type(part, "text/plain; charset=utf-8");
    part = mime_addpart(email->mime);
    if (is_small)
        mime_data(part, (const char *)small_document, small_document_length);
    else if (job.is_from_file)
        mime_filedata(part, job.document_path);
    else
        mime_data(part, (const char *)job.document, job.document_length);
    mime_filename(part, "document.pdf");
    mime_type(part, "application/pdf");
    mime_encoder(part, "base64");
    easy_setopt(email->easy, CURLOPT_HTTPHEADER, email->headers);
    easy_setopt(email->easy, CURLOPT_MIMEPOST, email->mime);
}

static void send_one(struct email *email, int is_small)
{
    CURLcode result;
    write_email(email, is_small);
    result = easy_perform(email->easy);
    if (result != CURLE_OK)
        fail("not accepted", easy_strerror(result));
    mime_free(email->mime);
    slist_free_all(email->headers);
    email->headers = NULL;
}

/* Also for a batch, of which libcurl knows nothing. */
static void *one_after_the_other(void *email)
{
    while (atomic_fetch_sub(&left, 1) > 0)
        send_one(email, 0);
    return NULL;
}

static void *warm_up(void *email)
{
    open_easy(email);
    send_one(email, 1);
    return NULL;
}

/* Calls a function with each connection, all at once. */
static void with_each(struct email *emails, void *(*call)(void *))
{
    pthread_t threads[MOST_CONNECTIONS];
    for (int at = 1; at < job.connections; at++)
        if (pthread_create(&threads[at], NULL, call, &emails[at]) != 0)
            fail("pthread_create", "failed");
    call(emails);
    for (int at = 1; at < job.connections; at++)
        pthread_join(threads[at], NULL);
}

int main(int count, char **arguments)
{
    static struct email emails[MOST_CONNECTIONS];
    struct costs before;
    double idle;
    job = read_job(count, arguments);
    if (job.connections > MOST_CONNECTIONS)
        fail("connections", "too many");
    if (job.is_cold) {
        wait_for_go();
        before = costs_now();
        load();
        initialize();
        open_easy(emails);
        send_one(emails, 0);
        report_cold(before, costs_now());
        return 0;
    }
    load();
    initialize();
    with_each(emails, warm_up);
    atomic_store(&left, job.count);
    wait_for_go();
    idle = idle_mb();
    before = costs_now();
    with_each(emails, one_after_the_other);
    report_sends(before, costs_now(), idle, "");
    for (int at = 0; at < job.connections; at++)
        easy_cleanup(emails[at].easy);
    return 0;
}
