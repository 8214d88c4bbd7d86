-- What is kept of past cover goes with its question.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

CREATE FUNCTION pg_temp.run(lasts interval, clock text, made_of text)
RETURNS integer LANGUAGE sql AS $$
    INSERT INTO patrol.coverage_run ("from", "to", clock, step_s, network_id,
        networks, profile, settings, made_of, read_at, took_s, fixes, units,
        units_mean, nobody_s)
    VALUES ('2026-05-01 00:00Z', timestamptz '2026-05-01 00:00Z' + lasts, clock,
        300, 1, 0, 'patrol', '{}', made_of, now(), 1, 0, 0, 0, 0)
    RETURNING run_id$$;
SELECT throws_ok(format('SELECT pg_temp.run(%s)', bad), '23514', NULL,
    bad || ' is refused')
FROM unnest(ARRAY['''0 s'', ''fix'', md5('''')',
    '''1 h'', ''wall'', md5('''')', '''1 h'', ''fix'', ''x''']) bad;

CREATE TEMP TABLE made AS SELECT pg_temp.run('1 h', 'fix', md5('')) AS run_id;
INSERT INTO coverage_run_mission (run_id, mission_id, name, time_zone, geom,
    off_road, promise_s, out_s, outages, longest_s)
SELECT run_id, 7, 'Canada', 'UTC', ST_SetSRID(ST_MakePoint(-82.4, 23.1), 4326),
    false, 300, 60, 1, 60 FROM made;
INSERT INTO coverage_run_hour SELECT run_id, 7, 5, '{60,1740,1800,0}', 2
FROM made;
INSERT INTO coverage_run_gap SELECT run_id, 7, '2026-05-01 00:10Z',
    '2026-05-01 00:11Z' FROM made;
INSERT INTO coverage_run_zone (run_id, zone_id, name, time_zone, missions,
    promised) SELECT run_id, 0, 'all', 'UTC', 1, 1 FROM made;
INSERT INTO coverage_run_snapshot SELECT run_id, '2026-05-01 00:00Z', 0, 3,
    '{1,0,0}', 1000, '{900,500,0}' FROM made;
SELECT throws_ok($$INSERT INTO patrol.coverage_run_hour
    SELECT run_id, 7, 168, '{0,0,0,0}', 0 FROM made$$, '23514', NULL,
    'a week has 168 hours');
SELECT throws_ok($$INSERT INTO patrol.coverage_run_hour
    SELECT run_id, 7, 6, '{0,0,0}', 0 FROM made$$, '23514', NULL,
    'seconds with 0, 1, 2, and 3 or more');
SELECT throws_ok($$INSERT INTO patrol.coverage_run_gap
    SELECT run_id, 8, '2026-05-01 00:10Z', '2026-05-01 00:11Z' FROM made$$,
    '23503', NULL, 'gaps are those of a mission');
SELECT lives_ok($$INSERT INTO patrol.coverage_run_hour
    SELECT run_id, 7, 6, '{0,0,0,0}', NULL FROM made$$,
    'passes need not be known');
DELETE FROM coverage_run;
SELECT is_empty('SELECT 1 FROM patrol.' || t, t || ' goes with it')
FROM unnest(ARRAY['coverage_run_mission', 'coverage_run_hour',
    'coverage_run_gap', 'coverage_run_zone', 'coverage_run_snapshot']) t;

SELECT * FROM finish();
ROLLBACK;
