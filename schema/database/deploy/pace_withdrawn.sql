-- Deploy patrol:pace_withdrawn to pg
-- requires: pace
-- A vehicle takes no settings with a lower revision than those that it has,
-- so that what comes late does no harm. Taking a row of pace_setting away
-- therefore has a revision, too: the row's unit is told what counts from now
-- on under that one.

BEGIN;

SET LOCAL search_path = patrol, public;

CREATE TABLE pace_withdrawn (
    unit_id  integer REFERENCES unit ON DELETE CASCADE,
    revision bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (unit_id)
);
COMMENT ON TABLE pace_withdrawn IS
    'When a row of pace_setting was taken away last, as a revision; unit_id null: the one for all';

-- Not for a unit that goes itself.
CREATE FUNCTION withdraw_pace_setting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO patrol.pace_withdrawn (unit_id, revision)
    SELECT OLD.unit_id, nextval('patrol.pace_setting_revision')
    WHERE OLD.unit_id IS NULL
       OR EXISTS (SELECT FROM patrol.unit WHERE unit_id = OLD.unit_id)
    ON CONFLICT (unit_id) DO UPDATE SET revision = excluded.revision;
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawn AFTER DELETE ON pace_setting
    FOR EACH ROW EXECUTE FUNCTION withdraw_pace_setting();

-- Before: with TRUNCATE unit CASCADE these rows go, too.
CREATE FUNCTION withdraw_pace_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO patrol.pace_withdrawn (unit_id, revision)
    SELECT unit_id, nextval('patrol.pace_setting_revision')
    FROM (SELECT unit_id FROM patrol.unit UNION ALL SELECT NULL) gone
    ON CONFLICT (unit_id) DO UPDATE SET revision = excluded.revision;
    RETURN NULL;
END $$;
CREATE TRIGGER all_withdrawn BEFORE TRUNCATE ON pace_setting
    FOR EACH STATEMENT EXECUTE FUNCTION withdraw_pace_settings();

COMMIT;
