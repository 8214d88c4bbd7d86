#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

_Noreturn void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(EXIT_FAILURE);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

void bench_sort(uint64_t *ns, size_t count)
{
    qsort(ns, count, sizeof(*ns), by_size);
}

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

void bench_tell(const char *what, uint64_t *ns, size_t count)
{
    size_t middle = count / 2;
    size_t high = count * 99 / 100;
    bench_sort(ns, count);
    printf("%-44s %6zu %10.1f %10.1f %10.1f\n", what, count, us(ns[middle]),
           us(ns[high]), us(ns[count - 1]));
}
