"""Reports and receipts in Python, by protoc's code for schema/report.proto:
a second implementation, so that ours is not checked against itself."""
import importlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from lib_common import TOP

_SCHEMA = os.path.join(TOP, "schema/report")


def _generated():
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", f"--python_out={out}", "-I", _SCHEMA,
                        "report.proto"], check=True)
        sys.path.insert(0, out)
        try:
            return importlib.import_module("report_pb2")
        finally:
            sys.path.remove(out)


pb = _generated()

POSITION, SPEED, COURSE, ACCURACY, IS_3D = 1, 2, 4, 8, 16


@dataclass
class Entry:
    generation: int
    seq: int
    time_ms: int
    lat: float
    lon: float
    speed_mps: float
    course_deg: float
    accuracy_m: float
    flags: int
    detail: str = ""

    @property
    def status(self):
        return self.flags >> 8 & 15

    @property
    def kind(self):
        return self.flags >> 12 & 15


COLUMNS = (("seq", "seq_delta", 1), ("time_ms", "time_delta_ms", 0),
            ("lat_e6", "lat_delta_e6", 0), ("lon_e6", "lon_delta_e6", 0),
            ("speed_cmps", "speed_delta_cmps", 0),
            ("course_cdeg", "course_delta_cdeg", 0),
            ("accuracy_dm", "accuracy_delta_dm", 0),
            ("flags", "flags_delta", 0))


def entries(report):
    """The entries of a decoded Report, as report.proto describes them."""
    found = []
    if report.count == 0:
        return found
    now = {name: getattr(report, name) for name, _, _ in COLUMNS}
    details = {d.index: d.text for d in report.details}
    for index in range(report.count):
        if index > 0:
            for name, column, usual in COLUMNS:
                deltas = getattr(report, column)
                now[name] += deltas[index - 1] if deltas else usual
        found.append(Entry(
            report.generation, now["seq"], now["time_ms"],
            now["lat_e6"] / 1e6, now["lon_e6"] / 1e6,
            now["speed_cmps"] / 100, now["course_cdeg"] / 100,
            now["accuracy_dm"] / 10, now["flags"], details.get(index, "")))
    return found


def decode(payload):
    report = pb.Report()
    report.ParseFromString(payload)
    return report


def receipt(generation, numbers):
    """The bytes of a Receipt for a set of stored numbers."""
    message = pb.Receipt(generation=generation)
    left = sorted(numbers)
    while left and left[0] == message.stored_to + 1:
        message.stored_to = left.pop(0)
    at = message.stored_to
    while left:
        first = last = left.pop(0)
        while left and left[0] == last + 1:
            last = left.pop(0)
        message.ranges.extend([first - at - 1, last - first + 1])
        at = last
    return message.SerializeToString()
