-- What was answered and noted goes when it is old, and nothing else does.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

-- Of each kind one row a day, 1 to 10 days ago.
CREATE TEMP TABLE day AS
SELECT n, now() - n * interval '1 day' AS at FROM generate_series(1, 10) n;
INSERT INTO eta_prediction (unit_id, asked_at, geom, profile, eta_s,
    position_age_s, departed_at, arrived_at, arrived_m, took_s)
SELECT 1, at, ST_SetSRID(ST_MakePoint(-82.4, 23.1), 4326), 'patrol', 1, 1, at,
    at, 1, 1 FROM day;
INSERT INTO coverage_snapshot SELECT 'gw', at, at, 0, 1, 5, 1, 1, '{1,0,0}', 1,
    '{1,0,0}' FROM day;
-- one that lasts still, and one of 5 days that ended yesterday
INSERT INTO coverage_gap
SELECT 'gw', 'mission', n, 'M', at - interval '1 hour', at FROM day
UNION ALL SELECT 'gw', 'mission', 11, 'M', now() - interval '30 days', NULL
UNION ALL SELECT 'gw', 'mission', 12, 'M', now() - interval '30 days',
    now() - interval '1 day';
-- over by themselves or removed; the last two are not over
INSERT INTO closure (kind, "from", until, street, removed_at)
SELECT 'closed', at - interval '1 day',
    CASE WHEN n % 2 = 0 THEN at END, 'S',
    CASE WHEN n % 2 = 1 THEN at END FROM day
UNION ALL SELECT 'closed', now() - interval '30 days', NULL, 'S', NULL
UNION ALL SELECT 'closed', now() - interval '30 days', now() + interval '1 h',
    'S', NULL;
INSERT INTO closure_edge SELECT closure_id, 1, 1, 1, 2,
    ST_GeomFromText('LINESTRING(0 0, 1 1)', 4326) FROM closure;
INSERT INTO coverage_run ("from", "to", clock, step_s, network_id, networks,
    profile, settings, made_of, read_at, made_at, took_s, fixes, units,
    units_mean, nobody_s)
SELECT at - interval '1 h', at, 'fix', 0, 1, 0, 'patrol', '{}', md5(''), at, at,
    1, 0, 0, 0, 0 FROM day;

SELECT throws_like($$SELECT patrol.forget(now() + interval '1 s')$$,
    '% is not over yet', 'not what is to come');
SELECT is(forget(NULL), NULL, 'no time, nothing');
SELECT is(forget(now() - interval '11 days'), 0::bigint, 'nothing so old');
SELECT is(forget(now() - interval '5.5 days', 3), 3 * 4 + 5::bigint,
    'a few at a time');
SELECT is(forget(now() - interval '5.5 days'), 2 * 4::bigint, 'the rest');
SELECT is(forget(now() - interval '5.5 days'), 0::bigint, 'once');
SELECT is(n, 5::bigint, t || ': five days are there') FROM (
    SELECT 'eta_prediction' AS t, count(*) AS n FROM eta_prediction
    UNION ALL SELECT 'coverage_snapshot', count(*) FROM coverage_snapshot
    UNION ALL SELECT 'coverage_gap', count(*) - 2 FROM coverage_gap
    UNION ALL SELECT 'closure', count(*) - 2 FROM closure
    UNION ALL SELECT 'closure_edge', count(*) - 2 FROM closure_edge
    UNION ALL SELECT 'coverage_run', count(*) FROM coverage_run) x;
SELECT is(count(*), 1::bigint, 'what lasts still stays') FROM coverage_gap
    WHERE ended_at IS NULL;
SELECT is(count(*), 1::bigint, 'what ended lately stays, however old')
    FROM coverage_gap WHERE subject_id = 12;

SELECT * FROM finish();
ROLLBACK;
