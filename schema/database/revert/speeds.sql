-- Revert patrol:speeds from pg

BEGIN;

DROP TABLE patrol.eta_prediction;
DROP TABLE patrol.learned_speed;
DROP TABLE patrol.learned_hour;
DROP TABLE patrol.learned_profile;

COMMIT;
