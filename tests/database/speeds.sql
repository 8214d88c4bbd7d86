-- What was learned, and predictions with the arrivals that followed.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

INSERT INTO learned_profile (profile, from_time, to_time, drives, time_zone,
    tau2, phi_s) VALUES ('t', now() - interval '1 day', now(), 30, 'UTC', 0.01, 2);
INSERT INTO learned_hour VALUES ('t', 167, 1.2, 60, 5, -1.3, 1.4, 2);
SELECT throws_ok(format('INSERT INTO patrol.learned_hour VALUES (%s)', bad),
    '23514', NULL, bad || ' is refused')
FROM unnest(ARRAY['''t'', 168, 1, 0, 0, 0, 0, 0', '''t'', -1, 1, 0, 0, 0, 0, 0',
    '''t'', 1, 0, 0, 0, 0, 0, 0', '''t'', 1, 1, 0, 0, 0.1, 0, 0',
    '''t'', 1, 1, 0, 0, 0, -0.1, 0']) bad;

INSERT INTO learned_speed VALUES
    ('t', 'class', 'primary', NULL, NULL, NULL, NULL, NULL, 1.1, 9, 3),
    ('t', 'class_period', 'primary', NULL, NULL, NULL, NULL, 6, 1.1, 9, 3),
    ('t', 'street', NULL, 7, false, NULL, NULL, NULL, 1.1, 9, 3),
    ('t', 'edge', NULL, 7, NULL, 1, 2, NULL, 1.1, 9, 3),
    ('t', 'edge_period', NULL, 7, NULL, 1, 2, 0, 1.1, 9, 3);
SELECT throws_ok(format('INSERT INTO patrol.learned_speed VALUES (''t'', %s, 1,'
    ' 1, 1)', bad), '23514', NULL, bad || ' is refused')
FROM unnest(ARRAY['''class'', NULL, NULL, NULL, NULL, NULL, NULL',
    '''class'', ''primary'', 7, NULL, NULL, NULL, NULL',
    '''class_period'', ''primary'', NULL, NULL, NULL, NULL, NULL',
    '''class_period'', ''primary'', NULL, NULL, NULL, NULL, 7',
    '''street'', NULL, 7, NULL, NULL, NULL, NULL',
    '''edge'', NULL, 7, NULL, 1, NULL, NULL',
    '''edge'', NULL, 7, NULL, 1, 2, 3',
    '''edge_period'', NULL, 7, NULL, 1, 2, NULL',
    '''town'', NULL, NULL, NULL, NULL, NULL, NULL']) bad;
SELECT throws_ok($$INSERT INTO patrol.learned_speed
    SELECT * FROM patrol.learned_speed WHERE level = 'class'$$,
    '23505', NULL, 'a place has one row');
DELETE FROM learned_profile;
SELECT is_empty('SELECT FROM patrol.learned_speed', 'goes with its profile');
SELECT is_empty('SELECT FROM patrol.learned_hour', 'and its hours too');

PREPARE predicted AS INSERT INTO eta_prediction VALUES (1, $1, NULL,
    ST_SetSRID(ST_MakePoint(0, 0), 4326), 'patrol', 200, $2, $3, 300, $4, 5,
    now(), now(), 10, 210);
EXECUTE predicted ('2026-01-01', 150, 260, 0.9);
EXECUTE predicted ('2026-01-02', NULL, NULL, NULL);
SELECT throws_ok(format('EXECUTE predicted (''2026-01-03'', %s)', bad), '23514',
    NULL, bad || ' is refused')
FROM unnest(ARRAY['150, NULL, NULL', '260, 150, NULL', '150, 260, 1.1']) bad;

SELECT * FROM finish();
ROLLBACK;
