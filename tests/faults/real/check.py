"""What must be so when the faults are over: what the agents were handed by
gpsd, held against what the database stores and the gateway says."""
import datetime
from collections import Counter, defaultdict
from dataclasses import dataclass

LOST, TWICE, STRANGE, PLACE = "lost", "twice", "never said", "another place"
QUARANTINE, LEDGER = "quarantined", "ledger"
NEWEST, HELD = "not the newest", "still held"
SHOWN = 5  # examples of each

POSITIONS = """
    SELECT u.call_sign, round(extract(epoch FROM fix_time) * 1000)::bigint,
           round(ST_Y(geom) * 1e6)::int, round(ST_X(geom) * 1e6)::int,
           generation, seq
    FROM patrol.position JOIN patrol.unit u USING (unit_id)
    WHERE fix_time >= to_timestamp(%s / 1000.0)
    AND u.call_sign LIKE 'car-%%'"""
# How many numbers a ledger has, how many rows, and how many of those rows it
# has not. What an agent that was killed had reserved stays a hole until its
# next report says that it is not held.
LEDGERS = """
    SELECT d.name, r.generation, r.lost, r.stored_to + coalesce(
               (SELECT sum(upper(piece) - lower(piece))
                FROM unnest(r.ranges) piece), 0)::bigint,
           count(p.seq), count(p.seq) FILTER
               (WHERE p.seq > r.stored_to AND NOT r.ranges @> p.seq)
    FROM patrol.receipt r JOIN patrol.device d USING (device_id)
    JOIN patrol.unit_device ud USING (device_id)
    LEFT JOIN patrol.position p
        ON p.unit_id = ud.unit_id AND p.generation = r.generation
    WHERE d.name LIKE 'car-%'
    GROUP BY d.name, r.device_id, r.generation"""
LATEST = """
    SELECT u.call_sign, round(extract(epoch FROM l.fix_time) * 1000)::bigint
    FROM patrol.latest_position l JOIN patrol.unit u USING (unit_id)"""


@dataclass(frozen=True)
class Found:
    kind: str
    text: str


@dataclass
class Tally:
    """Of a round, or of all."""
    receivers: int = 0  # said by the receivers, an agent there or not
    said: int = 0      # handed to the agents
    stored: int = 0
    in_doubt: int = 0  # handed over just before an agent's end ...
    in_doubt_stored: int = 0
    given_up: int = 0  # by a full outbox, and counted


class Database:
    """What is stored, as one look of one session."""

    def __init__(self, session, since_ms):
        with session.cursor() as cursor:
            cursor.execute(POSITIONS, (since_ms,))
            self.rows = defaultdict(list)
            for call_sign, *row in cursor:
                self.rows[call_sign].append(tuple(row))
            cursor.execute("SELECT device, reason FROM patrol.quarantine")
            self.refused = cursor.fetchall()
            cursor.execute(LATEST)
            self.latest = dict(cursor.fetchall())
            cursor.execute(LEDGERS)
            self.ledgers = cursor.fetchall()


def milliseconds(text):
    return round(datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp() * 1000)


class Check:
    """One pass over all vehicles; `found` is what is wrong. `since_ms`: of
    fixes from then on; 0: of all."""

    def __init__(self, vehicles, session, units, since_ms=0):
        self.found, self.tally = [], Tally()
        self.since_ms = since_ms
        self.database = Database(session, since_ms)
        self.units = units or {}
        for device, reason in self.database.refused:
            self._find(QUARANTINE, f"{device}: {reason}")
        for vehicle in vehicles:
            self._fixes(vehicle)
            self._ledgers(vehicle)
            self._live(vehicle)

    def _find(self, kind, text):
        self.found.append(Found(kind, text))

    # ------------------------------------------------------------------- fixes
    def _fixes(self, vehicle):
        stored = defaultdict(list)
        for row in self.database.rows[vehicle.name]:
            stored[row[0]].append(row)
        given = {time_ms: fix
                 for time_ms, fix in list(vehicle.tap.given.items())
                 if time_ms >= self.since_ms}
        self._said(vehicle, given)
        absent = []
        for time_ms, fix in given.items():
            self._fix(vehicle, fix, stored[time_ms], absent)
        for time_ms in stored.keys() - given.keys():
            self._find(STRANGE, f"{vehicle.name}: {time_ms}")
        numbers = Counter(row[3:] for rows in stored.values() for row in rows)
        for number, count in numbers.items():
            if count > 1:
                self._find(TWICE, f"{vehicle.name}: number {number}")
        self._absent(vehicle, absent)

    def _said(self, vehicle, given):
        """gpsd hands over what the receiver said."""
        said = {time_ms: place for time_ms, *place
                in list(vehicle.receiver.said) if time_ms >= self.since_ms}
        self.tally.receivers += len(said)
        for time_ms, fix in given.items():
            lat, lon = said.get(time_ms, (91, 181))
            if abs(fix.lat - lat) > 1e-6 or abs(fix.lon - lon) > 1e-6:
                self._find(STRANGE, f"{vehicle.name}: gpsd's {fix}")

    def _fix(self, vehicle, fix, rows, absent):
        self.tally.said += 1
        self.tally.stored += len(rows) > 0
        if vehicle.is_in_doubt(fix):
            self.tally.in_doubt += 1
            self.tally.in_doubt_stored += len(rows) > 0
        elif not rows:
            absent.append(fix)
        if len(rows) > 1:
            self._find(TWICE, f"{vehicle.name}: {fix.time_ms} as "
                       f"{[row[3:] for row in rows]}")
        for _, lat_e6, lon_e6, _, _ in rows:
            if abs(lat_e6 - fix.lat * 1e6) > 1 or \
                    abs(lon_e6 - fix.lon * 1e6) > 1:
                self._find(PLACE, f"{vehicle.name}: {fix.time_ms} at "
                           f"{lat_e6}, {lon_e6}")

    def _absent(self, vehicle, absent):
        """An outbox may give up what it cannot hold, when it counts it. Since
        the first fix only: the counts are of all time."""
        if vehicle.counts_losses:
            self.tally.given_up += len(absent)
            if self.since_ms == 0:
                self._counted(vehicle, len(absent))
            return
        for fix in absent:
            self._find(LOST, f"{vehicle.name}: {fix.time_ms}")

    def _counted(self, vehicle, absent):
        in_doubt = self.tally.in_doubt - self.tally.in_doubt_stored
        told = sum(row[2] for row in self.database.ledgers
                   if row[0] == vehicle.name)
        dropped = (self._vehicle(vehicle) or {}).get("outbox_dropped", 0)
        if not absent <= told <= absent + in_doubt or dropped < told:
            self._find(LOST, f"{vehicle.name}: {absent} are not stored, its"
                       f" outbox says {dropped}, the ledger {told}")

    # ----------------------------------------------------------------- numbers
    def _ledgers(self, vehicle):
        for name, generation, lost, numbers, rows, strange in \
                self.database.ledgers:
            if name == vehicle.name and \
                    (strange > 0 or numbers != rows + lost):
                self._find(LEDGER, f"{name}: {generation}: {numbers} numbers,"
                           f" {lost} of them lost; {rows} rows, {strange} of"
                           " them not in it")

    # -------------------------------------------------------------- live state
    def _vehicle(self, vehicle):
        return (self.units.get(vehicle.name) or {}).get("vehicle")

    def _live(self, vehicle):
        rows = self.database.rows[vehicle.name]
        if not rows:
            return
        newest = max(row[0] for row in rows)
        latest = self.database.latest.get(vehicle.name)
        if latest != newest:
            self._find(NEWEST, f"{vehicle.name}: latest_position {latest},"
                       f" stored {newest}")
        position = (self.units.get(vehicle.name) or {}).get("position")
        if position is None or milliseconds(position["time"]) != newest:
            self._find(NEWEST, f"{vehicle.name}: live state"
                       f" {position and position['time']}, stored {newest}")
        state = self._vehicle(vehicle)
        if state is None or state["outbox_depth"] != 0:
            self._find(HELD, f"{vehicle.name}: {state}")

    def told(self):
        """Each kind with some examples."""
        for kind, count in Counter(f.kind for f in self.found).items():
            yield f"{count} {kind}:"
            for found in [f for f in self.found if f.kind == kind][:SHOWN]:
                yield "    " + found.text


# ------------------------------------------------------- the tester's own test
# One stored fix of a vehicle that may lose none, and was not in doubt.
ONE = ("(p.unit_id, p.fix_time, p.generation, p.seq) ="
       " (%s, to_timestamp(%s / 1000.0), %s, %s)")
AGAIN = ("INSERT INTO patrol.position SELECT unit_id, fix_time + '{later}',"
         " received_at, geom, speed_mps, course_deg, accuracy_m, status,"
         " generation, seq + {more}, flags FROM patrol.position p WHERE " + ONE)
# (what is done to a world in which all is well, how, what must be found). More
# losses than there are fixes in doubt, which may be lost or not.
SPOILED = (
    ("a row taken out", "DELETE FROM patrol.position p WHERE " + ONE, LOST),
    ("a row doubled", AGAIN.format(later="0 s", more=1000000), TWICE),
    ("a number used twice", AGAIN.format(later="137 ms", more=0), TWICE),
    ("a row nobody said", AGAIN.format(later="137 ms", more=1000000), STRANGE),
    ("a row moved by 11 m", "UPDATE patrol.position p SET geom ="
     " ST_Translate(geom, 0, 1e-4) WHERE " + ONE, PLACE),
    ("a fix refused", "INSERT INTO patrol.quarantine (device, reason)"
     " VALUES ('car-2', 'test')", QUARANTINE),
    ("a ledger behind", "UPDATE patrol.receipt SET stored_to = stored_to - 1"
     " WHERE stored_to > 0", LEDGER),
    ("a ledger ahead", "UPDATE patrol.receipt SET ranges ="
     " int8multirange(int8range(stored_to + 2, stored_to + 3))", LEDGER),
    ("a ledger with a hole", "UPDATE patrol.receipt SET (stored_to, ranges) ="
     " (stored_to - 2, ranges + int8multirange(int8range(stored_to,"
     " stored_to + 1))) WHERE stored_to > 2", LEDGER),
    ("a loss not counted", "UPDATE patrol.receipt SET lost = lost + 1000"
     " FROM patrol.device d WHERE d.device_id = receipt.device_id"
     " AND d.name = 'car-1'", LOST),
    ("an old latest position", "UPDATE patrol.latest_position SET fix_time ="
     " fix_time - interval '1 s'", NEWEST),
)


def _a_row(vehicles, session):
    """The parameters of ONE."""
    vehicle = vehicles[2]
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT unit_id, round(extract(epoch FROM fix_time) * 1000)::bigint,"
            " generation, seq FROM patrol.position JOIN patrol.unit"
            " USING (unit_id) WHERE call_sign = %s ORDER BY fix_time",
            (vehicle.name,))
        rows = cursor.fetchall()
    return next(row for row in rows[1:]
                if not vehicle.is_in_doubt(vehicle.tap.given[row[1]]))


def test_of_the_tester(vehicles, session, units):
    """(what was spoiled, whether it was found), each; nothing stays spoiled."""
    row = _a_row(vehicles, session)
    for name, sql, kind in SPOILED:
        with session.cursor() as cursor:
            cursor.execute(sql, row if "%s" in sql else None)
        found = Check(vehicles, session, units).found
        session.rollback()
        yield name, any(f.kind == kind for f in found)
    old = {name: dict(unit, position=dict(unit["position"],
                                          time="2020-01-01T00:00:00Z"))
           for name, unit in units.items()}
    found = Check(vehicles, session, old).found
    yield "an old live state", any(f.kind == NEWEST for f in found)
    full = {name: dict(unit, vehicle=dict(unit["vehicle"], outbox_depth=1))
            for name, unit in units.items()}
    found = Check(vehicles, session, full).found
    yield "an outbox not empty", any(f.kind == HELD for f in found)
