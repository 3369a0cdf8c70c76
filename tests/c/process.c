/* What belongs to the process stays as it is: threads, signals, locale, environment; and fork works. */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <locale.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* All threads of this process, or those of a name. */
static int threads(const char *named)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int count = 0;

    while ((task = readdir(tasks)) != NULL) {
        char name[32] = "";
        FILE *file = fopen(format("/proc/self/task/%.20s/comm", task->d_name), "r");
        if (file == NULL)
            continue;
        if (fgets(name, sizeof name, file) != NULL && (named == NULL || strncmp(name, named, strlen(named)) == 0))
            count++;
        fclose(file);
    }
    closedir(tasks);
    return count;
}

static void offline_calls(const mailbutton_account *account)
{
    mailbutton_reply_free(mailbutton_form(account, NULL));
    mailbutton_reply_free(mailbutton_button(account, "{}"));
    mailbutton_reply_free(mailbutton_settings_get(account));
    mailbutton_reply_free(mailbutton_send_document(account, "{}", PDF, PDF_LENGTH));
    mailbutton_reply_free(mailbutton_send_test(account, "[]"));
}

static void no_thread_before_the_first_send(void)
{
    struct server *server = server_start(SILENT);
    int before = threads(NULL);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *reply;

    offline_calls(account);
    CHECK(threads(NULL) == before && threads("mailbutton") == 0);
    reply = send_one(account);
    server_await_connections(server, 1);
    CHECK(threads("mailbutton") == 1);
    mailbutton_reply_free(reply);
    EXPECT(mailbutton_settings_clear(account), MAILBUTTON_OK, "cleared", "");
    mailbutton_free(account);
    server_stop(server);
}

static pthread_t handled_by;
static sem_t handled, finished;

static void handle(int number)
{
    (void)number;
    handled_by = pthread_self();
    sem_post(&handled);
}

static void *stand_by(void *nothing)
{
    while (sem_wait(&finished) != 0)
        ; /* a signal interrupts it */
    return nothing;
}

/* The main thread blocks the signal, one other thread of the host takes it: it must not reach a thread of ours. */
static void signals_reach_the_host(void)
{
    struct server *server = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    struct sigaction action = {0}, before;
    mailbutton_reply *reply;
    pthread_t host;
    sigset_t one, mask, now;
    int i;

    sem_init(&handled, 0, 0);
    sem_init(&finished, 0, 0);
    action.sa_handler = handle;
    sigaction(SIGUSR1, &action, &before);
    pthread_create(&host, NULL, stand_by, NULL);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, &mask);
    reply = send_one(account);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGTERM) == 0);
    server_await_connections(server, 1);
    for (i = 0; i < 100; i++) {
        kill(getpid(), SIGUSR1);
        while (sem_wait(&handled) != 0)
            ;
        CHECK(pthread_equal(handled_by, host));
    }
    sem_post(&finished);
    pthread_join(host, NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGUSR1, &before, NULL);
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    server_stop(server);
}

static void handlers(void (*of[32])(int))
{
    struct sigaction action;
    int i;
    for (i = 1; i < 32; i++)
        of[i] = sigaction(i, NULL, &action) == 0 ? action.sa_handler : SIG_ERR;
}

static void the_process_stays_as_it_is(void)
{
    struct server *server = server_start(ACCEPTS);
    void (*before[32])(int) = {0}, (*after[32])(int) = {0};
    char *language = strdup(setlocale(LC_ALL, NULL)), here[1024], there[1024];
    char **variables = environ;
    mode_t mask = umask(027);
    mailbutton_account *account;

    handlers(before);
    CHECK(getcwd(here, sizeof here) != NULL);
    account = account_for(server);
    EXPECT(send_one(account), MAILBUTTON_OK, "accepted", "");
    mailbutton_free(account);
    handlers(after);
    CHECK(memcmp(before, after, sizeof before) == 0);
    CHECK(strcmp(language, setlocale(LC_ALL, NULL)) == 0);
    CHECK(environ == variables && umask(mask) == 027);
    CHECK(getcwd(there, sizeof there) != NULL && strcmp(here, there) == 0);
    free(language);
    server_stop(server);
}

/* In the child: 0 if all is well, else the number of what is not. */
static int as_a_child(mailbutton_account *account, mailbutton_reply *pending, mailbutton_reply *ready)
{
    mailbutton_reply *reply;
    int is_sent;

    if (mailbutton_reply_wait(pending, -1, NULL, NULL) != MAILBUTTON_BAD_CALL)
        return 1;
    if (strstr(mailbutton_reply_json(pending), "\"reason\":\"forked\"") == NULL)
        return 2;
    if (mailbutton_reply_wait(ready, -1, NULL, NULL) != MAILBUTTON_OK)
        return 3;
    mailbutton_reply_cancel(pending);
    mailbutton_reply_free(pending);
    mailbutton_reply_free(ready);
    reply = send_one(account);
    is_sent = mailbutton_reply_wait(reply, -1, NULL, NULL) == MAILBUTTON_OK;
    mailbutton_reply_free(reply);
    mailbutton_free(account);
    return is_sent ? 0 : 4;
}

/* Valgrind would count as lost what belonged to the parent's threads, which the child has not; exec ends its counting. */
static void exit_as(int code)
{
    execl("/bin/sh", "sh", "-c", format("exit %d", code), (char *)NULL);
    _exit(127);
}

static void fork_after_use(void)
{
    struct server *server = server_start(ACCEPTS), *silent = server_start(SILENT);
    mailbutton_account *account = account_for(server);
    mailbutton_reply *ready = send_one(account), *pending;
    int status = 0;
    pid_t child;

    CHECK(mailbutton_reply_wait(ready, -1, NULL, NULL) == MAILBUTTON_OK);
    pending = mailbutton_send_test(account, format("{\"settings\": %s}", settings_for(silent)));
    server_await_connections(silent, 1);
    fflush(stdout);
    if (CHILDREN_MAY_ALLOCATE) {
        child = fork();
        if (child == 0)
            exit_as(as_a_child(account, pending, ready));
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK(server_messages(server) == 2);
    }
    /* The child's frees meant its own copies. */
    CHECK(mailbutton_reply_wait(pending, 0, NULL, NULL) == MAILBUTTON_PENDING);
    mailbutton_reply_free(pending);
    mailbutton_reply_free(ready);
    EXPECT(send_one(account), MAILBUTTON_OK, "accepted", "");
    mailbutton_free(account);
    server_stop(server);
    server_stop(silent);
}

static void comma_as_decimal_point(void)
{
    struct server *server;
    mailbutton_account *account;

    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL)
        SKIP("no locale de_DE.UTF-8; LOCPATH may name a folder with one");
    server = server_start(ACCEPTS);
    account = account_for(server);
    CHECK(strcmp(format("%.1f", 1.5), "1,5") == 0);
    EXPECT(mailbutton_settings_set(account, "{\"smtp_port\": 25.5}"), MAILBUTTON_BAD_SETTINGS, "bad_settings", "port_");
    EXPECT(mailbutton_settings_set(account, settings_for(server)), MAILBUTTON_OK, "saved", "");
    EXPECT(send_one(account), MAILBUTTON_OK, "accepted", "\"ms\":");
    mailbutton_free(account);
    server_stop(server);
    setlocale(LC_NUMERIC, "C");
}

const struct test process_tests[] = {
    TEST(no_thread_before_the_first_send), TEST(signals_reach_the_host), TEST(the_process_stays_as_it_is),
    TEST(fork_after_use), TEST(comma_as_decimal_point), {NULL, NULL},
};
