#ifndef BENCH_INGEST_H
#define BENCH_INGEST_H
/* What the parts of bench_ingest share. */
#include <stddef.h>
#include <stdint.h>

struct where {
    int port;          /* of the broker, on localhost */
    const char *certs; /* NULL: no TLS; ca.crt, NAME.crt and NAME.key */
};

#define DEVICES_MAX 9999
/* "bench-0001" ... */
void device_name(size_t device, char ret[16]);

/* Vehicles that send, each over a connection of its own. Tells and is told
 * by lines on standard output and input; bench_ingest.c says which. */
struct load_settings {
    struct where where;
    size_t devices;
    size_t entries; /* in a message */
    double seconds;
    double per_second;   /* entries in all; 0: as fast as the window allows */
    uint64_t window;     /* entries under way at most */
    size_t ahead;        /* messages of a vehicle without receipt; 0: any */
    const char *streets; /* file; see load.c */
    int receipts;        /* 0: nobody sends any */
};
int load(const struct load_settings *settings);

/* One subscriber to all reports that does nothing but count them. */
int count(const struct where *where);

#endif
