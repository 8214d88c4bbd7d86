/* The way to the gateway: libcurl, JSON answers, problems (RFC 9457). */
#include "http_client.h"
#include <curl/curl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 5000L
#define ANSWER_MS 30000L
/* What the gateway answers at most. */
#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define CANDIDATES_SHOWN 20

struct body {
    char *text;
    size_t size, room;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct body *body = context;
    size_t more = size * count;
    if (more > ANSWER_BYTES_MAX - body->size)
        return 0;
    if (body->size + more + 1 > body->room) {
        size_t room = (body->size + more + 1) * 2;
        char *grown = realloc(body->text, room);
        if (grown == NULL)
            return 0;
        body->text = grown;
        body->room = room;
    }
    memcpy(body->text + body->size, bytes, more);
    body->size += more;
    body->text[body->size] = 0;
    return more;
}

/* -------------------------------------------------------------- addresses */
static bool add(char *url, size_t size, const char *text)
{
    size_t used = strlen(url);
    if (strlen(text) >= size - used)
        return false;
    memcpy(url + used, text, strlen(text) + 1);
    return true;
}

static bool add_escaped(char *url, size_t size, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    bool good = escaped != NULL && add(url, size, escaped);
    curl_free(escaped);
    return good;
}

/* False when it gets longer than any gateway takes. */
static bool make_url(char *url, size_t size, const struct ctl *ctl,
                     const struct ctl_request *request)
{
    url[0] = 0;
    if (!add(url, size, ctl->gateway))
        return false;
    for (size_t end = strlen(url); end > 0 && url[end - 1] == '/';)
        url[--end] = 0;
    bool good = add(url, size, request->path);
    if (request->name != NULL)
        good = good && add_escaped(url, size, request->name);
    if (request->behind != NULL)
        good = good && add(url, size, request->behind);
    const char *mark = "?";
    for (size_t i = 0; i < CTL_PARAMS_MAX && good; i++) {
        if (request->params[i].name == NULL || request->params[i].value == NULL)
            continue;
        good = add(url, size, mark) &&
               add(url, size, request->params[i].name) && add(url, size, "=") &&
               add_escaped(url, size, request->params[i].value);
        mark = "&";
    }
    return good;
}

/* ---------------------------------------------------------------- answers */
/* A mission has a number, a street a place. */
static void complain_of_candidate(const json_t *candidate)
{
    const json_t *id = json_object_get(candidate, "mission_id");
    const char *name = ctl_text(candidate, "name");
    const char *zone = ctl_text(candidate, "zone");
    double lat, lon;
    name = name != NULL ? name : "";
    if (json_is_integer(id))
        ctl_complain("  %" JSON_INTEGER_FORMAT " %s", json_integer_value(id),
                     name);
    else if (ctl_number(candidate, "lat", &lat) &&
             ctl_number(candidate, "lon", &lon))
        ctl_complain("  %.6f,%.6f %s%s%s", lat, lon, name,
                     zone != NULL ? ", " : "", zone != NULL ? zone : "");
}

static void complain_of_problem(const json_t *problem, long status)
{
    const json_t *candidates = json_object_get(problem, "candidates");
    const char *title = ctl_text(problem, "title");
    const char *detail = ctl_text(problem, "detail");
    const char *parameter = ctl_text(problem, "parameter");
    if (title == NULL) {
        ctl_complain("the gateway answered with status %ld", status);
        return;
    }
    ctl_complain("%s%s%s%s%s", title, parameter != NULL ? ", " : "",
                 parameter != NULL ? parameter : "", detail != NULL ? ": " : "",
                 detail != NULL ? detail : "");
    for (size_t i = 0; i < json_array_size(candidates) && i < CANDIDATES_SHOWN;
         i++) {
        complain_of_candidate(json_array_get(candidates, i));
    }
}

enum ctl_exit ctl_http_failed(const struct ctl *ctl, CURLcode code,
                              const char *error)
{
    ctl_complain("no gateway at %s (-g, PATROL_GATEWAY): %s", ctl->gateway,
                 *error != 0 ? error : curl_easy_strerror(code));
    return CTL_UNREACHABLE;
}

enum ctl_exit ctl_http_refused(const struct ctl *ctl, long status,
                               const char *body, size_t size)
{
    json_t *problem = size > 0 ? json_loadb(body, size, 0, NULL) : json_null();
    complain_of_problem(problem, status);
    if (ctl->json && problem != NULL)
        ctl_print_json(problem);
    json_decref(problem);
    return CTL_REFUSED;
}

static enum ctl_exit judge(const struct ctl *ctl, long status,
                           const struct body *body, json_t **ret)
{
    if (status < 200 || status > 202)
        return ctl_http_refused(ctl, status, body->text, body->size);
    json_t *answer =
        body->size > 0 ? json_loadb(body->text, body->size, 0, NULL) : NULL;
    if (!json_is_object(answer)) {
        json_decref(answer);
        ctl_complain("%s answered, but not as a gateway does", ctl->gateway);
        return CTL_REFUSED;
    }
    *ret = answer;
    return CTL_OK;
}

CURL *ctl_http_new(const struct ctl *ctl, const struct ctl_request *request,
                   char *error)
{
    char url[4096];
    error[0] = 0;
    CURL *curl =
        make_url(url, sizeof url, ctl, request) ? curl_easy_init() : NULL;
    if (curl == NULL) {
        ctl_complain("the address would be too long");
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    /* The gateway stands in the house: a proxy that the environment names
     * for the outside would only see where patrols are. */
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "patrolctl/" PT_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    return curl;
}

enum ctl_exit ctl_get(const struct ctl *ctl, const struct ctl_request *request,
                      json_t **ret)
{
    return ctl_send(ctl, "GET", request, NULL, ret);
}

enum ctl_exit ctl_send(const struct ctl *ctl, const char *method,
                       const struct ctl_request *request, const json_t *sent,
                       json_t **ret)
{
    char error[CURL_ERROR_SIZE];
    struct body body = {0};
    long status = 0;
    enum ctl_exit end = CTL_REFUSED;
    char *text = sent != NULL ? json_dumps(sent, JSON_COMPACT) : NULL;
    struct curl_slist *headers =
        text != NULL ? curl_slist_append(NULL, "Content-Type: application/json")
                     : NULL;
    CURL *curl = NULL;
    if (sent != NULL && headers == NULL)
        ctl_complain("out of memory");
    else
        curl = ctl_http_new(ctl, request, error);
    if (curl == NULL) {
        curl_slist_free_all(headers);
        free(text);
        return CTL_USAGE;
    }
    if (text != NULL) {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     request->wait_s > 0 ? 1000 * request->wait_s : ANSWER_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_WRITE_ERROR)
        ctl_complain("the answer is longer than 64 MiB, or memory is short");
    else if (code != CURLE_OK)
        end = ctl_http_failed(ctl, code, error);
    else
        end = judge(ctl, status, &body, ret);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(text);
    free(body.text);
    return end;
}

/* ------------------------------------------------------- reading answers */
const char *ctl_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool ctl_number(const json_t *object, const char *key, double *ret)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return false;
    *ret = json_number_value(value);
    return true;
}

void ctl_cell_text(struct ctl_table *table, const json_t *object,
                   const char *key)
{
    const char *text = ctl_text(object, key);
    ctl_table_cell(table, text != NULL ? text : "-");
}

void ctl_cell_number(struct ctl_table *table, const json_t *object,
                     const char *key, int decimals)
{
    double value;
    if (ctl_number(object, key, &value))
        ctl_table_format(table, "%.*f", decimals, value);
    else
        ctl_table_cell(table, "-");
}

void ctl_cell_list(struct ctl_table *table, const json_t *list)
{
    char text[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < json_array_size(list) && used < sizeof text; i++) {
        const char *item = json_string_value(json_array_get(list, i));
        int more = snprintf(text + used, sizeof text - used, "%s%s",
                            i > 0 ? ", " : "", item != NULL ? item : "?");
        used += more > 0 ? (size_t)more : 0;
    }
    ctl_table_cell(table, text);
}

void ctl_cell_point(struct ctl_table *table, const json_t *object)
{
    double lat_deg;
    double lon_deg;
    if (ctl_number(object, "lat", &lat_deg) &&
        ctl_number(object, "lon", &lon_deg))
        ctl_table_format(table, "%.6f,%.6f", lat_deg, lon_deg);
    else
        ctl_table_cell(table, "-");
}

void ctl_cell_kmh(struct ctl_table *table, const json_t *object)
{
    double speed_mps;
    if (ctl_number(object, "speed_mps", &speed_mps))
        ctl_table_format(table, "%.0f", speed_mps * 3.6);
    else
        ctl_table_cell(table, "-");
}

void ctl_cell_clock(struct ctl_table *table, const json_t *object,
                    const char *key)
{
    char text[32];
    double seconds;
    ctl_table_cell(table, ctl_number(object, key, &seconds)
                              ? ctl_format_clock(text, sizeof text, seconds)
                              : "-");
}

void ctl_cell_share(struct ctl_table *table, const json_t *object, size_t k)
{
    const json_t *share = json_array_get(json_object_get(object, "share"), k);
    if (json_is_number(share))
        ctl_table_format(table, "%.0f", json_number_value(share) * 100);
    else
        ctl_table_cell(table, "-");
}

void ctl_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    putchar('\n');
}

const char *ctl_format_age(char *out, size_t size, double age_s)
{
    if (age_s < 120)
        snprintf(out, size, "%.0f s", age_s);
    else if (age_s < 7200)
        snprintf(out, size, "%.0f min", age_s / 60);
    else if (age_s < 172800)
        snprintf(out, size, "%.0f h", age_s / 3600);
    else
        snprintf(out, size, "%.0f days", age_s / 86400);
    return out;
}

const char *ctl_format_clock(char *out, size_t size, double seconds)
{
    long whole = (long)(seconds + 0.5);
    snprintf(out, size, "%ld:%02ld", whole / 60, whole % 60);
    return out;
}

void ctl_cell_span(struct ctl_table *table, const json_t *object,
                   const char *key)
{
    double seconds;
    if (!ctl_number(object, key, &seconds)) {
        ctl_table_cell(table, "-");
        return;
    }
    long whole = (long)(seconds + 0.5);
    ctl_table_format(table, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60,
                     whole % 60);
}

const char *ctl_who(const char *typed)
{
    const struct passwd *user = typed == NULL ? getpwuid(getuid()) : NULL;
    const char *who = user != NULL ? user->pw_name : typed;
    return who != NULL && *who != 0 ? who : NULL;
}
