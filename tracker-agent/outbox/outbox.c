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

/* ---- generations ---- */

/* What is put from now on is of a new generation, so far in memory alone;
 * what is in memory keeps its own. Of the file the rows from `unseen` on are
 * out of sight; 0: none. */
static enum pt_err begin_generation(struct outbox *box, uint64_t unseen)
{
    struct file_meta *meta = &box->meta;
    uint64_t lowest = box->pending_count > 0 ? box->pending[0].seq : box->next;
    struct era new = {.first = box->next, .shift = box->next - 1};
    enum pt_err err = draw_generation(&new.generation);
    if (err != PT_OK)
        return err;
    box->rows = box->floor = 0;
    box->floor_moved = false;
    box->dropped -= meta->dropped; /* the file's count is the file's */
    meta->dropped = 0;
    box->unseen = unseen;
    if (meta->era_count > 0) {
        eras_trim(meta, unseen > 0 ? unseen : lowest);
        if (era_in_use(meta)->first == box->next) /* never used */
            meta->era_count--;
    }
    if (meta->era_count == OUTBOX_GENERATIONS_MAX) {
        eras_shorten(meta, 1);
        held_drop_pending_below(box, meta->eras[0].first);
    }
    meta->eras[meta->era_count++] = new;
    box->numbering++;
    return held_find_head(box);
}

/* ---- from memory to the file, and back ---- */

/* The file's eras, and behind them what memory holds. `ret` says where that
 * comes to stand: higher by so much than it does. */
static uint64_t join_eras(const struct outbox *box, struct file_meta *file)
{
    struct file_meta ours = box->meta;
    uint64_t shift = era_in_use(file)->shift - era_in_use(&ours)->shift;
    /* Just made, or a try that failed came as far as this. */
    if (era_in_use(file)->generation == era_in_use(&ours)->generation)
        return shift;
    uint64_t lowest = box->pending[0].seq;
    eras_trim(&ours, lowest);
    if (ours.eras[0].first < lowest)
        ours.eras[0].first = lowest;
    shift = lowest > file->reserved_to ? 0 : file->reserved_to + 1 - lowest;
    if (file->era_count + ours.era_count > OUTBOX_GENERATIONS_MAX)
        eras_shorten(file,
                     file->era_count + ours.era_count - OUTBOX_GENERATIONS_MAX);
    for (size_t i = 0; i < ours.era_count; i++) {
        ours.eras[i].first += shift;
        ours.eras[i].shift += shift;
        file->eras[file->era_count++] = ours.eras[i];
    }
    return shift;
}

/* What the file holds, but what is of more generations than there may be. */
static enum pt_err find_rows(struct outbox *box, const struct file_meta *meta)
{
    uint64_t too_old = 0;
    uint64_t floor = meta->eras[0].first - 1;
    enum pt_err err =
        file_count(&box->file, (struct pt_range){0, floor}, &too_old);
    if (err == PT_OK)
        err = file_count(&box->file, (struct pt_range){floor + 1, INT64_MAX},
                         &box->rows);
    if (err != PT_OK)
        return err;
    box->floor = floor;
    box->floor_moved = too_old > 0;
    box->dropped += meta->dropped + too_old;
    return held_find_head(box);
}

static void move_pending(struct outbox *box, uint64_t higher)
{
    for (size_t i = 0; i < box->pending_count; i++)
        box->pending[i].seq += higher;
    box->next += higher;
    box->last_put += higher;
    box->numbering++;
    if (box->rows == 0 && box->pending_count > 0)
        box->head = box->pending[0];
}

/* The file is open. Where nothing is in memory its own generation goes on,
 * and what its last writer may have used is skipped; a clean close left
 * nothing to skip. */
static enum pt_err take_up(struct outbox *box, const struct file_meta *found)
{
    struct file_meta meta = *found;
    uint64_t dropped = box->dropped;
    uint64_t higher = found->reserved_to + 1 - box->next;
    bool is_ours = era_in_use(found)->generation == outbox_generation(box);
    bool joined = is_ours || box->pending_count > 0;
    if (joined)
        higher = join_eras(box, &meta);
    meta.reserved_to = box->next - 1 + higher + OUTBOX_BLOCK;
    enum pt_err err = find_rows(box, &meta);
    if (err == PT_OK)
        err = file_write(&box->file, 0, NULL, 0, &meta, true);
    if (err != PT_OK) { /* as if it had not been tried */
        box->rows = box->floor = 0;
        box->floor_moved = false;
        box->dropped = dropped;
        return err;
    }
    box->meta = meta;
    box->unseen = 0;
    move_pending(box, higher);
    if (!joined && found->last > 0)
        box->last_put = found->last;
    return PT_OK;
}

/* Opens the file. One that is not there is made as memory would have it. */
static enum pt_err try_file(struct outbox *box)
{
    struct file_meta found = box->meta;
    found.reserved_to = box->next - 1 + OUTBOX_BLOCK;
    eras_trim(&found, outbox_lowest(box));
    enum pt_err err = file_open(&box->file, box->path, &found);
    if (err == PT_OK)
        err = take_up(box, &found);
    if (err != PT_OK) {
        file_close(&box->file);
        enum pt_err head_err = held_find_head(box);
        (void)head_err; /* of what is in memory: nothing to read */
    }
    box->unsafe = err != PT_OK;
    return err;
}

static enum pt_err go_to_file(struct outbox *box, bool *was_damaged)
{
    enum pt_err err = try_file(box);
    if (err != PT_E_CORRUPT)
        return err;
    err = file_put_aside(box->path);
    if (err != PT_OK)
        return err;
    *was_damaged = true;
    return try_file(box);
}

/* The numbers are used up and the disk takes no reservation. */
static enum pt_err go_on_in_memory(struct outbox *box)
{
    unsigned long long rows = box->rows;
    enum pt_err err = begin_generation(box, rows > 0 ? box->head.seq : 0);
    if (err != PT_OK)
        return err;
    file_close(&box->file);
    box->unsafe = true;
    pt_log(PT_LOG_ERROR,
           "outbox %s cannot be written, goes on in memory; %llu entries stay"
           " in the file until it can",
           box->path, rows);
    return PT_OK;
}

enum pt_err outbox_mind_damage(struct outbox *box, enum pt_err err)
{
    bool damaged = false;
    if (err != PT_E_CORRUPT || !outbox_on_disk(box))
        return err;
    held_free_details(box);
    file_close(&box->file);
    if (begin_generation(box, 0) != PT_OK)
        return PT_E_SYSTEM;
    box->unsafe = true;
    err = file_put_aside(box->path);
    if (err == PT_OK)
        err = go_to_file(box, &damaged);
    if (err != PT_OK)
        pt_log(PT_LOG_ERROR, "outbox %s cannot be made anew yet", box->path);
    return PT_E_CORRUPT;
}

enum pt_err outbox_leave_generation(struct outbox *box, uint64_t generation)
{
    struct file_meta meta = box->meta;
    uint64_t drawn = 0;
    enum pt_err err = draw_generation(&drawn);
    for (size_t i = 0; i < meta.era_count; i++) {
        if (meta.eras[i].generation == generation)
            meta.eras[i].generation = drawn;
    }
    if (err == PT_OK && outbox_on_disk(box))
        err = file_write(&box->file, 0, NULL, 0, &meta, true);
    if (err != PT_OK)
        return err;
    box->meta = meta;
    box->numbering++;
    pt_log(PT_LOG_ERROR,
           "outbox %s: its numbers are used by another, too; has its disk"
           " been copied?",
           box->path);
    return PT_OK;
}

/* ---- open and close ---- */

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
                        struct outbox **ret, bool *was_damaged)
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
    box->next = 1;
    err = begin_generation(box, 0);
    if (err == PT_OK)
        err = go_to_file(box, &damaged);
    if (err == PT_E_DISK) /* outbox_commit() tries again */
        err = PT_OK;
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
    eras_trim(&meta, outbox_lowest(box));
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
    if (box->meta.reserved_to < used + OUTBOX_BLOCK / 2)
        return used + OUTBOX_BLOCK;
    return box->meta.reserved_to;
}

enum pt_err outbox_commit(struct outbox *box)
{
    enum pt_err err = PT_OK;
    bool damaged = false;
    held_free_details(box);
    if (!outbox_on_disk(box)) {
        err = go_to_file(box, &damaged);
        if (err == PT_OK) /* memory and the file together may be too much */
            err = outbox_mind_damage(box, held_keep_limits(box));
    }
    if (err != PT_OK)
        return err;
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
