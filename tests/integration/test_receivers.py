"""Recorded receivers through gpsd, agent, broker and gateway to PostGIS.

What a log ought to give stands beside it: .chk is what gpsd's own tests
expect, written by a newer gpsd than Debian's 3.22. Where the two differ, the
test says how and why. The pace leaves fixes out by design; here it is set as
narrow as it goes (a metre, a second), and a fix left out has to be one that
is nearer than that to the one before."""
import os
import random
import time

import pytest

import lib_replay as replay
import lib_wire as wire
from lib_common import TOP, wait_for
from lib_database import crossing, positions
from lib_nmea import epoch as nmea_epoch
from lib_vehicle import entry, now_ms

LOGS = os.path.join(replay.SHARED, "receivers")
OURS = os.path.join(TOP, "tests/data")
CAR, OTHER = "car-1", "car-2"
NARROW = {"pace__bound_m": 1, "pace__bound_assigned_m": 1, "pace__moving": 1,
          "pace__parked": 1, "pace__accuracy_max": 100000}
# A fix of our own ends each replay: what came before it has been dealt with
# once this one is stored and receipted.
END = (10.5, 20.25)


# Put together from two recordings, the second earlier in the day: 3.22 takes a
# GGA whose clock has gone back for one after midnight, until a sentence with a
# date follows. A newer gpsd does not.
MIDNIGHTS = [["bt451", ((14 * 60 + 33) * 60 + 6) * 1000]]


needs_logs = pytest.mark.skipif(not os.path.isdir(LOGS),
                                reason="skipped: no data")


def log(name):
    return os.path.join(LOGS, name + ".log")


@pytest.fixture
def receiver(place):
    """In place of the one that drives: gpsd and agent read from this."""
    receiver = replay.Replay(os.path.join(place, "receiver")).plug()
    yield receiver
    receiver.unplug()


@pytest.fixture
def chain(database, make_gateway, make_agent, receiver, gpsd):
    """chain(pieces, every_s): plays them, and ends when all is stored."""
    database.add_unit(CAR)
    database.add_unit(OTHER)
    gateway = make_gateway().start()
    agent = make_agent(CAR, **NARROW).start()
    receiver.identify(gpsd)
    agent.process.wait_log("receiver attached")
    agent.process.wait_log("connected to broker")

    def play(pieces, every_s=0.001, ended=True):
        receiver.play(pieces, every_s)
        if ended:
            receiver.play([nmea_epoch(time.time() + s, *END).encode()
                           for s in (-2, -1, 0)], 0.1)
            wait_for(lambda: is_over(database), 60, agent.process.log)
            numbers = [row[0] for row in stored(database) + refused(database)]
            assert sorted(numbers) == list(range(1, _end_seq(database)))
        assert agent.process.runs() and gateway.process.runs()
        return gateway
    return play


def _end_seq(database):
    end = [row[0] for row in positions(database, CAR)
           if row[2:] == (END[0] * 1e6, END[1] * 1e6)]
    return min(end, default=None)


def is_over(database):
    """The ledger has no hole up to the last fix."""
    end = _end_seq(database)
    return end is not None and database.one(
        "SELECT max(stored_to) FROM patrol.receipt JOIN patrol.device"
        " USING (device_id) WHERE name = %s", CAR) >= end


def stored(database):
    return [row for row in positions(database, CAR)
            if row[0] < _end_seq(database)]


def refused(database):
    """(seq, time_ms, lat_e6, lon_e6, reason)"""
    return database.query(
        "SELECT seq, fix_time_ms, lat_e6, lon_e6, reason FROM"
        " patrol.quarantine WHERE device = %s ORDER BY seq", CAR)


def may_be_left_out(epoch, after):
    """Less than a second after the last that was reported, which reckoning
    bridges (how well is test_pace.c's question), or the same again, or out of
    order."""
    return -60000 <= epoch.time_ms - after[1] < 1000


def may_wait(epoch, after):
    """A start or a leap of a receiver that stood: faster than a walk from the
    last that was reported. One such fix may be a spike, so the next one is
    awaited."""
    return epoch.nearest_m(*after[2:4]) > (epoch.time_ms - after[1]) / 1000


def agree(rows, epochs):
    """Each row is the next of the epochs, in time to the millisecond and in
    place to 1e-6 degree; those in between had to be left out, or were one
    that waited for the next."""
    left, before = list(epochs), None
    for row in rows:
        waited = False
        while left and not (left[0].time_ms == row[1] and
                            left[0].has(*row[2:4])):
            waits = before and not waited and may_wait(left[0], before)
            assert before and (may_be_left_out(left[0], before) or waits), \
                f"{left[0]} is not stored; {before}, then {row}"
            waited = waited or not may_be_left_out(left[0], before)
            left.pop(0)
        assert left, f"{row} is no fix of the receiver's"
        left.pop(0)
        before = row
    for epoch in left:
        assert before and may_be_left_out(epoch, before), \
            f"{epoch} is not stored; the last is {before}"


# ---------------------------------------------------------------- NMEA logs
@needs_logs
@pytest.mark.parametrize("name", [
    "bt451", "nl2008u", "sl869", "haicom-305N", "quectel-eg25-g",
    "telit-pls83-w", "beidou-bd", "nmea-fuzzy-cases", "tcp-torture"])
def test_log_is_stored_as_gpsd_understood_it(chain, database, name):
    path = log(name)
    day = replay.recent_day()
    chain(replay.read(path, day))
    assert stored(database)
    epochs = replay.on_day(replay.chk_epochs(path + ".chk"), day)
    for epoch in epochs:
        if [name, epoch.time_ms % replay.DAY_MS] in MIDNIGHTS:
            epoch.time_ms += replay.DAY_MS
    agree(stored(database), epochs)
    assert refused(database) == []


@needs_logs
def test_boat_whose_sentences_differ_about_the_place(chain, database):
    """This one's RMC comes first in a second, with the place of the second
    before; GGA and GLL follow with the new one. gpsd 3.22 reports at once, a
    newer one waits for GGA: the agent sends the first it hears. So a fix is
    at one of the places that the sentences give for that second (read here
    without gpsd), within a second's sailing of where the .chk has it. Where
    a second has no GGA after its RMC, only 3.22 knows of it."""
    path = log("bundg_zeus_9")
    day = replay.recent_day()
    lines = replay.read(path, day)
    # five thousand of them: twenty at a time
    chain([b"".join(lines[at:at + 20]) for at in range(0, len(lines), 20)])
    places = {}
    for epoch in replay.said_epochs(lines):
        places.setdefault(epoch.time_ms, replay.Epoch(epoch.time_ms)) \
            .places.extend(epoch.places)
    rows = stored(database)
    agree(rows, [places[t] for t in sorted(places)])
    chk = {e.time_ms: e for e in replay.on_day(
        replay.chk_epochs(path + ".chk"), day)}
    assert set(chk) <= {row[1] for row in rows}
    assert len(rows) - len(chk) <= 1
    for row in rows:
        if row[1] in chk:  # 5.6 knots, the most that it sails: 2.9 m a second
            assert chk[row[1]].nearest_m(*row[2:4]) < 3.5
    exact = [row for row in rows
             if row[1] in chk and chk[row[1]].has(*row[2:4])]
    assert len(exact) > len(rows) / 2


# -------------------------------------------------------------- binary logs
@needs_logs
@pytest.mark.parametrize("name, weeks, ends", [
    # UBX gives the whole week. 3.22 also reports the epochs at both ends of
    # the log, 0.2 s before the .chk's first and after its last.
    ("ublox-neo-m8n", 0, 200),
    # SiRF's week has ten bits: 3.22, made in 2021, takes 2021-12 for the next
    # round of 1024 weeks unless told otherwise; a newer gpsd is told.
    ("sirf2", 1024, None)])
def test_old_log_goes_to_quarantine_and_spoils_nothing(
        chain, database, make_vehicle, name, weeks, ends):
    path = log(name)
    vehicle = make_vehicle(OTHER)
    pieces = replay.read(path)
    half = len(pieces) // 2
    chain(pieces[:half], ended=False)
    fixes = [entry(seq, crossing(1, 1), now_ms() - 1000 + seq)
             for seq in (1, 2, 3)]
    vehicle.send(*fixes)
    chain(pieces[half:])
    vehicle.wait_stored(3)
    assert [row[1:] for row in positions(database, OTHER)] == [
        (e["time_ms"], e["lat_e6"], e["lon_e6"]) for e in fixes]
    assert stored(database) == []
    epochs = replay.chk_epochs(path + ".chk")
    if ends:
        epochs.insert(0, replay.Epoch(epochs[0].time_ms - ends,
                                      epochs[0].places))
        epochs.append(replay.Epoch(epochs[-1].time_ms + ends,
                                   epochs[-1].places))
    by_ms = weeks * 7 * replay.DAY_MS
    agree(refused(database), [replay.Epoch(e.time_ms + by_ms, e.places)
                              for e in epochs])
    for row in refused(database):
        assert row[4] == ("fix_time_too_old" if row[1] < now_ms()
                          else "fix_time_in_future")


@needs_logs
def test_receiver_without_a_fix_is_said_to_have_none(chain, database):
    pieces = replay.read(log("bu303-nofix"))
    gateway = chain(pieces, every_s=7 / len(pieces), ended=False)
    state = wait_for(lambda: gateway.get("/v1/units/" + CAR)["vehicle"], 10)
    assert state["receiver_mode"] == 1
    assert database.one("SELECT count(*) FROM patrol.position") == 0
    assert refused(database) == []


# --------------------------------------------------------------- our own log
def drive(damage=None):
    """A minute with what goes wrong on a drive (each part is explained in the
    file), and what its sentences say where they are on the globe."""
    lines = replay.read(os.path.join(OURS, "drive.nmea"))
    if damage:
        lines = damage(b"".join(lines)).splitlines(keepends=True)
    lines = replay.moved(lines, replay.recent_day())
    return lines, [epoch for epoch in replay.said_epochs(lines)
                   if abs(epoch.places[0][0]) <= 90]


def flip_bits(data):
    """In one byte of a hundred. The checksum is an XOR: the same bit twice in
    a sentence passes. With this seed that happens to none."""
    rng = random.Random(20240603)
    return bytes(byte ^ 1 << rng.randrange(8) if rng.random() < 0.01 else byte
                 for byte in data)


def time_of(epochs, clock):
    """Milliseconds of the first epoch with this time of day, hhmmss."""
    day_ms = ((int(clock[:2]) * 60 + int(clock[2:4])) * 60 +
              int(clock[4:])) * 1000
    return next(e.time_ms for e in epochs
                if e.time_ms % replay.DAY_MS == day_ms)


def test_drive_with_all_that_goes_wrong(chain, database):
    lines, epochs = drive()
    chain(lines)
    null_island = [e for e in epochs if e.has(0, 0)]
    assert [(row[1:]) for row in refused(database)] == [
        (null_island[0].time_ms, 0, 0, "impossible_coordinates")]
    rows = stored(database)
    agree(rows, [e for e in epochs if e not in null_island])
    # Counted in the file: 7 seconds 2D, 15 3D, 2 + 2 around the spike, 7
    # across the meridian, 1 said three times, 7 after the missing minutes, 3
    # after the noise, 7 by the clock put back.
    assert len(rows) == 7 + 15 + 4 + 7 + 1 + 7 + 3 + 7
    # across the 180th meridian, south of the equator, over midnight
    assert {row[3] > 0 for row in rows} == {True, False}
    assert all(row[2] < 0 for row in rows)
    assert len({row[1] // replay.DAY_MS for row in rows}) == 2
    assert database.one(
        "SELECT speed_mps FROM patrol.position WHERE fix_time ="
        " to_timestamp(%s / 1000.0)", time_of(epochs, "000008")) == 93
    flat = database.query(
        "SELECT seq FROM patrol.position WHERE (flags & %s) = 0 AND seq < %s",
        wire.IS_3D, _end_seq(database))
    # gpsd may say 2D for a second more: GSA is the last of its sentences
    assert {row[0] for row in flat} >= set(range(1, 8))
    assert len(flat) <= 9


def test_damaged_log_gives_no_place_that_was_not_said(chain, database):
    """What is reported was said for that time before the damage."""
    _, whole = drive()
    lines, left = drive(flip_bits)
    assert {(e.time_ms, place) for e in left for place in e.places} <= \
        {(e.time_ms, place) for e in whole for place in e.places}
    chain(lines)
    rows = stored(database)
    assert len(rows) > len(whole) / 2
    for row in rows:
        assert any(e.time_ms == row[1] and e.has(*row[2:4])
                   for e in whole), row
