"""patrolctl roads learn: from positions in the database to times that the
gateway counts with."""
import json
import os
import subprocess

import pytest

from lib_common import BIN, wait_for
from lib_database import crossing
from lib_drives import Fleet, days_later

PATROLCTL = os.path.join(BIN, "patrolctl")


def learn(database, *more, code=0):
    done = subprocess.run(
        [PATROLCTL, "roads", "learn", "-d", database.url, "--from",
         "2026-10-01", "--to", "2026-12-31", *more],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def fleet(database):
    yield Fleet(database)
    database.query("TRUNCATE patrol.learned_profile, patrol.eta_prediction"
                   " CASCADE")
    database.query("DELETE FROM patrol.road_profile")
    database.query("DELETE FROM patrol.road_cost")


def factor(database, source, target, hour):
    """Of the piece of street between two nodes, as speeds.sql says."""
    return database.one(
        "SELECT (SELECT factor FROM patrol.learned_hour WHERE hour = %s AND"
        " profile = 'patrol') * exp(sum(ln(factor))) FROM patrol.learned_speed"
        " l, patrol.road_edge e WHERE profile = 'patrol' AND (e.source, e.target)"
        " = (%s, %s) AND (l.class = e.class AND l.period IS NULL OR"
        " (l.class = e.class OR (l.way_id, l.source, l.target) ="
        " (e.way_id, %s, %s)) AND l.period = 2 OR (l.way_id, l.backward) ="
        " (e.way_id, false) OR (l.way_id, l.source, l.target) ="
        " (e.way_id, %s, %s) AND l.period IS NULL)",
        hour, source, target, source, target, source, target)


def test_learns_what_was_driven(database, fleet):
    """Streets of 10 s a piece by the profile: y = 2 takes 20 s, y = 7 takes
    10; eastwards, on 40 days at noon."""
    for day in range(40):
        fleet.add(days_later(day), 2, 20)
        fleet.add(days_later(day, 12.5), 7, 10)
    fleet.store()
    told = json.loads(learn(database, "--json"))
    assert told["fixes"] == 40 * (37 + 19)
    (kind,) = told["profiles"]
    assert (kind["profile"], kind["drives"]) == ("patrol", 80)
    # 18 pieces; at either end the next may be touched. 9 of 102.4 m, 80 times
    assert kind["learned"] and 18 <= kind["edges"] <= 24
    assert 73 < kind["km"] < 75
    # Node 10 y + x + 1; hour 12 of Monday.
    assert 1.9 < factor(database, 23, 24, 12) < 2.1
    assert 0.95 < factor(database, 73, 74, 12) < 1.05
    assert database.one("SELECT dates FROM patrol.learned_hour WHERE hour = 12"
                        ) == 30  # of 40 days from a Monday on
    text = learn(database)
    assert "not learned: " in text and "cannot be learned" not in text


def test_blue_light_is_apart(database, fleet):
    """En route at twice the profile's speed, patrols at half of it."""
    database.query(
        "INSERT INTO patrol.road_profile SELECT n, name, n = 2, n = 1,"
        " CASE WHEN n = 1 THEN ARRAY[0,0,0,0,0,20000,NULL,NULL] ELSE"
        " ARRAY[0,0,0,0,0,20000,20000,5000] END, ARRAY[0,0,0,0], ''"
        " FROM (VALUES (1, 'patrol'), (2, 'emergency')) p (n, name)")
    database.query("INSERT INTO patrol.road_cost SELECT n, edge_id, forward_ms,"
                   " backward_ms FROM patrol.road_edge, generate_series(1, 2) n")
    for day in range(40):
        fleet.add(days_later(day), 2, 20)
        fleet.add(days_later(day, 13), 2, 5, status="en_route")
    fleet.store()
    told = {kind["profile"]: kind
            for kind in json.loads(learn(database, "--json"))["profiles"]}
    assert told["patrol"]["drives"] == told["emergency"]["drives"] == 40
    assert 1.9 < told["patrol"]["ratio"] < 2.1
    assert 0.45 < told["emergency"]["ratio"] < 0.55


def test_says_what_cannot_be_learned(database, fleet):
    for n in range(10):
        fleet.add(days_later(n), 2, 20)
    fleet.store()
    assert "nothing learned: fewer than 30 drives" in learn(database)
    assert database.one("SELECT count(*) FROM patrol.learned_profile") == 0
    database.query("TRUNCATE patrol.position")
    for n in range(40):  # one morning, every nine minutes
        fleet.add(days_later(20, 4 + n * 0.15), 4, 20)
    fleet.store()
    assert "cannot be learned from 1 date(s)" in learn(database)
    # A window without drives takes nothing away.
    learn(database, "--to", "2026-10-02")
    assert database.one("SELECT count(*) FROM patrol.learned_profile") == 1


def test_who_stands_does_not_drive(database, fleet):
    """Ten minutes at a post in the middle of every drive."""
    for day in range(40):
        fleet.add(days_later(day), 2, 20, 0, 4)
        fleet.add(days_later(day, 12 + 680 / 3600), 2, 20, 4, 9)
    fleet.store()
    (kind,) = json.loads(learn(database, "--json"))["profiles"]
    assert kind["drives"] == 80 and 1.9 < kind["ratio"] < 2.1


def test_calls_it_wrongly(database):
    assert "--from is not before --to" in learn(database, "--to", "2026-09-01",
                                                code=2)
    assert "invalid input syntax" in learn(database, "--to", "soon", code=1)


def drive_s(gateway, x, y):
    (unit,) = gateway.nearest(crossing(x, y), 1)["units"]
    return unit["drive_s"]


def stand(database, unit, x, y):
    """Parked and available at a crossing."""
    lat, lon = crossing(x, y)
    database.query(
        "INSERT INTO patrol.latest_position (unit_id, fix_time, received_at,"
        " geom, status, generation, seq, flags) VALUES (%s, now(), now(),"
        " ST_SetSRID(ST_MakePoint(%s, %s), 4326), 'available', 2, 1, 1)",
        unit, lon, lat)


def test_the_gateway_counts_with_it(database, fleet, make_gateway):
    """By itself after a second; and on a map whose edges have other numbers
    and are drawn the other way, by the ways' and nodes' ids."""
    for day in range(40):
        fleet.add(days_later(day - 50), 2, 20)
    now = database.one("SELECT now()")
    fleet.rows = [(row[0], row[1] + (now - days_later(-6)), *row[2:])
                  for row in fleet.rows]
    fleet.store()
    stand(database, fleet.unit, 1, 2)
    gateway = make_gateway(learn__after_s=1, learn__days=60).start()
    wait_for(lambda: gateway.metric("patrol_speeds_learned_total") == 1, 60,
             gateway.log)
    wait_for(lambda: gateway.metric("patrol_speeds_in_use") == 1, 60,
             gateway.log)
    wait_for(lambda: 56 < drive_s(gateway, 4, 2) < 64, 10, gateway.log)
    learned_s = drive_s(gateway, 4, 2)
    database.query(
        """
        BEGIN;
        CREATE TEMP TABLE old AS SELECT * FROM patrol.road_edge;
        DELETE FROM patrol.road_edge;
        INSERT INTO patrol.road_edge (edge_id, way_id, source, target, class,
            name, length_m, forward_ms, backward_ms, geom)
        SELECT (SELECT count(*) FROM old) - edge_id + 1, way_id, target, source,
            class, name, length_m, backward_ms, forward_ms, ST_Reverse(geom)
        FROM old;
        DROP TABLE old;
        INSERT INTO patrol.road_network (source, nodes, edges, turns, length_m,
            summary) SELECT 'turned', nodes, edges, turns, length_m, '{}'
        FROM patrol.road_network ORDER BY network_id DESC LIMIT 1;
        COMMIT
        """)
    try:
        number = database.one("SELECT max(network_id) FROM patrol.road_network")
        wait_for(lambda: gateway.nearest(crossing(4, 2), 1)["network_id"]
                 == number, 20, gateway.log)
        # Streets in one direction go by the way's; pieces by their nodes.
        wait_for(lambda: abs(drive_s(gateway, 4, 2) - learned_s) < 2, 20,
                 gateway.log)
    finally:
        database.add_grid()


def test_it_is_gone_when_it_is_taken_away(database, fleet, make_gateway):
    for day in range(40):
        fleet.add(days_later(day), 2, 20)
    fleet.store()
    stand(database, fleet.unit, 1, 2)
    gateway = make_gateway(learn__every_h=0).start()
    assert drive_s(gateway, 4, 2) == pytest.approx(30, abs=0.1)
    learn(database)
    wait_for(lambda: drive_s(gateway, 4, 2) > 50, 20, gateway.log)
    database.query("TRUNCATE patrol.learned_profile CASCADE")
    wait_for(lambda: abs(drive_s(gateway, 4, 2) - 30) < 0.1, 20, gateway.log)
