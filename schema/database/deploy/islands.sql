-- Deploy patrol:islands to pg
-- requires: network
-- Which streets a patrol comes to and gets away from again.

BEGIN;

SET LOCAL search_path = patrol, public;

ALTER TABLE road_edge ADD COLUMN is_main boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN road_edge.is_main IS
    'The first profile (patrol) comes to it from the main part of the network, and back: the longest part within which it gets from everywhere to everywhere; forbidden turns are not looked at. False where it does not drive. True for all edges of a network that was imported before this was looked at';

COMMIT;
