-- Verify patrol:coverage on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT gateway, taken_at, streets_at, zone_id, network_id, units, missions,
       promised, within, length_m, within_m
FROM coverage_snapshot WHERE false;
SELECT gateway, subject, subject_id, name, started_at, ended_at, is_cut
FROM coverage_gap WHERE false;

ROLLBACK;
