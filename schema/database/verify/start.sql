-- Verify patrol:start on pg

BEGIN;

SELECT start_ms FROM patrol.road_profile WHERE false;

ROLLBACK;
