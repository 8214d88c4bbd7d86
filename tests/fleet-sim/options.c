/* The command line: one table of what can be said. */
#include "sim.h"
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum type { FLAG, TEXT, WHOLE, NUMBER, SEED, HOURS, MINUTES, START, NMEA };

struct option_row {
    const char *name;
    enum type type;
    size_t offset;
    double least, most;
    const char *argument, *help;
};

#define AT(member) offsetof(struct sim_options, member)
static const struct option_row rows[] = {
    {"database", TEXT, AT(database), 0, 0, "CONNINFO",
     "roads and missions; default $PATROL_DATABASE"},
    {"broker", TEXT, AT(brokers), 0, 0, "HOST[:PORT]",
     "several, separated by blanks, are tried in turn"},
    {"certs", TEXT, AT(certs), 0, 0, "DIR",
     "NAME.crt and NAME.key of each unit, and ca.crt, as\n"
     "patrolctl unit enroll writes them"},
    {"plain", FLAG, AT(plain), 0, 0, NULL,
     "without TLS; a unit's name is its client id"},
    {"units", WHOLE, AT(units), 1, SIM_UNITS_MAX, "N", "how many (10)"},
    {"prefix", TEXT, AT(prefix), 0, 0, "TEXT",
     "of their names: TEXT and a number of two digits or\n"
     "more (SIM-); patrolctl unit add --count makes the same"},
    {"first", WHOLE, AT(first), 0, 1000000, "N", "the first number (1)"},
    {"seed", SEED, AT(seed), 0, 0, "N",
     "the same seed, network and start: the same tracks (1)"},
    {"start", START, AT(start_ms), 0, 4102444800, "SECONDS",
     "simulated time to start at, seconds since 1970; the\n"
     "default is now, with --speed above 1 the duration ago"},
    {"hours", HOURS, AT(duration_ms), 0.0001, 100000, "H",
     "simulated time until it ends (endless)"},
    {"minutes", MINUTES, AT(duration_ms), 0.01, 6000000, "M", NULL},
    {"speed", NUMBER, AT(speed), 1, 10000, "X",
     "simulated seconds in a second (1), until it is now"},
    {"on-duty", NUMBER, AT(on_duty), 0, 1, "SHARE",
     "of the units, in a shift (0.75)"},
    {"calls", NUMBER, AT(calls_per_hour), 0, 60, "N",
     "calls an hour and unit (0.5)"},
    {"outages", NUMBER, AT(outages_per_hour), 0, 600, "N",
     "times an hour that a unit's network is lost (1)"},
    {"outage", NUMBER, AT(outage_s), 1, 86400, "SECONDS",
     "how long, on average (60)"},
    {"noise", NUMBER, AT(noise_m), 0, 1000, "METRES",
     "standard deviation of a receiver's error, east and\n"
     "north, on average (3)"},
    {"every", WHOLE, AT(every_s), 1, 3600, "SECONDS",
     "send a fix at least so often, moving or not (as the\n"
     "agent paces itself: 10 moving, 60 standing)"},
    {"resend", WHOLE, AT(resend_s), 1, 3600, "SECONDS",
     "without a receipt until entries go again (45)"},
    {"outbox", WHOLE, AT(outbox_max), 10, 10000000, "N",
     "entries a unit keeps; then it drops the oldest (20000)"},
    {"truth", TEXT, AT(truth), 0, 0, "FILE",
     "CSV of every entry, for tests/fleet-sim/check"},
    {"nmea", NMEA, 0, 0, 0, "UNIT=LINK",
     "this unit speaks NMEA on a pty, to which LINK becomes a\n"
     "symbolic link, in place of MQTT; may be repeated"},
    {"dry-run", FLAG, AT(dry_run), 0, 0, NULL,
     "no network, no waiting: drives and writes the truth"},
    {"drain", WHOLE, AT(drain_s), 0, 86400, "SECONDS",
     "at the end, wait so long for receipts (120)"},
    {"verbose", FLAG, AT(verbose), 0, 0, NULL, "log each connection"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void usage(void)
{
    fputs("usage: fleet-sim --broker HOST:PORT (--certs DIR | --plain) "
          "[OPTION]...\n"
          "       fleet-sim --dry-run --minutes M --truth FILE [OPTION]...\n"
          "A fleet that drives itself on the imported roads and reports as "
          "vehicles do.\n\n",
          stdout);
    for (size_t i = 0; i < ROWS; i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s %s", rows[i].name,
                 rows[i].argument != NULL ? rows[i].argument : "");
        printf("  %-22s", left);
        const char *help = rows[i].help != NULL ? rows[i].help : "likewise";
        for (; *help != '\0'; help++) {
            putchar(*help);
            if (*help == '\n')
                printf("%24s", "");
        }
        putchar('\n');
    }
    fputs("\nEvery 10 s a line on standard output says how it goes. SIGTERM "
          "or the end of the\nduration: units stop, and wait for their "
          "receipts.\nExit status: 0 all receipted, 1 not all or could not "
          "start, 2 called wrongly.\n",
          stdout);
}

__attribute__((noreturn, format(printf, 1, 2))) static void
wrong(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("fleet-sim: ", stderr);
    vfprintf(stderr, format, values);
    fputs(" (fleet-sim --help)\n", stderr);
    va_end(values);
    exit(2);
}

static double number(const struct option_row *row, const char *text)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value) ||
        value < row->least || value > row->most)
        wrong("--%s takes a number from %g to %g, not '%s'", row->name,
              row->least, row->most, text);
    return value;
}

static long whole(const struct option_row *row, const char *text)
{
    double value = number(row, text);
    if (value != floor(value))
        wrong("--%s takes a whole number, not '%s'", row->name, text);
    return (long)value;
}

static uint64_t seed(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        wrong("--seed takes a whole number, not '%s'", text);
    return value;
}

static void add_nmea(struct sim_options *options, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0')
        wrong("--nmea takes UNIT=LINK, not '%s'", text);
    if (options->nmea_count == SIM_NMEA_MAX)
        wrong("--nmea at most %d times", SIM_NMEA_MAX);
    *equals = '\0';
    for (size_t i = 0; i < options->nmea_count; i++) {
        if (strcmp(options->nmea[i].name, text) == 0)
            wrong("--nmea names %s twice", text);
    }
    options->nmea[options->nmea_count++] =
        (struct sim_nmea_option){.name = text, .link = equals + 1};
}

static void take(struct sim_options *options, const struct option_row *row,
                 char *text)
{
    void *at = (char *)options + row->offset;
    switch (row->type) {
    case FLAG:
        *(bool *)at = true;
        break;
    case TEXT:
        *(const char **)at = text;
        break;
    case WHOLE:
        *(long *)at = whole(row, text);
        break;
    case NUMBER:
        *(double *)at = number(row, text);
        break;
    case SEED:
        *(uint64_t *)at = seed(text);
        break;
    case HOURS:
        *(int64_t *)at = llround(number(row, text) * 3600e3);
        break;
    case MINUTES:
        *(int64_t *)at = llround(number(row, text) * 60e3);
        break;
    case START:
        *(int64_t *)at = llround(number(row, text) * 1e3);
        break;
    case NMEA:
        add_nmea(options, text);
        break;
    }
}

static void check_names(const struct sim_options *options)
{
    char name[LINK_DEVICE_MAX + 32];
    snprintf(name, sizeof(name), "%.70s%ld", options->prefix,
             options->first + options->units - 1);
    if (!link_device_valid(name))
        wrong("--prefix '%s' makes no device's name: 1 to %d of A-Z a-z 0-9 "
              ". _ -, the number included",
              options->prefix, LINK_DEVICE_MAX);
}

static void check(const struct sim_options *options)
{
    check_names(options);
    if (options->database == NULL || options->database[0] == '\0')
        wrong("--database or $PATROL_DATABASE is needed");
    if (options->dry_run) {
        if (options->duration_ms == 0)
            wrong("--dry-run needs --hours or --minutes");
        return;
    }
    bool all_nmea = options->nmea_count == (size_t)options->units;
    if (options->brokers == NULL && !all_nmea)
        wrong("--broker is needed");
    if (options->plain == (options->certs != NULL) && !all_nmea)
        wrong("either --certs DIR or --plain");
    if (options->speed > 1 && options->duration_ms == 0 &&
        options->start_ms == 0)
        wrong("--speed needs a past to catch up with: --hours, --minutes or "
              "--start");
    if (options->nmea_count > 0 &&
        (options->speed > 1 || options->start_ms != 0))
        wrong("gpsd believes no past: --nmea goes with neither --speed nor "
              "--start");
}

void options_parse(int argc, char **argv, struct sim_options *ret)
{
    struct option words[ROWS + 3] = {{0}};
    for (size_t i = 0; i < ROWS; i++)
        words[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].type == FLAG ? no_argument : required_argument,
            .val = (int)i};
    words[ROWS] = (struct option){"help", no_argument, NULL, 'h'};
    words[ROWS + 1] = (struct option){"version", no_argument, NULL, 'v'};
    *ret = (struct sim_options){
        .database = getenv("PATROL_DATABASE"),
        .prefix = "SIM-",
        .units = 10,
        .first = 1,
        .seed = 1,
        .speed = 1,
        .calls_per_hour = 0.5,
        .on_duty = 0.75,
        .noise_m = 3,
        .outages_per_hour = 1,
        .outage_s = 60,
        .drain_s = 120,
        .outbox_max = 20000,
        .resend_s = 45,
    };
    int option;
    while ((option = getopt_long(argc, argv, "", words, NULL)) != -1) {
        if (option == 'h') {
            usage();
            exit(EXIT_SUCCESS);
        } else if (option == 'v') {
            puts("fleet-sim " PT_VERSION);
            exit(EXIT_SUCCESS);
        } else if (option == '?') {
            exit(2); /* getopt has said why */
        }
        take(ret, &rows[option], optarg);
    }
    if (optind < argc)
        wrong("'%s' is not an option", argv[optind]);
    check(ret);
}
