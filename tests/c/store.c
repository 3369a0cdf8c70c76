/* Settings files in places where none can be: the message names the path, and what was there stays. */
#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTINGS \
    "{\"smtp_host\": \"127.0.0.1\", \"smtp_port\": 25, \"smtp_security\": \"none\", \"email_address\": \"a@b.ro\"}"

static const char *options(const char *path) { return format("{\"store\": \"%s\"}", path); }

/* Opening or, at the latest, saving is refused. */
static void refused(const char *path, const char *reason, const char *named)
{
    mailbutton_account *account = NULL;
    mailbutton_reply *reply = mailbutton_open(options(path), &account);

    if (account == NULL) {
        EXPECT(reply, MAILBUTTON_STORE_FAILED, reason, named);
        return;
    }
    EXPECT(reply, MAILBUTTON_OK, "opened", "\"configured\":false");
    EXPECT(mailbutton_settings_set(account, SETTINGS), MAILBUTTON_STORE_FAILED, reason, named);
    EXPECT(mailbutton_settings_get(account), MAILBUTTON_OK, "not_configured", "");
    EXPECT(mailbutton_send_test(account, NULL), MAILBUTTON_BAD_SETTINGS, "not_configured", "");
    mailbutton_free(account);
}

static void not_a_file(void)
{
    mailbutton_account *account = NULL;
    const char *folder = temporary("folder"), *pipe = temporary("pipe");
    CHECK(mkdir(folder, 0700) == 0 && mkfifo(pipe, 0600) == 0);
    refused(folder, "store_unreadable", format("%s cannot be read: this is a folder", folder));
    refused(format("%s/", folder), "store_unreadable", "this is a folder");
    refused("/", "store_unreadable", "this names a folder");
    refused(pipe, "store_unreadable", format("%s cannot be read: this is not a regular file", pipe));
    refused("/dev/full", "store_unreadable", "/dev/full cannot be read: this is not a regular file");
    refused("/dev/full/settings.json", "store_unreadable", "/dev/full/settings.json cannot be read: Not a directory");
    EXPECT(mailbutton_open(options(""), &account), MAILBUTTON_BAD_CALL, "bad_argument", "store_empty");
}

static void not_writable(void)
{
    refused("/proc/settings.json", "store_unwritable", "/proc/settings.json");
    refused("/sys/settings.json", "store_unwritable", "/sys/settings.json");
    refused(temporary("nowhere/settings.json"), "store_no_folder",
            "nowhere for the settings file cannot be used: No such file or directory");
}

static void read_only_folder(void)
{
    const char *folder = temporary("read-only");
    const char *path = format("%s/settings.json", folder);
    CHECK(mkdir(folder, 0500) == 0);
    if (geteuid() != 0) {
        refused(path, "store_unwritable", ": Permission denied");
        return;
    }
    /* Root may write everywhere but on a disk that nobody may write. */
    if (mount("none", folder, "tmpfs", MS_RDONLY, "size=64k") != 0)
        SKIP("no right to mount a read-only disk");
    refused(path, "store_unwritable", ": Read-only file system");
    CHECK(umount(folder) == 0);
}

static char *content(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    return strcpy(malloc(length + 1), text);
}

/* Saves once, calls `fill`, fails to save again, and finds the first settings. */
static void no_room(const char *path, void (*fill)(const char *path), void (*empty)(void), const char *named)
{
    mailbutton_account *account = opened(options(path));
    char *before, *after;

    EXPECT(mailbutton_settings_set(account, SETTINGS), MAILBUTTON_OK, "saved", "");
    before = content(path);
    fill(path);
    EXPECT(mailbutton_settings_set(account, "{\"smtp_host\": \"localhost\", \"smtp_port\": 26, \"smtp_security\":"
                                            " \"none\", \"email_address\": \"a@b.ro\"}"),
           MAILBUTTON_STORE_FAILED, "store_unwritable", named);
    after = content(path);
    CHECK(*before != '\0' && strcmp(before, after) == 0);
    EXPECT(mailbutton_settings_get(account), MAILBUTTON_OK, "settings", "\"smtp_port\":25");
    empty();
    EXPECT(mailbutton_settings_set(account, SETTINGS), MAILBUTTON_OK, "saved", "");
    free(before);
    free(after);
    mailbutton_free(account);
}

static struct rlimit file_size;

static void limit_files(const char *path)
{
    struct rlimit tiny = file_size;
    (void)path;
    tiny.rlim_cur = 16;
    CHECK(setrlimit(RLIMIT_FSIZE, &tiny) == 0);
}

static void unlimit_files(void) { CHECK(setrlimit(RLIMIT_FSIZE, &file_size) == 0); }

/* Without the right to mount anything: the system refuses files of more than a few bytes. */
static void limited_file_size(void)
{
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &file_size) == 0);
    no_room(temporary("limited.json"), limit_files, unlimit_files, "limited.json: File too large");
    signal(SIGXFSZ, SIG_DFL);
}

static char filler[1100];

static void fill_disk(const char *path)
{
    static const char zeros[4096];
    int file;
    snprintf(filler, sizeof filler, "%s.filler", path);
    file = open(filler, O_WRONLY | O_CREAT, 0600);
    while (write(file, zeros, sizeof zeros) > 0)
        ;
    CHECK(errno == ENOSPC);
    close(file);
}

static void empty_disk(void) { CHECK(unlink(filler) == 0); }

static void full_disk(void)
{
    char place[1100];
    snprintf(place, sizeof place, "%s", temporary("disk"));
    CHECK(mkdir(place, 0700) == 0);
    if (mount("none", place, "tmpfs", 0, "size=64k") != 0)
        SKIP("no right to mount a small disk");
    no_room(format("%s/settings.json", place), fill_disk, empty_disk, "settings.json: No space left on device");
    CHECK(umount(place) == 0);
}

static void damaged_file(void)
{
    const char *path = temporary("damaged.json");
    mailbutton_account *account;
    char *after;

    write_file(path, "{\"half\": ");
    account = opened(options(path));
    EXPECT(mailbutton_settings_get(account), MAILBUTTON_STORE_FAILED, "store_damaged", path);
    EXPECT(mailbutton_settings_set(account, SETTINGS), MAILBUTTON_STORE_FAILED, "store_damaged", path);
    EXPECT(mailbutton_form(account, NULL), MAILBUTTON_STORE_FAILED, "store_damaged", "\"form\":");
    EXPECT(send_one(account), MAILBUTTON_STORE_FAILED, "store_damaged", path);
    EXPECT(mailbutton_send_test(account, NULL), MAILBUTTON_STORE_FAILED, "store_damaged", path);
    after = content(path);
    CHECK(strcmp(after, "{\"half\": ") == 0);
    free(after);
    EXPECT(mailbutton_settings_clear(account), MAILBUTTON_OK, "cleared", "");
    EXPECT(mailbutton_settings_set(account, SETTINGS), MAILBUTTON_OK, "saved", "");
    mailbutton_free(account);
}

static void kept_for_the_next_program(void)
{
    const char *path = temporary("kept.json");
    mailbutton_account *account = opened(options(path));
    struct stat about;

    CHECK(stat(path, &about) != 0); /* opening creates no file */
    EXPECT(mailbutton_settings_set(account, SETTINGS), MAILBUTTON_OK, "saved", "");
    mailbutton_free(account);
    CHECK(stat(path, &about) == 0 && (about.st_mode & 0777) == 0600);
    account = opened(options(path));
    EXPECT(mailbutton_settings_get(account), MAILBUTTON_OK, "settings", "\"smtp_port\":25");
    mailbutton_free(account);
}

const struct test store_tests[] = {
    TEST(not_a_file), TEST(not_writable), TEST(read_only_folder), TEST(limited_file_size), TEST(full_disk),
    TEST(damaged_file), TEST(kept_for_the_next_program), {NULL, NULL},
};
