/*
 * What every client program in C does in the same way: its arguments, its clocks, and its talk with the runner.
 *
 * The arguments are name=value. A client prints "ready" when it is warm, begins at the next line of its standard input, and
 * ends with one line of JSON.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct job {
    const char *host, *ca_file, *user, *password;
    const char *document_path;
    /* Of the whole document, unless it is to be sent from its file. */
    uint8_t *document;
    size_t document_length;
    int port, connections, count, recipients;
    int is_starttls, is_batch, is_cold, is_from_file, wants_chunking;
};

/* A document that fits any server, for the email that warms a connection up. */
extern const uint8_t small_document[];
extern const size_t small_document_length;

const char *argument(int count, char **arguments, const char *name);
struct job read_job(int count, char **arguments);

/* The host's clock and costs at one moment. */
struct costs {
    double seconds, cpu_seconds;
};
struct costs costs_now(void);

void wait_for_go(void);
/* Memory in MB: what is in use now, which also begins a new peak; and the most since then. */
double idle_mb(void);
double peak_mb(void);

void report_sends(struct costs before, struct costs after, double idle, const char *note);
void report_cold(struct costs before, struct costs after);
/* Ends the program: the peer cannot do what is asked. */
void report_unavailable(const char *why);
void fail(const char *what, const char *why);

#endif
