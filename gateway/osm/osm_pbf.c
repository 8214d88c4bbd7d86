/* What libreadosm does not look at in a .pbf before it reads on, and would
 * get silently wrong: the features the file asks a reader to have, and its
 * coordinates' unit. Layout: wiki.openstreetmap.org/wiki/PBF_Format. */
#include "osm_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The format's own limits. */
#define HEADER_MAX ((size_t)64 << 10)
#define BLOB_MAX ((size_t)32 << 20)
/* Blobs before the first data block: one header, and indexes. */
#define BLOBS_BEFORE_DATA 64
#define GRANULARITY 100 /* nanodegrees; the only one libreadosm knows */

/* A protobuf message; the first failure sticks. */
struct cursor {
    const unsigned char *at;
    size_t left;
    bool bad;
};

struct field {
    uint64_t number;
    uint64_t value; /* varints */
    struct cursor bytes;
};

struct blob {
    char type[32];
    unsigned char *bytes; /* unpacked */
    size_t size;
};

static uint64_t take_varint(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (c->left == 0)
            break;
        unsigned char byte = *c->at++;
        c->left--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    c->bad = true;
    return 0;
}

static void skip(struct cursor *c, uint64_t count)
{
    if (count > c->left) {
        c->bad = true;
        count = c->left;
    }
    c->at += count;
    c->left -= (size_t)count;
}

/* False at the end and after a failure. */
static bool next_field(struct cursor *c, struct field *ret)
{
    if (c->left == 0 || c->bad)
        return false;
    uint64_t tag = take_varint(c);
    *ret = (struct field){.number = tag >> 3};
    switch (tag & 7) {
    case 0:
        ret->value = take_varint(c);
        break;
    case 1:
        skip(c, 8);
        break;
    case 2:
        ret->value = take_varint(c);
        ret->bytes = (struct cursor){.at = c->at, .left = (size_t)ret->value};
        skip(c, ret->value);
        break;
    case 5:
        skip(c, 4);
        break;
    default:
        c->bad = true;
    }
    return !c->bad;
}

static bool is_text(const struct field *field, const char *text)
{
    return field->bytes.left == strlen(text) &&
           memcmp(field->bytes.at, text, field->bytes.left) == 0;
}

/* Unpacks a Blob message; false when it is of a kind we do not know. */
static bool unpack(struct cursor c, struct blob *blob)
{
    struct field field;
    struct cursor raw = {0};
    struct cursor packed = {0};
    uint64_t raw_size = 0;
    while (next_field(&c, &field)) {
        if (field.number == 1)
            raw = field.bytes;
        else if (field.number == 2)
            raw_size = field.value;
        else if (field.number == 3)
            packed = field.bytes;
    }
    if (c.bad || raw_size > BLOB_MAX || (raw.at == NULL && packed.at == NULL))
        return false;
    size_t size = raw.at != NULL ? raw.left : (size_t)raw_size;
    blob->bytes = malloc(size + 1);
    blob->size = size;
    if (blob->bytes == NULL)
        return false;
    if (raw.at != NULL) {
        memcpy(blob->bytes, raw.at, size);
        return true;
    }
    uLongf unpacked = (uLongf)size;
    return uncompress(blob->bytes, &unpacked, packed.at, (uLong)packed.left) ==
               Z_OK &&
           unpacked == size;
}

/* Reads `size` bytes and unpacks them. */
static bool read_blob(FILE *file, size_t size, struct blob *blob)
{
    unsigned char *bytes = malloc(size + 1);
    bool good = bytes != NULL && fread(bytes, 1, size, file) == size &&
                unpack((struct cursor){.at = bytes, .left = size}, blob);
    free(bytes);
    return good;
}

/* The next blob; false at the end, and when it cannot be read. The caller
 * frees blob->bytes. */
static bool next_blob(FILE *file, struct blob *blob)
{
    unsigned char length[4];
    unsigned char header[HEADER_MAX];
    struct field field;
    uint64_t size = 0;
    *blob = (struct blob){.bytes = NULL};
    if (fread(length, 1, sizeof length, file) != sizeof length)
        return false;
    size_t header_size = (size_t)length[0] << 24 | (size_t)length[1] << 16 |
                         (size_t)length[2] << 8 | length[3];
    if (header_size > HEADER_MAX ||
        fread(header, 1, header_size, file) != header_size)
        return false;
    struct cursor c = {.at = header, .left = header_size};
    while (next_field(&c, &field)) {
        if (field.number == 1 && field.bytes.at != NULL &&
            field.bytes.left < sizeof blob->type)
            memcpy(blob->type, field.bytes.at, field.bytes.left);
        else if (field.number == 3)
            size = field.value;
    }
    return !c.bad && size <= BLOB_MAX && read_blob(file, (size_t)size, blob);
}

/* True when a feature of the file is one that libreadosm gets wrong. */
static bool has_unknown_feature(const struct blob *blob, char *message,
                                size_t message_size, const char *path)
{
    struct cursor c = {.at = blob->bytes, .left = blob->size};
    struct field field;
    while (next_field(&c, &field)) {
        bool required = field.number == 4 &&
                        !is_text(&field, "OsmSchema-V0.6") &&
                        !is_text(&field, "DenseNodes");
        bool optional = field.number == 5 && is_text(&field, "LocationsOnWays");
        if (!required && !optional)
            continue;
        size_t length = field.bytes.left < 64 ? field.bytes.left : 64;
        snprintf(message, message_size,
                 "%s: a PBF with the feature \"%.*s\", which is not supported "
                 "(osmium cat -f pbf writes one without)",
                 path, (int)length, (const char *)field.bytes.at);
        return true;
    }
    return false;
}

static bool has_other_unit(const struct blob *blob, char *message,
                           size_t message_size, const char *path)
{
    struct cursor c = {.at = blob->bytes, .left = blob->size};
    struct field field;
    while (next_field(&c, &field)) {
        bool other = field.number == 17
                         ? field.value != GRANULARITY
                         : (field.number == 19 || field.number == 20) &&
                               field.value != 0;
        if (!other)
            continue;
        snprintf(message, message_size,
                 "%s: a PBF with another granularity than 100 nanodegrees, "
                 "which is not supported (osmium cat -f pbf changes it)",
                 path);
        return true;
    }
    return false;
}

/* Writers use one unit for a whole file, so the first data block tells.
 * What cannot be read here is left for libreadosm to complain of. */
enum pt_err osm_pbf_check(const char *path, char *message, size_t message_size)
{
    struct blob blob;
    bool refused = false;
    bool data = false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return PT_OK;
    for (int i = 0; i < BLOBS_BEFORE_DATA && !refused && !data; i++) {
        bool good = next_blob(file, &blob);
        data = good && strcmp(blob.type, "OSMData") == 0;
        if (data)
            refused = has_other_unit(&blob, message, message_size, path);
        else if (good && strcmp(blob.type, "OSMHeader") == 0)
            refused = has_unknown_feature(&blob, message, message_size, path);
        free(blob.bytes);
        if (!good)
            break;
    }
    fclose(file);
    return refused ? PT_E_MALFORMED : PT_OK;
}
