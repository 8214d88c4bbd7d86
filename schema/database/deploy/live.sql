-- Deploy patrol:live to pg
-- requires: history
-- What gateways know now, for programs that open tables with places in them as
-- they are (QGIS): written by the newest word of any gateway, kept nowhere else.
-- Unlogged: after a crash of the server they are empty until the next word.

BEGIN;

SET LOCAL search_path = patrol, public;

CREATE UNLOGGED TABLE live_made (
    made_by    text PRIMARY KEY CHECK (made_by = 'gateway'),
    gateway    text NOT NULL, -- its client_id
    made_at    timestamptz NOT NULL,
    streets_at timestamptz NOT NULL,
    network_id integer NOT NULL,
    profile    text NOT NULL,
    units      integer NOT NULL CHECK (units >= 0),
    level      smallint NOT NULL CHECK (level BETWEEN 1 AND 3),
    pieces     integer NOT NULL CHECK (pieces >= 0)
);
COMMENT ON TABLE live_made IS
    'One row: who wrote the live_ tables, when, and by what; units: that count; pieces: rows of live_street';
COMMENT ON COLUMN live_made.streets_at IS
    'Where units stood then is what live_street and live_gap are of; live_mission and live_zone are of made_at';

CREATE UNLOGGED TABLE live_mission (
    mission_id  integer PRIMARY KEY,
    name        text NOT NULL,
    kind        text NOT NULL,
    zone        text,
    off_road    boolean NOT NULL,
    promise_s   integer CHECK (promise_s > 0),
    within      smallint NOT NULL CHECK (within BETWEEN 0 AND 3),
    covered     boolean,
    alarm       boolean NOT NULL,
    below_since timestamptz,
    first_unit  text,
    first_s     real CHECK (first_s >= 0),
    second_unit text,
    second_s    real CHECK (second_s >= 0),
    third_unit  text,
    third_s     real CHECK (third_s >= 0),
    geom        geometry(Point, 4326) NOT NULL
);
CREATE INDEX ON live_mission USING gist (geom);
COMMENT ON TABLE live_mission IS
    'Missions with the first three units to arrive and their seconds; within: how many of them in time; covered: as many as the level asks for, null where nothing is promised or no road is near; alarm: told as lost, and not as regained';

CREATE UNLOGGED TABLE live_zone (
    zone_id         integer PRIMARY KEY,
    name            text NOT NULL,
    promise_s       integer CHECK (promise_s > 0),
    missions        integer NOT NULL CHECK (missions >= 0),
    promised        integer NOT NULL CHECK (promised BETWEEN 0 AND missions),
    within_1        integer NOT NULL,
    within_2        integer NOT NULL,
    within_3        integer NOT NULL,
    length_m        real NOT NULL CHECK (length_m >= 0),
    share_1         real CHECK (share_1 BETWEEN 0 AND 1.0001),
    share_2         real CHECK (share_2 BETWEEN 0 AND 1.0001),
    share_3         real CHECK (share_3 BETWEEN 0 AND 1.0001),
    alarm           boolean NOT NULL,
    below_since     timestamptz,
    geom            geometry(MultiPolygon, 4326) NOT NULL
);
CREATE INDEX ON live_zone USING gist (geom);
COMMENT ON TABLE live_zone IS
    'Zones: missions on a road and with a promise, and how many of them 1, 2, 3 units reach in time; metres of street with a promise, and the share of them in time by 1, 2, 3; null: no such street';

CREATE UNLOGGED TABLE live_gap (
    gap_id        integer PRIMARY KEY,
    length_m      real NOT NULL CHECK (length_m > 0),
    worst_s       real CHECK (worst_s >= 0),
    missions      integer NOT NULL CHECK (missions >= 0),
    mission_ids   integer[] NOT NULL,
    mission_names text NOT NULL,
    geom          geometry(MultiPolygon, 4326) NOT NULL,
    CHECK (cardinality(mission_ids) = missions)
);
CREATE INDEX ON live_gap USING gist (geom);
COMMENT ON TABLE live_gap IS
    'Streets that hang together and that nobody reaches in time, as areas of 30 m to either side of them and of the ways to their missions; 1 is the longest. worst_s: to the worst place of it, null where there is no way. mission_names: one a line';

CREATE UNLOGGED TABLE live_street (
    piece_id  integer PRIMARY KEY,
    way_id    bigint NOT NULL, -- OpenStreetMap's
    name      text,
    length_m  real NOT NULL CHECK (length_m > 0),
    promise_s integer CHECK (promise_s > 0),
    within    smallint CHECK (within BETWEEN 0 AND 3),
    first_s   real CHECK (first_s >= 0),
    second_s  real CHECK (second_s >= 0),
    third_s   real CHECK (third_s >= 0),
    geom      geometry(LineString, 4326) NOT NULL
) WITH (fillfactor = 50); -- times change in place, streets do not
CREATE INDEX ON live_street USING gist (geom);
COMMENT ON TABLE live_street IS
    'Pieces of street of up to 250 m, with the seconds until the first, second and third unit is at their middle; null where none comes. within: how many of them in time, null where nothing is promised';

-- Where units are, by name.
CREATE VIEW live_unit AS
SELECT unit_id, call_sign, kind, capabilities, status, fix_time,
    extract(epoch FROM now() - fix_time)::real AS age_s, speed_mps, course_deg,
    accuracy_m, geom
FROM latest_position JOIN unit USING (unit_id);
COMMENT ON VIEW live_unit IS
    'The newest fix of each unit, key unit_id; stored within a second or so';

-- What cover was, in the newest answer about the past.
CREATE VIEW past_mission AS
SELECT mission_id, m.name, zone, "from", "to", m.promise_s,
    out_s / 60 AS out_min, outages, longest_s / 60 AS longest_min, longest_from,
    passes, unpassed_s / 60 AS unpassed_min, m.geom
FROM coverage_run_mission m JOIN coverage_run r USING (run_id)
WHERE run_id = (SELECT run_id FROM coverage_run ORDER BY made_at DESC, run_id DESC
                LIMIT 1);
COMMENT ON VIEW past_mission IS
    'Minutes out of cover of each mission over the span that was asked about last, key mission_id';

COMMIT;
