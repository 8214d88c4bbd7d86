-- Verify patrol:patrol on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT unit_id, call_sign, kind, capabilities FROM unit WHERE false;
SELECT device_id, name FROM device WHERE false;
SELECT unit_id, device_id, "from", "to" FROM unit_device WHERE false;
SELECT unit_id, fix_time, received_at, geom, speed_mps, course_deg, accuracy_m,
       status, generation, seq, flags FROM position WHERE false;
SELECT unit_id, generation, seq, event_time, kind, status, detail,
       time_from_gateway
FROM unit_event WHERE false;
SELECT unit_id, fix_time, received_at, geom, speed_mps, course_deg, accuracy_m,
       status, generation, seq, flags FROM latest_position WHERE false;
SELECT device_id, generation, stored_to, ranges, lost, updated_at
FROM receipt WHERE false;
SELECT quarantine_id, received_at, device, reason, generation, seq,
       fix_time_ms, lat_e6, lon_e6, detail FROM quarantine WHERE false;
SELECT zone_id, name, promise_s, time_zone, geom FROM zone WHERE false;
SELECT mission_id, ref, name, kind, zone_id, geom FROM mission WHERE false;
SELECT network_id, imported_at, source, nodes, edges, turns, length_m, summary
FROM road_network WHERE false;
SELECT node_id, geom FROM road_node WHERE false;
SELECT edge_id, way_id, source, target, class, name, ref, length_m, forward_ms,
       backward_ms, maxspeed_forward_kmh, maxspeed_backward_kmh, geom
FROM road_edge WHERE false;
SELECT from_edge, from_forward, to_edge, to_forward, relation_id
FROM road_turn WHERE false;
SELECT has_function_privilege(
    'patrol.make_partitions(date, date)', 'execute');
SELECT has_function_privilege('patrol.drop_partitions(date)', 'execute');
-- Partitions by UTC day: at least the one of the day of deployment. Which days
-- there are now depends on when somebody looks, so that is not asked.
SELECT 1 / count(*) FROM pg_inherits
WHERE inhparent = 'patrol.position'::regclass;
-- Changes are told.
SELECT 1 / (count(*) >= 6)::integer FROM pg_trigger
WHERE tgname = 'told' AND tgfoid = 'patrol.tell_gateway()'::regprocedure;

ROLLBACK;
