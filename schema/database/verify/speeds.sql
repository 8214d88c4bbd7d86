-- Verify patrol:speeds on pg

BEGIN;

SET LOCAL search_path = patrol, public;

SELECT profile, learned_at, from_time, to_time, drives, time_zone, tau2, phi_s
FROM learned_profile WHERE false;
SELECT profile, hour, factor, seconds, passages, low, high, dates
FROM learned_hour WHERE false;
SELECT profile, level, class, way_id, backward, source, target, period, factor,
       seconds, passages FROM learned_speed WHERE false;
SELECT unit_id, asked_at, mission_id, geom, profile, eta_s, low_s, high_s,
       promise_s, p_within, position_age_s, departed_at, arrived_at, arrived_m,
       took_s FROM eta_prediction WHERE false;

ROLLBACK;
