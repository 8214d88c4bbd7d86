-- Two sessions ask for the same days; the first holds its transaction open.
-- A file of its own: the test's own transaction must not hold the lock.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS dblink;
SELECT no_plan();

CREATE FUNCTION pg_temp.url() RETURNS text LANGUAGE sql AS
    $$SELECT format('host=%s dbname=%s user=%s',
        split_part(current_setting('unix_socket_directories'), ',', 1),
        current_database(), current_user)$$;
SELECT dblink_connect('a', pg_temp.url()), dblink_connect('b', pg_temp.url());
SELECT dblink_exec('a', 'BEGIN');
SELECT is((SELECT n FROM dblink('a',
    $$SELECT patrol.make_partitions('2032-01-01', '2032-01-05')$$) AS r (n int)),
    5, 'the first makes them');
SELECT is(dblink_send_query('b',
    $$SELECT patrol.make_partitions('2032-01-01', '2032-01-06')$$), 1, 'sent');
SELECT pg_sleep(0.3);
SELECT is(dblink_is_busy('b'), 1, 'the second waits');
SELECT dblink_exec('a', 'COMMIT');
SELECT is((SELECT n FROM dblink_get_result('b') AS r (n int)), 1,
    'and makes what is still missing');
SELECT is_empty($$SELECT * FROM dblink_get_result('b') AS r (n int)$$);

-- A writer under way neither waits nor keeps anybody waiting.
SELECT dblink_exec('a', 'BEGIN');
SELECT dblink_exec('a', $$INSERT INTO patrol.position (unit_id, fix_time,
    received_at, geom, status, generation, seq, flags) VALUES (1, '2032-01-01',
    now(), ST_SetSRID(ST_MakePoint(0, 0), 4326), 'available', 1, 1, 1)$$);
SELECT dblink_exec('b', $$SET lock_timeout = '2s'$$);
SELECT is((SELECT n FROM dblink('b',
    $$SELECT patrol.make_partitions('2032-01-07', '2032-01-07')$$) AS r (n int)),
    1, 'made while another gateway writes');
SELECT dblink_exec('a', 'ROLLBACK');

-- what the other sessions left
SELECT dblink_exec('a', format('DROP TABLE patrol.position_%s',
    to_char(day, 'YYYYMMDD')))
FROM generate_series(date '2032-01-01', date '2032-01-07', '1 day') AS day;
SELECT dblink_disconnect('a'), dblink_disconnect('b');

SELECT * FROM finish();
ROLLBACK;
