#ifndef CONSOLE_H
#define CONSOLE_H
/* console: the dispatchers' and planners' page, built into the program. Pure,
 * any thread. */
#include "embed.h"

#define CONSOLE_START "index.html"

/* As in /console/NAME; NULL when there is no file of that name. */
const struct embed_file *console_find(const char *name);

#endif
