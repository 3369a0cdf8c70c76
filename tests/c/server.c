#define _XOPEN_SOURCE 700
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_CONNECTIONS 256

struct connection {
    struct server *server;
    int socket;
    pthread_t thread;
};

struct server {
    enum manner manner;
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int connections, messages, hang_ups, stopping;
    char newest[16384];
    struct connection all[MOST_CONNECTIONS];
};

static void count(struct server *server, int *counter)
{
    pthread_mutex_lock(&server->lock);
    ++*counter;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static int read_count(struct server *server, const int *counter)
{
    int now;
    pthread_mutex_lock(&server->lock);
    now = *counter;
    pthread_mutex_unlock(&server->lock);
    return now;
}

static void await(struct server *server, const int *counter, int wanted)
{
    pthread_mutex_lock(&server->lock);
    while (*counter < wanted)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static void say(FILE *out, const char *line)
{
    fprintf(out, "%s\r\n", line);
    fflush(out);
}

/* Reads to the lone dot. Gives 0 if the connection broke before it. */
static int take_content(struct server *server, FILE *in)
{
    char line[2048], kept[sizeof server->newest] = "";
    size_t length = 0;

    while (fgets(line, sizeof line, in) != NULL) {
        if (strcmp(line, ".\r\n") == 0) {
            pthread_mutex_lock(&server->lock);
            memcpy(server->newest, kept, sizeof kept);
            pthread_mutex_unlock(&server->lock);
            count(server, &server->messages);
            return 1;
        }
        if (length + strlen(line) < sizeof kept)
            length += (size_t)sprintf(kept + length, "%s", line);
    }
    return 0;
}

/* Gives 0 when the conversation is over. */
static int answer(struct server *server, const char *line, FILE *in, FILE *out)
{
    if (strncasecmp(line, "EHLO", 4) == 0) {
        fprintf(out, "250-test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n");
        say(out, "250 SIZE 100000000");
    } else if (strncasecmp(line, "MAIL", 4) == 0 && server->manner == DEFERS) {
        say(out, "451 4.7.1 greylisted");
    } else if (strncasecmp(line, "DATA", 4) == 0) {
        say(out, "354 go on");
        if (!take_content(server, in))
            return 0;
        if (server->manner == REFUSES)
            say(out, "550 5.7.1 content is spam");
        else if (server->manner != NO_VERDICT)
            say(out, "250 2.0.0 taken");
    } else if (strncasecmp(line, "QUIT", 4) == 0) {
        say(out, "221 bye");
        return 0;
    } else {
        say(out, "250 OK");
    }
    return 1;
}

static void converse(struct connection *connection)
{
    struct server *server = connection->server;
    FILE *in = fdopen(dup(connection->socket), "r");
    FILE *out = fdopen(dup(connection->socket), "w");
    char line[2048];

    if (server->manner != SILENT && server->manner != HANGS_UP)
        say(out, "220 test ESMTP");
    if (server->manner != HANGS_UP)
        while (fgets(line, sizeof line, in) != NULL && (server->manner == SILENT || answer(server, line, in, out)))
            ;
    fclose(in);
    fclose(out);
    shutdown(connection->socket, SHUT_RDWR);
    count(server, &server->hang_ups);
}

static void *serve_one(void *argument)
{
    converse(argument);
    return NULL;
}

static void *serve(void *argument)
{
    struct server *server = argument;
    int socket;

    while ((socket = accept(server->listener, NULL, NULL)) >= 0 && !read_count(server, &server->stopping)) {
        struct connection *connection = &server->all[server->connections];
        if (server->connections == MOST_CONNECTIONS)
            abort();
        connection->server = server;
        connection->socket = socket;
        if (pthread_create(&connection->thread, NULL, serve_one, connection) != 0)
            abort();
        count(server, &server->connections);
    }
    if (socket >= 0)
        close(socket);
    return NULL;
}

static void listen_somewhere(struct server *server)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server->listener, (struct sockaddr *)&address, length) != 0 || listen(server->listener, 128) != 0
        || getsockname(server->listener, (struct sockaddr *)&address, &length) != 0)
        abort();
    server->port = ntohs(address.sin_port);
}

struct server *server_start(enum manner manner)
{
    struct server *server = calloc(1, sizeof *server);
    sigset_t all, before;

    if (server == NULL)
        abort();
    server->manner = manner;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    listen_somewhere(server);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&server->thread, NULL, serve, server) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return server;
}

int server_port(const struct server *server) { return server->port; }
int server_connections(struct server *server) { return read_count(server, &server->connections); }
int server_messages(struct server *server) { return read_count(server, &server->messages); }
void server_await_connections(struct server *server, int wanted) { await(server, &server->connections, wanted); }
void server_await_messages(struct server *server, int wanted) { await(server, &server->messages, wanted); }
void server_await_hang_ups(struct server *server, int wanted) { await(server, &server->hang_ups, wanted); }
const char *server_newest(struct server *server) { return server->newest; }

void server_stop(struct server *server)
{
    int i;

    count(server, &server->stopping);
    shutdown(server->listener, SHUT_RDWR); /* ends accept */
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (i = 0; i < server->connections; i++) {
        shutdown(server->all[i].socket, SHUT_RDWR);
        pthread_join(server->all[i].thread, NULL);
        close(server->all[i].socket);
    }
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    free(server);
}
