-- Deploy patrol:retention to pg
-- requires: history
-- What gateways wrote of their answers goes when it is old.

BEGIN;

SET LOCAL search_path = patrol, public;

CREATE INDEX ON closure (removed_at);

-- At most `rows_max` rows of each kind: whoever calls it does so again until it
-- returns 0. What another one is just deleting is left to that.
CREATE FUNCTION forget(older_than timestamptz, rows_max integer DEFAULT 20000)
RETURNS bigint LANGUAGE plpgsql STRICT AS $$
DECLARE
    gone bigint := 0;
    n bigint;
BEGIN
    IF older_than > now() THEN
        RAISE EXCEPTION 'forget: % is not over yet', older_than;
    END IF;
    DELETE FROM patrol.eta_prediction WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM patrol.eta_prediction WHERE asked_at < older_than
        LIMIT rows_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM patrol.coverage_snapshot WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM patrol.coverage_snapshot WHERE taken_at < older_than
        LIMIT rows_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM patrol.coverage_gap WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM patrol.coverage_gap WHERE ended_at < older_than
        LIMIT rows_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    -- its pieces of street go with it
    DELETE FROM patrol.closure WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM patrol.closure
        WHERE least(removed_at, until) < older_than
        LIMIT rows_max FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    -- and its missions, hours, gaps, zones and snapshots with a run
    DELETE FROM patrol.coverage_run WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM patrol.coverage_run WHERE made_at < older_than
        LIMIT 10 FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN gone + n;
END $$;
COMMENT ON FUNCTION forget(timestamptz, integer) IS
    'Deletes for good what was answered and noted before older_than: predictions with their arrivals, figures and gaps of coverage, answers about past coverage, and closures that were over by then; returns how many. Gateways call it (retention.answers_days). Positions: drop_partitions(). unit_event, quarantine and the ledger (receipt) stay';
-- For those who have something better to do than to wait for a lock.
CREATE FUNCTION forget_positions(days integer) RETURNS integer
LANGUAGE sql STRICT SET lock_timeout = '1s' AS
    $$SELECT patrol.drop_partitions((now() AT TIME ZONE 'UTC')::date - days)$$;
COMMENT ON FUNCTION forget_positions(integer) IS
    'drop_partitions() of what is older than so many days; fails when a lock is not to be had within a second';
COMMENT ON FUNCTION drop_partitions(date) IS
    'Deletes for good the positions of all UTC days before older_than; returns how many days'' partitions went. Today is never among them. Gateways call it where retention.positions_days is set; else nobody does. A moment''s exclusive lock on position: it waits for the queries and writers under way and others wait for it, so SET lock_timeout before and try again later. Days that the gateway still takes (intake.past_max_days) are made anew, empty. unit_event, quarantine and the ledger (receipt) stay.';

COMMIT;
