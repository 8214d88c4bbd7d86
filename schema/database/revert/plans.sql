-- Revert patrol:plans from pg

BEGIN;

DROP TABLE patrol.coverage_plan_post;
DROP TABLE patrol.coverage_plan_choice;
DROP TABLE patrol.coverage_plan_group;
DROP TABLE patrol.coverage_plan;

COMMIT;
