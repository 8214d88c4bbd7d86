-- Partitions of position: UTC days, made once, by whoever comes first.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();
SET LOCAL search_path = patrol, public;

CREATE FUNCTION pg_temp.names(day date) RETURNS bigint LANGUAGE sql AS
    $$SELECT count(*) FROM pg_inherits
      WHERE inhparent = 'patrol.position'::regclass
      AND inhrelid::regclass::text ~ ('position_' || to_char(day, 'YYYYMMDD'))$$;

SELECT is(make_partitions('2030-03-01', '2030-03-10'), 10, 'ten days are made');
SELECT is(make_partitions('2030-03-01', '2030-03-10'), 0, 'once');
SELECT is(make_partitions('2030-03-09', '2030-03-12'), 2, 'only what is missing');
SELECT is(make_partitions('2030-03-12', '2030-03-11'), 0, 'no days, none');
SELECT is(pg_temp.names('2030-03-12'), 1::bigint, 'named after the day');
SELECT throws_like($$SELECT patrol.make_partitions('2000-01-01', '2020-01-01')$$,
    '%7305 days are more than 3660%', 'not without end');
SELECT is(make_partitions('2028-02-28', '2028-03-01'), 3, 'a leap day is a day');

-- Bounds are UTC midnights, whatever the session's time zone.
SET LOCAL TimeZone = 'America/Havana';
SELECT is(make_partitions('2031-07-01', '2031-07-01'), 1, 'made under local time');
SET LOCAL TimeZone = 'UTC';
SELECT is(pg_get_expr(relpartbound, oid),
    'FOR VALUES FROM (''2031-07-01 00:00:00+00'') TO (''2031-07-02 00:00:00+00'')',
    'from UTC midnight to UTC midnight')
FROM pg_class WHERE relname = 'position_20310701';

CREATE FUNCTION pg_temp.put(at timestamptz) RETURNS text LANGUAGE sql AS
    $$INSERT INTO patrol.position (unit_id, fix_time, received_at, geom, status,
        generation, seq, flags)
      VALUES (1, at, now(), ST_SetSRID(ST_MakePoint(-82.38, 23.13), 4326),
        'available', 1, 1, 1) RETURNING tableoid::regclass::text$$;
SELECT is(pg_temp.put('2030-03-01 00:00:00+00'), 'position_20300301',
    'midnight is the new day''s');
SELECT is(pg_temp.put('2030-03-01 23:59:59.999999+00'), 'position_20300301',
    'the last microsecond is the old day''s');
SELECT is(pg_temp.put('2030-03-02 01:30:00+02'), 'position_20300301',
    'an evening in UTC, a night elsewhere');
SELECT throws_ok($$SELECT pg_temp.put('2030-04-01 00:00:00+00')$$, '23514',
    NULL, 'no partition, no row: the store makes one then');
SELECT throws_ok($$SELECT pg_temp.put('2030-03-01 00:00:00+00')$$, '23505',
    NULL, 'each fix once: partitions have the key');

-- A day's question reads a day's partition.
CREATE FUNCTION pg_temp.plan_of(question text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || question LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END $$;
SELECT is((SELECT count(*) FROM regexp_matches(pg_temp.plan_of(
    $$SELECT FROM patrol.position WHERE unit_id = 1
      AND fix_time >= '2030-03-04' AND fix_time < '2030-03-05'$$),
    'on position_', 'g')), 1::bigint, 'one day, one partition');
SELECT alike(pg_temp.plan_of(
    $$SELECT FROM patrol.position WHERE unit_id = 1
      AND fix_time >= '2030-03-04' AND fix_time < '2030-03-05'$$),
    '%position_20300304%', 'the right one');

SELECT * FROM finish();
ROLLBACK;
