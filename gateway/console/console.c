#include "console.h"

extern const struct embed_files console_files; /* pt_embed() makes it */

const struct embed_file *console_find(const char *name)
{
    return embed_find(&console_files, name);
}
