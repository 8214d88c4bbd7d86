-- What was heard by radio and what was seen: what may be written, and that
-- gateways hear of it.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();
SET LOCAL search_path = patrol, public;

INSERT INTO unit (call_sign) VALUES ('said-1');
CREATE TEMP TABLE u AS SELECT unit_id FROM unit WHERE call_sign = 'said-1';

SELECT lives_ok($$INSERT INTO heard (unit_id, heard_at, who, status, place, note)
    SELECT unit_id, now() - interval '3 minutes', 'Ana', 'busy', '23 y L', 'x' FROM u$$,
    'what was heard');
SELECT lives_ok($$INSERT INTO heard (unit_id, heard_at) SELECT unit_id, now() FROM u$$,
    'that it was heard');
SELECT throws_ok($$INSERT INTO heard (unit_id, heard_at)
    SELECT unit_id, now() + interval '6 minutes' FROM u$$, '23514', NULL,
    'not what will be heard');
SELECT throws_ok($$INSERT INTO heard (unit_id, heard_at, mission_id)
    SELECT unit_id, now(), 7 FROM u$$, '23514', NULL, 'no mission without its place');
SELECT throws_ok($$INSERT INTO heard (unit_id, heard_at, note)
    SELECT unit_id, now(), '' FROM u$$, '23514', NULL, 'no empty words');
SELECT lives_ok($$INSERT INTO seen (unit_id, generation, seq) SELECT unit_id, 1, 1 FROM u$$,
    'an act that was seen');
SELECT throws_ok($$INSERT INTO seen (unit_id, generation, seq) SELECT unit_id, 1, 1 FROM u$$,
    '23505', NULL, 'it is seen once');
SELECT has_trigger('patrol', 'heard', 'told', 'gateways hear of it');
SELECT has_trigger('patrol', 'seen', 'told', 'likewise');

DELETE FROM unit WHERE call_sign = 'said-1';
SELECT is_empty('SELECT FROM heard', 'a unit that goes takes along what was heard of it');
SELECT is_empty('SELECT FROM seen', 'and what was seen');

SELECT * FROM finish();
ROLLBACK;
