-- Facts of the streets, forbidden sequences, profiles and their costs.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

INSERT INTO road_node (node_id, geom) VALUES
    (1, ST_SetSRID(ST_MakePoint(0, 0), 4326)),
    (2, ST_SetSRID(ST_MakePoint(1, 0), 4326));
INSERT INTO road_edge (edge_id, way_id, source, target, class, length_m, geom)
VALUES (1, 10, 1, 2, 'pedestrian', 5,
    ST_GeomFromText('LINESTRING(0 0,1 0)', 4326));
SELECT is((SELECT count(*) FROM road_edge), 1::bigint,
    'an edge need not be for the first profile');
SELECT throws_ok(format('UPDATE patrol.road_edge SET %s', change), '23514',
    NULL, change || ' is refused')
FROM unnest(ARRAY['forward_ms = 0', 'oneway = ''yes''', 'lanes = 0',
    'maxspeed_kind = ''50''']) change;
SELECT throws_ok($$UPDATE patrol.road_node SET control = 'lights'$$, '23514',
    NULL, 'a control is one of the list');

SELECT ok(is_main, 'whoever does not look at islands has none')
FROM road_edge;

-- ----------------------------------------------------------------- sequences
INSERT INTO road_turn VALUES (1, true, 2, true, 70);
INSERT INTO road_turn (from_edge, from_forward, via, to_edge, to_forward)
VALUES (1, true, '{3,-4}', 2, true), (1, true, '{3}', 2, true);
SELECT is((SELECT count(*) FROM road_turn), 3::bigint,
    'the way over other edges is part of the key');
SELECT throws_ok($$INSERT INTO patrol.road_turn (from_edge, from_forward, via,
    to_edge, to_forward) VALUES (1, true, '{3,-4}', 2, true)$$, '23505', NULL,
    'the same sequence once');

-- ------------------------------------------------------------------ profiles
CREATE FUNCTION pg_temp.add(id integer, name text, keeps boolean,
    turns integer[], controls integer[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO patrol.road_profile VALUES
        (id::smallint, name, false, keeps, turns, controls, '')$$;
SELECT lives_ok($$SELECT pg_temp.add(1, 'patrol', true,
    '{0,1,2,3,4,5,null,null}', '{0,1,2,3}')$$, 'a profile that keeps the rules');
SELECT lives_ok($$SELECT pg_temp.add(2, 'emergency', false,
    '{0,1,2,3,4,null,6,7}', '{0,1,2,3}')$$, 'one that does not');
SELECT throws_ok(format($$SELECT pg_temp.add(3, 'x', true, '%s', '%s')$$,
    turns, controls), '23514', NULL, turns || ' ' || controls || ' is refused')
FROM (VALUES ('{0,1,2,3,4,5,null}', '{0,1,2,3}'),
    ('{0,1,2,3,4,5,6,7}', '{0,1,2,3}'),
    ('{null,1,2,3,4,5,6,null}', '{0,1,2,3}'),
    ('{0,1,2,3,4,5,-6,null}', '{0,1,2,3}'),
    ('{0,1,2,3,4,5,6,null}', '{0,1,2}'),
    ('{0,1,2,3,4,5,6,null}', '{0,1,2,null}'),
    ('{0,1,2,3,4,5,6,null}', '{0,1,2,-3}')) t (turns, controls);
SELECT throws_ok($$SELECT pg_temp.add(3, 'Blue light', true,
    '{0,1,2,3,4,5,null,null}', '{0,1,2,3}')$$, '23514', NULL,
    'a name is one word');
SELECT throws_ok($$SELECT pg_temp.add(3, 'patrol', true,
    '{0,1,2,3,4,5,null,null}', '{0,1,2,3}')$$, '23505', NULL, 'names are unique');

INSERT INTO road_cost VALUES (1, 1, 5, NULL);
SELECT throws_ok($$INSERT INTO patrol.road_cost VALUES (2, 1, NULL, NULL)$$,
    '23514', NULL, 'not at all is no row');
SELECT throws_ok($$INSERT INTO patrol.road_cost VALUES (2, 1, 0, 5)$$,
    '23514', NULL, 'nothing takes no time');
SELECT col_is_pk('patrol'::name, 'road_cost'::name,
    ARRAY['profile_id', 'edge_id']::name[],
    'a cost a profile and edge');

SELECT * FROM finish();
ROLLBACK;
