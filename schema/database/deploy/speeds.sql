-- Deploy patrol:speeds to pg
-- requires: islands
-- How fast the fleet really drives, and how right what was predicted of it
-- was.

BEGIN;

SET LOCAL search_path = patrol, public;

-- Written whole for a profile by patrolctl roads learn and by gateways; streets
-- are named as OpenStreetMap does, so that what was learned survives a new
-- map.
CREATE TABLE learned_profile (
    profile    text PRIMARY KEY,
    learned_at timestamptz NOT NULL DEFAULT now(),
    from_time  timestamptz NOT NULL,
    to_time    timestamptz NOT NULL,
    drives     integer NOT NULL CHECK (drives > 0),
    time_zone  text NOT NULL,
    tau2       double precision NOT NULL CHECK (tau2 >= 0),
    phi_s      double precision NOT NULL CHECK (phi_s >= 0)
);
COMMENT ON TABLE learned_profile IS
    'What was learned, by profile of road_profile: from which drives, and how far off predictions are: the logarithm of took / predicted has the variance tau2 + phi_s / predicted';
COMMENT ON COLUMN learned_profile.time_zone IS
    'Whose hours learned_hour counts';

CREATE TABLE learned_hour (
    profile  text NOT NULL REFERENCES learned_profile ON DELETE CASCADE,
    hour     smallint NOT NULL CHECK (hour BETWEEN 0 AND 167),
    factor   real NOT NULL CHECK (factor > 0),
    seconds  double precision NOT NULL CHECK (seconds >= 0),
    passages integer NOT NULL CHECK (passages >= 0),
    low      real NOT NULL CHECK (low <= 0),
    high     real NOT NULL CHECK (high >= 0),
    dates    smallint NOT NULL CHECK (dates >= 0),
    PRIMARY KEY (profile, hour)
);
COMMENT ON TABLE learned_hour IS
    'By hour of the week, 0 is Monday 00:00 in learned_profile.time_zone: the factor on every time of the profile; seconds of driving (by the profile) and passages of streets that it rests on; the 10 % and 90 % points of the logarithm of took / predicted in multiples of its spread; on how many dates of that kind of day drives were seen within an hour';

CREATE TABLE learned_speed (
    profile  text NOT NULL REFERENCES learned_profile ON DELETE CASCADE,
    level    text NOT NULL CHECK (level IN
        ('class', 'class_period', 'street', 'edge', 'edge_period')),
    class    text,
    way_id   bigint,
    backward boolean,
    source   bigint,
    target   bigint,
    period   smallint CHECK (period BETWEEN 0 AND 6),
    factor   real NOT NULL CHECK (factor > 0),
    seconds  double precision NOT NULL CHECK (seconds >= 0),
    passages integer NOT NULL CHECK (passages > 0),
    CHECK ((class IS NOT NULL) = (level IN ('class', 'class_period'))),
    CHECK ((way_id IS NOT NULL) = (level NOT IN ('class', 'class_period'))),
    CHECK ((backward IS NOT NULL) = (level = 'street')),
    CHECK ((source IS NOT NULL) = (level IN ('edge', 'edge_period'))),
    CHECK ((target IS NOT NULL) = (level IN ('edge', 'edge_period'))),
    CHECK ((period IS NOT NULL) = (level IN ('class_period', 'edge_period')))
);
CREATE UNIQUE INDEX learned_speed_key ON learned_speed (profile, level,
    class, way_id, backward, source, target, period) NULLS NOT DISTINCT;
CREATE INDEX ON learned_speed (way_id, source, target);
COMMENT ON TABLE learned_speed IS
    'Factors on the profile''s times, to be multiplied with each other and with learned_hour.factor: of a highway class, of that class in a period of the week, of a way in one direction, of a piece of it driven from node source to node target, and of that piece in a period. What has no row has the factor 1. A factor of little driving (seconds, expected by the levels above it) was held back towards 1';
COMMENT ON COLUMN learned_speed.period IS
    'Working days 22-6 (0), 6-10 (1), 10-16 (2), 16-19 (3), 19-22 (4); weekends 22-8 (5), 8-22 (6)';

CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON learned_profile
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('speeds');

-- ---------------------------------------------------------- what was predicted
CREATE TABLE eta_prediction (
    unit_id        integer NOT NULL,
    asked_at       timestamptz NOT NULL,
    mission_id     integer,
    geom           geometry(Point, 4326) NOT NULL,
    profile        text NOT NULL,
    eta_s          real NOT NULL CHECK (eta_s >= 0),
    low_s          real CHECK (low_s >= 0),
    high_s         real CHECK (high_s >= low_s),
    promise_s      integer CHECK (promise_s > 0),
    p_within       real CHECK (p_within BETWEEN 0 AND 1),
    position_age_s real NOT NULL,
    departed_at    timestamptz NOT NULL,
    arrived_at     timestamptz NOT NULL,
    arrived_m      real NOT NULL CHECK (arrived_m >= 0),
    took_s         real NOT NULL CHECK (took_s >= 0),
    PRIMARY KEY (unit_id, asked_at),
    CHECK ((low_s IS NULL) = (high_s IS NULL))
);
CREATE INDEX ON eta_prediction (asked_at);
COMMENT ON TABLE eta_prediction IS
    'Predictions of units'' arrivals that the gateway gave, each with the arrival that followed. Kept is the newest one given before the unit set off, and only if it said en_route within two minutes, or was en route already; it has arrived with its first fix within 75 m of the point';
COMMENT ON COLUMN eta_prediction.geom IS 'Where to';
COMMENT ON COLUMN eta_prediction.eta_s IS
    'As predicted; low_s and high_s the stated 80 % range, null where nothing was learned';
COMMENT ON COLUMN eta_prediction.took_s IS
    'From asked_at or departed_at, whichever is later, to arrived_at; departed_at is when the unit said en_route, arrived_at the fix''s time';
COMMENT ON COLUMN eta_prediction.arrived_m IS
    'Metres of that fix from the point';

COMMIT;
