-- Verify patrol:islands on pg

BEGIN;

SELECT is_main FROM patrol.road_edge WHERE false;

ROLLBACK;
