#include "patrolctl.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES 512

struct ctl_table {
    size_t columns;
    bool right[CTL_COLUMNS_MAX];
    size_t width[CTL_COLUMNS_MAX];
    size_t count, room;
    char **cells; /* the headings are the first row */
    bool failed;
};

/* The next cell, without the heading's alignment mark. */
static void add(struct ctl_table *table, const char *text)
{
    char clean[CELL_BYTES];
    ctl_clean(text != NULL ? text : "", clean, sizeof clean);
    if (table->count == table->room) {
        size_t room = table->room == 0 ? 64 : table->room * 2;
        char **grown = realloc(table->cells, room * sizeof *grown);
        if (grown == NULL) {
            table->failed = true;
            return;
        }
        table->cells = grown;
        table->room = room;
    }
    char *copy = strdup(clean);
    if (copy == NULL) {
        table->failed = true;
        return;
    }
    size_t cells = ctl_cells(copy);
    size_t *width = &table->width[table->count % table->columns];
    *width = cells > *width ? cells : *width;
    table->cells[table->count++] = copy;
}

enum pt_err ctl_table_new(const char *columns, struct ctl_table **ret)
{
    struct ctl_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return PT_E_NOMEM;
    table->columns = 1;
    for (const char *c = columns; *c != 0; c++)
        table->columns += *c == '|';
    if (table->columns > CTL_COLUMNS_MAX) {
        free(table);
        return PT_E_RANGE;
    }
    for (size_t i = 0; i < table->columns; i++) {
        char heading[CELL_BYTES];
        size_t length = strcspn(columns, "|");
        table->right[i] = *columns == '>';
        snprintf(heading, sizeof heading, "%.*s", (int)length - table->right[i],
                 columns + table->right[i]);
        add(table, heading);
        columns += length + (columns[length] == '|');
    }
    if (table->failed) {
        ctl_table_free(table);
        return PT_E_NOMEM;
    }
    *ret = table;
    return PT_OK;
}

void ctl_table_free(struct ctl_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

void ctl_table_cell(struct ctl_table *table, const char *text)
{
    /* A row with a hole would shift all that follow. */
    if (!table->failed)
        add(table, text);
}

void ctl_table_format(struct ctl_table *table, const char *format, ...)
{
    char text[CELL_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ctl_table_cell(table, text);
}

/* One row; nothing is padded behind its last cell that says something. */
static void print_row(const struct ctl_table *table, char *const *cells,
                      FILE *out)
{
    size_t last = table->columns;
    while (last > 0 && *cells[last - 1] == 0)
        last--;
    for (size_t i = 0; i < last; i++) {
        size_t gap = table->width[i] - ctl_cells(cells[i]);
        fprintf(out, "%s%*s%s", i > 0 ? "  " : "",
                table->right[i] ? (int)gap : 0, "", cells[i]);
        if (!table->right[i] && i + 1 < last)
            fprintf(out, "%*s", (int)gap, "");
    }
    fputc('\n', out);
}

enum pt_err ctl_table_print(const struct ctl_table *table, FILE *out)
{
    if (table->failed)
        return PT_E_NOMEM;
    for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
        print_row(table, table->cells + i, out);
    return PT_OK;
}
