#ifndef BENCH_H
#define BENCH_H
/* What the measuring programs share. */
#include <stddef.h>
#include <stdint.h>

uint64_t bench_now_ns(void);
void bench_sort(uint64_t *ns, size_t count);
/* Prints "what   count   p50   p99   max" of durations, in us; sorts them. */
void bench_tell(const char *what, uint64_t *ns, size_t count);
_Noreturn void bench_die(const char *what, const char *why);

#endif
