-- What programs such as QGIS open: a key, one column of places, and its system.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

-- PostGIS' own list of columns of places is what QGIS reads
SELECT is(t.found, t.expected, 'one column of places each, typed') FROM (
    SELECT ARRAY(SELECT concat_ws(' ', f_table_name, f_geometry_column,
            coord_dimension, srid, type) FROM geometry_columns
        WHERE f_table_schema = 'patrol'
        AND (f_table_name LIKE 'live\_%' OR f_table_name = 'past_mission')
        ORDER BY 1) AS found,
    ARRAY['live_gap geom 2 4326 MULTIPOLYGON', 'live_mission geom 2 4326 POINT',
        'live_street geom 2 4326 LINESTRING', 'live_unit geom 2 4326 POINT',
        'live_zone geom 2 4326 MULTIPOLYGON', 'past_mission geom 2 4326 POINT']
        AS expected) t;
SELECT col_is_pk('patrol'::name, t::name, k::name, t || ' has its key')
FROM (VALUES ('live_gap', 'gap_id'), ('live_mission', 'mission_id'),
    ('live_street', 'piece_id'), ('live_zone', 'zone_id')) x (t, k);

INSERT INTO unit (call_sign) VALUES ('A1');
INSERT INTO latest_position SELECT unit_id, now() - interval '30 s', now(),
    ST_SetSRID(ST_MakePoint(-82.4, 23.1), 4326), 5, 90, 4, 'busy', 1, 1, 3
FROM unit WHERE call_sign = 'A1';
SELECT results_eq($$SELECT call_sign, status::text, age_s, speed_mps
    FROM patrol.live_unit$$, $$VALUES ('A1', 'busy', 30::real, 5::real)$$,
    'units by name, with their age');

INSERT INTO coverage_run ("from", "to", clock, step_s, network_id, networks,
    profile, settings, made_of, read_at, made_at, took_s, fixes, units,
    units_mean, nobody_s)
SELECT '2026-05-01 00:00Z', '2026-05-02 00:00Z', 'fix', 300, 1, 0, 'patrol', '{}',
    md5(''), now(), now() + n * interval '1 s', 1, 0, 0, 0, 0
FROM generate_series(1, 2) n;
INSERT INTO coverage_run_mission (run_id, mission_id, name, time_zone, geom,
    off_road, promise_s, out_s, outages, longest_s)
SELECT run_id, 7, 'Canada', 'UTC', ST_SetSRID(ST_MakePoint(-82.4, 23.1), 4326),
    false, 300, 60 * row_number() OVER (ORDER BY made_at), 1, 30
FROM coverage_run;
SELECT results_eq('SELECT mission_id, name, out_min, longest_min
    FROM patrol.past_mission', $$VALUES (7, 'Canada', 2::float8, 0.5::float8)$$,
    'the newest answer about the past, a mission once');

SELECT throws_ok($$INSERT INTO patrol.live_made VALUES ('somebody', 'gw', now(),
    now(), 1, 'patrol', 0, 1, 0)$$, '23514', NULL, 'one row at most');

SELECT * FROM finish();
ROLLBACK;
