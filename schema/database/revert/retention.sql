-- Revert patrol:retention from pg

BEGIN;

DROP FUNCTION patrol.forget_positions(integer);
DROP FUNCTION patrol.forget(timestamptz, integer);
DROP INDEX patrol.closure_removed_at_idx;
COMMENT ON FUNCTION patrol.drop_partitions(date) IS
    'Deletes for good the positions of all UTC days before older_than; returns how many days'' partitions went. Today is never among them. Called by nobody: put it into cron or a timer when positions may not be kept for ever, e.g. SELECT patrol.drop_partitions((now() AT TIME ZONE ''UTC'')::date - 366). A moment''s exclusive lock on position: it waits for the queries and writers under way and others wait for it, so SET lock_timeout before and try again later. Days that the gateway still takes (intake.past_max_days) are made anew, empty. unit_event, quarantine and the ledger (receipt) stay.';

COMMIT;
