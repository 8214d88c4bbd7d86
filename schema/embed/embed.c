#include "embed.h"

#include <string.h>

const struct embed_file *embed_find(const struct embed_files *files,
                                    const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->files[i].name, name) == 0)
            return &files->files[i];
    return NULL;
}
