#ifndef SMALL_TOWN_H
#define SMALL_TOWN_H
/* A town of six crossings, whose times are worked out by hand: blocks of 400 m
 * that take 20 s, but where another time stands.
 *
 *      5 ---60 s--- 6
 *      |            |
 *  1 - 2 ---------- 3 - 4
 *
 * Edges: 0 West (1 to 2), 1 Bridge (2 to 3), 2 East (3 to 4), 3 Up (2 to 5),
 * 4 Round (5 to 6), 5 Down (6 to 3); ways 10 to 15. */
#include "catalog.h"
#include "coverage.h"
#include "geo.h"
#include "roads.h"

#define BLOCK_M 400.0

/* So many blocks east and north of crossing 1. */
struct geo_point at_block(double east, double north);
/* Profiles patrol, and fast, which takes half the time; turns take none. */
struct roads *make_small_town(void);
/* Missions, numbered from 7 on, at crossings; no zones. */
struct catalog *make_missions(const int *crossings, size_t count);
/* Everybody promised 70 s, one unit within it; no way on foot. */
extern const struct coverage_settings small_town_settings;
/* Its tables made, by the first profile; the caller's. */
struct coverage_basis *make_basis(struct roads *roads, struct catalog *catalog);

#endif
