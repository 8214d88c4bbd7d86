-- Deploy patrol:posts to pg
-- Where units stand by.

BEGIN;

SET LOCAL search_path = patrol, public;

CREATE TABLE post (
    post_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref     text UNIQUE, -- the importing list's own key
    name    text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind    text NOT NULL DEFAULT 'post',
    zone_id integer REFERENCES zone ON DELETE SET NULL,
    geom    geometry(Point, 4326) NOT NULL
);
CREATE INDEX ON post USING gist (geom);

CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON post
    FOR EACH STATEMENT EXECUTE FUNCTION tell_gateway('catalog');

COMMIT;
