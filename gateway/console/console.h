#ifndef CONSOLE_H
#define CONSOLE_H
/* console: the dispatchers' and planners' page, built into the program: page
 * and API are always of one version, and there is no folder that could be
 * missing or changed. Pure, any thread. */
#include <stddef.h>

struct console_file {
    const char *name; /* as in /console/NAME */
    const char *content_type;
    const char *etag; /* of its content, in quotes */
    const unsigned char *bytes;
    size_t size;
};

#define CONSOLE_START "index.html"

/* NULL when there is no file of that name. */
const struct console_file *console_find(const char *name);

#endif
