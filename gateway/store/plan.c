#include "store_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum pt_err plan_init(struct plan *plan, size_t capacity)
{
    *plan = (struct plan){.capacity = capacity};
    plan->items = calloc(capacity, sizeof *plan->items);
    plan->groups = calloc(capacity, sizeof *plan->groups);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    plan->latest = calloc(capacity, sizeof *plan->latest);
    if (!plan->items || !plan->groups || !plan->latest) {
        plan_clear(plan);
        return PT_E_NOMEM;
    }
    return PT_OK;
}

void plan_clear(struct plan *plan)
{
    free(plan->items);
    free(plan->groups);
    free(plan->latest);
    *plan = (struct plan){0};
}

bool plan_has_position(const struct batch_item *item)
{
    return (item->entry.flags & PT_FLAG_POSITION) != 0;
}

bool plan_has_event(const struct batch_item *item)
{
    return item->entry.kind != PT_KIND_FIX || !plan_has_position(item);
}

/* Without these there is nothing a ledger or a receipt could name. */
static bool has_identity(const struct batch_item *item)
{
    return item->generation != 0 && item->entry.seq != 0 &&
           item->entry.seq <= PT_SEQ_MAX;
}

/* 0: has a ledger; 1: device unknown; 2: not even a number. */
static int rank(const struct batch_item *item)
{
    if (!has_identity(item))
        return 2;
    return item->device_id == BATCH_NO_DEVICE ? 1 : 0;
}

bool plan_has_ledger(const struct batch_item *item)
{
    return rank(item) == 0;
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* Groups in the order of receipt's key: generation is a signed number
 * there. */
static int compare_group(const struct batch_item *a, const struct batch_item *b)
{
    int by = COMPARE(rank(a), rank(b));

    if (by == 0)
        by = COMPARE(a->device_id, b->device_id);
    if (by == 0 && a->device_id == BATCH_NO_DEVICE)
        by = strcmp(a->device_name, b->device_name);
    if (by == 0)
        by = COMPARE((int64_t)a->generation, (int64_t)b->generation);
    return by;
}

static int compare_items(const void *left, const void *right)
{
    const struct batch_item *a = ((const struct planned *)left)->item;
    const struct batch_item *b = ((const struct planned *)right)->item;
    int by = compare_group(a, b);

    if (by == 0)
        by = COMPARE(a->entry.seq, b->entry.seq);
    if (by == 0)
        by = COMPARE(a->received_ms, b->received_ms);
    return by;
}

static void add_group(struct plan *plan, size_t first)
{
    const struct batch_item *item = plan->items[first].item;
    struct plan_group *group = &plan->groups[plan->group_count++];

    *group = (struct plan_group){.device_id = item->device_id,
                                 .generation = item->generation,
                                 .first = first};
    ledger_init(&group->ledger);
    if (rank(item) == 0)
        plan->ledger_groups = plan->group_count;
}

void plan_begin(struct plan *plan, const struct batch_item *items,
                size_t ring_size, size_t first, size_t count)
{
    assert(count <= plan->capacity);
    plan->count = count;
    plan->group_count = plan->ledger_groups = plan->latest_count = 0;
    plan->closed = plan->ledger_full = 0;
    for (size_t i = 0; i < count; i++)
        plan->items[i] =
            (struct planned){.item = &items[(first + i) % ring_size]};
    qsort(plan->items, count, sizeof *plan->items, compare_items);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 ||
            compare_group(plan->items[i - 1].item, plan->items[i].item) != 0)
            add_group(plan, i);
        plan->items[i].group = (uint32_t)(plan->group_count - 1);
        plan->groups[plan->group_count - 1].count++;
    }
}

enum pt_err plan_row(struct plan *plan, size_t *cursor, uint32_t device_id,
                     uint64_t generation, uint64_t stored_to,
                     const char *ranges, uint64_t lost)
{
    while (*cursor < plan->ledger_groups) {
        struct plan_group *group = &plan->groups[(*cursor)++];
        enum pt_err err;

        if (group->device_id != device_id || group->generation != generation)
            continue;
        err = ledger_parse(stored_to, ranges, &group->ledger);
        if (err == PT_OK) {
            group->has_row = true;
            group->lost = lost;
        }
        return err;
    }
    return PT_E_CORRUPT;
}

/* ---- judging */

static bool same_text(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

static bool same_content(const struct pt_entry *a, const struct pt_entry *b)
{
    return a->time_ms == b->time_ms && a->flags == b->flags &&
           a->kind == b->kind && a->status == b->status &&
           a->at.lat_e6 == b->at.lat_e6 && a->at.lon_e6 == b->at.lon_e6 &&
           a->speed_cmps == b->speed_cmps && a->course_cdeg == b->course_cdeg &&
           a->accuracy_dm == b->accuracy_dm && same_text(a->detail, b->detail);
}

/* What a vehicle says it still holds can only be at or below what it sends. */
static uint64_t lowest_said(const struct batch_item *item)
{
    return item->lowest_held < item->entry.seq ? item->lowest_held
                                               : item->entry.seq;
}

static uint64_t lowest_held(const struct plan *plan,
                            const struct plan_group *group)
{
    uint64_t lowest = 0;

    for (size_t i = group->first; i < group->first + group->count; i++) {
        uint64_t said = lowest_said(plan->items[i].item);

        if (said > lowest)
            lowest = said;
    }
    return lowest;
}

static void close_below(struct plan *plan, struct plan_group *group,
                        uint64_t lowest)
{
    uint64_t stored_to = group->ledger.stored_to;
    uint64_t closed = ledger_close_below(&group->ledger, lowest);

    if (group->ledger.stored_to != stored_to)
        group->changed = true;
    plan->closed += closed;
    /* the column is signed; what does not fit stays at its end */
    group->lost = closed > (uint64_t)INT64_MAX - group->lost
                      ? (uint64_t)INT64_MAX
                      : group->lost + closed;
}

/* A number new to the ledger. Room is made by closing what the vehicle no
 * longer holds, but only below this entry: the smaller ones of the batch are
 * in already. */
static bool enter(struct plan *plan, struct plan_group *group, uint64_t seq,
                  uint64_t lowest)
{
    if (ledger_add(&group->ledger, seq) == PT_OK)
        return true;
    if (!group->has_row)
        return false;
    close_below(plan, group, lowest < seq ? lowest : seq);
    return ledger_add(&group->ledger, seq) == PT_OK;
}

static enum verdict verdict_of_new(const struct plan *plan,
                                   const struct planned *now)
{
    if (plan_reason(plan, now) == REFUSED_NOT)
        return VERDICT_STORE;
    return now->item->act_kept && plan->groups[now->group].has_row
               ? VERDICT_ACT
               : VERDICT_QUARANTINE;
}

static void judge_item(struct plan *plan, struct plan_group *group, size_t at,
                       uint64_t lowest)
{
    struct planned *now = &plan->items[at];
    const struct planned *before = at > group->first ? now - 1 : NULL;
    uint64_t seq = now->item->entry.seq;

    if (before && before->item->entry.seq == seq && !before->ask &&
        before->verdict != VERDICT_NONE) {
        now->verdict = same_content(&before->item->entry, &now->item->entry)
                           ? VERDICT_REPEAT
                           : VERDICT_DIFFERS;
    } else if (ledger_has(&group->ledger, seq)) {
        now->verdict = VERDICT_REPEAT;
        now->ask = group->has_row && plan_reason(plan, now) == REFUSED_NOT;
    } else if (enter(plan, group, seq, lowest)) {
        now->verdict = verdict_of_new(plan, now);
        group->changed = true;
    } else {
        plan->ledger_full++;
    }
}

/* A vehicle is catching up, or has missed a receipt. */
static bool is_backlog(const struct plan *plan, const struct plan_group *group)
{
    bool late = false;

    if (group->count >= BACKLOG_ENTRIES)
        return true;
    for (size_t i = group->first; i < group->first + group->count; i++) {
        const struct planned *planned = &plan->items[i];

        if (planned->verdict == VERDICT_REPEAT ||
            planned->verdict == VERDICT_DIFFERS)
            return true;
        if (planned->item->received_ms - planned->item->entry.time_ms > LATE_MS)
            late = true;
    }
    return late && group->count > 1;
}

static void judge_group(struct plan *plan, struct plan_group *group)
{
    uint64_t lowest = lowest_held(plan, group);

    for (size_t i = group->first; i < group->first + group->count; i++) {
        const struct pt_entry *entry = &plan->items[i].item->entry;

        judge_item(plan, group, i, lowest);
        if (plan->items[i].verdict != VERDICT_NONE)
            group->receipted = true;
        if (entry->kind != PT_KIND_FIX) /* a crew waits for it to be told */
            group->urgent = true;
    }
    if (group->has_row)
        close_below(plan, group, lowest);
    group->backlog = is_backlog(plan, group);
}

/* Nothing a receipt could name: quarantined as it is. */
static void judge_nameless(struct plan *plan, const struct plan_group *group)
{
    for (size_t i = group->first; i < group->first + group->count; i++)
        plan->items[i].verdict = VERDICT_QUARANTINE;
}

static int compare_latest(const void *left, const void *right)
{
    const struct batch_item *a = *(const struct batch_item *const *)left;
    const struct batch_item *b = *(const struct batch_item *const *)right;
    int by = COMPARE(a->unit_id, b->unit_id);

    if (by == 0)
        by = COMPARE(a->entry.time_ms, b->entry.time_ms);
    if (by == 0) /* as bigint: fleet and latest_position order them so */
        by = COMPARE((int64_t)a->generation, (int64_t)b->generation);
    if (by == 0)
        by = COMPARE(a->entry.seq, b->entry.seq);
    return by;
}

/* One fix a unit, the newest. */
static void find_latest(struct plan *plan)
{
    size_t kept = 0;

    plan->latest_count = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].verdict == VERDICT_STORE &&
            plan_has_position(plan->items[i].item))
            plan->latest[plan->latest_count++] = plan->items[i].item;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    qsort(plan->latest, plan->latest_count, sizeof *plan->latest,
          compare_latest);
    for (size_t i = 0; i < plan->latest_count; i++)
        if (i + 1 == plan->latest_count ||
            plan->latest[i]->unit_id != plan->latest[i + 1]->unit_id)
            plan->latest[kept++] = plan->latest[i];
    plan->latest_count = kept;
}

void plan_judge(struct plan *plan)
{
    for (size_t i = 0; i < plan->group_count; i++) {
        struct plan_group *group = &plan->groups[i];

        if (has_identity(plan->items[group->first].item))
            judge_group(plan, group);
        else
            judge_nameless(plan, group);
    }
    find_latest(plan);
}

enum batch_refusal plan_reason(const struct plan *plan,
                               const struct planned *planned)
{
    const struct plan_group *group = &plan->groups[planned->group];

    if (planned->verdict == VERDICT_DIFFERS)
        return REFUSED_REPEAT_DIFFERS;
    if (planned->item->refusal == REFUSED_NOT && !group->has_row)
        return REFUSED_UNKNOWN_DEVICE; /* deleted since intake looked */
    return planned->item->refusal;
}

void plan_receipt(const struct plan *plan, const struct plan_group *group,
                  struct store_receipt *ret)
{
    const struct batch_item *item = plan->items[group->first].item;

    memcpy(ret->device_name, item->device_name, sizeof ret->device_name);
    ledger_to_receipt(&group->ledger, group->generation, &ret->receipt);
    ret->urgent = group->urgent;
    ret->backlog = group->backlog;
}
