"""roads with all that turns cost and forbid, against pgRouting (lib_turns.py),
to the millisecond. PATROL_FULL=1: ten thousand pairs on each of four networks,
by pgr_dijkstra; a hundred of them by pgr_trsp(), which takes a fifth of a second
for each on a city; ask for more with PATROL_TRSP=N, N times N."""
import os
import random
import subprocess

import psycopg2
from psycopg2.extras import execute_values
import pytest

import lib_turns
from test_roads_oracle import BIN, DATA, FULL, grid, probe, url  # noqa: F401

PLACES = 100 if FULL else 40
BY_TRSP = int(os.environ.get("PATROL_TRSP", 10))


def random_places(url, seed):
    rng = random.Random(seed)
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("SELECT edge_id FROM patrol.road_cost GROUP BY 1 ORDER BY 1")
        edges = [edge for edge, in sql]

    def place():
        return rng.choice(edges), rng.choice([0.0, 1.0, 0.5] + 7 * [rng.random()])
    return [place() for _ in range(PLACES)], [place() for _ in range(PLACES)]


def ask(url, profile, method, units, goals):
    """{(query, slot): ms}"""
    code, lines = probe(
        url, [f"unit {slot} {edge - 1} {at!r}" for slot, (edge, at) in enumerate(units)] +
        [f"by {method}", f"profile {profile}"] +
        [f"nearest {edge - 1} {at!r} {len(units)}" for edge, at in goals])
    assert code == 0, lines[-1]
    times = {}
    for query, line in enumerate(lines[1:]):
        words = line.split()[2:]
        times.update({(query, int(words[i])): int(words[i + 1])
                      for i in range(0, len(words), 3)})
    return times


def compare(url, profile, seed):
    """How many pairs are not certain, for a turn on a border between kinds."""
    units, goals = random_places(url, seed)
    streets = lib_turns.Streets(url, profile)
    by_line = lib_turns.line_times(url, streets, units, goals)
    assert len(by_line) > len(units) * len(goals) / 20
    for method in "search", "hierarchy":
        times = ask(url, profile, method, units, goals)
        assert times.keys() == by_line.keys()
        for pair, ms in times.items():
            least, most = by_line[pair]
            assert least <= ms <= most, (method, pair, units[pair[1]], goals[pair[0]])
    trsp = lib_turns.trsp_times(url, streets, units[:BY_TRSP], goals[:BY_TRSP])
    sequences = any(len(seq) > 2 for seq in streets.banned)
    above = 0
    for pair, (least, most) in by_line.items():
        if max(pair) < BY_TRSP:
            # that oracle takes borders at their upper end
            assert trsp.get(pair) == most or sequences and trsp.get(pair, most) >= most, pair
            above += trsp.get(pair) != most
    unsure = sum(least != most for least, most in by_line.values())
    print(f"{profile}: {len(units) * len(goals)} pairs, {len(by_line)} with a way, {unsure} not"
          f" certain; {len(trsp)} by pgr_trsp(), {above} of them later")
    return unsure


# ------------------------------------------------------------ networks by hand
PROFILES = """
TRUNCATE patrol.road_profile, patrol.road_cost;
INSERT INTO patrol.road_profile VALUES
    (1, 'patrol', false, true, '{100,2100,5400,6700,7400,20000,NULL,NULL}',
     '{0,2000,1500,700}', ''),
    (2, 'emergency', true, false, '{0,1000,3000,4000,5000,6000,9000,2500}',
     '{50,2200,0,300}', '');
INSERT INTO patrol.road_cost SELECT 1, edge_id, forward_ms, backward_ms FROM patrol.road_edge;
INSERT INTO patrol.road_cost SELECT 2, edge_id, coalesce(forward_ms / 2 + 1, 70000),
    coalesce(backward_ms / 2 + 1, 70000) FROM patrol.road_edge;
"""


def drawn(url, seed, bans, longest):
    """Streets with controls, bans of two and more edges that overlap, some of
    them not for emergencies."""
    network = grid(seed, side=14, oneway=0.15)
    network.store(url)
    rng = random.Random(seed)
    leaving = {}
    for e, (a, b, forward, backward, _) in enumerate(network.edges, 1):
        if forward:
            leaving.setdefault(a, []).append((e, b))
        if backward:
            leaving.setdefault(b, []).append((-e, a))
    rows = {}
    for _ in range(bans):
        way, at = [], rng.choice(sorted(leaving))
        # many begin at a few junctions, so that they overlap
        at = at % 25 if rng.random() < 0.5 and at % 25 in leaving else at
        while len(way) < rng.randint(2, longest) and leaving.get(at):
            edge, at = rng.choice(leaving[at])
            way.append(edge)
        if len(way) > 1:
            key = (abs(way[0]), way[0] > 0, tuple(way[1:-1]), abs(way[-1]), way[-1] > 0)
            rows[key] = ["emergency"] if rng.random() < 0.3 else []
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("UPDATE patrol.road_node SET control = (ARRAY['signals', 'stop',"
                    " 'give_way', 'mini_roundabout', NULL])[1 + node_id % 5]")
        execute_values(sql, "INSERT INTO patrol.road_turn (from_edge, from_forward, via, to_edge,"
                            " to_forward, except_classes) VALUES %s",
                       [(a, af, list(via), b, bf, x) for (a, af, via, b, bf), x in rows.items()],
                       "(%s, %s, %s::integer[], %s, %s, %s::text[])")
        sql.execute(PROFILES)


@pytest.mark.parametrize("seed", range(1, 21 if FULL else 4))
def test_drawn_streets(url, seed):  # noqa: F811
    drawn(url, seed, 600, longest=2 if seed == 1 else 6)
    for profile in "patrol", "emergency":
        assert compare(url, profile, seed) < PLACES * PLACES / 10


CITIES = ["monaco_osrm"] + (
    ["portland_central_filtered", "liechtenstein", "porto_portugal"] if FULL else [])


@pytest.mark.parametrize("city", CITIES)
def test_cities(url, city):  # noqa: F811
    path = os.path.join(DATA, "osm", city + ".osm.pbf")
    if not os.path.exists(path):
        pytest.skip("skipped: no data")
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("TRUNCATE patrol.road_profile, patrol.road_cost")
    subprocess.run([os.path.join(BIN, "patrolctl"), "roads", "import", path, "-d", url],
                   check=True, stdout=subprocess.PIPE)
    for profile in "patrol", "emergency":
        assert compare(url, profile, 81) < PLACES * PLACES / 10
