-- Verify patrol:retention on pg

BEGIN;

SELECT has_function_privilege('patrol.forget(timestamptz, integer)', 'execute'),
    has_function_privilege('patrol.forget_positions(integer)', 'execute');

ROLLBACK;
