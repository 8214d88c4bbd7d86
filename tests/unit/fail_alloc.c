#include "fail_alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NONE SIZE_MAX

static size_t left = NONE; /* succeed before the one that fails */
static size_t bytes;

void fail_alloc_after(size_t count)
{
    left = count;
}

void fail_alloc_never(void)
{
    left = NONE;
}

size_t fail_alloc_bytes(void)
{
    return bytes;
}

/* From 0 the count goes on to NONE. */
static bool fails_now(void)
{
    return left != NONE && left-- == 0;
}

/* Names that the linker makes up; no header has them. */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    bytes += size;
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    bytes += count * size;
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    bytes += size;
    return fails_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    bytes += strlen(text) + 1;
    return fails_now() ? NULL : __real_strdup(text);
}
