-- Deploy patrol:closures to pg
-- requires: patrol
-- Streets that a dispatcher has closed or slowed until a time, by what
-- OpenStreetMap calls their pieces: they outlive the next import.

BEGIN;

SET LOCAL search_path = patrol, public;

CREATE TABLE closure (
    closure_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('closed', 'slowed')),
    factor     real CHECK (factor > 0 AND factor < 1),
    speed_mps  real CHECK (speed_mps > 0 AND speed_mps <= 100),
    direction  text NOT NULL DEFAULT 'both'
               CHECK (direction IN ('both', 'forward', 'backward')),
    "from"     timestamptz NOT NULL DEFAULT now(),
    until      timestamptz,
    street     text NOT NULL CHECK (length(street) BETWEEN 1 AND 400),
    who        text CHECK (length(who) BETWEEN 1 AND 64),
    reason     text CHECK (length(reason) BETWEEN 1 AND 256),
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    CHECK (num_nonnulls(factor, speed_mps) = (kind = 'slowed')::integer),
    CHECK (until > "from")
);
CREATE INDEX ON closure (until) WHERE removed_at IS NULL;
COMMENT ON TABLE closure IS
    'Streets closed or slowed. What is over, or was removed, stays: times of drives are judged by what was closed then';
COMMENT ON COLUMN closure.factor IS
    'Of the usual speed; of a slowed one either this or speed_mps';
COMMENT ON COLUMN closure.speed_mps IS
    'Nobody drives faster than this';
COMMENT ON COLUMN closure.direction IS
    'forward: only whoever drives from from_node to to_node of its edges; backward: only the others';
COMMENT ON COLUMN closure.until IS
    'Null: until it is removed';
COMMENT ON COLUMN closure.street IS
    'In words, with the names that the map had: "Calle 23 (Calle L - Calle M)"';
COMMENT ON COLUMN closure.who IS
    'As told by whoever closed it; nobody has checked it';

CREATE TABLE closure_edge (
    closure_id integer NOT NULL REFERENCES closure ON DELETE CASCADE,
    number     integer NOT NULL CHECK (number > 0),
    way_id     bigint NOT NULL,
    from_node  bigint NOT NULL,
    to_node    bigint NOT NULL,
    geom       geometry(LineString, 4326) NOT NULL,
    PRIMARY KEY (closure_id, number)
);
COMMENT ON TABLE closure_edge IS
    'The pieces of street of a closure, from junction to junction of the map that it was made on, by OpenStreetMap''s ids (road_node.node_id). On a later map they are looked for by these, else along the way, else by the line';

CREATE VIEW closure_in_force AS
SELECT c.*, e.geom
FROM closure c
CROSS JOIN LATERAL (SELECT ST_Collect(geom ORDER BY number)
                        ::geometry(MultiLineString, 4326) AS geom
                    FROM closure_edge WHERE closure_id = c.closure_id) e
WHERE removed_at IS NULL AND "from" <= now()
AND (until IS NULL OR until > now());

CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON closure
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('closures');

COMMIT;
