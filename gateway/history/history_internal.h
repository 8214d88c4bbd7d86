#ifndef HISTORY_INTERNAL_H
#define HISTORY_INTERNAL_H
/* What the files of history share.
 *
 * rows.c     reports out of the database, in the clock's order
 * replay.c   a slice of time, as the live gateway would have gone through it
 * passes.c   who comes by at which mission
 * hours.c    hours of the week by time zone
 * then.c     times learned, and streets closed, and when that changed
 * sums.c     what happened, added up
 * keep.c     answers kept in the database, and found again
 * history.c  slices onto threads and together again */
#include "history.h"

#include "asking.h"
#include "batch.h"
#include "dispatch.h"
#include "fleet.h"
#include "learn.h"
#include <stdatomic.h>
#include <uv.h>

struct then;
struct then_terms;

#define HISTORY_FOLDS (COVERAGE_FOLD + 1u) /* 0, 1, 2, 3 or more in time */

/* -------------------------------------------------------------------- rows */
/* Reports from one time to another. */
struct rows {
    struct asking asking;
    enum history_clock clock;
    PGresult *chunk; /* NULL: to be fetched */
    int next;
    bool over;
};
PT_MUST_CHECK enum pt_err rows_open(struct rows *rows,
                                    const struct history_wish *wish,
                                    int64_t from_ms, int64_t to_ms,
                                    char *message, size_t message_size);
void rows_close(struct rows *rows); /* zeroed is fine */
/* The next one; its time by the clock in `at_ms`. PT_E_NOTFOUND: there are no
 * more. PT_E_DB. */
PT_MUST_CHECK enum pt_err rows_next(struct rows *rows, struct batch_item *item,
                                    int64_t *at_ms);

/* ------------------------------------------------------------------ passes */
/* The streets in front of every mission; never changes. */
struct frontage {
    uint32_t edge;
    uint32_t mission; /* index */
};
struct frontages {
    double pass_m;
    size_t mission_count;
    bool *has_any; /* by mission */
    size_t count;
    struct frontage *items; /* by edge */
};
PT_MUST_CHECK enum pt_err frontages_new(const struct roads *roads,
                                        const struct catalog *catalog,
                                        double pass_m, struct frontages **ret);
void frontages_free(struct frontages *frontages); /* NULL is fine */

#define PASSES_THERE_MAX 8u /* missions at which a unit is at once */
/* Who is where. */
struct passes_unit {
    int64_t until_ms; /* its position is believed until then */
    unsigned count;
    uint32_t missions[PASSES_THERE_MAX];
};

/* ------------------------------------------------------------------ replay */
/* What happened, in order. */
enum event_kind {
    EVENT_WITHIN, /* so many units are in time at the mission now */
    EVENT_UNITS,  /* so many count; no mission */
    EVENT_PASS,   /* a unit has come by */
    EVENT_THERE,  /* so many are there now */
};
struct event {
    int64_t at_ms;
    uint32_t mission;
    uint16_t kind;
    uint16_t count;
};
struct snapshot {
    int64_t at_ms;
    uint32_t zone; /* index, or the number of zones: everything */
    uint32_t units;
    uint32_t within[COVERAGE_FOLD];
    float length_m;
    float within_m[COVERAGE_FOLD];
};

/* All slices are replayed by these; the frontages do not change. */
struct made_by {
    const struct history_wish *wish;
    struct then *then;
    struct frontages *frontages; /* NULL: nobody's passes are looked for */
    atomic_bool stop;
    atomic_int_fast64_t done_ms; /* of all slices, with their lead */
    /* Of history_watch(): then nothing is told of events and snapshots. */
    history_looker look;
    void *look_context;
    const struct hours *look_hours;
    uv_mutex_t *look_lock;
};

struct slice {
    int64_t from_ms, to_ms;
    size_t event_count, event_room;
    struct event *events;
    size_t snapshot_count, snapshot_room;
    struct snapshot *snapshots;
    uint64_t fixes; /* within it */
    int64_t first_fix_ms, last_fix_ms;
    uint8_t *reported; /* by index in the catalog */
    enum pt_err err;
    char message[256];
};
/* So long before it a slice begins, for all to be known at its beginning. */
int64_t replay_lead_ms(const struct history_wish *wish);
/* Fills the slice in; its `err` says how it went. */
void replay_slice(struct made_by *by, struct slice *slice);
void slice_clear(struct slice *slice);
/* How it was at the end of the wish's span. */
PT_MUST_CHECK enum pt_err replay_moment(struct made_by *by,
                                        struct history_moment *moment,
                                        char *message, size_t message_size);

/* ------------------------------------------------------------------- hours */
/* Clocks of time zones over a span. */
struct hours {
    int64_t first_ms; /* a full hour, UTC */
    size_t hour_count;
    size_t zone_count;
    char (*names)[64];
    int32_t *offsets_s; /* hour_count for each zone */
    size_t *of_mission; /* which zone, by mission */
};
PT_MUST_CHECK enum pt_err hours_read(const struct asking *asking,
                                     const struct history_wish *wish,
                                     struct hours *ret);
void hours_clear(struct hours *hours);
/* The same of one zone alone; the span's end is in it. */
PT_MUST_CHECK enum pt_err hours_of_zone(const struct asking *asking,
                                        const char *time_zone, int64_t from_ms,
                                        int64_t to_ms, struct hours *ret);
/* The hour of the week then, and when it ends. */
unsigned hours_at(const struct hours *hours, size_t zone, int64_t time_ms,
                  int64_t *end_ms);

/* -------------------------------------------------------------------- then */
/* What was in force when, of a wish (borrowed): its basis, throughout; else the
 * times that were last learned for each hour of the week, and the closures of
 * the span, by its clock: from when on they were, or from when on they were
 * known. Any thread. */
PT_MUST_CHECK enum pt_err then_new(const struct asking *asking,
                                   const struct history_wish *wish,
                                   struct then **ret);
void then_free(struct then *then); /* NULL is fine */
/* What made it, in words of its own. */
const char *then_made_of(const struct then *then);
/* What was in force at a moment of the span, and until when; made when nobody
 * asked for the same just now: some hundred ms, with learned times a second
 * (of a city). A thread holds one, or two while it changes. PT_E_NOMEM,
 * PT_E_DB, PT_E_FULL (time tables), PT_E_RANGE: no such profile. */
PT_MUST_CHECK enum pt_err then_at(struct then *then, int64_t at_ms,
                                  struct then_terms **ret, int64_t *until_ms,
                                  char *message, size_t message_size);
void then_let_go(struct then_terms *terms); /* NULL is fine */
struct coverage_basis *then_basis(const struct then_terms *terms);
/* As dispatch takes them. */
struct roads_metric *const *then_learned(const struct then_terms *terms,
                                         size_t *count);
struct roads_metric *const *then_closed(const struct then_terms *terms,
                                        size_t *count);

/* -------------------------------------------------------------------- sums */
struct gap {
    uint32_t mission;
    int64_t from_ms, to_ms;
};
struct mission_sum {
    bool judged;          /* a promise, and a road */
    uint16_t within;      /* now */
    uint16_t there;       /* now */
    int64_t since_ms;     /* counted until then */
    int64_t out_from_ms;  /* out of cover since; -1: it is not */
    int64_t away_from_ms; /* nobody there since; -1: somebody is */
    int64_t out_ms, longest_ms, longest_from_ms;
    uint32_t outages, passes;
    int64_t unpassed_ms, unpassed_from_ms;
};
struct sums {
    const struct history_wish *wish;
    const struct hours *hours;
    size_t mission_count;
    struct mission_sum *missions;
    uint32_t (*hour_ms)[LEARN_HOURS][HISTORY_FOLDS]; /* by mission */
    uint16_t (*hour_passes)[LEARN_HOURS];            /* likewise */
    size_t gap_count, gap_room;
    struct gap *gaps;
    size_t snapshot_count, snapshot_room;
    struct snapshot *snapshots;
    uint64_t fixes;
    int64_t first_fix_ms, last_fix_ms; /* -1: none */
    uint8_t *reported;
    uint32_t units; /* that count now */
    int64_t units_since_ms;
    double unit_ms;
    int64_t nobody_ms;
};
/* `coverage` has the basis. */
PT_MUST_CHECK enum pt_err sums_new(const struct history_wish *wish,
                                   const struct hours *hours,
                                   const struct coverage *coverage,
                                   struct sums **ret);
void sums_free(struct sums *sums); /* NULL is fine */
/* Slices in their order, each once; the last ends all. */
PT_MUST_CHECK enum pt_err sums_add(struct sums *sums,
                                   const struct slice *slice);
PT_MUST_CHECK enum pt_err sums_end(struct sums *sums);

/* -------------------------------------------------------------------- keep */
/* What made an answer. */
struct kept {
    char made_of[33];
    char read_at[40]; /* as the database says it */
    char *settings;   /* JSON */
};
/* Looks for an answer; `run_id` 0: there is none that still holds. The caller
 * clears `ret`. */
PT_MUST_CHECK enum pt_err keep_find(const struct asking *asking,
                                    const struct history_wish *wish,
                                    const struct then *then, struct kept *ret,
                                    uint32_t *run_id);
void keep_clear(struct kept *kept);
PT_MUST_CHECK enum pt_err
keep_write(const struct asking *asking, const struct kept *kept,
           const struct sums *sums, const struct coverage *coverage,
           const struct frontages *frontages, double took_s, uint32_t *run_id);

#endif
