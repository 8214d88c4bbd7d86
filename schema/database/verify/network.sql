-- Verify patrol:network on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT facts FROM road_network WHERE false;
SELECT control, barrier FROM road_node WHERE false;
SELECT surface, smoothness, tracktype, service, access, oneway, oneway_except,
       maxspeed_kind, lanes, layer, bridge, tunnel, roundabout, barrier,
       signals_forward, signals_backward, stops_forward, stops_backward,
       give_ways_forward, give_ways_backward, crossings, calmings
FROM road_edge WHERE false;
SELECT via, except_classes FROM road_turn WHERE false;
SELECT profile_id, name, is_emergency, keeps_turns, turn_ms, control_ms,
       source FROM road_profile WHERE false;
SELECT profile_id, edge_id, forward_ms, backward_ms FROM road_cost WHERE false;

ROLLBACK;
