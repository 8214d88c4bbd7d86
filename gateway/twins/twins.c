#include "twins.h"

#include <stdlib.h>

#define FIRST_ROOM 64u

struct device {
    uint32_t device_id; /* 0: nobody; database numbers begin at 1 */
    uint32_t returns;
    uint64_t generation, before; /* 0: none */
    int64_t newest_ms;
    int64_t changed_ms;
    int64_t told_ms; /* 0: never */
};

/* Open addressing, linear probing, at most half full. Nobody leaves it. */
struct twins {
    struct device *devices;
    size_t room; /* a power of two */
    size_t count, max_devices;
};

enum pt_err twins_new(size_t max_devices, struct twins **ret)
{
    struct twins *twins = calloc(1, sizeof(*twins));
    if (twins == NULL)
        return PT_E_NOMEM;
    twins->max_devices = max_devices;
    twins->room = FIRST_ROOM;
    twins->devices = calloc(twins->room, sizeof(*twins->devices));
    if (twins->devices == NULL) {
        free(twins);
        return PT_E_NOMEM;
    }
    *ret = twins;
    return PT_OK;
}

void twins_free(struct twins *twins)
{
    if (twins == NULL)
        return;
    free(twins->devices);
    free(twins);
}

/* Fibonacci hashing (Knuth, TAOCP 3, 6.4). */
static struct device *place_of(struct device *devices, size_t room,
                               uint32_t device_id)
{
    size_t mask = room - 1;
    size_t i = (size_t)((device_id * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
    for (i &= mask; devices[i].device_id != 0; i = (i + 1) & mask)
        if (devices[i].device_id == device_id)
            break;
    return &devices[i];
}

static enum pt_err grow(struct twins *twins)
{
    size_t room = 2 * twins->room;
    struct device *devices = calloc(room, sizeof(*devices));
    if (devices == NULL)
        return PT_E_NOMEM;
    for (size_t i = 0; i < twins->room; i++) {
        const struct device *old = &twins->devices[i];
        if (old->device_id != 0)
            *place_of(devices, room, old->device_id) = *old;
    }
    free(twins->devices);
    twins->devices = devices;
    twins->room = room;
    return PT_OK;
}

static enum pt_err find(struct twins *twins, uint32_t device_id,
                        struct device **ret)
{
    struct device *device = place_of(twins->devices, twins->room, device_id);
    if (device->device_id == 0) {
        if (twins->count == twins->max_devices)
            return PT_E_FULL;
        if (2 * (twins->count + 1) > twins->room) {
            enum pt_err err = grow(twins);
            if (err != PT_OK)
                return err;
            device = place_of(twins->devices, twins->room, device_id);
        }
        *device = (struct device){.device_id = device_id};
        twins->count++;
    }
    *ret = device;
    return PT_OK;
}

/* The generation is another one than that of the report before. */
static void follow_change(struct device *device, uint64_t generation,
                          int64_t now_ms)
{
    bool soon = now_ms - device->changed_ms <= TWINS_WITHIN_MS;
    if (generation != device->before || !soon)
        device->returns = 0;
    if (generation == device->before)
        device->returns++;
    device->before = device->generation;
    device->generation = generation;
    device->changed_ms = now_ms;
}

enum pt_err twins_hear(struct twins *twins, uint32_t device_id,
                       uint64_t generation, int64_t newest_ms, int64_t now_ms,
                       bool *alarm)
{
    struct device *device;
    *alarm = false;
    enum pt_err err = find(twins, device_id, &device);
    if (err != PT_OK || newest_ms <= device->newest_ms)
        return err;
    device->newest_ms = newest_ms;
    if (device->generation == generation)
        return PT_OK;
    follow_change(device, generation, now_ms);
    if (device->returns < 2 ||
        (device->told_ms != 0 && now_ms - device->told_ms < TWINS_AGAIN_MS))
        return PT_OK;
    device->told_ms = now_ms;
    *alarm = true;
    return PT_OK;
}
