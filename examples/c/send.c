/*
 * Sends a document with the saved settings. Ctrl-C cancels.
 *
 *     send OPTIONS EMAIL DOCUMENT.pdf
 *
 * OPTIONS is JSON, for example '{"store": "email.json", "program_name": "My ERP"}', and so is
 * EMAIL: '{"to": "ana@example.com", "subject": "Invoice 7", "document": {"file_name": "Invoice 7.pdf"}}'.
 */
#include <mailbutton.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int32_t show(void *userdata, const char *step, const char *text, int32_t permille)
{
    (void)userdata;
    (void)step;
    fprintf(stderr, "%s (%d%%)\n", text, (int)(permille / 10));
    return interrupted; /* anything but 0 cancels */
}

/* The document's bytes, to be freed. NULL where there are none. */
static uint8_t *bytes_of_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long end;

    *length = 0;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) > 0) {
        rewind(file);
        bytes = malloc((size_t)end);
        if (bytes != NULL)
            *length = fread(bytes, 1, (size_t)end, file);
    }
    if (file != NULL)
        fclose(file);
    return bytes;
}

/* Waits a little at a time: a signal says nothing to a server that is silent, so it is looked for here as well. */
static int32_t print_reply(mailbutton_reply *reply)
{
    int32_t status;
    while ((status = mailbutton_reply_wait(reply, 200, show, NULL)) == MAILBUTTON_PENDING)
        if (interrupted)
            mailbutton_reply_cancel(reply);
    puts(mailbutton_reply_json(reply));
    mailbutton_reply_free(reply);
    return status;
}

int main(int argc, char **argv)
{
    mailbutton_account *account;
    uint8_t *pdf;
    size_t length;
    int32_t status;

    if (argc != 4)
        return fprintf(stderr, "usage: %s OPTIONS EMAIL DOCUMENT.pdf\n", argv[0]), 2;
    if (print_reply(mailbutton_open(argv[1], &account)) != MAILBUTTON_OK)
        return 1;
    signal(SIGINT, interrupt);
    pdf = bytes_of_file(argv[3], &length);
    status = print_reply(mailbutton_send_document(account, argv[2], pdf, length));
    free(pdf);
    mailbutton_free(account);
    return status == MAILBUTTON_OK ? 0 : 1;
}
