#include "config.h"

#include <ini.h>

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define VALUE_BYTES_MAX 1023

struct loader {
    const struct config_option *options;
    size_t option_count;
    char *settings;
    bool *given; /* in the file, by option */
    char *message;
    size_t message_size;
    enum pt_err err;

    const char *source; /* the file's name, or the override */
    unsigned line;      /* in the file; 0 elsewhere */
    const char *text;   /* of the file, not read yet */
    const char *end;
};

/* "file:12: what"; the first complaint is kept. Returns the error. */
__attribute__((format(printf, 3, 4))) static enum pt_err
complain(struct loader *l, enum pt_err err, const char *format, ...)
{
    va_list args;
    int used;

    if (l->err != PT_OK)
        return l->err;
    l->err = err;
    if (l->line > 0)
        used = snprintf(l->message, l->message_size, "%s:%u: ", l->source,
                        l->line);
    else
        used = snprintf(l->message, l->message_size, "%s: ", l->source);
    if (used < 0 || (size_t)used >= l->message_size)
        return err;
    va_start(args, format);
    (void)vsnprintf(l->message + used, l->message_size - (size_t)used, format,
                    args);
    va_end(args);
    return err;
}

static enum pt_err expected(struct loader *l, const struct config_option *o,
                            const char *what, const char *value)
{
    return complain(l, PT_E_CONFIG, "[%s] %s: expected %s, not \"%.60s\"",
                    o->section, o->name, what, value);
}

static enum pt_err set_text(struct loader *l, const struct config_option *o,
                            const char *value, char **field)
{
    char *copy;

    if (strlen(value) > VALUE_BYTES_MAX)
        return complain(l, PT_E_CONFIG, "[%s] %s: expected at most %d bytes",
                        o->section, o->name, VALUE_BYTES_MAX);
    copy = strdup(value);
    if (copy == NULL)
        return complain(l, PT_E_NOMEM, "%s", pt_strerror(PT_E_NOMEM));
    free(*field);
    *field = copy;
    return PT_OK;
}

static enum pt_err set_int(struct loader *l, const struct config_option *o,
                           const char *value, int64_t *field)
{
    char what[96];
    char *end;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || (double)number < o->min ||
        (double)number > o->max) {
        snprintf(what, sizeof what, "a whole number of %.0f to %.0f", o->min,
                 o->max);
        return expected(l, o, what, value);
    }
    *field = number;
    return PT_OK;
}

static enum pt_err set_real(struct loader *l, const struct config_option *o,
                            const char *value, double *field)
{
    char what[96];
    char *end;
    double number = strtod(value, &end);
    bool limit = o->type == CONFIG_LIMIT;

    if (limit && strcmp(value, "no") == 0) {
        *field = -1;
        return PT_OK;
    }
    if (end == value || *end != '\0' || !isfinite(number) || number < o->min ||
        number > o->max) {
        snprintf(what, sizeof what, "a number of %.15g to %.15g%s", o->min,
                 o->max, limit ? " or no" : "");
        return expected(l, o, what, value);
    }
    *field = number;
    return PT_OK;
}

static enum pt_err set_bool(struct loader *l, const struct config_option *o,
                            const char *value, bool *field)
{
    static const char *const words[] = {"no",  "yes", "false", "true",
                                        "off", "on",  "0",     "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(value, words[i]) == 0) {
            *field = i % 2 == 1;
            return PT_OK;
        }
    }
    return expected(l, o, "yes or no", value);
}

static enum pt_err set_choice(struct loader *l, const struct config_option *o,
                              const char *value, int *field)
{
    char what[256];
    const char *word = o->choices;
    size_t length = strlen(value);

    for (int i = 0; *word != '\0'; i++) {
        size_t word_length = strcspn(word, " ");
        if (word_length == length && memcmp(word, value, length) == 0) {
            *field = i;
            return PT_OK;
        }
        word += word_length;
        word += strspn(word, " ");
    }
    snprintf(what, sizeof what, "one of: %s", o->choices);
    return expected(l, o, what, value);
}

static enum pt_err set(struct loader *l, const struct config_option *o,
                       const char *value)
{
    void *field = l->settings + o->offset;

    switch (o->type) {
    case CONFIG_TEXT:
        return set_text(l, o, value, field);
    case CONFIG_INT:
        return set_int(l, o, value, field);
    case CONFIG_REAL:
    case CONFIG_LIMIT:
        return set_real(l, o, value, field);
    case CONFIG_BOOL:
        return set_bool(l, o, value, field);
    case CONFIG_CHOICE:
        return set_choice(l, o, value, field);
    }
    return complain(l, PT_E_CONFIG, "[%s] %s: no such type", o->section,
                    o->name);
}

/* The option's index; option_count, with a complaint, when there is none. */
static size_t find(struct loader *l, const char *section, const char *name)
{
    bool section_known = false;

    for (size_t i = 0; i < l->option_count; i++) {
        if (strcmp(l->options[i].section, section) != 0)
            continue;
        section_known = true;
        if (strcmp(l->options[i].name, name) == 0)
            return i;
    }
    if (section_known)
        complain(l, PT_E_CONFIG, "[%.60s] %.60s: no such setting", section,
                 name);
    else
        complain(l, PT_E_CONFIG, "[%.60s]: no such section (at %.60s)", section,
                 name);
    return l->option_count;
}

/* inih's handler: 0 is failure. */
static int take_setting(void *context, const char *section, const char *name,
                        const char *value)
{
    struct loader *l = context;
    size_t i;

    if (l->err != PT_OK)
        return 0;
    i = find(l, section, name);
    if (i == l->option_count)
        return 0;
    if (l->given[i]) {
        complain(l, PT_E_CONFIG, "[%s] %s: given twice", section, name);
        return 0;
    }
    l->given[i] = true;
    return set(l, &l->options[i], value) == PT_OK;
}

/* inih's reader, in place of fgets(). inih would cut a line that is longer
 * than its buffer in two and read an indented one as more of the value above
 * it; here the first is an error and the second an ordinary setting. */
static char *take_line(char *out, int size, void *context)
{
    struct loader *l = context;
    const char *at = l->text;
    const char *line_end;
    size_t length;

    if (l->err != PT_OK || at == l->end)
        return NULL;
    l->line++;
    line_end = memchr(at, '\n', (size_t)(l->end - at));
    l->text = line_end == NULL ? l->end : line_end + 1;
    if (line_end == NULL)
        line_end = l->end;
    while (at < line_end && (*at == ' ' || *at == '\t'))
        at++;
    length = (size_t)(line_end - at);
    if (length > 0 && (*at == ';' || *at == '#'))
        length = 0;
    if (length + 2 > (size_t)size) {
        complain(l, PT_E_CONFIG, "expected a line of at most %d bytes",
                 size - 2);
        return NULL;
    }
    memcpy(out, at, length);
    out[length] = '\n';
    out[length + 1] = '\0';
    return out;
}

/* The whole file, which the caller frees. */
static char *read_file(struct loader *l, size_t *size)
{
    FILE *f = fopen(l->source, "rb");
    char *text = NULL;

    if (f == NULL) {
        complain(l, PT_E_DISK, "cannot be opened: %s", strerror(errno));
        return NULL;
    }
    text = malloc(FILE_BYTES_MAX + 1);
    if (text == NULL) {
        complain(l, PT_E_NOMEM, "%s", pt_strerror(PT_E_NOMEM));
        goto done;
    }
    *size = fread(text, 1, FILE_BYTES_MAX + 1, f);
    if (ferror(f))
        complain(l, PT_E_DISK, "cannot be read: %s", strerror(errno));
    else if (*size > FILE_BYTES_MAX)
        complain(l, PT_E_CONFIG, "expected at most 1 MiB");
    else if (memchr(text, '\0', *size) != NULL)
        complain(l, PT_E_CONFIG, "expected text, found a 0 byte");
done:
    fclose(f);
    if (l->err != PT_OK) {
        free(text);
        text = NULL;
    }
    return text;
}

static void take_text(struct loader *l, const char *text, size_t size)
{
    l->text = text;
    l->end = text + size;
    l->line = 0;
    int bad_line = ini_parse_stream(take_line, l, take_setting, l);
    /* inih reads on behind a line that it does not understand. */
    if (bad_line > 0 && (l->err == PT_OK || (unsigned)bad_line < l->line)) {
        l->err = PT_OK;
        l->line = (unsigned)bad_line;
        complain(l, PT_E_CONFIG, "expected [section] or name = value");
    } else if (bad_line < 0) {
        complain(l, PT_E_NOMEM, "%s", pt_strerror(PT_E_NOMEM));
    }
}

static void load_file(struct loader *l, const char *file)
{
    size_t size = 0;
    char *text;

    l->source = file;
    l->line = 0;
    text = read_file(l, &size);
    if (text != NULL)
        take_text(l, text, size);
    free(text);
}

/* "section.name=value"; a section has no dot, a name has no equals sign. */
static void load_override(struct loader *l, const char *override)
{
    char section[64], name[64];
    const char *dot = strchr(override, '.');
    const char *equals = strchr(override, '=');
    size_t i;

    l->source = override;
    l->line = 0;
    if (dot == NULL || equals == NULL || equals < dot ||
        (size_t)(dot - override) >= sizeof section ||
        (size_t)(equals - dot) > sizeof name) {
        complain(l, PT_E_CONFIG, "expected section.name=value");
        return;
    }
    snprintf(section, sizeof section, "%.*s", (int)(dot - override), override);
    snprintf(name, sizeof name, "%.*s", (int)(equals - dot - 1), dot + 1);
    i = find(l, section, name);
    if (i < l->option_count)
        (void)set(l, &l->options[i], equals + 1);
}

static void load_defaults(struct loader *l)
{
    l->source = "default";
    for (size_t i = 0; i < l->option_count && l->err == PT_OK; i++) {
        const struct config_option *o = &l->options[i];
        (void)set(l, o, o->initial != NULL ? o->initial : "");
    }
}

/* The defaults, and room to note what is given. */
static void begin(struct loader *l)
{
    for (size_t i = 0; i < l->option_count; i++) {
        if (l->options[i].type == CONFIG_TEXT)
            *(char **)(l->settings + l->options[i].offset) = NULL;
    }
    l->given = calloc(l->option_count + 1, sizeof *l->given);
    if (l->given == NULL)
        complain(l, PT_E_NOMEM, "%s", pt_strerror(PT_E_NOMEM));
    else
        load_defaults(l);
}

static enum pt_err finish(struct loader *l)
{
    free(l->given);
    if (l->err != PT_OK)
        config_clear(l->options, l->option_count, l->settings);
    return l->err;
}

enum pt_err config_load(const struct config_option *options,
                        size_t option_count, const char *file,
                        const char *const *overrides, size_t override_count,
                        void *settings, char *message, size_t message_size)
{
    struct loader l = {.options = options,
                       .option_count = option_count,
                       .settings = settings,
                       .message = message,
                       .message_size = message_size,
                       .source = "settings"};

    begin(&l);
    if (file != NULL && l.err == PT_OK)
        load_file(&l, file);
    for (size_t i = 0; i < override_count && l.err == PT_OK; i++)
        load_override(&l, overrides[i]);
    return finish(&l);
}

enum pt_err config_load_text(const struct config_option *options,
                             size_t option_count, const char *text,
                             const char *source, void *settings, char *message,
                             size_t message_size)
{
    struct loader l = {.options = options,
                       .option_count = option_count,
                       .settings = settings,
                       .message = message,
                       .message_size = message_size,
                       .source = "settings"};

    begin(&l);
    if (l.err == PT_OK) {
        l.source = source;
        take_text(&l, text, strlen(text));
    }
    return finish(&l);
}

void config_clear(const struct config_option *options, size_t option_count,
                  void *settings)
{
    for (size_t i = 0; i < option_count; i++) {
        if (options[i].type == CONFIG_TEXT) {
            char **field = (char **)((char *)settings + options[i].offset);
            free(*field);
            *field = NULL;
        }
    }
}

void config_print_sample(const struct config_option *options,
                         size_t option_count)
{
    const char *section = "";

    for (size_t i = 0; i < option_count; i++) {
        const struct config_option *o = &options[i];
        if (strcmp(section, o->section) != 0) {
            printf("%s[%s]\n", i > 0 ? "\n" : "", o->section);
            section = o->section;
        }
        printf("; %s", o->help);
        if (o->type == CONFIG_CHOICE)
            printf(" (%s)", o->choices);
        else if (o->type == CONFIG_INT || o->type == CONFIG_REAL)
            printf(" (%.15g to %.15g)", o->min, o->max);
        else if (o->type == CONFIG_LIMIT)
            printf(" (%.15g to %.15g, or no)", o->min, o->max);
        printf("\n;%s = %s\n", o->name, o->initial != NULL ? o->initial : "");
    }
}
