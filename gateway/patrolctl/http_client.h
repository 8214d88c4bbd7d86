#ifndef PATROLCTL_HTTP_CLIENT_H
#define PATROLCTL_HTTP_CLIENT_H
/* Questions to the gateway, and its answers as cells of a table. */
#include "patrolctl_internal.h"
#include <curl/curl.h>

#define CTL_PARAMS_MAX 8

/* GET path + name (escaped) + behind ? params; those without a value are
 * left out. */
struct ctl_request {
    const char *path;
    const char *name;   /* NULL: none */
    const char *behind; /* NULL: none */
    struct {
        const char *name;
        const char *value;
    } params[CTL_PARAMS_MAX];
    long wait_s; /* for the answer, once connected; 0: half a minute */
};

/* A JSON object; the caller gives it to json_decref(). Anything but CTL_OK
 * was complained of. */
enum ctl_exit ctl_get(const struct ctl *ctl, const struct ctl_request *request,
                      json_t **ret);

/* The same with another method; `sent` as JSON, or NULL. */
enum ctl_exit ctl_send(const struct ctl *ctl, const char *method,
                       const struct ctl_request *request, const json_t *sent,
                       json_t **ret);

/* A question that is asked until its answer has `key`, with a bar named so. */
enum ctl_exit ctl_ask_long(const struct ctl *ctl, const char *method,
                           const struct ctl_request *request,
                           const json_t *sent, const char *key,
                           const char *phase, json_t **ret);
/* Without an end (`to`) the question is about now: asked again it is to be
 * about the same moment, which is written to `now`. */
struct ctl_request ctl_with_end(const struct ctl_request *request, char *now,
                                size_t size);
/* A question about past cover, asked until its replay is through, with a bar.
 */
enum ctl_exit ctl_ask_history(const struct ctl *ctl,
                              const struct ctl_request *request, json_t **ret);

/* A handle for the request, without where the answer goes; NULL after a
 * complaint. `error` of CURL_ERROR_SIZE must outlive it. */
CURL *ctl_http_new(const struct ctl *ctl, const struct ctl_request *request,
                   char *error);
/* Complain of a connection, of an answer that is not 200. */
enum ctl_exit ctl_http_failed(const struct ctl *ctl, CURLcode code,
                              const char *error);
enum ctl_exit ctl_http_refused(const struct ctl *ctl, long status,
                               const char *body, size_t size);

/* Who says so: the terminal's user, unless told. NULL: nobody. Borrowed until
 * the next call. */
const char *ctl_who(const char *typed);

/* NULL, false: null, missing, or of another type. */
const char *ctl_text(const json_t *object, const char *key);
bool ctl_number(const json_t *object, const char *key, double *ret);

/* The next cell; "-" for what is not there. */
void ctl_cell_text(struct ctl_table *table, const json_t *object,
                   const char *key);
void ctl_cell_number(struct ctl_table *table, const json_t *object,
                     const char *key, int decimals);
void ctl_cell_list(struct ctl_table *table, const json_t *list);

/* Of an object with lat and lon; with speed_mps. */
void ctl_cell_point(struct ctl_table *table, const json_t *object);
void ctl_cell_kmh(struct ctl_table *table, const json_t *object);
/* "4:05" of so many seconds. */
void ctl_cell_clock(struct ctl_table *table, const json_t *object,
                    const char *key);
/* "62", of item `k` of the object's "share"; "-" where there is nothing to have
 * a share of. */
void ctl_cell_share(struct ctl_table *table, const json_t *object, size_t k);

/* "1:05:00" of so many seconds. */
void ctl_cell_span(struct ctl_table *table, const json_t *object,
                   const char *key);

/* Members of objects as CSV (RFC 4180), what is null empty. */
void ctl_csv_head(const char *const *keys, size_t count);
void ctl_csv_cells(const json_t *object, const char *const *keys, size_t count);
/* The head, and a line for each object of an array. */
void ctl_csv_rows(const json_t *objects, const char *const *keys, size_t count);

void ctl_print_json(const json_t *value);

/* "12 s", "5 min"; "4:05". Both return `out`. */
const char *ctl_format_age(char *out, size_t size, double age_s);
const char *ctl_format_clock(char *out, size_t size, double seconds);

#endif
