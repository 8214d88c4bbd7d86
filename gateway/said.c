/* What crews said and what the control room heard and saw of it: read from the
 * database, and what was seen told to the vehicles. */
#include "gateway.h"

#include "pt_log.h"

#include <stdlib.h>
#include <string.h>

enum column {
    COL_WHAT,
    COL_UNIT,
    COL_TIME,
    COL_GENERATION,
    COL_SEQ,
    COL_TEXT,
    COL_WHO,
    COL_NOTED, /* or seen */
    COL_STATUS,
    COL_LAT_E6,
    COL_LON_E6,
    COL_MISSION,
    COL_NOTE,
};

#define MS(column) "round(extract(epoch FROM " column ") * 1000)::bigint"

/* The newest of the last day, of each kind: what is withdrawn counts only where
 * nothing else was heard, and takes away what we knew. */
static const char said_sql[] = "SELECT k.what, u.unit_id, " MS(
    "e.event_time") ", e.generation, e.seq,"
                    " e.detail, s.who, " MS(
                        "s.seen_at") ", NULL::text, NULL::integer,"
                                     " NULL::integer, NULL::integer, NULL::text"
                                     " FROM patrol.unit u"
                                     " CROSS JOIN (VALUES ('panic'), "
                                     "('place'), ('crew')) k (what)"
                                     " CROSS JOIN LATERAL (SELECT * FROM "
                                     "patrol.unit_event"
                                     "  WHERE unit_id = u.unit_id AND "
                                     "event_time > now() - interval '1 day'"
                                     "  AND CASE k.what WHEN 'panic' THEN kind "
                                     "= 'panic'"
                                     "   WHEN 'crew' THEN kind = 'logon'"
                                     "   ELSE kind = 'status' AND detail IS "
                                     "NOT NULL END"
                                     "  ORDER BY event_time DESC, seq DESC "
                                     "LIMIT 1) e"
                                     " LEFT JOIN patrol.seen s ON s.unit_id = "
                                     "e.unit_id"
                                     "  AND s.generation = e.generation AND "
                                     "s.seq = e.seq"
                                     " UNION ALL SELECT * FROM (SELECT "
                                     "DISTINCT ON (unit_id)"
                                     "  CASE WHEN withdrawn_at IS NULL THEN "
                                     "'radio' ELSE 'withdrawn' END,"
                                     "  unit_id, " MS(
                                         "heard_at") ", NULL::bigint, "
                                                     "NULL::bigint, place, who,"
                                                     "  " MS(
                                                         "noted_at") ", "
                                                                     "status::"
                                                                     "text, "
                                                                     "round(ST_"
                                                                     "Y(geom) "
                                                                     "* "
                                                                     "1e6)::"
                                                                     "integer,"
                                                                     "  "
                                                                     "round(ST_"
                                                                     "X(geom) "
                                                                     "* "
                                                                     "1e6)::"
                                                                     "integer, "
                                                                     "mission_"
                                                                     "id, note "
                                                                     "FROM "
                                                                     "patrol."
                                                                     "heard"
                                                                     "  WHERE "
                                                                     "heard_at "
                                                                     "> now() "
                                                                     "- "
                                                                     "interval "
                                                                     "'1 day'"
                                                                     "  ORDER "
                                                                     "BY "
                                                                     "unit_id, "
                                                                     "withdrawn"
                                                                     "_at IS "
                                                                     "NOT "
                                                                     "NULL, "
                                                                     "heard_at "
                                                                     "DESC,"
                                                                     "  "
                                                                     "heard_id "
                                                                     "DESC) h";

static int64_t int_at(const PGresult *rows, int row, enum column column)
{
    return strtoll(PQgetvalue(rows, row, (int)column), NULL, 10);
}

/* `ret` of `size` bytes is zeroed, and stays so at the end. */
static void text_at(const PGresult *rows, int row, enum column column,
                    char *ret, size_t size)
{
    memccpy(ret, PQgetvalue(rows, row, (int)column), '\0', size - 1);
}

static enum pt_err take_radio(struct gateway *gw, const PGresult *rows, int row)
{
    struct fleet_radio radio;
    memset(&radio, 0, sizeof(radio));
    if (strcmp(PQgetvalue(rows, row, COL_WHAT), "radio") == 0) {
        radio.heard_ms = int_at(rows, row, COL_TIME);
        radio.noted_ms = int_at(rows, row, COL_NOTED);
        radio.has_point = !PQgetisnull(rows, row, COL_LAT_E6);
        radio.at.lat_e6 = (int32_t)int_at(rows, row, COL_LAT_E6);
        radio.at.lon_e6 = (int32_t)int_at(rows, row, COL_LON_E6);
        radio.mission_id = (uint32_t)int_at(rows, row, COL_MISSION);
        (void)pt_status_parse(PQgetvalue(rows, row, COL_STATUS), &radio.status);
        text_at(rows, row, COL_TEXT, radio.place, sizeof(radio.place));
        text_at(rows, row, COL_NOTE, radio.note, sizeof(radio.note));
        text_at(rows, row, COL_WHO, radio.who, sizeof(radio.who));
    }
    return fleet_set_radio(gw->fleet, (uint32_t)int_at(rows, row, COL_UNIT),
                           &radio);
}

static enum pt_err take_said(struct gateway *gw, enum fleet_saying what,
                             const PGresult *rows, int row)
{
    uint32_t unit_id = (uint32_t)int_at(rows, row, COL_UNIT);
    struct fleet_said said = {
        .time_ms = int_at(rows, row, COL_TIME),
        .generation = (uint64_t)int_at(rows, row, COL_GENERATION),
        .seq = (uint64_t)int_at(rows, row, COL_SEQ),
    };
    text_at(rows, row, COL_TEXT, said.text, sizeof(said.text));
    enum pt_err err = fleet_say(gw->fleet, unit_id, what, &said);
    if (err != PT_OK || PQgetisnull(rows, row, COL_NOTED))
        return err;
    struct fleet_act act = {
        .generation = said.generation,
        .seq = said.seq,
        .seen_ms = int_at(rows, row, COL_NOTED),
    };
    text_at(rows, row, COL_WHO, act.who, sizeof(act.who));
    return fleet_seen(gw->fleet, unit_id, &act);
}

static enum pt_err take_row(struct gateway *gw, const PGresult *rows, int row)
{
    static const char *const words[FLEET_SAYINGS] = {
        [FLEET_PANIC] = "panic",
        [FLEET_PLACE] = "place",
        [FLEET_CREW] = "crew",
    };
    const char *what = PQgetvalue(rows, row, COL_WHAT);
    for (int i = 0; i < FLEET_SAYINGS; i++)
        if (strcmp(what, words[i]) == 0)
            return take_said(gw, (enum fleet_saying)i, rows, row);
    return take_radio(gw, rows, row);
}

static void said_answer(void *context, enum pt_err err, PGresult *rows)
{
    struct gateway *gw = context;
    struct loads *loads = &gw->loads;
    loads->said.under_way = false;
    if (loads->closing)
        return;
    for (int row = 0; err == PT_OK && row < PQntuples(rows); row++)
        err = take_row(gw, rows, row);
    if (err != PT_OK && err != PT_E_FULL) { /* of which the state has told */
        loads_failed(gw, &loads->said, "what crews said",
                     err == PT_E_DB ? db_error(gw->db) : pt_strerror(err));
        return;
    }
    loads_said(gw);
}

void said_load(struct gateway *gw)
{
    struct loads *loads = &gw->loads;
    loads->said.wanted = false;
    enum pt_err err = db_query(gw->db, said_sql, 0, NULL, said_answer, gw);
    if (err != PT_OK)
        loads_failed(gw, &loads->said, "what crews said", pt_strerror(err));
    else
        loads->said.under_way = true;
}

/* ------------------------------------------------------- told to the vehicle
 */
/* As a receipt of that one number: what was seen is stored. */
static enum pt_err tell(struct gateway *gw, const char *device,
                        const struct fleet_said *said)
{
    uint8_t bytes[PT_RECEIPT_BYTES_MAX];
    size_t size = 0;
    struct pt_receipt receipt = {
        .generation = said->generation,
        .stored_to = said->seq == 1,
        .range_count = said->seq > 1,
        .ranges = {{said->seq, said->seq}},
        .seen_count = 1,
        .seen = {{said->seq, said->seen_ms}},
    };
    enum pt_err err = pt_receipt_encode(&receipt, bytes, sizeof(bytes), &size);
    if (err == PT_OK)
        err = intake_say_receipt(gw->intake, device, bytes, size);
    if (err == PT_E_RANGE) { /* the table holds what can be no act */
        pt_log(PT_LOG_ERROR, "gateway: what was seen of %s is no act", device);
        return PT_OK;
    }
    return err;
}

/* What the broker does not take is tried again when the unit changes, or its
 * vehicle connects. */
static void tell_unit(struct gateway *gw, struct fleet_unit *unit)
{
    const char *device =
        catalog_unit_device(gw->catalog, unit->unit_id, gw->now_ms);
    enum pt_err err = PT_OK;
    for (int i = 0; device != NULL && i < FLEET_SAYINGS; i++) {
        const struct fleet_said *said = fleet_said(unit, (enum fleet_saying)i);
        if (said == NULL || said->seen_ms == 0)
            continue;
        err = tell(gw, device, said);
        if (err != PT_OK)
            return;
        gw->seen_told++;
    }
    unit->seen_due = false;
}

void said_follow(struct gateway *gw)
{
    const uint32_t *slots;
    size_t count = fleet_changes(gw->fleet, &slots);
    for (size_t i = 0; i < count; i++) {
        struct fleet_unit *unit = fleet_at(gw->fleet, slots[i]);
        if (unit->seen_due)
            tell_unit(gw, unit);
    }
}

enum pt_err said_metrics(struct gateway *gw)
{
    return metrics_add(gw->metrics, METRICS_COUNTER, "patrol_seen_told_total",
                       NULL,
                       "How often a vehicle was told that what its crew said "
                       "was seen",
                       &gw->seen_told);
}
