"""The store, the database connection and the catalog against a PostgreSQL of
their own: every entry once, whatever is repeated, stopped or killed."""
import contextlib
import os
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import psycopg2
import pytest

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BIN = os.environ.get("PATROL_BIN", os.path.join(TOP, "build/dev/bin"))
POSTGRES = os.path.join(TOP, "deploy/private/postgres")

# enum batch_refusal (gateway/batch/batch.h), enum pt_kind (report.h)
UNKNOWN_DEVICE, MALFORMED, COORDINATES, FUTURE = 1, 2, 3, 5
FIX, STATUS, PANIC, ANSWER = 0, 1, 2, 3
POSITION = 1


class Cluster:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="pt-store.", dir="/tmp")
        os.chmod(self.dir, 0o755)  # user postgres must reach its part
        self.url = self.control("url").strip()
        self.start()

    def control(self, action):
        return subprocess.run([POSTGRES, action, self.dir], check=True,
                              stdout=subprocess.PIPE, text=True,
                              timeout=120).stdout

    def start(self):
        self.control("start")

    def stop(self):
        self.control("stop")

    def sql(self, text, *values):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, values or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def one(self, text, *values):
        return self.sql(text, *values)[0][0]


@pytest.fixture(scope="module")
def cluster():
    made = Cluster()
    yield made
    made.stop()
    shutil.rmtree(made.dir)


@pytest.fixture
def db(cluster):
    """Empty tables, forty units, each with its device of the same number."""
    cluster.sql("""TRUNCATE patrol.position, patrol.unit_event,
        patrol.latest_position, patrol.receipt, patrol.quarantine,
        patrol.unit_device, patrol.unit, patrol.device, patrol.zone,
        patrol.mission RESTART IDENTITY CASCADE;
        INSERT INTO patrol.unit (call_sign)
            SELECT 'u' || n FROM generate_series(1, 40) n;
        INSERT INTO patrol.device (name)
            SELECT 'd' || n FROM generate_series(1, 40) n""")
    return cluster


class Probe:
    """A program that takes lines and gives lines."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen(
            [os.path.join(BIN, name), *map(str, arguments)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def expect(self, pattern, seconds=30):
        """The first line that matches; those before it are passed over."""
        end = time.monotonic() + seconds
        seen = []
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                break
            seen.append(line)
            match = re.fullmatch(pattern, line)
            if match:
                return match
        raise AssertionError(f"no line like {pattern!r} in {seen}")

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                # not 0 when a handle is left or a sanitizer found something
                assert self.process.wait(timeout=30) == 0
            finally:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()


class Store(Probe):
    """With one lane what is given at once is one transaction."""

    def __init__(self, url, queue_max=10000, batch_max=1000, lanes=1):
        super().__init__("store_probe", url, queue_max, batch_max, lanes)

    def give(self, *items):
        self.say(*items, "append")
        return int(self.expect(r"took (\d+) of \d+").group(1))

    def settled(self, seconds=60):
        """Waits until nothing is queued."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.say("state")
            state = self.expect(r"state (up|down) (\d+)")
            if state.groups() == ("up", "0"):
                return
            time.sleep(0.02)
        raise AssertionError("the queue does not empty: " + state.group(0))

    def metric(self, name):
        self.say("metrics")
        value = self.expect(re.escape(name) + r" (\S+)").group(1)
        self.expect("end")
        return float(value)


@pytest.fixture
def probes():
    made = []

    def start(kind, *arguments, **named):
        made.append(kind(*arguments, **named))
        return made[-1]

    yield start
    for probe in made:
        probe.close()


NOW_MS = int(time.time() * 1000)


def item(device, seq, generation=0xab, lowest=1, time_ms=None, lat=23130000,
         lon=-82380000, flags=POSITION, kind=FIX, refusal=0, detail=None,
         name=None, known=True):
    number = device if known else "-"
    words = ["item", name or f"d{device}", number, number, f"{generation:x}",
             seq, lowest, NOW_MS + seq * 1000 if time_ms is None else time_ms,
             NOW_MS, lat, lon, 0, flags, 1, kind, refusal]
    return " ".join(map(str, words)) + (f" {detail}" if detail else "")


def stored(db, device=None):
    return [row[0] for row in db.sql(
        "SELECT seq FROM patrol.position WHERE %s IS NULL OR unit_id = %s "
        "ORDER BY seq", device, device)]


def receipt(store, device, generation="ab", seconds=30):
    return store.expect(rf"receipt d{device} {generation} (\d+) (\S+) "
                        r"urgent=(\d) backlog=(\d)", seconds).groups()


def wait_until(db, text, seconds=20):
    end = time.monotonic() + seconds
    while not db.one(text):
        assert time.monotonic() < end, text
        time.sleep(0.02)


@contextlib.contextmanager
def held_ledger(db, device, generation=0xab):
    """Somebody else has its row locked, until the end or the database's."""
    db.sql("INSERT INTO patrol.receipt (device_id, generation) "
           "VALUES (%s, %s) ON CONFLICT DO NOTHING", device, generation)
    other = psycopg2.connect(db.url)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT FROM patrol.receipt WHERE device_id = %s "
                           "FOR UPDATE", (device,))
        yield
    finally:
        other.close()


ONE_WAITS = ("SELECT count(*) = 1 FROM pg_stat_activity WHERE "
             "application_name = 'patrol store' AND wait_event_type = 'Lock'")


# ------------------------------------------------------------- each entry once

def test_what_is_stored_is_what_was_sent(db, probes):
    store = probes(Store, db.url)
    at = 1795178096789  # date -u -d '2026-11-20 12:34:56.789' +%s%3N
    store.give(item(3, 1, time_ms=at, lat=23133000, lon=-82383000,
                    generation=0xffffffffffffffff))
    assert receipt(store, 3, "f" * 16) == ("1", "none", "0", "0")
    assert db.sql("""SELECT unit_id, fix_time::text, ST_AsText(geom), speed_mps,
        status::text, generation, seq, flags FROM patrol.position""") == [
            (3, "2026-11-20 12:34:56.789+00", "POINT(-82.383 23.133)", None,
             "available", -1, 1, 1)]


def test_repeats_reordered_and_doubled(db, probes):
    store = probes(Store, db.url)
    store.give(item(1, 5), item(1, 3), item(1, 4))
    assert receipt(store, 1)[:2] == ("0", "3-5")
    store.give(item(1, 4), item(1, 1), item(1, 1), item(2, 1))
    assert receipt(store, 1)[:2] == ("1", "3-5")
    store.give(item(1, 5), item(1, 2))
    assert receipt(store, 1) == ("5", "none", "0", "1")
    store.settled()
    assert stored(db, 1) == [1, 2, 3, 4, 5]
    assert stored(db, 2) == [1]
    assert store.metric("patrol_store_repeats_total") == 3
    assert store.metric("patrol_store_entries_total") == 6
    assert db.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_generations_are_apart(db, probes):
    store = probes(Store, db.url)
    store.give(item(1, 1, generation=1), item(1, 1, generation=2))
    store.settled()
    assert stored(db) == [1, 1]


def test_two_gateways_with_the_same_vehicles(db, probes):
    """Both are given everything, each in another order, in small batches."""
    stores = [probes(Store, db.url, batch_max=150, lanes=2) for _ in range(2)]
    entries = [(device, seq) for seq in range(1, 51) for device in range(1, 41)]
    for turn in range(0, len(entries), 500):
        part = entries[turn:turn + 500]
        stores[0].say(*[item(*entry) for entry in part], "append")
        stores[1].say(*[item(*entry) for entry in reversed(part)], "append")
    for store in stores:
        store.settled()
    assert db.one("SELECT count(*) FROM patrol.position") == 2000
    assert db.one("""SELECT count(DISTINCT (unit_id, generation, seq))
        FROM patrol.position""") == 2000
    assert db.sql("SELECT DISTINCT stored_to, ranges::text, lost "
                  "FROM patrol.receipt") == [(50, "{}", 0)]
    metrics = [[store.metric(f"patrol_store_{name}_total")
                for name in ("entries", "repeats", "failures")]
               for store in stores]
    assert sum(m[0] for m in metrics) == 2000
    assert sum(m[1] for m in metrics) == 2000
    assert all(m[2] == 0 for m in metrics), "no deadlocks"
    assert db.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_lanes_share_a_unit_and_nothing_else(db, probes):
    """Units with two devices each, which are in different lanes: their
    latest_position is whose fix is newer, and nobody deadlocks."""
    store = probes(Store, db.url, batch_max=40, lanes=2)
    entries = [item(device, seq, time_ms=NOW_MS + 10 * seq + device % 2)
               for seq in range(1, 101) for device in range(1, 41)]
    words = [entry.split() for entry in entries]
    for word in words:  # devices 1 and 2 are unit 1, 3 and 4 unit 2, ...
        word[3] = str((int(word[2]) + 1) // 2)
    for turn in range(0, len(words), 400):
        store.say(*map(" ".join, words[turn:turn + 400]), "append")
    store.settled()
    assert db.one("SELECT count(*) FROM patrol.position") == 4000
    assert db.sql("SELECT DISTINCT stored_to, ranges::text FROM patrol.receipt"
                  ) == [(100, "{}")]
    newest = db.sql("SELECT DISTINCT round(extract(epoch FROM fix_time) * 1000)"
                    "::bigint FROM patrol.latest_position")
    assert newest == [(NOW_MS + 1001,)]
    assert store.metric("patrol_store_failures_total") == 0


def test_a_lane_that_waits_holds_up_no_other(db, probes):
    store = probes(Store, db.url, lanes=2)
    store.give(item(1, 1), item(2, 1))
    store.settled()
    with held_ledger(db, 1):
        store.give(item(1, 2), item(2, 2))
        assert receipt(store, 2)[0] == "2"
        assert stored(db, 1) == [1]
    store.settled()
    assert stored(db, 1) == [1, 2]


def test_below_what_a_vehicle_holds_the_ledger_closes(db, probes):
    store = probes(Store, db.url)
    store.give(item(1, 2))
    receipt(store, 1)
    store.give(item(1, 10, lowest=9))
    assert receipt(store, 1)[:2] == ("8", "10-10")
    assert db.one("SELECT lost FROM patrol.receipt") == 7  # 1, 3 to 8
    assert store.metric("patrol_store_lost_total") == 7


def test_the_newest_fix_never_moves_back(db, probes):
    store = probes(Store, db.url)
    for seq in (5, 3, 6, 4):
        store.give(item(1, seq, lat=23000000 + seq))
        receipt(store, 1)
    assert db.sql("SELECT seq, ST_Y(geom) FROM patrol.latest_position") == [
        (6, 23.000006)]


def test_acts_are_events_and_panics_hurry(db, probes):
    store = probes(Store, db.url)
    store.give(item(1, 1, kind=PANIC, detail='say "help", \\ now'),
               item(1, 2, kind=ANSWER, flags=0, detail="order 7"))
    assert receipt(store, 1) == ("2", "none", "1", "0")
    assert db.sql("SELECT seq, kind, detail FROM patrol.unit_event "
                  "ORDER BY seq") == [(1, "panic", 'say "help", \\ now'),
                                      (2, "answer", "order 7")]
    assert stored(db) == [1]
    store.give(item(1, 1, kind=PANIC, detail='say "help", \\ now'),
               item(1, 2, kind=ANSWER, flags=0, detail="order 7"))
    store.settled()
    assert db.one("SELECT count(*) FROM patrol.quarantine") == 0


# ------------------------------------------------------------------- refused

def test_refused_entries_are_quarantined_once_and_receipted(db, probes):
    store = probes(Store, db.url)
    bad = [item(1, 2, lat=95000000, refusal=COORDINATES),
           item(1, 3, time_ms=9000000000000000, refusal=FUTURE)]
    store.give(item(1, 1), *bad)
    assert receipt(store, 1)[:2] == ("3", "none")
    store.give(*bad)
    receipt(store, 1)
    assert stored(db) == [1]
    assert db.sql("""SELECT device, reason, generation, seq, fix_time_ms,
        lat_e6 FROM patrol.quarantine ORDER BY seq""") == [
            ("d1", "impossible_coordinates", 0xab, 2, NOW_MS + 2000, 95000000),
            ("d1", "fix_time_in_future", 0xab, 3, 9000000000000000, 23130000)]


def test_unknown_devices_are_receipted_up_to_a_rate(db, probes):
    """600 rows a minute (QUARANTINE_PER_MINUTE); the rest stays with the
    vehicle. A change of minute in between may let twice as many in."""
    store = probes(Store, db.url)
    store.give(*[item(9, seq, name="stranger", known=False,
                      refusal=UNKNOWN_DEVICE) for seq in range(1, 1301)])
    store.settled()
    rows = db.one("SELECT count(*) FROM patrol.quarantine "
                  "WHERE device = 'stranger'")
    assert rows in range(600, 1201)
    assert store.metric("patrol_store_not_quarantined_total") == 1300 - rows
    assert db.one("SELECT count(*) FROM patrol.receipt") == 0


def test_a_stranger_gets_a_receipt_for_what_was_kept(db, probes):
    store = probes(Store, db.url)
    store.give(*[item(9, seq, name="stranger", known=False,
                      refusal=UNKNOWN_DEVICE) for seq in (4, 5)])
    assert store.expect(r"receipt stranger ab (\d+) (\S+) .*").groups() == (
        "0", "4-5")


def test_a_device_deleted_meanwhile_spoils_nothing(db, probes):
    store = probes(Store, db.url)
    db.sql("DELETE FROM patrol.device WHERE name = 'd2'")
    store.give(item(1, 1), item(2, 1))
    store.settled()
    assert stored(db) == [1]
    assert db.sql("SELECT device, reason FROM patrol.quarantine") == [
        ("d2", "unknown_device")]


def test_a_row_the_database_refuses_spoils_no_batch(db, probes):
    store = probes(Store, db.url)
    db.sql("ALTER TABLE patrol.position ADD CONSTRAINT poison "
           "CHECK (seq <> 13)")
    try:
        store.give(*[item(device, seq) for device in (1, 2)
                     for seq in range(1, 41)])
        store.settled()
    finally:
        db.sql("ALTER TABLE patrol.position DROP CONSTRAINT poison")
    expected = [seq for seq in range(1, 41) if seq != 13]
    assert stored(db, 1) == stored(db, 2) == expected
    assert db.sql("SELECT device, reason, seq FROM patrol.quarantine "
                  "ORDER BY device") == [("d1", "impossible_value", 13),
                                         ("d2", "impossible_value", 13)]
    assert db.sql("SELECT DISTINCT stored_to FROM patrol.receipt") == [(40,)]


def test_an_act_outlives_a_row_the_database_refuses(db, probes):
    store = probes(Store, db.url)
    db.sql("ALTER TABLE patrol.position ADD CONSTRAINT poison "
           "CHECK (seq NOT IN (2, 3))")
    db.sql("ALTER TABLE patrol.unit_event ADD CONSTRAINT poison "
           "CHECK (seq <> 3)")
    try:
        store.give(*[item(1, seq, kind=ANSWER, detail=f"order {seq}")
                     for seq in range(1, 5)])
        store.settled()
    finally:
        db.sql("ALTER TABLE patrol.position DROP CONSTRAINT poison")
        db.sql("ALTER TABLE patrol.unit_event DROP CONSTRAINT poison")
    assert stored(db) == [1, 4]
    assert db.sql("SELECT seq, detail FROM patrol.unit_event ORDER BY seq") == [
        (1, "order 1"), (2, "order 2"), (4, "order 4")]
    assert db.sql("SELECT reason, seq FROM patrol.quarantine ORDER BY seq") == [
        ("impossible_value", 2), ("impossible_value", 3)]
    assert db.sql("SELECT DISTINCT stored_to FROM patrol.receipt") == [(4,)]


@pytest.mark.parametrize("change", [
    {"lat": 23130001}, {"lon": -82380001},
    {"time_ms": NOW_MS + 500}, {"kind": PANIC}])
def test_a_repeat_with_another_content(db, probes, change):
    store = probes(Store, db.url)
    store.give(item(1, 1), item(1, 2))
    receipt(store, 1)
    store.give(item(1, 1, **change), item(1, 2))
    assert receipt(store, 1)[:2] == ("2", "none")
    assert stored(db) == [1, 2]
    assert db.sql("SELECT reason, seq FROM patrol.quarantine") == [
        ("repeat_differs", 1)]
    assert db.sql("SELECT DISTINCT ST_AsText(geom) FROM patrol.position") == [
        ("POINT(-82.38 23.13)",)]


def test_a_repeat_of_what_was_closed_is_no_alarm(db, probes):
    store = probes(Store, db.url)
    store.give(item(1, 5, lowest=5))
    receipt(store, 1)
    store.give(item(1, 3))  # late: the vehicle had given it up
    receipt(store, 1)
    assert stored(db) == [5]
    assert db.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_a_day_without_a_partition(db, probes):
    store = probes(Store, db.url)
    old = NOW_MS - 400 * 86400000
    store.give(item(1, 1, time_ms=old), item(1, 2))
    assert receipt(store, 1)[:2] == ("2", "none")
    assert stored(db) == [1, 2]
    assert db.one("SELECT count(*) FROM patrol.quarantine") == 0


# ------------------------------------------------------------ what is broken

def test_the_database_is_stopped_and_started(db, probes):
    store = probes(Store, db.url, batch_max=200, lanes=2)
    with held_ledger(db, 1, 77):
        store.say(f"load 40 1 250 {NOW_MS}")
        wait_until(db, ONE_WAITS)
        db.stop()
    db.start()
    store.expect("loaded 10000 in .*", 90)
    assert db.one("SELECT count(*) FROM patrol.position") == 10000
    assert db.sql("SELECT DISTINCT stored_to, ranges::text FROM "
                  "patrol.receipt") == [(250, "{}")]
    assert store.metric("patrol_store_failures_total") > 0


def kill_store(db, condition="true"):
    return db.one(f"""SELECT count(pg_terminate_backend(pid))
        FROM pg_stat_activity WHERE application_name = 'patrol store'
        AND ({condition})""")


def test_connections_are_killed_at_random(db, probes):
    store = probes(Store, db.url, batch_max=100, lanes=2)
    store.say(f"load 40 1 250 {NOW_MS}")
    killed = 0
    for pause in (0.05, 0.11, 0.17, 0.07, 0.13, 0.19):
        time.sleep(pause)
        killed += kill_store(db)
    assert killed > 0
    store.expect("loaded 10000 in .*", 90)
    assert db.one("SELECT count(*) FROM patrol.position") == 10000
    assert db.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_the_answer_to_commit_is_lost(db, probes):
    """COMMIT waits for a standby that is not there: it is done, and nobody
    says so. Killed there, the store must find that it is."""
    store = probes(Store, db.url)
    store.settled()
    db.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    db.sql("SELECT pg_reload_conf()")
    try:
        wait_until(db, "SELECT current_setting('synchronous_standby_names') "
                       "= 'nobody'")
        store.give(item(1, 1), item(1, 2), item(2, 1, kind=PANIC))
        wait_until(db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE "
                       "application_name = 'patrol store' "
                       "AND wait_event = 'SyncRep'")
        assert kill_store(db, "wait_event = 'SyncRep'") == 1
    finally:
        db.sql("ALTER SYSTEM RESET synchronous_standby_names")
        db.sql("SELECT pg_reload_conf()")
    assert receipt(store, 1) == ("2", "none", "0", "1")
    assert receipt(store, 2) == ("1", "none", "1", "1")
    assert stored(db) == [1, 1, 2]
    assert store.metric("patrol_store_repeats_total") == 3
    assert db.one("SELECT count(*) FROM patrol.unit_event") == 1
    assert db.one("SELECT count(*) FROM patrol.quarantine") == 0


def test_a_full_queue_takes_no_more_and_recovers(db, probes):
    store = probes(Store, db.url, queue_max=10, batch_max=10)
    store.settled()
    db.stop()
    try:
        entries = [item(1, seq) for seq in range(1, 16)]
        assert store.give(*entries) == 10
        assert store.give(*entries[10:]) == 0
    finally:
        db.start()
    store.settled()
    assert stored(db) == list(range(1, 11))
    assert store.give(*entries[10:]) == 5
    store.settled()
    assert stored(db) == list(range(1, 16))
    assert store.metric("patrol_store_queue_full_total") == 10


def test_a_deadlock_is_tried_again(db, probes):
    """Somebody else locks the same rows the other way round."""
    store = probes(Store, db.url)
    store.give(item(1, 1), item(2, 1))
    store.settled()
    other = psycopg2.connect(db.url)
    with other.cursor() as cursor:
        # the store is who finds the deadlock
        cursor.execute("SET deadlock_timeout = '1min'")
        cursor.execute("SELECT FROM patrol.receipt WHERE device_id = 2 "
                       "FOR UPDATE")
        store.give(item(1, 2), item(2, 2))
        wait_until(db, ONE_WAITS)
        cursor.execute("SELECT FROM patrol.receipt WHERE device_id = 1 "
                       "FOR UPDATE")
    other.rollback()
    other.close()
    store.settled()
    assert stored(db) == [1, 1, 2, 2]
    assert store.metric("patrol_store_failures_total") >= 1


# ----------------------------------------------------------------- connection

def test_requests_are_answered_in_order(db, probes):
    probe = probes(Probe, "db_probe", db.url)
    probe.expect("up")
    probe.say("query SELECT 1", "query SELECT 1/0", "query SELECT 2",
              "param it's $1 \"quoted\"", "query SELECT 3; SELECT 4",
              "query SHOW TimeZone")
    for line in ("answer ok 1 1", "answer error 22012", "answer ok 1 2",
                 "answer ok 1 it's $1 \"quoted\"", "answer ok 1 4",
                 "answer ok 1 UTC"):
        assert probe.expect("answer .*").group(0) == line


def test_more_than_the_bound_is_refused(db, probes):
    probe = probes(Probe, "db_probe", db.url)
    probe.expect("up")
    probe.say(*["query SELECT pg_sleep(0.2)"] + ["query SELECT 1"] * 70)
    for _ in range(71 - 64):  # DB_QUEUE_MAX
        probe.expect("refused")
    for _ in range(64):
        probe.expect("answer ok .*")


def test_copies_larger_than_any_buffer(db, probes):
    probe = probes(Probe, "db_probe", db.url)
    probe.expect("up")
    probe.say("query CREATE TEMP TABLE t (x text)",
              "copy 200000 COPY t FROM STDIN",  # 20 MB
              "query SELECT count(*) FROM t WHERE length(x) = 100")
    probe.expect("answer ok 0 CREATE TABLE")
    probe.expect("answer ok 0 COPY 200000")
    probe.expect("answer ok 1 200000")


def test_a_copy_refused_half_way(db, probes):
    probe = probes(Probe, "db_probe", db.url)
    probe.expect("up")
    probe.say("query CREATE TEMP TABLE t (x varchar(99))",
              "copy 200000 COPY t FROM STDIN",
              "copy 1 COPY no_such_table FROM STDIN",
              "query COPY t FROM STDIN",  # no data given
              "query SELECT 7")
    probe.expect("answer ok 0 CREATE TABLE")
    probe.expect("answer error 22001")
    probe.expect("answer error 42P01")
    probe.expect("answer error 57014")
    probe.expect("answer ok 1 7")


def test_notifications_and_a_lost_connection(db, probes):
    probe = probes(Probe, "db_probe", db.url)
    probe.expect("up")
    probe.say("query LISTEN patrol_changed")
    probe.expect("answer ok .*")
    db.sql("UPDATE patrol.unit SET kind = 'van' WHERE unit_id = 1")
    probe.expect("notified patrol_changed catalog")
    probe.say("query SELECT pg_sleep(60)", "query SELECT 1")
    wait_until(db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE "
                   "application_name = 'patrol probe' AND query ~ 'sleep'")
    db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
           "WHERE application_name = 'patrol probe'")
    probe.expect("answer error ")
    probe.expect("answer error ")
    probe.expect("down")
    probe.expect("up")
    probe.say("query SELECT 1")
    probe.expect("answer ok 1 1")


class LastWords:
    """A server that accepts one session, and when that asks something says a
    last word, does not read the question and goes: what a PostgreSQL does
    whose other process has crashed."""

    def __init__(self, directory):
        path = os.path.join(directory, ".s.PGSQL.5432")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.session, _ = self.listener.accept()
        self._message()  # the start, without a type
        self._say(b"R", bytes(4), b"Z", b"I")
        while b"SET TimeZone" not in self.session.recv(4096):
            pass
        self._say(b"C", b"SET\0", b"Z", b"I")

    def _message(self):
        size = struct.unpack(">I", self.session.recv(4))[0]
        self.session.recv(size - 4)

    def _say(self, *types_and_bodies):
        pairs = zip(types_and_bodies[::2], types_and_bodies[1::2])
        self.session.sendall(b"".join(
            kind + struct.pack(">I", len(body) + 4) + body
            for kind, body in pairs))

    def asked(self):
        """A question has come, and stays unread."""
        return self.session.recv(1, socket.MSG_PEEK) != b""

    def last_word(self):
        self._say(b"N", b"SWARNING\0C57P02\0Mbecause of a crash\0\0")
        self.session.close()
        self.listener.close()


def test_a_server_that_goes_with_a_last_word_is_lost(probes):
    """Its word and its end come together: the socket reports an error, for
    which libuv stops to watch it, but what is read first is no failure."""
    with tempfile.TemporaryDirectory(prefix="patrol-last-") as directory:
        probe = probes(Probe, "db_probe", f"host={directory} dbname=none")
        server = LastWords(directory)
        probe.expect("up")
        probe.say("query SELECT 1")
        assert server.asked()
        probe.process.send_signal(signal.SIGSTOP)
        os.waitpid(probe.process.pid, os.WUNTRACED)  # it has stopped
        server.last_word()
        probe.process.send_signal(signal.SIGCONT)
        probe.expect("answer error ")
        probe.expect("down")


# -------------------------------------------------------------------- catalog

def catalog(db, *arguments):
    return subprocess.run([os.path.join(BIN, "catalog_probe"), db.url,
                           str(NOW_MS), *arguments], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60)


def test_the_catalog_is_what_the_tables_say(db):
    db.sql("""DELETE FROM patrol.unit WHERE unit_id > 2;
        UPDATE patrol.unit SET kind = 'van', capabilities =
            '{armed,"two, words",NULL}' WHERE unit_id = 2;
        INSERT INTO patrol.unit_device (unit_id, device_id, "from", "to") VALUES
            (1, 3, '-infinity', '2020-01-01'), (1, 4, '2020-01-01', NULL),
            (2, 3, '2020-01-01', 'infinity');
        INSERT INTO patrol.zone (name, promise_s, time_zone, geom) VALUES
            ('Playa', 300, 'America/Havana', ST_GeomFromText('MULTIPOLYGON(
            ((-82.5 23,-82.4 23,-82.4 23.1,-82.5 23.1,-82.5 23),
             (-82.46 23.04,-82.44 23.04,-82.44 23.06,-82.46 23.04)),
            ((-82.3 23,-82.2 23,-82.2 23.1,-82.3 23)))', 4326)),
            ('City', NULL, 'UTC', ST_Multi(ST_MakeEnvelope(-83, 22.5, -82, 23.5,
             4326)));
        INSERT INTO patrol.mission (ref, name, kind, geom) VALUES
            ('ca', 'Embajada de Canadá', 'embassy',
             ST_SetSRID(ST_MakePoint(-82.42, 23.02), 4326)),
            (NULL, 'Im Loch', 'consulate',
             ST_SetSRID(ST_MakePoint(-82.449, 23.0405), 4326)),
            (NULL, 'Nowhere', 'embassy',
             ST_SetSRID(ST_MakePoint(10, 50), 4326))""")
    answer = catalog(db, "CANADA")
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[:2] == ["unit|1|u1|car||d4|1",
                         "unit|2|u2|van|armed,two, words|d3|2"]
    assert [line.split("|")[2:6] for line in lines[2:4]] == [
        ["City", "0", "UTC", "1"], ["Playa", "300", "America/Havana", "3"]]
    assert lines[4:] == [
        "mission|1|ca|Embajada de Canadá|embajada de canada|embassy|23020000"
        "|-82420000|Playa",
        "mission|2|-|Im Loch|im loch|consulate|23040500|-82449000|City",
        "mission|3|-|Nowhere|nowhere|embassy|50000000|10000000|-",
        "found|1|ca|Embajada de Canadá|embajada de canada|embassy|23020000"
        "|-82420000|Playa"]


def test_zones_hold_what_postgis_says_they_hold(db):
    """Random points and zones; ST_Contains and ST_Area are the judges."""
    db.sql("""SELECT setseed(0.42);
        INSERT INTO patrol.zone (name, geom)
        SELECT 'z' || n, ST_Multi(ST_Buffer(ST_SetSRID(ST_MakePoint(
            -82.4 + random() * 0.2, 23.0 + random() * 0.2), 4326),
            0.01 + random() * 0.05, 3)) FROM generate_series(1, 30) n;
        INSERT INTO patrol.mission (name, geom)
        SELECT 'm' || n, ST_SetSRID(ST_MakePoint(-82.45 + round(random()::numeric
            * 0.3, 6), 22.95 + round(random()::numeric * 0.3, 6)), 4326)
        FROM generate_series(1, 2000) n""")
    expected = dict(db.sql("""SELECT m.name, coalesce((SELECT z.name
        FROM patrol.zone z WHERE ST_Contains(z.geom, m.geom)
        ORDER BY ST_Area(z.geom::geography) LIMIT 1), '-')
        FROM patrol.mission m"""))
    found = {line.split("|")[3]: line.split("|")[8]
             for line in catalog(db).stdout.splitlines()
             if line.startswith("mission|")}
    assert found == expected
    assert len(set(expected.values())) > 20, "the points are in many zones"


def test_a_database_that_cannot_be_read(db):
    db.sql("ALTER TABLE patrol.zone RENAME TO hidden")
    try:
        answer = catalog(db)
    finally:
        db.sql("ALTER TABLE patrol.hidden RENAME TO zone")
    assert answer.returncode == 1
    assert 'relation "patrol.zone" does not exist' in answer.stderr
