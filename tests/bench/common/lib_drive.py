"""Recorded drives, and a receiver that drives them again in real time."""
import bisect
import datetime
import json
import math
import re
import tarfile
import threading
import time
from dataclasses import dataclass

from lib_bench import SHARED  # pylint: disable=unused-import
from lib_nmea import epoch
from lib_replay import Replay

SEATTLE = "drives/newson_krumm_seattle/gps_data.txt"
MUNICH = "drives/barefoot_munich/x0001-001.json"
EARTH_M = 6371009  # mean radius; 0.6 % off at the most, over some 100 m
GAP_S = 2          # two fixes so far apart, or more: the receiver's gap
SLOPE_S = 2


@dataclass
class Fix:
    at_s: float
    lat: float
    lon: float
    speed_mps: float = 0.0
    course_deg: float = 0.0


def plane_m(origin, place):
    """(east, north) of a place near the origin."""
    return (math.radians(place[1] - origin[1]) * EARTH_M *
            math.cos(math.radians(origin[0])),
            math.radians(place[0] - origin[0]) * EARTH_M)


def apart_m(a, b):
    return math.hypot(*plane_m(a, b))


# ---------------------------------------------------------------- recordings
def _newson_krumm(text):
    """A line of names, then date, time, latitude, longitude, by tabs."""
    for line in text.splitlines()[1:]:
        date, clock, lat, lon = line.split("\t")[:4]
        when = datetime.datetime.strptime(f"{date} {clock} +0000",
                                          "%d-%b-%Y %H:%M:%S %z")
        yield Fix(when.timestamp(), float(lat), float(lon))


def _barefoot(text):
    for sample in json.loads(text):
        lon, lat = re.match(r"POINT\((\S+) (\S+)\)", sample["point"]).groups()
        when = datetime.datetime.strptime(sample["time"],
                                          "%Y-%m-%d %H:%M:%S%z")
        yield Fix(when.timestamp(), float(lat), float(lon))


def _kubicka(text):
    """Longitude, latitude, seconds; a second a line."""
    for line in text.splitlines():
        lon, lat, at_s = map(float, line.split()[:3])
        yield Fix(at_s, lat, lon)


def _slope(fixes, at):
    """Least squares through the places of SLOPE_S before and after: these
    recordings have no speed and course, which every receiver gives (and
    measures from the Doppler shift)."""
    near = [fix for fix in fixes[max(at - 10, 0):at + 11]
            if abs(fix.at_s - fixes[at].at_s) <= SLOPE_S]
    here = (fixes[at].lat, fixes[at].lon)
    times = [fix.at_s - fixes[at].at_s for fix in near]
    ways = [plane_m(here, (fix.lat, fix.lon)) for fix in near]
    n, t_sum = len(near), sum(times)
    spread = n * sum(t * t for t in times) - t_sum * t_sum
    if spread <= 0:
        return 0.0, 0.0
    east, north = (
        (n * sum(t * way[axis] for t, way in zip(times, ways)) -
         t_sum * sum(way[axis] for way in ways)) / spread for axis in (0, 1))
    return math.hypot(east, north), math.degrees(math.atan2(east, north)) % 360


def put_motion(fixes):
    for at, fix in enumerate(fixes):
        fix.speed_mps, fix.course_deg = _slope(fixes, at)


def _in_order(found):
    fixes = []
    for fix in found:
        if not fixes or fix.at_s > fixes[-1].at_s:
            fixes.append(fix)
    put_motion(fixes)
    return fixes


def read_drive(path):
    """The fixes of a recording, in order, with speed and course: Newson and
    Krumm's table, or Barefoot's JSON."""
    with open(path, encoding="utf-8") as recording:
        text = recording.read()
    parse = _barefoot if path.endswith(".json") else _newson_krumm
    return _in_order(parse(text))


def read_tracks(path):
    """[(name, fixes)] of all *.track in a tar file: Kubicka and others'."""
    drives = []
    with tarfile.open(path) as tar:
        for member in sorted(tar.getnames()):
            if member.endswith(".track"):
                text = tar.extractfile(member).read().decode()
                drives.append((member.rsplit("/", 1)[-1],
                               _in_order(_kubicka(text))))
    return drives


def seconds(fixes):
    return fixes[-1].at_s - fixes[0].at_s


def in_parts(fixes, count):
    """The drive in parts that take the same time; the last fix of one is the
    first of the next."""
    parts, first = [], 0
    for part in range(1, count + 1):
        until = fixes[0].at_s + seconds(fixes) * part / count
        last = first
        while last + 1 < len(fixes) and fixes[last].at_s < until:
            last += 1
        parts.append(fixes[first:last + 1])
        first = last
    return parts


# --------------------------------------------------------------------- again
class Drive(Replay):
    """A receiver that drives a recording once more: as many seconds between
    its fixes as there were then, so that its gaps are gaps, too."""

    def __init__(self, link, fixes, name="the recording"):
        super().__init__(link)
        self.fixes = fixes
        self.name = name
        self.begin_s = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._times = None

    def start(self, begin_s):
        """The first fix is at `begin_s` (UTC, whole seconds) and is said
        then."""
        self.begin_s = begin_s
        self._times = [begin_s + fix.at_s - self.fixes[0].at_s
                       for fix in self.fixes]
        self._thread.start()

    def end(self):
        self._stop.set()
        self._thread.join()

    def _run(self):
        for when, fix in zip(self._times, self.fixes):
            if self._stop.wait(max(when - time.time(), 0)):
                return
            self.write(epoch(when, fix.lat, fix.lon, fix.speed_mps,
                             fix.course_deg).encode())

    @property
    def end_s(self):
        return self._times[-1]

    def truth(self, at_s):
        """(lat, lon, whether that is within a gap) on the straight line
        between two fixes; None before the first and after the last."""
        after = bisect.bisect_right(self._times, at_s)
        if after == 0 or after == len(self._times):
            return None
        a, b = self.fixes[after - 1], self.fixes[after]
        share = (at_s - self._times[after - 1]) / (b.at_s - a.at_s)
        return (a.lat + share * (b.lat - a.lat),
                a.lon + share * (b.lon - a.lon), b.at_s - a.at_s >= GAP_S)

    def what_happened(self, at_s):
        """The fixes around a moment, in words."""
        after = bisect.bisect_right(self._times, at_s)
        a, b = self.fixes[after - 1], self.fixes[after]
        turned = abs((b.course_deg - a.course_deg + 180) % 360 - 180)
        clock = time.strftime("%H:%M:%S", time.gmtime(b.at_s))
        return (f"at {clock} of {self.name}: {b.at_s - a.at_s:.1f} s between"
                f" two fixes {apart_m((a.lat, a.lon), (b.lat, b.lon)):.1f} m"
                f" apart, {a.speed_mps:.1f} -> {b.speed_mps:.1f} m/s, turned"
                f" {turned:.0f} degrees")
