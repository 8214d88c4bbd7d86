-- Verify patrol:pace_withdrawn on pg

BEGIN;

SELECT unit_id, revision FROM patrol.pace_withdrawn WHERE false;
SELECT has_function_privilege('patrol.withdraw_pace_setting()', 'execute');
SELECT has_function_privilege('patrol.withdraw_pace_settings()', 'execute');

ROLLBACK;
