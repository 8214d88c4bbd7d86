-- Revert patrol:live from pg

BEGIN;

DROP VIEW patrol.past_mission;
DROP VIEW patrol.live_unit;
DROP TABLE patrol.live_street;
DROP TABLE patrol.live_gap;
DROP TABLE patrol.live_zone;
DROP TABLE patrol.live_mission;
DROP TABLE patrol.live_made;

COMMIT;
