#include "ca.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AUTHORITY_DAYS 3650
#define BACKDATED_S (-300)
#define HOSTS_TEXT_MAX 2048

/* Where a failure is told. */
struct complaint {
    char *text;
    size_t size;
};

__attribute__((format(printf, 3, 4))) static enum pt_err
fail(const struct complaint *to, enum pt_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(to->text, to->size, format, args);
    va_end(args);
    return err;
}

static enum pt_err fail_crypto(const struct complaint *to, const char *what)
{
    char reason[128];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    return fail(to, PT_E_TLS, "%s: %s", what, reason);
}

/* ------------------------------------------------------------------ names */
bool ca_name_valid(const char *name)
{
    size_t length = strlen(name);
    return length >= 1 && length <= CA_NAME_MAX && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789._-") == length;
}

bool ca_name_reserved(const char *name)
{
    return strncasecmp(name, "patrol-gateway", 14) == 0 ||
           strcasecmp(name, "broker") == 0 || strcasecmp(name, "ca") == 0;
}

/* ------------------------------------------------------------------ files */
static enum pt_err make_directory(const char *dir, const struct complaint *to)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return fail(to, PT_E_DISK, "%s: %s", dir, strerror(errno));
    return PT_OK;
}

static enum pt_err path_of(char path[PATH_MAX], const char *dir,
                           const char *name, const char *ending,
                           const struct complaint *to)
{
    int length = snprintf(path, PATH_MAX, "%s/%s%s", dir, name, ending);
    if (length < 0 || length >= PATH_MAX)
        return fail(to, PT_E_RANGE, "%s: path too long", dir);
    return PT_OK;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

/* Whole or not at all: a program that reads it meanwhile sees the old file
 * or the new; two that write it at once do not mix. */
static enum pt_err write_file(const char *path, BIO *content, mode_t mode,
                              const struct complaint *to)
{
    char fresh[PATH_MAX];
    char *bytes = NULL;
    long size = BIO_get_mem_data(content, &bytes);
    int length = snprintf(fresh, sizeof fresh, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof fresh)
        return fail(to, PT_E_RANGE, "%s: path too long", path);
    int fd = mkostemp(fresh, O_CLOEXEC); /* 0600 until it is whole */
    if (fd < 0)
        return fail(to, PT_E_DISK, "%s: %s", path, strerror(errno));
    bool good = write_all(fd, bytes, (size_t)size) && fchmod(fd, mode) == 0 &&
                fsync(fd) == 0;
    int saved = errno;
    good = close(fd) == 0 && good;
    if (good && rename(fresh, path) == 0)
        return PT_OK;
    if (good)
        saved = errno;
    unlink(fresh);
    return fail(to, PT_E_DISK, "%s: %s", path, strerror(saved));
}

static enum pt_err write_key(const char *path, EVP_PKEY *key,
                             const struct complaint *to)
{
    enum pt_err err = PT_E_NOMEM;
    BIO *text = BIO_new(BIO_s_mem());
    if (text == NULL ||
        PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) != 1)
        err = fail_crypto(to, "key");
    else
        err = write_file(path, text, 0600, to);
    BIO_free(text);
    return err;
}

static enum pt_err write_certificate(const char *path, X509 *certificate,
                                     const struct complaint *to)
{
    enum pt_err err = PT_E_NOMEM;
    BIO *text = BIO_new(BIO_s_mem());
    if (text == NULL || PEM_write_bio_X509(text, certificate) != 1)
        err = fail_crypto(to, "certificate");
    else
        err = write_file(path, text, 0644, to);
    BIO_free(text);
    return err;
}

/* ----------------------------------------------------------- certificates */
static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, long */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool good =
        number != NULL &&
        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return good;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid,
                          const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool good =
        extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* Version 3, random serial, name, validity and public key. NULL on failure. */
static X509 *blank_certificate(const char *name, X509_NAME *issuer, int days,
                               EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    if (certificate == NULL)
        return NULL;
    X509_NAME *subject = X509_get_subject_name(certificate);
    if (X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), BACKDATED_S) !=
            NULL &&
        X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL) !=
            NULL &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1,
                                   0) == 1 &&
        X509_set_issuer_name(certificate, issuer != NULL ? issuer : subject) ==
            1 &&
        X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* "DNS:localhost,IP:127.0.0.1". False when one is neither, or too many. */
static bool hosts_text(const struct ca_request *request, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < request->host_count; i++) {
        const char *host = request->hosts[i];
        unsigned char address[16];
        bool is_address = inet_pton(AF_INET, host, address) == 1 ||
                          inet_pton(AF_INET6, host, address) == 1;
        if (!is_address && !ca_name_valid(host))
            return false;
        int length =
            snprintf(out + used, size - used, "%s%s:%s", used > 0 ? "," : "",
                     is_address ? "IP" : "DNS", host);
        if (length < 0 || (size_t)length >= size - used)
            return false;
        used += (size_t)length;
    }
    return used > 0;
}

static bool describe(X509 *certificate, X509 *issuer,
                     const struct ca_request *request)
{
    char hosts[HOSTS_TEXT_MAX];
    bool server = request->role == CA_SERVER;
    if (server && !hosts_text(request, hosts, sizeof hosts))
        return false;
    return add_extension(certificate, issuer, NID_basic_constraints,
                         "critical,CA:FALSE") &&
           add_extension(certificate, issuer, NID_key_usage,
                         "critical,digitalSignature") &&
           add_extension(certificate, issuer, NID_ext_key_usage,
                         server ? "serverAuth" : "clientAuth") &&
           add_extension(certificate, issuer, NID_subject_key_identifier,
                         "hash") &&
           add_extension(certificate, issuer, NID_authority_key_identifier,
                         "keyid") &&
           (!server ||
            add_extension(certificate, issuer, NID_subject_alt_name, hosts));
}

static bool describe_authority(X509 *certificate)
{
    return add_extension(certificate, certificate, NID_basic_constraints,
                         "critical,CA:TRUE,pathlen:0") &&
           add_extension(certificate, certificate, NID_key_usage,
                         "critical,keyCertSign,cRLSign") &&
           add_extension(certificate, certificate, NID_subject_key_identifier,
                         "hash");
}

enum pt_err ca_init(const char *dir, char *message, size_t message_size)
{
    const struct complaint to = {message, message_size};
    char key_path[PATH_MAX], certificate_path[PATH_MAX];
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    enum pt_err err = make_directory(dir, &to);
    if (err == PT_OK)
        err = path_of(key_path, dir, "ca", ".key", &to);
    if (err == PT_OK)
        err = path_of(certificate_path, dir, "ca", ".crt", &to);
    if (err != PT_OK)
        return err;
    if (access(key_path, F_OK) == 0 || access(certificate_path, F_OK) == 0)
        return fail(&to, PT_E_FULL, "%s holds an authority already", dir);

    key = EVP_EC_gen("P-256");
    if (key != NULL)
        certificate = blank_certificate("Patrol certificate authority", NULL,
                                        AUTHORITY_DAYS, key);
    if (certificate == NULL || !describe_authority(certificate) ||
        X509_sign(certificate, key, EVP_sha256()) == 0) {
        err = fail_crypto(&to, "authority");
        goto done;
    }
    err = write_key(key_path, key, &to);
    if (err == PT_OK)
        err = write_certificate(certificate_path, certificate, &to);
done:
    X509_free(certificate);
    EVP_PKEY_free(key);
    return err;
}

/* ---------------------------------------------------------------- issuing */
struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static void clear_authority(struct authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
}

static enum pt_err read_authority(const char *dir, struct authority *ret,
                                  const struct complaint *to)
{
    char path[PATH_MAX];
    enum pt_err err = path_of(path, dir, "ca", ".key", to);
    if (err != PT_OK)
        return err;
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL)
        return fail(to, PT_E_DISK, "%s: %s", path, strerror(errno));
    ret->key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    BIO_free(file);
    err = path_of(path, dir, "ca", ".crt", to);
    if (err != PT_OK)
        return err;
    file = BIO_new_file(path, "r");
    if (file == NULL)
        return fail(to, PT_E_DISK, "%s: %s", path, strerror(errno));
    ret->certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    BIO_free(file);
    if (ret->key == NULL || ret->certificate == NULL)
        return fail_crypto(to, dir);
    if (X509_check_private_key(ret->certificate, ret->key) != 1)
        return fail(to, PT_E_TLS,
                    "%s: key and certificate do not belong "
                    "together",
                    dir);
    return PT_OK;
}

static enum pt_err check_request(const struct ca_request *request,
                                 const struct complaint *to)
{
    char hosts[HOSTS_TEXT_MAX];
    if (!ca_name_valid(request->name))
        return fail(to, PT_E_RANGE,
                    "\"%s\" cannot be a certificate's name: 1 to %d of A-Z "
                    "a-z 0-9 . _ -",
                    request->name, CA_NAME_MAX);
    if (request->days < 1 || request->days > 3650)
        return fail(to, PT_E_RANGE, "%d days: 1 to 3650 are possible",
                    request->days);
    if (request->role == CA_SERVER && !hosts_text(request, hosts, sizeof hosts))
        return fail(to, PT_E_RANGE,
                    "%s: a server needs host names or addresses",
                    request->name);
    return PT_OK;
}

/* One line for each certificate, so that one can tell what is about. */
static enum pt_err note_in_index(const char *dir, X509 *certificate,
                                 const struct ca_request *request,
                                 const struct complaint *to)
{
    char path[PATH_MAX], line[256];
    struct tm until;
    BIGNUM *number =
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *serial = number != NULL ? BN_bn2hex(number) : NULL;
    BN_free(number);
    enum pt_err err = path_of(path, dir, "index", "", to);
    if (err != PT_OK || serial == NULL ||
        ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) != 1) {
        OPENSSL_free(serial);
        return err != PT_OK ? err : fail_crypto(to, "index");
    }
    int length = snprintf(
        line, sizeof line, "%s %s %04d-%02d-%02d %s\n", serial,
        request->role == CA_SERVER ? "server" : "client", until.tm_year + 1900,
        until.tm_mon + 1, until.tm_mday, request->name);
    OPENSSL_free(serial);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool good =
        fd >= 0 && write_all(fd, line, (size_t)length) && fsync(fd) == 0;
    if (!good)
        err = fail(to, PT_E_DISK, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return err;
}

static enum pt_err write_issued(const char *out, const char *name,
                                EVP_PKEY *key, X509 *certificate,
                                const struct authority *authority,
                                const struct complaint *to)
{
    char path[PATH_MAX];
    enum pt_err err = path_of(path, out, name, ".key", to);
    if (err == PT_OK)
        err = write_key(path, key, to);
    if (err == PT_OK)
        err = path_of(path, out, name, ".crt", to);
    if (err == PT_OK)
        err = write_certificate(path, certificate, to);
    if (err == PT_OK)
        err = path_of(path, out, "ca", ".crt", to);
    if (err == PT_OK)
        err = write_certificate(path, authority->certificate, to);
    return err;
}

static enum pt_err check_free(const char *out, const char *name,
                              const struct complaint *to)
{
    static const char *const endings[] = {".key", ".crt"};
    char path[PATH_MAX];
    for (size_t i = 0; i < 2; i++) {
        enum pt_err err = path_of(path, out, name, endings[i], to);
        if (err != PT_OK)
            return err;
        if (access(path, F_OK) == 0)
            return fail(to, PT_E_FULL, "%s is there already", path);
    }
    return PT_OK;
}

enum pt_err ca_issue(const char *dir, const char *out,
                     const struct ca_request *request, char *message,
                     size_t message_size)
{
    const struct complaint to = {message, message_size};
    struct authority authority = {0};
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    enum pt_err err = check_request(request, &to);
    if (err == PT_OK)
        err = read_authority(dir, &authority, &to);
    if (err == PT_OK)
        err = make_directory(out, &to);
    if (err == PT_OK && !request->replace)
        err = check_free(out, request->name, &to);
    if (err != PT_OK)
        goto done;

    key = EVP_EC_gen("P-256");
    if (key != NULL)
        certificate = blank_certificate(
            request->name, X509_get_subject_name(authority.certificate),
            request->days, key);
    if (certificate == NULL ||
        !describe(certificate, authority.certificate, request) ||
        X509_sign(certificate, authority.key, EVP_sha256()) == 0) {
        err = fail_crypto(&to, request->name);
        goto done;
    }
    /* The index first: one line too many harms nobody, one too few does. */
    err = note_in_index(dir, certificate, request, &to);
    if (err == PT_OK)
        err =
            write_issued(out, request->name, key, certificate, &authority, &to);
done:
    X509_free(certificate);
    EVP_PKEY_free(key);
    clear_authority(&authority);
    return err;
}
