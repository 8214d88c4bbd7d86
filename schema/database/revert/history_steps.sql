-- Revert patrol:history_steps from pg

BEGIN;

SET LOCAL search_path = patrol, public;

-- answers, made again when they are asked again
DELETE FROM coverage_run r USING coverage_run_hour h
WHERE h.run_id = r.run_id AND h.passes IS NULL;
COMMENT ON COLUMN coverage_run_hour.passes IS NULL;
ALTER TABLE coverage_run_hour ALTER passes SET NOT NULL;

COMMIT;
