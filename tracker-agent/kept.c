/* Small files beside the outbox that outlive the program: written aside,
 * flushed, renamed, so that a power cut leaves the old or the new one. Written
 * on the loop, as the outbox is: it happens when somebody changes his mind. */
#include "agent.h"
#include "pt_log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The suffix, ".new" and the final 0 as well. */
#define FILE_MAX (PATH_MAX + 16)

static bool file_name(const struct agent *agent, const char *suffix,
                      const char *aside, char ret[FILE_MAX])
{
    int length = snprintf(ret, FILE_MAX, "%s%s%s", agent->settings.outbox_path,
                          suffix, aside);
    return length > 0 && length < FILE_MAX;
}

static bool write_and_flush(const char *name, const void *bytes, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = write(fd, bytes, size) == (ssize_t)size && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

/* So that the new name, too, survives a power cut. */
static bool flush_directory(const char *name)
{
    char directory[FILE_MAX];
    const char *slash = strrchr(name, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - name);
    snprintf(directory, sizeof(directory), "%.*s", length > 0 ? (int)length : 1,
             length > 0      ? name
             : slash != NULL ? "/"
                             : ".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fsync(fd) == 0;
    return close(fd) == 0 && good;
}

static bool save(const char *name, const char *aside, const void *bytes,
                 size_t size)
{
    if (size == 0)
        return (unlink(name) == 0 || errno == ENOENT) && flush_directory(name);
    return write_and_flush(aside, bytes, size) && rename(aside, name) == 0 &&
           flush_directory(name);
}

bool agent_keep(const struct agent *agent, const char *suffix,
                const void *bytes, size_t size)
{
    char name[FILE_MAX], aside[FILE_MAX];
    if (!file_name(agent, suffix, "", name) ||
        !file_name(agent, suffix, ".new", aside))
        return false;
    errno = 0;
    bool good = save(name, aside, bytes, size);
    if (!good)
        pt_log(PT_LOG_ERROR, "%s could not be kept: %s", name, strerror(errno));
    return good;
}

size_t agent_kept(const struct agent *agent, const char *suffix, void *bytes,
                  size_t size)
{
    char name[FILE_MAX];
    if (!file_name(agent, suffix, "", name))
        return 0;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            pt_log(PT_LOG_WARN, "%s ignored: %s", name, strerror(errno));
        return 0;
    }
    ssize_t got = read(fd, bytes, size);
    close(fd);
    if (got <= 0)
        pt_log(PT_LOG_WARN, "%s ignored: nothing in it", name);
    return got > 0 ? (size_t)got : 0;
}
