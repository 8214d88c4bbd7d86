/* The TLS context is ours, not made by libmosquitto, for two reasons: the
 * broker is connected to by a numeric address (the name was looked up off the
 * loop), while libmosquitto checks a certificate against whatever it connects
 * to; and a certificate that cannot be read is told at start, by its name. */
#include "link_internal.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static bool is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

/* libmosquitto has put the numeric address into the server name extension
 * (RFC 6066 forbids that); this runs before the ClientHello is made. */
static void on_handshake(const SSL *ssl, int where, int ret)
{
    (void)ret;
    if ((where & SSL_CB_HANDSHAKE_START) == 0)
        return;
    char *host = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (host != NULL)
        SSL_set_tlsext_host_name((SSL *)ssl, is_numeric(host) ? NULL : host);
}

/* A key with a password would make OpenSSL ask on the terminal. */
static int no_password(char *text, int size, int writing, void *context)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static enum pt_err refuse(const char *file, char *why, size_t why_size)
{
    unsigned long code = ERR_peek_error(); /* the first is the cause */
    const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
                                                : ERR_reason_error_string(code);
    snprintf(why, why_size, "%s: %s", file,
             reason == NULL ? "not usable" : reason);
    ERR_clear_error();
    return PT_E_TLS;
}

static enum pt_err load(SSL_CTX *context, const char *ca, const char *cert,
                        const char *key, char *why, size_t why_size)
{
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, ca) != 1)
        return refuse(ca, why, why_size);
    if (cert != NULL && SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return refuse(cert, why, why_size);
    /* Also tells when the key does not belong to the certificate. */
    if (key != NULL &&
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return refuse(key, why, why_size);
    return PT_OK;
}

enum pt_err link_tls_new(const char *ca_file, const char *cert_file,
                         const char *key_file, char *why, size_t why_size,
                         SSL_CTX **ret)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        snprintf(why, why_size, "no memory for a TLS context");
        return PT_E_NOMEM;
    }
    SSL_CTX_set_default_passwd_cb(context, no_password);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_info_callback(context, on_handshake);
    enum pt_err err =
        load(context, ca_file, cert_file, key_file, why, why_size);
    if (err != PT_OK) {
        SSL_CTX_free(context);
        return err;
    }
    *ret = context;
    return PT_OK;
}

const char *link_tls_own_time(const SSL_CTX *context)
{
    const X509 *own =
        context == NULL ? NULL : SSL_CTX_get0_certificate(context);
    if (own == NULL)
        return "";
    if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0)
        return " (our certificate has expired)";
    if (X509_cmp_current_time(X509_get0_notBefore(own)) > 0)
        return " (our certificate is not valid yet, by our clock)";
    return "";
}

enum pt_err link_tls_expect(SSL_CTX *context, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    bool numeric = is_numeric(host);
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(param, numeric ? NULL : host, 0) != 1 ||
        X509_VERIFY_PARAM_set1_ip(param, NULL, 0) != 1)
        return PT_E_NOMEM;
    if (numeric && X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1)
        return PT_E_NOMEM;
    SSL_CTX_set_app_data(context, (void *)host);
    return PT_OK;
}

enum pt_err link_certificate_name(const char *file,
                                  char ret[LINK_DEVICE_MAX + 1])
{
    enum pt_err err = PT_E_TLS;
    X509 *certificate = NULL;
    char name[LINK_DEVICE_MAX + 2]; /* one more: to see that it was longer */
    FILE *in = fopen(file, "r");
    if (in == NULL)
        return PT_E_TLS;
    certificate = PEM_read_X509(in, NULL, no_password, NULL);
    if (certificate == NULL)
        goto cleanup;
    int length =
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                  NID_commonName, name, (int)sizeof(name));
    if (length < 0 || strlen(name) != (size_t)length ||
        !link_device_valid(name))
        goto cleanup;
    memcpy(ret, name, (size_t)length + 1);
    err = PT_OK;
cleanup:
    X509_free(certificate);
    fclose(in);
    ERR_clear_error();
    return err;
}
