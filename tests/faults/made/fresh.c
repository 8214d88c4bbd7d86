/* Making an outbox is most of what a short schedule would cost: SQLite compiles
 * some thirty statements for it. On an empty disk it always ends in the same
 * state, so that state is reached once, by outbox_open(), and kept as bytes:
 * the program's heap, with SQLite's connection in it, and the disk.
 *
 * A vehicle so begins each schedule under the same generation; those that
 * follow it are drawn by the schedule, lower ones as well as higher ones.
 * What a schedule draws does not depend on which were run before it. */
#include "sim.h"

#include "outbox_internal.h"
#include <sqlite3.h>
#include <stdlib.h>

static struct outbox *make(unsigned vehicle,
                           const struct outbox_settings *settings)
{
    uint64_t random = sim.random;
    struct outbox *box;
    bool damaged;
    sim.random = vehicle;
    if (outbox_open(settings, &box, &damaged) != PT_OK)
        abort(); /* nothing goes wrong before the first event */
    sim.random = random;
    (void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_RESET);
    return box;
}

#ifdef SIM_HEAPS

struct outbox *fresh_outbox(unsigned vehicle,
                            const struct outbox_settings *settings)
{
    static struct fresh {
        struct outbox *outbox; /* NULL: none was made so far */
        struct heap_copy *heap;
        struct disk_copy *disk;
    } kept[CLONE];
    struct fresh *fresh = &kept[vehicle];
    if (fresh->outbox == NULL) {
        fresh->outbox = make(vehicle, settings);
        fresh->heap = heap_save(vehicle);
        fresh->disk = disk_save(vehicle);
    } else {
        heap_restore(vehicle, fresh->heap);
        disk_restore(vehicle, fresh->disk);
    }
    /* Opening an empty one only takes note of the limit. */
    fresh->outbox->settings.entries_max = settings->entries_max;
    return fresh->outbox;
}

#else

struct outbox *fresh_outbox(unsigned vehicle,
                            const struct outbox_settings *settings)
{
    return make(vehicle, settings);
}

#endif
