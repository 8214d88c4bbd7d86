-- Revert patrol:patrol from pg

BEGIN;

DROP SCHEMA patrol CASCADE;

COMMIT;
