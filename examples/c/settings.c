/*
 * The email settings: shows the form as data, or updates the settings.
 *
 *     settings OPTIONS                   the form, with the saved values
 *     settings OPTIONS SETTINGS-FILE     checks and saves the settings in this file
 *
 * OPTIONS is JSON, for example '{"store": "email.json", "program_name": "My ERP"}'. The settings come from a file since
 * they hold a password, which every user of the machine could read in the arguments.
 */
#include <mailbutton.h>
#include <stdio.h>
#include <stdlib.h>

static char *text_of_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t length = 0, got = 0;

    if (file == NULL)
        return NULL;
    do {
        char *longer = realloc(text, length + 4096 + 1);
        if (longer == NULL)
            break;
        text = longer;
        got = fread(text + length, 1, 4096, file);
        length += got;
        text[length] = '\0';
    } while (got > 0);
    if (ferror(file)) { /* a folder, for example */
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

/* Prints what the reply says, frees it, and gives its status. */
static int32_t print_reply(mailbutton_reply *reply)
{
    int32_t status = mailbutton_reply_wait(reply, -1, NULL, NULL);
    puts(mailbutton_reply_json(reply));
    mailbutton_reply_free(reply);
    return status;
}

static int32_t update(const mailbutton_account *account, const char *path)
{
    char *settings = text_of_file(path);
    int32_t status;

    if (settings == NULL) {
        perror(path);
        return MAILBUTTON_BAD_CALL;
    }
    status = print_reply(mailbutton_settings_set(account, settings));
    free(settings);
    return status;
}

int main(int argc, char **argv)
{
    mailbutton_account *account;
    int32_t status;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s OPTIONS [SETTINGS-FILE]\n", argv[0]);
        return 2;
    }
    status = print_reply(mailbutton_open(argv[1], &account));
    if (status != MAILBUTTON_OK)
        return 1;
    status = argc == 3 ? update(account, argv[2]) : print_reply(mailbutton_form(account, NULL));
    mailbutton_free(account);
    return status == MAILBUTTON_OK ? 0 : 1;
}
