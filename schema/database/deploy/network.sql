-- Deploy patrol:network to pg
-- requires: patrol
-- What the map says about each piece of street, kept as facts, and profiles
-- that judge them: who may drive where, and how long it takes.

BEGIN;

SET LOCAL search_path = patrol, public;

ALTER TABLE road_network
    ADD COLUMN facts smallint NOT NULL DEFAULT 0 CHECK (facts >= 0);
COMMENT ON COLUMN road_network.facts IS
    'How the facts of its edges were read: 0, not at all (imported before there were any; import again before profiles are changed); 1, as the columns of road_edge, road_node and road_turn say';
COMMENT ON TABLE road_network IS
    'One row an import, and one each time that the profiles are changed; the newest row is what is in force, and gateways reload when it comes';

-- ---------------------------------------------------------------- junctions
ALTER TABLE road_node
    ADD COLUMN control text CHECK (control IN
        ('signals', 'stop', 'give_way', 'mini_roundabout')),
    ADD COLUMN barrier text;
COMMENT ON COLUMN road_node.node_id IS
    'OpenStreetMap''s. 4611686018427387904 (2^62) more than a node''s id: a place of our own, 2 m before the barrier on that node, where an edge is cut so that the barrier has a piece to itself';
COMMENT ON COLUMN road_node.control IS
    'Rules the whole junction, from wherever one comes. What stands before it on one of its streets is counted with that edge';
COMMENT ON COLUMN road_node.barrier IS
    'As road_edge.barrier. Where two streets or fewer meet, the edge that ends here carries it, too, and is what costs; where more do, it is not known which of them it bars, and it costs nothing';

-- -------------------------------------------------------------------- edges
-- An edge may be there for another profile than the first alone.
ALTER TABLE road_edge DROP CONSTRAINT road_edge_check;
ALTER TABLE road_edge
    ADD COLUMN surface text,
    ADD COLUMN smoothness text,
    ADD COLUMN tracktype text,
    ADD COLUMN service text,
    ADD COLUMN access text,
    ADD COLUMN oneway text CHECK (oneway IN
        ('forward', 'backward', 'reversible', 'alternating')),
    ADD COLUMN oneway_except text,
    ADD COLUMN maxspeed_kind text CHECK (maxspeed_kind IN
        ('posted', 'implicit', 'walk', 'none', 'variable')),
    ADD COLUMN lanes smallint CHECK (lanes > 0),
    ADD COLUMN layer smallint NOT NULL DEFAULT 0,
    ADD COLUMN bridge boolean NOT NULL DEFAULT false,
    ADD COLUMN tunnel boolean NOT NULL DEFAULT false,
    ADD COLUMN roundabout boolean NOT NULL DEFAULT false,
    ADD COLUMN barrier text,
    ADD COLUMN signals_forward smallint NOT NULL DEFAULT 0,
    ADD COLUMN signals_backward smallint NOT NULL DEFAULT 0,
    ADD COLUMN stops_forward smallint NOT NULL DEFAULT 0,
    ADD COLUMN stops_backward smallint NOT NULL DEFAULT 0,
    ADD COLUMN give_ways_forward smallint NOT NULL DEFAULT 0,
    ADD COLUMN give_ways_backward smallint NOT NULL DEFAULT 0,
    ADD COLUMN crossings smallint NOT NULL DEFAULT 0,
    ADD COLUMN calmings smallint NOT NULL DEFAULT 0;

COMMENT ON COLUMN road_edge.forward_ms IS
    'Milliseconds from source to target by the first profile (road_profile.profile_id 1, patrol); null: it may not';
COMMENT ON COLUMN road_edge.backward_ms IS
    'The same from target to source';
COMMENT ON COLUMN road_edge.class IS
    'The highway tag: a road for cars, or pedestrian, busway, track (with a firm surface), or footway, path, cycleway, bridleway where the emergency tag opens it';
COMMENT ON COLUMN road_edge.surface IS
    'The tag''s value, as of smoothness, tracktype and service; null: not tagged';
COMMENT ON COLUMN road_edge.access IS
    'The tags that say who may enter, "key=value" separated by blanks: access, vehicle, motor_vehicle, motorcar, emergency, psv and bus, each also with :forward or :backward; values without blanks, so a list stays one word ("no;delivery"). Null: none of them';
COMMENT ON COLUMN road_edge.oneway IS
    'For cars, as tagged or implied by a roundabout or a motorway; forward is from source to target. reversible and alternating change with the time of day. Null: both ways';
COMMENT ON COLUMN road_edge.oneway_except IS
    'Who may go against oneway, separated by blanks, of: bus emergency';
COMMENT ON COLUMN road_edge.maxspeed_forward_kmh IS
    'The limit; of a list the lowest; null: not tagged, or changes (variable)';
COMMENT ON COLUMN road_edge.maxspeed_kind IS
    'posted: a number; implicit: a country''s code or a zone (CU:urban, DE:zone:30); walk: walking pace; none: no limit (130 km/h); variable: signs that change, the limit is the highest, if known. Where the directions differ, forward''s. Null: not tagged or not understood';
COMMENT ON COLUMN road_edge.barrier IS
    'What stands in the way at one end of this piece of 2 m: the barrier tag''s value, rising_bollard for bollard=rising, and behind it what bears on it, as in access, also locked=yes: "gate access=private"';
COMMENT ON COLUMN road_edge.signals_forward IS
    'Signals met from source to target, not counting the two ends; as stops and give_ways';
COMMENT ON COLUMN road_edge.crossings IS
    'For people on foot, without signals, between the two ends';
COMMENT ON COLUMN road_edge.calmings IS
    'Humps, tables and the like, between the two ends';

-- -------------------------------------------------------------------- turns
ALTER TABLE road_turn
    ADD COLUMN via integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN except_classes text[] NOT NULL DEFAULT '{}';
ALTER TABLE road_turn
    DROP CONSTRAINT road_turn_pkey,
    ADD PRIMARY KEY (from_edge, from_forward, via, to_edge, to_forward);
COMMENT ON TABLE road_turn IS
    'A sequence of directed edges that may not be driven: from the end of from, along all of via, into to. Whoever leaves via before its end may; where an order (only_...) names a way as via, every other exit from that way''s end is listed, and leaving it earlier stays allowed';
COMMENT ON COLUMN road_turn.via IS
    'Edges between from and to, in order of travel: edge_id driven forward, -edge_id backward; empty where the two meet';
COMMENT ON COLUMN road_turn.except_classes IS
    'Whom it does not bind, from the except tag: psv, bus, taxi, emergency, bicycle, hgv, ... as tagged';

-- ----------------------------------------------------------------- profiles
CREATE TABLE road_profile (
    profile_id   smallint PRIMARY KEY CHECK (profile_id > 0),
    name         text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_]{0,30}$'),
    is_emergency boolean NOT NULL,
    keeps_turns  boolean NOT NULL,
    turn_ms      integer[] NOT NULL CHECK (array_ndims(turn_ms) = 1
                 AND array_lower(turn_ms, 1) = 1
                 AND cardinality(turn_ms) = 8
                 AND array_position(turn_ms[1:5], NULL) IS NULL
                 AND 0 <= ALL (array_remove(turn_ms, NULL))),
    control_ms   integer[] NOT NULL CHECK (array_ndims(control_ms) = 1
                 AND array_lower(control_ms, 1) = 1
                 AND cardinality(control_ms) = 4
                 AND array_position(control_ms, NULL) IS NULL
                 AND 0 <= ALL (control_ms)),
    source       text NOT NULL,
    CHECK (keeps_turns = (turn_ms[8] IS NULL))
);
COMMENT ON TABLE road_profile IS
    'Who drives, and by which rules. Written whole by patrolctl roads import and roads profiles, together with road_cost and a new row of road_network; 1 is the profile that patrols, whose costs road_edge repeats';
COMMENT ON COLUMN road_profile.is_emergency IS
    'Not bound by a road_turn whose except_classes has emergency';
COMMENT ON COLUMN road_profile.keeps_turns IS
    'False: makes a forbidden turn, at the cost of turn_ms[8]';
COMMENT ON COLUMN road_profile.turn_ms IS
    'Milliseconds to turn: ahead, right, left, sharp_right, sharp_left, round_at_dead_end, round_elsewhere, forbidden_turn_made (on top of the turn itself); null in one of the last three: never';
COMMENT ON COLUMN road_profile.control_ms IS
    'Milliseconds to pass a junction by its control: none, signals, stop, give_way; a mini_roundabout is a give_way';
COMMENT ON COLUMN road_profile.source IS
    'The profile''s part of the file it came from, comments and all';

-- No foreign keys: written whole, like the other road tables.
CREATE TABLE road_cost (
    profile_id  smallint NOT NULL,
    edge_id     integer NOT NULL,
    forward_ms  integer CHECK (forward_ms > 0),
    backward_ms integer CHECK (backward_ms > 0),
    PRIMARY KEY (profile_id, edge_id),
    CHECK (forward_ms IS NOT NULL OR backward_ms IS NOT NULL)
);
COMMENT ON TABLE road_cost IS
    'Milliseconds from end to end of each edge by each profile, its surface, barrier, signals and crossings counted in; null: not that way; no row: not at all';

COMMIT;
