#ifndef POWER_H
#define POWER_H
/* power: what the vehicle's computer runs on, as Linux tells it
 * (/sys/class/power_supply, Documentation/ABI/testing/sysfs-class-power).
 *
 * An ignition has no place of its own there: where it switches the feed, a
 * feed that is off is an ignition that is off. */
#include "pt_err.h"
#include "report.h"
#include <uv.h>

struct power_state {
    enum pt_power source;
    int battery_percent; /* the emptiest; -1 not known */
};

/* Looked at so often: a gauge on a slow bus must not be asked all the time. */
#define POWER_EVERY_MS 10000
/* Supplies looked at; a vehicle's computer has three or four. */
#define POWER_SUPPLIES_MAX 32

/* Fed from outside when a feed is online, or a battery says that it is being
 * charged or full; on its battery when one says that it discharges or every
 * feed is offline; else unknown, as without such a directory. Supplies of
 * devices (a mouse) do not count. May block for some milliseconds. Any
 * thread. */
struct power_state power_read(const char *root);

struct power;

/* Looks at `root` (copied) at once and every POWER_EVERY_MS, on libuv's pool.
 * "": never; `ret` is then NULL, which all others take. Loop thread only, as
 * the rest. */
PT_MUST_CHECK enum pt_err power_new(uv_loop_t *loop, const char *root,
                                    struct power **ret);
/* As last looked at; all unknown before. */
struct power_state power_last(const struct power *power);
/* `done` is called from the loop when all is freed, at once for NULL. */
void power_close(struct power *power, void (*done)(void *), void *context);

#endif
