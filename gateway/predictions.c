/* Predictions that came true, with the arrivals that followed. */
#include "gateway.h"

#include "pt_log.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_BYTES 32
#define MS "::float8 / 1000)"

static const char insert_sql[] =
    "INSERT INTO patrol.eta_prediction (unit_id, asked_at, mission_id, geom,"
    " profile, eta_s, low_s, high_s, promise_s, p_within, position_age_s,"
    " departed_at, arrived_at, arrived_m, took_s) VALUES ($1,"
    " to_timestamp($2" MS ", $3, ST_SetSRID(ST_MakePoint($4::float8 / 1e6,"
    " $5::float8 / 1e6), 4326), $6, $7, $8, $9, $10, $11, $12,"
    " to_timestamp($13" MS ", to_timestamp($14" MS ", $15, $16)"
    " ON CONFLICT DO NOTHING";
#define PARAMS 16

static void kept(void *context, enum pt_err err, PGresult *result)
{
    struct gateway *gw = context;
    (void)result;
    if (err == PT_OK) {
        gw->predictions.kept++;
        return;
    }
    gw->predictions.lost++;
    pt_log(PT_LOG_WARN, "gateway: an arrival could not be kept: %s",
           db_error(gw->db));
}

/* Texts for the statement's parameters, one after the other. */
struct texts {
    char text[PARAMS][TEXT_BYTES];
    const char *params[PARAMS];
    size_t count;
};

static void add_int(struct texts *texts, bool known, int64_t value)
{
    size_t i = texts->count++;
    snprintf(texts->text[i], TEXT_BYTES, "%" PRId64, value);
    texts->params[i] = known ? texts->text[i] : NULL;
}

static void add_real(struct texts *texts, bool known, double value)
{
    size_t i = texts->count++;
    snprintf(texts->text[i], TEXT_BYTES, "%.9g", value);
    texts->params[i] = known ? texts->text[i] : NULL;
}

static void keep(void *context, const struct arrivals_arrival *arrival)
{
    struct gateway *gw = context;
    const struct arrivals_prediction *of = &arrival->of;
    struct texts texts = {.count = 0};
    add_int(&texts, true, of->unit_id);
    add_int(&texts, true, of->asked_ms);
    add_int(&texts, of->mission_id != 0, of->mission_id);
    add_int(&texts, true, of->to.lon_e6);
    add_int(&texts, true, of->to.lat_e6);
    texts.params[texts.count++] = of->profile;
    add_real(&texts, true, of->eta_s);
    add_real(&texts, of->has_range, of->low_s);
    add_real(&texts, of->has_range, of->high_s);
    add_int(&texts, of->promise_s > 0, of->promise_s);
    add_real(&texts, of->p_within >= 0, of->p_within);
    add_real(&texts, true, of->position_age_s);
    add_int(&texts, true, arrival->departed_ms);
    add_int(&texts, true, arrival->arrived_ms);
    add_real(&texts, true, arrival->arrived_m);
    add_real(&texts, true, arrival->took_s);
    if (db_query(gw->db, insert_sql, PARAMS, texts.params, kept, gw) != PT_OK)
        gw->predictions.lost++;
}

void predictions_follow(struct gateway *gw)
{
    arrivals_follow(gw->arrivals, gw->fleet, gw->now_ms, keep, gw);
}

static double waiting(void *context)
{
    return (double)arrivals_waiting(context);
}

enum pt_err predictions_metrics(struct gateway *gw)
{
    enum pt_err err = metrics_add(
        gw->metrics, METRICS_COUNTER, "patrol_predictions_kept_total", NULL,
        "Predictions that were kept with the arrival that followed",
        &gw->predictions.kept);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_predictions_lost_total", NULL,
                          "Predictions that came true, but could not be kept",
                          &gw->predictions.lost);
    if (err == PT_OK)
        err = metrics_add(gw->metrics, METRICS_COUNTER,
                          "patrol_predictions_given_up_total", NULL,
                          "Units that set off, but did not arrive",
                          &arrivals_counts(gw->arrivals)->given_up);
    if (err == PT_OK)
        err = metrics_add_call(
            gw->metrics, METRICS_GAUGE, "patrol_predictions_waiting", NULL,
            "Predictions whose arrival is waited for", waiting, gw->arrivals);
    return err;
}
