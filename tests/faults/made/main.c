/* Many schedules from one seed; the first that fails is made shorter and
 * printed. */
#include "sim.h"

#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 64

struct sim sim;

static const char *const break_words[BREAK_COUNT] = {
#define BREAK_WORD(name, word) [name] = word,
    BREAKS(BREAK_WORD)
#undef BREAK_WORD
};

struct options {
    uint64_t schedules, seed, from;
    unsigned jobs; /* 0: as many as there are processors */
    bool verbose, stats;
};

static const char usage[] =
    "usage: tests/faults/simulate [--schedules N] [--seed S] [--from K]\n"
    "                [--jobs J] [--stats] [--verbose] [--break RULE]\n"
    "Tries N schedules of faults, from number K of seed S on, in J processes\n"
    "(as many as there are processors). The first that fails is made shorter\n"
    "and printed; whatever J is, it is the same one.\n"
    "--stats says how much of each fault there was.\n"
    "--verbose tells what happens in schedule K only.\n"
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
        {"jobs", required_argument, NULL, 'j'},
        {"stats", no_argument, NULL, 't'},
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
        } else if (option == 'j') {
            o.jobs = (unsigned)strtoul(optarg, NULL, 10);
        } else if (option == 't') {
            o.stats = true;
        } else if (option == 'v') {
            o.verbose = true;
        } else {
            print_usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (o.jobs == 0)
        o.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (o.jobs > JOBS_MAX)
        o.jobs = JOBS_MAX;
    if (o.verbose)
        o.jobs = 1;
    return o;
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
    printf("again: tests/faults/simulate --seed %" PRIu64 " --from %" PRIu64
           " --schedules 1 --verbose\n",
           o->seed, number);
    fflush(stdout);
    size_t before = schedule->count;
    make_shorter(schedule);
    (void)still_fails(schedule);
    printf("made shorter, %zu of %zu events:\n  %s\n", schedule->count, before,
           sim.violation);
    schedule_print(schedule, stdout);
}

/* ---- one after the other */

static void draw_number(const struct options *o, uint64_t number,
                        struct schedule *ret)
{
    schedule_draw(o->seed * UINT64_C(1000003) + number, ret);
}

/* False: it fails. */
static bool try_number(const struct options *o, uint64_t number)
{
    static struct schedule schedule;
    draw_number(o, number, &schedule);
    return world_run(&schedule);
}

/* ---- in several processes */

/* close(), read() and write() are those of the vehicles' disks. */
int __real_close(int fd);
ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t size);

#define BLOCK 500 /* schedules that a process takes at a time */

static struct shared {
    _Atomic uint64_t taken; /* schedules, in whole blocks */
    _Atomic uint64_t first; /* the lowest that has failed; UINT64_MAX: none */
    struct worker {
        uint64_t number; /* that it tries now */
        struct totals totals;
    } workers[JOBS_MAX];
} * shared;

static void note_failure(uint64_t number)
{
    uint64_t first = atomic_load(&shared->first);
    while (number < first &&
           !atomic_compare_exchange_weak(&shared->first, &first, number))
        continue;
}

/* What is numbered above one that has failed need not be tried any more;
 * what is below must, and has been taken by somebody already. */
static void work(const struct options *o, struct worker *self, int tell)
{
    for (;;) {
        uint64_t begin = atomic_fetch_add(&shared->taken, BLOCK), i = begin;
        for (; i < begin + BLOCK && i < o->schedules; i++) {
            self->number = o->from + i;
            if (self->number > atomic_load(&shared->first))
                return;
            if (!try_number(o, self->number))
                note_failure(self->number);
        }
        self->totals = sim.totals;
        if (i == begin || __real_write(tell, "", 1) != 1)
            return;
    }
}

static void start(const struct options *o, pid_t *pids, int tells[2])
{
    for (unsigned j = 0; j < o->jobs; j++) {
        pids[j] = fork();
        if (pids[j] < 0)
            err(1, "fork");
        if (pids[j] > 0)
            continue;
        __real_close(tells[0]);
        work(o, &shared->workers[j], tells[1]);
        _exit(0);
    }
    __real_close(tells[1]);
}

/* Until the last worker has gone. */
static void show_progress(const struct options *o, int tells)
{
    char bytes[256];
    uint64_t tried = 0;
    ssize_t got;
    while ((got = __real_read(tells, bytes, sizeof bytes)) > 0) {
        tried += (uint64_t)got * BLOCK;
        if (isatty(STDERR_FILENO) && tried < o->schedules)
            fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " schedules (%.0f %%)",
                    tried, o->schedules,
                    (double)tried * 100 / (double)o->schedules);
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void add_totals(const struct totals *more)
{
    const uint64_t *from = (const uint64_t *)more;
    uint64_t *to = (uint64_t *)&sim.totals;
    for (size_t i = 0; i < sizeof *more / sizeof *from; i++)
        to[i] += from[i];
}

static void gather(const struct options *o, const pid_t *pids)
{
    for (unsigned j = 0; j < o->jobs; j++) {
        int status = 0;
        if (waitpid(pids[j], &status, 0) == pids[j] && status != 0)
            errx(1,
                 "schedule %" PRIu64 " of seed %" PRIu64 ": the process %s %d",
                 shared->workers[j].number, o->seed,
                 WIFSIGNALED(status) ? "died of signal" : "ended with",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        add_totals(&shared->workers[j].totals);
    }
}

/* The number of the first that fails; UINT64_MAX: none does. */
static uint64_t try_all(const struct options *o)
{
    pid_t pids[JOBS_MAX];
    int tells[2];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(tells) != 0)
        err(1, "cannot share the work");
    atomic_store(&shared->first, UINT64_MAX);
    fflush(stdout);
    start(o, pids, tells);
    show_progress(o, tells[0]);
    gather(o, pids);
    return atomic_load(&shared->first);
}

/* ---- counts */

static void print_count(uint64_t count, const char *what)
{
    uint64_t schedules = sim.totals.schedules;
    printf("%10" PRIu64 " %10.1f  %s\n", count,
           (double)count * 1000 / (double)schedules, what);
}

static void print_stats(void)
{
    const struct totals *t = &sim.totals;
    printf("  in all  per 1,000 schedules\n");
    for (int i = 0; i < EV_KINDS; i++)
        print_count(t->faults[i], event_words((enum event_kind)i));
    const struct {
        uint64_t count;
        const char *what;
    } lines[] = {
        {t->entries, "entries"},
        {t->sent, "reports sent"},
        {t->lost, "messages lost"},
        {t->doubled, "messages doubled"},
        {t->batches, "batches of backlog"},
        {t->receipts, "receipts that arrived"},
        {t->settings_said, "settings said"},
        {t->settings_came, "settings that arrived"},
        {t->acknowledged, "settings acknowledged the first time"},
        {t->commits, "transactions committed"},
        {t->rollbacks, "transactions rolled back"},
        {t->conflicts, "deadlocks and lock timeouts"},
        {t->quarantined, "rows of quarantine"},
        {t->repeats_differ, "of them repeats that differ"},
        {t->clones_seen, "entries under a number of their twin's"},
        {t->dropped, "entries that a full outbox dropped and counted"},
        {t->lost_with_power, "entries lost before their group commit"},
        {t->generations, "generations begun after the first"},
        {t->stored_twice, "entries stored twice, of copied disks"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        print_count(lines[i].count, lines[i].what);
    printf("fingerprint %016" PRIx64 "\n", t->fingerprint);
}

static double wall_s(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor_s(int who)
{
    struct rusage used;
    getrusage(who, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print_totals(const struct options *o, double took_s)
{
    const struct totals *t = &sim.totals;
    if (o->stats)
        print_stats();
    printf("%" PRIu64 " schedules, %" PRIu64 " entries, %" PRIu64
           " h simulated in %.1f s (%.0f schedules a minute; %.1f s of "
           "processor)\n",
           t->schedules, t->entries, t->simulated_s / 3600, took_s,
           (double)t->schedules / took_s * 60,
           processor_s(RUSAGE_SELF) + processor_s(RUSAGE_CHILDREN));
}

int main(int argc, char **argv)
{
    static struct schedule schedule;
    struct options o = take_options(argc, argv);
    double began_s = wall_s();
    sim.program = NO_PROGRAM;
    disk_register();
    uint64_t number = o.verbose ? o.from : try_all(&o);
    bool failed = false;
    if (number != UINT64_MAX) { /* again, here */
        draw_number(&o, number, &schedule);
        sim.verbose = o.verbose;
        failed = !world_run(&schedule);
        sim.verbose = false;
        if (!failed && !o.verbose)
            errx(1,
                 "schedule %" PRIu64 " of seed %" PRIu64
                 " fails in one process and not in another",
                 number, o.seed);
    }
    if (failed)
        tell_failure(&o, number, &schedule);
    else
        print_totals(&o, wall_s() - began_s);
    bool wanted = sim.broken != BREAK_NOTHING;
    if (wanted)
        puts(failed ? "the broken rule was found"
                    : "the broken rule was NOT found");
    else if (!failed)
        puts("no violation");
    return failed == wanted ? 0 : 1;
}
