#ifndef PATROLCTL_H
#define PATROLCTL_H
/* patrolctl: the parts of the operators' tool that need neither database nor
 * gateway. Pure unless said otherwise; one thread. */
#include "pt_err.h"
#include <stddef.h>

/* Copies `text` to `out` (of `size` bytes, always terminated) so that a
 * terminal cannot be made to do anything: control characters (C0, DEL, C1),
 * bidirectional overrides and bytes that are not UTF-8 become "?". Never
 * cuts inside a character. Returns the length of what it wrote. */
size_t ctl_clean(const char *text, char *out, size_t size);

#endif
