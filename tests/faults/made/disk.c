/* A vehicle's disk in memory: an SQLite VFS, and the few calls that outbox
 * makes beside it. What was written and not synced is lost in a power cut,
 * each write whole, in half or not at all. Names (making, renaming, deleting
 * a file) are durable at once, as on a file system that orders them by its
 * journal. */
#include "disk_internal.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "/sim/"

struct file_in_memory disk_files[VEHICLES][FILES_MAX];

static struct disk {
    uint32_t epoch; /* handles of an older one are dead */
    bool dead;      /* the power is gone, its program not yet */
    uint32_t cut_after;
    int64_t full_until_ms, errors_until_ms;
    unsigned errors_of_thousand;
} disks[VEHICLES];
static bool honest = true;

struct handle {
    sqlite3_file base;
    struct file_in_memory *file;
    unsigned disk;
    uint32_t epoch;
};

/* ---- images */

static void image_make_room(struct image *image, int64_t size)
{
    if (size <= image->room)
        return;
    image->room = size > 32768 ? size * 2 : 32768;
    image->bytes = own_realloc(image->bytes, (size_t)image->room);
    if (image->bytes == NULL)
        abort();
}

void image_resize(struct image *image, int64_t size)
{
    image_make_room(image, size);
    if (size > image->size)
        memset(image->bytes + image->size, 0, (size_t)(size - image->size));
    image->size = size;
}

void image_write(struct image *image, int64_t offset, const void *bytes,
                 int64_t size)
{
    if (offset > image->size)
        image_resize(image, offset);
    image_make_room(image, offset + size);
    memcpy(image->bytes + offset, bytes, (size_t)size);
    if (offset + size > image->size)
        image->size = offset + size;
}

static void image_copy(struct image *to, const struct image *from)
{
    image_make_room(to, from->size);
    to->size = from->size;
    if (from->size > 0)
        memcpy(to->bytes, from->bytes, (size_t)from->size);
}

/* What is kept of a write is its bytes as they stand now: a later write to
 * the same place may show through. SQLite must bear that as well. */
static void make_safe(struct file_in_memory *file, const struct write *write,
                      int64_t size)
{
    if (write->size < 0) {
        image_resize(&file->safe, write->offset);
        return;
    }
    if (write->offset + size > file->live.size)
        size = file->live.size - write->offset;
    if (size > 0)
        image_write(&file->safe, write->offset,
                    file->live.bytes + write->offset, size);
}

void disk_sync(struct file_in_memory *file)
{
    for (size_t i = 0; i < file->write_count; i++)
        make_safe(file, &file->writes[i], file->writes[i].size);
    file->write_count = 0;
}

void disk_note(struct file_in_memory *file, int64_t offset, int64_t size)
{
    if (file->write_count == WRITES_MAX) {
        make_safe(file, &file->writes[0], file->writes[0].size);
        memmove(file->writes, file->writes + 1,
                (WRITES_MAX - 1) * sizeof file->writes[0]);
        file->write_count--;
    }
    file->writes[file->write_count++] = (struct write){offset, size};
}

/* ---- names */

unsigned disk_of(const char *name)
{
    return (unsigned)(name[DISK_AT] - '0') % VEHICLES;
}

struct file_in_memory *disk_find(const char *name)
{
    struct file_in_memory *of_disk = disk_files[disk_of(name)];
    for (size_t i = 0; i < FILES_MAX; i++)
        if (of_disk[i].name[0] != '\0' && strcmp(of_disk[i].name, name) == 0)
            return &of_disk[i];
    return NULL;
}

struct file_in_memory *disk_make(const char *name)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct file_in_memory *file = &disk_files[disk_of(name)][i];
        if (file->name[0] != '\0' || file->open > 0)
            continue;
        snprintf(file->name, sizeof file->name, "%s", name);
        file->live.size = file->safe.size = 0;
        file->write_count = 0;
        return file;
    }
    abort();
}

bool disk_works(unsigned disk)
{
    return !disks[disk].dead;
}

bool disk_is_full(unsigned disk)
{
    return honest && sim.now_ms < disks[disk].full_until_ms;
}

bool disk_errs(unsigned disk)
{
    return honest && sim.now_ms < disks[disk].errors_until_ms &&
           strikes(disks[disk].errors_of_thousand);
}

/* Each change of the disk may be the one in which the power goes. */
bool disk_power_goes(unsigned disk)
{
    struct disk *d = &disks[disk];
    if (d->cut_after == 0 || --d->cut_after > 0)
        return false;
    d->dead = true;
    return true;
}

/* ---- the VFS */

static struct handle *alive(sqlite3_file *base)
{
    struct handle *h = (struct handle *)base;
    return h->epoch == disks[h->disk].epoch && disk_works(h->disk) ? h : NULL;
}

static int on_close(sqlite3_file *base)
{
    struct handle *h = (struct handle *)base;
    if (h->file != NULL)
        h->file->open--;
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *bytes, int size,
                   sqlite3_int64 offset)
{
    struct handle *h = alive(base);
    if (h == NULL)
        return SQLITE_IOERR_FSTAT; /* not IOERR_READ: that means damage */
    int64_t there = h->file->live.size - offset;
    if (there >= size) {
        memcpy(bytes, h->file->live.bytes + offset, (size_t)size);
        return SQLITE_OK;
    }
    memset(bytes, 0, (size_t)size);
    if (there > 0)
        memcpy(bytes, h->file->live.bytes + offset, (size_t)there);
    return SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *bytes, int size,
                    sqlite3_int64 offset)
{
    struct handle *h = alive(base);
    if (h == NULL)
        return SQLITE_IOERR_WRITE;
    if (offset + size > h->file->live.size && disk_is_full(h->disk))
        return SQLITE_FULL;
    if (disk_errs(h->disk))
        return SQLITE_IOERR_WRITE;
    bool last = disk_power_goes(h->disk);
    if (last)
        size /= 2;
    image_write(&h->file->live, offset, bytes, size);
    disk_note(h->file, offset, size);
    return last ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct handle *h = alive(base);
    if (h == NULL || disk_errs(h->disk) || disk_power_goes(h->disk))
        return SQLITE_IOERR_TRUNCATE;
    image_resize(&h->file->live, size);
    disk_note(h->file, size, -1);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
    struct handle *h = alive(base);
    (void)flags;
    if (h == NULL || disk_errs(h->disk) || disk_power_goes(h->disk))
        return SQLITE_IOERR_FSYNC;
    if (sim.broken != BREAK_LYING_SYNC)
        disk_sync(h->file);
    return SQLITE_OK;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    struct handle *h = alive(base);
    if (h == NULL)
        return SQLITE_IOERR_FSTAT;
    *ret = h->file->live.size;
    return SQLITE_OK;
}

/* One process a file: nobody else asks. */
static int on_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return SQLITE_OK;
}

static int on_reserved(sqlite3_file *base, int *ret)
{
    (void)base;
    *ret = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int what, void *argument)
{
    (void)base;
    (void)what;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int on_sector(sqlite3_file *base)
{
    (void)base;
    return 512;
}

/* As SQLite's own VFS says by default: a write that is cut spoils nothing
 * beside what it writes. */
static int on_traits(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_lock,
    .xCheckReservedLock = on_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_traits,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base,
                   int flags, int *ret_flags)
{
    struct handle *h = (struct handle *)base;
    (void)vfs;
    *h = (struct handle){0};
    if (name == NULL)
        return SQLITE_CANTOPEN;
    unsigned disk = disk_of(name);
    struct file_in_memory *file = disk_find(name);
    if (!disk_works(disk) || disk_errs(disk))
        return SQLITE_CANTOPEN;
    if (file == NULL && (flags & SQLITE_OPEN_CREATE) && !disk_is_full(disk))
        file = disk_make(name);
    if (file == NULL)
        return SQLITE_CANTOPEN;
    file->open++;
    h->file = file;
    h->disk = disk;
    h->epoch = disks[disk].epoch;
    h->base.pMethods = &methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct file_in_memory *file = disk_find(name);
    (void)vfs;
    (void)sync;
    if (!disk_works(disk_of(name)))
        return SQLITE_IOERR_DELETE;
    if (file == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    file->name[0] = '\0';
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs;
    (void)flags;
    *ret = disk_find(name) != NULL;
    return SQLITE_OK;
}

static int on_full_name(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
    (void)vfs;
    snprintf(ret, (size_t)size, "%s", name);
    return SQLITE_OK;
}

static int on_randomness(sqlite3_vfs *vfs, int size, char *bytes)
{
    (void)vfs;
    for (int i = 0; i < size; i++)
        bytes[i] = (char)i;
    return size;
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int on_time(sqlite3_vfs *vfs, double *ret)
{
    (void)vfs;
    *ret = 2460000.0;
    return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *vfs, int size, char *ret)
{
    (void)vfs;
    (void)size;
    (void)ret;
    return 0;
}

void disk_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 1,
        .szOsFile = sizeof(struct handle),
        .mxPathname = NAME_BYTES,
        .zName = "simulated",
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_full_name,
        .xRandomness = on_randomness,
        .xSleep = on_sleep,
        .xCurrentTime = on_time,
        .xGetLastError = on_last_error,
    };
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    /* A page of its own for each page, instead of twenty ahead. */
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
#ifdef SIM_HEAPS
    heaps_register();
#endif
    if (sqlite3_initialize() != SQLITE_OK ||
        sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}

/* ---- faults */

void disk_reset(void)
{
    (void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_RESET);
    honest = true;
    for (unsigned d = 0; d < VEHICLES; d++) {
        disks[d] = (struct disk){0};
        for (size_t i = 0; i < FILES_MAX; i++) {
            disk_files[d][i].name[0] = '\0';
            disk_files[d][i].open = 0;
        }
    }
}

static void lose_unsynced(struct file_in_memory *file)
{
    for (size_t i = 0; i < file->write_count; i++) {
        const struct write *write = &file->writes[i];
        uint64_t fate = draw(3);
        if (fate == 0)
            make_safe(file, write, write->size);
        else if (fate == 1 && write->size > 1)
            make_safe(file, write, write->size / 2);
    }
    file->write_count = 0;
    image_copy(&file->live, &file->safe);
}

void disk_crash(unsigned disk, bool power)
{
    struct disk *d = &disks[disk];
    d->epoch++;
    d->dead = false;
    d->cut_after = 0;
    for (size_t i = 0; power && i < FILES_MAX; i++)
        if (disk_files[disk][i].name[0] != '\0')
            lose_unsynced(&disk_files[disk][i]);
}

void disk_cut_after(unsigned disk, uint32_t writes)
{
    disks[disk].cut_after = writes;
    disks[disk].dead = writes == 0;
}

bool disk_is_dead(unsigned disk)
{
    return disks[disk].dead;
}

void disk_full_until(unsigned disk, int64_t at_ms)
{
    disks[disk].full_until_ms = at_ms;
}

void disk_errors_until(unsigned disk, int64_t at_ms, unsigned of_thousand)
{
    disks[disk].errors_until_ms = at_ms;
    disks[disk].errors_of_thousand = of_thousand;
}

void disk_honest(bool value)
{
    honest = value;
}

bool disk_damage(unsigned disk, uint32_t where, uint32_t bits)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, FOLDER "%u/outbox.db", disk);
    struct file_in_memory *file = disk_find(name);
    if (file == NULL || file->live.size == 0)
        return false;
    int64_t at = where % file->live.size;
    uint8_t flip = (uint8_t)(bits | 1);
    say("byte %lld of %lld is flipped by %02x", (long long)at,
        (long long)file->live.size, flip);
    file->live.bytes[at] ^= flip;
    if (at < file->safe.size)
        file->safe.bytes[at] ^= flip;
    return true;
}

bool disk_settings(unsigned disk, struct pt_settings *ret)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, FOLDER "%u/outbox.db.settings", disk);
    const struct file_in_memory *file = disk_find(name);
    return file != NULL &&
           pt_settings_decode(file->safe.bytes, (size_t)file->safe.size, ret) ==
               PT_OK;
}

/* As a disk is copied that is in use: what its journal would bring back. */
void disk_clone(unsigned from, unsigned to)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        char name[NAME_BYTES];
        const struct file_in_memory *original = &disk_files[from][i];
        if (original->name[0] == '\0' ||
            strstr(original->name, ".damaged-") != NULL)
            continue;
        memcpy(name, original->name, sizeof name);
        name[DISK_AT] = (char)('0' + to);
        struct file_in_memory *file = disk_find(name);
        if (file == NULL)
            file = disk_make(name);
        image_copy(&file->live, &original->live);
        image_copy(&file->safe, &original->live);
    }
}

/* ---- keeping and putting back */

struct disk_copy {
    size_t count; /* the first so many files */
    struct file_in_memory files[];
};

static void file_copy(struct file_in_memory *to,
                      const struct file_in_memory *from)
{
    memcpy(to->name, from->name, sizeof to->name);
    to->open = from->open;
    image_copy(&to->live, &from->live);
    image_copy(&to->safe, &from->safe);
    to->write_count = from->write_count;
    memcpy(to->writes, from->writes,
           from->write_count * sizeof from->writes[0]);
}

struct disk_copy *disk_save(unsigned disk)
{
    size_t count = FILES_MAX;
    while (count > 0 && disk_files[disk][count - 1].name[0] == '\0')
        count--;
    size_t size = sizeof(struct disk_copy) + count * sizeof disk_files[0][0];
    struct disk_copy *copy = own_realloc(NULL, size);
    if (copy == NULL)
        abort();
    memset(copy, 0, size);
    copy->count = count;
    for (size_t i = 0; i < count; i++)
        file_copy(&copy->files[i], &disk_files[disk][i]);
    return copy;
}

void disk_restore(unsigned disk, const struct disk_copy *copy)
{
    for (size_t i = 0; i < copy->count; i++)
        file_copy(&disk_files[disk][i], &copy->files[i]);
}
