/*
 * A reader for the JSON of replies, enough for an example. It relies on the text being well-formed, which replies are.
 * A value is a pointer to where it begins; NULL is "not there", and every function takes it.
 */
#ifndef DEMO_JSON_H
#define DEMO_JSON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *json_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* Just past a value. */
static const char *json_end(const char *at)
{
    int depth = 0;
    if (*at != '"' && *at != '{' && *at != '[')
        return at + strcspn(at, ",]} \t\r\n");
    do {
        if (*at == '"') {
            for (at++; *at != '"'; at++)
                at += *at == '\\';
        }
        depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
        at++;
    } while (depth > 0);
    return at;
}

/* The first item of a list or the first key of an object. */
static const char *json_first(const char *list)
{
    if (!list || (*list != '[' && *list != '{'))
        return NULL;
    list = json_space(list + 1);
    return *list == ']' || *list == '}' ? NULL : list;
}

/* The item after this one. */
static const char *json_next(const char *item)
{
    item = json_space(json_end(item));
    return *item == ',' ? json_space(item + 1) : NULL;
}

/* The value at a path of keys, for example "form.fields". */
static const char *json_at(const char *json, const char *path)
{
    while (json && *path) {
        size_t length = strcspn(path, ".");
        const char *key = *json == '{' ? json_first(json) : NULL, *value = NULL;
        for (; key; key = json_next(value)) {
            value = json_space(json_space(json_end(key)) + 1);
            if ((size_t)(json_end(key) - key) == length + 2 && !strncmp(key + 1, path, length))
                break;
        }
        json = key ? value : NULL;
        path += length + (path[length] == '.');
    }
    return json;
}

static int json_is(const char *value, const char *word)
{
    return value && !strncmp(value, word, strlen(word));
}

static long json_number(const char *value)
{
    return value ? strtol(value, NULL, 10) : 0;
}

/* A value as it stands in the JSON, to be passed on. The caller frees it. */
static char *json_copy(const char *value)
{
    size_t length = value ? (size_t)(json_end(value) - value) : 0;
    char *copy = calloc(1, length + 1);
    if (copy && value)
        memcpy(copy, value, length);
    return copy;
}

/* The value of the key that an object's walk is at. */
static const char *json_value(const char *key)
{
    return json_space(json_space(json_end(key)) + 1);
}

static void json_append(char *out, const char *first, const char *end)
{
    sprintf(out + strlen(out), "%s%.*s", out[1] ? ", " : "", (int)(end - first), first);
}

/* An object with the members of a patch instead of its own. The caller frees it. */
static char *json_merge(const char *object, const char *patch)
{
    char *merged = malloc(strlen(object) + strlen(patch) + 64);
    const char *key, *other;
    strcpy(merged, "{");
    for (key = json_first(object); key; key = json_next(json_value(key))) {
        for (other = json_first(patch); other; other = json_next(json_value(other)))
            if (!strncmp(key, other, (size_t)(json_end(other) - other)))
                break;
        if (!other)
            json_append(merged, key, json_end(json_value(key)));
    }
    for (key = json_first(patch); key; key = json_next(json_value(key)))
        json_append(merged, key, json_end(json_value(key)));
    return strcat(merged, "}");
}

/* A text without its quotes and escapes; "" if it is none. Eight texts live at a time: enough for a printf. */
static const char *json_text(const char *value)
{
    static char texts[8][4096];
    static unsigned turn;
    char *text = texts[turn++ % 8], *out = text;
    if (value && *value == '"') {
        for (value++; *value != '"' && out < text + sizeof texts[0] - 4; value++) {
            const char *escapes = "n\nt\tr\rb\bf\f", *escape;
            if (*value != '\\') {
                *out++ = *value;
            } else if (*++value == 'u') {
                /* In replies only control characters are written like this. */
                *out++ = ' ';
                value += 4;
            } else {
                escape = strchr(escapes, *value);
                *out++ = escape ? escape[1] : *value;
            }
        }
    }
    *out = 0;
    return text;
}

#endif
