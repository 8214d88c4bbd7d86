#include "patrolctl.h"
#include <stdlib.h>
#include <string.h>

static enum pt_err append(char **text, size_t *size, size_t *room,
                          const char *bytes, size_t more)
{
    if (more >= CTL_SSE_BYTES_MAX - *size)
        return PT_E_FULL;
    if (*size + more + 1 > *room) {
        size_t want = (*size + more + 1) * 2;
        char *grown = realloc(*text, want);
        if (grown == NULL)
            return PT_E_NOMEM;
        *text = grown;
        *room = want;
    }
    memcpy(*text + *size, bytes, more);
    *size += more;
    (*text)[*size] = 0;
    return PT_OK;
}

/* An empty line: what was gathered is an event. */
static void dispatch(struct ctl_sse *sse)
{
    if (sse->data_size > 0) {
        sse->data[sse->data_size - 1] = 0; /* the last line's feed */
        sse->event(sse->context, *sse->type != 0 ? sse->type : "message",
                   sse->data);
    }
    sse->data_size = 0;
    *sse->type = 0;
}

static enum pt_err take_line(struct ctl_sse *sse)
{
    const char *line = sse->line_size > 0 ? sse->line : "";
    if (!sse->started && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    sse->started = true;
    size_t name = strcspn(line, ":");
    const char *value = line + name + (line[name] == ':');
    value += *value == ' ';
    enum pt_err err = PT_OK;
    if (*line == 0)
        dispatch(sse);
    else if (name == 5 && strncmp(line, "event", 5) == 0)
        snprintf(sse->type, sizeof sse->type, "%s", value);
    else if (name == 4 && strncmp(line, "data", 4) == 0) {
        err = append(&sse->data, &sse->data_size, &sse->data_room, value,
                     strlen(value));
        if (err == PT_OK)
            err = append(&sse->data, &sse->data_size, &sse->data_room, "\n", 1);
    }
    sse->line_size = 0;
    return err;
}

enum pt_err ctl_sse_feed(struct ctl_sse *sse, const char *bytes, size_t size)
{
    enum pt_err err = PT_OK;
    while (size > 0 && err == PT_OK) {
        if (sse->after_return && *bytes == '\n') {
            bytes++;
            size--;
            sse->after_return = false;
            continue;
        }
        sse->after_return = false;
        size_t part = 0;
        while (part < size && bytes[part] != '\n' && bytes[part] != '\r')
            part++;
        if (part > 0)
            err = append(&sse->line, &sse->line_size, &sse->line_room, bytes,
                         part);
        bytes += part;
        size -= part;
        if (err == PT_OK && size > 0) {
            sse->after_return = *bytes == '\r';
            bytes++;
            size--;
            err = take_line(sse);
        }
    }
    return err;
}

void ctl_sse_clear(struct ctl_sse *sse)
{
    free(sse->line);
    free(sse->data);
    sse->line = NULL;
    sse->data = NULL;
}
