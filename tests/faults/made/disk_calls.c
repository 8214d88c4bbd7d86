/* libc's calls with which outbox and remote.c reach the disk beside SQLite
 * (--wrap). */
#include "disk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTORS_MAX 4
#define FIRST_DESCRIPTOR 1000

static struct descriptor {
    bool used;
    unsigned disk;
    struct file_in_memory *file; /* NULL: a folder */
    int64_t at;
} descriptors[DESCRIPTORS_MAX];

static int fails(int reason)
{
    errno = reason;
    return -1;
}

static int new_descriptor(unsigned disk, struct file_in_memory *file)
{
    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        if (descriptors[i].used)
            continue;
        descriptors[i] =
            (struct descriptor){.used = true, .disk = disk, .file = file};
        if (file != NULL)
            file->open++;
        return FIRST_DESCRIPTOR + i;
    }
    abort();
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    unsigned disk = disk_of(path);
    struct file_in_memory *file = disk_find(path);
    bool reads = (flags & O_ACCMODE) == O_RDONLY; /* as on_read() */
    if (!disk_works(disk) || (!reads && disk_errs(disk)))
        return fails(EIO);
    if ((flags & O_DIRECTORY) != 0)
        return new_descriptor(disk, NULL);
    if (file != NULL && (flags & O_EXCL) != 0)
        return fails(EEXIST);
    if (file == NULL && (flags & O_CREAT) == 0)
        return fails(ENOENT);
    if (file == NULL && disk_is_full(disk))
        return fails(ENOSPC);
    if (file == NULL)
        file = disk_make(path);
    if ((flags & O_TRUNC) != 0) {
        image_resize(&file->live, 0);
        disk_note(file, 0, -1);
    }
    return new_descriptor(disk, file);
}

ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
    struct descriptor *d = &descriptors[fd - FIRST_DESCRIPTOR];
    int64_t there = d->file->live.size - d->at;
    if (!disk_works(d->disk))
        return fails(EIO);
    if (there > (int64_t)size)
        there = (int64_t)size;
    if (there > 0)
        memcpy(bytes, d->file->live.bytes + d->at, (size_t)there);
    d->at += there;
    return (ssize_t)there;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    struct descriptor *d = &descriptors[fd - FIRST_DESCRIPTOR];
    if (!disk_works(d->disk) || disk_errs(d->disk))
        return fails(EIO);
    if (disk_is_full(d->disk))
        return fails(ENOSPC);
    bool last = disk_power_goes(d->disk);
    int64_t done = (int64_t)(last ? size / 2 : size);
    image_write(&d->file->live, d->at, bytes, done);
    disk_note(d->file, d->at, done);
    d->at += done;
    return last ? fails(EIO) : (ssize_t)done;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct descriptor *d = &descriptors[fd - FIRST_DESCRIPTOR];
    if (!disk_works(d->disk) || disk_errs(d->disk) || disk_power_goes(d->disk))
        return fails(EIO);
    if (d->file != NULL && sim.broken != BREAK_LYING_SYNC)
        disk_sync(d->file);
    return 0;
}

int __wrap_close(int fd);
int __wrap_close(int fd)
{
    struct descriptor *d = &descriptors[fd - FIRST_DESCRIPTOR];
    if (d->file != NULL)
        d->file->open--;
    d->used = false;
    return 0;
}

int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    struct file_in_memory *file = disk_find(from);
    struct file_in_memory *old = disk_find(to);
    if (file == NULL || !disk_works(disk_of(from)))
        return fails(file == NULL ? ENOENT : EIO);
    if (old != NULL)
        old->name[0] = '\0';
    snprintf(file->name, sizeof file->name, "%s", to);
    return 0;
}

int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    struct file_in_memory *file = disk_find(path);
    if (file == NULL || !disk_works(disk_of(path)))
        return fails(file == NULL ? ENOENT : EIO);
    file->name[0] = '\0';
    return 0;
}

/* One folder is read at a time. */
static struct {
    size_t next;
    char folder[NAME_BYTES];
    struct dirent entry;
} folder_read;

DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
    folder_read.next = 0;
    snprintf(folder_read.folder, sizeof folder_read.folder, "%s/", path);
    return (DIR *)&folder_read;
}

struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir)
{
    size_t length = strlen(folder_read.folder);
    (void)dir;
    while (folder_read.next < FILES_MAX) {
        unsigned disk = disk_of(folder_read.folder);
        const char *name = disk_files[disk][folder_read.next++].name;
        if (strncmp(name, folder_read.folder, length) != 0)
            continue;
        snprintf(folder_read.entry.d_name, sizeof folder_read.entry.d_name,
                 "%s", name + length);
        return &folder_read.entry;
    }
    return NULL;
}

int __wrap_closedir(DIR *dir);
int __wrap_closedir(DIR *dir)
{
    (void)dir;
    return 0;
}
