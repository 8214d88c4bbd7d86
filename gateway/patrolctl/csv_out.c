/* Objects as lines of a CSV. */
#include "http_client.h"
#include <string.h>

static void print_csv_text(const char *text)
{
    char clean[1024];
    ctl_clean(text, clean, sizeof clean);
    /* a table calculation takes these for the beginning of a formula */
    bool formula = *clean != '\0' && strchr("=+-@", *clean) != NULL;
    if (!formula && strpbrk(clean, ",\"") == NULL) {
        fputs(clean, stdout);
        return;
    }
    putchar('"');
    if (formula)
        putchar('\'');
    for (const char *c = clean; *c != '\0'; c++) {
        if (*c == '"')
            putchar('"');
        putchar(*c);
    }
    putchar('"');
}

static void print_csv_cell(const json_t *value)
{
    if (json_is_string(value))
        print_csv_text(json_string_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "true" : "false", stdout);
    else if (json_is_number(value))
        printf("%.10g", json_number_value(value));
}

void ctl_csv_head(const char *const *keys, size_t count)
{
    for (size_t k = 0; k < count; k++)
        printf("%s%s", k == 0 ? "" : ",", keys[k]);
    putchar('\n');
}

void ctl_csv_cells(const json_t *object, const char *const *keys, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        if (k > 0)
            putchar(',');
        print_csv_cell(json_object_get(object, keys[k]));
    }
}

void ctl_csv_rows(const json_t *objects, const char *const *keys, size_t count)
{
    ctl_csv_head(keys, count);
    for (size_t i = 0; i < json_array_size(objects); i++) {
        ctl_csv_cells(json_array_get(objects, i), keys, count);
        putchar('\n');
    }
}
