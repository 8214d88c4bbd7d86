#include "intake_internal.h"

#include <stdlib.h>
#include <string.h>

/* What stands before a message's payload. */
struct head {
    int64_t received_ms;
    uint32_t size;
    uint8_t kind;
    uint8_t retained;
    char device[LINK_DEVICE_MAX + 1];
};

static size_t room_for(size_t payload)
{
    return sizeof(struct head) + payload;
}

enum pt_err ring_init(struct ring *ring, size_t size)
{
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return PT_E_NOMEM;
    *ring = (struct ring){.bytes = bytes, .size = size, .wrap = size};
    return PT_OK;
}

void ring_clear(struct ring *ring)
{
    free(ring->bytes);
    *ring = (struct ring){0};
}

/* Where `need` bytes may go; false when nowhere. Free is [tail, end) and
 * [0, head), or [tail, head) once the ring has wrapped. */
static bool find_room(struct ring *ring, size_t need)
{
    if (ring->waiting == 0) {
        ring->head = ring->tail = 0;
        ring->wrap = ring->size;
        return need <= ring->size;
    }
    if (ring->tail <= ring->head)
        return need <= ring->head - ring->tail;
    if (need <= ring->size - ring->tail)
        return true;
    if (need > ring->head)
        return false;
    ring->wrap = ring->tail;
    ring->tail = 0;
    return true;
}

enum pt_err ring_put(struct ring *ring, const struct ring_message *message)
{
    size_t need = room_for(message->size);
    if (!find_room(ring, need))
        return PT_E_FULL;
    struct head head = {
        .received_ms = message->received_ms,
        .size = message->size,
        .kind = (uint8_t)message->kind,
        .retained = message->retained,
    };
    memcpy(head.device, message->device, sizeof(head.device));
    uint8_t *at = ring->bytes + ring->tail;
    memcpy(at, &head, sizeof(head));
    if (message->size > 0)
        memcpy(at + sizeof(head), message->payload, message->size);
    ring->tail += need;
    ring->waiting++;
    return PT_OK;
}

bool ring_peek(const struct ring *ring, struct ring_message *ret)
{
    if (ring->waiting == 0)
        return false;
    struct head head;
    memcpy(&head, ring->bytes + ring->head, sizeof(head));
    *ret = (struct ring_message){
        .kind = (enum link_topic)head.kind,
        .retained = head.retained != 0,
        .received_ms = head.received_ms,
        .size = head.size,
        .payload = ring->bytes + ring->head + sizeof(head),
    };
    memcpy(ret->device, head.device, sizeof(ret->device));
    return true;
}

void ring_drop(struct ring *ring)
{
    struct ring_message oldest;
    if (!ring_peek(ring, &oldest))
        return;
    ring->head += room_for(oldest.size);
    ring->waiting--;
    if (ring->head == ring->wrap) {
        ring->head = 0;
        ring->wrap = ring->size;
    }
}
