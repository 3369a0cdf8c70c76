/* Checks, a fixture and a few helpers for the tests of the C functions. */
#ifndef HARNESS_H
#define HARNESS_H

#include <mailbutton.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define CHECK(what) check((what) != 0, __FILE__, __LINE__, #what)
#define CHECK_TEXT(text, part) check_text((text), (part), __FILE__, __LINE__)

/* Waits for the reply, compares its status and reason, looks for `part` in its JSON, and frees it. */
#define EXPECT(reply, status, reason, part) expect((reply), (status), (reason), (part), __FILE__, __LINE__)

/* A test that cannot run here says so and returns. */
#define SKIP(why) do { skip(why); return; } while (0)

#define TEST(name) { #name, name }

struct test {
    const char *name;
    void (*run)(void);
};

extern const struct test call_tests[], settings_tests[], store_tests[], email_tests[], waiting_tests[], sign_in_tests[],
    process_tests[];

void check(int holds, const char *file, int line, const char *what);
void check_text(const char *text, const char *part, const char *file, int line);
void expect(mailbutton_reply *reply, int32_t status, const char *reason, const char *part, const char *file, int line);
void skip(const char *why);

/* A text that lives for the next fifteen calls. From the main thread only. */
const char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

/* `count` times `unit` between `before` and `after`, to be freed. */
char *repeated(const char *before, const char *unit, size_t count, const char *after);

/* A path below the folder of this run, in a buffer of `format`. */
const char *temporary(const char *name);
void write_file(const char *path, const char *text);

/* An account with these options; the test fails if it cannot be opened. */
mailbutton_account *opened(const char *options);

/* An account whose saved settings lead to `server`, with deadlines of a day: what waits for them hangs, and is seen. */
mailbutton_account *account_for(const struct server *server);
const char *settings_for(const struct server *server);

#define PDF ((const uint8_t *)"%PDF-1.4\n%%EOF\n")
#define PDF_LENGTH 15
#define EMAIL "{\"to\": \"bogdan@example.test\", \"subject\": \"Invoice 7\"}"

/* EMAIL and PDF, on their way. */
mailbutton_reply *send_one(const mailbutton_account *account);

/* A forked child may find the sanitizer's own allocator locked by a thread that is not there. */
#ifdef __SANITIZE_ADDRESS__
#define CHILDREN_MAY_ALLOCATE 0
#else
#define CHILDREN_MAY_ALLOCATE 1
#endif

#endif
