/* Missions from a CSV whose first line names the columns. */
#include "patrolctl_places.h"
#include <string.h>
#include <strings.h>

enum column { NAME, LATITUDE, LONGITUDE, KIND, REF, COLUMN_COUNT };

/* What lists call them, the surest word first. */
static const char *const words[COLUMN_COUNT][6] = {
    [NAME] = {"name", "mission", "sending_state", "operator"},
    [LATITUDE] = {"latitude", "lat"},
    [LONGITUDE] = {"longitude", "lon", "lng", "long"},
    [KIND] = {"kind", "type"},
    [REF] = {"ref", "id", "wikidata_qid", "qid", "@id"},
};

#define NO_COLUMN SIZE_MAX

static void trim(char *text)
{
    size_t start = strspn(text, " \t");
    size_t length = strlen(text + start);
    memmove(text, text + start, length + 1);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        text[--length] = 0;
}

static size_t find_column(const struct ctl_csv_record *header,
                          const char *const *names)
{
    for (; *names != NULL; names++) {
        for (size_t i = 0; i < header->count; i++) {
            if (strcasecmp(header->fields[i], *names) == 0)
                return i;
        }
    }
    return NO_COLUMN;
}

static const char *field(const struct ctl_csv_record *record, size_t column)
{
    return column < record->count ? record->fields[column] : NULL;
}

static enum pt_err add_record(struct ctl_places *places,
                              const struct ctl_csv_record *record,
                              const size_t *columns, size_t header_count)
{
    if (record->fault != NULL)
        return ctl_fault(places, record->line, "%s", record->fault);
    /* One comma too many or too few shifts what follows: a latitude may
     * become a longitude. */
    if (record->count != header_count)
        return ctl_fault(places, record->line,
                         "%zu fields where the first line has %zu",
                         record->count, header_count);
    struct ctl_place_draft draft = {
        .where = record->line,
        .name = field(record, columns[NAME]),
        .kind = field(record, columns[KIND]),
        .ref = field(record, columns[REF]),
    };
    const char *latitude = field(record, columns[LATITUDE]);
    const char *longitude = field(record, columns[LONGITUDE]);
    if (*latitude != 0 || *longitude != 0) {
        draft.has_point = ctl_parse_degrees(latitude, &draft.lat_deg) &&
                          ctl_parse_degrees(longitude, &draft.lon_deg);
        if (!draft.has_point)
            return ctl_fault(places, record->line,
                             "the coordinates are not decimal numbers");
    }
    return ctl_place_add(places, &draft, CTL_MISSIONS_MAX);
}

static enum pt_err read_header(struct ctl_csv *csv, size_t *columns,
                               size_t *count, char *message,
                               size_t message_size)
{
    struct ctl_csv_record header;
    if (!ctl_csv_next(csv, &header)) {
        snprintf(message, message_size, "the file is empty");
        return PT_E_MALFORMED;
    }
    if (header.fault != NULL) {
        snprintf(message, message_size, "line %zu: %s", header.line,
                 header.fault);
        return PT_E_MALFORMED;
    }
    for (size_t i = 0; i < header.count; i++)
        trim(header.fields[i]);
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        columns[c] = find_column(&header, words[c]);
    if (columns[NAME] == NO_COLUMN || columns[LATITUDE] == NO_COLUMN ||
        columns[LONGITUDE] == NO_COLUMN) {
        snprintf(message, message_size, "the first line names no column \"%s\"",
                 words[columns[NAME] == NO_COLUMN       ? NAME
                       : columns[LATITUDE] == NO_COLUMN ? LATITUDE
                                                        : LONGITUDE][0]);
        return PT_E_MALFORMED;
    }
    *count = header.count;
    return PT_OK;
}

enum pt_err ctl_missions_csv(char *bytes, size_t size, struct ctl_places *ret,
                             char *message, size_t message_size)
{
    struct ctl_places places = {.unit = "line"};
    struct ctl_csv csv;
    struct ctl_csv_record record;
    size_t columns[COLUMN_COUNT];
    size_t header_count = 0;
    ctl_csv_start(&csv, bytes, size);
    enum pt_err err =
        read_header(&csv, columns, &header_count, message, message_size);
    if (err != PT_OK)
        return err;
    while (err == PT_OK && ctl_csv_next(&csv, &record))
        err = add_record(&places, &record, columns, header_count);
    if (err == PT_OK)
        err = ctl_places_once(&places);
    if (err != PT_OK) {
        snprintf(message, message_size, "%s", pt_strerror(err));
        ctl_places_clear(&places);
        return err;
    }
    *ret = places;
    return PT_OK;
}
