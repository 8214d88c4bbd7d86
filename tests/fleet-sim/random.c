#include "sim.h"
#include <math.h>

static uint64_t scramble(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t rng_mix(uint64_t a, uint64_t b)
{
    return scramble(scramble(a + UINT64_C(0x9e3779b97f4a7c15)) ^ b);
}

void rng_init(struct rng *rng, uint64_t seed, uint64_t stream)
{
    rng->state = rng_mix(seed, stream);
}

uint64_t rng_next(struct rng *rng)
{
    rng->state += UINT64_C(0x9e3779b97f4a7c15);
    return scramble(rng->state);
}

/* The upper 53 bits: every double of that spacing is as likely. */
double rng_share(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double rng_between(struct rng *rng, double from, double to)
{
    return from + (to - from) * rng_share(rng);
}

size_t rng_below(struct rng *rng, size_t count)
{
    return (size_t)(rng_share(rng) * (double)count);
}

/* Box and Muller 1958; the second number of the pair is not kept, so that a
 * draw costs the same whatever came before. */
double rng_normal(struct rng *rng)
{
    double radius = sqrt(-2.0 * log(1.0 - rng_share(rng)));
    return radius * cos(2.0 * M_PI * rng_share(rng));
}

double rng_exponential(struct rng *rng, double mean)
{
    return -mean * log(1.0 - rng_share(rng));
}
