-- Deploy patrol:history to pg
-- requires: coverage
-- requires: speeds
-- What cover was over a span of the past, replayed from stored positions, kept
-- with what made it. No references to missions, zones or networks: what was,
-- stays true when they go.

BEGIN;

SET LOCAL search_path = patrol, public;

-- When a report came in; null: before this was noted.
ALTER TABLE unit_event ADD COLUMN received_at timestamptz;

CREATE TABLE coverage_run (
    run_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "from"     timestamptz NOT NULL,
    "to"       timestamptz NOT NULL,
    clock      text NOT NULL CHECK (clock IN ('fix', 'received')),
    step_s     integer NOT NULL CHECK (step_s >= 0),
    network_id integer NOT NULL,
    networks   integer NOT NULL CHECK (networks >= 0),
    profile    text NOT NULL,
    settings   jsonb NOT NULL,
    made_of    text NOT NULL CHECK (made_of ~ '^[0-9a-f]{32}$'),
    read_at    timestamptz NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    took_s     real NOT NULL CHECK (took_s >= 0),
    fixes      bigint NOT NULL CHECK (fixes >= 0),
    units      integer NOT NULL CHECK (units >= 0),
    first_fix  timestamptz,
    last_fix   timestamptz,
    units_mean real NOT NULL CHECK (units_mean >= 0),
    nobody_s   double precision NOT NULL CHECK (nobody_s >= 0),
    CHECK ("to" > "from")
);
CREATE INDEX ON coverage_run (made_of);
CREATE INDEX ON coverage_run (made_at);
COMMENT ON TABLE coverage_run IS
    'One row a question about past cover, with what answered it; the figures are in coverage_run_mission, _hour, _gap, _zone and _snapshot, and go with it';
COMMENT ON COLUMN coverage_run.clock IS
    'fix: a report counts from the time of its fix, where units were; received: from when it came in, what the gateway knew then';
COMMENT ON COLUMN coverage_run.step_s IS
    'Seconds between rows of coverage_run_snapshot; 0: there are none';
COMMENT ON COLUMN coverage_run.networks IS
    'How many networks have come into force since the span began: not 0, and some of it was driven on other streets than those of network_id, by which all is judged';
COMMENT ON COLUMN coverage_run.settings IS
    'Level, promises, who counted, times of streets';
COMMENT ON COLUMN coverage_run.made_of IS
    'MD5 of all that made it, the lists of missions, zones and units included, but for the positions themselves';
COMMENT ON COLUMN coverage_run.read_at IS
    'Positions that came in until then were counted';
COMMENT ON COLUMN coverage_run.fixes IS
    'Within the span; units: that reported within it; first_fix and last_fix: the first and last of them, null when nobody did';
COMMENT ON COLUMN coverage_run.units_mean IS
    'Units that counted, on the average of the span; nobody_s: seconds of it in which none did';

CREATE TABLE coverage_run_mission (
    run_id        integer NOT NULL REFERENCES coverage_run ON DELETE CASCADE,
    mission_id    integer NOT NULL,
    name          text NOT NULL,
    zone_id       integer,
    zone          text,
    time_zone     text NOT NULL,
    geom          geometry(Point, 4326) NOT NULL,
    off_road      boolean NOT NULL,
    promise_s     integer CHECK (promise_s > 0),
    out_s         double precision CHECK (out_s >= 0),
    outages       integer CHECK (outages >= 0),
    longest_s     double precision CHECK (longest_s >= 0),
    longest_from  timestamptz,
    passes        integer CHECK (passes >= 0),
    unpassed_s    double precision CHECK (unpassed_s >= 0),
    unpassed_from timestamptz,
    PRIMARY KEY (run_id, mission_id)
);
COMMENT ON TABLE coverage_run_mission IS
    'Of a mission over the span: seconds out of cover (fewer units in time than the level), how often, the longest time on end and when it began; null where nothing is promised, or no road is near';
COMMENT ON COLUMN coverage_run_mission.time_zone IS
    'Whose hours coverage_run_hour counts: that of its zone, else of the most zones';
COMMENT ON COLUMN coverage_run_mission.passes IS
    'How often a unit came by on a street of its frontage; null: no street is near enough. unpassed_s: the longest time on end without any there, and unpassed_from when it began';

CREATE TABLE coverage_run_hour (
    run_id     integer NOT NULL,
    mission_id integer NOT NULL,
    hour       smallint NOT NULL CHECK (hour BETWEEN 0 AND 167),
    seconds    real[] NOT NULL CHECK (cardinality(seconds) = 4),
    passes     integer NOT NULL CHECK (passes >= 0),
    PRIMARY KEY (run_id, mission_id, hour),
    FOREIGN KEY (run_id, mission_id) REFERENCES coverage_run_mission
        ON DELETE CASCADE
);
COMMENT ON TABLE coverage_run_hour IS
    'By hour of the week, local, 0 is Monday 00:00: seconds of the span with 0, 1, 2, and 3 or more units in time; their sum is how much of the span fell into that hour';

CREATE TABLE coverage_run_gap (
    run_id     integer NOT NULL,
    mission_id integer NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    PRIMARY KEY (run_id, mission_id, started_at),
    FOREIGN KEY (run_id, mission_id) REFERENCES coverage_run_mission
        ON DELETE CASCADE,
    CHECK (ended_at > started_at)
);
COMMENT ON TABLE coverage_run_gap IS
    'Times on end that a mission was out of cover, cut at the ends of the span. Unlike coverage_gap without waiting for whether it lasts';

CREATE TABLE coverage_run_zone (
    run_id    integer NOT NULL REFERENCES coverage_run ON DELETE CASCADE,
    zone_id   integer NOT NULL,
    name      text NOT NULL,
    promise_s integer CHECK (promise_s > 0),
    time_zone text NOT NULL,
    geom      geometry(MultiPolygon, 4326),
    missions  integer NOT NULL CHECK (missions >= 0),
    promised  integer NOT NULL CHECK (promised BETWEEN 0 AND missions),
    PRIMARY KEY (run_id, zone_id)
);
COMMENT ON TABLE coverage_run_zone IS
    'The zones as they were when it was made; 0 is everything, without a geometry';

CREATE TABLE coverage_run_snapshot (
    run_id   integer NOT NULL,
    taken_at timestamptz NOT NULL,
    zone_id  integer NOT NULL,
    units    integer NOT NULL CHECK (units >= 0),
    within   integer[] NOT NULL CHECK (cardinality(within) = 3),
    length_m real NOT NULL,
    within_m real[] NOT NULL CHECK (cardinality(within_m) = 3),
    PRIMARY KEY (run_id, zone_id, taken_at),
    FOREIGN KEY (run_id, zone_id) REFERENCES coverage_run_zone
        ON DELETE CASCADE
);
COMMENT ON TABLE coverage_run_snapshot IS
    'Every step_s: units that counted, missions in time by 1, 2, 3 units, metres of street with a promise, and of them in time by 1, 2, 3';

COMMIT;
