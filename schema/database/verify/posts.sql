-- Verify patrol:posts on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT post_id, ref, name, kind, zone_id, geom FROM post WHERE false;

ROLLBACK;
