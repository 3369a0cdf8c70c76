/*
 * Unloads the library while a piece of work is under way, as plug-ins are unloaded. Whoever crashes has failed.
 *
 *     unload LIBRARY
 */
#define _XOPEN_SOURCE 700
#include <mailbutton.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* ISO C has no cast from an object to a function; POSIX says that the bits are the same. */
#define LOAD(library, name) load((library), #name, &name, sizeof name)

static mailbutton_reply *(*mailbutton_open_)(const char *, mailbutton_account **);
static void (*mailbutton_free_)(mailbutton_account *);
static mailbutton_reply *(*mailbutton_settings_set_)(const mailbutton_account *, const char *);
static mailbutton_reply *(*mailbutton_send_test_)(const mailbutton_account *, const char *);
static int32_t (*mailbutton_reply_wait_)(const mailbutton_reply *, int32_t, mailbutton_progress, void *);
static void (*mailbutton_reply_free_)(mailbutton_reply *);

static void load(void *library, const char *name, void *function, size_t size)
{
    char exported[64];
    void *found;

    snprintf(exported, sizeof exported, "%.*s", (int)strlen(name) - 1, name);
    found = dlsym(library, exported);
    if (found == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    memcpy(function, &found, size);
}

static void *load_all(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    LOAD(library, mailbutton_open_);
    LOAD(library, mailbutton_free_);
    LOAD(library, mailbutton_settings_set_);
    LOAD(library, mailbutton_send_test_);
    LOAD(library, mailbutton_reply_wait_);
    LOAD(library, mailbutton_reply_free_);
    return library;
}

/* Work that has reached a silent server. */
static mailbutton_reply *begin(struct server *server, mailbutton_account **account, int connections)
{
    char settings[256];
    mailbutton_reply *reply;

    snprintf(settings, sizeof settings, "{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": %d, \"smtp_security\": \"none\","
             " \"email_address\": \"ana@example.test\"}", server_port(server));
    mailbutton_reply_free_(mailbutton_open_(NULL, account));
    mailbutton_reply_free_(mailbutton_settings_set_(*account, settings));
    reply = mailbutton_send_test_(*account, NULL);
    server_await_connections(server, connections);
    return reply;
}

int main(int argc, char **argv)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account, *left;
    mailbutton_reply *reply;
    void *library;

    if (argc != 2)
        return 2;
    /* Everything freed, and the thread still ending. */
    library = load_all(argv[1]);
    reply = begin(server, &account, 1);
    mailbutton_reply_free_(reply);
    mailbutton_free_(account);
    dlclose(library);

    /* Nothing freed, and the thread waiting for the server, which then hangs up on it. */
    library = load_all(argv[1]);
    reply = begin(server, &left, 2);
    dlclose(library);
    server_stop(server);

    /* And loaded anew: what was left is still there. */
    library = load_all(argv[1]);
    if (mailbutton_reply_wait_(reply, -1, NULL, NULL) != MAILBUTTON_UNREACHABLE)
        return 3;
    mailbutton_reply_free_(reply);
    mailbutton_free_(left);
    dlclose(library);
    return 0;
}
