#include "outbox_file_internal.h"
#include <sqlite3.h>
#include <string.h>

static bool same_eras(const struct file *file, const struct file_meta *meta)
{
    bool same = file->era_count == meta->era_count;
    for (size_t i = 0; i < meta->era_count && same; i++)
        same = file->eras[i].first == meta->eras[i].first &&
               file->eras[i].generation == meta->eras[i].generation &&
               file->eras[i].shift == meta->eras[i].shift;
    return same;
}

void meta_note_eras(struct file *file, const struct file_meta *meta)
{
    file->era_count = meta->era_count;
    memcpy(file->eras, meta->eras, meta->era_count * sizeof *meta->eras);
}

static enum pt_err write_eras(struct file *file, const struct file_meta *meta)
{
    enum pt_err err = file_run(file, FILE_ERAS_DELETE, NULL, 0);
    for (size_t i = 0; i < meta->era_count && err == PT_OK; i++) {
        const struct era *era = &meta->eras[i];
        int64_t values[] = {(int64_t)era->first, (int64_t)era->generation,
                            (int64_t)era->shift};
        err = file_run(file, FILE_ERA_PUT, values, 3);
    }
    return err;
}

/* Over the one row and `era_count` of the others. */
static uint32_t sum_meta(const int64_t row[3], const struct era *eras,
                         size_t era_count)
{
    int64_t all[3 + 3 * OUTBOX_GENERATIONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < 3; i++)
        all[count++] = row[i];
    for (size_t i = 0; i < era_count; i++) {
        all[count++] = (int64_t)eras[i].first;
        all[count++] = (int64_t)eras[i].generation;
        all[count++] = (int64_t)eras[i].shift;
    }
    return file_sum(all, count);
}

enum pt_err meta_write(struct file *file, const struct file_meta *meta)
{
    int64_t values[] = {(int64_t)era_in_use(meta)->generation,
                        (int64_t)meta->reserved_to, (int64_t)meta->dropped, 0};
    values[3] = sum_meta(values, meta->eras, meta->era_count);
    enum pt_err err = PT_OK;
    if (!same_eras(file, meta))
        err = write_eras(file, meta);
    return err == PT_OK ? file_run(file, FILE_META_WRITE, values, 4) : err;
}

/* PT_E_CORRUPT: more than we ever write. */
static enum pt_err read_eras(struct file *file, struct file_meta *ret)
{
    sqlite3_stmt *statement = file->statements[FILE_ERAS_READ];
    int rc = sqlite3_step(statement);
    ret->era_count = 0;
    while (rc == SQLITE_ROW && ret->era_count < OUTBOX_GENERATIONS_MAX) {
        ret->eras[ret->era_count++] = (struct era){
            .first = (uint64_t)sqlite3_column_int64(statement, 0),
            .generation = (uint64_t)sqlite3_column_int64(statement, 1),
            .shift = (uint64_t)sqlite3_column_int64(statement, 2),
        };
        rc = sqlite3_step(statement);
    }
    sqlite3_reset(statement);
    return rc == SQLITE_ROW ? PT_E_CORRUPT : file_err_of(rc);
}

static bool is_sound(const struct file_meta *meta, uint64_t lowest)
{
    uint64_t before = 0;
    if (meta->reserved_to > INT64_MAX / 2 || meta->dropped > INT64_MAX ||
        meta->last > meta->reserved_to || lowest < meta->eras[0].first)
        return false;
    for (size_t i = 0; i < meta->era_count; i++) {
        const struct era *era = &meta->eras[i];
        if (era->first <= before || era->shift >= era->first ||
            era->generation == 0 || era->generation > INT64_MAX)
            return false;
        before = era->first;
    }
    return before <= meta->reserved_to + 1;
}

/* A generation of 0, a number beyond bigint or a row above what was reserved
 * cannot come from us. */
enum pt_err meta_read(struct file *file, struct file_meta *ret)
{
    struct file_meta meta = {0};
    sqlite3_stmt *statement = file->statements[FILE_META_READ];
    int rc = sqlite3_step(statement);
    int64_t values[6] = {0};
    for (int i = 0; i < 6 && rc == SQLITE_ROW; i++)
        values[i] = sqlite3_column_int64(statement, i);
    sqlite3_reset(statement);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? PT_E_CORRUPT : file_err_of(rc);
    enum pt_err err = read_eras(file, &meta);
    if (err != PT_OK)
        return err;
    if (sum_meta(values, meta.eras, meta.era_count) != values[3])
        return PT_E_CORRUPT;
    meta_note_eras(file, &meta);
    if (meta.era_count == 0) /* version 1 */
        meta.eras[meta.era_count++] =
            (struct era){.first = 1, .generation = (uint64_t)values[0]};
    meta.reserved_to = (uint64_t)values[1];
    meta.dropped = (uint64_t)values[2];
    meta.last = (uint64_t)values[4];
    if ((uint64_t)values[0] != era_in_use(&meta)->generation ||
        !is_sound(&meta, (uint64_t)values[5]))
        return PT_E_CORRUPT;
    *ret = meta;
    return PT_OK;
}
