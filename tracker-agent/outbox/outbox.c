#include "outbox_internal.h"
#include "pt_log.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PATH_BYTES_MAX 1000

/* 63 bits, not 0. */
static enum pt_err draw_generation(uint64_t *ret)
{
    uint64_t drawn = 0;
    do {
        if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
            return PT_E_SYSTEM;
        drawn &= INT64_MAX;
    } while (drawn == 0);
    *ret = drawn;
    return PT_OK;
}

/* ---- a new generation under way ---- */

static enum pt_err renumber(struct outbox *box)
{
    enum pt_err err = draw_generation(&box->meta.generation);
    if (err != PT_OK)
        return err;
    box->meta.reserved_to = OUTBOX_BLOCK;
    box->meta.dropped = box->dropped = 0;
    box->next = 1;
    box->floor = box->rows = 0;
    box->floor_moved = false;
    for (size_t i = 0; i < box->pending_count; i++)
        box->pending[i].seq = box->next++;
    box->last_put = box->next - 1;
    if (box->pending_count > 0)
        box->head = box->pending[0];
    return PT_OK;
}

/* Makes the file of a generation that so far lived in memory alone. */
static enum pt_err make_file(struct outbox *box)
{
    struct file_meta meta = box->meta;
    meta.reserved_to = box->next - 1 + OUTBOX_BLOCK;
    enum pt_err err = file_open(&box->file, box->path, &meta);
    if (err == PT_OK && meta.generation != box->meta.generation) {
        file_close(&box->file);
        box->file_is_other = true;
        err = PT_E_DISK;
    }
    if (err == PT_OK)
        box->meta = meta;
    box->unsafe = err != PT_OK;
    return err;
}

/* The numbers are used up and the disk takes no reservation. */
static enum pt_err go_on_in_memory(struct outbox *box)
{
    unsigned long long rows = box->rows;
    enum pt_err err = renumber(box);
    if (err != PT_OK)
        return err;
    file_close(&box->file);
    box->file_is_other = true;
    box->unsafe = true;
    pt_log(PT_LOG_ERROR,
           "outbox %s cannot be written, goes on in memory; %llu entries stay"
           " in the file until the next start",
           box->path, rows);
    return PT_OK;
}

enum pt_err outbox_mind_damage(struct outbox *box, enum pt_err err)
{
    if (err != PT_E_CORRUPT || !outbox_on_disk(box))
        return err;
    held_free_details(box);
    file_close(&box->file);
    box->file_is_other = true;
    if (renumber(box) != PT_OK)
        return PT_E_SYSTEM;
    box->file_is_other = false;
    if (file_put_aside(box->path) != PT_OK)
        box->file_is_other = true;
    else if (make_file(box) != PT_OK)
        pt_log(PT_LOG_ERROR, "outbox %s cannot be made anew yet", box->path);
    if (!outbox_on_disk(box))
        box->unsafe = true;
    return PT_E_CORRUPT;
}

/* ---- open and close ---- */

/* What the last run may have used is skipped; a clean close left nothing to
 * skip. */
static enum pt_err take_up(struct outbox *box)
{
    box->dropped = box->meta.dropped;
    box->next = box->meta.reserved_to + 1;
    box->meta.reserved_to += OUTBOX_BLOCK;
    box->last_put = box->meta.last > 0 ? box->meta.last : box->next - 1;
    enum pt_err err = file_write(&box->file, 0, NULL, 0, &box->meta, true);
    if (err == PT_OK)
        err =
            file_count(&box->file, (struct pt_range){0, INT64_MAX}, &box->rows);
    return err == PT_OK ? held_find_head(box) : err;
}

static enum pt_err open_file(struct outbox *box)
{
    box->meta = (struct file_meta){0};
    enum pt_err err = draw_generation(&box->meta.generation);
    if (err == PT_OK)
        err = file_open(&box->file, box->path, &box->meta);
    if (err == PT_OK)
        err = take_up(box);
    return err;
}

static enum pt_err settings_check(const struct outbox_settings *settings)
{
    bool right = settings->path != NULL && settings->path[0] != 0 &&
                 strlen(settings->path) <= PATH_BYTES_MAX &&
                 settings->entries_max > 0 && settings->age_max_ms >= 0;
    return right ? PT_OK : PT_E_CONFIG;
}

static void dispose(struct outbox *box)
{
    if (box == NULL)
        return;
    held_free_details(box);
    file_close(&box->file);
    for (size_t i = 0; i < box->pending_count; i++)
        free((char *)box->pending[i].detail);
    free(box->pending);
    free(box->path);
    free(box);
}

enum pt_err outbox_open(const struct outbox_settings *settings,
                        struct outbox **ret, _Bool *was_damaged)
{
    bool damaged = false;
    enum pt_err err = settings_check(settings);
    if (err != PT_OK)
        return err;
    struct outbox *box = calloc(1, sizeof *box);
    if (box == NULL)
        return PT_E_NOMEM;
    box->settings = *settings;
    box->path = strdup(settings->path);
    if (box->path == NULL) {
        err = PT_E_NOMEM;
        goto out;
    }
    err = open_file(box);
    if (err == PT_E_CORRUPT) {
        damaged = true;
        file_close(&box->file);
        err = file_put_aside(box->path);
        if (err == PT_OK)
            err = open_file(box);
    }
    if (err != PT_OK)
        goto out;
    *ret = box;
    *was_damaged = damaged;
    box = NULL;
out:
    dispose(box);
    return err;
}

/* ---- commit ---- */

static void clear_pending(struct outbox *box)
{
    for (size_t i = 0; i < box->pending_count; i++)
        free((char *)box->pending[i].detail);
    box->pending_count = 0;
}

/* Pending entries become rows, with numbers reserved up to `reserve_to`. */
static enum pt_err write_group(struct outbox *box, uint64_t reserve_to)
{
    struct file_meta meta = box->meta;
    meta.reserved_to = reserve_to;
    meta.dropped = box->dropped;
    enum pt_err err = file_write(&box->file, box->floor_moved ? box->floor : 0,
                                 box->pending, box->pending_count, &meta,
                                 reserve_to != box->meta.reserved_to);
    box->unsafe = err != PT_OK;
    if (err != PT_OK)
        return err;
    box->meta = meta;
    box->floor_moved = false;
    box->rows += box->pending_count;
    clear_pending(box);
    return PT_OK;
}

/* A group takes the next block along when half of the last is used. */
static uint64_t reservation(const struct outbox *box)
{
    uint64_t used = box->next - 1;
    if (box->meta.reserved_to - used < OUTBOX_BLOCK / 2)
        return used + OUTBOX_BLOCK;
    return box->meta.reserved_to;
}

enum pt_err outbox_commit(struct outbox *box)
{
    enum pt_err err = PT_OK;
    held_free_details(box);
    if (!outbox_on_disk(box))
        err = box->file_is_other ? PT_E_DISK : make_file(box);
    if (err != PT_OK)
        return PT_E_DISK;
    if (box->pending_count == 0 && !box->floor_moved &&
        box->dropped == box->meta.dropped && !box->unsafe)
        return PT_OK;
    return outbox_mind_damage(box, write_group(box, reservation(box)));
}

void outbox_close(struct outbox *box)
{
    if (box == NULL)
        return;
    enum pt_err err = outbox_commit(box);
    if (err == PT_OK) /* gives back what was reserved and not used */
        err = write_group(box, box->next - 1);
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "outbox %s closed with %zu entries unwritten: %s",
               box->path, box->pending_count, pt_strerror(err));
    dispose(box);
}

/* ---- put ---- */

static enum pt_err make_room(struct outbox *box)
{
    if (box->pending_count < box->pending_room)
        return PT_OK;
    size_t room = box->pending_room > 0 ? box->pending_room * 2 : 64;
    struct pt_entry *pending =
        realloc(box->pending, room * sizeof *box->pending);
    if (pending == NULL)
        return PT_E_NOMEM;
    box->pending = pending;
    box->pending_room = room;
    return PT_OK;
}

/* Numbers are used only after a committed transaction has reserved them. In
 * memory alone nothing can be read twice, so nothing is reserved. */
static enum pt_err ensure_number(struct outbox *box)
{
    if (!outbox_on_disk(box) || box->next <= box->meta.reserved_to)
        return PT_OK;
    enum pt_err err =
        outbox_mind_damage(box, write_group(box, box->next - 1 + OUTBOX_BLOCK));
    if (err == PT_OK || err == PT_E_CORRUPT) /* damaged: there is a new one */
        return PT_OK;
    return err == PT_E_NOMEM ? err : go_on_in_memory(box);
}

/* There is room, and a number. Takes `detail` over. */
static void append(struct outbox *box, const struct pt_entry *entry,
                   char *detail)
{
    struct pt_entry *mine = &box->pending[box->pending_count++];
    *mine = *entry;
    mine->seq = box->next++;
    mine->detail = detail;
    if (box->unsafe)
        mine->flags |= PT_FLAG_UNSAFE;
    box->last_put = mine->seq;
    held_note_time(box, mine);
    if (box->rows == 0 && box->pending_count == 1)
        box->head = *mine;
}

enum pt_err outbox_put(struct outbox *box, const struct pt_entry *entry,
                       uint64_t *seq)
{
    char *detail = NULL;
    held_free_details(box);
    struct pt_entry numbered = *entry;
    numbered.seq = 1; /* the caller's does not count */
    if (!pt_entry_valid(&numbered))
        return PT_E_RANGE;
    if (entry->detail != NULL && (detail = strdup(entry->detail)) == NULL)
        return PT_E_NOMEM;
    enum pt_err err = ensure_number(box);
    if (err == PT_OK && box->pending_count == OUTBOX_PENDING_MAX)
        held_drop_pending(box);
    if (err == PT_OK)
        err = make_room(box);
    if (err != PT_OK) {
        free(detail);
        return err;
    }
    append(box, entry, detail);
    /* What this finds wrong with the disk is the commit's to report: the
     * entry is held. */
    err = outbox_mind_damage(box, held_keep_limits(box));
    (void)err;
    *seq = box->last_put;
    return PT_OK;
}
