#include "outbox.h"
#include "outbox_internal.h"
#include "pt_log.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What SQLite keeps beside its file. */
static const char *const companions[] = {"-wal", "-journal", "-shm"};
#define COMPANIONS (sizeof companions / sizeof companions[0])

static void path_of(char ret[PATH_MAX], const char *path, long long time_s,
                    const char *companion)
{
    snprintf(ret, PATH_MAX, "%s.damaged-%lld%s", path, time_s, companion);
}

/* The time in "outbox.db.damaged-1700000000"; -1 for any other name. */
static long long damaged_time_s(const char *name, const char *base)
{
    static const char mark[] = ".damaged-";
    size_t length = strlen(base);
    if (strncmp(name, base, length) != 0 ||
        strncmp(name + length, mark, sizeof mark - 1) != 0)
        return -1;
    const char *digits = name + length + sizeof mark - 1;
    char *end = NULL;
    errno = 0;
    long long time_s = strtoll(digits, &end, 10);
    return end > digits && *end == 0 && errno == 0 ? time_s : -1;
}

struct damaged {
    size_t count;
    long long oldest_s, newest_s;
};

/* The damaged files beside `path`. */
static struct damaged find_damaged(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(base - path), path);
    DIR *dir = opendir(slash != NULL ? folder : ".");
    struct damaged found = {0};
    struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        long long time_s = damaged_time_s(entry->d_name, base);
        if (time_s < 0)
            continue;
        if (found.count == 0 || time_s < found.oldest_s)
            found.oldest_s = time_s;
        if (time_s > found.newest_s)
            found.newest_s = time_s;
        found.count++;
    }
    if (dir != NULL)
        closedir(dir);
    return found;
}

static void remove_damaged(const char *path, long long time_s)
{
    char name[PATH_MAX];
    path_of(name, path, time_s, "");
    unlink(name);
    for (size_t i = 0; i < COMPANIONS; i++) {
        path_of(name, path, time_s, companions[i]);
        unlink(name);
    }
}

/* The companions go first: a log that stayed behind would be played into the
 * new file of the same name. */
static enum pt_err rename_all(const char *path, long long time_s)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    for (size_t i = 0; i < COMPANIONS; i++) {
        snprintf(from, sizeof from, "%s%s", path, companions[i]);
        path_of(to, path, time_s, companions[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return PT_E_DISK;
    }
    path_of(to, path, time_s, "");
    if (rename(path, to) != 0 && errno != ENOENT)
        return PT_E_DISK;
    pt_log(PT_LOG_ERROR, "outbox %s is damaged, kept as %s", path, to);
    return PT_OK;
}

/* Later than those there are, whatever the clock says: a second damage
 * within the second, a clock that stands at 1970. */
enum pt_err file_put_aside(const char *path)
{
    struct damaged there = find_damaged(path);
    long long time_s = (long long)time(NULL);
    if (there.count > 0 && time_s <= there.newest_s)
        time_s = there.newest_s + 1;
    enum pt_err err = rename_all(path, time_s);
    if (err == PT_OK && there.count >= OUTBOX_DAMAGED_MAX)
        remove_damaged(path, there.oldest_s);
    return err;
}
