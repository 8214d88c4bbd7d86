#include "patrolctl_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool ctl_ends_with(const char *path, const char *ending)
{
    size_t path_length = strlen(path);
    size_t length = strlen(ending);
    return path_length > length &&
           strcmp(path + path_length - length, ending) == 0;
}

char *ctl_read_file(const char *path, size_t *size)
{
    size_t used = 0;
    size_t room = 1 << 16;
    char *bytes = NULL;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    const char *why = file == NULL ? strerror(errno) : NULL;
    while (why == NULL) {
        char *grown = realloc(bytes, room);
        if (grown == NULL) {
            why = "out of memory";
            break;
        }
        bytes = grown;
        used += fread(bytes + used, 1, room - used - 1, file);
        if (ferror(file))
            why = strerror(errno);
        else if (used > CTL_FILE_MAX)
            why = "more than 64 MiB";
        if (why != NULL || used + 1 < room)
            break;
        room *= 2;
    }
    if (file != NULL && file != stdin)
        fclose(file);
    if (why != NULL) {
        ctl_complain("%s: %s", path, why);
        free(bytes);
        return NULL;
    }
    bytes[used] = 0;
    *size = used;
    return bytes;
}
