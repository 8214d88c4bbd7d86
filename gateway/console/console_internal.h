#ifndef CONSOLE_INTERNAL_H
#define CONSOLE_INTERNAL_H
/* The table that embed.cmake writes at build time. */
#include "console.h"

extern const struct console_file console_files[];
extern const size_t console_file_count;

#endif
