#ifndef BENCH_ROADS_H
#define BENCH_ROADS_H
/* What the two halves of the measurement share. */
#include "roads.h"

#define BENCH_NEAREST 5
#define BENCH_UNITS 2000

/* A place on any edge, the same ones in every run. */
struct roads_place bench_place(const struct roads *roads);
uint64_t bench_now_ns(void);
/* Prints "what   p50   p99   max" of durations; sorts them. */
void bench_tell(const char *what, uint64_t *ns, size_t count);
_Noreturn void bench_die(const char *what, const char *why);

/* The same question put to PostgreSQL: by straight line with PostGIS, by
 * road with pgRouting. `needed_s` is how far the fifth unit is, on the
 * whole: what pgr_drivingDistance has to be told. */
void bench_sql(const char *conninfo, const struct roads *roads,
               double needed_s);

#endif
