#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number {
    enum metrics_type type;
    const char *name;
    const char *labels; /* NULL: none */
    const char *help;
    const uint64_t *value; /* NULL: ask `call` */
    double (*call)(void *context);
    void *context;
};

struct metrics {
    struct number *numbers; /* those of one name side by side */
    size_t count;
    size_t capacity;
};

enum pt_err metrics_new(struct metrics **ret)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (!metrics)
        return PT_E_NOMEM;
    *ret = metrics;
    return PT_OK;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    free(metrics->numbers);
    free(metrics);
}

/* [a-zA-Z_:][a-zA-Z0-9_:]* (Prometheus, "Data model"). */
static bool name_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ_:";
    size_t head = strspn(name, letters);

    if (head == 0)
        return false;
    while (name[head] != '\0' &&
           (strchr(letters, name[head]) || strchr("0123456789", name[head])))
        head++;
    return name[head] == '\0';
}

static bool same_labels(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

/* Where `number` belongs: behind the last one of its name. */
static enum pt_err find_place(const struct metrics *metrics,
                              const struct number *number, size_t *ret)
{
    size_t place = metrics->count;

    for (size_t i = 0; i < metrics->count; i++) {
        const struct number *other = &metrics->numbers[i];

        if (strcmp(other->name, number->name) != 0)
            continue;
        if (other->type != number->type ||
            same_labels(other->labels, number->labels))
            return PT_E_RANGE;
        place = i + 1;
    }
    *ret = place;
    return PT_OK;
}

static enum pt_err make_room(struct metrics *metrics)
{
    size_t capacity = metrics->capacity ? metrics->capacity * 2 : 64;
    struct number *numbers;

    if (metrics->count == METRICS_MAX)
        return PT_E_FULL;
    if (metrics->count < metrics->capacity)
        return PT_OK;
    numbers = reallocarray(metrics->numbers, capacity, sizeof *numbers);
    if (!numbers)
        return PT_E_NOMEM;
    metrics->numbers = numbers;
    metrics->capacity = capacity;
    return PT_OK;
}

static enum pt_err add(struct metrics *metrics, const struct number *number)
{
    size_t place;
    enum pt_err err;

    if (!name_valid(number->name))
        return PT_E_RANGE;
    err = find_place(metrics, number, &place);
    if (err == PT_OK)
        err = make_room(metrics);
    if (err != PT_OK)
        return err;
    memmove(&metrics->numbers[place + 1], &metrics->numbers[place],
            (metrics->count - place) * sizeof *metrics->numbers);
    metrics->numbers[place] = *number;
    metrics->count++;
    return PT_OK;
}

enum pt_err metrics_add(struct metrics *metrics, enum metrics_type type,
                        const char *name, const char *labels, const char *help,
                        const uint64_t *value)
{
    return add(metrics, &(struct number){.type = type,
                                         .name = name,
                                         .labels = labels,
                                         .help = help,
                                         .value = value});
}

enum pt_err metrics_add_call(struct metrics *metrics, enum metrics_type type,
                             const char *name, const char *labels,
                             const char *help, double (*value)(void *context),
                             void *context)
{
    return add(metrics, &(struct number){.type = type,
                                         .name = name,
                                         .labels = labels,
                                         .help = help,
                                         .call = value,
                                         .context = context});
}

/* In a help text a backslash and a line feed are escaped, nothing else. */
static void print_help(FILE *page, const struct number *number)
{
    fprintf(page, "# HELP %s ", number->name);
    for (const char *c = number->help; *c != '\0'; c++) {
        if (*c == '\\')
            fputs("\\\\", page);
        else if (*c == '\n')
            fputs("\\n", page);
        else
            fputc(*c, page);
    }
    fprintf(page, "\n# TYPE %s %s\n", number->name,
            number->type == METRICS_COUNTER ? "counter" : "gauge");
}

static void print_real(FILE *page, double value)
{
    if (isnan(value))
        fputs("NaN", page);
    else if (isinf(value))
        fputs(value > 0 ? "+Inf" : "-Inf", page);
    else
        fprintf(page, "%.17g", value);
}

static void print_number(FILE *page, const struct number *number)
{
    fputs(number->name, page);
    if (number->labels)
        fprintf(page, "{%s}", number->labels);
    fputc(' ', page);
    if (number->value)
        fprintf(page, "%" PRIu64, *number->value);
    else
        print_real(page, number->call(number->context));
    fputc('\n', page);
}

char *metrics_page(const struct metrics *metrics, size_t *size)
{
    char *text = NULL;
    size_t length = 0;
    FILE *page = open_memstream(&text, &length);
    bool failed;

    if (!page)
        return NULL;
    for (size_t i = 0; i < metrics->count; i++) {
        const struct number *number = &metrics->numbers[i];

        if (i == 0 || strcmp(number[-1].name, number->name) != 0)
            print_help(page, number);
        print_number(page, number);
    }
    failed = ferror(page) != 0;
    failed = fclose(page) != 0 || failed;
    if (failed) {
        free(text);
        return NULL;
    }
    *size = length;
    return text;
}
