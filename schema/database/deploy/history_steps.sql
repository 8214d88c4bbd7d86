-- Deploy patrol:history_steps to pg
-- requires: history
-- A replay that looks at missions now and then alone knows of nobody's passes.

BEGIN;

SET LOCAL search_path = patrol, public;

ALTER TABLE coverage_run_hour ALTER passes DROP NOT NULL;
COMMENT ON COLUMN coverage_run_hour.passes IS
    'Null: nobody''s passes were looked for';

COMMIT;
