"""The gateway between a real broker and a real database: vehicles here send
what protoc encodes, and what they are told is what PostgreSQL has."""
import os
import subprocess
import time

import pytest

from lib_common import TOP, wait_for
from lib_database import crossing, positions
from lib_gateway import PROGRAM, SANITIZED
from lib_vehicle import CLOCK_UNSURE, encode, entry, now_ms

DAY_MS = 86400000


def call_signs(answer):
    return [unit["call_sign"] for unit in answer["units"]]


# ------------------------------------------------------------------ the chain
def test_a_fix_is_stored_once_receipted_and_answered(database, make_gateway,
                                                     make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    sent = [entry(1, crossing(2, 2), now_ms() - 2000, speed_cmps=1000,
                  course_cdeg=9000, accuracy_dm=40),
            entry(2, crossing(3, 2), now_ms() - 1000, accuracy_dm=35)]
    car.send(*sent)
    car.wait_stored(2)
    assert positions(database, "A1") == [
        (e["seq"], e["time_ms"], e["lat_e6"], e["lon_e6"]) for e in sent]
    assert database.query("SELECT speed_mps, course_deg, accuracy_m, status"
                          " FROM patrol.position ORDER BY seq") == [
        (10, 90, 4, "available"), (None, None, 3.5, "available")]
    car.send(*sent)  # a repeat: no second row, but a receipt
    before = len(car.receipts)
    wait_for(lambda: len(car.receipts) > before, why="the repeat's receipt")
    assert len(positions(database, "A1")) == 2
    answer = gateway.nearest(crossing(3, 4))
    assert call_signs(answer) == ["A1"]
    # Two streets of 10 s each.
    assert answer["units"][0]["eta_s"] == pytest.approx(20, abs=0.1)
    assert answer["units"][0]["position_age_s"] < 60


def test_units_rank_by_road_and_the_others_say_why(database, make_gateway,
                                                   make_vehicle):
    for call_sign in ("A1", "A2", "BUSY", "MUTE"):
        database.add_unit(call_sign)
    database.add_unit("FOOT", kind="foot")
    gateway = make_gateway().start()
    for call_sign, at, status in (("A1", crossing(5, 5), "available"),
                                  ("A2", crossing(1, 1), "available"),
                                  ("BUSY", crossing(0, 0), "busy"),
                                  ("FOOT", crossing(0, 0), "available")):
        car = make_vehicle(call_sign)
        car.send(entry(1, at, status=status))
        car.wait_stored(1)
    answer = gateway.nearest(crossing(0, 0))
    assert [(u["call_sign"], round(u["eta_s"])) for u in answer["units"]] == [
        ("A2", 20), ("A1", 100)]
    assert {e["call_sign"]: e["reason"] for e in answer["excluded"]} == {
        "BUSY": "not_available", "FOOT": "travels_on_foot", "MUTE": "no_position"}


def test_no_receipt_before_commit(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    make_gateway().start()
    car = make_vehicle("A1")
    lock = database.connect()
    lock.autocommit = False
    with lock.cursor() as cursor:
        cursor.execute("LOCK TABLE patrol.receipt IN ACCESS EXCLUSIVE MODE")
    car.send(entry(1, crossing(1, 1)))
    time.sleep(2)
    assert car.receipts == []
    lock.rollback()
    lock.close()
    car.wait_stored(1)
    assert len(positions(database, "A1")) == 1


# ------------------------------------------------------------------- refusals
def test_refused_entries_spoil_nothing_and_are_receipted(database,
                                                         make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    here = crossing(4, 4)
    now = now_ms()
    car.send(entry(1, here, now - 9000),
             entry(2, (0.0, 0.0), now - 8000),
             entry(3, (91.0, 10.0), now - 7000),
             entry(4, here, now - 31 * DAY_MS),
             entry(5, here, now + 3600000),
             entry(6, here, now - 4000, speed_cmps=20000),
             entry(7, here, 0, flags=CLOCK_UNSURE),
             entry(8, here, now - 1000))
    car.wait_stored(8)
    assert [row[0] for row in positions(database, "A1")] == [1, 8]
    assert database.query("SELECT seq, reason FROM patrol.quarantine"
                          " WHERE device = 'A1' ORDER BY seq") == [
        (2, "impossible_coordinates"), (3, "impossible_coordinates"),
        (4, "fix_time_too_old"), (5, "fix_time_in_future"),
        (6, "impossible_value"), (7, "fix_time_too_old")]
    assert gateway.metric('patrol_intake_entries_total{verdict="accepted"}') == 2
    assert gateway.metric(
        'patrol_intake_entries_total{verdict="impossible_coordinates"}') == 2
    assert gateway.get("/v1/units/A1")["call_sign"] == "A1"


def test_unknown_device(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    make_gateway().start()
    stranger = make_vehicle("stranger")
    stranger.send(entry(1, crossing(1, 1)), entry(2, crossing(1, 2)))
    wait_for(lambda: database.query(
        "SELECT seq, reason FROM patrol.quarantine WHERE device = 'stranger'"
        " ORDER BY seq") == [(1, "unknown_device"), (2, "unknown_device")],
        why="quarantine")
    wait_for(lambda: stranger.receipts, why="a receipt for the stranger")
    assert database.one("SELECT count(*) FROM patrol.position") == 0


def test_a_vehicle_enrolled_a_moment_ago_loses_nothing(database, make_gateway,
                                                       make_vehicle):
    """While the list of units cannot be read, a report from a vehicle that is
    not in it waits; it is not refused by a list that is older."""
    database.add_unit("A1")
    gateway = make_gateway().start()
    wait_for(lambda: gateway.get("/v1/units")["units"], why="the first unit")
    database.query("ALTER TABLE patrol.mission RENAME TO mission_away")
    car = make_vehicle("A2")
    car.send(entry(1, crossing(1, 1)), entry(2, crossing(1, 2)))
    wait_for(lambda: gateway.metric("patrol_intake_undecided_messages") == 1,
             why="the report put aside")
    database.add_unit("A2")
    time.sleep(1)
    assert car.receipts == []
    database.query("ALTER TABLE patrol.mission_away RENAME TO mission")
    car.wait_stored(2)
    assert [row[0] for row in positions(database, "A2")] == [1, 2]
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 0
    assert gateway.metric("patrol_intake_undecided_messages") == 0


def test_a_device_is_the_unit_it_was_then(database, make_gateway, make_vehicle):
    database.add_unit("OLD", device="box")
    new = database.one("INSERT INTO patrol.unit (call_sign) VALUES ('NEW')"
                       " RETURNING unit_id")
    database.query('UPDATE patrol.unit_device SET "to" = now() - interval'
                   " '1 hour'")
    database.query('INSERT INTO patrol.unit_device (unit_id, device_id, "from")'
                   " SELECT %s, device_id, now() - interval '30 minutes'"
                   " FROM patrol.device", new)
    make_gateway().start()
    box = make_vehicle("box")
    now = now_ms()
    box.send(entry(1, crossing(1, 1), now - 2 * 3600000),
             entry(2, crossing(1, 1), now - 45 * 60000),
             entry(3, crossing(1, 1), now))
    box.wait_stored(3)
    assert [row[0] for row in positions(database, "OLD")] == [1]
    assert [row[0] for row in positions(database, "NEW")] == [3]
    assert database.query("SELECT seq, reason FROM patrol.quarantine") == [
        (2, "unknown_device")]


def test_malformed_messages_are_counted_and_harm_nothing(database,
                                                         make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    for payload in (b"", b"\xff" * 40, b"not a report", os.urandom(3000)):
        car.publish(payload)
    car.send(entry(1, crossing(1, 1)))
    car.wait_stored(1)
    assert gateway.metric(
        'patrol_intake_entries_total{verdict="malformed"}') == 4
    wait_for(lambda: database.one("SELECT count(*) FROM patrol.quarantine"
                                    " WHERE reason = 'malformed'") == 4,
               why="quarantine")


def test_a_late_report_moves_nothing_back(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    now = now_ms()
    car.send(entry(5, crossing(2, 2), now), lowest_held=1)
    car.send(*[entry(n, crossing(9, 9), now - 60000 + n) for n in range(1, 5)])
    car.wait_stored(5)
    unit = gateway.nearest(crossing(2, 2))["units"][0]
    assert unit["eta_s"] == pytest.approx(0, abs=0.2)
    assert database.one("SELECT seq FROM patrol.latest_position") == 5


def test_a_jump_is_flagged_not_refused(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    now = now_ms()
    car.send(entry(1, crossing(0, 0), now - 3000),
             entry(2, crossing(9, 9), now - 2000))  # 1.4 km in a second
    car.wait_stored(2)
    assert database.query("SELECT seq, flags >> 16 FROM patrol.position"
                          " ORDER BY seq") == [(1, 0), (2, 1)]
    assert gateway.metric("patrol_intake_jumps_total") == 1


# --------------------------------------------------------------- crew and state
def test_status_without_a_fix_and_panic(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway(intake__receipt_every_s=60).start()
    car = make_vehicle("A1")
    car.send(entry(1, crossing(1, 1)))
    car.wait_stored(1)
    assert call_signs(gateway.nearest(crossing(0, 0))) == ["A1"]
    car.send(entry(2, status="en_route", kind="status"))
    wait_for(lambda: call_signs(gateway.nearest(crossing(0, 0))) == [],
               why="the new status")
    car.wait_stored(2, timeout=5)  # what a crew does is receipted at once
    car.send(entry(3, crossing(1, 1), status="en_route", kind="panic"))
    car.wait_stored(3, timeout=5)
    assert database.query("SELECT seq, kind, status FROM patrol.unit_event"
                          " ORDER BY seq") == [(2, "status", "en_route"),
                                               (3, "panic", "en_route")]


def test_a_status_without_a_fix_is_known_later(database, make_gateway, make_vehicle):
    """By whoever starts after it, and by a replay: both read the database."""
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    first = entry(1, crossing(1, 1))
    car.send(first)
    # Neither an act nor a fix, and of the same moment as that one.
    said = entry(2, status="busy", time_ms=first["time_ms"])
    car.send(said)
    car.wait_stored(2)
    rows = "SELECT seq, kind, status FROM patrol.unit_event"
    assert database.query(rows) == [(2, "fix", "busy")]
    car.send(said)  # a repeat is the same, and one that differs is not
    car.send(entry(2, crossing(5, 5), time_ms=said["time_ms"]),
             entry(3, crossing(1, 1), status="busy", time_ms=now_ms() - 60000))
    car.wait_stored(3)
    assert database.query(rows) == [(2, "fix", "busy")]
    assert database.query("SELECT seq, reason FROM patrol.quarantine") == [
        (2, "repeat_differs")]
    gateway.kill()
    again = make_gateway().start()
    assert again.get("/v1/units/A1")["status"] == "busy"


def test_an_act_outlives_its_place_and_time(database, make_gateway, make_vehicle):
    """Whatever receiver and clock say, what the crew did is stored and shown;
    where it was and when go to quarantine, as they were sent."""
    for call_sign in ("A1", "A2"):
        database.add_unit(call_sign)
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    begun = now_ms()
    sure = begun - 5000
    acts = [entry(2, status="busy", kind="status", time_ms=0, flags=CLOCK_UNSURE),
            entry(3, (91.0, 10.0), sure, status="busy", kind="panic"),
            entry(4, crossing(1, 1), sure, status="busy", kind="answer",
                  detail=b"order 7", speed_cmps=20000),
            entry(5, crossing(1, 1), begun + 3600000, status="on_scene",
                  kind="logon", detail=b"crew 7"),
            entry(6, (0.0, 0.0), 1000, status="available", kind="status")]
    car.send(entry(1, crossing(2, 2), begun - 9000), *acts)
    car.wait_stored(6)
    rows = database.query(
        "SELECT seq, kind, status, detail, time_from_gateway,"
        " round(extract(epoch FROM event_time) * 1000)::bigint"
        " FROM patrol.unit_event ORDER BY seq")
    assert [row[:5] for row in rows] == [
        (2, "status", "busy", None, True),
        (3, "panic", "busy", None, False),
        (4, "answer", "busy", "order 7", False),
        (5, "logon", "on_scene", "crew 7", True),
        (6, "status", "available", None, True)]
    for seq, _, _, _, from_gateway, time_ms in rows:
        if from_gateway:
            assert begun <= time_ms <= now_ms(), seq
        else:
            assert time_ms == sure, seq
    quarantined = database.query(
        "SELECT seq, reason, fix_time_ms, lat_e6, detail FROM patrol.quarantine"
        " WHERE device = 'A1' ORDER BY seq")
    assert quarantined == [
        (2, "fix_time_too_old", 0, None, None),
        (3, "impossible_coordinates", sure, 91000000, None),
        (4, "impossible_value", sure, acts[2]["lat_e6"], "order 7"),
        (5, "fix_time_in_future", begun + 3600000, acts[3]["lat_e6"], "crew 7"),
        (6, "impossible_coordinates", 1000, 0, None)]
    assert [row[0] for row in positions(database, "A1")] == [1]
    unit = gateway.get("/v1/units/A1")
    assert (unit["status"], unit["position"]["lat"]) == (
        "available", pytest.approx(crossing(2, 2)[0], abs=1e-6))
    assert gateway.metric("patrol_intake_acts_kept_total") == 5

    # An older one, repeated later, is the older one all the same; now, and
    # after the gateway has started anew.
    for _ in range(2):
        before = len(car.receipts)
        car.send(*acts[:4])
        wait_for(lambda: len(car.receipts) > before, why="the repeat's receipt")
        assert gateway.get("/v1/units/A1")["status"] == "available"
        gateway.kill()
        gateway = make_gateway().start()
        assert gateway.get("/v1/units/A1")["status"] == "available"
    assert database.one("SELECT count(*) FROM patrol.unit_event") == 5
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 5
    assert database.query("SELECT stored_to, ranges::text FROM patrol.receipt"
                          " JOIN patrol.device USING (device_id)"
                          " WHERE name = 'A1'") == [(6, "{}")]


def test_a_time_that_has_become_possible(database, make_gateway, make_vehicle):
    """Sent ahead of our clock, repeated when that time had come: the same
    act, no other content."""
    database.add_unit("A1")
    gateway = make_gateway(intake__future_max_s=1).start()
    car = make_vehicle("A1")
    act = entry(1, status="busy", kind="panic", time_ms=now_ms() + 4000)
    car.send(act)
    car.wait_stored(1)
    assert database.one("SELECT time_from_gateway FROM patrol.unit_event")
    wait_for(lambda: now_ms() > act["time_ms"], why="the clock")
    before = len(car.receipts)
    car.send(act)
    wait_for(lambda: len(car.receipts) > before, why="the repeat's receipt")
    assert gateway.metric("patrol_store_repeats_total") == 1
    assert database.query("SELECT reason FROM patrol.quarantine") == [
        ("fix_time_in_future",)]


def test_an_act_of_an_unknown_device(database, make_gateway, make_vehicle):
    database.query("INSERT INTO patrol.device (name) VALUES ('spare')")
    make_gateway().start()
    for name in ("stranger", "spare"):  # the latter is no unit's
        make_vehicle(name).send(
            entry(1, crossing(1, 1), status="busy", kind="panic"),
            entry(2, (0.0, 0.0), status="busy", kind="panic"),
            entry(3, time_ms=0, status="busy", kind="panic"))
    wait_for(lambda: database.query(
        "SELECT device, seq, reason FROM patrol.quarantine"
        " ORDER BY device, seq") == [
            ("spare", 1, "unknown_device"),
            ("spare", 2, "impossible_coordinates"),
            ("spare", 3, "fix_time_too_old"),
            ("stranger", 1, "unknown_device"),
            ("stranger", 2, "unknown_device"),
            ("stranger", 3, "unknown_device")], why="quarantine")
    assert database.one("SELECT count(*) FROM patrol.unit_event") == 0


def test_presence(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()

    def connected():
        return gateway.get("/v1/units/A1").get("connected")
    car = make_vehicle("A1")
    wait_for(lambda: connected() is True, why="online")
    car.vanish()
    wait_for(lambda: connected() is False, why="offline, by the will")


def test_vehicle_state(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    car.send(state={"now_ms": now_ms(), "receiver_mode": 2,
                    "outbox_depth": 7})  # no entries: a heartbeat
    wait_for(lambda: gateway.metric("patrol_intake_reports_total") == 1,
               why="the heartbeat")
    assert gateway.metric("patrol_units_live") == 1
    assert call_signs(gateway.nearest(crossing(0, 0))) == []
    old = gateway.get("/v1/units/A1")["vehicle"]  # of an agent that is older
    assert (old["receiver_mode"], old["outbox_depth"]) == (1, 7)
    assert [name for name, value in old.items() if value is None] == [
        "next_due_s", "satellites_used", "clock_offset_ms", "power",
        "battery_percent", "outbox_oldest_age_s"]
    car.send(state={"now_ms": now_ms(), "receiver_mode": 4, "power": 2,
                    "satellites_used": 8, "battery_percent": 36,
                    "clock_offset_ms": -7200000, "outbox_depth": 7,
                    "oldest_age_s": 640, "dropped": 2, "next_due_s": 10})

    def said():
        vehicle = gateway.get("/v1/units/A1")["vehicle"]
        return vehicle["power"] and vehicle
    vehicle = wait_for(said, why="the newer state")
    assert vehicle.pop("said_at") > old["said_at"]
    assert vehicle == {
        "next_due_s": 10, "receiver_mode": 3, "satellites_used": 7,
        "clock_offset_ms": -7200000, "power": "battery",
        "battery_percent": 35, "outbox_depth": 7, "outbox_oldest_age_s": 640,
        "outbox_dropped": 2}
    wait_for(lambda: gateway.metric("patrol_units_on_battery") == 1,
             why="counted")
    assert gateway.metric("patrol_units_clock_wrong") == 1
    assert gateway.metric("patrol_units_without_fix") == 0
    assert gateway.metric("patrol_vehicle_outbox_entries") == 7
    assert gateway.metric("patrol_vehicle_outbox_oldest_seconds") == 640


def test_a_unit_is_silent_past_its_promise(database, make_gateway, make_vehicle):
    """Time alone makes it so, a heartbeat without a fix ends it."""
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")

    def heartbeat(next_due_s, silent):
        car.send(state={"now_ms": now_ms(), "receiver_mode": 2,
                        "next_due_s": next_due_s})

        def unit():
            unit = gateway.get("/v1/units/A1")
            return (unit["silent"] is silent and unit["vehicle"] and
                    unit["vehicle"]["next_due_s"] == next_due_s and unit)
        return wait_for(unit, why=f"silent: {silent}")

    never = gateway.get("/v1/units/A1")
    assert never["silent"] is never["heard_by"] is never["heard_at"] is None
    heartbeat(600, False)
    assert heartbeat(1, True)["heard_by"] == "gateway"
    wait_for(lambda: gateway.metric("patrol_units_silent") == 1, why="counted")
    assert "unit A1 is silent: last heard 1 s ago, 1 s are allowed" in \
        gateway.log()
    assert heartbeat(600, False)["position"] is None
    wait_for(lambda: gateway.metric("patrol_units_silent") == 0, why="counted")
    assert "unit A1 is heard again" in gateway.log()


def test_silent_units_rank_below_the_others(database, make_gateway,
                                            make_vehicle):
    """Of three parked cars the nearest falls silent, and the next has not
    said its place for longer than it promised."""
    for call_sign in ("A1", "A2", "A3"):
        database.add_unit(call_sign)
    gateway = make_gateway(fleet__silent_factor=2).start()
    cars = [make_vehicle(call_sign) for call_sign in ("A1", "A2", "A3")]
    states = [{"now_ms": now_ms(), "receiver_mode": 4, "next_due_s": due_s}
              for due_s in (1, 30, 600)]
    now = now_ms()
    for car, x, age_s, state in zip(cars, (1, 2, 3), (0, 61, 61), states):
        car.send(entry(1, crossing(x, 0), now - age_s * 1000), state=state)
    wait_for(lambda: gateway.get("/v1/units/A1")["silent"], why="silent A1")

    def ranked():
        return [(unit["call_sign"], unit["old"], unit["silent"])
                for unit in gateway.nearest(crossing(0, 0))["units"]]
    assert ranked() == [("A3", False, False), ("A1", True, True),
                        ("A2", True, False)]
    cars[0].send(entry(2, crossing(1, 0)), state={
        "now_ms": now_ms(), "receiver_mode": 4, "next_due_s": 600})
    wait_for(lambda: ranked() == [("A1", False, False), ("A3", False, False),
                                  ("A2", True, False)], why="A1 is back")


def test_after_a_start_silence_is_judged_from_the_database(
        database, make_gateway, make_vehicle):
    """A unit that was heard a moment ago is known to be; of one that was not
    nothing is said until the gateway has listened long enough itself."""
    for call_sign in ("A1", "A2", "MUTE"):
        database.add_unit(call_sign)
    gateway = make_gateway().start()
    for call_sign in ("A1", "A2"):
        car = make_vehicle(call_sign)
        car.send(entry(1, crossing(1, 1)))
        car.wait_stored(1)
    assert gateway.stop() == 0
    database.query("UPDATE patrol.latest_position SET received_at = now() -"
                   " interval '10 minutes' FROM patrol.unit u WHERE"
                   " u.unit_id = latest_position.unit_id AND call_sign = 'A2'")
    gateway = make_gateway().start()
    units = {unit["call_sign"]: unit
             for unit in gateway.get("/v1/units")["units"]}
    assert [(name, units[name]["heard_by"], units[name]["silent"])
            for name in ("A1", "A2", "MUTE")] == [
        ("A1", "database", False), ("A2", "database", None),
        ("MUTE", None, None)]
    assert units["A1"]["heard_at"] == units["A1"]["position"]["received_at"]
    assert 600 <= units["A2"]["heard_age_s"] < 700


def backlog(first, count, now):
    """Entries of a vehicle that comes back: one a second, oldest first."""
    return [entry(n, crossing(n % 9, 3), now - 1000 * (100000 - n))
            for n in range(first, first + count)]


def test_backlog_larger_than_a_tick(database, make_gateway, make_vehicle):
    """Three reports of the largest size: a tick takes two of them."""
    database.add_unit("A1")
    make_gateway(intake__receipt_every_s=60).start()
    car = make_vehicle("A1")
    now = now_ms()
    for first in (1, 4097, 8193):
        car.send(*backlog(first, 4096, now))
    car.wait_stored(12288, timeout=30)  # a backlog is receipted at once
    assert database.query("SELECT count(*), min(seq), max(seq)"
                          " FROM patrol.position") == [(12288, 1, 12288)]


def test_full_queue_means_no_receipt(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway(store__queue_max=1000).start()
    car = make_vehicle("A1")
    now = now_ms()
    database.stop()
    try:
        wait_for(lambda: gateway.status("/readyz") == 503, why="not ready")
        car.send(*backlog(1, 2000, now))
        wait_for(lambda: gateway.metric("patrol_store_refused_total") == 1000,
                 why="what the queue has no room for")
    finally:
        database.start()
    car.wait_stored(1000, timeout=30)
    assert car.stored_to() == 1000
    car.send(*backlog(1001, 1000, now))  # as the agent does without a receipt
    car.wait_stored(2000, timeout=30)
    assert database.one("SELECT count(*) FROM patrol.position") == 2000


def test_nobody_speaks_under_another_name(database, make_gateway,
                                          make_vehicle):
    database.add_unit("A1")
    database.add_unit("B1")
    gateway = make_gateway().start()
    car, rogue = make_vehicle("A1"), make_vehicle("B1")
    rogue.client.publish("patrol/v1/A1/report", encode(7, [
        entry(1, crossing(9, 9))]), 0).wait_for_publish(5)
    time.sleep(1)  # the broker drops it without a word, or its sender
    car.send(entry(1, crossing(2, 2)))
    car.wait_stored(1)
    assert database.query("SELECT generation FROM patrol.position") == [
        (car.generation,)]
    assert gateway.metric("patrol_intake_reports_total") == 1


# ------------------------------------------------------------------ what breaks
def test_killed_and_started_again(database, make_gateway, make_vehicle):
    names = ("A1", "A2", "A3")
    for name in names:
        database.add_unit(name)
    gateway = make_gateway().start()
    cars = [make_vehicle(name) for name in names]
    for n, car in enumerate(cars):
        car.send(entry(1, crossing(2 * n, n)))
        car.wait_stored(1)
    cars[0].send(entry(2, status="busy", kind="status"))
    wait_for(lambda: len(call_signs(gateway.nearest(crossing(0, 0)))) == 2,
               why="the status")
    cars[0].wait_stored(2)
    before = gateway.nearest(crossing(0, 0))
    gateway.kill()
    for n, car in enumerate(cars):  # while nobody listens
        car.send(entry(1, crossing(2 * n, n), now_ms()))
    began = time.monotonic()
    gateway.start(ready=False)
    wait_for(lambda: gateway.status("/v1/nearest?lat=23.1&lon=-82.4&k=5")
               == 200, why="the first answer")
    first = gateway.nearest(crossing(0, 0))
    took_s = time.monotonic() - began
    assert [(u["call_sign"], u["eta_s"]) for u in first["units"]] == [
        (u["call_sign"], u["eta_s"]) for u in before["units"]]
    assert {(e["call_sign"], e["reason"]) for e in first["excluded"]} == {
        (e["call_sign"], e["reason"]) for e in before["excluded"]}
    assert took_s < (5 if SANITIZED else 1)
    gateway.wait_ready()
    for n, car in enumerate(cars):
        car.send(entry(3, crossing(2 * n, n)), lowest_held=1)
        wait_for(lambda car=car: len(positions(database, car.name)) == 2,
                   why="a fix after the start")
    assert database.one("SELECT count(*) FROM patrol.position") == 6


def test_database_away_for_some_seconds(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    car.send(entry(1, crossing(1, 1)))
    car.wait_stored(1)
    database.stop()
    try:
        wait_for(lambda: gateway.status("/readyz") == 503, why="not ready")
        for n in range(2, 6):
            car.send(entry(n, crossing(n, 1)), lowest_held=2)
        # The map goes on without it, and nothing is receipted.
        wait_for(lambda: gateway.nearest(crossing(5, 1))["units"][0]["eta_s"]
                   < 1, why="live state")
        assert car.stored_to() == 1
    finally:
        database.start()
    wait_for(lambda: gateway.status("/readyz") == 200, 30, "ready again")
    car.wait_stored(5, timeout=30)
    assert [row[0] for row in positions(database, "A1")] == [1, 2, 3, 4, 5]
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_started_while_the_database_is_away(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    car = make_vehicle("A1")
    database.stop()
    try:
        gateway = make_gateway().start(ready=False)
        wait_for(lambda: gateway.status("/healthz") == 200, why="alive")
        assert gateway.status("/readyz") == 503
        assert gateway.status("/v1/nearest?lat=23.1&lon=-82.4&k=5") == 503
        wait_for(lambda: "\"broker\":\"up\"" in gateway.http.get(
            gateway.url + "/readyz").text.replace(" ", ""), why="the broker")
        # Judged only once devices are known: not quarantined as a stranger.
        car.send(entry(1, crossing(1, 1)))
        time.sleep(0.5)
    finally:
        database.start()
    gateway.wait_ready(30)
    car.wait_stored(1)
    assert len(positions(database, "A1")) == 1
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_broker_restarted(database, make_gateway, broker, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    car.send(entry(1, crossing(1, 1)))
    car.wait_stored(1)
    broker.kill()
    wait_for(lambda: gateway.status("/readyz") == 503, why="not ready")
    broker.start()
    wait_for(lambda: gateway.status("/readyz") == 200, 60, "ready again")
    car.subscribed.clear()
    wait_for(car.client.is_connected, 20, "the vehicle")

    def again():
        car.send(entry(2, crossing(2, 1)))
        time.sleep(0.3)
        return car.stored_to() == 2
    wait_for(again, 20, "a receipt after the broker's restart")
    assert [row[0] for row in positions(database, "A1")] == [1, 2]


# --------------------------------------------------------------------- changes
def test_a_new_unit_is_known_without_a_restart(database, make_gateway, make_vehicle):
    gateway = make_gateway().start()
    assert gateway.status("/v1/units/A1") == 404
    database.add_unit("A1")
    wait_for(lambda: gateway.status("/v1/units/A1") == 200, why="the unit")
    car = make_vehicle("A1")
    car.send(entry(1, crossing(1, 1)))
    car.wait_stored(1)
    assert call_signs(gateway.nearest(crossing(0, 0))) == ["A1"]
    database.query("DELETE FROM patrol.unit")
    wait_for(lambda: gateway.status("/v1/units/A1") == 404, why="it gone")
    assert call_signs(gateway.nearest(crossing(0, 0))) == []
    assert gateway.metric("patrol_units_live") == 0


def test_a_new_network_is_taken_without_a_restart(database, make_gateway,
                                                  make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    car.send(entry(1, crossing(4, 0)))
    car.wait_stored(1)

    def eta_s():
        return gateway.nearest(crossing(0, 0))["units"][0]["eta_s"]
    assert eta_s() == pytest.approx(40, abs=0.2)
    database.add_grid(ms=25000)
    wait_for(lambda: abs(eta_s() - 100) < 0.2, why="the slower streets")
    database.add_grid()
    wait_for(lambda: abs(eta_s() - 40) < 0.2, why="the streets as before")


# -------------------------------------------------------------------- command line
def run(*arguments):
    return subprocess.run([PROGRAM, *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=20, check=False)


def test_command_line(tmp_path):
    assert run("--version").stdout.startswith("patrol-gateway ")
    assert run("--help").returncode == 0
    assert run("--nonsense").returncode == 2
    assert run("stray").returncode == 2
    assert run("-n").returncode == 0
    wrong = run("-n", "-o", "intake.jump_mps=fast")
    assert wrong.returncode == 1 and "intake.jump_mps" in wrong.stderr
    wrong = run("-n", "-o", "fleet.silent_factor=0.9")
    assert wrong.returncode == 1 and "silent_factor" in wrong.stderr
    wrong = run("-n", "-o", "broker.cert=/nowhere")
    assert wrong.returncode == 1 and "go together" in wrong.stderr
    file = tmp_path / "bad.conf"
    file.write_text("[http]\nport = 80\n")
    wrong = run("-n", "-c", str(file))
    assert wrong.returncode == 1 and "bad.conf" in wrong.stderr


def test_the_sample_has_every_setting():
    sample = os.path.join(TOP, "deploy/config/patrol-gateway.conf")
    assert run("-n", "-c", sample).returncode == 0

    def settings(text):
        section, found = None, set()
        for line in text.splitlines():
            if line.startswith("["):
                section = line
            elif " = " in line or line.endswith(" ="):
                found.add((section, line.lstrip(";").split("=")[0].strip()))
        return found
    with open(sample) as text:
        assert settings(text.read()) == settings(run("--help-config").stdout)


def test_address_in_use(make_gateway):
    first = make_gateway().start()
    second = make_gateway(http__listen=f"127.0.0.1:{first.port}",
                          broker__client_id="second").start(ready=False)
    wait_for(lambda: not second.process.runs(), 20, second.log)
    assert second.process.child.returncode == 1
    assert str(first.port) in second.log()
    second.kill()


def test_a_second_gateway_leaves_the_first_its_broker(database, make_gateway,
                                                      make_vehicle):
    """Started by mistake with the same settings: it must fail on the address
    before the broker gives it the first one's name."""
    database.add_unit("A1")
    first = make_gateway().start()
    car = make_vehicle("A1")
    for number in range(3):
        second = make_gateway(
            http__listen=f"127.0.0.1:{first.port}").start(ready=False)
        wait_for(lambda: not second.process.runs(), 20, second.log)
        assert second.process.child.returncode == 1
        assert "broker" not in second.log(), second.log()
        second.kill()
        car.send(entry(number + 1, crossing(1, 1)))
        car.wait_stored(number + 1)
    assert first.log().count("connected to broker") == 1, first.log()
    assert "under our name" not in first.log()


def test_answers_before_the_broker_is_there(database, make_gateway, broker):
    broker.kill()
    gateway = make_gateway().start(ready=False)

    def parts():
        if gateway.status("/healthz") is None:
            return None
        answer = gateway.http.get(gateway.url + "/readyz", timeout=10)
        return (answer.status_code, answer.json()["parts"])
    wait_for(lambda: parts() == (503, {"broker": "down", "database": "up",
                                       "roads": "up"}), 20, gateway.log)
    broker.start()
    gateway.wait_ready(60)
