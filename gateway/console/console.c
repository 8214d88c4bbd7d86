#include "console_internal.h"

#include <string.h>

const struct console_file *console_find(const char *name)
{
    for (size_t i = 0; i < console_file_count; i++)
        if (strcmp(console_files[i].name, name) == 0)
            return &console_files[i];
    return NULL;
}
