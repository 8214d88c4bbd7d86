-- How closely units report: one row for all, one a unit, revisions that are
-- never given twice, and a gateway that hears of it.
BEGIN;
SET LOCAL statement_timeout = '60s';
SET LOCAL search_path = patrol, public;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();

INSERT INTO unit (call_sign) VALUES ('Q1'), ('Q2');
CREATE FUNCTION pg_temp.q(sign text) RETURNS integer LANGUAGE sql AS
    $$SELECT unit_id FROM patrol.unit WHERE call_sign = sign$$;

INSERT INTO pace_setting (bound_m) VALUES (25);
SELECT throws_ok('INSERT INTO patrol.pace_setting (bound_m) VALUES (20)',
    '23505', NULL, 'one row for all');
INSERT INTO pace_setting (unit_id, bound_m) VALUES (pg_temp.q('Q1'), 10);
SELECT throws_ok($$INSERT INTO patrol.pace_setting (unit_id)
    VALUES (pg_temp.q('Q1'))$$, '23505', NULL, 'one row a unit');
SELECT throws_ok(format('UPDATE patrol.pace_setting SET %s', change),
    '23514', NULL, change || ' is refused')
FROM unnest(ARRAY['bound_m = 0', 'bound_m = 10001', 'bound_m = ''nan''',
    'bound_assigned_m = -1', 'moving_s = 0', 'parked_s = 3601']) change;

CREATE TEMP TABLE seen AS SELECT max(revision) AS revision FROM pace_setting;
SELECT cmp_ok((SELECT min(revision) FROM pace_setting), '>', 0::bigint,
    'revisions begin above 0, which is none');
UPDATE pace_setting SET bound_m = 12, revision = 1
    WHERE unit_id = pg_temp.q('Q1');
SELECT cmp_ok((SELECT revision FROM pace_setting
    WHERE unit_id = pg_temp.q('Q1')), '>', (SELECT revision FROM seen),
    'a change is a new revision, whatever was written');
UPDATE seen SET revision = (SELECT max(revision) FROM pace_setting);
DELETE FROM pace_setting WHERE unit_id IS NOT NULL;
INSERT INTO pace_setting (unit_id) VALUES (pg_temp.q('Q1'));
SELECT cmp_ok((SELECT revision FROM pace_setting
    WHERE unit_id = pg_temp.q('Q1')), '>', (SELECT revision FROM seen),
    'none comes again after a deletion');

-- taking away
SELECT is((SELECT revision > (SELECT revision FROM seen) FROM pace_withdrawn
    WHERE unit_id = pg_temp.q('Q1')), true,
    'a deletion is a revision of its own');
UPDATE seen SET revision = (SELECT max(revision) FROM pace_setting);
DELETE FROM pace_setting WHERE unit_id IS NOT NULL;
SELECT is((SELECT count(*) FROM pace_withdrawn WHERE revision >
    (SELECT revision FROM seen)), 1::bigint, 'and the last one counts');
UPDATE seen SET revision = (SELECT max(revision) FROM pace_withdrawn);
SAVEPOINT truncated;
TRUNCATE pace_setting;
SELECT is((SELECT count(*) FROM pace_withdrawn WHERE revision >
    (SELECT revision FROM seen)), (SELECT count(*) + 1 FROM unit),
    'TRUNCATE takes all away, and the one for all');
ROLLBACK TO truncated;
INSERT INTO pace_setting (unit_id) VALUES (pg_temp.q('Q1'));

DELETE FROM unit WHERE call_sign = 'Q1';
SELECT is((SELECT count(*) FROM pace_withdrawn), 0::bigint,
    'nor is anything withdrawn from a unit that is gone');
SELECT is((SELECT count(*) FROM pace_setting), 1::bigint,
    'a unit''s goes with the unit');
SELECT has_trigger('patrol', 'pace_setting', 'told', 'the gateway hears of it');

SELECT * FROM finish();
ROLLBACK;
