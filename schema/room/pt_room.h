#ifndef PT_ROOM_H
#define PT_ROOM_H
/* room: arrays that grow. Any thread. */
#include "pt_err.h"
#include <stddef.h>

/* Room for `need` elements of `size` bytes (not 0). `array` is the address of
 * the pointer to them: one that malloc() gave, or NULL, and the caller's to
 * free; `room` is how many it has room for. It at least doubles, so that
 * growing one by one costs a constant each. PT_E_NOMEM, also beyond
 * SIZE_MAX / 2 bytes: nothing has changed. */
PT_MUST_CHECK enum pt_err pt_room(void *array, size_t *room, size_t need,
                                  size_t size);

#endif
