-- Revert patrol:said from pg

BEGIN;

DROP TABLE patrol.seen;
DROP TABLE patrol.heard;

COMMIT;
