-- Deploy patrol:start to pg
-- requires: network
-- What a drive takes beside the driving.

BEGIN;

SET LOCAL search_path = patrol, public;

ALTER TABLE road_profile
    ADD COLUMN start_ms integer NOT NULL DEFAULT 0 CHECK (start_ms >= 0);
COMMENT ON COLUMN road_profile.start_ms IS
    'Milliseconds that a drive takes whatever its length: to get under way and, at its end, to be there. Not in road_cost; it counts in eta_s, on drives of a quarter of it and more; on shorter ones four times the drive';

COMMIT;
