#ifndef CITY_H
#define CITY_H
/* An OpenStreetMap file as the streets of the patrol profile that is built
 * in, without a database. */
#include "osm.h"
#include "roads.h"

struct city {
    struct osm_network *map;
    struct roads *roads; /* edge i is map->edges[i] */
};

/* Ends the program with a message when it cannot. */
void city_read(const char *path, struct city *ret);
void city_clear(struct city *city);

#endif
