"""Map matching on drives whose true ways are known: Kubicka, Cela, Moulin,
Mounier and Niculescu, "Dataset for testing and training of map-matching
algorithms" (IEEE IV 2015); 41 of its 100 tracks, from all over the world."""
import math
import os
import shutil
import statistics
import subprocess
import tarfile
import tempfile

import pytest

from lib_common import BIN, TOP

DATA = os.environ.get("PATROL_SHARED_DATA", os.path.join(TOP, "../shared/data"))
TRACKS = os.path.join(DATA, "drives/kubicka/tracks.tar.xz")
PROBE = os.path.join(BIN, "match_probe")


def metres(a, b):
    east = math.radians(b[0] - a[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return 6371008.8 * math.hypot(east, math.radians(b[1] - a[1]))


def numbers(path, kind):
    with open(path, encoding="ascii") as lines:
        return [tuple(kind(word) for word in line.split()) for line in lines]


def judge(prefix):
    """Shares of the true way's length: found, invented; and of the drive's
    length that was put on the true way fix by fix."""
    files = [f"{prefix}.{end}" for end in ("nodes", "arcs", "track")]
    said = subprocess.run([PROBE, *files], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split("\n")
    words = [line.split() for line in said if line]
    nodes, arcs = numbers(files[0], float), numbers(files[1], int)
    track = numbers(files[2], float)
    true = {row[0] for row in numbers(f"{prefix}.route", int)}
    drive = {int(w[1]) for w in words if w[0] == "drive"}
    follow = [int(w[2]) for w in words if w[0] == "follow"]
    assert len(follow) == len(track)

    def length(chosen):
        return sum(metres(nodes[arcs[i][0]], nodes[arcs[i][1]]) for i in chosen)
    ways = [metres(a, b) for a, b in zip(track, track[1:])]
    on_it = sum(way for way, arc in zip(ways, follow[1:]) if arc in true)
    return (length(true & drive) / length(true),
            length(drive - true) / length(true), on_it / sum(ways))


def test_real_drives_are_matched():
    if not os.path.exists(TRACKS):
        pytest.skip("skipped: no data")
    directory = tempfile.mkdtemp(prefix="patrol-test-")
    try:
        with tarfile.open(TRACKS) as archive:
            archive.extractall(directory)
        results = {name: judge(os.path.join(directory, name, name))
                   for name in sorted(os.listdir(directory))
                   if os.path.isdir(os.path.join(directory, name))}
    finally:
        shutil.rmtree(directory)
    for name, (found, invented, followed) in results.items():
        print(f"{name}: found {found:.4f}, invented {invented:.4f},"
              f" fix by fix {followed:.4f}")
    assert len(results) > 30
    found, invented, followed = (statistics.median(column)
                                 for column in zip(*results.values()))
    print(f"median: found {found:.4f}, invented {invented:.4f},"
          f" fix by fix {followed:.4f}")
    assert found > 0.98 and invented < 0.02 and followed > 0.95
