#include "pt_room.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 32

enum pt_err pt_room(void *array, size_t *room, size_t need, size_t size)
{
    if (need <= *room)
        return PT_OK;
    size_t most = SIZE_MAX / 2 / size;
    size_t wanted = *room < FIRST ? FIRST : *room;
    wanted = wanted < most / 2 ? 2 * wanted : most;
    wanted = wanted < need ? need : wanted;
    if (wanted > most)
        return PT_E_NOMEM;
    /* By memcpy: the pointer is of a type that is not known here. */
    void *items;
    memcpy(&items, array, sizeof items);
    items = realloc(items, wanted * size);
    if (items == NULL)
        return PT_E_NOMEM;
    memcpy(array, &items, sizeof items);
    *room = wanted;
    return PT_OK;
}
