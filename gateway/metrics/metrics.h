#ifndef METRICS_H
#define METRICS_H
/* metrics: the gateway's counters and gauges in Prometheus' text format.
 * A module registers the addresses of its own numbers once; the page reads
 * them. Loop thread only. */
#include "pt_err.h"
#include <stddef.h>
#include <stdint.h>

struct metrics;

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE };

PT_MUST_CHECK enum pt_err metrics_new(struct metrics **ret);
void metrics_free(struct metrics *metrics);

#define METRICS_MAX 1024 /* numbers in one registry */

/* `name` without labels ("patrol_entries_total"), `labels` without braces
 * ("reason=\"malformed\"") or NULL. The texts must outlive the registry;
 * `value` is read whenever the page is asked for. Numbers of one name stand
 * together on the page, under the help of the first. PT_E_RANGE: not a name
 * Prometheus takes, name and labels are there already, or the name is there
 * with another type. PT_E_FULL beyond METRICS_MAX. */
PT_MUST_CHECK enum pt_err metrics_add(struct metrics *metrics,
                                      enum metrics_type type, const char *name,
                                      const char *labels, const char *help,
                                      const uint64_t *value);
/* As metrics_add(), for a number that has to be worked out; NaN and
 * infinities are written as Prometheus reads them. */
PT_MUST_CHECK enum pt_err
metrics_add_call(struct metrics *metrics, enum metrics_type type,
                 const char *name, const char *labels, const char *help,
                 double (*value)(void *context), void *context);

/* The page (exposition format 0.0.4), terminated; `size` without the final 0.
 * The caller frees it. NULL when out of memory. */
char *metrics_page(const struct metrics *metrics, size_t *size);

#endif
