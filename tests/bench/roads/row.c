/* Rows of the table: how long calls took. */
#include "bench_roads.h"

#include <stdio.h>
#include <time.h>

#define ROW_NS UINT64_C(3000000000)
#define AT_LEAST 5u

static struct {
    uint64_t began_ns; /* the row */
    uint64_t call_ns, call_cpu_ns;
    size_t count;
    uint64_t wall[ROW_CALLS], cpu[ROW_CALLS];
} row;

/* Of this thread alone. */
static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

void row_title(void)
{
    printf("%-44s %6s %10s %10s %10s %10s\n", "", "calls", "p50 us", "p99 us",
           "cpu p50", "cpu p99");
}

void row_begin(void)
{
    row.began_ns = bench_now_ns();
    row.count = 0;
}

bool row_goes_on(size_t most)
{
    return row.count < AT_LEAST || (row.count < most && row.count < ROW_CALLS &&
                                    bench_now_ns() - row.began_ns < ROW_NS);
}

void row_call(void)
{
    row.call_cpu_ns = cpu_ns();
    row.call_ns = bench_now_ns();
}

void row_called(void)
{
    row.wall[row.count] = bench_now_ns() - row.call_ns;
    row.cpu[row.count++] = cpu_ns() - row.call_cpu_ns;
}

void row_tell(const char *what, bool elsewhere)
{
    size_t middle = row.count / 2;
    size_t high = row.count * 99 / 100;
    bench_sort(row.wall, row.count);
    bench_sort(row.cpu, row.count);
    printf("%-44s %6zu %10.1f %10.1f", what, row.count,
           (double)row.wall[middle] / 1e3, (double)row.wall[high] / 1e3);
    if (elsewhere)
        printf(" %10s %10s\n", "-", "-");
    else
        printf(" %10.1f %10.1f\n", (double)row.cpu[middle] / 1e3,
               (double)row.cpu[high] / 1e3);
}
