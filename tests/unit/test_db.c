/* The database connection without a database: what is asked while it is
 * down, and that it closes cleanly from every state. What it does with a
 * server stands in tests/integration/test_store.py. */
#include "db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* No server listens in a directory that is not there. */
#define NOWHERE "host=/nonexistent/pt-test-db dbname=none"

struct seen {
    int up;
    int down;
    int answers;
    int closed;
};

static void on_up(void *context)
{
    ((struct seen *)context)->up++;
}

static void on_down(void *context)
{
    ((struct seen *)context)->down++;
}

static void on_answer(void *context, enum pt_err err, PGresult *result)
{
    (void)err;
    (void)result;
    ((struct seen *)context)->answers++;
}

static void on_closed(void *context)
{
    ((struct seen *)context)->closed++;
}

struct bench {
    uv_loop_t loop;
    struct seen seen;
    struct db *db;
};

static void start(struct bench *bench)
{
    const struct db_events events = {
        .context = &bench->seen, .up = on_up, .down = on_down};

    memset(&bench->seen, 0, sizeof bench->seen);
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    assert_int_equal(db_new(&bench->loop, NOWHERE, "test", &events, &bench->db),
                     PT_OK);
}

/* Everything is closed: the loop runs empty and can be taken down. */
static void finish(struct bench *bench)
{
    db_close(bench->db, on_closed, &bench->seen);
    assert_int_equal(bench->seen.closed, 0); /* comes from the loop */
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(bench->seen.closed, 1);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
}

static void stop_loop(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
    uv_stop(timer->loop);
}

static void run_for(uv_loop_t *loop, uint64_t ms)
{
    uv_timer_t timer;

    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, stop_loop, ms, 0);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_run(loop, UV_RUN_NOWAIT); /* the timer's own closing */
}

static void asked_while_down_says_again(void **state)
{
    struct bench bench;
    char *data = strdup("data");

    (void)state;
    start(&bench);
    assert_false(db_is_up(bench.db));
    assert_int_equal(
        db_query(bench.db, "SELECT 1", 0, NULL, on_answer, &bench.seen),
        PT_E_AGAIN);
    /* takes the data over all the same: ASan would tell a leak */
    assert_int_equal(db_copy(bench.db, "COPY", data, 4, on_answer, &bench.seen),
                     PT_E_AGAIN);
    assert_int_equal(db_waiting(bench.db), 0);
    finish(&bench);
    assert_int_equal(bench.seen.answers, 0);
}

static void refused_connections_are_tried_again(void **state)
{
    struct bench bench;

    (void)state;
    start(&bench);
    run_for(&bench.loop, 400);
    assert_false(db_is_up(bench.db));
    assert_non_null(strstr(db_error(bench.db), "/nonexistent/pt-test-db"));
    assert_null(strchr(db_error(bench.db), '\n'));
    assert_string_equal(db_sqlstate(bench.db), "");
    assert_int_equal(bench.seen.up, 0);
    assert_int_equal(bench.seen.down, 0); /* it never was up */
    finish(&bench);
}

static void null_closes_at_once(void **state)
{
    struct seen seen = {0};

    (void)state;
    db_close(NULL, on_closed, &seen);
    assert_int_equal(seen.closed, 1);
    db_close(NULL, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_while_down_says_again),
        cmocka_unit_test(refused_connections_are_tried_again),
        cmocka_unit_test(null_closes_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
