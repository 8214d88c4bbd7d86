/* What was said, for a checker to hold against what was stored:
 *
 *   device,generation,seq,time_ms,lat_e6,lon_e6,flags
 *
 * in the order it was said. `flags` as on the wire (report.proto): status in
 * bits 8 to 11, kind in 12 to 15; without bit 0 there is no position and the
 * coordinates are empty. A fix said on a pty has generation and number 0. */
#include "pt_log.h"
#include "sim.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum pt_err truth_open(struct sim *sim)
{
    if (sim->options.truth == NULL)
        return PT_OK;
    sim->truth = fopen(sim->options.truth, "we");
    if (sim->truth == NULL) {
        pt_log(PT_LOG_ERROR, "%s: %s", sim->options.truth, strerror(errno));
        return PT_E_DISK;
    }
    fputs("device,generation,seq,time_ms,lat_e6,lon_e6,flags\n", sim->truth);
    return PT_OK;
}

void truth_write(struct sim *sim, const struct unit *unit,
                 const struct pt_entry *entry)
{
    if (sim->truth == NULL)
        return;
    uint64_t generation = entry->seq == 0 ? 0 : unit->device.generation;
    unsigned flags = (unsigned)entry->flags | (unsigned)entry->status << 8 |
                     (unsigned)entry->kind << 12;
    fprintf(sim->truth, "%s,%" PRIu64 ",%" PRIu64 ",%" PRId64 ",", unit->name,
            generation, entry->seq, entry->time_ms);
    if ((entry->flags & PT_FLAG_POSITION) != 0)
        fprintf(sim->truth, "%d,%d,", entry->at.lat_e6, entry->at.lon_e6);
    else
        fputs(",,", sim->truth);
    fprintf(sim->truth, "%u\n", flags);
}

bool truth_close(struct sim *sim)
{
    if (sim->truth == NULL)
        return true;
    bool bad = ferror(sim->truth) != 0;
    bad = fclose(sim->truth) != 0 || bad;
    sim->truth = NULL;
    if (bad)
        pt_log(PT_LOG_ERROR, "%s: not everything could be written",
               sim->options.truth);
    return !bad;
}
