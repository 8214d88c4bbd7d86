-- Deploy patrol:patrol to pg
-- The tables of the tracking core. Times are timestamptz (UTC), geometry is
-- EPSG:4326, speeds are m/s, distances metres, durations ms where a column
-- says so and seconds where it says so.

BEGIN;

CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS btree_gist; -- for unit_device's exclusion
CREATE SCHEMA patrol;
SET LOCAL search_path = patrol, public;

CREATE TYPE unit_status AS ENUM
    ('unknown', 'available', 'en_route', 'on_scene', 'busy', 'off_duty');

-- ---------------------------------------------------------------- who is who
CREATE TABLE unit (
    unit_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_sign    text NOT NULL UNIQUE
                 CHECK (length(call_sign) BETWEEN 1 AND 64),
    kind         text NOT NULL DEFAULT 'car'
                 CHECK (kind IN ('car', 'motorcycle', 'van', 'foot', 'other')),
    capabilities text[] NOT NULL DEFAULT '{}'
);

-- The name in a device's certificate; it never changes.
CREATE TABLE device (
    device_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9._-]{1,64}$')
);

-- Which unit a device is, and when. "from" inclusive, "to" exclusive, open
-- when null.
CREATE TABLE unit_device (
    unit_id   integer NOT NULL REFERENCES unit ON DELETE CASCADE,
    device_id integer NOT NULL REFERENCES device ON DELETE CASCADE,
    "from"    timestamptz NOT NULL DEFAULT now(),
    "to"      timestamptz,
    PRIMARY KEY (unit_id, device_id, "from"),
    CHECK ("to" IS NULL OR "to" > "from")
);
ALTER TABLE unit_device ADD CONSTRAINT device_is_one_unit_at_a_time
    EXCLUDE USING gist (device_id WITH =, tstzrange("from", "to") WITH &&);

-- -------------------------------------------------------------- what they said
CREATE TABLE position (
    unit_id     integer NOT NULL,
    fix_time    timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    geom        geometry(Point, 4326) NOT NULL,
    speed_mps   real,
    course_deg  real,
    accuracy_m  real,
    status      unit_status NOT NULL,
    generation  bigint NOT NULL,
    seq         bigint NOT NULL,
    flags       integer NOT NULL,
    PRIMARY KEY (unit_id, fix_time, generation, seq)
) PARTITION BY RANGE (fix_time);
COMMENT ON COLUMN position.flags IS
    'bits: 0 position, 1 speed, 2 course, 3 accuracy, 4 three-dimensional, 5 clock unsure, 6 outbox unsafe; 16 jump flagged by intake';

-- One partition a UTC day, position_YYYYMMDD. Returns how many were made.
-- Safe to call at any time, by several gateways at once. A partition is made
-- aside and attached: that waits for no reader and no writer of position,
-- where CREATE TABLE ... PARTITION OF would lock them all out.
CREATE FUNCTION make_partitions(first_day date, last_day date)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    day date;
    made integer := 0;
    name text;
BEGIN
    IF last_day - first_day > 3660 THEN
        RAISE EXCEPTION 'make_partitions: % days are more than 3660',
            last_day - first_day;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('patrol.make_partitions'));
    FOR day IN SELECT first_day + n
               FROM generate_series(0, last_day - first_day) n LOOP
        name := 'position_' || to_char(day, 'YYYYMMDD');
        IF to_regclass('patrol.' || name) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE patrol.%I (LIKE patrol.position '
                'INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
            EXECUTE format(
                'ALTER TABLE patrol.position ATTACH PARTITION patrol.%I '
                'FOR VALUES FROM (%L) TO (%L)', name,
                day::timestamp AT TIME ZONE 'UTC',
                (day + 1)::timestamp AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- Retention is the operator's decision, so nothing calls this by itself.
CREATE FUNCTION drop_partitions(older_than date)
RETURNS integer LANGUAGE plpgsql STRICT AS $$
DECLARE
    part name;
    dropped integer := 0;
BEGIN
    IF older_than > (now() AT TIME ZONE 'UTC')::date THEN
        RAISE EXCEPTION 'drop_partitions: % is not over yet', older_than - 1;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('patrol.make_partitions'));
    FOR part IN SELECT c.relname FROM pg_inherits i
                JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'patrol.position'::regclass
                AND c.relname ~ '^position_[0-9]{8}$'
                AND to_date(right(c.relname, 8), 'YYYYMMDD') < older_than
                ORDER BY c.relname LOOP
        EXECUTE format('DROP TABLE patrol.%I', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION drop_partitions(date) IS
    'Deletes for good the positions of all UTC days before older_than; returns how many days'' partitions went. Today is never among them. Called by nobody: put it into cron or a timer when positions may not be kept for ever, e.g. SELECT patrol.drop_partitions((now() AT TIME ZONE ''UTC'')::date - 366). A moment''s exclusive lock on position: it waits for the queries and writers under way and others wait for it, so SET lock_timeout before and try again later. Days that the gateway still takes (intake.past_max_days) are made anew, empty. unit_event, quarantine and the ledger (receipt) stay.';

SELECT make_partitions((now() AT TIME ZONE 'UTC')::date - 31,
                       (now() AT TIME ZONE 'UTC')::date + 8);

CREATE TABLE unit_event (
    unit_id    integer NOT NULL,
    generation bigint NOT NULL,
    seq        bigint NOT NULL,
    event_time timestamptz NOT NULL,
    kind       text NOT NULL,
    status     unit_status NOT NULL,
    detail     text,
    time_from_gateway boolean NOT NULL DEFAULT false,
    PRIMARY KEY (unit_id, generation, seq)
);
COMMENT ON COLUMN unit_event.time_from_gateway IS
    'event_time is when it came in: what it was sent with cannot be, and stands in quarantine';
CREATE INDEX ON unit_event (unit_id, event_time);

-- The newest fix of each unit; written in the transaction that stores it.
CREATE TABLE latest_position (
    unit_id     integer PRIMARY KEY REFERENCES unit ON DELETE CASCADE,
    fix_time    timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    geom        geometry(Point, 4326) NOT NULL,
    speed_mps   real,
    course_deg  real,
    accuracy_m  real,
    status      unit_status NOT NULL,
    generation  bigint NOT NULL,
    seq         bigint NOT NULL,
    flags       integer NOT NULL
) WITH (fillfactor = 50); -- room for HOT updates: a row changes every second

-- The ledger of delivery: numbers 1..stored_to and the ranges above it are
-- stored (or closed, when the vehicle no longer had them).
CREATE TABLE receipt (
    device_id  integer NOT NULL REFERENCES device ON DELETE CASCADE,
    generation bigint NOT NULL,
    stored_to  bigint NOT NULL DEFAULT 0 CHECK (stored_to >= 0),
    ranges     int8multirange NOT NULL DEFAULT '{}',
    lost       bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, generation)
) WITH (fillfactor = 50);

-- What intake refused, with the reason.
CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at   timestamptz NOT NULL DEFAULT now(),
    device        text NOT NULL, -- as the topic named it
    reason        text NOT NULL,
    generation    bigint,
    seq           bigint,
    fix_time_ms   bigint,  -- as sent: may lie outside what timestamptz holds
    lat_e6        integer,
    lon_e6        integer,
    detail        text
);
CREATE INDEX ON quarantine (received_at);

-- --------------------------------------------------------------- what is where
CREATE TABLE zone (
    zone_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    promise_s integer CHECK (promise_s > 0),
    time_zone text NOT NULL DEFAULT 'UTC',
    geom      geometry(MultiPolygon, 4326) NOT NULL CHECK (ST_IsValid(geom))
);
CREATE INDEX ON zone USING gist (geom);

CREATE TABLE mission (
    mission_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref        text UNIQUE, -- the importing list's own key
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind       text NOT NULL DEFAULT 'embassy',
    zone_id    integer REFERENCES zone ON DELETE SET NULL,
    geom       geometry(Point, 4326) NOT NULL
);
CREATE INDEX ON mission USING gist (geom);

-- --------------------------------------------------------------------- streets
-- One row an import; the newest row is the network in force.
CREATE TABLE road_network (
    network_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    imported_at timestamptz NOT NULL DEFAULT now(),
    source      text NOT NULL,
    nodes       integer NOT NULL,
    edges       integer NOT NULL,
    turns       integer NOT NULL,
    length_m    double precision NOT NULL,
    summary     jsonb NOT NULL
);

CREATE TABLE road_node (
    node_id bigint PRIMARY KEY, -- OpenStreetMap's
    geom    geometry(Point, 4326) NOT NULL
);

-- No foreign keys among the road tables: `patrolctl roads import` writes all
-- three whole in one transaction, and checking a city's every row by itself
-- made an import take 12 s in place of 4 (9,400 km of streets).

-- A piece of a way between two junctions. forward_ms and backward_ms are the
-- patrol profile's travel times; null: not allowed that way.
CREATE TABLE road_edge (
    edge_id                integer PRIMARY KEY, -- 1..n without holes
    way_id                 bigint NOT NULL,     -- OpenStreetMap's
    source                 bigint NOT NULL,     -- road_node.node_id
    target                 bigint NOT NULL,
    class                  text NOT NULL, -- the highway tag
    name                   text,
    ref                    text,
    length_m               real NOT NULL,
    forward_ms             integer CHECK (forward_ms > 0),
    backward_ms            integer CHECK (backward_ms > 0),
    maxspeed_forward_kmh   real, -- as tagged; null: the class's default is used
    maxspeed_backward_kmh  real,
    geom                   geometry(LineString, 4326) NOT NULL,
    CHECK (forward_ms IS NOT NULL OR backward_ms IS NOT NULL)
);
CREATE INDEX ON road_edge USING gist (geom);
CREATE INDEX ON road_edge (way_id);
-- What the references need when an import replaces the network: without
-- these, each row that goes is looked for in the whole of the other table.
CREATE INDEX ON road_edge (source);
CREATE INDEX ON road_edge (target);

-- A turn that may not be made: from the end of one directed edge into
-- another.
CREATE TABLE road_turn (
    from_edge    integer NOT NULL, -- road_edge.edge_id
    from_forward boolean NOT NULL,
    to_edge      integer NOT NULL,
    to_forward   boolean NOT NULL,
    relation_id  bigint, -- OpenStreetMap's
    PRIMARY KEY (from_edge, from_forward, to_edge, to_forward)
);
CREATE INDEX ON road_turn (to_edge);

-- ------------------------------------------------- the gateway hears of changes
-- Payload: the table's name. Sent at COMMIT, once a transaction and table.
CREATE FUNCTION tell_gateway() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('patrol_changed', TG_ARGV[0]);
    RETURN NULL;
END $$;

CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON unit
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('catalog');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON device
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('catalog');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON unit_device
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('catalog');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON zone
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('catalog');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON mission
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('catalog');
CREATE TRIGGER told AFTER INSERT ON road_network
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('roads');

COMMIT;
