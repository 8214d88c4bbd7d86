-- Verify patrol:live on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT made_by, gateway, made_at, streets_at, network_id, profile, units, level,
       pieces FROM live_made WHERE false;
SELECT mission_id, name, kind, zone, off_road, promise_s, within, covered, alarm,
       below_since, first_unit, first_s, second_unit, second_s, third_unit,
       third_s, geom FROM live_mission WHERE false;
SELECT zone_id, name, promise_s, missions, promised, within_1, within_2,
       within_3, length_m, share_1, share_2, share_3, alarm, below_since, geom
FROM live_zone WHERE false;
SELECT gap_id, length_m, worst_s, missions, mission_ids, mission_names, geom
FROM live_gap WHERE false;
SELECT piece_id, way_id, name, length_m, promise_s, within, first_s, second_s,
       third_s, geom FROM live_street WHERE false;
SELECT unit_id, call_sign, kind, capabilities, status, fix_time, age_s,
       speed_mps, course_deg, accuracy_m, geom FROM live_unit WHERE false;
SELECT mission_id, name, zone, "from", "to", promise_s, out_min, outages,
       longest_min, longest_from, passes, unpassed_min, geom
FROM past_mission WHERE false;

ROLLBACK;
