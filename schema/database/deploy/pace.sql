-- Deploy patrol:pace to pg
-- requires: patrol

BEGIN;

SET LOCAL search_path = patrol, public;

-- How closely units report. The row without a unit is for all that have none
-- of their own; a null leaves the vehicle's own setting. The gateway sends
-- them to the vehicles and sees from the revision which are in force there.
CREATE TABLE pace_setting (
    unit_id          integer REFERENCES unit ON DELETE CASCADE,
    bound_m          real CHECK (bound_m BETWEEN 1 AND 10000),
    bound_assigned_m real CHECK (bound_assigned_m BETWEEN 1 AND 10000),
    moving_s         integer CHECK (moving_s BETWEEN 1 AND 3600),
    parked_s         integer CHECK (parked_s BETWEEN 1 AND 3600),
    assigned         boolean NOT NULL DEFAULT false,
    revision         bigint NOT NULL DEFAULT 0, -- given by the trigger
    changed_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (unit_id)
);
COMMENT ON TABLE pace_setting IS
    'How closely units report; unit_id null: all without a row of their own';

-- A number never given before, whatever was deleted meanwhile.
CREATE SEQUENCE pace_setting_revision;
CREATE FUNCTION revise_pace_setting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := nextval('patrol.pace_setting_revision');
    NEW.changed_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER revised BEFORE INSERT OR UPDATE ON pace_setting
    FOR EACH ROW EXECUTE FUNCTION revise_pace_setting();
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pace_setting
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('catalog');

COMMIT;
