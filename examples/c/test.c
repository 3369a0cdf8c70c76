/*
 * Tests the email settings, showing each step as it is taken, and prints the report.
 *
 *     test OPTIONS [TEST]
 *
 * OPTIONS is JSON, for example '{"store": "email.json", "program_name": "My ERP"}'. Without TEST, the saved settings are
 * tested with an email to the sender's own address; '{"to": "ana@example.com"}' sends it to another one.
 */
#include <mailbutton.h>
#include <stdio.h>

/* Called on the thread that waits, with a text in the user's language. */
static int32_t show(void *userdata, const char *step, const char *text, int32_t permille)
{
    (void)userdata;
    (void)permille;
    fprintf(stderr, "[%s] %s\n", step, text);
    return 0; /* go on */
}

static int32_t print_reply(mailbutton_reply *reply)
{
    int32_t status = mailbutton_reply_wait(reply, -1, show, NULL);
    puts(mailbutton_reply_json(reply));
    mailbutton_reply_free(reply);
    return status;
}

int main(int argc, char **argv)
{
    mailbutton_account *account;
    int32_t status;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s OPTIONS [TEST]\n", argv[0]);
        return 2;
    }
    status = print_reply(mailbutton_open(argv[1], &account));
    if (status != MAILBUTTON_OK)
        return 1;
    status = print_reply(mailbutton_send_test(account, argc == 3 ? argv[2] : NULL));
    mailbutton_free(account);
    return status == MAILBUTTON_OK ? 0 : 1;
}
