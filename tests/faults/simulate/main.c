/* Many schedules from one seed; the first that fails is made shorter and
 * printed. */
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sim sim;

static const char *const break_words[BREAK_COUNT] = {
#define BREAK_WORD(name, word) [name] = word,
    BREAKS(BREAK_WORD)
#undef BREAK_WORD
};

struct options {
    uint64_t schedules, seed, from;
    bool verbose;
};

static const char usage[] =
    "usage: simulate [--schedules N] [--seed S] [--from K] [--verbose]\n"
    "                [--break RULE]\n"
    "Tries N schedules of faults, from number K of seed S on.\n"
    "--verbose tells what happens in the first of them only.\n"
    "--break RULE breaks a rule on purpose; exit 0 when that is found:\n ";

static void print_usage(FILE *out)
{
    fputs(usage, out);
    for (int i = BREAK_NOTHING + 1; i < BREAK_COUNT; i++)
        fprintf(out, " %s", break_words[i]);
    fputc('\n', out);
}

static enum broken take_break(const char *word)
{
    for (int i = BREAK_NOTHING; i < BREAK_COUNT; i++)
        if (strcmp(word, break_words[i]) == 0)
            return (enum broken)i;
    print_usage(stderr);
    exit(2);
}

static struct options take_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"schedules", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"from", required_argument, NULL, 'f'},
        {"break", required_argument, NULL, 'b'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct options o = {.schedules = 20000, .seed = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 'n') {
            o.schedules = strtoull(optarg, NULL, 10);
        } else if (option == 's') {
            o.seed = strtoull(optarg, NULL, 10);
        } else if (option == 'f') {
            o.from = strtoull(optarg, NULL, 10);
        } else if (option == 'b') {
            sim.broken = take_break(optarg);
        } else if (option == 'v') {
            o.verbose = true;
        } else {
            print_usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    return o;
}

static double seconds_now(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- making it shorter */

static bool still_fails(const struct schedule *schedule)
{
    return !world_run(schedule);
}

static struct schedule without(const struct schedule *schedule, size_t at,
                               size_t count)
{
    struct schedule less = *schedule;
    less.count -= count;
    memmove(&less.events[at], &less.events[at + count],
            (less.count - at) * sizeof less.events[0]);
    return less;
}

/* Leaves out ever smaller pieces, down to single events, as long as it still
 * fails (Zeller and Hildebrandt 2002, "Simplifying and isolating
 * failure-inducing input"). */
static void make_shorter(struct schedule *schedule)
{
    size_t size = schedule->count / 2;
    while (size > 0) {
        bool any = false;
        for (size_t at = 0; at + size <= schedule->count;) {
            struct schedule less = without(schedule, at, size);
            bool fails = still_fails(&less);
            if (fails)
                *schedule = less;
            else
                at += size;
            any |= fails;
        }
        if (!any || size > schedule->count)
            size /= 2;
    }
}

static void tell_failure(const struct options *o, uint64_t number,
                         struct schedule *schedule)
{
    printf("VIOLATION in schedule %" PRIu64 " of seed %" PRIu64 "\n  %s\n",
           number, o->seed, sim.violation);
    printf("again: simulate --seed %" PRIu64 " --from %" PRIu64
           " --schedules 1 --verbose\n",
           o->seed, number);
    size_t before = schedule->count;
    sim.verbose = false;
    make_shorter(schedule);
    (void)still_fails(schedule);
    printf("made shorter, %zu of %zu events:\n  %s\n", schedule->count, before,
           sim.violation);
    schedule_print(schedule, stdout);
}

/* ---- counts */

static void print_totals(double took_s)
{
    const struct totals *t = &sim.totals;
    for (int i = 0; i < EV_KINDS; i++)
        printf("%10" PRIu64 "  %s\n", t->faults[i],
               event_words((enum event_kind)i));
    const struct {
        uint64_t count;
        const char *what;
    } lines[] = {
        {t->sent, "reports sent"},
        {t->lost, "messages lost"},
        {t->doubled, "messages doubled"},
        {t->batches, "batches of backlog"},
        {t->receipts, "receipts that arrived"},
        {t->commits, "transactions committed"},
        {t->rollbacks, "transactions rolled back"},
        {t->conflicts, "deadlocks and lock timeouts"},
        {t->quarantined, "rows of quarantine"},
        {t->repeats_differ, "of them repeats that differ"},
        {t->clones_seen, "entries under a number of their twin's"},
        {t->dropped, "entries that a full outbox dropped and counted"},
        {t->lost_with_power, "entries lost before their group commit"},
        {t->stored_twice, "entries stored under two generations"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        printf("%10" PRIu64 "  %s\n", lines[i].count, lines[i].what);
    printf("%" PRIu64 " schedules, %" PRIu64 " entries, %" PRIu64
           " h simulated in %.1f s (%.0f schedules a minute)\n",
           t->schedules, t->entries, t->simulated_s / 3600, took_s,
           (double)t->schedules / took_s * 60);
}

int main(int argc, char **argv)
{
    static struct schedule schedule;
    struct options o = take_options(argc, argv);
    double began_s = seconds_now();
    bool failed = false;
    disk_register();
    sim.verbose = o.verbose;
    for (uint64_t i = 0; i < o.schedules && !failed; i++) {
        uint64_t number = o.from + i;
        schedule_draw(o.seed * UINT64_C(1000003) + number, &schedule);
        failed = !world_run(&schedule);
        sim.verbose = false;
        if (failed)
            tell_failure(&o, number, &schedule);
        if ((i + 1) % 100000 == 0)
            printf("%" PRIu64 " schedules, %.0f s\n", i + 1,
                   seconds_now() - began_s);
        fflush(stdout);
    }
    print_totals(seconds_now() - began_s);
    bool wanted = sim.broken != BREAK_NOTHING;
    if (wanted)
        puts(failed ? "the broken rule was found"
                    : "the broken rule was NOT found");
    else if (!failed)
        puts("no violation");
    return failed == wanted ? 0 : 1;
}
