#include "intake_internal.h"

#include <stdlib.h>
#include <string.h>

/* What stands before a message's payload. */
struct head {
    int64_t received_ms;
    uint64_t aside_ns;
    uint32_t size;
    uint8_t kind;
    uint8_t retained;
    char device[LINK_DEVICE_MAX + 1];
};

static size_t room_for(size_t payload)
{
    return sizeof(struct head) + payload;
}

enum pt_err inbox_init(struct inbox *inbox, size_t size)
{
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return PT_E_NOMEM;
    *inbox = (struct inbox){.bytes = bytes, .size = size, .wrap = size};
    return PT_OK;
}

void inbox_clear(struct inbox *inbox)
{
    free(inbox->bytes);
    *inbox = (struct inbox){0};
}

/* Where `need` bytes may go; false when nowhere. Free is [tail, end) and
 * [0, head), or [tail, head) once the ring has wrapped. */
static bool find_room(struct inbox *inbox, size_t need)
{
    if (inbox->waiting == 0) {
        inbox->head = inbox->tail = 0;
        inbox->wrap = inbox->size;
        return need <= inbox->size;
    }
    if (inbox->tail <= inbox->head)
        return need <= inbox->head - inbox->tail;
    if (need <= inbox->size - inbox->tail)
        return true;
    if (need > inbox->head)
        return false;
    inbox->wrap = inbox->tail;
    inbox->tail = 0;
    return true;
}

enum pt_err inbox_put(struct inbox *inbox, const struct inbox_message *message)
{
    size_t need = room_for(message->size);
    if (!find_room(inbox, need))
        return PT_E_FULL;
    struct head head = {
        .received_ms = message->received_ms,
        .aside_ns = message->aside_ns,
        .size = message->size,
        .kind = (uint8_t)message->kind,
        .retained = message->retained,
    };
    memcpy(head.device, message->device, sizeof(head.device));
    uint8_t *at = inbox->bytes + inbox->tail;
    memcpy(at, &head, sizeof(head));
    if (message->size > 0)
        memcpy(at + sizeof(head), message->payload, message->size);
    inbox->tail += need;
    inbox->waiting++;
    return PT_OK;
}

bool inbox_peek(const struct inbox *inbox, struct inbox_message *ret)
{
    if (inbox->waiting == 0)
        return false;
    struct head head;
    memcpy(&head, inbox->bytes + inbox->head, sizeof(head));
    *ret = (struct inbox_message){
        .kind = (enum link_topic)head.kind,
        .retained = head.retained != 0,
        .received_ms = head.received_ms,
        .aside_ns = head.aside_ns,
        .size = head.size,
        .payload = inbox->bytes + inbox->head + sizeof(head),
    };
    memcpy(ret->device, head.device, sizeof(ret->device));
    return true;
}

void inbox_drop(struct inbox *inbox)
{
    struct inbox_message oldest;
    if (!inbox_peek(inbox, &oldest))
        return;
    inbox->head += room_for(oldest.size);
    inbox->waiting--;
    if (inbox->head == inbox->wrap) {
        inbox->head = 0;
        inbox->wrap = inbox->size;
    }
}
