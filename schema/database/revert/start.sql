-- Revert patrol:start from pg

BEGIN;

ALTER TABLE patrol.road_profile DROP COLUMN start_ms;

COMMIT;
