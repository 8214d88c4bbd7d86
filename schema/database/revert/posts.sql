-- Revert patrol:posts from pg

BEGIN;

DROP TABLE patrol.post;

COMMIT;
