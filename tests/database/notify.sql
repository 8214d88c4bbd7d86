-- What a running gateway hears of, and what it does not.
BEGIN;
SET LOCAL statement_timeout = '60s';
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS dblink;
SELECT no_plan();

-- Notifications come at COMMIT, so the changes are made by another session.
CREATE FUNCTION pg_temp.url() RETURNS text LANGUAGE sql AS
    $$SELECT format('host=%s dbname=%s user=%s',
        split_part(current_setting('unix_socket_directories'), ',', 1),
        current_database(), current_user)$$;
SELECT dblink_connect('change', pg_temp.url());
SELECT dblink_connect('hear', pg_temp.url());
SELECT dblink_exec('hear', 'LISTEN patrol_changed');

-- The payloads heard since the last call, each once.
CREATE FUNCTION pg_temp.after(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    heard text;
BEGIN
    PERFORM dblink_exec('change', change);
    -- the listener takes it up between two of its own commands at the latest
    PERFORM pg_sleep(0.1);
    PERFORM FROM dblink('hear', 'SELECT 1') AS r (n int);
    SELECT string_agg(extra, ' ' ORDER BY extra) INTO heard
    FROM dblink_get_notify('hear') WHERE notify_name = 'patrol_changed';
    RETURN coalesce(heard, 'nothing');
END $$;

SELECT is(pg_temp.after($$INSERT INTO patrol.unit (call_sign)
    VALUES ('N1'), ('N2')$$), 'catalog', 'units: once a statement');
SELECT is(pg_temp.after($$UPDATE patrol.unit SET kind = 'van'
    WHERE call_sign = 'N1'$$), 'catalog', 'a unit changed');
SELECT is(pg_temp.after($$INSERT INTO patrol.device (name) VALUES ('n')$$),
    'catalog', 'devices');
SELECT is(pg_temp.after($$INSERT INTO patrol.unit_device (unit_id, device_id)
    SELECT unit_id, device_id FROM patrol.unit, patrol.device
    WHERE call_sign = 'N1' AND name = 'n'$$), 'catalog', 'who is who');
SELECT is(pg_temp.after($$INSERT INTO patrol.zone (name, geom) VALUES ('N',
    ST_GeomFromText('MULTIPOLYGON(((0 0,0 1,1 1,0 0)))', 4326))$$),
    'catalog', 'zones');
SELECT is(pg_temp.after($$INSERT INTO patrol.mission (name, geom)
    VALUES ('N', ST_SetSRID(ST_MakePoint(0, 0), 4326))$$),
    'catalog', 'missions');
SELECT is(pg_temp.after($$INSERT INTO patrol.road_network (source, nodes,
    edges, turns, length_m, summary) VALUES ('n', 0, 0, 0, 0, '{}')$$),
    'roads', 'a new network');
SELECT is(pg_temp.after($$INSERT INTO patrol.closure (kind, street)
    VALUES ('closed', 'N')$$), 'closures', 'a street is closed');
SELECT is(pg_temp.after($$UPDATE patrol.closure SET removed_at = now()
    WHERE street = 'N'$$), 'closures', 'and opened');
SELECT is(pg_temp.after($$INSERT INTO patrol.learned_profile (profile,
    from_time, to_time, drives, time_zone, tau2, phi_s)
    VALUES ('n', now(), now(), 30, 'UTC', 0, 0)$$), 'speeds', 'learned speeds');
SELECT is(pg_temp.after($$INSERT INTO patrol.quarantine (device, reason)
    VALUES ('n', 'malformed')$$), 'nothing', 'what is written all day is not told');
SELECT is(pg_temp.after($c$DO $x$ BEGIN
    INSERT INTO patrol.device (name) VALUES ('n2');
    DELETE FROM patrol.device WHERE name = 'n2';
    DELETE FROM patrol.mission WHERE name = 'N';
    END $x$$c$), 'catalog', 'once a transaction');
SELECT is(pg_temp.after($$TRUNCATE patrol.mission$$), 'catalog', 'emptied');

SELECT dblink_exec('change', $$DELETE FROM patrol.unit WHERE call_sign ~ '^N'$$),
    dblink_exec('change', $$DELETE FROM patrol.device WHERE name = 'n'$$),
    dblink_exec('change', $$DELETE FROM patrol.zone WHERE name = 'N'$$),
    dblink_exec('change', $$DELETE FROM patrol.road_network WHERE source = 'n'$$),
    dblink_exec('change', $$DELETE FROM patrol.closure WHERE street = 'N'$$),
    dblink_exec('change', $$DELETE FROM patrol.learned_profile WHERE profile = 'n'$$),
    dblink_exec('change', $$DELETE FROM patrol.quarantine WHERE device = 'n'$$);
SELECT dblink_disconnect('change'), dblink_disconnect('hear');
SELECT * FROM finish();
ROLLBACK;
