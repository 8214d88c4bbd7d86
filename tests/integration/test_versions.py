"""Vehicles are not all brought up to date in one night: an agent of a version
before, and one of a version after, with today's gateway, and today's agent with
a gateway of a version after."""
import importlib
import os
import re
import subprocess
import sys
import time

import pytest

import lib_wire as wire
from lib_common import TOP, wait_for
from lib_database import crossing
from lib_vehicle import KIND, STATUS, now_ms

CAR = "car-1"
LAT, LON = 23.1301, -82.3601  # the recorded drives go through it
NORTH, EAST = 0.0001, 0.00005  # a second


# --------------------------------------------------------------- a version before
def recorded(name):
    path = os.path.join(TOP, "tests/data", f"agent-{name}.hex")
    with open(path, encoding="ascii") as lines:
        return [bytes.fromhex(line) for line in lines
                if not line.startswith("#")]


def varint(data, at):
    """(value, where it ends)"""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def as_varint(value):
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def moved(report, by_ms):
    """The same bytes, but for the time of the first entry: the gateway refuses
    what is older than a month."""
    at, out = 0, bytearray()
    while at < len(report):
        start = at
        key, at = varint(report, at)
        field, kind = key >> 3, key & 7
        value, end = varint(report, at) if kind != 1 else (None, at + 8)
        if field == 5:
            out += report[start:at] + as_varint(value + by_ms)
        else:
            end += value if kind == 2 else 0
            out += report[start:end]
        at = end
    return bytes(out)


def first_time_ms(reports):
    return min(e.time_ms for report in reports
               for e in wire.entries(wire.decode(report)))


def stored(database):
    return database.query(
        "SELECT seq, extract(epoch FROM fix_time)::bigint, ST_Y(geom),"
        " ST_X(geom), speed_mps, course_deg, accuracy_m IS NULL, status"
        " FROM patrol.position ORDER BY seq")


@pytest.mark.parametrize("name, mode, next_due_s, depth", [
    # as protoc --decode says of the last report with a state
    ("before-settings", 1, 3, 0), ("before-own-truth", 3, 1, 12)])
def test_an_older_agents_reports(database, make_gateway, make_vehicle, name,
                                 mode, next_due_s, depth):
    """As they were recorded: each fix is stored once and receipted, and what
    it did not know to say is not said."""
    count = 14  # the highest number of both, again by protoc
    reports = recorded(name)
    by_ms = (now_ms() - 60000 - first_time_ms(reports)) // 1000 * 1000
    reports = [moved(report, by_ms) for report in reports]
    began = first_time_ms(reports) // 1000
    generation = wire.decode(reports[0]).generation
    database.add_unit("P-1", CAR)
    gateway = make_gateway().start()
    vehicle = make_vehicle(CAR)
    for report in reports + reports:  # it repeats what has no receipt
        vehicle.publish(report)
    wait_for(lambda: vehicle.stored_to(generation) == count, 15, gateway.log)
    rows = stored(database)
    assert [row[0] for row in rows] == list(range(1, count + 1))
    start = round((rows[0][2] - LAT) / NORTH)  # seconds into the drive
    for _, time_s, lat, lon, speed_mps, course_deg, vague, status in rows:
        second = start + time_s - began
        assert lat == pytest.approx(LAT + second * NORTH, abs=1.5e-6)
        assert lon == pytest.approx(LON + second * EAST, abs=1.5e-6)
        assert (speed_mps, course_deg) == pytest.approx((12.25, 24.5), abs=0.01)
        assert status == "available"
    assert not all(row[6] for row in rows)  # some say how exact they are
    said = gateway.get("/v1/units/P-1")
    assert [said["vehicle"][word] for word in (
        "receiver_mode", "next_due_s", "outbox_depth", "clock_offset_ms",
        "power", "battery_percent")] == [mode, next_due_s, depth] + [None] * 3
    assert said["pace"]["acknowledged_revision"] is None
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 0


# ---------------------------------------------------------------- a version after
MORE = {  # message: what the next version says as well
    "Report": "uint32 newer_number = 90; bytes newer_text = 91;"
              " repeated sint64 newer_column = 92; Detail newer_part = 93;",
    "Detail": "fixed64 newer_number = 90; bytes newer_text = 91;",
    "VehicleState": "sint64 newer_number = 90; bytes newer_text = 91;",
    "Receipt": "fixed32 newer_number = 90; bytes newer_text = 91;",
    "Settings": "uint64 newer_number = 90; bytes newer_text = 91;",
}


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """protoc's code for report.proto with these fields."""
    place = tmp_path_factory.mktemp("newer")
    with open(os.path.join(TOP, "schema/report/report.proto"),
              encoding="utf-8") as file:
        text = file.read().replace("package patrol.v1;",
                                   "package patrol.newer;")
    for message, fields in MORE.items():
        text, found = re.subn(rf"^message {message} {{$",
                              f"message {message} {{ {fields}", text,
                              flags=re.M)
        assert found == 1, message
    (place / "newer.proto").write_text(text, encoding="utf-8")
    subprocess.run(["protoc", f"--python_out={place}", "-I", place,
                    "newer.proto"], check=True)
    sys.path.insert(0, str(place))
    try:
        return importlib.import_module("newer_pb2")
    finally:
        sys.path.remove(str(place))


def say_more(message):
    message.newer_number = 77
    message.newer_text = b"\xff\x00not text" * 20
    return message


def newer_report(newer, generation):
    """Three fixes northwards, a second apart, the last a status with a
    detail."""
    lat, lon = crossing(1, 1)
    report = newer.Report(
        generation=generation, count=3, seq=1, time_ms=now_ms() - 2000,
        lat_e6=round(lat * 1e6), lon_e6=round(lon * 1e6),
        flags=wire.POSITION | STATUS["available"] << 8,
        time_delta_ms=[1000, 1000], lat_delta_e6=[100, 100],
        flags_delta=[0, KIND["status"] << 12])
    say_more(report.details.add(index=2, text=b"turno 7"))
    report.newer_column.extend([-5, 2 ** 40])
    say_more(report.newer_part)
    state = say_more(report.state)
    state.now_ms, state.receiver_mode, state.next_due_s = now_ms(), 4, 60
    state.outbox_depth, state.power = 3, 9  # a source not known today
    return say_more(report)


def test_a_newer_agents_reports(database, make_gateway, make_vehicle, newer):
    """What the gateway does not know of is passed over, and the rest counts
    as if it were not there."""
    database.add_unit("P-1", CAR)
    gateway = make_gateway().start()
    vehicle = make_vehicle(CAR)
    report = newer_report(newer, vehicle.generation)
    vehicle.publish(report.SerializeToString())
    vehicle.wait_stored(3)
    lat, lon = crossing(1, 1)
    assert [row[2:4] for row in stored(database)] == [
        pytest.approx((lat + n * 0.0001, lon), abs=1.5e-6) for n in range(3)]
    assert database.query("SELECT seq, kind, detail FROM patrol.unit_event") \
        == [(3, "status", "turno 7")]
    said = gateway.get("/v1/units/P-1")["vehicle"]
    assert (said["receiver_mode"], said["next_due_s"], said["outbox_depth"],
            said["power"]) == (3, 60, 3, None)
    heartbeat = say_more(newer.Report(generation=vehicle.generation, seq=4))
    say_more(heartbeat.state).receiver_mode = 2
    vehicle.publish(heartbeat.SerializeToString())
    wait_for(lambda: gateway.get("/v1/units/P-1")["vehicle"]["receiver_mode"]
             == 1, 10, gateway.log)
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_a_newer_gateways_receipts_and_settings(make_agent, make_peer,
                                                receiver, newer):
    receiver.step, receiver.speed_mps = (NORTH, EAST), 12.25
    peer = make_peer()
    agent = make_agent(CAR).start()
    wait_for(lambda: len(peer.entries(CAR)) >= 3, 20, agent.process.log)
    settings = say_more(newer.Settings(revision=5, bound_dm=60, moving_s=2))
    peer.client.publish(f"patrol/v1/{CAR}/settings",
                        settings.SerializeToString(), 1, True)
    wait_for(lambda: peer.states(CAR)[-1].settings_revision == 5, 20,
             agent.process.log)
    agent.process.wait_log("settings 5: 6.0 m")
    receiver.mode = 1
    time.sleep(2)  # what was on its way is there
    last = max(entry.seq for entry in peer.entries(CAR))
    receipt = say_more(newer.Receipt(
        generation=peer.entries(CAR)[0].generation, stored_to=last))
    peer.client.publish(f"patrol/v1/{CAR}/receipt",
                        receipt.SerializeToString(), 1)
    agent.process.wait_log(f"{last} receipted, 0 left")
    assert "refused" not in agent.process.log()
    assert agent.stop() == 0
    assert agent.held() == 0
