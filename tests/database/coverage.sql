-- Figures of cover, and gaps.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

CREATE FUNCTION pg_temp.snapshot(missions integer, promised integer,
    within integer[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO patrol.coverage_snapshot VALUES ('gw', now(), now(), 0, 1, 5,
        missions, promised, within, 100, '{90,50,0}')$$;
SELECT lives_ok($$SELECT pg_temp.snapshot(3, 2, '{2,1,0}')$$, 'a snapshot');
SELECT throws_ok($$SELECT pg_temp.snapshot(3, 2, '{2,1,0}')$$, '23505', NULL,
    'one a gateway, time and zone');
DELETE FROM coverage_snapshot;
SELECT throws_ok(format('SELECT pg_temp.snapshot(%s)', bad), '23514', NULL,
    bad || ' is refused')
FROM unnest(ARRAY['3, 4, ''{2,1,0}''', '3, 2, ''{2,1}''']) bad;

CREATE FUNCTION pg_temp.gap(subject text, lasted interval)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO patrol.coverage_gap VALUES ('gw', subject, 7, 'Canada',
        now() - interval '1 hour', now() - interval '1 hour' + lasted)$$;
SELECT lives_ok($$SELECT pg_temp.gap('mission', NULL)$$, 'a gap that lasts');
SELECT throws_ok($$SELECT pg_temp.gap('mission', '1 min')$$, '23505', NULL,
    'a gap begins once');
SELECT lives_ok($$SELECT pg_temp.gap('zone', '1 min')$$,
    'a zone may have the same number');
DELETE FROM coverage_gap;
SELECT throws_ok($$SELECT pg_temp.gap('street', '1 min')$$, '23514', NULL,
    'missions and zones only');
SELECT throws_ok($$SELECT pg_temp.gap('zone', '-1 min')$$, '23514', NULL,
    'none ends before it begins');

SELECT * FROM finish();
ROLLBACK;
