#ifndef BENCH_ROADS_H
#define BENCH_ROADS_H
/* What the parts of the measurement share. */
#include "bench.h"
#include "roads.h"

#define BENCH_NEAREST 5
#define BENCH_UNITS 2000

/* A place on any edge that hangs together with the rest. */
struct roads_place bench_place(const struct roads *roads);
/* The same ones once more. */
void bench_again(void);

/* The same question put to PostgreSQL: by straight line with PostGIS, by
 * road with pgRouting. `needed_s` is how far the fifth unit is, on the
 * whole: what pgr_drivingDistance has to be told. */
void bench_sql(const char *conninfo, const struct roads *roads,
               double needed_s);

/* A row of the table, one at a time: between row_call() and row_called() is
 * what is measured, by the clock on the wall, which has in it what else runs
 * on the machine, and by the processor's time of this thread, which has not. A
 * row takes three seconds at most, or as long as five calls do. */
#define ROW_CALLS 20000u
void row_title(void);
void row_begin(void);
bool row_goes_on(size_t most); /* another call? */
void row_call(void);
void row_called(void);
/* `elsewhere`: another process does the work. */
void row_tell(const char *what, bool elsewhere);

#endif
