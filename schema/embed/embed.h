#ifndef PT_EMBED_H
#define PT_EMBED_H
/* embed: files built into a program: a page and the program that serves it
 * are always of one version, and there is no folder that could be missing or
 * changed. Pure, any thread.
 *
 * In CMake, pt_embed(NAME RET FILE...) sets RET to a C source that defines
 * `const struct embed_files NAME`. */
#include <stddef.h>

struct embed_file {
    const char *name; /* without its folder */
    const char *content_type;
    const char *etag; /* of its content, in quotes */
    const unsigned char *bytes;
    size_t size;
};

struct embed_files {
    const struct embed_file *files;
    size_t count;
};

/* NULL when there is no file of that name. */
const struct embed_file *embed_find(const struct embed_files *files,
                                    const char *name);

#endif
