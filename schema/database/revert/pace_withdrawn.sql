-- Revert patrol:pace_withdrawn from pg

BEGIN;

DROP TRIGGER withdrawn ON patrol.pace_setting;
DROP TRIGGER all_withdrawn ON patrol.pace_setting;
DROP FUNCTION patrol.withdraw_pace_setting();
DROP FUNCTION patrol.withdraw_pace_settings();
DROP TABLE patrol.pace_withdrawn;

COMMIT;
