#ifndef DISK_INTERNAL_H
#define DISK_INTERNAL_H
/* disk.c: files in memory, what happens to them, and the way to them for
 * SQLite; disk_calls.c: the way for libc's calls. */
#include "sim.h"

#define FILES_MAX 24 /* of one disk */
#define NAME_BYTES 96
#define WRITES_MAX 256 /* not yet synced; beyond it the oldest are */
#define DISK_AT 5      /* "/sim/0/outbox.db" */

struct write {
    int64_t offset;
    int64_t size; /* -1: cut to `offset` */
};

struct image {
    uint8_t *bytes;
    int64_t size, room;
};

struct file_in_memory {
    char name[NAME_BYTES]; /* "": free, or deleted and still open */
    unsigned open;
    struct image live, safe;
    size_t write_count;
    struct write writes[WRITES_MAX];
};

extern struct file_in_memory disk_files[VEHICLES][FILES_MAX];

unsigned disk_of(const char *name);
struct file_in_memory *disk_find(const char *name); /* NULL when none */
struct file_in_memory *disk_make(const char *name);

void image_resize(struct image *image, int64_t size);
void image_write(struct image *image, int64_t offset, const void *bytes,
                 int64_t size);
/* A write that is not yet safe; `size` -1: cut to `offset`. */
void disk_note(struct file_in_memory *file, int64_t offset, int64_t size);
void disk_sync(struct file_in_memory *file); /* all of it is */

bool disk_works(unsigned disk);
bool disk_is_full(unsigned disk);
bool disk_errs(unsigned disk); /* this time */
/* Each change of the disk may be the one in which the power goes. */
bool disk_power_goes(unsigned disk);

#endif
