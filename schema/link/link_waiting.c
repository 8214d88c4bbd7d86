#include "link_internal.h"

void link_waiting_clear(struct link_waiting *w)
{
    w->head = 0;
    w->count = 0;
    w->bytes = 0;
}

bool link_waiting_room(const struct link_waiting *w, size_t bytes)
{
    if (w->count == LINK_WAITING_MAX)
        return false;
    return w->bytes == 0 || w->bytes + bytes <= LINK_WAITING_BYTES_MAX;
}

int *link_waiting_push(struct link_waiting *w, size_t bytes)
{
    size_t tail = (w->head + w->count) % LINK_WAITING_MAX;
    w->slots[tail].mid = 0;
    w->slots[tail].bytes = (uint32_t)bytes;
    w->count++;
    w->bytes += bytes;
    return &w->slots[tail].mid;
}

/* An empty queue begins at its first slot again: a connection that never has
 * much to wait for touches one page of the ring and not, in time, all of it. */
static void rewind_empty(struct link_waiting *w)
{
    if (w->count == 0)
        w->head = 0;
}

void link_waiting_unpush(struct link_waiting *w)
{
    if (w->count == 0)
        return;
    w->count--;
    w->bytes -= w->slots[(w->head + w->count) % LINK_WAITING_MAX].bytes;
}

/* Messages are done nearly in order, so the search is short. */
void link_waiting_done(struct link_waiting *w, int mid)
{
    for (size_t i = 0; i < w->count; i++) {
        size_t at = (w->head + i) % LINK_WAITING_MAX;
        if (w->slots[at].mid != mid)
            continue;
        w->slots[at].mid = 0;
        w->bytes -= w->slots[at].bytes;
        w->slots[at].bytes = 0;
        break;
    }
    while (w->count > 0 && w->slots[w->head].mid == 0) {
        w->head = (w->head + 1) % LINK_WAITING_MAX;
        w->count--;
    }
    rewind_empty(w);
}
