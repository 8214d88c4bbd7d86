-- Verify patrol:plans on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT plan_id, name, made_at, took_s, network_id, profile, time_zone,
       hours_learned, units, settings
FROM coverage_plan WHERE false;
SELECT plan_id, group_no, name, hours FROM coverage_plan_group WHERE false;
SELECT plan_id, group_no, units, weight, weight_of, at_most, missions,
       missions_of, streets_m, streets_of_m, stopped
FROM coverage_plan_choice WHERE false;
SELECT plan_id, group_no, units, post_no, geom, street, zone, kept, post_id,
       name, adds, holds, missions
FROM coverage_plan_post WHERE false;

ROLLBACK;
