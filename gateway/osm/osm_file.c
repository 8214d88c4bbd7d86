#include "osm_internal.h"
#include <bzlib.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* A packed file that grows beyond this is taken for a trap: the whole
 * planet's XML unpacks to about 2 TB, a large country's to 30 GB. */
#define UNPACKED_MAX (64ull << 30)
#define CHUNK ((size_t)1 << 18)

static bool ends_with(const char *path, const char *ending)
{
    size_t path_length = strlen(path);
    size_t length = strlen(ending);
    return path_length > length &&
           strcmp(path + path_length - length, ending) == 0;
}

enum pt_err osm_file_error(int code, const char *path, char *message,
                           size_t message_size)
{
    switch (code) {
    case READOSM_FILE_NOT_FOUND:
    case READOSM_READ_ERROR:
        snprintf(message, message_size, "%s: cannot be read", path);
        return PT_E_DISK;
    case READOSM_INSUFFICIENT_MEMORY:
    case READOSM_CREATE_XML_PARSER_ERROR:
        snprintf(message, message_size, "%s: out of memory", path);
        return PT_E_NOMEM;
    case READOSM_XML_ERROR:
        snprintf(message, message_size,
                 "%s: damaged or cut short: not well-formed XML", path);
        return PT_E_CORRUPT;
    case READOSM_INVALID_PBF_HEADER:
    case READOSM_UNZIP_ERROR:
        snprintf(message, message_size,
                 "%s: damaged, cut short, or no OSM PBF packed with zlib",
                 path);
        return PT_E_CORRUPT;
    default:
        snprintf(message, message_size, "%s: libreadosm refused it (%d)", path,
                 code);
        return PT_E_CORRUPT;
    }
}

/* ------------------------------------------------------------- unpacking */
/* zlib and libbz2 behind one face: `read` gives up to CHUNK bytes, 0 at the
 * end, -1 when the packed data is damaged or ends early. */
struct packed {
    gzFile gz;
    BZFILE *bz;
    FILE *bz_in;
    bool bz_ended;
};

static int read_gz(struct packed *packed, void *out)
{
    int got = gzread(packed->gz, out, CHUNK);
    int code = Z_OK;
    if (got < 0)
        return -1;
    gzerror(packed->gz, &code);
    /* At the end of a file cut short gzread() gives what it has and says
     * Z_BUF_ERROR; a file without gzip's mark it passes through. */
    if (code == Z_BUF_ERROR || gzdirect(packed->gz))
        return -1;
    return got;
}

/* A .bz2 may be several streams one behind the other (pbzip2 makes them). */
static int read_bz2(struct packed *packed, void *out)
{
    int code = BZ_OK;
    if (packed->bz_ended) {
        char unused[BZ_MAX_UNUSED];
        void *left = NULL;
        int left_count = 0;
        BZ2_bzReadGetUnused(&code, packed->bz, &left, &left_count);
        if (left_count > 0)
            memcpy(unused, left, (size_t)left_count);
        BZ2_bzReadClose(&code, packed->bz);
        packed->bz = NULL;
        int next = getc(packed->bz_in);
        if (left_count == 0 && next == EOF)
            return ferror(packed->bz_in) ? -1 : 0;
        ungetc(next, packed->bz_in);
        packed->bz =
            BZ2_bzReadOpen(&code, packed->bz_in, 0, 0, unused, left_count);
        packed->bz_ended = false;
        if (packed->bz == NULL)
            return -1;
    }
    int got = BZ2_bzRead(&code, packed->bz, out, CHUNK);
    if (code != BZ_OK && code != BZ_STREAM_END)
        return -1;
    packed->bz_ended = code == BZ_STREAM_END;
    return got;
}

static bool packed_open(struct packed *packed, const char *path)
{
    int code = BZ_OK;
    if (ends_with(path, ".gz")) {
        packed->gz = gzopen(path, "rbe");
        return packed->gz != NULL;
    }
    packed->bz_in = fopen(path, "rbe");
    if (packed->bz_in != NULL)
        packed->bz = BZ2_bzReadOpen(&code, packed->bz_in, 0, 0, NULL, 0);
    return packed->bz != NULL;
}

static void packed_close(struct packed *packed)
{
    int code;
    if (packed->gz != NULL)
        gzclose(packed->gz);
    if (packed->bz != NULL)
        BZ2_bzReadClose(&code, packed->bz);
    if (packed->bz_in != NULL)
        fclose(packed->bz_in);
}

static double packed_share(const struct packed *packed, off_t size)
{
    off_t at =
        packed->gz != NULL ? gzoffset(packed->gz) : ftello(packed->bz_in);
    return size > 0 && at > 0 ? (double)at / (double)size : 0;
}

static bool write_all(int out, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(out, bytes, size);
        if (wrote < 0 && errno != EINTR)
            return false;
        if (wrote > 0) {
            bytes += wrote;
            size -= (size_t)wrote;
        }
    }
    return true;
}

/* Copies what unpacks from `packed` to `out`. */
static enum pt_err unpack(struct packed *packed, int out, off_t packed_size,
                          const char *path, osm_progress progress,
                          void *context, char *message, size_t message_size)
{
    uint64_t total = 0;
    enum pt_err err = PT_E_NOMEM;
    char *chunk = malloc(CHUNK);
    if (chunk == NULL)
        goto done;
    for (;;) {
        int got = packed->gz != NULL ? read_gz(packed, chunk)
                                     : read_bz2(packed, chunk);
        /* libbz2 may give no bytes just before it says that it ended. */
        if (got == 0 && (packed->gz != NULL || packed->bz == NULL))
            break;
        total += got > 0 ? (uint64_t)got : 0;
        if (got < 0 || total > UNPACKED_MAX) {
            err = got < 0 ? PT_E_CORRUPT : PT_E_RANGE;
            snprintf(message, message_size,
                     got < 0 ? "%s: damaged or cut short: cannot be unpacked"
                             : "%s: unpacks to more than 64 GiB",
                     path);
            goto done;
        }
        if (!write_all(out, chunk, (size_t)got)) {
            err = PT_E_DISK;
            snprintf(message, message_size,
                     "%s: no room to unpack it to (TMPDIR): %s", path,
                     strerror(errno));
            goto done;
        }
        if (progress != NULL)
            progress(context, packed_share(packed, packed_size), "unpacking");
    }
    err = PT_OK;
done:
    free(chunk);
    return err;
}

/* readosm opens by name and goes by the name's ending, so what is unpacked
 * needs a name for a moment. The caller unlinks `name`. */
static enum pt_err unpack_to_temporary(const char *path, off_t size,
                                       osm_progress progress, void *context,
                                       char name[4096], char *message,
                                       size_t message_size)
{
    struct packed packed = {0};
    const char *directory = getenv("TMPDIR");
    if (directory == NULL || *directory == 0)
        directory = "/tmp";
    if (snprintf(name, 4096, "%s/patrol-XXXXXX.osm", directory) >= 4096) {
        snprintf(message, message_size, "TMPDIR is too long");
        name[0] = 0;
        return PT_E_DISK;
    }
    int out = mkostemps(name, 4, O_CLOEXEC);
    enum pt_err err = PT_E_DISK;
    if (out < 0) {
        snprintf(message, message_size, "%s: no file can be made there: %s",
                 directory, strerror(errno));
        name[0] = 0;
        return err;
    }
    if (packed_open(&packed, path))
        err = unpack(&packed, out, size, path, progress, context, message,
                     message_size);
    else
        snprintf(message, message_size, "%s: %s", path, strerror(errno));
    packed_close(&packed);
    close(out);
    return err;
}

/* -------------------------------------------------------------- opening */
/* readosm does not say how far it is, but the descriptor it reads from does:
 * the lowest free one, when it is the same file. */
static enum pt_err open_pass(struct osm_file *file, int pass, const char *name,
                             const char *path, char *message,
                             size_t message_size)
{
    int next = dup(STDERR_FILENO);
    if (next >= 0)
        close(next);
    int code = readosm_open(name, &file->handle[pass]);
    if (code != READOSM_OK)
        return osm_file_error(code, path, message, message_size);
    struct stat ours;
    struct stat theirs;
    if (next >= 0 && stat(name, &ours) == 0 && fstat(next, &theirs) == 0 &&
        ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
        file->descriptor[pass] = next;
    return PT_OK;
}

/* Says what is wrong with the name before readosm just fails. */
static enum pt_err look_at(const char *path, struct stat *ret, char *message,
                           size_t message_size)
{
    if (!ends_with(path, ".osm") && !ends_with(path, ".pbf") &&
        !ends_with(path, ".osm.gz") && !ends_with(path, ".osm.bz2")) {
        snprintf(message, message_size,
                 "%s: its name must end in .osm, .osm.gz, .osm.bz2 or "
                 ".osm.pbf",
                 path);
        return PT_E_RANGE;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, ret) != 0) {
        snprintf(message, message_size, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return PT_E_DISK;
    }
    close(fd);
    if (!S_ISREG(ret->st_mode)) {
        snprintf(message, message_size, "%s: not a file", path);
        return PT_E_DISK;
    }
    if (ret->st_size == 0) {
        snprintf(message, message_size, "%s: the file is empty", path);
        return PT_E_CORRUPT;
    }
    return PT_OK;
}

enum pt_err osm_file_open(struct osm_file *file, const char *path,
                          osm_progress progress, void *context, char *message,
                          size_t message_size)
{
    char temporary[4096] = "";
    struct stat status;
    *file = (struct osm_file){.descriptor = {-1, -1}};
    enum pt_err err = look_at(path, &status, message, message_size);
    if (err == PT_OK && ends_with(path, ".pbf"))
        err = osm_pbf_check(path, message, message_size);
    if (err != PT_OK)
        return err;
    const char *name = path;
    if (ends_with(path, ".gz") || ends_with(path, ".bz2")) {
        err = unpack_to_temporary(path, status.st_size, progress, context,
                                  temporary, message, message_size);
        name = temporary;
        if (err == PT_OK && stat(name, &status) != 0) {
            snprintf(message, message_size, "%s: %s", name, strerror(errno));
            err = PT_E_DISK;
        }
    }
    file->size = (uint64_t)status.st_size;
    for (int pass = 0; err == PT_OK && pass < 2; pass++)
        err = open_pass(file, pass, name, path, message, message_size);
    if (temporary[0] != 0)
        unlink(temporary);
    if (err != PT_OK)
        osm_file_close(file);
    return err;
}

double osm_file_share(const struct osm_file *file, int pass)
{
    off_t at = file->descriptor[pass] >= 0
                   ? lseek(file->descriptor[pass], 0, SEEK_CUR)
                   : 0;
    if (at <= 0 || file->size == 0)
        return 0;
    double share = (double)at / (double)file->size;
    return share < 1 ? share : 1;
}

void osm_file_close(struct osm_file *file)
{
    for (int pass = 0; pass < 2; pass++) {
        if (file->handle[pass] != NULL)
            readosm_close(file->handle[pass]);
        file->handle[pass] = NULL;
    }
}
