/* Stands between the window and the library: every form is the one in the file that OTHER_FORM names, as if another
 * version of the library had made it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mailbutton_reply_json(const void *reply)
{
    static char form[65536];
    const char *(*real)(const void *) = (const char *(*)(const void *))dlsym(RTLD_NEXT, "mailbutton_reply_json");
    const char *json = real(reply);
    FILE *file;

    if (json == NULL || strstr(json, "\"reason\":\"form\"") == NULL) return json;
    file = fopen(getenv("OTHER_FORM"), "r");
    if (file == NULL) abort();
    form[fread(form, 1, sizeof form - 1, file)] = '\0';
    fclose(file);
    return form;
}
