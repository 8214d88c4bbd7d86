-- Deploy patrol:said to pg
-- requires: retention
-- What the control room heard of units by voice radio, and what it has seen of
-- what crews said.

BEGIN;

SET LOCAL search_path = patrol, public;

-- Rows are added and, at most, withdrawn: who noted what, and when, stays.
CREATE TABLE heard (
    unit_id      integer NOT NULL REFERENCES unit ON DELETE CASCADE,
    heard_id     bigint GENERATED ALWAYS AS IDENTITY,
    heard_at     timestamptz NOT NULL,
    noted_at     timestamptz NOT NULL DEFAULT now(),
    who          text CHECK (length(who) BETWEEN 1 AND 100),
    status       unit_status,
    place        text CHECK (length(place) BETWEEN 1 AND 200),
    geom         geometry(Point, 4326),
    mission_id   integer, -- no reference: what was heard stays true
    note         text CHECK (length(note) BETWEEN 1 AND 500),
    withdrawn_at timestamptz,
    withdrawn_by text CHECK (length(withdrawn_by) BETWEEN 1 AND 100),
    PRIMARY KEY (unit_id, heard_id),
    CHECK (heard_at <= noted_at + interval '5 minutes'),
    CHECK (mission_id IS NULL OR geom IS NOT NULL)
);
CREATE INDEX ON heard (unit_id, heard_at);
CREATE INDEX ON heard (noted_at);
COMMENT ON TABLE heard IS
    'What dispatchers noted that units said by voice radio: shown beside what vehicles report, never counted as a position or a status of theirs';
COMMENT ON COLUMN heard.who IS
    'Who noted it, as he says himself; withdrawn_by: who took it back';
COMMENT ON COLUMN heard.place IS
    'Where, in words; geom: when the words are a known place, of mission mission_id when they are one';

-- One row an act of unit_event that somebody in the control room has seen: the
-- first to say so.
CREATE TABLE seen (
    unit_id    integer NOT NULL REFERENCES unit ON DELETE CASCADE,
    generation bigint NOT NULL,
    seq        bigint NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    who        text CHECK (length(who) BETWEEN 1 AND 100),
    PRIMARY KEY (unit_id, generation, seq)
);
CREATE INDEX ON seen (seen_at);

CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON heard
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('said');
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON seen
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('said');

COMMIT;
