-- Deploy patrol:coverage to pg
-- Who would have been where in time: figures now and then, and what was out of
-- cover from when to when. No reference to zone or mission: what was, stays
-- true when they go.

BEGIN;

SET LOCAL search_path = patrol, public;

-- One row a zone every coverage.store_every_s; zone 0 is everything.
CREATE TABLE coverage_snapshot (
    gateway    text NOT NULL, -- its client_id
    taken_at   timestamptz NOT NULL, -- missions
    streets_at timestamptz NOT NULL, -- where the units stood for the streets
    zone_id    integer NOT NULL,
    network_id integer NOT NULL,
    units      integer NOT NULL, -- that counted, everywhere
    missions   integer NOT NULL,
    promised   integer NOT NULL, -- of them on a road and with a promise
    within     integer[] NOT NULL, -- of those, by 1, 2, 3 units
    length_m   real NOT NULL, -- streets with a promise
    within_m   real[] NOT NULL,
    PRIMARY KEY (gateway, taken_at, zone_id),
    CHECK (cardinality(within) = 3 AND cardinality(within_m) = 3),
    CHECK (promised <= missions)
);
CREATE INDEX ON coverage_snapshot (zone_id, taken_at);

-- A mission or a zone below its level, as the events coverage.lost and
-- coverage.regained told it.
CREATE TABLE coverage_gap (
    gateway    text NOT NULL,
    subject    text NOT NULL CHECK (subject IN ('mission', 'zone')),
    subject_id integer NOT NULL,
    name       text, -- as it was called then; null: it was gone by then
    started_at timestamptz NOT NULL,
    ended_at   timestamptz, -- null: it lasts
    is_cut     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (gateway, subject, subject_id, started_at),
    CHECK (ended_at >= started_at)
);
CREATE INDEX ON coverage_gap (started_at);
COMMENT ON COLUMN coverage_gap.is_cut IS
    'The gateway ended first: ended_at is the last time that it is known to have lasted';

COMMIT;
