/* A unit of the gateway's for people: as a row, in words what is wrong with
 * it, and all of it. */
#include "unit_text.h"
#include "http_client.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* What is below is as usual: receipts come every half minute. */
#define WAITING_LONG_S 300.0
#define CLOCK_WRONG_MS 5000.0

/* ---------------------------------------------------------------- remarks */
static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static bool is_word(const json_t *object, const char *key, const char *word)
{
    const char *text = ctl_text(object, key);
    return text != NULL && strcmp(text, word) == 0;
}

__attribute__((format(printf, 2, 3))) static void
remark(char out[CTL_REMARKS_BYTES], const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;
    if (used > 0 && used < CTL_REMARKS_BYTES - 3) {
        memcpy(out + used, ", ", 3);
        used += 2;
    }
    va_start(args, format);
    vsnprintf(out + used, CTL_REMARKS_BYTES - used, format, args);
    va_end(args);
}

static void remark_power(const json_t *vehicle, char out[CTL_REMARKS_BYTES])
{
    double percent;
    if (!is_word(vehicle, "power", "battery"))
        return;
    if (ctl_number(vehicle, "battery_percent", &percent))
        remark(out, "on battery, %.0f %%", percent);
    else
        remark(out, "on battery");
}

/* "by radio 3 min ago: busy, at 23 y L" */
static void remark_radio(const json_t *unit, char out[CTL_REMARKS_BYTES])
{
    const json_t *radio = json_object_get(unit, "radio");
    const char *status = ctl_text(radio, "status");
    const char *place = ctl_text(radio, "place");
    char age[32];
    double age_s;
    if (!ctl_number(radio, "age_s", &age_s))
        return;
    remark(out, "by radio %s ago%s%s%s%s",
           ctl_format_age(age, sizeof age, age_s), status != NULL ? ": " : "",
           status != NULL ? status : "", place != NULL ? ", at " : "",
           place != NULL ? place : "");
}

static void remark_panic(const json_t *unit, char out[CTL_REMARKS_BYTES])
{
    if (ctl_text(unit, "panic_at") != NULL &&
        ctl_text(unit, "panic_seen_at") == NULL)
        remark(out, "PANIC, seen by nobody");
}

void ctl_unit_remarks(const json_t *unit, char out[CTL_REMARKS_BYTES])
{
    const json_t *vehicle = json_object_get(unit, "vehicle");
    char age[32];
    double value;
    out[0] = 0;
    remark_panic(unit, out);
    if (is_true(unit, "silent") && ctl_number(unit, "heard_age_s", &value))
        remark(out, "silent for %s", ctl_format_age(age, sizeof age, value));
    remark_radio(unit, out);
    if (ctl_number(vehicle, "receiver_mode", &value) && value < 2)
        remark(out, value < 1 ? "no receiver" : "no fix");
    remark_power(vehicle, out);
    if (ctl_number(vehicle, "clock_offset_ms", &value) &&
        fabs(value) > CLOCK_WRONG_MS)
        remark(out, "clock %s %s",
               ctl_format_age(age, sizeof age, fabs(value) / 1000),
               value > 0 ? "fast" : "slow");
    if (ctl_number(vehicle, "outbox_oldest_age_s", &value) &&
        value > WAITING_LONG_S)
        remark(out, "reports wait since %s",
               ctl_format_age(age, sizeof age, value));
    if (ctl_number(vehicle, "outbox_dropped", &value) && value > 0)
        remark(out, "%.0f reports lost", value);
}

/* ---------------------------------------------------------- what is missing */
void ctl_print_part(const json_t *part)
{
    char clean[256];
    const char *name = ctl_text(part, "part");
    const char *state = ctl_text(part, "state");
    const char *since = ctl_text(part, "since");
    const char *consequence = ctl_text(part, "consequence");
    char line[512];
    snprintf(line, sizeof line, "the %s is %s since %s%s%s",
             name != NULL ? name : "-", state != NULL ? state : "-",
             since != NULL ? since : "-", consequence != NULL ? ": " : "",
             consequence != NULL ? consequence : "");
    ctl_clean(line, clean, sizeof clean);
    printf("! %s\n", clean);
}

void ctl_print_degraded(const json_t *answer)
{
    const json_t *degraded = json_object_get(answer, "degraded");
    for (size_t i = 0; i < json_array_size(degraded); i++)
        ctl_print_part(json_array_get(degraded, i));
}

/* -------------------------------------------------------------------- row */
void ctl_unit_row(struct ctl_table *table, const json_t *unit)
{
    const json_t *position = json_object_get(unit, "position");
    char age[32], remarks[CTL_REMARKS_BYTES];
    double age_s;
    ctl_cell_text(table, unit, "call_sign");
    ctl_cell_text(table, unit, "kind");
    ctl_cell_text(table, unit, "status");
    ctl_table_cell(table, ctl_number(position, "age_s", &age_s)
                              ? ctl_format_age(age, sizeof age, age_s)
                              : "-");
    ctl_cell_point(table, json_object_get(position, "believed"));
    ctl_cell_kmh(table, position);
    ctl_table_cell(table, is_true(unit, "connected") ? "yes" : "no");
    ctl_cell_number(table, json_object_get(unit, "vehicle"), "outbox_depth", 0);
    ctl_cell_list(table, json_object_get(unit, "capabilities"));
    ctl_unit_remarks(unit, remarks);
    ctl_table_cell(table, remarks);
}

/* ------------------------------------------------------------- all of it */
static void fact(struct ctl_table *table, const char *name, const char *value)
{
    ctl_table_cell(table, name);
    ctl_table_cell(table, value != NULL ? value : "-");
}

/* A time with its age: "2026-01-31T12:00:00.000Z, 3 s ago". */
static void fact_time(struct ctl_table *table, const char *name,
                      const json_t *object, const char *time_key,
                      const char *age_key)
{
    const char *when = ctl_text(object, time_key);
    char age[32];
    double age_s;
    ctl_table_cell(table, name);
    if (when != NULL && ctl_number(object, age_key, &age_s))
        ctl_table_format(table, "%s, %s ago", when,
                         ctl_format_age(age, sizeof age, age_s));
    else
        ctl_table_cell(table, when != NULL ? when : "-");
}

/* A number with its unit, or "-". */
static void fact_number(struct ctl_table *table, const char *name,
                        const json_t *object, const char *key, double factor,
                        int decimals, const char *unit)
{
    double value;
    ctl_table_cell(table, name);
    if (ctl_number(object, key, &value))
        ctl_table_format(table, "%.*f%s", decimals, value * factor, unit);
    else
        ctl_table_cell(table, "-");
}

static void facts_of_position(struct ctl_table *table, const json_t *position)
{
    fact_time(table, "position", position, "time", "age_s");
    ctl_table_cell(table, "reported place");
    ctl_cell_point(table, position);
    ctl_table_cell(table, "believed place");
    ctl_cell_point(table, json_object_get(position, "believed"));
    fact_number(table, "accuracy", position, "accuracy_m", 1, 1, " m");
    fact_number(table, "speed", position, "speed_mps", 3.6, 0, " km/h");
    fact_number(table, "course", position, "course_deg", 1, 0, " degrees");
}

static void facts_of_vehicle(struct ctl_table *table, const json_t *vehicle)
{
    static const char *const modes[] = {"not seen", "no fix", "2D fix",
                                        "3D fix"};
    double mode;
    bool said =
        ctl_number(vehicle, "receiver_mode", &mode) && mode >= 0 && mode < 4;
    fact(table, "vehicle said", ctl_text(vehicle, "said_at"));
    fact(table, "receiver", said ? modes[(int)mode] : NULL);
    fact_number(table, "satellites used", vehicle, "satellites_used", 1, 0, "");
    fact_number(table, "clock, off by", vehicle, "clock_offset_ms", 1e-3, 1,
                " s");
    fact(table, "power", ctl_text(vehicle, "power"));
    fact_number(table, "battery", vehicle, "battery_percent", 1, 0, " %");
    fact_number(table, "next report within", vehicle, "next_due_s", 1, 0, " s");
    fact_number(table, "reports waiting", vehicle, "outbox_depth", 1, 0, "");
    fact_number(table, "the oldest since", vehicle, "outbox_oldest_age_s", 1, 0,
                " s");
    fact_number(table, "reports lost", vehicle, "outbox_dropped", 1, 0, "");
}

/* A text with when it was said. */
static void fact_said(struct ctl_table *table, const char *name,
                      const json_t *said, const char *key)
{
    const char *text = ctl_text(said, key), *at = ctl_text(said, "at");
    ctl_table_cell(table, name);
    if (text != NULL && at != NULL)
        ctl_table_format(table, "%s, %s", text, at);
    else
        ctl_table_cell(table, "-");
}

static void facts_of_words(struct ctl_table *table, const json_t *unit)
{
    const json_t *radio = json_object_get(unit, "radio");
    fact_said(table, "crew", json_object_get(unit, "crew"), "text");
    fact_said(table, "place it says", json_object_get(unit, "said_place"),
              "text");
    fact(table, "panic", ctl_text(unit, "panic_at"));
    fact(table, "panic seen", ctl_text(unit, "panic_seen_at"));
    fact_time(table, "heard by radio", radio, "at", "age_s");
    fact(table, "status by radio", ctl_text(radio, "status"));
    fact(table, "place by radio", ctl_text(radio, "place"));
    ctl_table_cell(table, "which is");
    ctl_cell_point(table, radio);
    fact(table, "note", ctl_text(radio, "note"));
    fact(table, "noted by", ctl_text(radio, "who"));
}

void ctl_unit_facts(struct ctl_table *table, const json_t *unit)
{
    const json_t *silent = json_object_get(unit, "silent");
    char remarks[CTL_REMARKS_BYTES];
    fact(table, "unit", ctl_text(unit, "call_sign"));
    fact(table, "kind", ctl_text(unit, "kind"));
    ctl_table_cell(table, "capabilities");
    ctl_cell_list(table, json_object_get(unit, "capabilities"));
    ctl_unit_remarks(unit, remarks);
    fact(table, "remarks", remarks);
    fact(table, "status", ctl_text(unit, "status"));
    fact(table, "status since", ctl_text(unit, "status_time"));
    fact(table, "connected", is_true(unit, "connected") ? "yes" : "no");
    fact_time(table, "heard", unit, "heard_at", "heard_age_s");
    fact(table, "silent",
         json_is_true(silent)    ? "yes"
         : json_is_false(silent) ? "no"
                                 : NULL);
    facts_of_words(table, unit);
    facts_of_position(table, json_object_get(unit, "position"));
    facts_of_vehicle(table, json_object_get(unit, "vehicle"));
}
