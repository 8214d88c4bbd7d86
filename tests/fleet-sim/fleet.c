/* All units, and the simulated clock that steps them. */
#include "pt_log.h"
#include "sim.h"
#include <stdlib.h>
#include <string.h>

static int by_phase(const void *a, const void *b)
{
    const struct unit *x = a;
    const struct unit *y = b;
    if (x->phase_ms != y->phase_ms)
        return x->phase_ms < y->phase_ms ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static const struct sim_nmea_option *nmea_of(const struct sim *sim,
                                             const struct unit *unit)
{
    for (size_t i = 0; i < sim->options.nmea_count; i++) {
        if (strcmp(sim->options.nmea[i].name, unit->name) == 0)
            return &sim->options.nmea[i];
    }
    return NULL;
}

/* As many digits as the last one needs, two at least. */
static int digits(long last)
{
    int count = 1;
    for (; last >= 10; last /= 10)
        count++;
    return count < 2 ? 2 : count;
}

/* Receivers report at their own moment of the second; what speaks NMEA in
 * whole seconds does so at the second. */
static enum pt_err name_units(struct sim *sim)
{
    const struct sim_options *options = &sim->options;
    int width = digits(options->first + options->units - 1);
    size_t heard = 0;
    for (size_t i = 0; i < sim->unit_count; i++) {
        struct unit *unit = &sim->units[i];
        struct rng rng;
        unit->sim = sim;
        unit->index = (uint32_t)(options->first + (long)i);
        snprintf(unit->name, sizeof(unit->name), "%s%0*u", options->prefix,
                 width, unit->index);
        rng_init(&rng, rng_mix(options->seed, 11), unit->index);
        bool has_nmea = nmea_of(sim, unit) != NULL;
        heard += has_nmea;
        unit->phase_ms = has_nmea ? 0 : (uint32_t)rng_below(&rng, SIM_STEP_MS);
    }
    if (heard != options->nmea_count) {
        pt_log(PT_LOG_ERROR, "--nmea names a unit that is not of %s to %s",
               sim->units[0].name, sim->units[sim->unit_count - 1].name);
        return PT_E_CONFIG;
    }
    qsort(sim->units, sim->unit_count, sizeof(*sim->units), by_phase);
    return PT_OK;
}

static enum pt_err start_unit(struct unit *unit, uint64_t nonce)
{
    struct sim *sim = unit->sim;
    const struct sim_nmea_option *nmea = nmea_of(sim, unit);
    device_init(unit, nonce);
    radio_init(unit);
    enum pt_err err = patrol_init(unit, sim->start_ms);
    if (err == PT_OK && !sim->options.dry_run && nmea != NULL)
        err = nmea_open(nmea->link, &unit->device.nmea);
    else if (err == PT_OK && !sim->options.dry_run)
        err = radio_check(unit);
    return err;
}

/* A generation is a run's own, or the gateway would take a second run with
 * the same seed for repeats of the first; a dry run meets no gateway. */
static uint64_t draw_nonce(const struct sim *sim)
{
    uint64_t nonce = 0;
    if (!sim->options.dry_run &&
        uv_random(NULL, NULL, &nonce, sizeof(nonce), 0, NULL) != 0)
        nonce = uv_hrtime();
    return nonce;
}

enum pt_err fleet_open(struct sim *sim)
{
    sim->unit_count = (size_t)sim->options.units;
    sim->units = calloc(sim->unit_count, sizeof(*sim->units));
    if (sim->units == NULL)
        return PT_E_NOMEM;
    uint64_t nonce = draw_nonce(sim);
    enum pt_err err = name_units(sim);
    for (size_t i = 0; i < sim->unit_count && err == PT_OK; i++)
        err = start_unit(&sim->units[i], nonce);
    sim->second_ms = (sim->start_ms / SIM_STEP_MS + 1) * SIM_STEP_MS;
    sim->next_unit = 0;
    if (err != PT_OK)
        fleet_close(sim);
    return err;
}

void fleet_close(struct sim *sim)
{
    for (size_t i = 0; i < sim->unit_count && sim->units != NULL; i++) {
        struct unit *unit = &sim->units[i];
        path_clear(&unit->patrol.path);
        box_clear(&unit->device.box);
        nmea_close(unit->device.nmea);
    }
    free(sim->units);
    sim->units = NULL;
    sim->unit_count = 0;
}

bool fleet_advance(struct sim *sim, int64_t now_ms, size_t max)
{
    for (size_t n = 0; n < max; n++) {
        struct unit *unit = &sim->units[sim->next_unit];
        int64_t due_ms = sim->second_ms + unit->phase_ms;
        if (due_ms > now_ms || (sim->end_ms != 0 && due_ms >= sim->end_ms))
            return true;
        patrol_step(unit, due_ms);
        device_step(unit, due_ms);
        if (++sim->next_unit == sim->unit_count) {
            sim->next_unit = 0;
            sim->second_ms += SIM_STEP_MS;
        }
    }
    return false;
}

uint64_t fleet_waiting(const struct sim *sim)
{
    uint64_t waiting = 0;
    for (size_t i = 0; i < sim->unit_count; i++)
        waiting += sim->units[i].device.box.held;
    return waiting;
}
