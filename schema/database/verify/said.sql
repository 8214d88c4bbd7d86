-- Verify patrol:said on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT unit_id, heard_id, heard_at, noted_at, who, status, place, geom,
    mission_id, note, withdrawn_at, withdrawn_by FROM heard WHERE false;
SELECT unit_id, generation, seq, seen_at, who FROM seen WHERE false;

ROLLBACK;
