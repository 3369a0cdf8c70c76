/* A mail server on loopback that does as it is told. Its threads block every signal, so that none interferes. */
#ifndef SERVER_H
#define SERVER_H

enum manner {
    ACCEPTS,
    /* Takes the connection and says nothing. */
    SILENT,
    /* Takes the whole email and says nothing more. */
    NO_VERDICT,
    /* 550 after the content. */
    REFUSES,
    /* 451 for the sender. */
    DEFERS,
    /* Takes the connection and hangs up. */
    HANGS_UP
};

struct server;

struct server *server_start(enum manner manner);
int server_port(const struct server *server);

/* So far. */
int server_connections(struct server *server);
int server_messages(struct server *server);

/* Until it has seen so many. */
void server_await_connections(struct server *server, int count);
void server_await_messages(struct server *server, int count);
void server_await_hang_ups(struct server *server, int count);

/* The first kilobytes of the newest message; valid until the server stops. */
const char *server_newest(struct server *server);

void server_stop(struct server *server);

#endif
