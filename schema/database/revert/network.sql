-- Revert patrol:network from pg
-- Streets that only other profiles use go, and what is left is numbered
-- 1..n anew; bans on a way over other streets go, too.

BEGIN;

SET LOCAL search_path = patrol, public;

DROP TABLE road_cost;
DROP TABLE road_profile;

CREATE TEMPORARY TABLE kept ON COMMIT DROP AS
    SELECT e.*, row_number() OVER (ORDER BY edge_id)::integer AS number
    FROM road_edge e WHERE forward_ms IS NOT NULL OR backward_ms IS NOT NULL;
CREATE TEMPORARY TABLE banned ON COMMIT DROP AS
    SELECT a.number AS from_edge, t.from_forward, b.number AS to_edge,
           t.to_forward, t.relation_id
    FROM road_turn t JOIN kept a ON a.edge_id = t.from_edge
    JOIN kept b ON b.edge_id = t.to_edge WHERE t.via = '{}';
TRUNCATE road_turn, road_edge;

ALTER TABLE road_turn
    DROP CONSTRAINT road_turn_pkey,
    ADD PRIMARY KEY (from_edge, from_forward, to_edge, to_forward),
    DROP COLUMN via,
    DROP COLUMN except_classes;
ALTER TABLE road_edge
    DROP COLUMN surface,
    DROP COLUMN smoothness,
    DROP COLUMN tracktype,
    DROP COLUMN service,
    DROP COLUMN access,
    DROP COLUMN oneway,
    DROP COLUMN oneway_except,
    DROP COLUMN maxspeed_kind,
    DROP COLUMN lanes,
    DROP COLUMN layer,
    DROP COLUMN bridge,
    DROP COLUMN tunnel,
    DROP COLUMN roundabout,
    DROP COLUMN barrier,
    DROP COLUMN signals_forward,
    DROP COLUMN signals_backward,
    DROP COLUMN stops_forward,
    DROP COLUMN stops_backward,
    DROP COLUMN give_ways_forward,
    DROP COLUMN give_ways_backward,
    DROP COLUMN crossings,
    DROP COLUMN calmings,
    ADD CONSTRAINT road_edge_check
        CHECK (forward_ms IS NOT NULL OR backward_ms IS NOT NULL);
INSERT INTO road_edge (edge_id, way_id, source, target, class, name, ref,
    length_m, forward_ms, backward_ms, maxspeed_forward_kmh,
    maxspeed_backward_kmh, geom)
SELECT number, way_id, source, target, class, name, ref, length_m, forward_ms,
    backward_ms, maxspeed_forward_kmh, maxspeed_backward_kmh, geom FROM kept;
INSERT INTO road_turn SELECT * FROM banned;
DELETE FROM road_node WHERE node_id NOT IN
    (SELECT source FROM road_edge UNION SELECT target FROM road_edge);

ALTER TABLE road_node DROP COLUMN control, DROP COLUMN barrier;
ALTER TABLE road_network DROP COLUMN facts;

-- Edges may have other numbers now: gateways must read them anew.
INSERT INTO road_network (source, nodes, edges, turns, length_m, summary)
SELECT source, (SELECT count(*) FROM road_node),
    (SELECT count(*) FROM road_edge), (SELECT count(*) FROM road_turn),
    (SELECT coalesce(sum(length_m), 0) FROM road_edge), summary
FROM road_network ORDER BY network_id DESC LIMIT 1;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT format('COLUMN patrol.%I.%I', c.relname, a.attname)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'patrol'::regnamespace AND a.attnum > 0
        AND c.relkind = 'r' AND c.relname ~ '^road_'
        AND NOT a.attisdropped
    LOOP
        EXECUTE format('COMMENT ON %s IS NULL', name);
    END LOOP;
END $$;
COMMENT ON TABLE road_network IS NULL;
COMMENT ON TABLE road_turn IS NULL;

COMMIT;
