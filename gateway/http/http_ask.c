/* Answers that the database gives, by one statement over a span of time. */
#include "http_internal.h"
#include "http_rfc3339.h"
#include "pt_log.h"
#include <stdlib.h>
#include <string.h>

/* Lives until the database has answered, also when the request does not. */
struct asked {
    struct later later;
    const struct question *question;
    int64_t from_ms, to_ms;
};

static void on_rows(void *context, enum pt_err err, PGresult *result)
{
    struct asked *job = context;
    struct request *rq = later_take(&job->later);
    const struct question *question = job->question;

    if (rq != NULL) {
        if (err != PT_OK || PQntuples(result) != 1 ||
            PQnfields(result) != question->fields) {
            pt_log(PT_LOG_WARN, "http: %s of %s: %s", question->what,
                   rq->argument != NULL ? rq->argument : "all",
                   pt_strerror(err == PT_OK ? PT_E_DB : err));
            reply_problem(rq, PROBLEM_DATABASE, "the %s could not be read",
                          question->what);
        } else {
            question->write(rq, job->from_ms, job->to_ms, result);
        }
        later_done(rq);
    }
    free(job);
}

bool ask_span(struct request *rq, int64_t usual_ms, int64_t most_ms,
              const char *too_long, int64_t *from_ms, int64_t *to_ms)
{
    static const char expected[] =
        "an RFC 3339 date-time from 1970 to 9999 is expected, such as "
        "2024-05-01T12:00:00Z (a + of an offset is written %2B)";
    const char *from = params_get(&rq->params, "from");
    const char *to = params_get(&rq->params, "to");

    *to_ms = http_wall_ms();
    if (to != NULL && !rfc3339_parse(to, to_ms)) {
        reply_parameter(rq, "to", expected);
        return false;
    }
    *from_ms = *to_ms > usual_ms ? *to_ms - usual_ms : 0;
    if (from != NULL && !rfc3339_parse(from, from_ms)) {
        reply_parameter(rq, "from", expected);
        return false;
    }
    if (*from_ms > *to_ms) {
        reply_parameter(rq, "from", "it lies after the end");
        return false;
    }
    if (*to_ms - *from_ms > most_ms) {
        reply_parameter(rq, "from", too_long);
        return false;
    }
    return true;
}

static enum pt_err ask(struct request *rq, struct asked *job, const char *first)
{
    char from[RFC3339_SIZE], to[RFC3339_SIZE];
    const char *values[] = {first, from, to};

    if (!rfc3339_format(job->from_ms, from) || !rfc3339_format(job->to_ms, to))
        return PT_E_RANGE;
    return db_query(rq->http->db, job->question->sql, 3, values, on_rows, job);
}

void ask_database(struct request *rq, const struct question *question,
                  const char *first, int64_t from_ms, int64_t to_ms)
{
    struct asked *job = calloc(1, sizeof *job);
    if (job == NULL) {
        reply_problem(rq, PROBLEM_FAILED, "out of memory");
        return;
    }
    *job = (struct asked){
        .question = question, .from_ms = from_ms, .to_ms = to_ms};
    enum pt_err err = ask(rq, job, first);
    if (err != PT_OK) {
        free(job);
        reply_problem(rq, PROBLEM_DATABASE, "%s",
                      db_is_up(rq->http->db)
                          ? "too many questions wait for the database"
                          : "the database is not connected");
        return;
    }
    later_attach(rq, &job->later);
}
