-- Closures: what a row may say, and what is in force.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

INSERT INTO closure (kind, street) VALUES ('closed', 'Calle 23');
SELECT throws_ok(format(
    'INSERT INTO patrol.closure (street, kind, %s)', row), '23514', NULL,
    row || ' is refused')
FROM unnest(ARRAY[
    'factor) VALUES (''x'', ''closed'', 0.5',
    'factor) VALUES (''x'', ''slowed'', 1',
    'factor) VALUES (''x'', ''slowed'', null',
    'factor, speed_mps) VALUES (''x'', ''slowed'', 0.5, 3',
    'speed_mps) VALUES (''x'', ''slowed'', 0',
    'direction) VALUES (''x'', ''closed'', ''west''',
    'who) VALUES (''x'', ''closed'', ''''',
    'until) VALUES (''x'', ''closed'', now()',
    '"from", until) VALUES (''x'', ''closed'', now(), now() - interval ''1 s''',
    'reason) VALUES (''x'', ''wet'', ''rain'''
]) row;

INSERT INTO closure (kind, speed_mps, "from", until, removed_at, street) VALUES
    ('slowed', 3, now() - interval '1 h', NULL, NULL, 'since an hour'),
    ('slowed', 3, now() - interval '1 h', now() + interval '1 h', NULL, 'two hours'),
    ('slowed', 3, now() - interval '2 h', now() - interval '1 h', NULL, 'over'),
    ('slowed', 3, now() + interval '1 h', NULL, NULL, 'to come'),
    ('slowed', 3, now() - interval '1 h', NULL, now(), 'removed');
INSERT INTO closure_edge
SELECT closure_id, n, 7, n, n + 1, ST_SetSRID(ST_MakeLine(
    ST_MakePoint(n, 0), ST_MakePoint(n + 1, 0)), 4326)
FROM closure, generate_series(1, 2) n;
SELECT set_eq('SELECT street FROM patrol.closure_in_force',
    ARRAY['Calle 23', 'since an hour', 'two hours'], 'what is in force');
SELECT is((SELECT ST_AsText(geom) FROM closure_in_force WHERE street = 'Calle 23'),
    'MULTILINESTRING((1 0,2 0),(2 0,3 0))', 'with its pieces as a line');
SELECT throws_ok('INSERT INTO patrol.closure_edge SELECT * FROM patrol.closure_edge',
    '23505', NULL, 'a piece has its number');
DELETE FROM closure;
SELECT is((SELECT count(*) FROM closure_edge), 0::bigint,
    'pieces go with their closure');

SELECT * FROM finish();
ROLLBACK;
