-- Revert patrol:history from pg

BEGIN;

DROP TABLE patrol.coverage_run_snapshot;
DROP TABLE patrol.coverage_run_zone;
DROP TABLE patrol.coverage_run_gap;
DROP TABLE patrol.coverage_run_hour;
DROP TABLE patrol.coverage_run_mission;
DROP TABLE patrol.coverage_run;
ALTER TABLE patrol.unit_event DROP COLUMN received_at;

COMMIT;
