-- Verify patrol:closures on pg

BEGIN;

SELECT closure_id, kind, factor, speed_mps, direction, "from", until, street,
       who, reason, created_at, removed_at, geom
FROM patrol.closure_in_force WHERE false;
SELECT closure_id, number, way_id, from_node, to_node, geom
FROM patrol.closure_edge WHERE false;

ROLLBACK;
