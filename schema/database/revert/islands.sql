-- Revert patrol:islands from pg

BEGIN;

ALTER TABLE patrol.road_edge DROP COLUMN is_main;

COMMIT;
