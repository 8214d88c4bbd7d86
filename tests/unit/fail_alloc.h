#ifndef FAIL_ALLOC_H
#define FAIL_ALLOC_H
/* fail_alloc: makes one allocation of the code under test fail. Link the
 * library of this name and the linker sends malloc, calloc, realloc and
 * strdup of everything linked statically through it (--wrap); what shared
 * libraries ask for is left alone. One thread at a time. */
#include <stddef.h>

/* The next `count` allocations succeed, the one after them fails, and all
 * later ones succeed again: whoever overlooks a failure goes on and is seen. */
void fail_alloc_after(size_t count);

/* None fails any more. */
void fail_alloc_never(void);

/* Bytes asked for since the program began, granted or not. */
size_t fail_alloc_bytes(void);

#endif
