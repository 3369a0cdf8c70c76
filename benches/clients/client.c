#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

const uint8_t small_document[] = "%PDF-1.7\nto warm up\n%%EOF\n";
const size_t small_document_length = sizeof small_document - 1;

void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

const char *argument(int count, char **arguments, const char *name)
{
    size_t length = strlen(name);
    for (int at = 1; at < count; at++)
        if (strncmp(arguments[at], name, length) == 0 && arguments[at][length] == '=')
            return arguments[at] + length + 1;
    fail("missing argument", name);
    return NULL;
}

static void read_document(struct job *job)
{
    long length = -1;
    FILE *file = fopen(job->document_path, "rb");
    if (file && fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    if (length < 0 || fseek(file, 0, SEEK_SET) != 0)
        fail("cannot read", job->document_path);
    job->document_length = (size_t)length;
    job->document = malloc(job->document_length);
    if (!job->document || fread(job->document, 1, job->document_length, file) != job->document_length)
        fail("cannot read", job->document_path);
    fclose(file);
}

struct job read_job(int count, char **arguments)
{
    struct job job = {0};
    job.host = argument(count, arguments, "host");
    job.port = atoi(argument(count, arguments, "port"));
    job.ca_file = argument(count, arguments, "ca_file");
    job.user = argument(count, arguments, "user");
    job.password = argument(count, arguments, "password");
    job.document_path = argument(count, arguments, "document");
    job.connections = atoi(argument(count, arguments, "connections"));
    job.count = atoi(argument(count, arguments, "count"));
    job.recipients = atoi(argument(count, arguments, "recipients"));
    job.is_starttls = strcmp(argument(count, arguments, "security"), "starttls") == 0;
    job.is_batch = strcmp(argument(count, arguments, "mode"), "batch") == 0;
    job.is_cold = strcmp(argument(count, arguments, "mode"), "cold") == 0;
    job.is_from_file = strcmp(argument(count, arguments, "source"), "file") == 0;
    job.wants_chunking = strcmp(argument(count, arguments, "chunking"), "on") == 0;
    if (!job.is_from_file)
        read_document(&job);
    return job;
}

struct costs costs_now(void)
{
    struct costs costs;
    struct timespec now;
    struct rusage usage;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &usage);
    costs.seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    costs.cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return costs;
}

void wait_for_go(void)
{
    char line[16];
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(1);
}

static double status_mb(const char *name)
{
    char line[256];
    double kibibytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, name, strlen(name)) == 0)
            kibibytes = strtod(line + strlen(name), NULL);
    if (status)
        fclose(status);
    return kibibytes * 1024 / 1e6;
}

double idle_mb(void)
{
    FILE *refs = fopen("/proc/self/clear_refs", "w");
    if (refs) {
        fputs("5", refs);
        fclose(refs);
    }
    return status_mb("VmRSS:");
}

double peak_mb(void)
{
    return status_mb("VmHWM:");
}

void report_sends(struct costs before, struct costs after, double idle, const char *note)
{
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"memory_mb\": %.3f, \"note\": \"%s\"}\n",
           after.seconds - before.seconds, after.cpu_seconds - before.cpu_seconds, peak_mb() - idle, note);
}

void report_cold(struct costs before, struct costs after)
{
    printf("{\"cold_ms\": %.3f}\n", (after.seconds - before.seconds) * 1e3);
}

void report_unavailable(const char *why)
{
    printf("{\"unavailable\": \"%s\"}\n", why);
    exit(0);
}
