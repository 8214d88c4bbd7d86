-- Revert patrol:coverage from pg

BEGIN;

DROP TABLE patrol.coverage_gap;
DROP TABLE patrol.coverage_snapshot;

COMMIT;
