"""Receivers' logs played to gpsd, and what they ought to give.

gpsd guesses the century of old recordings, and the gateway refuses what is
older than its window; so the dates of NMEA logs are moved by whole days, the
newest to yesterday. Times of day, intervals, and a midnight within the log
stay what they were."""
import datetime
import json
import math
import os
import re
import socket
import time
from dataclasses import dataclass, field

from lib_common import TOP, wait_for
from lib_gpsd import Port
from lib_nmea import sentence

SHARED = os.environ.get("PATROL_SHARED_DATA",
                        os.path.join(TOP, "../shared/data"))
DAY_MS = 86400000


class Replay(Port):
    """A receiver that says what it is given, when told."""

    def identify(self, gpsd):
        """Text that tells gpsd nothing but that a receiver speaks NMEA here:
        while it tries speeds on a port it throws away what comes in."""
        def known():
            self.write(sentence("GPTXT,01,01,02,nothing to say").encode())
            return any("driver" in device for device in devices(gpsd))
        wait_for(known, 20, gpsd.process.log)

    def play(self, pieces, every_s):
        for piece in pieces:
            self.write(piece)
            time.sleep(every_s)


def devices(gpsd):
    with socket.create_connection(("127.0.0.1", gpsd.port)) as asks:
        asks.sendall(b"?DEVICES;\n")
        for line in asks.makefile("rb"):
            answer = json.loads(line)
            if answer["class"] == "DEVICES":
                return answer["devices"]
    return []


# --------------------------------------------------------------------- logs
def read(path, last_day=None):
    """What the receiver said in a log of gpsd's, in the pieces to write: no
    comments at its head. A cookie marks where a piece ends, and is not said.
    With `last_day` it is NMEA, and the newest of its dates becomes that."""
    with open(path, "rb") as log:
        data = log.read()
    cookie = b"\n"
    while data[:1] in (b"#", b"\r", b"\n"):
        line, data = data.split(b"\n", 1)
        found = re.match(rb"# *Delay-Cookie: *(\S)", line)
        cookie = found.group(1) if found else cookie
    if last_day is not None:
        data = b"".join(moved(data.splitlines(keepends=True), last_day))
    if b"\0" in data:
        return [data[at:at + 200] for at in range(0, len(data), 200)]
    if cookie != b"\n":
        return data.split(cookie)
    return data.splitlines(keepends=True)


def _checked(line):
    """(body, what stands before, what behind) of a sound sentence, or None."""
    found = re.match(rb"(\s*)\$([^$*]+)\*([0-9A-Fa-f]{2})(\s*)$", line)
    if not found:
        return None
    check = 0
    for byte in found.group(2):
        check ^= byte
    if check != int(found.group(3), 16):
        return None
    return found.group(2).decode("ascii", "replace"), found.group(1), \
        found.group(4)


def _date_at(fields):
    """Which fields are day, month and year: of RMC one with all three."""
    if fields[0][2:] == "RMC" and len(fields) > 9 and \
            re.fullmatch(r"\d{6}", fields[9]):
        return slice(9, 10)
    if fields[0][2:] == "ZDA" and len(fields) > 4 and \
            re.fullmatch(r"\d\d\d\d\d{4}", "".join(fields[2:5])):
        return slice(2, 5)
    return None


def _date(fields, where):
    text = "".join(fields[where])
    year = int(text[4:]) + (2000 if len(text) == 6 else 0)
    return datetime.date(year, int(text[2:4]), int(text[:2]))


def _dates(lines):
    for line in lines:
        body = _checked(line)
        fields = body[0].split(",") if body else [""]
        where = _date_at(fields)
        if where:
            yield _date(fields, where)


def recent_day():
    """Far enough back for a midnight too many to be in the past, too."""
    return datetime.datetime.now(datetime.timezone.utc).date() - \
        datetime.timedelta(days=2)


def moved(lines, last_day):
    """NMEA with its dates moved so that the newest is `last_day`; checksums
    are made anew where they were right."""
    by = last_day - max(_dates(lines))
    return [_moved_line(line, by) for line in lines]


def _moved_line(line, by):
    sound = _checked(line)
    if not sound:
        return line
    fields = sound[0].split(",")
    where = _date_at(fields)
    if not where:
        return line
    date = _date(fields, where) + by
    fields[where] = [date.strftime("%d%m%y")] if where.stop - where.start == 1 \
        else date.strftime("%d %m %Y").split()
    return sound[1] + sentence(",".join(fields)).encode().strip() + sound[2]


# ------------------------------------------------------------------- epochs
@dataclass
class Epoch:
    """One time with every place that is said to belong to it."""
    time_ms: int
    places: list = field(default_factory=list)

    def has(self, lat_e6, lon_e6):
        return any(abs(lat_e6 - lat * 1e6) <= 1 and
                   abs(lon_e6 - lon * 1e6) <= 1 for lat, lon in self.places)

    def nearest_m(self, lat_e6, lon_e6):
        return min(distance_m(place, (lat_e6 / 1e6, lon_e6 / 1e6))
                   for place in self.places)


def distance_m(a, b):
    """On a sphere (haversine): 0.6 % off at most."""
    (lat_a, lon_a), (lat_b, lon_b) = (map(math.radians, p) for p in (a, b))
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * \
        math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6371009 * math.asin(math.sqrt(h))


def _add(epochs, time_ms, place):
    if not epochs or epochs[-1].time_ms != time_ms:
        epochs.append(Epoch(time_ms))
    epochs[-1].places.append(place)


def chk_epochs(path):
    """What gpsd made of a log: its TPVs with a fix, a place and a time."""
    epochs = []
    with open(path, encoding="latin-1") as chk:
        for line in chk:
            tpv = json.loads(line) if '"TPV"' in line else {"mode": 0}
            if tpv["mode"] >= 2 and "time" in tpv and "lat" in tpv:
                when = datetime.datetime.fromisoformat(
                    tpv["time"].replace("Z", "+00:00"))
                _add(epochs, round(when.timestamp() * 1000),
                     (tpv["lat"], tpv["lon"]))
    return epochs


def on_day(epochs, last_day):
    """The same with the newest day moved to `last_day`."""
    newest = max(epoch.time_ms for epoch in epochs) // DAY_MS
    by = (last_day - datetime.date(1970, 1, 1)).days - newest
    return [Epoch(epoch.time_ms + by * DAY_MS, epoch.places)
            for epoch in epochs]


def _degrees(text, hemisphere):
    whole, minutes = divmod(float(text), 100)
    return (whole + minutes / 60) * (-1 if hemisphere in "SW" else 1)


# (field of the time, of the latitude, of the validity; what is invalid)
_PLACE_AT = {"RMC": (1, 3, 2, "V"), "GGA": (1, 2, 6, "0"),
             "GLL": (5, 1, 6, "V")}


def said_epochs(lines):
    """What the sentences themselves say, read by this file and not by gpsd: of
    sound ones that are valid. RMC's date holds until the next one's."""
    epochs, date = [], None
    for line in lines:
        sound = _checked(line)
        fields = sound[0].split(",") if sound else [""]
        if fields[0][2:] not in _PLACE_AT:
            continue
        if _date_at(fields):
            date = _date(fields, _date_at(fields))
        at, lat, valid, invalid = _PLACE_AT[fields[0][2:]]
        if date is None or fields[valid] in ("", invalid) or not fields[at]:
            continue
        clock = fields[at]
        seconds = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + \
            float(clock[4:])
        days = (date - datetime.date(1970, 1, 1)).days
        _add(epochs, days * DAY_MS + round(seconds * 1000),
             (_degrees(*fields[lat:lat + 2]),
              _degrees(*fields[lat + 2:lat + 4])))
    return epochs
