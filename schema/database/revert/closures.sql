-- Revert patrol:closures from pg

BEGIN;

DROP VIEW patrol.closure_in_force;
DROP TABLE patrol.closure_edge;
DROP TABLE patrol.closure;

COMMIT;
