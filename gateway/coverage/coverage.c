/* Units, and who is first at each mission. */
#include "coverage_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEVER INT64_MAX

/* ------------------------------------------------------------- start and end
 */
enum pt_err coverage_new(const struct coverage_settings *settings,
                         size_t max_units, struct coverage **ret)
{
    if (settings->start_share < 1 || settings->level < 1 ||
        settings->level > COVERAGE_FOLD || settings->zone_percent < 1 ||
        settings->zone_percent > 100)
        return PT_E_RANGE;
    struct coverage *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return PT_E_NOMEM;
    c->settings = *settings;
    c->max_units = max_units;
    c->expiry_ms = c->alarm_ms = NEVER;
    *ret = c;
    return PT_OK;
}

void coverage_on_turn(struct coverage *coverage, coverage_turned turned,
                      void *context)
{
    coverage->turned = turned;
    coverage->turned_context = context;
}

/* What is made with a basis. */
struct made {
    size_t words;
    uint64_t *in;
    struct best *bests;
    uint32_t *floor_ms;
    uint8_t *within;
    uint32_t *times;
    struct watched *missions, *zones;
    struct zone_count *counts;
};

static void free_made(struct made *made)
{
    free(made->in);
    free(made->bests);
    free(made->floor_ms);
    free(made->within);
    free(made->times);
    free(made->missions);
    free(made->zones);
    free(made->counts);
}

static struct made made_of(const struct coverage *c)
{
    return (struct made){c->words,    c->in,     c->bests,
                         c->floor_ms, c->within, c->times,
                         c->missions, c->zones,  c->counts};
}

static void use_made(struct coverage *c, const struct made *made)
{
    c->words = made->words;
    c->in = made->in;
    c->bests = made->bests;
    c->floor_ms = made->floor_ms;
    c->within = made->within;
    c->times = made->times;
    c->missions = made->missions;
    c->zones = made->zones;
    c->counts = made->counts;
}

void coverage_free(struct coverage *coverage)
{
    if (coverage == NULL)
        return;
    struct made made = made_of(coverage);
    free_made(&made);
    coverage_streets_unref(coverage->streets);
    roads_spread_free(coverage->spread);
    roads_places_free(coverage->places);
    coverage_basis_unref(coverage->basis);
    free(coverage->units);
    free(coverage->gone);
    free(coverage);
}

/* -------------------------------------------------------- one mission's list
 */
static uint64_t *word_of(const struct coverage *c, uint32_t slot,
                         size_t mission)
{
    return &c->in[slot * c->words + mission / 64];
}

static uint64_t bit_of(size_t mission)
{
    return UINT64_C(1) << (mission % 64);
}

static void take_out(struct coverage *c, size_t mission, uint32_t slot)
{
    struct best *best = &c->bests[mission];
    uint32_t at = 0;
    while (best->slot[at] != slot)
        at++;
    best->count--;
    for (; at < best->count; at++) {
        best->slot[at] = best->slot[at + 1];
        best->ms[at] = best->ms[at + 1];
    }
    *word_of(c, slot, mission) &= ~bit_of(mission);
}

/* By time, then slot. Whoever does not fit any more, or comes no sooner than
 * those that are not in the list may, is not in it either. */
static void put_in(struct coverage *c, size_t mission, uint32_t slot,
                   uint32_t ms)
{
    struct best *best = &c->bests[mission];
    if (ms >= c->floor_ms[mission])
        return;
    if (best->count == BEST_MAX) {
        uint32_t last = BEST_MAX - 1;
        if (ms >= best->ms[last]) {
            c->floor_ms[mission] = ms;
            return;
        }
        c->floor_ms[mission] = best->ms[last];
        *word_of(c, best->slot[last], mission) &= ~bit_of(mission);
        best->count--;
    }
    uint32_t at = best->count++;
    while (at > 0 && (best->ms[at - 1] > ms ||
                      (best->ms[at - 1] == ms && best->slot[at - 1] > slot))) {
        best->slot[at] = best->slot[at - 1];
        best->ms[at] = best->ms[at - 1];
        at--;
    }
    best->slot[at] = slot;
    best->ms[at] = ms;
    *word_of(c, slot, mission) |= bit_of(mission);
}

/* To its place by a new time, within the list. Whether any of the first few,
 * by which missions are judged, is another or has another time. */
static bool move_in(struct best *best, uint32_t slot, uint32_t ms)
{
    uint32_t at = 0;
    while (best->slot[at] != slot)
        at++;
    uint32_t first = at;
    for (; at > 0 && (best->ms[at - 1] > ms ||
                      (best->ms[at - 1] == ms && best->slot[at - 1] > slot));
         at--) {
        best->slot[at] = best->slot[at - 1];
        best->ms[at] = best->ms[at - 1];
    }
    for (; at + 1 < best->count &&
           (best->ms[at + 1] < ms ||
            (best->ms[at + 1] == ms && best->slot[at + 1] < slot));
         at++) {
        best->slot[at] = best->slot[at + 1];
        best->ms[at] = best->ms[at + 1];
    }
    best->slot[at] = slot;
    best->ms[at] = ms;
    return first < BEST_NEEDED || at < BEST_NEEDED;
}

static bool is_there(const struct coverage_unit *unit)
{
    return unit->place.edge != ROADS_NONE;
}

/* From all units anew: a mission that lost its list needs that now and then,
 * with 2,000 units some 100 us. */
static void refill(struct coverage *c, size_t mission)
{
    c->floor_ms[mission] = ROADS_NONE;
    for (size_t slot = 0; slot < c->slots; slot++) {
        const struct coverage_unit *unit = &c->units[slot];
        if (!is_there(unit) ||
            *word_of(c, (uint32_t)slot, mission) & bit_of(mission))
            continue;
        uint32_t ms = roads_tables_one(c->basis->tables, &unit->place, mission);
        put_in(c, mission, (uint32_t)slot,
               later(coverage_with_start(c->basis, ms), unit->late_ms));
    }
}

/* ------------------------------------------------------------ what follows it
 */
static uint8_t count_within(const struct coverage *c, size_t mission)
{
    const struct basis_mission *m = &c->basis->missions[mission];
    const struct best *best = &c->bests[mission];
    uint8_t n = 0;
    while (n < BEST_NEEDED && n < best->count && m->promise_ms > 0 &&
           later(best->ms[n], m->access_ms) <= m->promise_ms)
        n++;
    return n;
}

static void recount(struct zone_count *count, uint8_t before, uint8_t now)
{
    for (uint8_t k = 0; k < COVERAGE_FOLD; k++)
        count->within[k] += (size_t)(now > k) - (size_t)(before > k);
}

static void settle(struct coverage *c, size_t mission, int64_t now_ms)
{
    const struct members *zones = &c->basis->mission_zones;
    if (c->bests[mission].count < BEST_NEEDED &&
        c->floor_ms[mission] != ROADS_NONE)
        refill(c, mission);
    uint8_t before = c->within[mission];
    uint8_t now = count_within(c, mission);
    if (now == before)
        return;
    c->within[mission] = now;
    coverage_judge_mission(c, mission, now_ms);
    if (c->turned != NULL)
        c->turned(c->turned_context, mission, now, now_ms);
    recount(&c->counts[c->basis->zone_count], before, now);
    for (uint32_t i = zones->first[mission]; i < zones->first[mission + 1];
         i++) {
        recount(&c->counts[zones->items[i]], before, now);
        coverage_judge_zone(c, zones->items[i], now_ms);
    }
}

/* Times of the unit in c->times. */
static void list_everywhere(struct coverage *c, uint32_t slot, uint32_t late_ms,
                            int64_t now_ms)
{
    for (size_t m = 0; m < c->basis->mission_count; m++) {
        bool listed = *word_of(c, slot, m) & bit_of(m);
        uint32_t ms =
            later(coverage_with_start(c->basis, c->times[m]), late_ms);
        if (!listed && ms >= c->floor_ms[m])
            continue;
        if (listed && ms < c->floor_ms[m]) {
            if (move_in(&c->bests[m], slot, ms))
                settle(c, m, now_ms);
            continue;
        }
        if (listed)
            take_out(c, m, slot);
        put_in(c, m, slot, ms);
        settle(c, m, now_ms);
    }
}

static void unlist_everywhere(struct coverage *c, uint32_t slot, int64_t now_ms)
{
    for (size_t word = 0; word < c->words; word++) {
        uint64_t bits = c->in[slot * c->words + word];
        while (bits != 0) {
            size_t m = 64 * word + (size_t)__builtin_ctzll(bits);
            bits &= bits - 1;
            take_out(c, m, slot);
            settle(c, m, now_ms);
        }
    }
}

/* --------------------------------------------------------------------- units
 */
static enum pt_err make_room(struct coverage *c, uint32_t slot)
{
    if (slot >= c->max_units)
        return PT_E_FULL;
    if (slot >= c->slot_room) {
        size_t room = 2 * (size_t)slot + 16;
        room = room < c->max_units ? room : c->max_units;
        struct coverage_unit *units =
            reallocarray(c->units, room, sizeof(*units));
        if (units == NULL)
            return PT_E_NOMEM;
        c->units = units;
        uint64_t *in = reallocarray(c->in, room * c->words + 1, sizeof(*in));
        if (in == NULL)
            return PT_E_NOMEM;
        c->in = in;
        c->slot_room = room;
    }
    for (; c->slots <= slot; c->slots++) {
        c->units[c->slots] =
            (struct coverage_unit){.place = {.edge = ROADS_NONE}};
        memset(c->in + c->slots * c->words, 0, c->words * sizeof(*c->in));
    }
    return PT_OK;
}

static void take_away(struct coverage *c, uint32_t slot, int64_t now_ms)
{
    struct coverage_unit *unit = &c->units[slot];
    if (!is_there(unit))
        return;
    unit->place.edge = ROADS_NONE;
    c->unit_count--;
    unlist_everywhere(c, slot, now_ms);
}

enum pt_err coverage_put(struct coverage *coverage, uint32_t slot,
                         const struct coverage_unit *unit, int64_t now_ms)
{
    if (coverage->basis == NULL)
        return PT_OK;
    if (unit == NULL || !is_there(unit) || unit->until_ms <= now_ms) {
        if (slot < coverage->slots)
            take_away(coverage, slot, now_ms);
        return PT_OK;
    }
    enum pt_err err = make_room(coverage, slot);
    if (err != PT_OK)
        return err;
    struct coverage_unit *kept = &coverage->units[slot];
    coverage->unit_count += !is_there(kept);
    if (unit->until_ms < coverage->expiry_ms)
        coverage->expiry_ms = unit->until_ms;
    bool stays = kept->place.edge == unit->place.edge &&
                 !(kept->place.fraction < unit->place.fraction) &&
                 !(kept->place.fraction > unit->place.fraction) &&
                 kept->late_ms == unit->late_ms;
    *kept = *unit;
    if (stays)
        return PT_OK;
    roads_tables_from(coverage->basis->tables, &unit->place, coverage->times);
    list_everywhere(coverage, slot, unit->late_ms, now_ms);
    return PT_OK;
}

void coverage_trim(struct coverage *coverage, size_t count, int64_t now_ms)
{
    while (coverage->slots > count) {
        take_away(coverage, (uint32_t)coverage->slots - 1, now_ms);
        coverage->slots--;
    }
}

const struct coverage_unit *coverage_unit(const struct coverage *coverage,
                                          uint32_t slot)
{
    if (slot >= coverage->slots || !is_there(&coverage->units[slot]))
        return NULL;
    return &coverage->units[slot];
}

size_t coverage_slots(const struct coverage *coverage)
{
    return coverage->slots;
}

size_t coverage_unit_count(const struct coverage *coverage)
{
    return coverage->unit_count;
}

/* --------------------------------------------------------------------- basis
 */
static enum pt_err make(const struct coverage *c,
                        const struct coverage_basis *basis, struct made *ret)
{
    size_t missions = basis->mission_count + 1, zones = basis->zone_count + 1;
    struct made made = {.words = (basis->mission_count + 63) / 64};
    made.in = calloc(c->slot_room * made.words + 1, sizeof(*made.in));
    made.bests = calloc(missions, sizeof(*made.bests));
    made.floor_ms = calloc(missions, sizeof(*made.floor_ms));
    made.within = calloc(missions, sizeof(*made.within));
    made.times = calloc(missions, sizeof(*made.times));
    made.missions = calloc(missions, sizeof(*made.missions));
    made.zones = calloc(zones, sizeof(*made.zones));
    made.counts = calloc(zones, sizeof(*made.counts));
    if (made.in == NULL || made.bests == NULL || made.floor_ms == NULL ||
        made.within == NULL || made.times == NULL || made.missions == NULL ||
        made.zones == NULL || made.counts == NULL) {
        free_made(&made);
        return PT_E_NOMEM;
    }
    memset(made.floor_ms, 0xff, missions * sizeof(*made.floor_ms));
    *ret = made;
    return PT_OK;
}

static void count_mission(struct zone_count *count,
                          const struct basis_mission *m)
{
    count->missions++;
    count->off_road += m->place.edge == ROADS_NONE;
    count->promised += m->promise_ms > 0;
}

static void count_missions(struct coverage *c)
{
    const struct coverage_basis *basis = c->basis;
    for (size_t m = 0; m < basis->mission_count; m++)
        count_mission(&c->counts[basis->zone_count], &basis->missions[m]);
    for (size_t z = 0; z < basis->zone_count; z++) {
        for (uint32_t i = basis->zone_missions.first[z];
             i < basis->zone_missions.first[z + 1]; i++)
            count_mission(&c->counts[z],
                          &basis->missions[basis->zone_missions.items[i]]);
    }
}

/* Where the streets are others, the units' places are nowhere. */
static void put_all(struct coverage *c, bool same_roads)
{
    if (!same_roads) {
        c->slots = c->unit_count = 0;
        c->expiry_ms = NEVER;
    }
    for (size_t slot = 0; slot < c->slots; slot++) {
        const struct coverage_unit *unit = &c->units[slot];
        if (!is_there(unit))
            continue;
        roads_tables_from(c->basis->tables, &unit->place, c->times);
        for (size_t m = 0; m < c->basis->mission_count; m++)
            put_in(c, m, (uint32_t)slot,
                   later(coverage_with_start(c->basis, c->times[m]),
                         unit->late_ms));
    }
    for (size_t m = 0; m < c->basis->mission_count; m++) {
        uint8_t now = c->within[m] = count_within(c, m);
        const struct members *zones = &c->basis->mission_zones;
        recount(&c->counts[c->basis->zone_count], 0, now);
        for (uint32_t i = zones->first[m]; i < zones->first[m + 1]; i++)
            recount(&c->counts[zones->items[i]], 0, now);
    }
}

static void drop_basis(struct coverage *c)
{
    struct made none = {.words = 0}, before = made_of(c);
    free_made(&before);
    use_made(c, &none);
    coverage_streets_unref(c->streets);
    coverage_basis_unref(c->basis);
    roads_places_free(c->places);
    c->streets = NULL;
    c->places = NULL;
    c->basis = NULL;
    c->slots = c->slot_room = c->unit_count = 0;
    c->expiry_ms = c->alarm_ms = NEVER;
}

enum pt_err coverage_set_basis(struct coverage *coverage,
                               struct coverage_basis *basis, int64_t now_ms)
{
    struct coverage *c = coverage;
    struct coverage_basis *old = c->basis;
    struct made made, before = made_of(c);
    if (basis == NULL) {
        drop_basis(c);
        return PT_OK;
    }
    enum pt_err err = make(c, basis, &made);
    if (err != PT_OK)
        return err;
    bool same_roads = old != NULL && old->roads == basis->roads;
    c->basis = coverage_basis_ref(basis);
    use_made(c, &made);
    count_missions(c);
    put_all(c, same_roads);
    err = coverage_keep_alarms(c, old, before.missions, before.zones, now_ms);
    coverage_streets_unref(c->streets);
    c->streets = NULL;
    roads_places_free(c->places);
    c->places = NULL;
    if (!same_roads) {
        roads_spread_free(c->spread);
        c->spread = NULL;
    }
    free_made(&before);
    coverage_basis_unref(old);
    return err;
}

struct coverage_basis *coverage_basis(const struct coverage *coverage)
{
    return coverage->basis;
}

/* ------------------------------------------------------------------- answers
 */
struct coverage_mission coverage_mission(const struct coverage *coverage,
                                         size_t index)
{
    const struct basis_mission *m = &coverage->basis->missions[index];
    const struct best *best = &coverage->bests[index];
    const struct watched *w = &coverage->missions[index];
    struct coverage_mission ret = {
        .mission = catalog_mission(coverage->basis->catalog, index),
        .off_road = m->place.edge == ROADS_NONE,
        .promise_s = (int)(m->promise_ms / 1000),
        .lost = w->lost,
        .since_ms = w->below ? w->turned_ms : 0,
    };
    ret.found = best->count < COVERAGE_FOLD ? best->count : COVERAGE_FOLD;
    for (size_t i = 0; i < ret.found; i++)
        ret.first[i] = (struct coverage_arrival){
            best->slot[i], later(best->ms[i], m->access_ms)};
    uint8_t within = coverage->within[index];
    ret.within = within < COVERAGE_FOLD ? within : COVERAGE_FOLD;
    return ret;
}

struct coverage_zone coverage_zone(const struct coverage *coverage,
                                   size_t index)
{
    const struct coverage *c = coverage;
    const struct zone_count *count = &c->counts[index];
    const struct watched *w = &c->zones[index];
    struct coverage_zone ret = {
        .zone = index < c->basis->zone_count
                    ? catalog_zone(c->basis->catalog, index)
                    : NULL,
        .promise_s =
            index < c->basis->zone_count ? c->basis->zone_promise_s[index] : 0,
        .missions = count->missions,
        .off_road = count->off_road,
        .promised = count->promised,
        .lost = w->lost,
        .since_ms = w->below ? w->turned_ms : 0,
    };
    memcpy(ret.within, count->within, sizeof(ret.within));
    if (c->streets != NULL) {
        ret.length_m = c->streets->zones[index].length_m;
        memcpy(ret.within_m, c->streets->zones[index].within_m,
               sizeof(ret.within_m));
    }
    return ret;
}

static bool would_be_lost(const struct coverage *c, size_t mission,
                          uint32_t slot, struct coverage_loss *ret)
{
    const struct best *best = &c->bests[mission];
    if (c->within[mission] != c->settings.level)
        return false;
    for (uint32_t i = 0; i < c->settings.level; i++) {
        if (best->slot[i] != slot)
            continue;
        uint32_t next = i == 0 ? 1 : 0;
        ret->mission = (uint32_t)mission;
        ret->next_ms =
            next >= best->count
                ? ROADS_NONE
                : later(best->ms[next], c->basis->missions[mission].access_ms);
        return true;
    }
    return false;
}

size_t coverage_uncovers(const struct coverage *coverage, uint32_t slot,
                         uint32_t except, struct coverage_loss *ret, size_t max)
{
    const struct coverage *c = coverage;
    size_t found = 0;
    if (c->basis == NULL || slot >= c->slots)
        return 0;
    for (size_t word = 0; word < c->words; word++) {
        uint64_t bits = c->in[slot * c->words + word];
        for (; bits != 0; bits &= bits - 1) {
            size_t m = 64 * word + (size_t)__builtin_ctzll(bits);
            struct coverage_loss loss;
            if (m == except || !would_be_lost(c, m, slot, &loss))
                continue;
            if (found < max)
                ret[found] = loss;
            found++;
        }
    }
    return found;
}
