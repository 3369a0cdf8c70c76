/* Waiting, progress, cancelling, and the order of frees. */
#define _XOPEN_SOURCE 700
#include "harness.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>

static int32_t wait_for(const mailbutton_reply *reply, int32_t timeout)
{
    return mailbutton_reply_wait(reply, timeout, NULL, NULL);
}

static void pending(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);

    CHECK(wait_for(reply, 0) == MAILBUTTON_PENDING);
    CHECK(mailbutton_reply_json(reply) == NULL);
    CHECK(mailbutton_reply_reason(reply) == NULL && mailbutton_reply_message(reply) == NULL);
    CHECK(wait_for(reply, 1) == MAILBUTTON_PENDING);
    server_await_connections(server, 1);
    CHECK(wait_for(reply, 50) == MAILBUTTON_PENDING);
    CHECK(mailbutton_reply_json(reply) == NULL);
    mailbutton_reply_cancel(reply);
    CHECK(wait_for(reply, INT_MAX) == MAILBUTTON_CANCELED);
    CHECK_TEXT(mailbutton_reply_json(reply), "{\"status\":-9,\"status_name\":\"CANCELED\",\"reason\":\"canceled\"");
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static void polling(void)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);
    int32_t status;

    while ((status = wait_for(reply, 0)) == MAILBUTTON_PENDING)
        sched_yield();
    CHECK(status == MAILBUTTON_OK);
    CHECK(wait_for(reply, 0) == MAILBUTTON_OK && wait_for(reply, -1) == MAILBUTTON_OK);
    CHECK(wait_for(reply, INT_MAX) == MAILBUTTON_OK && wait_for(reply, INT_MIN) == MAILBUTTON_OK);
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static void json_stays(void)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);
    const char *json;
    char *copy;

    CHECK(wait_for(reply, -1) == MAILBUTTON_OK);
    json = mailbutton_reply_json(reply);
    copy = strcpy(malloc(strlen(json) + 1), json);
    EXPECT(send_one(account), MAILBUTTON_OK, "accepted", "");
    mailbutton_reply_cancel(reply);
    mailbutton_free(account);
    CHECK(mailbutton_reply_json(reply) == json && wait_for(reply, 0) == MAILBUTTON_OK);
    CHECK(strcmp(json, copy) == 0);
    free(copy);
    mailbutton_reply_free(reply);
    server_stop(server);
}

struct told {
    pthread_t thread;
    int calls, permille, fell, elsewhere;
    char steps[512];
    /* Cancels at this step. */
    const char *until;
    const mailbutton_reply *reply;
};

static int32_t tell(void *userdata, const char *step, const char *text, int32_t permille)
{
    struct told *told = userdata;
    int is_new;

    told->calls++;
    told->elsewhere += !pthread_equal(told->thread, pthread_self());
    told->fell += permille < told->permille || permille > 1000;
    told->permille = permille;
    CHECK(text != NULL && *text != '\0');
    is_new = strstr(told->steps, step) == NULL;
    if (is_new)
        snprintf(strchr(told->steps, '\0'), 32, "%s ", step);
    /* Any function may be called from here; what is told may have been overtaken by the end. */
    CHECK(told->reply == NULL || mailbutton_reply_wait(told->reply, 0, NULL, NULL) != MAILBUTTON_BAD_CALL);
    return told->until != NULL && strcmp(step, told->until) == 0;
}

static void progress(void)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    size_t length = 3 * 1024 * 1024;
    uint8_t *pdf = calloc(1, length);
    struct told told = {0};
    mailbutton_reply *reply;

    memcpy(pdf, "%PDF-1.7\n", 9);
    told.thread = pthread_self();
    reply = mailbutton_send_document(account, EMAIL, pdf, length);
    free(pdf);
    told.reply = reply;
    CHECK(mailbutton_reply_wait(reply, -1, tell, &told) == MAILBUTTON_OK);
    CHECK(told.elsewhere == 0 && told.fell == 0 && told.permille == 1000);
    CHECK(strcmp(told.steps, "name connect greeting sender recipient content verdict ") == 0
          || strcmp(told.steps, "connect greeting sender recipient content verdict ") == 0);
    /* Nothing is told twice. */
    told.calls = 0;
    CHECK(mailbutton_reply_wait(reply, -1, tell, &told) == MAILBUTTON_OK && told.calls == 0);
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static int32_t agree(void *userdata, const char *step, const char *text, int32_t permille)
{
    (void)step, (void)text, (void)permille;
    return userdata != NULL;
}

static void null_userdata(void)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);
    int unused;

    CHECK(mailbutton_reply_wait(reply, -1, agree, NULL) == MAILBUTTON_OK);
    CHECK(mailbutton_reply_wait(reply, -1, NULL, &unused) == MAILBUTTON_OK);
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static void cancel_by_progress(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);
    struct told told = {0};

    told.thread = pthread_self();
    told.until = "greeting";
    CHECK(mailbutton_reply_wait(reply, -1, tell, &told) == MAILBUTTON_CANCELED);
    CHECK(strstr(told.steps, "greeting") != NULL && told.elsewhere == 0);
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static void *cancel_when_connected(void *argument)
{
    struct told *told = argument;
    mailbutton_reply_cancel(told->reply);
    return NULL;
}

static void cancel_from_another_thread(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);
    struct told told = {0};
    pthread_t thread;

    told.reply = reply;
    server_await_connections(server, 1);
    pthread_create(&thread, NULL, cancel_when_connected, &told);
    CHECK(wait_for(reply, -1) == MAILBUTTON_CANCELED);
    pthread_join(thread, NULL);
    CHECK(server_messages(server) == 0);
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static void cancel_before_waiting(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);

    mailbutton_reply_cancel(reply);
    mailbutton_reply_cancel(reply);
    EXPECT(reply, MAILBUTTON_CANCELED, "canceled", "\"outcome\":\"not_sent\"");
    mailbutton_free(account);
    server_stop(server);
}

/* The server has the whole email: nobody may say that it was not sent. */
static void cancel_too_late(void)
{
    struct server *server = server_start(NO_VERDICT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);

    server_await_messages(server, 1);
    CHECK(wait_for(reply, 0) == MAILBUTTON_PENDING);
    mailbutton_reply_cancel(reply);
    EXPECT(reply, MAILBUTTON_UNCERTAIN, "no_verdict", "\"outcome\":\"uncertain\"");
    mailbutton_free(account);
    server_stop(server);
}

static void free_account_first(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);

    server_await_connections(server, 1);
    mailbutton_free(account);
    CHECK(wait_for(reply, 0) == MAILBUTTON_PENDING);
    mailbutton_reply_cancel(reply);
    EXPECT(reply, MAILBUTTON_CANCELED, "canceled", "");
    server_stop(server);
}

/* An account that is gone takes nothing back: what was begun ends well. */
static void replies_outlive_their_account(void)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *first = send_one(account), *second = mailbutton_send_test(account, NULL);

    mailbutton_free(account);
    EXPECT(second, MAILBUTTON_OK, "accepted", "");
    EXPECT(first, MAILBUTTON_OK, "accepted", "");
    CHECK(server_messages(server) == 2);
    server_stop(server);
}

/* Every deadline is a day: were one of these to wait for the server, this test would not end. */
static void free_while_pending(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *first = send_one(account), *second = mailbutton_send_test(account, NULL);

    mailbutton_reply_free(first);
    server_await_connections(server, 1);
    mailbutton_reply_free(second);
    first = send_one(account);
    mailbutton_free(account);
    mailbutton_reply_free(first);
    server_stop(server);
}

/* The account lives on, and the server sees that nobody is there any more. */
static void free_cancels(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);

    server_await_connections(server, 1);
    mailbutton_reply_free(reply);
    server_await_hang_ups(server, 1);
    mailbutton_free(account);
    server_stop(server);
}

/* Ends another reply, and another account's, in the middle of waiting for one. */
static int32_t end_another(void *userdata, const char *step, const char *text, int32_t permille)
{
    mailbutton_reply **other = userdata;

    (void)step, (void)text, (void)permille;
    if (*other == NULL)
        return 0;
    CHECK(wait_for(*other, 0) == MAILBUTTON_PENDING);
    mailbutton_reply_cancel(*other);
    CHECK(wait_for(*other, -1) == MAILBUTTON_CANCELED);
    mailbutton_reply_free(*other);
    *other = NULL;
    return 0;
}

static void calls_within_progress(void)
{
    struct server *server = server_start(ACCEPTS), *silent = server_start(SILENT);
    mailbutton_account *account = account_for(server), *other = account_for(silent);
    mailbutton_reply *pending = send_one(other), *reply;

    server_await_connections(silent, 1);
    reply = send_one(account);
    CHECK(mailbutton_reply_wait(reply, -1, end_another, &pending) == MAILBUTTON_OK);
    CHECK(pending == NULL);
    mailbutton_reply_free(reply);
    mailbutton_free(other);
    mailbutton_free(account);
    server_stop(server);
    server_stop(silent);
}

static void *wait_to_the_end(void *reply)
{
    static char canceled;
    return wait_for(reply, -1) == MAILBUTTON_CANCELED ? &canceled : NULL;
}

static void many_wait_for_one(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply = send_one(account);
    pthread_t threads[8];
    void *result;
    int i;

    for (i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, wait_to_the_end, reply);
    server_await_connections(server, 1);
    mailbutton_reply_cancel(reply);
    for (i = 0; i < 8; i++) {
        pthread_join(threads[i], &result);
        CHECK(result != NULL);
    }
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static int is(mailbutton_reply *reply, int32_t status)
{
    int holds = wait_for(reply, -1) == status && mailbutton_reply_json(reply) != NULL;
    mailbutton_reply_free(reply);
    return holds;
}

static void *use(void *argument)
{
    static char good;
    const mailbutton_account *account = argument;
    int holds = is(mailbutton_form(account, NULL), MAILBUTTON_OK)
        && is(mailbutton_button(account, "{\"kind\": \"quote\"}"), MAILBUTTON_OK)
        && is(send_one(account), MAILBUTTON_OK)
        && is(mailbutton_settings_set(account, "{\"smtp_port\": 0}"), MAILBUTTON_BAD_SETTINGS)
        && is(mailbutton_settings_get(account), MAILBUTTON_OK);
    return holds ? &good : NULL;
}

static void sixty_four_threads(void)
{
    struct server *server = server_start(ACCEPTS);
    mailbutton_account *account = account_for(server);
    pthread_t threads[64];
    void *result;
    int i;

    for (i = 0; i < 64; i++)
        CHECK(pthread_create(&threads[i], NULL, use, account) == 0);
    for (i = 0; i < 64; i++) {
        pthread_join(threads[i], &result);
        CHECK(result != NULL);
    }
    CHECK(server_messages(server) == 64);
    mailbutton_free(account);
    server_stop(server);
}

const struct test waiting_tests[] = {
    TEST(pending), TEST(polling), TEST(json_stays), TEST(progress), TEST(null_userdata), TEST(cancel_by_progress),
    TEST(cancel_from_another_thread), TEST(cancel_before_waiting), TEST(cancel_too_late), TEST(free_account_first),
    TEST(replies_outlive_their_account), TEST(free_while_pending), TEST(free_cancels), TEST(calls_within_progress), TEST(many_wait_for_one),
    TEST(sixty_four_threads), {NULL, NULL},
};
