/* The parts of tests/bench/ingest/run that must be fast:
 *
 *   bench_ingest certs DIR DEVICES
 *       makes an authority in DIR/ca, and certificates of the broker, the
 *       gateway, the counter and all devices in DIR
 *   bench_ingest load PORT CERTS DEVICES ENTRIES SECONDS RATE WINDOW AHEAD
 *                     RECEIPTS STREETS
 *       DEVICES vehicles on a connection each say "ready" when all are
 *       connected, wait for "go", and then send messages of ENTRIES fixes:
 *       RATE fixes a second in all (0: what goes), at most WINDOW more than
 *       the number last read from standard input says have got through, and
 *       at most AHEAD messages of a vehicle that have no receipt (0: any).
 *       Then "sent ENTRIES MESSAGES BYTES SECONDS", and, with RECEIPTS 1,
 *       when all are receipted, "receipted ENTRIES SECONDS P50 P99 MAX" (ms
 *       from sending), or after a minute without any: "missing ENTRIES"
 *   bench_ingest count PORT CERTS
 *       says "ready", and from then on how many messages came
 *
 * CERTS is a directory, or "-" for no TLS. STREETS is a file with the ends of
 * a street in each line, where the vehicles drive to and fro. */
#include "bench_ingest.h"

#include "bench.h"
#include "ca.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void device_name(size_t device, char ret[16])
{
    snprintf(ret, 16, "bench-%04u", (unsigned)(device + 1) % 10000u);
}

static void issue(const char *ca, const char *out, const char *name,
                  enum ca_role role)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    struct ca_request request = {.name = name, .role = role, .days = 2};
    char message[256];
    if (role == CA_SERVER) {
        request.hosts = hosts;
        request.host_count = 2;
    }
    if (ca_issue(ca, out, &request, message, sizeof(message)) != PT_OK)
        bench_die(name, message);
}

static int certs(const char *dir, size_t devices)
{
    char ca[512];
    char message[256];
    snprintf(ca, sizeof(ca), "%s/ca", dir);
    if (ca_init(ca, message, sizeof(message)) != PT_OK)
        bench_die(ca, message);
    issue(ca, dir, "broker", CA_SERVER);
    issue(ca, dir, "patrol-gateway", CA_CLIENT);
    for (size_t i = 0; i < devices; i++) {
        char name[16];
        device_name(i, name);
        issue(ca, dir, name, CA_CLIENT);
    }
    return EXIT_SUCCESS;
}

static struct where where_of(char **words)
{
    return (struct where){
        .port = atoi(words[0]),
        .certs = strcmp(words[1], "-") == 0 ? NULL : words[1],
    };
}

static size_t number(const char *word)
{
    return strtoul(word, NULL, 10);
}

static int load_as(char **words)
{
    struct load_settings settings = {
        .where = where_of(words),
        .devices = number(words[2]),
        .entries = number(words[3]),
        .seconds = strtod(words[4], NULL),
        .per_second = strtod(words[5], NULL),
        .window = number(words[6]),
        .ahead = number(words[7]),
        .receipts = atoi(words[8]),
        .streets = words[9],
    };
    if (settings.devices == 0 || settings.devices > DEVICES_MAX ||
        settings.entries == 0 || settings.entries > 4096)
        bench_die("load", "1 to 9999 devices, 1 to 4096 entries");
    return load(&settings);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 4 && strcmp(argv[1], "certs") == 0)
        return certs(argv[2], number(argv[3]));
    if (argc == 12 && strcmp(argv[1], "load") == 0)
        return load_as(argv + 2);
    if (argc == 4 && strcmp(argv[1], "count") == 0) {
        struct where where = where_of(argv + 2);
        return count(&where);
    }
    fputs("usage: see tests/bench/ingest/bench_ingest.c\n", stderr);
    return 2;
}
