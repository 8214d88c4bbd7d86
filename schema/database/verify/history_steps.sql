-- Verify patrol:history_steps on pg

BEGIN;

SELECT 1 / (NOT attnotnull)::integer FROM pg_attribute
WHERE attrelid = 'patrol.coverage_run_hour'::regclass AND attname = 'passes';

ROLLBACK;
