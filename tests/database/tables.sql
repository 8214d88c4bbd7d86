-- Tables, columns, keys and constraints that the programs rely on, by the
-- names of the design.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();
SET LOCAL search_path = patrol, public;

SELECT has_table('patrol'::name, t::name) FROM unnest(ARRAY[
    'unit', 'device', 'unit_device', 'position', 'unit_event',
    'latest_position', 'receipt', 'quarantine', 'zone', 'mission',
    'road_network', 'road_node', 'road_edge', 'road_turn']) t;

-- columns, in order
SELECT columns_are('patrol'::name, t::name, c) FROM (VALUES
    ('unit', ARRAY['unit_id', 'call_sign', 'kind', 'capabilities']::name[]),
    ('device', ARRAY['device_id', 'name']),
    ('unit_device', ARRAY['unit_id', 'device_id', 'from', 'to']),
    ('position', ARRAY['unit_id', 'fix_time', 'received_at', 'geom',
        'speed_mps', 'course_deg', 'accuracy_m', 'status', 'generation',
        'seq', 'flags']),
    ('latest_position', ARRAY['unit_id', 'fix_time', 'received_at', 'geom',
        'speed_mps', 'course_deg', 'accuracy_m', 'status', 'generation',
        'seq', 'flags']),
    ('unit_event', ARRAY['unit_id', 'generation', 'seq', 'event_time', 'kind',
        'status', 'detail', 'time_from_gateway', 'received_at']),
    ('receipt', ARRAY['device_id', 'generation', 'stored_to', 'ranges',
        'lost', 'updated_at'])
) AS expected (t, c);

SELECT col_is_pk('patrol'::name, 'position'::name,
    ARRAY['unit_id', 'fix_time', 'generation', 'seq']::name[],
    'position''s key is the design''s');
SELECT col_is_pk('patrol'::name, 'unit_event'::name,
    ARRAY['unit_id', 'generation', 'seq']::name[], 'unit_event''s key');
SELECT col_is_pk('patrol'::name, 'receipt'::name,
    ARRAY['device_id', 'generation']::name[], 'receipt''s key');
SELECT col_is_pk('patrol'::name, 'latest_position'::name,
    ARRAY['unit_id']::name[], 'latest_position''s key');
SELECT col_is_unique('patrol'::name, 'unit'::name, ARRAY['call_sign']::name[]);
SELECT col_is_unique('patrol'::name, 'device'::name, ARRAY['name']::name[]);

-- EPSG:4326 everywhere
SELECT is(srid, 4326, f_table_name || '.' || f_geometry_column || ' is EPSG:4326')
FROM geometry_columns WHERE f_table_schema = 'patrol'
AND f_table_name !~ '^position_';
SELECT col_type_is('patrol'::name, 'position'::name, 'fix_time'::name,
    'timestamp with time zone', 'times have a zone');
SELECT enum_has_labels('patrol', 'unit_status', ARRAY['unknown', 'available',
    'en_route', 'on_scene', 'busy', 'off_duty']);

-- ---------------------------------------------------------------- constraints
SELECT throws_ok($$INSERT INTO unit (call_sign) VALUES ('')$$, '23514', NULL,
    'a call sign has a letter');
SELECT throws_ok($$INSERT INTO unit (call_sign, kind) VALUES ('x', 'boat')$$,
    '23514', NULL, 'a kind is one of the list');
SELECT throws_ok($$INSERT INTO device (name) VALUES ('a/b')$$, '23514', NULL,
    'a device''s name fits a topic level');
SELECT throws_ok($$INSERT INTO device (name) VALUES (repeat('a', 65))$$,
    '23514', NULL, 'a device''s name has at most 64 letters');
SELECT lives_ok($$INSERT INTO device (name) VALUES (repeat('a', 64))$$,
    '64 are enough');
SELECT throws_ok($$INSERT INTO zone (name, geom) VALUES ('bow',
    ST_GeomFromText('MULTIPOLYGON(((0 0,1 1,1 0,0 1,0 0)))', 4326))$$,
    '23514', NULL, 'a zone that crosses itself is refused');
SELECT throws_ok($$INSERT INTO mission (name, geom) VALUES ('m',
    ST_SetSRID(ST_MakePoint(0, 0), 32617))$$,
    '22023', NULL, 'another reference system is refused');
SELECT throws_ok($$INSERT INTO receipt (device_id, generation, stored_to)
    SELECT device_id, 1, -1 FROM device LIMIT 1$$, '23514', NULL,
    'stored_to is not below 0');
SELECT throws_ok($$INSERT INTO receipt (device_id, generation)
    VALUES (-1, 1)$$, '23503', NULL, 'a receipt needs its device');

-- ------------------------------------------- a device is one unit at a time
INSERT INTO unit (call_sign) VALUES ('A'), ('B');
INSERT INTO device (name) VALUES ('d');
CREATE FUNCTION pg_temp.u(sign text) RETURNS integer LANGUAGE sql AS
    'SELECT unit_id FROM patrol.unit WHERE call_sign = sign';
CREATE FUNCTION pg_temp.d() RETURNS integer LANGUAGE sql AS
    $$SELECT device_id FROM patrol.device WHERE name = 'd'$$;
INSERT INTO unit_device (unit_id, device_id, "from", "to")
    VALUES (pg_temp.u('A'), pg_temp.d(), '2026-01-01', '2026-02-01');
SELECT throws_ok($$INSERT INTO unit_device (unit_id, device_id, "from", "to")
    VALUES (pg_temp.u('B'), pg_temp.d(), '2026-01-31', '2026-03-01')$$,
    '23P01', NULL, 'not two units at once');
SELECT lives_ok($$INSERT INTO unit_device (unit_id, device_id, "from")
    VALUES (pg_temp.u('B'), pg_temp.d(), '2026-02-01')$$,
    'handed over at that moment: "from" is inclusive, "to" exclusive');
SELECT throws_ok($$INSERT INTO unit_device (unit_id, device_id, "from")
    VALUES (pg_temp.u('A'), pg_temp.d(), '2030-01-01')$$,
    '23P01', NULL, 'an open period has no end');
SELECT throws_ok($$INSERT INTO unit_device (unit_id, device_id, "from", "to")
    VALUES (pg_temp.u('A'), pg_temp.d(), '2025-02-01', '2025-02-01')$$,
    '23514', NULL, 'a period is longer than nothing');

-- ------------------------------------------------------------- what goes with
INSERT INTO receipt (device_id, generation) VALUES (pg_temp.d(), 5);
SELECT is(ranges, '{}'::int8multirange, 'ranges start empty') FROM receipt
    WHERE device_id = pg_temp.d();
INSERT INTO latest_position VALUES (pg_temp.u('A'), now(), now(),
    ST_SetSRID(ST_MakePoint(0, 0), 4326), NULL, NULL, NULL, 'unknown', 1, 1, 0);
DELETE FROM device WHERE name = 'd';
SELECT is_empty($$SELECT * FROM unit_device$$, 'a device takes its periods along');
SELECT is_empty($$SELECT * FROM receipt$$, 'and its ledgers');
DELETE FROM unit WHERE call_sign = 'A';
SELECT is_empty($$SELECT * FROM latest_position$$, 'a unit takes its newest fix along');

-- ------------------------------------------------------------------- streets
INSERT INTO road_node VALUES (1, ST_SetSRID(ST_MakePoint(0, 0), 4326));
SELECT throws_ok($$INSERT INTO road_edge (edge_id, way_id, source, target,
    class, length_m, forward_ms, geom) VALUES (1, 1, 1, 1, 'residential', 1, 0,
    ST_GeomFromText('LINESTRING(0 0,0 1)', 4326))$$, '23514', NULL,
    'no way takes no time');

SELECT * FROM finish();
ROLLBACK;
