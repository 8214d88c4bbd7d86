/* What a unit does with its day: its beat, calls, shifts. Simulated time and
 * its own random numbers only, so that a seed gives the same day again. */
#include "sim.h"
#include <math.h>

#define SECOND_MS INT64_C(1000)
#define HOUR_MS INT64_C(3600000)
#define SHIFT_MS (8 * HOUR_MS)

#define STOP_S 60.0, 180.0   /* at a mission on the beat */
#define SCENE_S 240.0, 900.0 /* at a call */
#define PAPERWORK_S 60.0, 300.0
#define NO_WAY_S 20.0, 60.0 /* before another target is tried */
#define FALL_ASLEEP_S 120.0, 900.0
#define SLEEPERS 0.5 /* of those off duty; the others leave it on */

#define CALL_HASTE 1.3 /* of the streets' speed; a beat is not in a hurry */
#define BEAT_HASTE 0.8
#define CALL_CHOICES 3 /* the call goes to one of the nearer units */
#define TURN_REACH_M 150.0

/* Share of the streets' free speed by hour of the day: two peaks, free
 * nights. */
static const double hour_speed[24] = {
    1.00, 1.00, 1.00, 1.00, 1.00, 0.95, 0.85, 0.70, 0.65, 0.75, 0.80, 0.80,
    0.75, 0.75, 0.80, 0.75, 0.65, 0.60, 0.70, 0.80, 0.85, 0.90, 0.95, 1.00};

static struct patrol *of(struct unit *unit)
{
    return &unit->patrol;
}

static int64_t after_s(struct patrol *p, int64_t now_ms, double from, double to)
{
    return now_ms + (int64_t)(rng_between(&p->rng, from, to) * 1000.0);
}

/* --- shifts --------------------------------------------------------------- */

static int64_t shift_number(const struct patrol *p, int64_t now_ms)
{
    return (now_ms + p->shift_offset_ms) / SHIFT_MS;
}

static int64_t shift_end_ms(const struct patrol *p, int64_t now_ms)
{
    return (shift_number(p, now_ms) + 1) * SHIFT_MS - p->shift_offset_ms;
}

/* Drawn from the shift's number and not in passing, so that it is the same
 * however the shift before it went. */
static bool on_duty(const struct unit *unit, int64_t now_ms)
{
    const struct sim_options *options = &unit->sim->options;
    uint64_t shift = (uint64_t)shift_number(&unit->patrol, now_ms);
    struct rng rng;
    rng_init(&rng, rng_mix(options->seed, unit->index), rng_mix(shift, 1));
    return rng_share(&rng) < options->on_duty;
}

/* --- driving ----------------------------------------------------------------
 */

static void stand(struct patrol *p, const struct roads_place *place)
{
    path_clear(&p->path);
    p->place = *place;
}

static bool drives(const struct patrol *p)
{
    return p->path.points != NULL;
}

static double haste(const struct unit *unit, int64_t now_ms)
{
    const struct patrol *p = &unit->patrol;
    size_t hour = (size_t)world_hour(&unit->sim->world, now_ms) % 24;
    double kind = p->doing == DOING_CALL ? CALL_HASTE : BEAT_HASTE;
    return hour_speed[hour] * kind * p->temper;
}

/* False: no way there (an island, a street closed to one side). */
static bool set_out(struct unit *unit, const struct roads_place *target,
                    int64_t now_ms)
{
    struct patrol *p = of(unit);
    struct path path = {0};
    unit->sim->counts.routes++;
    if (path_plan(&unit->sim->world, &p->place, target, haste(unit, now_ms),
                  &path) != PT_OK) {
        unit->sim->counts.no_route++;
        return false;
    }
    path_clear(&p->path);
    p->path = path;
    p->target = *target;
    return true;
}

/* --- what next ----------------------------------------------------------- */

static void go_off(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    p->doing = DOING_OFF;
    p->until_ms = shift_end_ms(p, now_ms);
    p->asleep_ms = 0;
    if (rng_share(&p->rng) < SLEEPERS)
        p->asleep_ms = after_s(p, now_ms, FALL_ASLEEP_S);
}

static void go_home(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    p->doing = DOING_HOMEWARD;
    if (!set_out(unit, &unit->sim->world.places[p->home], now_ms))
        go_off(unit, now_ms); /* wherever that is */
}

static void go_on_beat(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    p->doing = DOING_BEAT;
    p->asleep_ms = 0;
    p->beat_next = (p->beat_next + 1) % p->beat_count;
    uint32_t next = p->beat[p->beat_next];
    if (!set_out(unit, &unit->sim->world.places[next], now_ms))
        p->until_ms = after_s(p, now_ms, NO_WAY_S);
}

static void start_shift_or_stay(struct unit *unit, int64_t now_ms)
{
    if (on_duty(unit, now_ms))
        go_on_beat(unit, now_ms);
    else
        unit->patrol.until_ms = shift_end_ms(&unit->patrol, now_ms);
}

/* The wait is over. */
static void go_on(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    switch (p->doing) {
    case DOING_SCENE:
        p->doing = DOING_PAPERWORK;
        p->until_ms = after_s(p, now_ms, PAPERWORK_S);
        break;
    case DOING_OFF:
        start_shift_or_stay(unit, now_ms);
        break;
    case DOING_BEAT:
    case DOING_PAPERWORK:
    case DOING_CALL:
    case DOING_HOMEWARD:
        if (on_duty(unit, now_ms))
            go_on_beat(unit, now_ms);
        else
            go_home(unit, now_ms);
        break;
    }
}

static void arrive(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    stand(p, &p->target);
    if (p->doing == DOING_CALL) {
        p->doing = DOING_SCENE;
        p->until_ms = after_s(p, now_ms, SCENE_S);
    } else if (p->doing == DOING_HOMEWARD) {
        go_off(unit, now_ms);
    } else {
        p->until_ms = after_s(p, now_ms, STOP_S);
    }
}

/* --- calls ---------------------------------------------------------------- */

static const struct roads_place *call_place(struct unit *unit)
{
    const struct world *world = &unit->sim->world;
    struct geo_point here = patrol_at(unit);
    const struct roads_place *best = NULL;
    double best_m = INFINITY;
    for (int i = 0; i < CALL_CHOICES; i++) {
        const struct roads_place *place =
            &world->places[rng_below(&unit->patrol.rng, world->mission_count)];
        double metres = geo_distance_m(here, place->at);
        if (metres < best_m) {
            best = place;
            best_m = metres;
        }
    }
    return best;
}

/* Breaks off the drive under way, where it is. */
static void answer_call(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    const struct roads_place *target = call_place(unit);
    struct roads_place before = p->place;
    if (drives(p) && roads_snap(unit->sim->world.roads, patrol_at(unit),
                                TURN_REACH_M, &p->place) != PT_OK)
        return;
    double speed_mps = p->path.speed_mps;
    p->doing = DOING_CALL;
    if (set_out(unit, target, now_ms)) {
        p->path.speed_mps = speed_mps;
    } else {
        p->place = before;
        p->doing = DOING_BEAT;
    }
}

static bool is_called(struct unit *unit)
{
    struct patrol *p = of(unit);
    double a_second = unit->sim->options.calls_per_hour / 3600.0;
    return p->doing == DOING_BEAT && rng_share(&p->rng) < a_second;
}

/* --- from outside ------------------------------------------------------------
 */

void patrol_step(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    if (is_called(unit))
        answer_call(unit, now_ms);
    if (drives(p)) {
        if (!path_drive(&p->path, (double)SIM_STEP_MS / 1000.0))
            arrive(unit, now_ms);
    } else if (now_ms >= p->until_ms) {
        go_on(unit, now_ms);
    }
    unit->device.asleep =
        p->doing == DOING_OFF && p->asleep_ms != 0 && now_ms >= p->asleep_ms;
}

struct geo_point patrol_at(const struct unit *unit)
{
    const struct patrol *p = &unit->patrol;
    return drives(p) ? path_at(&p->path) : p->place.at;
}

uint8_t patrol_status(const struct unit *unit)
{
    static const uint8_t statuses[] = {
        [DOING_BEAT] = PT_STATUS_AVAILABLE,
        [DOING_CALL] = PT_STATUS_EN_ROUTE,
        [DOING_SCENE] = PT_STATUS_ON_SCENE,
        [DOING_PAPERWORK] = PT_STATUS_BUSY,
        [DOING_HOMEWARD] = PT_STATUS_AVAILABLE,
        [DOING_OFF] = PT_STATUS_OFF_DUTY,
    };
    return statuses[unit->patrol.doing];
}

/* The places nearest to home, home included, nearest first. */
static void choose_beat(struct patrol *p, const struct world *world)
{
    double metres[BEAT_MAX];
    uint32_t want = 4 + (uint32_t)rng_below(&p->rng, BEAT_MAX - 3);
    p->beat_count = 0;
    for (uint32_t i = 0; i < world->place_count; i++) {
        double m =
            geo_distance_m(world->places[p->home].at, world->places[i].at);
        uint32_t at = p->beat_count < want ? p->beat_count++ : want;
        for (; at > 0 && m < metres[at - 1]; at--) {
            if (at < want) {
                metres[at] = metres[at - 1];
                p->beat[at] = p->beat[at - 1];
            }
        }
        if (at < want) {
            metres[at] = m;
            p->beat[at] = i;
        }
    }
}

/* As if the day had been going on: in the middle of a stop, at a place of
 * its beat, or asleep at home. */
enum pt_err patrol_init(struct unit *unit, int64_t now_ms)
{
    struct patrol *p = of(unit);
    const struct world *world = &unit->sim->world;
    rng_init(&p->rng, unit->sim->options.seed, 2 * (uint64_t)unit->index);
    p->shift_offset_ms =
        (int64_t)rng_below(&p->rng, SHIFT_MS / SECOND_MS) * SECOND_MS;
    p->temper = rng_between(&p->rng, 0.85, 1.1);
    p->home = (uint32_t)rng_below(&p->rng, world->place_count);
    choose_beat(p, world);
    p->beat_next = (uint32_t)rng_below(&p->rng, p->beat_count);
    if (on_duty(unit, now_ms)) {
        p->doing = DOING_BEAT;
        p->place = world->places[p->beat[p->beat_next]];
        p->until_ms = after_s(p, now_ms, 0.0, 120.0);
    } else {
        p->place = world->places[p->home];
        go_off(unit, now_ms);
        if (p->asleep_ms != 0)
            p->asleep_ms = now_ms;
    }
    return p->beat_count > 0 ? PT_OK : PT_E_NOTFOUND;
}
