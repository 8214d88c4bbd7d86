/* What of an OpenStreetMap file our own code takes apart: the frame of a
 * .pbf, before libreadosm reads it, and tags. */
#include "fuzz.h"
#include "osm_internal.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_pbf(const uint8_t *data, size_t size)
{
    char path[64];
    char message[256] = "";
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum pt_err err = osm_pbf_check(path, message, sizeof message);
    FUZZ_CHECK((err == PT_OK) == (*message == 0));
    close(fd);
}

/* The bytes as "key=value" lines. */
static void check_tags(char *text)
{
    readosm_tag tags[16];
    uint64_t tally[OSM_TALLY_COUNT] = {0};
    struct osm_rule rule;
    enum osm_restriction_sort sort;
    int count = 0;

    for (char *line = text; line != NULL && count < 16;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = 0;
        char *value = strchr(line, '=');
        if (value != NULL) {
            *value++ = 0;
            enum profile_limit limit;
            float kmh = osm_parse_maxspeed(value, &limit);
            FUZZ_CHECK(kmh == 0 ? limit == PROFILE_LIMIT_UNKNOWN ||
                                      limit == PROFILE_VARIABLE
                                : kmh >= 1 && kmh <= 200 &&
                                      limit != PROFILE_LIMIT_UNKNOWN);
            memcpy(&tags[count++], &(readosm_tag){.key = line, .value = value},
                   sizeof *tags);
        }
        line = end;
    }
    if (osm_way_rule(tags, count, tally, &rule))
        FUZZ_CHECK(profile_class(rule.street.highway) != NULL &&
                   strlen(rule.access) < OSM_WORDS_MAX &&
                   rule.street.limit_kmh[0] >= 0);
    struct osm_node_rule node;
    if (osm_node_rule(tags, count, tally, &node))
        FUZZ_CHECK(strlen(node.barrier) < OSM_WORDS_MAX);
    (void)osm_restriction_rule(tags, count, tally, &sort);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    check_pbf(data, size);
    check_tags(text);
    free(text);
    return 0;
}
