/* What openssl verify would say of the authority's certificates, asked of
 * libcrypto's own verification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ca.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct place {
    char root[64];
    char ca[96];
    char out[96];
};
static char message[512];

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    strcpy(place->root, "/tmp/test_ca.XXXXXX");
    assert_non_null(mkdtemp(place->root));
    snprintf(place->ca, sizeof place->ca, "%s/ca", place->root);
    snprintf(place->out, sizeof place->out, "%s/out", place->root);
    assert_int_equal(ca_init(place->ca, message, sizeof message), PT_OK);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", place->root);
    int code = system(command); /* NOLINT: a path of our own making */
    free(place);
    return code;
}

static FILE *open_in(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

static X509 *certificate_in(const char *dir, const char *name)
{
    FILE *file = open_in(dir, name);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(certificate);
    return certificate;
}

/* X509_V_OK or why `certificate` does not serve `purpose` under `root`. */
static int verdict(X509 *root, X509 *certificate, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX_init(context, store, certificate, NULL);
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_verify_cert(context);
    int error = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return error;
}

static enum pt_err issue_client(const struct place *place, const char *name)
{
    const struct ca_request request = {
        .name = name, .role = CA_CLIENT, .days = 30};
    return ca_issue(place->ca, place->out, &request, message, sizeof message);
}

static void a_device_is_a_client_and_nothing_else(void **state)
{
    const struct place *place = *state;
    assert_int_equal(issue_client(place, "P-01"), PT_OK);
    X509 *root = certificate_in(place->out, "ca.crt");
    X509 *device = certificate_in(place->out, "P-01.crt");
    assert_int_equal(verdict(root, device, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_equal(verdict(root, device, X509_PURPOSE_SSL_SERVER),
                     X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(X509_check_ca(device), 0);
    char name[80];
    X509_NAME_get_text_by_NID(X509_get_subject_name(device), NID_commonName,
                              name, sizeof name);
    assert_string_equal(name, "P-01");
    int days = 0, seconds = 0;
    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(device));
    assert_in_range(days, 29, 30);
    X509_free(device);
    X509_free(root);
}

static void a_server_answers_to_its_hosts(void **state)
{
    const struct place *place = *state;
    const char *const hosts[] = {"mqtt.example.org", "127.0.0.1", "::1"};
    const struct ca_request request = {.name = "broker",
                                       .role = CA_SERVER,
                                       .days = 30,
                                       .host_count = 3,
                                       .hosts = hosts};
    assert_int_equal(
        ca_issue(place->ca, place->out, &request, message, sizeof message),
        PT_OK);
    X509 *root = certificate_in(place->ca, "ca.crt");
    X509 *server = certificate_in(place->out, "broker.crt");
    assert_int_equal(verdict(root, server, X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(verdict(root, server, X509_PURPOSE_SSL_CLIENT),
                     X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(X509_check_host(server, "mqtt.example.org", 0, 0, NULL),
                     1);
    assert_int_equal(X509_check_host(server, "evil.example.org", 0, 0, NULL),
                     0);
    assert_int_equal(X509_check_ip_asc(server, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(server, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(server, "127.0.0.2", 0), 0);
    X509_free(server);
    X509_free(root);
}

static void another_authority_is_not_believed(void **state)
{
    const struct place *place = *state;
    char other[128];
    snprintf(other, sizeof other, "%s/other", place->root);
    assert_int_equal(ca_init(other, message, sizeof message), PT_OK);
    assert_int_equal(issue_client(place, "P-01"), PT_OK);
    X509 *root = certificate_in(other, "ca.crt");
    X509 *device = certificate_in(place->out, "P-01.crt");
    assert_int_not_equal(verdict(root, device, X509_PURPOSE_SSL_CLIENT),
                         X509_V_OK);
    X509_free(device);
    X509_free(root);
}

static mode_t mode_of(const char *dir, const char *name)
{
    char path[256];
    struct stat about;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &about), 0);
    return about.st_mode & 0777;
}

static void keys_are_the_owners_alone(void **state)
{
    const struct place *place = *state;
    assert_int_equal(issue_client(place, "P-01"), PT_OK);
    assert_int_equal(mode_of(place->ca, "ca.key"), 0600);
    assert_int_equal(mode_of(place->out, "P-01.key"), 0600);
    assert_int_equal(mode_of(place->ca, "."), 0700);
    FILE *file = open_in(place->out, "P-01.key");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    X509 *device = certificate_in(place->out, "P-01.crt");
    assert_int_equal(X509_check_private_key(device, key), 1);
    X509_free(device);
    EVP_PKEY_free(key);
}

static void nothing_is_replaced_unasked(void **state)
{
    const struct place *place = *state;
    assert_int_equal(ca_init(place->ca, message, sizeof message), PT_E_FULL);
    assert_int_equal(issue_client(place, "P-01"), PT_OK);
    X509 *first = certificate_in(place->out, "P-01.crt");
    assert_int_equal(issue_client(place, "P-01"), PT_E_FULL);
    assert_non_null(strstr(message, "P-01.key is there already"));
    const struct ca_request again = {
        .name = "P-01", .role = CA_CLIENT, .days = 30, .replace = true};
    assert_int_equal(
        ca_issue(place->ca, place->out, &again, message, sizeof message),
        PT_OK);
    X509 *second = certificate_in(place->out, "P-01.crt");
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(first),
                                          X509_get0_serialNumber(second)),
                         0);
    X509_free(second);
    X509_free(first);
}

/* Twelve at once into one directory: each whole, none in another's way. */
static void issuing_at_once_does_no_harm(void **state)
{
    const struct place *place = *state;
    char name[32];
    for (int i = 0; i < 12; i++) {
        pid_t child = fork();
        assert_int_not_equal(child, -1);
        if (child == 0) {
            snprintf(name, sizeof name, "P-%02d", i);
            _exit(issue_client(place, name) == PT_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 12; i++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    X509 *root = certificate_in(place->out, "ca.crt");
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "P-%02d.crt", i);
        X509 *device = certificate_in(place->out, name);
        assert_int_equal(verdict(root, device, X509_PURPOSE_SSL_CLIENT),
                         X509_V_OK);
        X509_free(device);
    }
    X509_free(root);
}

static void every_certificate_is_in_the_index(void **state)
{
    const struct place *place = *state;
    char line[256];
    assert_int_equal(issue_client(place, "P-01"), PT_OK);
    assert_int_equal(issue_client(place, "P-02"), PT_OK);
    FILE *index = open_in(place->ca, "index");
    for (int number = 1; number <= 2; number++) {
        char serial[64], role[16], until[16], name[80], expected[16];
        assert_non_null(fgets(line, sizeof line, index));
        assert_int_equal(
            sscanf(line, "%63s %15s %15s %79s", serial, role, until, name), 4);
        snprintf(expected, sizeof expected, "P-0%d", number);
        assert_string_equal(name, expected);
        assert_string_equal(role, "client");
        assert_int_equal(strlen(serial), 32); /* 16 bytes, first one 4x..7x */
    }
    assert_null(fgets(line, sizeof line, index));
    fclose(index);
}

static void impossible_requests_are_refused(void **state)
{
    const struct place *place = *state;
    const char *const bad_names[] = {"",     ".hidden", "a/b",
                                     "P 01", "P\n01",   "patrulla-ñ"};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++)
        assert_int_equal(issue_client(place, bad_names[i]), PT_E_RANGE);
    char longest[CA_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(issue_client(place, longest), PT_E_RANGE);
    longest[CA_NAME_MAX] = 0;
    assert_int_equal(issue_client(place, longest), PT_OK);

    const struct ca_request forever = {
        .name = "P-01", .role = CA_CLIENT, .days = 3651};
    assert_int_equal(
        ca_issue(place->ca, place->out, &forever, message, sizeof message),
        PT_E_RANGE);
    const char *const injected[] = {"a,DNS:b"};
    const struct ca_request server = {.name = "broker",
                                      .role = CA_SERVER,
                                      .days = 30,
                                      .host_count = 1,
                                      .hosts = injected};
    assert_int_equal(
        ca_issue(place->ca, place->out, &server, message, sizeof message),
        PT_E_RANGE);
    assert_int_equal(
        ca_issue("/nowhere", place->out, &forever, message, sizeof message),
        PT_E_RANGE);
}

static void a_damaged_authority_issues_nothing(void **state)
{
    const struct place *place = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/ca.key", place->ca);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("not a key\n", file);
    fclose(file);
    assert_int_equal(issue_client(place, "P-01"), PT_E_TLS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(issue_client(place, "P-01"), PT_E_DISK);
}

static void names_of_gateways_are_reserved(void **state)
{
    (void)state;
    assert_true(ca_name_reserved("patrol-gateway"));
    assert_true(ca_name_reserved("Patrol-Gateway-2"));
    assert_true(ca_name_reserved("broker"));
    assert_true(ca_name_reserved("ca"));
    assert_false(ca_name_reserved("P-01"));
    assert_false(ca_name_reserved("patrol-1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_device_is_a_client_and_nothing_else),
        TEST(a_server_answers_to_its_hosts),
        TEST(another_authority_is_not_believed),
        TEST(keys_are_the_owners_alone),
        TEST(nothing_is_replaced_unasked),
        TEST(issuing_at_once_does_no_harm),
        TEST(every_certificate_is_in_the_index),
        TEST(impossible_requests_are_refused),
        TEST(a_damaged_authority_issues_nothing),
        cmocka_unit_test(names_of_gateways_are_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
