-- Old days go when somebody says so, and nothing else does.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();
SET LOCAL search_path = patrol, public;

CREATE FUNCTION pg_temp.days() RETURNS bigint LANGUAGE sql AS
    $$SELECT count(*) FROM pg_inherits
      WHERE inhparent = 'patrol.position'::regclass$$;
CREATE FUNCTION pg_temp.put(at timestamptz) RETURNS void LANGUAGE sql AS
    $$INSERT INTO patrol.position (unit_id, fix_time, received_at, geom, status,
        generation, seq, flags)
      VALUES (1, at, now(), ST_SetSRID(ST_MakePoint(-82.38, 23.13), 4326),
        'available', 1, 1, 1)$$;
CREATE TEMP TABLE before AS SELECT pg_temp.days() AS days;

SELECT is(make_partitions('2016-02-27', '2016-03-02'), 5, 'five old days');
SELECT pg_temp.put('2016-02-27 12:00:00+00');
SELECT pg_temp.put('2016-02-29 23:59:59.999999+00');
SELECT pg_temp.put('2016-03-01 00:00:00+00');
INSERT INTO unit_event (unit_id, generation, seq, event_time, kind, status)
    VALUES (1, 1, 1, '2016-02-27 12:00:00+00', 'panic', 'busy');

SELECT is(drop_partitions('2016-02-27'), 0, 'nothing before the first');
SELECT is(drop_partitions('2016-03-01'), 3, 'three days went, a leap day too');
SELECT results_eq('SELECT fix_time FROM patrol.position WHERE unit_id = 1',
    $$VALUES ('2016-03-01 00:00:00+00'::timestamptz)$$,
    'midnight belongs to the day that stays');
SELECT is(drop_partitions('2016-03-01'), 0, 'once');
SELECT hasnt_table('patrol'::name, 'position_20160229'::name);
SELECT has_table('patrol'::name, 'position_20160301'::name);
SELECT is(count(*), 1::bigint, 'what crews did stays') FROM unit_event
    WHERE unit_id = 1;
SELECT is(make_partitions('2016-02-29', '2016-02-29'), 1, 'can be made anew');
SELECT is(drop_partitions('2016-03-03'), 3, 'all of them');

-- Other tables under the same parent or with such a name are not ours.
CREATE TABLE patrol.position_20150101 (a integer);
CREATE TABLE patrol.position_kept (LIKE patrol.position);
ALTER TABLE patrol.position ATTACH PARTITION patrol.position_kept
    FOR VALUES FROM ('2010-01-01') TO ('2011-01-01');
SELECT is(drop_partitions('2016-06-01'), 0, 'strangers are left alone');
SELECT has_table('patrol'::name, 'position_20150101'::name);
ALTER TABLE patrol.position DETACH PARTITION patrol.position_kept;

SELECT is(pg_temp.days(), (SELECT days FROM before), 'the rest stands');
SELECT throws_like(
    $$SELECT patrol.drop_partitions((now() AT TIME ZONE 'UTC')::date + 1)$$,
    '% is not over yet', 'not today''s');
SELECT is(drop_partitions(NULL), NULL, 'no date, nothing');
SELECT is(pg_temp.days(), (SELECT days FROM before), 'still all there');

-- Under local time the days are UTC's all the same.
CREATE FUNCTION pg_temp.today() RETURNS date LANGUAGE sql AS
    $$SELECT (now() AT TIME ZONE 'UTC')::date$$;
SELECT drop_partitions(pg_temp.today());
SET LOCAL TimeZone = 'America/Havana';
SELECT make_partitions(pg_temp.today() - 2, pg_temp.today());
SELECT is(drop_partitions(pg_temp.today()), 2, 'the two before today');
SELECT isnt(to_regclass('patrol.position_' ||
    to_char(pg_temp.today(), 'YYYYMMDD')), NULL, 'today stays');

SELECT * FROM finish();
ROLLBACK;
