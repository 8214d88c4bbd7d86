#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H
/* What the files of http share. Loop thread only.
 *
 * http.c         the daemon, the loop, connections and their deadlines
 * http_routes.c  which handler answers which address
 * http_answers_* the handlers: each fills request.reply, none knows a socket
 * http_long.c    answers that may take minutes, by the pool
 * http_closing.c streets closed and opened, by pool and database
 * http_answers_said.c what people heard and saw, by the database
 * http_study.c   answers that take long, by the pool, one after the other
 * http_events.c  the event streams */
#include "http.h"
#include "http_json.h"
#include "http_params.h"
#include "http_ring.h"
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond connections_max so many more are let in to be told 503; those past
 * them wait in the kernel's backlog. */
#define HTTP_SPARE_CONNECTIONS 32u
/* From the connection's start or its last answer to the next complete
 * request; what trickles in byte by byte is cut off then. */
#define HTTP_REQUEST_WITHIN_MS 30000
/* From a complete request to the end of its answer, event streams apart. */
#define HTTP_ANSWER_WITHIN_MS 120000
/* A connection on which nothing goes on is looked at after so long. */
#define HTTP_LOOK_AFTER_MS 1000
/* Neither a byte in nor out for so long: closed by libmicrohttpd. */
#define HTTP_SILENT_S 60u
/* Of a connection: its request line, headers and what it sends piecewise. */
#define HTTP_CONNECTION_BYTES 32768u
/* Of a body; where it is none of a POST or PUT, it is thrown away. */
#define HTTP_BODY_BYTES_MAX 65536u

#define HTTP_ROUTES(X)                     \
    X(ROUTE_UNITS, "listUnits")            \
    X(ROUTE_UNIT, "getUnit")               \
    X(ROUTE_TRACK, "getTrack")             \
    X(ROUTE_HEARD, "noteHeard")            \
    X(ROUTE_UNHEARD, "withdrawHeard")      \
    X(ROUTE_SEEN, "noteSeen")              \
    X(ROUTE_NEAREST, "getNearest")         \
    X(ROUTE_ROUTE, "getRoute")             \
    X(ROUTE_MISSIONS, "listMissions")      \
    X(ROUTE_PLACES, "findPlaces")          \
    X(ROUTE_ZONES, "listZones")            \
    X(ROUTE_CLOSURES, "listClosures")      \
    X(ROUTE_CLOSE, "addClosure")           \
    X(ROUTE_REOPEN, "removeClosure")       \
    X(ROUTE_COVERAGE, "getCoverage")       \
    X(ROUTE_GAPS, "getCoverageGaps")       \
    X(ROUTE_STREETS, "getCoverageStreets") \
    X(ROUTE_WHATIF, "askWhatIf")           \
    X(ROUTE_PAST, "getCoverageHistory")    \
    X(ROUTE_POSTS, "listPosts")            \
    X(ROUTE_SITING, "findPosts")           \
    X(ROUTE_MOVES, "findMoves")            \
    X(ROUTE_WEAK, "getWeakPoints")         \
    X(ROUTE_PLANS, "listPlans")            \
    X(ROUTE_PLAN_MAKE, "makePlan")         \
    X(ROUTE_PLAN, "getPlan")               \
    X(ROUTE_PLAN_REMOVE, "removePlan")     \
    X(ROUTE_PLAN_REPLAY, "replayPlan")     \
    X(ROUTE_ETA, "reportEta")              \
    X(ROUTE_EVENTS, "getEvents")           \
    X(ROUTE_HEALTHZ, "getHealth")          \
    X(ROUTE_READYZ, "getReadiness")        \
    X(ROUTE_METRICS, "getMetrics")         \
    X(ROUTE_TILE, "getTile")               \
    X(ROUTE_PAGE, "getPage")               \
    X(ROUTE_NONE, "none")

enum http_route {
#define HTTP_ROUTE_ENUM(name, operation) name,
    HTTP_ROUTES(HTTP_ROUTE_ENUM)
#undef HTTP_ROUTE_ENUM
        ROUTE_COUNT
};

/* "\"", 16 hexadecimal digits, "\"" */
#define REPLY_ETAG_SIZE 19

enum reply_kind {
    REPLY_BODY,   /* `body`, with `status` */
    REPLY_FIXED,  /* `fixed`, with `status`; may be empty */
    REPLY_LATER,  /* the database is asked; later_done() follows */
    REPLY_STREAM, /* an event stream */
};

struct reply {
    enum reply_kind kind;
    unsigned status;
    const char *content_type;
    unsigned retry_after_s; /* 0: no such header */
    bool close;             /* the connection, afterwards */
    char allow[40];         /* the methods, of a 405 */
    char location[48];      /* of what was made; "": nothing was */
    struct json body;
    const void *fixed; /* borrowed for as long as the program runs */
    size_t fixed_size;
    char etag[REPLY_ETAG_SIZE]; /* "": no-store; else to be asked for again */
    const char *policy;         /* Content-Security-Policy, or NULL */
};

/* One TCP connection. */
struct client {
    struct client *next, *previous;
    int fd;
    int64_t deadline_ms; /* loop time; INT64_MAX: none */
    int64_t look_ms;     /* when to see whether it has left, once */
    bool surplus;        /* came when connections_max were open: hears 503 */
};

/* An answer under way; first what it is part of. Lives until whoever was asked
 * has called back. */
struct later {
    struct later *next, *previous; /* http.laters, while attached */
    struct request *request;       /* NULL: nobody waits any more */
};
struct closure_job;
struct study;
struct long_job;

/* One request; freed with its memory when libmicrohttpd is done with it. */
struct request {
    struct http *http;
    struct MHD_Connection *connection;
    struct client *client;
    char *target; /* as sent; NULL when out of memory */
    struct params params;
    enum http_route route;
    const char *argument; /* the path's variable segment, decoded, or NULL */
    char argument_text[PARAMS_VALUE_BYTES_MAX + 1];
    const char *last_event_id;
    const char *if_none_match;
    const char *content_type; /* likewise NULL when not said */
    size_t body_bytes;
    char *body; /* of a POST or PUT; not terminated; NULL: none */
    bool headers_seen;
    bool head;           /* HEAD, not GET */
    struct later *later; /* under way, or NULL */
    bool answered;       /* `reply` is ready, after REPLY_LATER */
    bool suspended;      /* its connection, until then */
    struct reply reply;
};

struct stream;

struct http {
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t ready;   /* libmicrohttpd's epoll descriptor */
    uv_timer_t due;    /* its own time-outs */
    uv_timer_t second; /* deadlines, heartbeats, clients that went away */
    uv_timer_t wake;   /* streams, at most ten times a second */
    unsigned open_handles;
    void (*closed)(void *context);
    void *closed_context;

    struct catalog *const *catalog;
    struct fleet *fleet;
    struct dispatch *dispatch;
    struct closures_view *const *closures;
    struct db *db;
    struct metrics *metrics;
    struct speeds *const *speeds; /* NULL, or of NULL: none were learned */
    struct arrivals *arrivals;    /* NULL: predictions are not followed */
    const struct http_health *health;
    struct http_coverage *coverage; /* NULL: none */
    unsigned connections_max, streams_max;

    struct client *clients;
    uint64_t client_count;
    struct later *laters;
    struct tiles *tiles;
    struct closure_job *closing;
    unsigned closing_count;
    unsigned made_count;
    struct areas_job *areas_wanted; /* answers that wait for areas of gaps */
    struct study *studies; /* the first is under way, the others wait */
    uint64_t studies_here, studies_done, studies_refused, studies_ns;
    struct long_job *longs; /* one is under way, others wait or are over */
    uint64_t longs_here, longs_done;

    struct http_ring *ring;
    struct stream *streams;
    uint64_t stream_count;
    uint64_t catalog_changes; /* how often "catalog" was told */
    int64_t woken_ms;         /* loop time of the streams' last waking */
    struct json scratch;      /* one event while it is written */

    uint64_t requests[ROUTE_COUNT];
    uint64_t answers[6]; /* by the status' first digit */
    uint64_t refused_hosts, cut_off, resets;
};

int64_t http_wall_ms(void);
/* The other side has closed, and all that it sent has been read. */
bool http_peer_has_left(int fd);

/* ------------------------------------------------------------------ routes */
/* Finds the handler and runs it; request.reply is filled afterwards. */
void routes_answer(struct request *rq, const char *method, const char *host);
const char *routes_operation(enum http_route route);

/* ----------------------------------------------------------------- problems */
#define PROBLEM_JSON "application/problem+json"
#define PLAIN_JSON "application/json"

/* The kinds of problem: the end of their "type" URI, status and title. */
#define PROBLEMS(X)                                                          \
    X(PROBLEM_PARAMETER, "invalid-parameter", 400, "A parameter is wrong")   \
    X(PROBLEM_REQUEST, "malformed-request", 400, "The request is malformed") \
    X(PROBLEM_HOST, "foreign-host", 403, "Only for this machine")            \
    X(PROBLEM_NO_PATH, "no-such-path", 404, "No such address")               \
    X(PROBLEM_NO_UNIT, "no-such-unit", 404, "No such unit")                  \
    X(PROBLEM_NO_MISSION, "no-such-mission", 404, "No such mission")         \
    X(PROBLEM_NO_CLOSURE, "no-such-closure", 404, "No such closure")         \
    X(PROBLEM_NO_STREET, "no-such-street", 404, "No such street")            \
    X(PROBLEM_NO_PLAN, "no-such-plan", 404, "No such plan")                  \
    X(PROBLEM_NOT_HEARD, "nothing-heard", 404, "Nothing was heard by radio") \
    X(PROBLEM_METHOD, "method-not-allowed", 405, "Method not allowed")       \
    X(PROBLEM_AMBIGUOUS, "ambiguous-mission", 409, "Several missions fit")   \
    X(PROBLEM_NO_ACT, "nothing-to-be-seen", 409, "That was not said last")   \
    X(PROBLEM_STREETS, "ambiguous-street", 409, "Several streets fit")       \
    X(PROBLEM_CLOSURES, "too-many-closures", 409, "Too much is closed")      \
    X(PROBLEM_TOO_LONG, "address-too-long", 414, "The address is too long")  \
    X(PROBLEM_TYPE, "unsupported-media-type", 415, "JSON is expected")       \
    X(PROBLEM_OFF_ROAD, "point-off-the-road", 422, "No road near the point") \
    X(PROBLEM_UNIT_PLACE, "unit-without-place", 422,                         \
      "The unit's place on the road is not known")                           \
    X(PROBLEM_NO_WAY, "no-way-by-road", 422, "No way by road")               \
    X(PROBLEM_NO_MEETING, "streets-do-not-meet", 422,                        \
      "The streets do not meet")                                             \
    X(PROBLEM_FAILED, "internal-error", 500, "The gateway failed")           \
    X(PROBLEM_NO_ROADS, "no-road-network", 503, "No road network is loaded") \
    X(PROBLEM_NO_COVERAGE, "coverage-not-ready", 503,                        \
      "Coverage is not known yet")                                           \
    X(PROBLEM_DATABASE, "database-unavailable", 503,                         \
      "The database does not answer")                                        \
    X(PROBLEM_BUSY, "busy", 503, "A limit is reached")

enum problem {
#define PROBLEM_ENUM(name, slug, status, title) name,
    PROBLEMS(PROBLEM_ENUM)
#undef PROBLEM_ENUM
        PROBLEM_COUNT
};

unsigned problem_status(enum problem problem);
/* Opens the object and writes type, title, status and detail; the caller may
 * add members and ends it. */
void problem_begin(struct json *json, enum problem problem, const char *detail);

/* One of the handles that must be closed before http goes has been. */
void http_part_closed(struct http *http);
/* The reply is a tile, or 304. */
void reply_tile(struct request *rq, const void *bytes, size_t size);

/* The reply becomes this problem. */
__attribute__((format(printf, 3, 4))) void reply_problem(struct request *rq,
                                                         enum problem problem,
                                                         const char *format,
                                                         ...);
/* 400 that names the parameter; NULL or "": none in particular. */
void reply_parameter(struct request *rq, const char *parameter,
                     const char *what);
/* Begins a 200 of JSON; the handler writes into the result. */
struct json *reply_json(struct request *rq);

/* ------------------------------------------------- handlers and their parts */
void answer_units(struct request *rq);
void answer_unit(struct request *rq);
void answer_track(struct request *rq);
void answer_heard(struct request *rq);
void answer_unheard(struct request *rq);
void answer_seen(struct request *rq);
void answer_nearest(struct request *rq);
void answer_route(struct request *rq);
void answer_coverage(struct request *rq);
/* How it was at that time, as typed. */
void answer_coverage_at(struct request *rq, const char *at);
void answer_coverage_gaps(struct request *rq);
void answer_coverage_streets(struct request *rq);
/* The layer "coverage". */
void answer_coverage_tile(struct request *rq, const struct tile *tile);
void answer_whatif(struct request *rq);
void answer_coverage_history(struct request *rq);
void answer_posts(struct request *rq);
void answer_posts_search(struct request *rq);
void answer_moves(struct request *rq);
void answer_weak(struct request *rq);
void answer_plans(struct request *rq);
void answer_plan_make(struct request *rq);
void answer_plan(struct request *rq);
void answer_plan_remove(struct request *rq);
void answer_plan_replay(struct request *rq);
void answer_missions(struct request *rq);
void answer_places(struct request *rq);
void answer_zones(struct request *rq);
void answer_health(struct request *rq);
void answer_ready(struct request *rq);
void answer_metrics(struct request *rq);
void answer_closures(struct request *rq);
void answer_close(struct request *rq);
void answer_reopen(struct request *rq);
void answer_eta_report(struct request *rq);
void answer_events(struct request *rq);
void answer_tile(struct request *rq);
void answer_page(struct request *rq);

/* Sets the reply's ETag; true when the client has just that: the reply is 304
 * then, without a body. */
bool reply_unchanged(struct request *rq, const char *etag);

/* The unit named by `call_sign`; else NULL and a 404. */
const struct catalog_unit *request_unit(struct request *rq,
                                        const char *call_sign);
/* The zone of the parameter `zone` (its number, or its name without regard
 * to case and accents); NULL when not given. False with a 400 when no zone
 * is called so. */
bool request_zone(struct request *rq, const struct catalog_zone **ret);
/* By its number or name, likewise; NULL when no zone is called so. */
const struct catalog_zone *zone_of(const struct catalog *catalog,
                                   const char *typed);
/* The mission of that number or name; false with a problem. */
bool find_mission(struct request *rq, const char *typed,
                  const struct catalog_mission **ret);
/* The mission of the parameter of that name; NULL when not given. False with a
 * problem. */
bool request_mission(struct request *rq, const struct catalog_mission **ret);
/* The point of `lat` and `lon` or of `mission`; false with a problem. `ret`
 * is NULL without a mission. */
bool request_target(struct request *rq, struct geo_point *at,
                    const struct catalog_mission **ret);
/* All the words of `folded_words` occur in `folded`. */
bool folded_has_words(const char *folded, const char *folded_words);

/* ------------------------------------------------------------- coverage */
/* NULL until its first time tables are there. */
struct coverage_basis *coverage_basis_of(const struct http *http);
/* The last streets; NULL after a problem. */
struct coverage_streets *request_streets(struct request *rq);
/* By what an answer was made, as members; of the streets of that time. */
void write_coverage_made_by(struct json *json, const struct http *http,
                            int64_t streets_ms);
void reply_no_coverage(struct request *rq);
/* There are time tables of the network in force; false with a problem. */
bool request_coverage_now(struct request *rq);
void areas_end_all(struct http *http); /* after later_end_all() */

/* ---------------------------------------------------------- predictions */
struct eta {
    const struct catalog_unit *unit;
    const struct fleet_unit *state;
    const char *profile; /* NULL: the first */
    double drive_s, access_s, start_s;
    double distance_m; /* by road */
    int promise_s;     /* 0: none */
    int64_t now_ms;
    bool has_range;
    double low_s, high_s;
    double p_within; /* below 0: not known */
};
/* Fills in has_range and what stands below it. */
void eta_judge(const struct http *http, struct eta *eta);
/* eta_low_s, eta_high_s, p_within_promise; null where not known. */
void write_eta(struct json *json, const struct eta *eta);
/* For patrol.eta_prediction, should it come true. */
void eta_note(struct http *http, const struct eta *eta, struct geo_point to,
              const struct catalog_mission *mission);

/* One unit as an object; `state` may be NULL (never heard). */
void write_unit(struct json *json, const struct catalog_unit *unit,
                const struct fleet_unit *state, int64_t now_ms);
/* Missions that would fall out of cover if it went, as the members "uncovers"
 * and "uncovers_count"; `target`, to which it would go, may be NULL and is none
 * of them. Null while coverage is not known. */
void write_uncovers(struct json *json, const struct http *http,
                    const struct fleet_unit *state,
                    const struct catalog_mission *target);
/* Of the same their number; -1 while coverage is not known. */
int64_t uncovers_count(const struct http *http, const struct fleet_unit *state,
                       const struct catalog_mission *target);
/* A zone of a coverage as an object; `live` with its alarm. */
void write_cover_zone(struct json *json, const char *key,
                      const struct coverage *coverage, size_t index, bool live);
/* What a mission has of cover, as the members off_road, promise_s, covered and
 * within; `level` units are to be there in time. */
void write_cover(struct json *json, const struct coverage_mission *mission,
                 unsigned level);
/* True, false, or -1 where there is nothing to be covered. */
int is_covered(const struct coverage_mission *mission, unsigned level);
/* Its first units as the member "units", by the names that `name` gives. */
typedef const char *(*unit_name)(const void *context, uint32_t slot);
void write_arrivals(struct json *json, const struct coverage_mission *mission,
                    unit_name name, const void *context);
/* Gaps of streets as the array "features"; `areas` NULL: as lines; `zone` NULL:
 * all. Any thread that holds them. */
void write_gaps(struct json *json, const struct coverage_streets *streets,
                const struct coverage_areas *areas,
                const struct catalog_zone *zone);
/* Where a unit is believed to be, as an object of its own. */
void write_believed(struct json *json, struct geo_point at, double forward_s);
/* Which parts the answer lacks, as the member "degraded". */
void write_degraded(struct json *json, const struct http *http);
const char *part_word(enum http_part_id id);
const char *part_state_word(enum pulse_state state);
void write_silent(struct json *json, const struct fleet_unit *state);
/* What was heard by radio, as the member "radio"; of its status only this. */
void write_radio(struct json *json, const struct fleet_radio *radio,
                 enum pt_status status, int64_t now_ms);
void write_mission(struct json *json, const char *key,
                   const struct catalog_mission *mission);

/* ------------------------------------------------ answers to be waited for
 */
/* The request waits from here on (REPLY_LATER). */
void later_attach(struct request *rq, struct later *later);
/* Who waits for it; NULL when nobody does any more. Detaches it. */
struct request *later_take(struct later *later);
/* Whatever is under way for the request: its answer goes nowhere. */
void later_cancel(struct request *rq);
/* All who wait are told that the gateway stops. */
void later_end_all(struct http *http);
/* The reply is there: the connection goes on. */
void later_done(struct request *rq);

/* --------------------------------------------------- what may take minutes */
void longs_every_second(struct http *http);
void longs_end_all(struct http *http); /* after later_end_all() */

/* ---------------------------------------------------------------- closures */
void closures_end_all(struct http *http); /* after later_end_all() */
void closures_every_second(struct http *http);
/* The closures in force on some directed edges, each once, as the array
 * "closures"; of at most CLOSURES_NAMED_MAX. */
#define CLOSURES_NAMED_MAX 32u
void write_closures_on(struct json *json, const struct http *http,
                       const uint32_t *directed, size_t count);
/* Their lines as the member "geometry". */
void write_pieces(struct json *json, const struct closures_piece *pieces,
                  size_t count);
/* Null unless it is above 0. */
void write_positive(struct json *json, const char *key, double value);
/* What closures_find() did not find, and why. The member of the request that
 * names the streets is `parameter`. */
void reply_no_street(struct request *rq, enum pt_err err,
                     const struct closures_found *found, const char *parameter);
/* The body is to be JSON by its Content-Type: a page of a foreign site can have
 * a browser send a form or plain text here, but not JSON, without asking first;
 * and we do not say yes. False with a problem. */
bool request_is_json(struct request *rq);
/* One as a GeoJSON feature. */
void write_closure(struct json *json, const char *key,
                   const struct closures_match *match);
/* Their numbers only. */
void write_closure_ids(struct json *json, const struct http *http,
                       const uint32_t *directed, size_t count);
/* Something is closed or slowed now. */
bool closures_in_force(const struct http *http);

/* A statement whose parameters are one of the handler's own and the two ends
 * of a span, and whose one row has so many columns. */
struct question {
    const char *what; /* for people: "track" */
    const char *sql;
    int fields;
    void (*write)(struct request *rq, int64_t from_ms, int64_t to_ms,
                  const PGresult *result);
};
/* from <= time < to of the parameters; `usual_ms` before the end, and that is
 * now, when they are not given. False with a 400. */
bool ask_span(struct request *rq, int64_t usual_ms, int64_t most_ms,
              const char *too_long, int64_t *from_ms, int64_t *to_ms);
/* The reply comes when the database has answered; `first` may be NULL. */
void ask_database(struct request *rq, const struct question *question,
                  const char *first, int64_t from_ms, int64_t to_ms);

/* -------------------------------------------------------------- event streams
 */
struct MHD_Response *sse_response(struct request *rq);
void sse_every_second(struct http *http);
/* All streams end; http_close() only. */
void sse_end_all(struct http *http);

#endif
