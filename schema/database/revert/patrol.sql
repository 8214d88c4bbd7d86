-- Revert patrol:patrol from pg

BEGIN;

-- The extensions stay: others in the database may use them.
DROP SCHEMA patrol CASCADE;

COMMIT;
