-- Deploy patrol:plans to pg
-- requires: posts
-- Where units are to stand by, by hour of the week and number of units. No
-- references to networks, missions or posts: what was planned stays as it was
-- when they go.

BEGIN;

SET LOCAL search_path = patrol, public;

CREATE TABLE coverage_plan (
    plan_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    made_at       timestamptz NOT NULL DEFAULT now(),
    took_s        real NOT NULL CHECK (took_s >= 0),
    network_id    integer NOT NULL,
    profile       text NOT NULL,
    time_zone     text NOT NULL,
    hours_learned smallint NOT NULL CHECK (hours_learned BETWEEN 0 AND 168),
    units         integer[] NOT NULL CHECK (cardinality(units) > 0),
    settings      jsonb NOT NULL
);
CREATE INDEX ON coverage_plan (made_at);
COMMENT ON TABLE coverage_plan IS
    'Posts by hour of the week and number of units available, with what made them; they are in coverage_plan_group, _choice and _post, and go with it';
COMMENT ON COLUMN coverage_plan.hours_learned IS
    'In so many of its hours times had been learned; in the others those of the profile counted';
COMMENT ON COLUMN coverage_plan.time_zone IS
    'Whose hours they are: that of the most zones';

CREATE TABLE coverage_plan_group (
    plan_id  integer NOT NULL REFERENCES coverage_plan ON DELETE CASCADE,
    group_no smallint NOT NULL CHECK (group_no BETWEEN 1 AND 168),
    name     text NOT NULL,
    hours    smallint[] NOT NULL CHECK (cardinality(hours) BETWEEN 1 AND 168),
    PRIMARY KEY (plan_id, group_no)
);
COMMENT ON TABLE coverage_plan_group IS
    'Hours of the week, local, 0 is Monday 00:00, that have the same posts';

CREATE TABLE coverage_plan_choice (
    plan_id       integer NOT NULL,
    group_no      smallint NOT NULL,
    units         integer NOT NULL CHECK (units BETWEEN 1 AND 100),
    weight        double precision NOT NULL CHECK (weight >= 0),
    weight_of     double precision NOT NULL CHECK (weight_of >= 0),
    at_most       double precision NOT NULL CHECK (at_most >= 0),
    missions      double precision NOT NULL CHECK (missions >= 0),
    missions_of   double precision NOT NULL CHECK (missions_of >= 0),
    streets_m     double precision NOT NULL CHECK (streets_m >= 0),
    streets_of_m  double precision NOT NULL CHECK (streets_of_m >= 0),
    stopped       boolean NOT NULL,
    PRIMARY KEY (plan_id, group_no, units),
    FOREIGN KEY (plan_id, group_no) REFERENCES coverage_plan_group
        ON DELETE CASCADE
);
COMMENT ON TABLE coverage_plan_choice IS
    'What so many units have in cover from their posts, the mean of the group''s hours: weight, missions, metres of street with a weight; at_most: no choice of these candidates has more weight';

CREATE TABLE coverage_plan_post (
    plan_id  integer NOT NULL,
    group_no smallint NOT NULL,
    units    integer NOT NULL,
    post_no  smallint NOT NULL CHECK (post_no BETWEEN 1 AND 100),
    geom     geometry(Point, 4326) NOT NULL,
    street   text,
    zone     text,
    kept     boolean NOT NULL,
    post_id  integer,
    name     text,
    adds     double precision NOT NULL CHECK (adds >= 0),
    holds    double precision NOT NULL CHECK (holds >= 0),
    missions double precision NOT NULL CHECK (missions >= 0),
    PRIMARY KEY (plan_id, group_no, units, post_no),
    FOREIGN KEY (plan_id, group_no, units) REFERENCES coverage_plan_choice
        ON DELETE CASCADE
);
CREATE INDEX ON coverage_plan_post USING gist (geom);
COMMENT ON TABLE coverage_plan_post IS
    'Where they stand by; post_id and name where it was a post of that table then. adds: weight in cover beside the posts before it; holds: weight that falls out of it without this one; missions in time from here; means of the group''s hours';

COMMIT;
