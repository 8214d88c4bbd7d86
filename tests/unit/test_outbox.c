#include "outbox.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>
#include <sqlite3.h>

#define MANY ((size_t)2000)

struct place {
    char folder[128];
    char path[160];
    struct outbox_settings settings;
};

/* In memory unless told otherwise: what is tested is not the disk, and some
 * thousand fsyncs take half a minute. TEST_OUTBOX_FOLDER=/var/tmp measures a
 * real one. */
static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    const char *base = getenv("TEST_OUTBOX_FOLDER");
    if (base == NULL)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    if (place == NULL)
        return -1;
    snprintf(place->folder, sizeof place->folder, "%s/test_outbox.XXXXXX",
             base);
    if (mkdtemp(place->folder) == NULL)
        return -1;
    snprintf(place->path, sizeof place->path, "%s/outbox.db", place->folder);
    place->settings.path = place->path;
    place->settings.entries_max = 100000;
    *state = place;
    return 0;
}

/* Counts, and removes if told to, the files whose name contains `part`. */
static int files_with(const struct place *place, const char *part, bool remove)
{
    DIR *dir = opendir(place->folder);
    struct dirent *entry = NULL;
    int count = 0;
    while ((entry = readdir(dir)) != NULL) {
        char path[512];
        if (entry->d_name[0] == '.' || strstr(entry->d_name, part) == NULL)
            continue;
        count++;
        snprintf(path, sizeof path, "%s/%s", place->folder, entry->d_name);
        if (remove)
            unlink(path);
    }
    closedir(dir);
    return count;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    files_with(place, "", true);
    rmdir(place->folder);
    free(place);
    return 0;
}

/* An entry whose every column follows from `n`. */
static struct pt_entry entry_of(uint64_t n)
{
    return (struct pt_entry){
        .time_ms = INT64_C(1700000000000) + (int64_t)n * 1000,
        .at = {(int32_t)(23130000 + n), (int32_t)(-82380000 - (int64_t)n)},
        .speed_cmps = (uint32_t)(n % 5000),
        .course_cdeg = (uint32_t)(n * 7 % 36000),
        .accuracy_dm = (uint32_t)(n % 100),
        .flags = PT_FLAG_POSITION | PT_FLAG_SPEED,
        .status = (uint8_t)(n % PT_STATUS_COUNT),
        .kind = (uint8_t)(n % PT_KIND_COUNT),
        .detail = n % 10 == 3 ? "crew 7, back at the gate" : NULL,
    };
}

/* `flags` apart: they may have gained PT_FLAG_UNSAFE. */
static bool is_entry_of(const struct pt_entry *entry, uint64_t n)
{
    struct pt_entry want = entry_of(n);
    bool same_text =
        (want.detail == NULL) == (entry->detail == NULL) &&
        (want.detail == NULL || strcmp(want.detail, entry->detail) == 0);
    return same_text && entry->time_ms == want.time_ms &&
           entry->at.lat_e6 == want.at.lat_e6 &&
           entry->at.lon_e6 == want.at.lon_e6 &&
           entry->speed_cmps == want.speed_cmps &&
           entry->course_cdeg == want.course_cdeg &&
           entry->accuracy_dm == want.accuracy_dm &&
           entry->status == want.status && entry->kind == want.kind &&
           (entry->flags | PT_FLAG_UNSAFE) == (want.flags | PT_FLAG_UNSAFE);
}

/* The number an entry was made of, by its time. */
static uint64_t made_of(const struct pt_entry *entry)
{
    return (uint64_t)((entry->time_ms - INT64_C(1700000000000)) / 1000);
}

static struct outbox *open_at(const struct place *place)
{
    struct outbox *box = NULL;
    bool damaged = true;
    assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
    assert_false(damaged);
    return box;
}

static uint64_t put(struct outbox *box, uint64_t n)
{
    struct pt_entry entry = entry_of(n);
    uint64_t seq = 0;
    assert_int_equal(outbox_put(box, &entry, &seq), PT_OK);
    return seq;
}

static size_t read_all(struct outbox *box, struct pt_entry *entries, size_t max)
{
    size_t count = 0;
    assert_int_equal(outbox_read(box, 0, max, entries, &count), PT_OK);
    assert_int_equal(count, outbox_depth(box));
    if (count > 0) {
        assert_int_equal(entries[0].seq, outbox_lowest(box));
        assert_int_equal(entries[0].time_ms, outbox_oldest_ms(box));
    }
    return count;
}

static size_t forget(struct outbox *box, struct pt_receipt receipt)
{
    size_t count = 0;
    receipt.generation = outbox_generation(box);
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    return count;
}

/* What the gateway knows an entry by, and what it was made of. */
struct name {
    uint64_t generation, seq, made_of;
};

/* Of all that is held, as reports would have it. `max`: 1 or more. */
static size_t name_all(struct outbox *box, struct name *names, size_t max)
{
    static struct pt_entry entries[MANY];
    size_t count = 0;
    uint64_t from = 0;
    for (;;) {
        struct pt_report report = {.entries = entries};
        assert_int_equal(outbox_read(box, from, MANY, entries, &report.count),
                         PT_OK);
        if (report.count == 0)
            return count;
        from = outbox_sign(box, &report) + 1;
        assert_true(report.count > 0 && count + report.count <= max);
        assert_true(report.lowest_held <= entries[0].seq);
        for (size_t i = 0; i < report.count; i++) {
            assert_true(is_entry_of(&entries[i], made_of(&entries[i])));
            names[count++] = (struct name){report.generation, entries[i].seq,
                                           made_of(&entries[i])};
        }
    }
}

static void check_name(const struct name *name, uint64_t generation,
                       uint64_t seq, uint64_t made_of_n)
{
    assert_int_equal(name->generation, generation);
    assert_int_equal(name->seq, seq);
    assert_int_equal(name->made_of, made_of_n);
}

/* ---- the plain way ---- */

static void test_put_commit_reopen(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[30];
    struct outbox *box = open_at(place);
    uint64_t generation = outbox_generation(box);
    assert_true(generation > 0 && generation <= INT64_MAX);
    assert_int_equal(outbox_lowest(box), 1);
    assert_int_equal(outbox_highest(box), 0);
    assert_int_equal(outbox_oldest_ms(box), 0);
    for (uint64_t n = 1; n <= 20; n++)
        assert_int_equal(put(box, n), n);
    assert_int_equal(outbox_uncommitted(box), 20);
    assert_int_equal(read_all(box, entries, 30), 20); /* before a commit */
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_int_equal(outbox_uncommitted(box), 0);
    outbox_close(box);

    box = open_at(place);
    assert_int_equal(outbox_generation(box), generation);
    assert_int_equal(read_all(box, entries, 30), 20);
    for (uint64_t n = 1; n <= 20; n++) {
        assert_int_equal(entries[n - 1].seq, n);
        assert_true(is_entry_of(&entries[n - 1], n));
        assert_false(entries[n - 1].flags & PT_FLAG_UNSAFE);
    }
    assert_int_equal(put(box, 21), 21); /* a clean close leaves no hole */
    outbox_close(box);
}

static void test_read_window(void **state)
{
    struct outbox *box = open_at(*state);
    struct pt_entry entries[8];
    size_t count = 0;
    for (uint64_t n = 1; n <= 6; n++)
        put(box, n);
    assert_int_equal(outbox_commit(box), PT_OK);
    for (uint64_t n = 7; n <= 10; n++)
        put(box, n);
    assert_int_equal(outbox_read(box, 5, 4, entries, &count), PT_OK);
    assert_int_equal(count, 4); /* across the file's end */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(entries[i].seq, 5 + i);
    assert_int_equal(outbox_read(box, 11, 4, entries, &count), PT_OK);
    assert_int_equal(count, 0);
    assert_int_equal(outbox_read(box, 1, 0, entries, &count), PT_OK);
    assert_int_equal(count, 0);
    outbox_close(box);
}

/* What report.h says of each value; one such entry would keep a whole report
 * from being encoded. */
static void test_impossible_entries(void **state)
{
    struct outbox *box = open_at(*state);
    struct pt_entry bad[9], back;
    size_t count = 0;
    uint64_t seq = 77;
    for (size_t i = 0; i < 9; i++)
        bad[i] = entry_of(1);
    bad[0].time_ms = -1;
    bad[1].time_ms = PT_TIME_MS_MAX + 1;
    bad[2].speed_cmps = PT_SPEED_CMPS_MAX + 1;
    bad[3].course_cdeg = 36000;
    bad[4].accuracy_dm = PT_ACCURACY_DM_MAX + 1;
    bad[5].status = PT_STATUS_COUNT;
    bad[6].kind = PT_KIND_COUNT;
    bad[7].detail = "\xff"; /* not UTF-8 */
    bad[8].detail = "half a letter \xc3";
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(outbox_put(box, &bad[i], &seq), PT_E_RANGE);
    assert_int_equal(seq, 77);
    assert_int_equal(outbox_depth(box), 0);
    bad[0] = entry_of(1);
    bad[0].seq = UINT64_MAX; /* does not count */
    assert_int_equal(outbox_put(box, &bad[0], &seq), PT_OK);
    assert_int_equal(seq, 1); /* no number was lost to the others */
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_int_equal(outbox_read(box, 0, 1, &back, &count), PT_OK);
    assert_int_equal(count, 1);
    outbox_close(box);
}

/* FNV-1a over eight numbers, least byte first: the sum of a row without a
 * detail, as outbox_file.c has it. */
static uint32_t sum_of(const int64_t numbers[8])
{
    uint32_t sum = UINT32_C(2166136261);
    for (size_t i = 0; i < 64; i++)
        sum = (sum ^ (uint8_t)((uint64_t)numbers[i / 8] >> i % 8 * 8)) *
              UINT32_C(16777619);
    return sum;
}

/* Written by a version that had other limits, say: its checksum is right. */
static void test_impossible_row(void **state)
{
    struct place *place = *state;
    struct outbox *box = open_at(place);
    struct pt_entry entries[4];
    for (uint64_t n = 1; n <= 2; n++)
        put(box, n);
    outbox_close(box);
    for (int course_cdeg = 35999; course_cdeg <= 36000; course_cdeg++) {
        int64_t row[8] = {
            course_cdeg == 35999 ? 1 : 2, 5000, 0, 0, 0, course_cdeg};
        char sql[200];
        sqlite3 *db = NULL;
        snprintf(sql, sizeof sql,
                 "UPDATE outbox_entry SET time_ms = 5000, lat_e6 = 0,"
                 " lon_e6 = 0, speed_cmps = 0, course_cdeg = %d,"
                 " accuracy_dm = 0, marks = 0, sum = %u, detail = NULL"
                 " WHERE seq = %d",
                 course_cdeg, (unsigned)sum_of(row), (int)row[0]);
        assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
    }
    box = open_at(place);
    assert_int_equal(read_all(box, entries, 4), 1);
    assert_int_equal(entries[0].course_cdeg, 35999);
    assert_int_equal(outbox_dropped(box), 1);
    outbox_close(box);
}

static void test_details(void **state)
{
    struct outbox *box = open_at(*state);
    char text[PT_DETAIL_BYTES_MAX + 2];
    struct pt_entry entry = entry_of(1), back;
    uint64_t seq = 0;
    size_t count = 0;
    memset(text, 'x', sizeof text);
    text[PT_DETAIL_BYTES_MAX + 1] = 0;
    entry.detail = text;
    assert_int_equal(outbox_put(box, &entry, &seq), PT_E_RANGE);
    assert_int_equal(outbox_depth(box), 0);
    text[PT_DETAIL_BYTES_MAX] = 0;
    assert_int_equal(outbox_put(box, &entry, &seq), PT_OK);
    text[0] = 'y'; /* it kept a copy */
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_int_equal(outbox_read(box, seq, 1, &back, &count), PT_OK);
    text[0] = 'x';
    assert_string_equal(back.detail, text);
    outbox_close(box);
}

static void test_private_file(void **state)
{
    struct place *place = *state;
    struct stat status;
    outbox_close(open_at(place));
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* ---- receipts ---- */

static void test_receipt_deletes_what_it_names(void **state)
{
    struct outbox *box = open_at(*state);
    struct pt_entry entries[20];
    for (uint64_t n = 1; n <= 10; n++)
        put(box, n);
    assert_int_equal(outbox_commit(box), PT_OK);
    for (uint64_t n = 11; n <= 14; n++)
        put(box, n);
    struct pt_receipt receipt = {
        .stored_to = 2, .range_count = 2, .ranges = {{5, 6}, {9, 12}}};
    assert_int_equal(forget(box, receipt), 2 + 2 + 4);
    const uint64_t left[] = {3, 4, 7, 8, 13, 14};
    assert_int_equal(read_all(box, entries, 20), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(entries[i].seq, left[i]);
        assert_true(is_entry_of(&entries[i], left[i]));
    }
    assert_int_equal(forget(box, receipt), 0); /* the same once more */
    receipt = (struct pt_receipt){.stored_to = 14};
    assert_int_equal(forget(box, receipt), 6);
    assert_int_equal(outbox_depth(box), 0);
    assert_int_equal(outbox_lowest(box), 15);
    assert_int_equal(outbox_highest(box), 14);
    assert_int_equal(put(box, 15), 15);
    outbox_close(box);
}

static void test_receipt_of_others(void **state)
{
    struct outbox *box = open_at(*state);
    size_t count = 99;
    for (uint64_t n = 1; n <= 3; n++)
        put(box, n);
    struct pt_receipt receipt = {.generation = outbox_generation(box) ^ 1,
                                 .stored_to = 3};
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, 0);
    receipt.generation = outbox_generation(box);
    receipt.stored_to = 1;
    receipt.range_count = 2; /* not ascending */
    receipt.ranges[0] = (struct pt_range){3, 3};
    receipt.ranges[1] = (struct pt_range){2, 2};
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_E_RANGE);
    assert_int_equal(outbox_depth(box), 3);
    outbox_close(box);
}

/* A copy of the disk is at work elsewhere: receipts name its numbers, too. */
static void test_receipt_of_a_twin(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[MANY];
    struct outbox *box = open_at(place);
    size_t count = 77;
    put(box, 1);
    put(box, 2);
    assert_int_equal(outbox_commit(box), PT_OK);
    put(box, 3);
    uint64_t old = outbox_generation(box);
    struct pt_receipt receipt = {.generation = old, .stored_to = 4};
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_E_RANGE);
    uint64_t generation = outbox_generation(box);
    assert_true(generation != old && generation != 0);
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, 0); /* another generation's by now */
    assert_int_equal(read_all(box, entries, MANY), 3);
    assert_int_equal(entries[2].seq, 3);
    receipt = (struct pt_receipt){.generation = generation, .stored_to = 1};
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, 1);
    outbox_close(box);
    box = open_at(place);
    assert_int_equal(outbox_generation(box), generation);
    assert_int_equal(read_all(box, entries, MANY), 2);
    assert_int_equal(entries[0].seq, 2);
    outbox_close(box);
}

/* ---- limits ---- */

static void test_bounded_by_number(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[20];
    place->settings.entries_max = 5;
    struct outbox *box = open_at(place);
    for (uint64_t n = 1; n <= 12; n++) {
        put(box, n);
        if (n % 4 == 0)
            assert_int_equal(outbox_commit(box), PT_OK);
    }
    assert_int_equal(outbox_dropped(box), 7);
    assert_int_equal(read_all(box, entries, 20), 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(entries[i].seq, 8 + i);
    outbox_close(box);
    box = open_at(place);
    assert_int_equal(outbox_dropped(box), 7); /* the count is kept */
    assert_int_equal(read_all(box, entries, 20), 5);
    outbox_close(box);

    place->settings.entries_max = 1; /* never the newest */
    box = open_at(place);
    assert_int_equal(put(box, 13), 13);
    assert_int_equal(read_all(box, entries, 20), 1);
    assert_int_equal(entries[0].seq, 13);
    outbox_close(box);
}

static uint64_t put_at(struct outbox *box, int64_t time_ms, uint8_t flags)
{
    struct pt_entry entry = {.time_ms = time_ms, .flags = flags};
    uint64_t seq = 0;
    assert_int_equal(outbox_put(box, &entry, &seq), PT_OK);
    return seq;
}

#define HOUR_MS INT64_C(3600000)
#define BASE_MS INT64_C(1700000000000)

static void test_bounded_by_age(void **state)
{
    struct place *place = *state;
    place->settings.age_max_ms = HOUR_MS;
    struct outbox *box = open_at(place);
    for (int i = 0; i < 4; i++)
        put_at(box, BASE_MS + i, 0);
    assert_int_equal(outbox_commit(box), PT_OK);
    /* Seven agree on two hours later: not yet eight. */
    for (int i = 0; i < 7; i++)
        put_at(box, BASE_MS + 2 * HOUR_MS, 0);
    assert_int_equal(outbox_dropped(box), 0);
    put_at(box, BASE_MS + 2 * HOUR_MS, 0);
    assert_int_equal(outbox_dropped(box), 4);
    assert_int_equal(outbox_lowest(box), 5);
    outbox_close(box);
}

static void test_clock_that_jumps(void **state)
{
    struct place *place = *state;
    place->settings.age_max_ms = HOUR_MS;
    struct outbox *box = open_at(place);
    for (int i = 0; i < 20; i++)
        put_at(box, BASE_MS + INT64_C(1000) * i, 0);
    /* Half a minute of the year 2038, then right again. */
    put_at(box, INT64_C(2147483647000), 0);
    put_at(box, INT64_C(2147483648000), 0);
    put_at(box, BASE_MS + 23000, 0);
    assert_int_equal(outbox_dropped(box), 0);
    /* A day of system time while the clock is unsure makes nothing old. */
    for (int i = 0; i < 20; i++)
        put_at(box, BASE_MS + 24 * HOUR_MS, PT_FLAG_CLOCK_UNSURE);
    assert_int_equal(outbox_dropped(box), 0);
    outbox_close(box);
}

/* Made at 1970 before the first fix: no age, so nothing drops it, and it
 * keeps what follows until its receipt. */
static void test_unsure_clock_does_not_age(void **state)
{
    struct place *place = *state;
    place->settings.age_max_ms = HOUR_MS;
    struct outbox *box = open_at(place);
    put_at(box, 5000, PT_FLAG_CLOCK_UNSURE);
    for (int i = 0; i < 8; i++)
        put_at(box, BASE_MS, 0);
    for (int i = 0; i < 8; i++)
        put_at(box, BASE_MS + 2 * HOUR_MS, 0);
    assert_int_equal(outbox_dropped(box), 0);
    assert_int_equal(forget(box, (struct pt_receipt){.stored_to = 1}), 1);
    put_at(box, BASE_MS + 2 * HOUR_MS, 0);
    assert_int_equal(outbox_dropped(box), 8);
    outbox_close(box);
}

/* The newest is kept even when by its own clock it is old: its time counts
 * among the last eight. */
static void test_newest_is_kept(void **state)
{
    struct place *place = *state;
    place->settings.age_max_ms = HOUR_MS;
    struct outbox *box = open_at(place);
    for (int i = 0; i < 8; i++)
        put_at(box, BASE_MS + 5 * HOUR_MS, 0);
    assert_int_equal(forget(box, (struct pt_receipt){.stored_to = 8}), 8);
    uint64_t late = put_at(box, BASE_MS, 0);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(outbox_lowest(box), late);
        put_at(box, BASE_MS + 5 * HOUR_MS, 0);
    }
    assert_int_equal(outbox_lowest(box), late);
    put_at(box, BASE_MS + 5 * HOUR_MS, 0);
    assert_int_equal(outbox_lowest(box), late + 1);
    outbox_close(box);
}

/* ---- power cuts ---- */

/* Called in place of the C library's by SQLite, too. */
static int syncs;

int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

static void test_commit_waits_for_the_disk(void **state)
{
    struct outbox *box = open_at(*state);
    for (uint64_t n = 1; n <= 50; n++) {
        put(box, n);
        syncs = 0;
        assert_int_equal(outbox_commit(box), PT_OK);
        assert_true(syncs >= 1);
        syncs = 0;
        assert_int_equal(outbox_commit(box), PT_OK); /* nothing to write */
        assert_int_equal(syncs, 0);
    }
    assert_int_equal(forget(box, (struct pt_receipt){.stored_to = 25}), 25);
    assert_int_equal(syncs, 0); /* what comes back is sent again */
    outbox_close(box);
}

/* What the child claims on the pipe, in order: a put with its number, or a
 * commit (seq 0) up to the entries put so far. */
struct claim {
    uint64_t seq, n;
};

static void child(const struct place *place, int out, unsigned seed, uint64_t n)
{
    struct outbox *box = NULL;
    bool damaged = false;
    if (outbox_open(&place->settings, &box, &damaged) != PT_OK || damaged)
        _exit(3);
    for (;; n++) {
        struct pt_entry entry = entry_of(n);
        struct claim claim = {0, n};
        if (outbox_put(box, &entry, &claim.seq) != PT_OK)
            _exit(4);
        if (write(out, &claim, sizeof claim) != sizeof claim)
            _exit(5);
        if (rand_r(&seed) % 7 == 0) {
            if (outbox_commit(box) != PT_OK)
                _exit(6);
            claim.seq = 0;
            if (write(out, &claim, sizeof claim) != sizeof claim)
                _exit(5);
        }
    }
}

#define ROUNDS 25
#define CLAIMS_MAX 400000

struct history {
    struct claim *puts; /* every number ever claimed, in order */
    size_t count;
    size_t committed; /* the first so many of this round were */
};

/* Runs a child until it is killed after up to `claims_max` claims (and those
 * it makes until then); collects them. */
static void run_and_kill(const struct place *place, struct history *history,
                         int claims_max, unsigned *seed)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    unsigned child_seed = (unsigned)rand_r(seed);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(place, ends[1], child_seed, history->count + 1);
    }
    close(ends[1]);
    int until = rand_r(seed) % claims_max;
    struct claim claim;
    history->committed = history->count;
    for (int i = 0; read(ends[0], &claim, sizeof claim) == sizeof claim; i++) {
        if (i == until)
            kill(pid, SIGKILL); /* what is in the pipe is read to its end */
        assert_true(history->count < CLAIMS_MAX);
        if (claim.seq == 0)
            history->committed = history->count;
        else
            history->puts[history->count++] = claim;
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    close(ends[0]);
}

static void test_kill_9(void **state)
{
    struct place *place = *state;
    struct history history = {calloc(CLAIMS_MAX, sizeof *history.puts), 0, 0};
    struct pt_entry *entries = calloc(CLAIMS_MAX, sizeof *entries);
    unsigned seed = 20240501;
    uint64_t generation = 0;
    place->settings.entries_max = CLAIMS_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t before =
            history.count > 0 ? history.puts[history.count - 1].seq : 0;
        size_t first = history.count;
        run_and_kill(place, &history, 3000, &seed);
        for (size_t i = first; i < history.count; i++) {
            assert_true(history.puts[i].seq > before); /* never twice */
            before = history.puts[i].seq;
        }
        struct outbox *box = open_at(place);
        if (round > 0)
            assert_int_equal(outbox_generation(box), generation);
        generation = outbox_generation(box);
        size_t count = read_all(box, entries, CLAIMS_MAX);
        /* All of the committed, then perhaps a commit whose claim was cut. */
        size_t at = 0;
        for (size_t i = first; i < history.committed; i++, at++) {
            while (at < count && entries[at].seq < history.puts[i].seq)
                at++;
            assert_true(at < count);
            assert_int_equal(entries[at].seq, history.puts[i].seq);
            assert_true(is_entry_of(&entries[at], history.puts[i].n));
        }
        /* The next number is beyond whatever the child used. */
        uint64_t seq = put(box, history.count + 1);
        assert_true(history.count == 0 ||
                    seq > history.puts[history.count - 1].seq);
        assert_true(history.count < CLAIMS_MAX);
        history.puts[history.count] = (struct claim){seq, history.count + 1};
        history.count++;
        size_t gone = forget(box, (struct pt_receipt){.stored_to = seq - 1});
        assert_int_equal(gone, count);
        outbox_close(box);
    }
    free(entries);
    free(history.puts);
}

/* The write-ahead log is lost or spoilt: entries may be, too, but no number
 * serves twice. Killed while the log was being copied into it, the file is
 * neither the old nor the new one without the log: damaged, so another
 * generation's. */
static void test_log_is_lost(void **state)
{
    struct place *place = *state;
    struct history history = {calloc(CLAIMS_MAX, sizeof *history.puts), 0, 0};
    char wal[200];
    unsigned seed = 5;
    uint64_t generation = 0;
    snprintf(wal, sizeof wal, "%s-wal", place->path);
    for (int round = 0; round < 10; round++) {
        /* Soon after the start: its reservation is the last thing written. */
        run_and_kill(place, &history, 30, &seed);
        struct stat status;
        assert_int_equal(stat(wal, &status), 0);
        if (round % 2 == 0)
            assert_int_equal(unlink(wal), 0);
        else
            assert_int_equal(truncate(wal, status.st_size / 2), 0);
        struct outbox *box = NULL;
        bool damaged = true;
        assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
        uint64_t seq = put(box, history.count + 1);
        if (damaged)
            assert_true(outbox_generation(box) != generation);
        else
            assert_true(seq > history.puts[history.count - 1].seq);
        generation = outbox_generation(box);
        history.puts[history.count] = (struct claim){seq, history.count + 1};
        history.count++;
        outbox_close(box);
    }
    free(history.puts);
}

/* ---- damage ---- */

static void fill(const struct place *place, uint64_t count)
{
    struct outbox *box = open_at(place);
    for (uint64_t n = 1; n <= count; n++)
        assert_int_equal(put(box, n), n);
    outbox_close(box);
}

static uint64_t generation_of(const struct place *place)
{
    struct outbox *box = open_at(place);
    uint64_t generation = outbox_generation(box);
    outbox_close(box);
    return generation;
}

static void overwrite(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* A new file with a new generation, usable, and the old one kept. */
static void expect_put_aside(struct place *place, uint64_t generation)
{
    struct outbox *box = NULL;
    bool damaged = false;
    int before = files_with(place, "db.damaged-", false);
    assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
    assert_true(damaged);
    assert_true(outbox_generation(box) != generation);
    assert_int_equal(outbox_depth(box), 0);
    assert_int_equal(put(box, 1), 1);
    assert_int_equal(outbox_commit(box), PT_OK);
    outbox_close(box);
    assert_int_equal(files_with(place, "db.damaged-", false), before + 1);
}

static void test_garbage(void **state)
{
    struct place *place = *state;
    char garbage[5000];
    fill(place, 10);
    uint64_t generation = generation_of(place);
    memset(garbage, 'g', sizeof garbage);
    overwrite(place->path, garbage, sizeof garbage);
    expect_put_aside(place, generation);
}

static void test_truncated(void **state)
{
    struct place *place = *state;
    fill(place, 500);
    uint64_t generation = generation_of(place);
    struct stat status;
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(truncate(place->path, status.st_size / 2), 0);
    expect_put_aside(place, generation);
}

/* Whatever single byte is changed: never an entry that was not put, never a
 * generation half right; put aside or the rest goes on. */
static void test_any_byte_flipped(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[200];
    fill(place, 150);
    uint64_t generation = generation_of(place);
    int fd = open(place->path, O_RDONLY);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    size_t size = (size_t)status.st_size;
    char *bytes = malloc(size);
    assert_int_equal(read(fd, bytes, size), (ssize_t)size);
    close(fd);
    unsigned seed = 7;
    size_t aside = 0, fewer = 0;
    for (int round = 0; round < 300; round++) {
        size_t at = (size_t)rand_r(&seed) % size;
        char was = bytes[at];
        bytes[at] = (char)(was ^ (1 << rand_r(&seed) % 8));
        overwrite(place->path, bytes, size);
        bytes[at] = was;
        struct outbox *box = NULL;
        bool damaged = false;
        assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
        size_t count = 0;
        enum pt_err err = outbox_read(box, 0, 200, entries, &count);
        assert_true(err == PT_OK || err == PT_E_CORRUPT);
        damaged = damaged || err == PT_E_CORRUPT;
        assert_true(damaged == (outbox_generation(box) != generation));
        for (size_t i = 0; i < count; i++)
            assert_true(is_entry_of(&entries[i], entries[i].seq));
        assert_int_equal(count, outbox_depth(box));
        if (!damaged)
            assert_int_equal(count + outbox_dropped(box), 150);
        aside += damaged;
        fewer += !damaged && count < 150;
        outbox_close(box);
        files_with(place, "db-", true);
    }
    assert_true(aside > 0 && fewer > 0);
    assert_true(files_with(place, "db.damaged-", false) <= OUTBOX_DAMAGED_MAX);
    free(bytes);
}

/* The file is spoilt while it is open; what no commit wrote is carried over
 * under the new generation. */
/* SQLite takes a file whose header says a write version above 2 (byte 18;
 * sqlite.org/fileformat2.html, 1.3.3) for one to be read only. */
static void test_write_version_flipped(void **state)
{
    struct place *place = *state;
    fill(place, 3);
    uint64_t generation = generation_of(place);
    int fd = open(place->path, O_WRONLY);
    assert_int_equal(pwrite(fd, "\x4b", 1, 18), 1);
    close(fd);
    struct outbox *box = NULL;
    bool damaged = false;
    assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
    assert_true(damaged);
    assert_false(outbox_in_memory(box));
    assert_true(outbox_generation(box) != generation);
    put(box, 1);
    assert_int_equal(outbox_commit(box), PT_OK);
    outbox_close(box);
    assert_int_equal(files_with(place, "db.damaged-", false), 1);
}

static void test_damaged_under_way(void **state)
{
    struct place *place = *state;
    static struct pt_entry entries[20 * MANY];
    fill(place, 20 * MANY); /* several times the page cache */
    struct outbox *box = open_at(place);
    uint64_t generation = outbox_generation(box);
    put(box, MANY + 1);
    put(box, MANY + 2);
    int fd = open(place->path, O_WRONLY);
    char noise[4096];
    memset(noise, 0xa5, sizeof noise);
    for (off_t at = 4096; at < 1000000; at += 4096)
        assert_int_equal(pwrite(fd, noise, sizeof noise, at), 4096);
    /* Not closed before the outbox: that would drop SQLite's locks. */
    size_t count = 0;
    assert_int_equal(outbox_read(box, 0, 20 * MANY, entries, &count),
                     PT_E_CORRUPT);
    assert_true(outbox_generation(box) != generation);
    assert_int_equal(read_all(box, entries, MANY), 2);
    put(box, MANY + 3);
    assert_int_equal(outbox_commit(box), PT_OK);
    uint64_t after = outbox_generation(box);
    for (int opened = 0; opened < 2; opened++) {
        struct name names[3];
        assert_int_equal(outbox_generation(box), after);
        assert_int_equal(name_all(box, names, 3), 3);
        check_name(&names[0], generation, 20 * MANY + 1, MANY + 1);
        check_name(&names[1], generation, 20 * MANY + 2, MANY + 2);
        check_name(&names[2], after, 1, MANY + 3);
        outbox_close(box);
        box = open_at(place);
    }
    outbox_close(box);
    close(fd);
    assert_int_equal(files_with(place, "db.damaged-", false), 1);
}

/* Bytes that SQLite cannot know to be wrong. */
static void change(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

static void test_changed_values(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[10];
    fill(place, 10);
    change(place, "UPDATE outbox_entry SET lat_e6 = lat_e6 + 1 WHERE seq = 5");
    change(place, "UPDATE outbox_entry SET detail = 'x' WHERE seq = 3");
    bool damaged = false;
    struct outbox *box = open_at(place);
    size_t count = 0;
    assert_int_equal(outbox_read(box, 0, 10, entries, &count), PT_OK);
    assert_int_equal(count, 8); /* 3 and 5 are dropped and counted */
    assert_int_equal(outbox_dropped(box), 2);
    outbox_close(box);
    const char *const changes[] = {
        "UPDATE outbox_meta SET reserved_to = reserved_to + 1",
        "UPDATE outbox_meta SET generation = generation + 1",
        "UPDATE outbox_meta SET dropped = dropped + 1",
        "DELETE FROM outbox_meta",
        "DELETE FROM outbox_era",
        "UPDATE outbox_era SET first = first + 1",
        "UPDATE outbox_era SET generation = generation + 1",
        "INSERT INTO outbox_era VALUES (5, 7, 0)",
        /* beyond what was reserved */
        "UPDATE outbox_entry SET seq = 99999 WHERE seq = 10",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (i > 0)
            fill(place, 10);
        change(place, changes[i]);
        assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
        assert_true(damaged);
        assert_int_equal(outbox_depth(box), 0);
        outbox_close(box);
        assert_int_equal(unlink(place->path), 0);
    }
}

/* As version 1 made it: all of one generation. Its rows keep who they are. */
static void test_file_of_version_1(void **state)
{
    struct place *place = *state;
    struct name names[4];
    fill(place, 3);
    uint64_t generation = generation_of(place);
    sqlite3 *db = NULL;
    char sql[400];
    /* FNV-1a over the row's three numbers, least byte first */
    uint64_t row[3] = {generation, 3, 0};
    uint32_t sum = UINT32_C(2166136261);
    for (int i = 0; i < 24; i++)
        sum = (sum ^ (uint8_t)(row[i / 8] >> i % 8 * 8)) * UINT32_C(16777619);
    snprintf(sql, sizeof sql,
             "DROP TABLE outbox_era; UPDATE outbox_meta SET reserved_to = 3,"
             " sum = %lu; PRAGMA user_version = 1",
             (unsigned long)sum);
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    for (int opened = 0; opened < 2; opened++) {
        struct outbox *box = open_at(place);
        assert_int_equal(outbox_generation(box), generation);
        if (opened == 0)
            put(box, 4);
        assert_int_equal(name_all(box, names, 4), 4);
        for (uint64_t n = 1; n <= 4; n++)
            check_name(&names[n - 1], generation, n, n);
        outbox_close(box);
    }
}

/* The log of a run that was killed is not played into the new file. */
static void test_garbage_beside_a_log(void **state)
{
    struct place *place = *state;
    struct history history = {calloc(CLAIMS_MAX, sizeof *history.puts), 0, 0};
    unsigned seed = 9;
    run_and_kill(place, &history, 3000, &seed);
    assert_int_equal(files_with(place, "db-wal", false), 1);
    char garbage[5000];
    memset(garbage, 'g', sizeof garbage);
    overwrite(place->path, garbage, sizeof garbage);
    struct outbox *box = NULL;
    bool damaged = false;
    assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
    assert_true(damaged);
    assert_int_equal(outbox_depth(box), 0);
    assert_int_equal(put(box, 1), 1);
    outbox_close(box);
    box = open_at(place);
    assert_int_equal(outbox_depth(box), 1);
    outbox_close(box);
    free(history.puts);
}

static void test_damaged_files_are_bounded(void **state)
{
    struct place *place = *state;
    for (int i = 0; i < OUTBOX_DAMAGED_MAX + 3; i++) {
        struct outbox *box = NULL;
        bool damaged = false;
        overwrite(place->path, "no database, but long enough to be one", 38);
        assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
        assert_true(damaged);
        outbox_close(box);
    }
    assert_int_equal(files_with(place, "db.damaged-", false),
                     OUTBOX_DAMAGED_MAX);
}

static void test_a_strangers_file(void **state)
{
    struct place *place = *state;
    struct outbox *box = NULL;
    bool damaged = false;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(outbox_open(&place->settings, &box, &damaged),
                     PT_E_CONFIG);
    assert_int_equal(files_with(place, "damaged", false), 0);
}

/* ---- disks that do not take it ---- */

/* `count` entries from number `first` on, made of `made`..., all with the mark
 * that they were not safe. */
static void check_unsafe(const struct pt_entry *entries, uint64_t made,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(is_entry_of(&entries[i], made + i));
        assert_true(entries[i].flags & PT_FLAG_UNSAFE);
    }
}

/* Begins in memory; once the folder is there its file is made, for the same
 * generation, with all that was put. */
static void test_no_such_folder(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[20];
    struct outbox *box = NULL;
    bool damaged = true;
    char folder[200];
    char path[240];
    snprintf(folder, sizeof folder, "%s/none", place->folder);
    snprintf(path, sizeof path, "%s/outbox.db", folder);
    place->settings.path = path;
    assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
    assert_false(damaged);
    assert_true(outbox_in_memory(box));
    uint64_t generation = outbox_generation(box);
    for (uint64_t n = 1; n <= 5; n++)
        assert_int_equal(put(box, n), n);
    assert_int_equal(outbox_commit(box), PT_E_DISK);
    assert_int_equal(forget(box, (struct pt_receipt){.stored_to = 2}), 2);
    assert_int_equal(outbox_lowest(box), 3);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_false(outbox_in_memory(box));
    assert_int_equal(outbox_generation(box), generation);
    assert_int_equal(put(box, 6), 6);
    outbox_close(box);
    box = open_at(place);
    assert_int_equal(outbox_generation(box), generation);
    assert_int_equal(read_all(box, entries, 20), 4);
    check_unsafe(entries, 3, 3);
    assert_int_equal(entries[0].seq, 3);
    assert_false(entries[3].flags & PT_FLAG_UNSAFE);
    outbox_close(box);
    unlink(path);
    rmdir(folder);
}

static void test_no_file_can_be(void **state)
{
    struct place *place = *state;
    struct outbox *box = NULL;
    bool damaged = true;
    place->settings.path = "/proc/outbox.db"; /* there, and takes no file */
    assert_int_equal(outbox_open(&place->settings, &box, &damaged), PT_OK);
    assert_true(outbox_in_memory(box));
    for (uint64_t n = 1; n <= OUTBOX_PENDING_MAX + 7; n++)
        assert_int_equal(put(box, n), n);
    assert_int_equal(outbox_commit(box), PT_E_DISK);
    assert_int_equal(outbox_depth(box), OUTBOX_PENDING_MAX);
    assert_int_equal(outbox_lowest(box), 8);
    assert_int_equal(outbox_dropped(box), 7);
    outbox_close(box);
}

static void test_settings(void **state)
{
    struct place *place = *state;
    struct outbox *box = NULL;
    bool damaged = false;
    struct outbox_settings settings = place->settings;
    settings.entries_max = 0;
    assert_int_equal(outbox_open(&settings, &box, &damaged), PT_E_CONFIG);
    settings = place->settings;
    settings.path = "";
    assert_int_equal(outbox_open(&settings, &box, &damaged), PT_E_CONFIG);
}

static void test_second_process(void **state)
{
    struct place *place = *state;
    struct outbox *box = open_at(place);
    put(box, 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct outbox *other = NULL;
        bool damaged = false;
        enum pt_err err = outbox_open(&place->settings, &other, &damaged);
        _exit(err == PT_E_AGAIN && !damaged ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(outbox_commit(box), PT_OK);
    outbox_close(box);
    assert_int_equal(files_with(place, "damaged", false), 0);
}

/* No file may grow, nor be written beyond its start: what a full disk says
 * (write(2): EFBIG with SIGXFSZ ignored). */
static void disk_full(bool full)
{
    static struct rlimit before;
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    if (full) {
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        limit = before;
        limit.rlim_cur = 1;
    } else {
        limit = before;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_disk_full(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[40];
    struct outbox *box = open_at(place);
    uint64_t generation = outbox_generation(box);
    for (uint64_t n = 1; n <= 10; n++)
        put(box, n);
    assert_int_equal(outbox_commit(box), PT_OK);
    put(box, 11);
    disk_full(true);
    enum pt_err commit = outbox_commit(box);
    uint64_t seq = put(box, 12);
    enum pt_err again = outbox_commit(box);
    size_t count = 0;
    struct pt_receipt receipt = {.generation = generation, .stored_to = 4};
    enum pt_err forgotten = outbox_forget(box, &receipt, &count);
    uint64_t lowest = outbox_lowest(box), depth = outbox_depth(box);
    disk_full(false);
    assert_int_equal(commit, PT_E_DISK);
    assert_int_equal(again, PT_E_DISK);
    assert_int_equal(seq, 12);
    assert_int_equal(forgotten, PT_E_DISK);
    assert_int_equal(lowest, 5); /* not read again all the same */
    assert_int_equal(depth, 8);
    assert_int_equal(read_all(box, entries, 40), 8);
    assert_false(entries[6].flags & PT_FLAG_UNSAFE); /* 11: before */
    assert_true(entries[7].flags & PT_FLAG_UNSAFE);  /* 12: after */
    assert_int_equal(outbox_commit(box), PT_OK);
    put(box, 13);
    outbox_close(box);
    box = open_at(place);
    assert_int_equal(outbox_generation(box), generation);
    assert_int_equal(read_all(box, entries, 40), 9);
    for (size_t i = 0; i < 9; i++)
        assert_true(is_entry_of(&entries[i], 5 + i));
    assert_true(entries[7].flags & PT_FLAG_UNSAFE); /* a repeat must agree */
    assert_false(entries[8].flags & PT_FLAG_UNSAFE);
    outbox_close(box);
}

static enum pt_err commit_full(struct outbox *box)
{
    disk_full(true);
    enum pt_err err = outbox_commit(box);
    disk_full(false);
    return err;
}

static struct outbox *open_full(const struct place *place)
{
    disk_full(true);
    struct outbox *box = open_at(place);
    disk_full(false);
    assert_true(outbox_in_memory(box));
    return box;
}

/* A start with a file that cannot be written: what it holds waits, what is put
 * meanwhile is sent from memory, and with the first write both are one, each
 * entry as what it was sent as. */
static void test_disk_full_at_start(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[40];
    struct name names[15];
    struct outbox *box = open_at(place);
    uint64_t first = outbox_generation(box);
    for (uint64_t n = 1; n <= 10; n++)
        put(box, n);
    outbox_close(box);
    box = open_full(place);
    uint64_t second = outbox_generation(box);
    assert_true(second != first);
    assert_int_equal(outbox_depth(box), 0);
    for (uint64_t n = 11; n <= 15; n++)
        assert_int_equal(put(box, n), n - 10);
    assert_int_equal(commit_full(box), PT_E_DISK);
    assert_int_equal(read_all(box, entries, 40), 5);
    check_unsafe(entries, 11, 5);
    unsigned numbering = outbox_numbering(box);

    assert_int_equal(outbox_commit(box), PT_OK);
    assert_true(outbox_numbering(box) != numbering);
    assert_int_equal(outbox_lowest(box), 1);
    assert_int_equal(outbox_uncommitted(box), 0);
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(outbox_generation(box), second);
        assert_int_equal(read_all(box, entries, 40), 15);
        check_unsafe(entries + 10, 11, 5);
        assert_int_equal(entries[14].seq, outbox_highest(box));
        assert_int_equal(name_all(box, names, 15), 15);
        for (uint64_t n = 1; n <= 10; n++)
            check_name(&names[n - 1], first, n, n);
        for (uint64_t n = 11; n <= 15; n++)
            check_name(&names[n - 1], second, n - 10, n);
        outbox_close(box);
        box = open_at(place);
    }
    assert_int_equal(files_with(place, "damaged", false), 0);
    outbox_close(box);
}

/* What was full before, and what came into memory meanwhile, is too much
 * together: the oldest goes, counted, before both are one. */
static void test_a_full_outbox_is_not_fuller_for_a_full_disk(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[10];
    place->settings.entries_max = 5;
    struct outbox *box = open_at(place);
    for (uint64_t n = 1; n <= 5; n++)
        put(box, n);
    outbox_close(box);
    box = open_full(place);
    for (uint64_t n = 6; n <= 9; n++)
        put(box, n);
    assert_int_equal(outbox_commit(box), PT_OK);
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(outbox_depth(box), 5);
        assert_int_equal(outbox_dropped(box), 4);
        assert_int_equal(read_all(box, entries, 10), 5);
        for (size_t i = 0; i < 5; i++)
            assert_true(is_entry_of(&entries[i], 5 + i));
        outbox_close(box);
        box = open_at(place);
    }
    outbox_close(box);
}

/* Each generation's receipt takes its own; the file forgets one of which it
 * holds nothing more. */
static void test_receipts_of_two_generations(void **state)
{
    struct place *place = *state;
    struct name names[8];
    struct pt_receipt placed;
    size_t count = 0;
    fill(place, 4);
    uint64_t first = generation_of(place);
    struct outbox *box = open_full(place);
    for (uint64_t n = 5; n <= 8; n++)
        put(box, n);
    uint64_t second = outbox_generation(box);
    assert_int_equal(outbox_commit(box), PT_OK);
    struct pt_receipt receipt = {.generation = second, .stored_to = 1};
    receipt.range_count = 1;
    receipt.ranges[0] = (struct pt_range){3, 3};
    assert_true(outbox_place(box, &receipt, &placed));
    assert_int_equal(placed.stored_to, 0); /* the first's are not named */
    assert_int_equal(placed.range_count, 2);
    assert_int_equal(placed.ranges[1].last + 1, outbox_highest(box));
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, 2);
    receipt = (struct pt_receipt){.generation = first, .stored_to = 2};
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, 2);
    assert_int_equal(name_all(box, names, 8), 4);
    check_name(&names[0], first, 3, 3);
    check_name(&names[1], first, 4, 4);
    check_name(&names[2], second, 2, 6);
    check_name(&names[3], second, 4, 8);
    /* An empty message closes nothing that is held. */
    struct pt_report beat = {.count = 0};
    assert_int_equal(outbox_sign(box, &beat), 0);
    assert_int_equal(beat.generation, second);
    assert_true(beat.lowest_held <= 2);
    receipt.stored_to = 4;
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, 2);
    (void)outbox_sign(box, &beat);
    assert_int_equal(beat.lowest_held, 2);
    outbox_close(box);
    box = open_at(place);
    assert_false(outbox_place(box, &receipt, &placed));
    assert_int_equal(name_all(box, names, 8), 2);
    check_name(&names[0], second, 2, 6);
    outbox_close(box);
}

/* One generation more than may be: the oldest goes, and is counted. */
static void test_generations_are_bounded(void **state)
{
    struct place *place = *state;
    struct name names[2 * OUTBOX_GENERATIONS_MAX];
    fill(place, 2);
    uint64_t n = 3;
    for (int i = 1; i < OUTBOX_GENERATIONS_MAX; i++) {
        struct outbox *box = open_full(place);
        put(box, n++);
        assert_int_equal(outbox_commit(box), PT_OK);
        assert_int_equal(outbox_depth(box), n - 1);
        outbox_close(box);
    }
    struct outbox *box = open_full(place);
    put(box, n++);
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_int_equal(outbox_dropped(box), 2);
    outbox_close(box);
    box = open_at(place);
    assert_int_equal(outbox_dropped(box), 2);
    size_t count = name_all(box, names, 2 * OUTBOX_GENERATIONS_MAX);
    assert_int_equal(count, OUTBOX_GENERATIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(names[i].seq, 1);
        assert_int_equal(names[i].made_of, 3 + i);
    }
    outbox_close(box);
}

/* Meanwhile somebody else has made the file and holds it: ours goes on in
 * memory until it is let go. */
static void test_other_process_while_in_memory(void **state)
{
    struct place *place = *state;
    struct pt_entry entries[4];
    struct outbox *box = NULL;
    bool damaged = true;
    disk_full(true);
    enum pt_err err = outbox_open(&place->settings, &box, &damaged);
    disk_full(false);
    assert_int_equal(err, PT_OK);
    assert_true(outbox_in_memory(box));
    put(box, 2);
    int hold[2], held[2];
    char byte = 0;
    assert_int_equal(pipe(hold) | pipe(held), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct outbox *other = NULL;
        close(hold[1]);
        bool opened = outbox_open(&place->settings, &other, &damaged) == PT_OK;
        if (opened)
            put(other, 1);
        opened = write(held[1], "x", 1) == 1 && opened;
        opened = read(hold[0], &byte, 1) == 0 && opened; /* until closed */
        outbox_close(other);
        _exit(opened ? 0 : 1);
    }
    assert_int_equal(read(held[0], &byte, 1), 1);
    assert_int_equal(outbox_commit(box), PT_E_AGAIN);
    assert_int_equal(outbox_depth(box), 1);
    close(hold[1]);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_int_equal(read_all(box, entries, 4), 2);
    assert_true(is_entry_of(&entries[0], 1));
    assert_true(is_entry_of(&entries[1], 2));
    outbox_close(box);
    close(hold[0]);
    close(held[0]);
    close(held[1]);
}

/* Longer than the reserved numbers last: a new generation in memory, bounded,
 * newest kept; the file stays as it was until it can be written. */
static void test_disk_full_for_long(void **state)
{
    struct place *place = *state;
    static struct pt_entry entries[OUTBOX_PENDING_MAX + 10];
    static struct name names[OUTBOX_PENDING_MAX + 10];
    struct outbox *box = open_at(place);
    uint64_t first = outbox_generation(box);
    for (uint64_t n = 1; n <= 10; n++)
        put(box, n);
    assert_int_equal(outbox_commit(box), PT_OK);
    disk_full(true);
    uint64_t n = 11;
    for (; n <= UINT64_C(3) * OUTBOX_BLOCK; n++)
        put(box, n);
    enum pt_err commit = outbox_commit(box);
    disk_full(false);
    assert_int_equal(commit, PT_E_DISK);
    uint64_t second = outbox_generation(box);
    assert_true(second != first);
    assert_int_equal(outbox_depth(box), OUTBOX_PENDING_MAX);
    size_t count = read_all(box, entries, OUTBOX_PENDING_MAX + 10);
    assert_int_equal(made_of(&entries[count - 1]), n - 1);
    assert_int_equal(entries[count - 1].seq, outbox_highest(box));
    assert_true(outbox_dropped(box) > 0);
    uint64_t dropped = outbox_dropped(box);
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_int_equal(outbox_generation(box), second);
    assert_int_equal(outbox_depth(box), 10 + OUTBOX_PENDING_MAX);
    assert_int_equal(outbox_dropped(box), dropped);
    outbox_close(box);
    box = open_at(place);
    assert_int_equal(outbox_generation(box), second);
    count = name_all(box, names, OUTBOX_PENDING_MAX + 10);
    assert_int_equal(count, OUTBOX_PENDING_MAX + 10);
    for (size_t i = 0; i < 10; i++)
        check_name(&names[i], first, i + 1, i + 1);
    /* 1 to 4096 were of the first generation's block: 12287 is the second's
     * 12287 - 4096rd */
    for (size_t i = 10; i < count; i++)
        check_name(&names[i], second, n - (count - i) - OUTBOX_BLOCK,
                   n - (count - i));
    outbox_close(box);
}

/* The numbers are used up while entries of theirs stand in memory, and rows in
 * the file: a report of the one must not close the others. */
static void test_numbers_used_up(void **state)
{
    struct place *place = *state;
    static struct name names[OUTBOX_BLOCK];
    struct outbox *box = open_at(place);
    uint64_t first = outbox_generation(box);
    put(box, 1);
    put(box, 2);
    assert_int_equal(outbox_commit(box), PT_OK);
    disk_full(true);
    for (uint64_t n = 3; n <= OUTBOX_BLOCK + 2; n++)
        put(box, n);
    disk_full(false);
    uint64_t second = outbox_generation(box);
    assert_true(outbox_in_memory(box) && second != first);
    assert_int_equal(forget(box, (struct pt_receipt){.stored_to = 1}), 1);
    struct pt_receipt receipt = {.generation = first, .range_count = 1};
    receipt.ranges[0] = (struct pt_range){3, OUTBOX_BLOCK - 3};
    size_t count = 0;
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, OUTBOX_BLOCK - 5);
    for (int in_file = 0; in_file < 2; in_file++) {
        struct pt_entry entries[4];
        struct pt_report report = {.entries = entries};
        assert_int_equal(outbox_read(box, 0, 4, entries, &report.count), PT_OK);
        assert_true(outbox_sign(box, &report) > 0);
        assert_int_equal(report.generation, first);
        assert_int_equal(report.lowest_held, 1); /* seen or not */
        assert_int_equal(outbox_commit(box), PT_OK);
    }
    assert_int_equal(name_all(box, names, OUTBOX_BLOCK), 6);
    check_name(&names[0], first, 1, 1);
    check_name(&names[1], first, 2, 2);
    for (uint64_t i = 2; i < 5; i++)
        check_name(&names[i], first, OUTBOX_BLOCK - 4 + i,
                   OUTBOX_BLOCK - 4 + i);
    check_name(&names[5], second, 2, OUTBOX_BLOCK + 2);
    receipt =
        (struct pt_receipt){.generation = first, .stored_to = OUTBOX_BLOCK};
    assert_int_equal(outbox_forget(box, &receipt, &count), PT_OK);
    assert_int_equal(count, 5);
    outbox_close(box);
}

/* ---- against a naive model ---- */

struct model {
    uint64_t held[MANY]; /* numbers, ascending; n == seq of a clean file */
    size_t count;
    uint64_t next, dropped, max;
};

static void model_remove(struct model *model, uint64_t first, uint64_t last)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (model->held[i] < first || model->held[i] > last)
            model->held[kept++] = model->held[i];
    }
    model->count = kept;
}

static void model_put(struct model *model)
{
    model->held[model->count++] = model->next++;
    while (model->count > model->max) {
        model_remove(model, model->held[0], model->held[0]);
        model->dropped++;
    }
}

static void compare(struct outbox *box, const struct model *model)
{
    static struct pt_entry entries[MANY];
    assert_int_equal(read_all(box, entries, MANY), model->count);
    for (size_t i = 0; i < model->count; i++) {
        assert_int_equal(entries[i].seq, model->held[i]);
        assert_true(is_entry_of(&entries[i], model->held[i]));
    }
    assert_int_equal(outbox_dropped(box), model->dropped);
    assert_int_equal(outbox_highest(box) + 1, model->next);
    if (model->count == 0)
        assert_int_equal(outbox_lowest(box), model->next);
}

static void random_receipt(struct outbox *box, struct model *model,
                           unsigned *seed)
{
    struct pt_receipt receipt = {0};
    uint64_t at = outbox_lowest(box) - 1;
    if (rand_r(seed) % 2 == 0)
        at += (uint64_t)rand_r(seed) % 20;
    if (at >= model->next)
        at = model->next - 1;
    receipt.stored_to = at;
    while (receipt.range_count < 4 && rand_r(seed) % 3 != 0) {
        uint64_t first = at + 2 + (uint64_t)rand_r(seed) % 9;
        uint64_t last = first + (uint64_t)rand_r(seed) % 9;
        if (last >= model->next)
            break;
        receipt.ranges[receipt.range_count++] = (struct pt_range){first, last};
        at = last;
    }
    size_t before = model->count;
    model_remove(model, 1, receipt.stored_to);
    for (size_t i = 0; i < receipt.range_count; i++)
        model_remove(model, receipt.ranges[i].first, receipt.ranges[i].last);
    assert_int_equal(forget(box, receipt), before - model->count);
}

static void test_random_operations(void **state)
{
    struct place *place = *state;
    struct model model = {.next = 1, .max = 60};
    unsigned seed = 11;
    place->settings.entries_max = model.max;
    struct outbox *box = open_at(place);
    for (int i = 0; i < 3000; i++) {
        int what = rand_r(&seed) % 100;
        if (what < 70) {
            assert_int_equal(put(box, model.next), model.next);
            model_put(&model);
        } else if (what < 85) {
            assert_int_equal(outbox_commit(box), PT_OK);
        } else if (what < 97) {
            random_receipt(box, &model, &seed);
        } else {
            outbox_close(box);
            box = open_at(place);
        }
        compare(box, &model);
    }
    outbox_close(box);
}

/* ---- who an entry is, for life ---- */

/* What may be: still held, receipted, or lost with a program's memory. */
enum fate { FATE_HELD, FATE_GONE, FATE_EITHER };

struct life {
    struct name names[3 * MANY]; /* of entry n; generation 0: not yet seen */
    enum fate fates[3 * MANY];
    struct name held[3 * MANY];
    size_t count, last;
    bool full;
};

/* Each has the name it had, and no two have had the same. */
static void check_lives(struct outbox *box, struct life *life)
{
    life->count = name_all(box, life->held, 3 * MANY);
    for (size_t i = 0; i < life->count; i++) {
        const struct name *name = &life->held[i];
        struct name *known = &life->names[name->made_of];
        assert_int_not_equal(life->fates[name->made_of], FATE_GONE);
        if (known->generation != 0)
            check_name(name, known->generation, known->seq, name->made_of);
        for (size_t n = 1; known->generation == 0 && n <= life->last; n++)
            assert_false(life->names[n].generation == name->generation &&
                         life->names[n].seq == name->seq);
        *known = *name;
    }
}

/* For some neighbours of one generation. A full disk may keep them. */
static void receipt_some(struct outbox *box, struct life *life, unsigned *seed)
{
    if (life->count == 0)
        return;
    struct name at = life->held[(size_t)rand_r(seed) % life->count];
    uint64_t last = at.seq + (uint64_t)rand_r(seed) % 9;
    size_t count = 0, named = 0;
    struct pt_receipt receipt = {.generation = at.generation};
    for (size_t i = 0; i < life->count; i++) {
        const struct name *name = &life->held[i];
        if (name->generation != at.generation || name->seq < at.seq ||
            name->seq > last)
            continue;
        receipt.ranges[0] =
            (struct pt_range){at.seq, name->seq}; /* not beyond the given */
        receipt.range_count = 1;
        life->fates[name->made_of] = life->full ? FATE_EITHER : FATE_GONE;
        named++;
    }
    enum pt_err err = outbox_forget(box, &receipt, &count);
    if (!life->full)
        assert_true(err == PT_OK && count == named);
}

static struct outbox *
end_and_begin(struct outbox *box, const struct place *place, struct life *life)
{
    size_t unsafe = outbox_uncommitted(box);
    for (size_t i = life->count - unsafe; life->full && i < life->count; i++)
        life->fates[life->held[i].made_of] = FATE_EITHER;
    disk_full(life->full);
    outbox_close(box);
    box = open_at(place);
    disk_full(false);
    return box;
}

/* Puts, commits, receipts, ends and starts, on a disk that is full at times. */
static void test_identity_for_life(void **state)
{
    struct place *place = *state;
    static struct life life;
    unsigned seed = 5, in_memory = 0;
    life = (struct life){.last = 0};
    struct outbox *box = open_at(place);
    for (int i = 0; i < 4000; i++) {
        int what = rand_r(&seed) % 100;
        disk_full(life.full);
        enum pt_err err = PT_OK;
        if (what < 50)
            put(box, ++life.last);
        else if (what < 70)
            err = outbox_commit(box);
        else if (what < 92)
            receipt_some(box, &life, &seed);
        disk_full(false);
        assert_true(err == PT_OK || life.full);
        if (what >= 96)
            life.full = !life.full;
        else if (what >= 92)
            box = end_and_begin(box, place, &life);
        in_memory += outbox_in_memory(box);
        check_lives(box, &life);
    }
    assert_true(in_memory > 100);
    assert_int_equal(outbox_commit(box), PT_OK);
    check_lives(box, &life);
    uint64_t missing = 0;
    for (size_t i = 0; i < life.count; i++)
        life.fates[life.held[i].made_of] = FATE_GONE;
    for (size_t n = 1; n <= life.last; n++)
        missing += life.fates[n] == FATE_HELD;
    /* of more generations than there may be */
    assert_true(missing <= outbox_dropped(box));
    assert_true(missing < life.last / 100);
    outbox_close(box);
}

/* ---- memory that runs out ---- */

/* SQLite's allocator, failing from the n-th call on until told otherwise. */
static sqlite3_mem_methods real_methods;
static long fail_after = -1; /* calls left; -1: never fails */

static bool fails_now(void)
{
    if (fail_after > 0)
        fail_after--;
    return fail_after == 0;
}

static void *failing_malloc(int size)
{
    return fails_now() ? NULL : real_methods.xMalloc(size);
}

static void *failing_realloc(void *old, int size)
{
    return fails_now() ? NULL : real_methods.xRealloc(old, size);
}

static int wrap_allocator(void **state)
{
    (void)state;
    sqlite3_mem_methods methods;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_methods) != SQLITE_OK)
        return -1;
    methods = real_methods;
    methods.xMalloc = failing_malloc;
    methods.xRealloc = failing_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK ? 0 : -1;
}

/* Opens, puts, commits and reads with an allocator that fails from the
 * `at`-th call on; then all goes on as if it had not been. `*failed` counts
 * by step; true when memory sufficed. */
static bool run_with_failing(struct place *place, long at, int failed[3])
{
    struct pt_entry entries[10];
    struct outbox *box = NULL;
    bool damaged = false;
    enum pt_err err = PT_OK;
    size_t count = 0;
    fail_after = at;
    err = outbox_open(&place->settings, &box, &damaged);
    assert_false(damaged);
    assert_int_equal(files_with(place, "damaged", false), 0);
    if (err != PT_OK) {
        fail_after = -1;
        assert_int_equal(err, PT_E_NOMEM);
        failed[0]++;
        return false;
    }
    uint64_t seq = put(box, 1);
    enum pt_err commit = outbox_commit(box);
    enum pt_err got = outbox_read(box, seq, 10, entries, &count);
    bool sufficed = fail_after > 0;
    fail_after = -1;
    assert_true(commit == PT_OK || (commit == PT_E_NOMEM && !sufficed));
    assert_true(got == PT_OK || (got == PT_E_NOMEM && !sufficed));
    failed[1] += commit != PT_OK;
    failed[2] += got != PT_OK;
    assert_int_equal(outbox_commit(box), PT_OK);
    assert_int_equal(outbox_read(box, seq, 10, entries, &count), PT_OK);
    assert_int_equal(count, 1);
    assert_true(is_entry_of(&entries[0], 1));
    assert_int_equal(forget(box, (struct pt_receipt){.stored_to = seq}), 1);
    outbox_close(box);
    return sufficed;
}

/* No damage may be seen where there is none, and what was put is kept. The
 * steps grow with the number: some thousand allocations, and every one of
 * the first two hundred. */
static void test_sqlite_out_of_memory(void **state)
{
    struct place *place = *state;
    int failed[3] = {0};
    outbox_close(open_at(place));
    long at = 1;
    while (!run_with_failing(place, at, failed)) {
        at += 1 + at / 200;
        assert_true(at < 100000);
    }
    print_message("%ld allocations; failed in turn: %d opens, %d commits, "
                  "%d reads\n",
                  at, failed[0], failed[1], failed[2]);
    assert_true(failed[0] > 0 && failed[1] > 0);
}

/* ---- what it costs ---- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Eight hours at 1 Hz without network, then drained by batches of 500. */
static void test_a_shift_without_network(void **state)
{
    struct place *place = *state;
    enum { SHIFT = 28800, BATCH = 500 };
    static struct pt_entry entries[BATCH];
    struct outbox *box = open_at(place);
    double start = seconds(), worst = 0.0;
    sqlite3_memory_highwater(1);
    for (uint64_t n = 1; n <= SHIFT; n++) {
        put(box, n);
        if (n % 10 == 0) {
            double before = seconds();
            assert_int_equal(outbox_commit(box), PT_OK);
            worst = seconds() - before > worst ? seconds() - before : worst;
        }
    }
    double filled = seconds();
    uint64_t drained = 0;
    while (outbox_depth(box) > 0) {
        size_t count = 0;
        assert_int_equal(
            outbox_read(box, outbox_lowest(box), BATCH, entries, &count),
            PT_OK);
        uint64_t to = entries[count - 1].seq;
        drained += forget(box, (struct pt_receipt){.stored_to = to});
    }
    assert_int_equal(drained, SHIFT);
    double emptied = seconds();
    sqlite3_int64 memory = sqlite3_memory_highwater(0);
    struct stat status;
    assert_int_equal(stat(place->path, &status), 0);
    off_t size = status.st_size;
    print_message("commit of 10: mean %.2f ms, worst %.1f ms; drain: %.0f ms; "
                  "file: %ld kB; SQLite at most %ld kB\n",
                  (filled - start) * 10 / SHIFT * 1e3, worst * 1e3,
                  (emptied - filled) * 1e3, (long)size / 1024,
                  (long)memory / 1024);
    /* The header's promise for the page cache, and as much again for all
     * else. */
    assert_true(memory < INT64_C(512) * 1024);
    /* The room is used again: a second shift makes the file no larger. */
    for (uint64_t n = 1; n <= SHIFT; n++) {
        put(box, SHIFT + n);
        if (n % 1000 == 0)
            assert_int_equal(outbox_commit(box), PT_OK);
    }
    outbox_close(box);
    assert_int_equal(stat(place->path, &status), 0);
    assert_true(status.st_size <= size + size / 20);
}

#define PT_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PT_TEST(test_put_commit_reopen),
        PT_TEST(test_read_window),
        PT_TEST(test_impossible_entries),
        PT_TEST(test_impossible_row),
        PT_TEST(test_details),
        PT_TEST(test_private_file),
        PT_TEST(test_receipt_deletes_what_it_names),
        PT_TEST(test_receipt_of_others),
        PT_TEST(test_receipt_of_a_twin),
        PT_TEST(test_bounded_by_number),
        PT_TEST(test_bounded_by_age),
        PT_TEST(test_clock_that_jumps),
        PT_TEST(test_unsure_clock_does_not_age),
        PT_TEST(test_newest_is_kept),
        PT_TEST(test_commit_waits_for_the_disk),
        PT_TEST(test_kill_9),
        PT_TEST(test_log_is_lost),
        PT_TEST(test_garbage),
        PT_TEST(test_truncated),
        PT_TEST(test_any_byte_flipped),
        PT_TEST(test_write_version_flipped),
        PT_TEST(test_damaged_under_way),
        PT_TEST(test_changed_values),
        PT_TEST(test_file_of_version_1),
        PT_TEST(test_garbage_beside_a_log),
        PT_TEST(test_damaged_files_are_bounded),
        PT_TEST(test_a_strangers_file),
        PT_TEST(test_no_such_folder),
        PT_TEST(test_no_file_can_be),
        PT_TEST(test_settings),
        PT_TEST(test_second_process),
        PT_TEST(test_disk_full),
        PT_TEST(test_disk_full_at_start),
        PT_TEST(test_a_full_outbox_is_not_fuller_for_a_full_disk),
        PT_TEST(test_receipts_of_two_generations),
        PT_TEST(test_generations_are_bounded),
        PT_TEST(test_other_process_while_in_memory),
        PT_TEST(test_disk_full_for_long),
        PT_TEST(test_numbers_used_up),
        PT_TEST(test_random_operations),
        PT_TEST(test_identity_for_life),
        PT_TEST(test_sqlite_out_of_memory),
        PT_TEST(test_a_shift_without_network),
    };
    return cmocka_run_group_tests(tests, wrap_allocator, NULL);
}
