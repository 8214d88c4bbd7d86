-- Plans: what may be written, and what goes with one.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();
SET LOCAL search_path = patrol, public;

CREATE TEMP TABLE made AS WITH p AS (
    INSERT INTO coverage_plan (name, took_s, network_id, profile, time_zone,
        hours_learned, units, settings)
    VALUES ('Winter', 1, 1, 'patrol', 'UTC', 0, '{1,2}', '{}')
    RETURNING plan_id) SELECT plan_id FROM p;
SELECT lives_ok($$INSERT INTO coverage_plan_group
    SELECT plan_id, 1, 'day', '{6,7}' FROM made$$, 'a group');
SELECT throws_ok($$INSERT INTO coverage_plan_group
    SELECT plan_id, 2, 'never', '{}' FROM made$$, '23514', NULL,
    'none without hours');
SELECT lives_ok($$INSERT INTO coverage_plan_choice
    SELECT plan_id, 1, 1, 2, 4, 2, 2, 4, 0, 0, false FROM made$$, 'a choice');
SELECT lives_ok($$INSERT INTO coverage_plan_post
    SELECT plan_id, 1, 1, 1, 'SRID=4326;POINT(-82.4 23.1)', NULL, NULL, false,
    NULL, NULL, 2, 2, 2 FROM made$$, 'its post');
SELECT throws_ok($$INSERT INTO coverage_plan_post
    SELECT plan_id, 1, 2, 1, 'SRID=4326;POINT(-82.4 23.1)', NULL, NULL, false,
    NULL, NULL, 2, 2, 2 FROM made$$, '23503', NULL, 'none without its choice');
SELECT throws_ok($$INSERT INTO coverage_plan (name, took_s, network_id, profile,
    time_zone, hours_learned, units, settings)
    VALUES ('', 1, 1, 'patrol', 'UTC', 0, '{1}', '{}')$$, '23514', NULL,
    'none without a name');
DELETE FROM coverage_plan USING made WHERE coverage_plan.plan_id = made.plan_id;
SELECT is_empty($$SELECT FROM coverage_plan_post JOIN made USING (plan_id)$$,
    'its posts go with it');

SELECT * FROM finish();
ROLLBACK;
