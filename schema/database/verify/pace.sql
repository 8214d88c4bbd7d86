-- Verify patrol:pace on pg

BEGIN;

SELECT unit_id, bound_m, bound_assigned_m, moving_s, parked_s, assigned,
       revision, changed_at FROM patrol.pace_setting WHERE false;
SELECT has_sequence_privilege('patrol.pace_setting_revision', 'USAGE');

ROLLBACK;
