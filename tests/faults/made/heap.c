/* The programs' memory. Each has a heap of its own, and what stands in it
 * when a program has just started can be kept and put back byte for byte at
 * the same address: as good as starting it once more, and a hundred times
 * as fast. Blocks come from lists by size, so that nothing is searched; all
 * of a heap is given back at once when a schedule begins.
 *
 * Under a sanitizer, which wants to see each block, none of this is there:
 * CMakeLists.txt leaves the wrapping out. */
#include "sim.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#ifdef SIM_HEAPS

#define HEAP_BYTES (8u << 20)
#define HEADER 16u /* keeps blocks aligned as malloc() does */
#define SMALL_MAX 1024u
#define SMALL_STEP 16u
#define SMALL_CLASSES (SMALL_MAX / SMALL_STEP)
#define LARGE_CLASSES 64u /* four to each doubling above SMALL_MAX */
#define CLASSES (SMALL_CLASSES + LARGE_CLASSES)

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);

struct header {
    uint32_t class, room;
    struct header *next; /* while it is free */
};
_Static_assert(sizeof(struct header) == HEADER, "blocks would lose alignment");

static struct heap {
    size_t used;  /* bytes from the beginning that were ever given */
    size_t count; /* blocks that are in use */
    struct header *free[CLASSES];
} heaps[PROGRAMS];
static _Alignas(64) uint8_t memory[PROGRAMS][HEAP_BYTES];

static uint32_t class_of(size_t size, uint32_t *room)
{
    if (size <= SMALL_MAX) {
        uint32_t class = size == 0 ? 0 : (uint32_t)(size - 1) / SMALL_STEP;
        *room = (class + 1) * SMALL_STEP;
        return class;
    }
    uint32_t doubling = 0;
    while (((size_t)SMALL_MAX << (doubling + 1)) < size)
        doubling++;
    size_t step = ((size_t)SMALL_MAX << doubling) / 4;
    uint32_t part =
        (uint32_t)((size - ((size_t)SMALL_MAX << doubling) - 1) / step);
    *room = (uint32_t)(((size_t)SMALL_MAX << doubling) + (part + 1) * step);
    return SMALL_CLASSES + doubling * 4 + part;
}

static struct header *header_of(void *block)
{
    return (struct header *)((uint8_t *)block - HEADER);
}

static bool is_ours(const void *block)
{
    uintptr_t at = (uintptr_t)block, begin = (uintptr_t)memory;
    return at >= begin && at - begin < sizeof memory;
}

static struct heap *heap_of(const void *block)
{
    return &heaps[((uintptr_t)block - (uintptr_t)memory) / HEAP_BYTES];
}

static void *allocate(size_t size)
{
    struct heap *heap = &heaps[sim.program];
    uint32_t room, class;
    if (size > HEAP_BYTES / 2)
        return NULL;
    class = class_of(size, &room);
    struct header *header = heap->free[class];
    if (header != NULL) {
        heap->free[class] = header->next;
    } else {
        if (heap->used + HEADER + room > HEAP_BYTES)
            return NULL;
        header = (struct header *)(memory[sim.program] + heap->used);
        heap->used += HEADER + room;
        header->class = class;
        header->room = room;
    }
    heap->count++;
    return (uint8_t *)header + HEADER;
}

static void give_back(void *block)
{
    struct heap *heap = heap_of(block);
    struct header *header = header_of(block);
    header->next = heap->free[header->class];
    heap->free[header->class] = header;
    heap->count--;
}

/* ---- what the linker sends here (--wrap) */

void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return sim.program == NO_PROGRAM ? __real_malloc(size) : allocate(size);
}

void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    if (sim.program == NO_PROGRAM)
        return __real_calloc(count, size);
    if (size > 0 && count > HEAP_BYTES / size)
        return NULL;
    void *block = allocate(count * size);
    return block != NULL ? memset(block, 0, count * size) : NULL;
}

void __wrap_free(void *block);
void __wrap_free(void *block)
{
    if (block != NULL && is_ours(block))
        give_back(block);
    else
        __real_free(block);
}

void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size)
{
    if (block == NULL)
        return __wrap_malloc(size);
    if (!is_ours(block))
        return __real_realloc(block, size);
    if (size <= header_of(block)->room)
        return block;
    void *other = __wrap_malloc(size);
    if (other == NULL)
        return NULL;
    memcpy(other, block, header_of(block)->room);
    give_back(block);
    return other;
}

char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void *own_realloc(void *block, size_t size)
{
    return __real_realloc(block, size);
}

/* ---- the same for SQLite, which asks for the size of a block */

static void *sqlite_malloc(int size)
{
    if (sim.program != NO_PROGRAM)
        return allocate((size_t)size);
    struct header *header = __real_malloc(HEADER + (size_t)size);
    if (header == NULL)
        return NULL;
    header->room = (uint32_t)size;
    return (uint8_t *)header + HEADER;
}

static void sqlite_free(void *block)
{
    if (is_ours(block))
        give_back(block);
    else
        __real_free(header_of(block));
}

static void *sqlite_realloc(void *block, int size)
{
    size_t room = header_of(block)->room;
    if ((size_t)size <= room)
        return block;
    void *other = sqlite_malloc(size);
    if (other == NULL)
        return NULL;
    memcpy(other, block, room);
    sqlite_free(block);
    return other;
}

static int sqlite_size(void *block)
{
    return block != NULL ? (int)header_of(block)->room : 0;
}

static int sqlite_roundup(int size)
{
    uint32_t room;
    (void)class_of((size_t)size, &room);
    return (int)room;
}

static int sqlite_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void sqlite_shutdown(void *context)
{
    (void)context;
}

void heaps_register(void)
{
    static const sqlite3_mem_methods methods = {
        sqlite_malloc,  sqlite_free, sqlite_realloc,  sqlite_size,
        sqlite_roundup, sqlite_init, sqlite_shutdown, NULL,
    };
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        abort();
}

/* ---- keeping and putting back */

struct heap_copy {
    struct heap heap;
    uint8_t bytes[];
};

void heaps_reset(void)
{
    for (unsigned i = 0; i < PROGRAMS; i++)
        heaps[i] = (struct heap){0};
}

size_t heap_count(unsigned program)
{
    return heaps[program].count;
}

struct heap_copy *heap_save(unsigned program)
{
    const struct heap *heap = &heaps[program];
    struct heap_copy *copy = __real_malloc(sizeof *copy + heap->used);
    if (copy == NULL)
        abort();
    copy->heap = *heap;
    memcpy(copy->bytes, memory[program], heap->used);
    return copy;
}

void heap_restore(unsigned program, const struct heap_copy *copy)
{
    heaps[program] = copy->heap;
    memcpy(memory[program], copy->bytes, copy->heap.used);
}

#else

void *own_realloc(void *block, size_t size)
{
    return realloc(block, size);
}

#endif
