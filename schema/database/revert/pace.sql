-- Revert patrol:pace from pg

BEGIN;

DROP TABLE patrol.pace_setting;
DROP FUNCTION patrol.revise_pace_setting();
DROP SEQUENCE patrol.pace_setting_revision;

COMMIT;
