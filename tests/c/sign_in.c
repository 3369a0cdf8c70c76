/* A sign-in that nobody finishes: its account goes, it is cancelled, the process forks. */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS                                                                                                        \
    "{\"oauth\": {\"orchard\": {\"client_id\": \"books\"}}, \"providers\": [{\"id\": \"orchard\", \"name\": \"Orchard\","             \
    " \"servers\": [{\"host\": \"localhost\", \"port\": 587, \"security\": \"starttls\"}], \"oauth\":"                            \
    " {\"authorization_endpoint\": \"http://127.0.0.1:9/auth\", \"token_endpoint\": \"http://127.0.0.1:9/token\"}}]}"
#define SETTINGS                                                                                                       \
    "{\"settings\": {\"smtp_host\": \"localhost\", \"smtp_port\": 587, \"auth\": \"oauth2\", \"username\": \"ana@example.test\"}}"

/* The JSON that finishes what was begun here; `reply` is freed. */
static const char *begun(mailbutton_reply *reply)
{
    static const char member[] = "\"sign_in\":\"";
    const char *name = strstr(mailbutton_reply_json(reply), member);
    const char *finish = "{}";
    CHECK(mailbutton_reply_wait(reply, 0, NULL, NULL) == MAILBUTTON_OK && name != NULL);
    CHECK(strstr(mailbutton_reply_json(reply), "code_challenge_method=S256") != NULL);
    if (name != NULL) {
        name += strlen(member);
        finish = format("{\"sign_in\": \"%.*s\"}", (int)strcspn(name, "\""), name);
    }
    mailbutton_reply_free(reply);
    return finish;
}

static void outlives_its_account(void)
{
    mailbutton_account *account = opened(OPTIONS);
    mailbutton_reply *reply = mailbutton_sign_in_finish(account, begun(mailbutton_sign_in(account, SETTINGS)));
    CHECK(mailbutton_reply_wait(reply, 0, NULL, NULL) == MAILBUTTON_PENDING);
    mailbutton_free(account);
    CHECK(mailbutton_reply_wait(reply, 0, NULL, NULL) == MAILBUTTON_PENDING);
    mailbutton_reply_cancel(reply);
    EXPECT(reply, MAILBUTTON_CANCELED, "canceled", "");
}

static void is_freed_while_pending(void)
{
    mailbutton_account *account = opened(OPTIONS);
    mailbutton_reply_free(mailbutton_sign_in_finish(account, begun(mailbutton_sign_in(account, SETTINGS))));
    /* Begun and never finished: it goes with its account. */
    begun(mailbutton_sign_in(account, SETTINGS));
    mailbutton_free(account);
}

static void is_finished_once(void)
{
    mailbutton_account *account = opened(OPTIONS), *other = opened(OPTIONS);
    const char *finish = begun(mailbutton_sign_in(account, SETTINGS));
    mailbutton_reply *reply;
    EXPECT(mailbutton_sign_in_finish(other, finish), MAILBUTTON_BAD_CALL, "bad_argument", "another account object");
    reply = mailbutton_sign_in_finish(account, finish);
    EXPECT(mailbutton_sign_in_finish(account, finish), MAILBUTTON_BAD_CALL, "bad_argument", "sign_in_unknown");
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    mailbutton_free(other);
}

static void runs_out_of_time(void)
{
    mailbutton_account *account = opened(OPTIONS);
    const char *finish = begun(mailbutton_sign_in(account, SETTINGS));
    finish = format("%.*s, \"total_ms\": 1}", (int)strlen(finish) - 1, finish);
    EXPECT(mailbutton_sign_in_finish(account, finish), MAILBUTTON_UNREACHABLE, "out_of_time", "sign_in_abandoned");
    mailbutton_free(account);
}

/* The child is told that the work is not its own, and can begin anew. */
static void stays_in_its_process(void)
{
    mailbutton_account *account;
    mailbutton_reply *pending;
    int status = 0, is_right;
    pid_t child;
    if (!CHILDREN_MAY_ALLOCATE)
        SKIP("a forked child may not allocate here");
    account = opened(OPTIONS);
    pending = mailbutton_sign_in_finish(account, begun(mailbutton_sign_in(account, SETTINGS)));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        is_right = mailbutton_reply_wait(pending, -1, NULL, NULL) == MAILBUTTON_BAD_CALL
            && strstr(mailbutton_reply_json(pending), "\"reason\":\"forked\"") != NULL;
        mailbutton_reply_free(pending);
        pending = mailbutton_sign_in(account, SETTINGS);
        is_right = is_right && mailbutton_reply_wait(pending, -1, NULL, NULL) == MAILBUTTON_OK;
        mailbutton_reply_free(pending);
        mailbutton_free(account);
        execl("/bin/sh", "sh", "-c", is_right ? "exit 0" : "exit 1", (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(mailbutton_reply_wait(pending, 0, NULL, NULL) == MAILBUTTON_PENDING);
    mailbutton_reply_free(pending);
    mailbutton_free(account);
}

const struct test sign_in_tests[] = {
    TEST(outlives_its_account), TEST(is_freed_while_pending), TEST(is_finished_once), TEST(runs_out_of_time),
    TEST(stays_in_its_process), {NULL, NULL},
};
