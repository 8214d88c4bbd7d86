/* One database connection driven by lines on standard input:
 *
 *   db_probe CONNINFO
 *
 *   query SQL   -> answer ok ROWS FIRST | answer error SQLSTATE | refused
 *   copy N SQL  COPY with N bytes of 'x' and a line feed, many times over
 *   param TEXT  SELECT of one text parameter -> answer ok 1 TEXT
 *   quit        (so does the end of the input)
 *
 * and what happens: up, down, notified CHANNEL PAYLOAD. */
#include "db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 4096

struct probe {
    uv_loop_t loop;
    uv_pipe_t input;
    char line[LINE_BYTES];
    size_t size;
    struct db *db;
};

static void on_up(void *context)
{
    (void)context;
    puts("up");
}

static void on_down(void *context)
{
    (void)context;
    puts("down");
}

static void on_notified(void *context, const char *channel, const char *payload)
{
    (void)context;
    printf("notified %s %s\n", channel, payload);
}

static void on_answer(void *context, enum pt_err err, PGresult *result)
{
    const struct probe *probe = context;

    if (err != PT_OK)
        printf("answer error %s\n", db_sqlstate(probe->db));
    else
        printf("answer ok %d %s\n", PQntuples(result),
               PQntuples(result) > 0 ? PQgetvalue(result, 0, 0)
                                     : PQcmdStatus(result));
}

static enum pt_err copy(struct probe *probe, const char *words)
{
    char *sql = NULL;
    size_t lines = strtoul(words, &sql, 10);
    char *data = malloc(lines * 101 + 1);

    if (!data)
        return PT_E_NOMEM;
    memset(data, 'x', lines * 101);
    for (size_t i = 0; i < lines; i++)
        data[i * 101 + 100] = '\n';
    return db_copy(probe->db, sql, data, lines * 101, on_answer, probe);
}

static void obey(struct probe *probe, const char *line)
{
    enum pt_err err = PT_OK;

    if (strncmp(line, "query ", 6) == 0)
        err = db_query(probe->db, line + 6, 0, NULL, on_answer, probe);
    else if (strncmp(line, "copy ", 5) == 0)
        err = copy(probe, line + 5);
    else if (strncmp(line, "param ", 6) == 0)
        err = db_query(probe->db, "SELECT $1::text", 1,
                       (const char *[]){line + 6}, on_answer, probe);
    else
        puts("error");
    if (err != PT_OK)
        puts("refused");
}

static void quit(struct probe *probe)
{
    uv_close((uv_handle_t *)&probe->input, NULL);
    db_close(probe->db, NULL, NULL);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct probe *probe = handle->data;

    (void)suggested;
    *buf = uv_buf_init(probe->line + probe->size,
                       (unsigned)(LINE_BYTES - probe->size));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct probe *probe = stream->data;
    char *start = probe->line;
    char *end;

    (void)buf;
    probe->size += count > 0 ? (size_t)count : 0;
    while ((end = memchr(start, '\n',
                         probe->size - (size_t)(start - probe->line)))) {
        *end = '\0';
        if (strcmp(start, "quit") == 0)
            count = UV_EOF;
        else
            obey(probe, start);
        start = end + 1;
    }
    probe->size -= (size_t)(start - probe->line);
    memmove(probe->line, start, probe->size);
    if (count < 0 || probe->size == LINE_BYTES)
        quit(probe);
}

int main(int argc, char **argv)
{
    static struct probe probe;
    const struct db_events events = {.context = &probe,
                                     .up = on_up,
                                     .down = on_down,
                                     .notified = on_notified};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2 || uv_loop_init(&probe.loop) != 0 ||
        db_new(&probe.loop, argv[1], "patrol probe", &events, &probe.db) !=
            PT_OK)
        return EXIT_FAILURE;
    uv_pipe_init(&probe.loop, &probe.input, 0);
    probe.input.data = &probe;
    if (uv_pipe_open(&probe.input, 0) != 0 ||
        uv_read_start((uv_stream_t *)&probe.input, give_room, on_read) != 0)
        return EXIT_FAILURE;
    uv_run(&probe.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&probe.loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
