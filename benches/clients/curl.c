/*
 * The job through libcurl's multi interface. The library is loaded while the program runs, so that its loading counts in a
 * cold start as it does for the others.
 */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

#define TEXT 1024

static CURLcode (*global_init)(long);
static CURL *(*easy_init)(void);
static CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
static CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
static void (*easy_cleanup)(CURL *);
static const char *(*easy_strerror)(CURLcode);
static CURLM *(*multi_init)(void);
static CURLMcode (*multi_setopt)(CURLM *, CURLMoption, ...);
static CURLMcode (*multi_add_handle)(CURLM *, CURL *);
static CURLMcode (*multi_remove_handle)(CURLM *, CURL *);
static CURLMcode (*multi_perform)(CURLM *, int *);
static CURLMcode (*multi_poll)(CURLM *, struct curl_waitfd *, unsigned int, int, int *);
static CURLMsg *(*multi_info_read)(CURLM *, int *);
static CURLMcode (*multi_cleanup)(CURLM *);
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

/* One email on its way. A handle is used again for the next one. */
struct email {
    CURL *easy;
    curl_mime *mime;
    struct curl_slist *headers;
};

static struct job job;
static CURLM *multi;
static struct curl_slist *recipients;
static int serial;

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
    FIND(easy_setopt);
    FIND(easy_getinfo);
    FIND(easy_cleanup);
    FIND(easy_strerror);
    FIND(multi_init);
    FIND(multi_setopt);
    FIND(multi_add_handle);
    FIND(multi_remove_handle);
    FIND(multi_perform);
    FIND(multi_poll);
    FIND(multi_info_read);
    FIND(multi_cleanup);
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

static void open_multi(void)
{
    char address[64];
    global_init(CURL_GLOBAL_DEFAULT);
    multi = multi_init();
    multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)job.connections);
    multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)job.connections);
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
    easy_setopt(email->easy, CURLOPT_PRIVATE, email);
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
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", gmtime(&now));
    snprintf(id, sizeof id, "<%ld.%d@example.com>", (long)now, serial++);
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

static void start(struct email *email, int is_small)
{
    write_email(email, is_small);
    multi_add_handle(multi, email->easy);
}

/* Takes an email whose sending has ended off the multi handle. */
static struct email *ended(CURLMsg *message)
{
    struct email *email = NULL;
    if (message->data.result != CURLE_OK)
        fail("not accepted", easy_strerror(message->data.result));
    easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&email);
    multi_remove_handle(multi, email->easy);
    mime_free(email->mime);
    slist_free_all(email->headers);
    email->mime = NULL;
    email->headers = NULL;
    return email;
}

/* Sends `count` emails, at most `at_once` of them begun at a time. */
static void send_all(struct email *emails, int at_once, int count, int is_small)
{
    int begun = 0, finished = 0, running, waiting;
    while (begun < at_once && begun < count)
        start(&emails[begun++], is_small);
    while (finished < count) {
        CURLMsg *message;
        multi_perform(multi, &running);
        while ((message = multi_info_read(multi, &waiting))) {
            struct email *email = ended(message);
            finished++;
            if (begun < count) {
                begun++;
                start(email, is_small);
            }
        }
        if (finished < count && running)
            multi_poll(multi, NULL, 0, 1000, NULL);
    }
}

int main(int count, char **arguments)
{
    struct costs before;
    struct email *emails;
    int at_once;
    double idle;
    job = read_job(count, arguments);
    at_once = job.is_batch ? job.count : job.connections;
    if (at_once < job.connections)
        at_once = job.connections;
    emails = calloc((size_t)at_once, sizeof *emails);
    if (!emails)
        fail("calloc", "no memory");
    if (job.is_cold) {
        wait_for_go();
        before = costs_now();
        load();
        open_multi();
        open_easy(emails);
        send_all(emails, 1, 1, 0);
        report_cold(before, costs_now());
        return 0;
    }
    load();
    open_multi();
    for (int at = 0; at < at_once; at++)
        open_easy(&emails[at]);
    send_all(emails, job.connections, job.connections, 1);
    wait_for_go();
    idle = idle_mb();
    before = costs_now();
    send_all(emails, at_once, job.count, 0);
    report_sends(before, costs_now(), idle, "");
    for (int at = 0; at < at_once; at++)
        easy_cleanup(emails[at].easy);
    multi_cleanup(multi);
    return 0;
}
