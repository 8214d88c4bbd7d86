/* How long "who is nearest" takes over HTTP while a fleet reports:
 *
 *   bench_nearest CONNINFO HTTP-PORT BROKER-PORT [FIXES-A-SECOND]
 *
 * The database holds a road network and no units; the gateway and the broker
 * (without TLS) on 127.0.0.1 belong to it. Every figure is the wall-clock
 * time of one request and its whole answer on one kept connection. Three
 * questions take turns in blocks, so that what else the machine does meets
 * all of them: /healthz, which is what any answer costs here; /v1/nearest;
 * and PostGIS' <-> over the same places, by straight line, prepared, on a
 * socket. */
#include "bench.h"
#include "feed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCKS 20
#define REQUESTS 1000 /* in a block */
#define QUERIES 250   /* of SQL, in a block */
#define POINTS_MAX 6000
#define ANSWER_BYTES_MAX ((size_t)1 << 20)

static uint64_t health_ns[BLOCKS * REQUESTS];
static uint64_t nearest_ns[BLOCKS * REQUESTS];
static uint64_t sql_ns[BLOCKS * QUERIES];

static struct feed_beat points[POINTS_MAX];
static size_t point_count;

/* ------------------------------------------------------------- database */
static PGresult *run(PGconn *db, const char *sql, ExecStatusType expected)
{
    PGresult *result = PQexec(db, sql);
    if (PQresultStatus(result) != expected)
        bench_die("SQL", PQerrorMessage(db));
    return result;
}

static int32_t e6_at(const PGresult *rows, int row, int column)
{
    return (int32_t)strtol(PQgetvalue(rows, row, column), NULL, 10);
}

/* The same places in every run: two on each of so many streets. */
static void read_points(PGconn *db)
{
    PQclear(run(db, "SELECT setseed(0.5)", PGRES_TUPLES_OK));
    PGresult *rows =
        run(db,
            "SELECT round(ST_Y(a) * 1e6)::int, round(ST_X(a) * 1e6)::int,"
            " round(ST_Y(b) * 1e6)::int, round(ST_X(b) * 1e6)::int FROM"
            " (SELECT ST_LineInterpolatePoint(geom, 0.3) AS a,"
            " ST_LineInterpolatePoint(geom, 0.7) AS b FROM"
            " (SELECT geom FROM patrol.road_edge ORDER BY edge_id) o"
            " ORDER BY random() LIMIT 6000) s",
            PGRES_TUPLES_OK);
    point_count = (size_t)PQntuples(rows);
    for (size_t i = 0; i < point_count; i++) {
        int row = (int)i;
        points[i].from =
            (struct geo_point){e6_at(rows, row, 0), e6_at(rows, row, 1)};
        points[i].to =
            (struct geo_point){e6_at(rows, row, 2), e6_at(rows, row, 3)};
    }
    PQclear(rows);
    if (point_count == 0)
        bench_die("the database", "no road network");
}

static void add_units(PGconn *db)
{
    char sql[1000];
    snprintf(sql, sizeof(sql),
             "BEGIN; INSERT INTO patrol.unit (call_sign) SELECT 'unit-' || n"
             " FROM generate_series(1, %1$d) n;"
             "INSERT INTO patrol.device (name) SELECT 'bench-' ||"
             " lpad(n::text, 4, '0') FROM generate_series(1, %1$d) n;"
             "INSERT INTO patrol.unit_device (unit_id, device_id, \"from\")"
             " SELECT unit_id, device_id, now() - interval '1 day' FROM"
             " generate_series(1, %1$d) n JOIN patrol.unit ON call_sign ="
             " 'unit-' || n JOIN patrol.device ON name = 'bench-' ||"
             " lpad(n::text, 4, '0'); COMMIT",
             FEED_UNITS);
    PQclear(run(db, sql, PGRES_COMMAND_OK));
}

static void prepare_line(PGconn *db)
{
    PQclear(run(db,
                "CREATE TEMP TABLE bench_unit (unit integer,"
                " geom geometry(Point, 4326))",
                PGRES_COMMAND_OK));
    for (size_t i = 0; i < FEED_UNITS; i++) {
        struct geo_point at = points[i % point_count].from;
        char sql[160];
        snprintf(sql, sizeof(sql),
                 "INSERT INTO bench_unit VALUES (%zu,"
                 " ST_SetSRID(ST_MakePoint(%.6f, %.6f), 4326))",
                 i, geo_lon_deg(at), geo_lat_deg(at));
        PQclear(run(db, sql, PGRES_COMMAND_OK));
    }
    PQclear(run(db,
                "CREATE INDEX ON bench_unit USING gist (geom);"
                "ANALYZE bench_unit",
                PGRES_COMMAND_OK));
    PGresult *result =
        PQprepare(db, "line",
                  "SELECT unit FROM bench_unit ORDER BY geom <->"
                  " ST_SetSRID(ST_MakePoint($1, $2), 4326) LIMIT 5",
                  0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        bench_die("SQL", PQerrorMessage(db));
    PQclear(result);
}

static uint64_t ask_sql(PGconn *db, struct geo_point at)
{
    char lon[32];
    char lat[32];
    const char *params[] = {lon, lat};
    snprintf(lon, sizeof(lon), "%.6f", geo_lon_deg(at));
    snprintf(lat, sizeof(lat), "%.6f", geo_lat_deg(at));
    uint64_t start = bench_now_ns();
    PGresult *result = PQexecPrepared(db, "line", 2, params, NULL, NULL, 0);
    uint64_t took = bench_now_ns() - start;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 5)
        bench_die("PostGIS", PQerrorMessage(db));
    PQclear(result);
    return took;
}

/* ----------------------------------------------------------------- HTTP */
static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
        bench_die("connecting to the gateway", strerror(errno));
    return fd;
}

/* Bytes of the answer's header and body; 0: not all of the header yet. */
static size_t whole_size(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    const char *length = strcasestr(answer, "\r\ncontent-length:");
    if (end == NULL)
        return 0;
    if (length == NULL || length > end)
        bench_die("the gateway", "no Content-Length");
    return (size_t)(end + 4 - answer) + strtoul(length + 17, NULL, 10);
}

/* One request and its answer; the body, which lives until the next. */
static const char *ask(int fd, const char *target, uint64_t *took_ns)
{
    static char answer[ANSWER_BYTES_MAX + 1];
    char request[256];
    size_t size = 0;
    size_t wanted = 0;
    int length = snprintf(request, sizeof(request),
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
    uint64_t start = bench_now_ns();
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        bench_die("the gateway", strerror(errno));
    while (wanted == 0 || size < wanted) {
        ssize_t got = recv(fd, answer + size, ANSWER_BYTES_MAX - size, 0);
        if (got <= 0)
            bench_die("the gateway", "closed the connection");
        size += (size_t)got;
        answer[size] = '\0';
        if (wanted == 0)
            wanted = whole_size(answer);
        if (wanted > ANSWER_BYTES_MAX)
            bench_die("the gateway", "an answer that is too long");
    }
    *took_ns = bench_now_ns() - start;
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0
               ? strstr(answer, "\r\n\r\n") + 4
               : NULL;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}

static const char *ask_nearest(int fd, struct geo_point at, uint64_t *took_ns)
{
    char target[96];
    snprintf(target, sizeof(target), "/v1/nearest?lat=%.6f&lon=%.6f&k=5",
             geo_lat_deg(at), geo_lon_deg(at));
    return ask(fd, target, took_ns);
}

static double metric(int fd, const char *name)
{
    uint64_t took;
    const char *page = ask(fd, "/metrics", &took);
    const char *line = page == NULL ? NULL : strstr(page, name);
    if (line == NULL)
        bench_die("the gateway does not tell", name);
    return strtod(line + strlen(name), NULL);
}

/* ------------------------------------------------------------ measuring */
static struct geo_point place(size_t i)
{
    size_t from = point_count > 2 * (size_t)FEED_UNITS ? FEED_UNITS : 0;
    return points[from + i % (point_count - from)].from;
}

#define ACCEPTED "\npatrol_intake_entries_total{verdict=\"accepted\"} "

static void measure(int fd, PGconn *db, const char *what)
{
    uint64_t begun_ns = bench_now_ns();
    double before = metric(fd, ACCEPTED);
    size_t full = 0, excluded = 0, bytes = 0;
    for (size_t block = 0; block < BLOCKS; block++) {
        for (size_t i = block * REQUESTS; i < (block + 1) * REQUESTS; i++)
            if (ask(fd, "/healthz", &health_ns[i]) == NULL)
                bench_die("/healthz", "not 200");
        for (size_t i = block * REQUESTS; i < (block + 1) * REQUESTS; i++) {
            const char *body = ask_nearest(fd, place(i), &nearest_ns[i]);
            if (body == NULL)
                bench_die("/v1/nearest", "not 200");
            full += count_of(body, "\"eta_s\"") == 5;
            excluded += count_of(body, "\"reason\"");
            bytes += strlen(body);
        }
        for (size_t i = block * QUERIES; i < (block + 1) * QUERIES; i++)
            sql_ns[i] = ask_sql(db, place(i));
    }
    size_t requests = (size_t)BLOCKS * REQUESTS;
    double seconds = (double)(bench_now_ns() - begun_ns) / 1e9;
    printf("\n%s: %zu of %zu answers with five units, %.1f excluded and %zu"
           " bytes on average; %.0f fixes/s taken in\n",
           what, full, requests, (double)excluded / (double)requests,
           bytes / requests, (metric(fd, ACCEPTED) - before) / seconds);
    bench_tell("GET /healthz", health_ns, requests);
    bench_tell("GET /v1/nearest, k=5", nearest_ns, requests);
    bench_tell("PostGIS <->, straight line, libpq", sql_ns,
               (size_t)BLOCKS * QUERIES);
}

/* Until every unit stands where it said, in the state that it was told. */
static void wait_for_units(int fd, struct feed_orders *orders, unsigned each)
{
    atomic_store(&orders->busy_each, each);
    unsigned long long at = atomic_load(&orders->sent);
    for (int tries = 0; tries < 600; tries++) {
        uint64_t took;
        usleep(100000);
        if (atomic_load(&orders->sent) < at + 2ull * FEED_UNITS)
            continue;
        if (metric(fd, "\npatrol_units_live ") < FEED_UNITS)
            continue;
        const char *body = ask_nearest(fd, place(0), &took);
        if (body != NULL && (each != 0) == (strstr(body, "\"reason\"") != NULL))
            return;
    }
    bench_die("the gateway", "does not know the units after a minute");
}

static struct feed_orders *begin_feed(int broker_port, unsigned per_second,
                                      pid_t *ret)
{
    static struct feed_beat beats[FEED_UNITS];
    struct feed_orders *orders =
        mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (orders == MAP_FAILED)
        bench_die("the feeder", strerror(errno));
    for (size_t i = 0; i < FEED_UNITS; i++)
        beats[i] = points[i % point_count];
    *ret = fork();
    if (*ret < 0)
        bench_die("the feeder", strerror(errno));
    if (*ret == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        feed(broker_port, per_second, beats, orders);
    }
    return orders;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: bench_nearest CONNINFO HTTP-PORT BROKER-PORT"
                        " [FIXES-A-SECOND]\n");
        return 2;
    }
    unsigned per_second = argc == 5 ? (unsigned)atoi(argv[4]) : 2000;
    PGconn *db = PQconnectdb(argv[1]);
    if (PQstatus(db) != CONNECTION_OK)
        bench_die("connecting", PQerrorMessage(db));
    read_points(db);
    add_units(db);
    prepare_line(db);
    sleep(1); /* the gateway hears of the units */
    pid_t feeder;
    struct feed_orders *orders = begin_feed(atoi(argv[3]), per_second, &feeder);
    int fd = dial(atoi(argv[2]));
    printf("%-44s %6s %10s %10s %10s\n", "", "calls", "p50 us", "p99 us",
           "max us");
    wait_for_units(fd, orders, 0);
    measure(fd, db, "all of 2,000 units available");
    wait_for_units(fd, orders, 10);
    measure(fd, db, "one in ten busy");
    close(fd);
    kill(feeder, SIGTERM);
    PQfinish(db);
    return 0;
}
