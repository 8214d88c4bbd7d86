-- Verify patrol:history on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT run_id, "from", "to", clock, step_s, network_id, networks, profile,
       settings, made_of, read_at, made_at, took_s, fixes, units, first_fix,
       last_fix, units_mean, nobody_s
FROM coverage_run WHERE false;
SELECT run_id, mission_id, name, zone_id, zone, time_zone, geom, off_road,
       promise_s, out_s, outages, longest_s, longest_from, passes, unpassed_s,
       unpassed_from
FROM coverage_run_mission WHERE false;
SELECT run_id, mission_id, hour, seconds, passes FROM coverage_run_hour
WHERE false;
SELECT run_id, mission_id, started_at, ended_at FROM coverage_run_gap
WHERE false;
SELECT run_id, zone_id, name, promise_s, time_zone, geom, missions, promised
FROM coverage_run_zone WHERE false;
SELECT run_id, taken_at, zone_id, units, within, length_m, within_m
FROM coverage_run_snapshot WHERE false;
SELECT received_at FROM unit_event WHERE false;

ROLLBACK;
