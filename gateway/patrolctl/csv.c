#include "patrolctl.h"
#include <string.h>

void ctl_csv_start(struct ctl_csv *csv, char *bytes, size_t size)
{
    size_t mark = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    *csv = (struct ctl_csv){.at = bytes + mark, .end = bytes + size, .line = 1};
}

/* Moves past the end of the line. */
static void skip_line(struct ctl_csv *csv)
{
    char *feed = csv->at < csv->end
                     ? memchr(csv->at, '\n', (size_t)(csv->end - csv->at))
                     : NULL;
    csv->at = feed != NULL ? feed + 1 : csv->end;
    csv->line++;
}

/* The closing quote of the field that begins at `at`; NULL when there is
 * none. Looked for before anything is written, so that what follows a quote
 * that is never closed is still what it was. */
static char *closing_quote(char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at != '"')
            continue;
        if (at + 1 == end || at[1] != '"')
            return at;
        at++; /* a doubled quote stands for one */
    }
    return NULL;
}

/* Unquotes in place, from the byte behind the quote on; leaves `at` behind
 * the closing quote. */
static bool quoted(struct ctl_csv *csv, char **field_end)
{
    char *close = closing_quote(csv->at, csv->end);
    if (close == NULL)
        return false;
    char *out = csv->at;
    for (char *in = csv->at; in < close; in++) {
        csv->line += *in == '\n';
        *out++ = *in;
        in += *in == '"';
    }
    *field_end = out;
    csv->at = close + 1;
    return true;
}

static void unquoted(struct ctl_csv *csv, char **field_end)
{
    while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n' &&
           *csv->at != '\r')
        csv->at++;
    *field_end = csv->at;
}

/* What follows a field; writing the field's final zero may overwrite it, so
 * it is taken first. ',' goes on, '\n' ends the record, 0 is neither. */
static char separator(struct ctl_csv *csv)
{
    if (csv->at == csv->end)
        return '\n';
    if (*csv->at == ',') {
        csv->at++;
        return ',';
    }
    if (*csv->at == '\r' && csv->end - csv->at > 1 && csv->at[1] == '\n')
        csv->at++;
    if (*csv->at == '\n' || *csv->at == '\r') {
        csv->at++;
        csv->line++;
        return '\n';
    }
    return 0;
}

/* Gives up on a record: goes on behind the line where it began, which for a
 * quote that is never closed is the best guess. */
static bool fail(struct ctl_csv *csv, struct ctl_csv_record *record,
                 char *start, const char *fault)
{
    csv->at = start;
    csv->line = record->line;
    skip_line(csv);
    record->fault = fault;
    record->count = 0;
    return true;
}

bool ctl_csv_next(struct ctl_csv *csv, struct ctl_csv_record *ret)
{
    while (csv->at < csv->end && (*csv->at == '\n' || *csv->at == '\r'))
        csv->line += *csv->at++ == '\n';
    if (csv->at == csv->end)
        return false;
    char *start = csv->at;
    ret->line = csv->line;
    ret->count = 0;
    ret->fault = NULL;
    for (char next = ','; next == ',';) {
        char *field_end = NULL;
        bool has_quote = csv->at < csv->end && *csv->at == '"';
        char *field = csv->at + has_quote;
        if (ret->count == CTL_CSV_FIELDS_MAX)
            return fail(csv, ret, start, "more than 256 fields");
        csv->at = field;
        if (!has_quote)
            unquoted(csv, &field_end);
        else if (!quoted(csv, &field_end))
            return fail(csv, ret, start, "a quote is not closed");
        next = separator(csv);
        if (next == 0)
            return fail(csv, ret, start, "text behind a closing quote");
        if (memchr(field, 0, (size_t)(field_end - field)) != NULL)
            return fail(csv, ret, start, "a zero byte");
        ret->fields[ret->count++] = field;
        /* The separator's byte, or the one behind the file's last: the
         * caller's buffer has it (see ctl_csv_start()). */
        *field_end = 0;
    }
    return true;
}
