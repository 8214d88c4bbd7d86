-- Where units stand by: what may be written, and that gateways hear of it.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT no_plan();
SET LOCAL search_path = patrol, public;

SELECT columns_are('patrol', 'post',
    ARRAY['post_id', 'ref', 'name', 'kind', 'zone_id', 'geom']);
SELECT lives_ok($$INSERT INTO post (ref, name, geom)
    VALUES ('a', 'Parque', 'SRID=4326;POINT(-82.4 23.1)')$$, 'a post');
SELECT throws_ok($$INSERT INTO post (ref, name, geom)
    VALUES ('a', 'Other', 'SRID=4326;POINT(-82.4 23.1)')$$, '23505', NULL,
    'no two of one ref');
SELECT lives_ok($$INSERT INTO post (name, geom)
    VALUES ('Parque', 'SRID=4326;POINT(-82.5 23.1)')$$,
    'two may be called the same');
SELECT throws_ok($$INSERT INTO post (name, geom)
    VALUES ('', 'SRID=4326;POINT(-82.4 23.1)')$$, '23514', NULL,
    'none without a name');
SELECT throws_ok($$INSERT INTO post (name) VALUES ('nowhere')$$, '23502', NULL,
    'none without a place');
SELECT has_trigger('patrol', 'post', 'told', 'gateways hear of it');

SELECT * FROM finish();
ROLLBACK;
