#ifndef BENCH_ROADS_H
#define BENCH_ROADS_H
/* What the two halves of the measurement share. */
#include "bench.h"
#include "roads.h"

#define BENCH_NEAREST 5
#define BENCH_UNITS 2000

/* A place on any edge, the same ones in every run. */
struct roads_place bench_place(const struct roads *roads);

/* The same question put to PostgreSQL: by straight line with PostGIS, by
 * road with pgRouting. `needed_s` is how far the fifth unit is, on the
 * whole: what pgr_drivingDistance has to be told. */
void bench_sql(const char *conninfo, const struct roads *roads,
               double needed_s);

#endif
