"""roads against pgRouting (lib_oracle.py), on the same costs.

PATROL_FULL=1 adds large cities, and more units."""
import math
import os
import random
import subprocess
import tempfile

import psycopg2
from psycopg2.extras import execute_values
import pytest

import lib_oracle

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BIN = os.environ.get("PATROL_BIN", os.path.join(TOP, "build/dev/bin"))
POSTGRES = os.path.join(TOP, "deploy/private/postgres")
DATA = os.environ.get("PATROL_SHARED_DATA", os.path.join(TOP, "../shared/data"))
FULL = os.environ.get("PATROL_FULL") == "1"

UNITS = 100 if FULL else 60  # pgRouting searches once from each
QUERIES = 1000
K = 5


@pytest.fixture(scope="module")
def url():
    with tempfile.TemporaryDirectory(prefix="roads-") as directory:
        os.chmod(directory, 0o755)
        try:
            subprocess.run([POSTGRES, "start", directory], check=True)
            url = subprocess.run([POSTGRES, "url", directory], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout.strip()
            with psycopg2.connect(url) as db, db.cursor() as sql:
                sql.execute("CREATE EXTENSION pgrouting")
            yield url
        finally:
            subprocess.run([POSTGRES, "stop", directory], check=True)


def probe(url, lines):
    """The program's answers; the line about loading first."""
    run = subprocess.run([os.path.join(BIN, "roads_probe"), url],
                         input="".join(line + "\n" for line in lines),
                         stdout=subprocess.PIPE, text=True, timeout=300)
    return run.returncode, run.stdout.splitlines()


# ------------------------------------------------------------ networks by hand
class Network:
    """Junctions, edges and forbidden turns, for the tables."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.nodes = {}  # id -> (lon, lat)
        self.edges = []  # (source, target, forward_ms, backward_ms, points)
        self.turns = set()  # (from_edge, from_forward, to_edge, to_forward)

    def node(self, ident, lon, lat):
        self.nodes[ident] = (lon, lat)

    def edge(self, a, b, oneway=0.0):
        """A bent street with times that no formula of ours would give."""
        (x0, y0), (x1, y1) = self.nodes[a], self.nodes[b]
        bend = ((x0 + x1) / 2 + self.random.uniform(-3e-4, 3e-4),
                (y0 + y1) / 2 + self.random.uniform(-3e-4, 3e-4))
        forward = self.random.randint(1, 60000)
        backward = self.random.randint(1, 60000)
        if self.random.random() < oneway:
            if self.random.random() < 0.5:
                forward = None
            else:
                backward = None
        self.edges.append((a, b, forward, backward, [(x0, y0), bend, (x1, y1)]))

    def ends(self, number, forward):
        a, b = self.edges[number - 1][:2]
        return (a, b) if forward else (b, a)

    def forbid(self, share):
        leaving = {}
        both = [(e + 1, f) for e in range(len(self.edges)) for f in (True, False)]
        for e, f in both:
            leaving.setdefault(self.ends(e, f)[0], []).append((e, f))
        for e, f in both:
            for to in leaving.get(self.ends(e, f)[1], []):
                if self.random.random() < share:
                    self.turns.add((e, f, *to))

    def store(self, url):
        with psycopg2.connect(url) as db, db.cursor() as sql:
            sql.execute("TRUNCATE patrol.road_node, patrol.road_edge, patrol.road_turn")
            execute_values(sql, "INSERT INTO patrol.road_node VALUES %s",
                           [(i, x, y) for i, (x, y) in self.nodes.items()],
                           "(%s, ST_SetSRID(ST_Point(%s, %s), 4326))")
            execute_values(
                sql, "INSERT INTO patrol.road_edge (edge_id, way_id, source, target, class,"
                " name, length_m, forward_ms, backward_ms, geom) VALUES %s",
                [(n, 900 + n, a, b, "residential", "Calle Ñ" if n % 3 else None, 111.5,
                  forward, backward,
                  "LINESTRING(" + ",".join(f"{x:.6f} {y:.6f}" for x, y in points) + ")")
                 for n, (a, b, forward, backward, points) in enumerate(self.edges, 1)],
                "(%s, %s, %s, %s, %s, %s, %s, %s, %s, ST_GeomFromText(%s, 4326))")
            if self.turns:
                execute_values(sql, "INSERT INTO patrol.road_turn VALUES %s",
                               [(*turn, None) for turn in sorted(self.turns)])
            sql.execute("INSERT INTO patrol.road_network (source, nodes, edges, turns,"
                        " length_m, summary) VALUES ('test', %s, %s, %s, 0, '{}')",
                        (len(self.nodes), len(self.edges), len(self.turns)))


def grid(seed, side=25, oneway=0.4):
    network = Network(seed)
    for y in range(side):
        for x in range(side):
            network.node(y * side + x, -82.4 + x * 1e-3, 23.1 + y * 1e-3)
    for y in range(side):
        for x in range(side):
            if x + 1 < side:
                network.edge(y * side + x, y * side + x + 1, oneway)
            if y + 1 < side:
                network.edge(y * side + x, (y + 1) * side + x, oneway)
    return network


def planar(url, seed, count=600):
    """Delaunay's triangles over random points, two thirds of their sides."""
    network = Network(seed)
    where = {}
    for i in range(count):
        lon = round(24.9 + network.random.uniform(0, 0.05), 6)
        lat = round(60.1 + network.random.uniform(0, 0.03), 6)
        if (lon, lat) not in where:
            where[(lon, lat)] = 10**10 + i
            network.node(10**10 + i, lon, lat)
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute(
            "SELECT round(ST_X(ST_StartPoint(g))::numeric, 6)::float,"
            " round(ST_Y(ST_StartPoint(g))::numeric, 6)::float,"
            " round(ST_X(ST_EndPoint(g))::numeric, 6)::float,"
            " round(ST_Y(ST_EndPoint(g))::numeric, 6)::float FROM (SELECT (ST_Dump("
            "ST_DelaunayTriangles(ST_Collect(ST_Point(x, y)), 0, 1))).geom g"
            " FROM unnest(%s::float[], %s::float[]) AS p(x, y)) d ORDER BY 1, 2, 3, 4",
            ([x for x, _ in where], [y for _, y in where]))
        for x0, y0, x1, y1 in sql.fetchall():
            if network.random.random() < 0.66:
                network.edge(where[(x0, y0)], where[(x1, y1)], 0.2)
    return network


def islands(seed):
    """Chains, stars, rings, loops and parallel streets, none connected."""
    network = Network(seed)
    for n in range(60):
        size = network.random.randint(2, 12)
        ids = [1000 * n + i for i in range(size)]
        for i in ids:
            network.node(i, 179.98 + network.random.uniform(0, 0.01) + n * 5e-4,
                         -16.8 + network.random.uniform(0, 0.01))
        shape = n % 4
        for i in range(1, size):
            network.edge(ids[0] if shape == 1 else ids[i - 1], ids[i], 0.1)
        if shape == 2:
            network.edge(ids[-1], ids[0], 0.5)
        if shape == 3:
            network.edge(ids[0], ids[0], 0.5)
            network.edge(ids[0], ids[1], 0.5)
            network.edge(ids[1], ids[0], 0.5)
    network.nodes = {i: (x - 360 if x > 180 else x, y) for i, (x, y) in network.nodes.items()}
    for i, (a, b, forward, backward, _) in enumerate(network.edges):
        network.edges[i] = (a, b, forward, backward, [network.nodes[a], network.nodes[b]])
    return network


# --------------------------------------------------------------- comparisons
def random_places(url, seed):
    """Any edge, any share of it; some at its very ends."""
    rng = random.Random(seed)
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("SELECT count(*) FROM patrol.road_edge")
        edges = sql.fetchone()[0]

    def place():
        return rng.randint(1, edges), rng.choice([0.0, 1.0, 0.5] + 7 * [rng.random()])
    return [place() for _ in range(UNITS)], [place() for _ in range(QUERIES)]


def compare(url, seed, plain):
    """Every answer to the millisecond. How many queries found fewer than K."""
    units, goals = random_places(url, seed)
    nearest, ways = lib_oracle.ask(url, units, goals, K, plain)
    pairs = [(query, slot) for query in range(50) for slot in range(0, UNITS, 10)]
    short = 0
    for method in "search", "hierarchy":
        code, lines = probe(
            url,
            [f"unit {slot} {edge - 1} {at!r}" for slot, (edge, at) in enumerate(units)] +
            [f"by {method}"] + [f"nearest {edge - 1} {at!r} {K}" for edge, at in goals] +
            [f"route {units[s][0] - 1} {units[s][1]!r} {goals[q][0] - 1} {goals[q][1]!r}"
             for q, s in pairs])
        assert code == 0, lines[-1]
        assert lines[0].startswith("loaded ")
        for query, line in enumerate(lines[1:1 + QUERIES]):
            words = line.split()[2:]
            got = [(int(words[i + 1]), int(words[i])) for i in range(0, len(words), 3)]
            assert got == nearest.get(query, []), f"{method}, query {query}: {goals[query]}"
            short += len(got) < K
        for pair, line in zip(pairs, lines[1 + QUERIES:], strict=True):
            expect = f"route {ways[pair]} " if pair in ways else "unreachable"
            assert line.startswith(expect), f"{method}, {pair}: {line}, not {expect}"
    return short


def compare_snaps(url, seed, count=100):
    """The nearest street's distance, against PostGIS on the spheroid: planes
    at the point are right to 0.3 % (geo.h), a place to 0.1 m."""
    rng = random.Random(seed)
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("SELECT ST_X(geom), ST_Y(geom) FROM patrol.road_node ORDER BY node_id")
        nodes = sql.fetchall()
        points = []
        for _ in range(count):
            lon, lat = rng.choice(nodes)
            lat += rng.uniform(-2e-3, 2e-3)
            lon += rng.uniform(-2e-3, 2e-3)
            points.append((round((lon + 540) % 360 - 180, 6), round(lat, 6)))
        _, lines = probe(url, [f"snap {y * 1e6:.0f} {x * 1e6:.0f} 2000" for x, y in points])
        for (x, y), line in zip(points, lines[1:], strict=True):
            metres = float(line.split()[3])
            # of the main part; of the rest where that is farther than the 2 km
            sql.execute("SELECT coalesce(min(m) FILTER (WHERE is_main), min(m)) FROM (SELECT"
                        " is_main, ST_Distance(geom::geography, p::geography) m FROM"
                        " patrol.road_edge, ST_SetSRID(ST_Point(%s, %s), 4326) p WHERE"
                        " (forward_ms IS NOT NULL OR backward_ms IS NOT NULL) AND"
                        " ST_DWithin(geom::geography, p::geography, 2000)) d", (x, y))
            true = sql.fetchone()[0]
            assert math.isclose(metres, true, rel_tol=0.003, abs_tol=0.2), (x, y, line)


# ----------------------------------------------------------------------- tests
def test_grid_with_oneways(url):
    grid(1).store(url)
    assert compare(url, 11, plain=True) < 2 * QUERIES
    compare_snaps(url, 12)


def test_grid_with_forbidden_turns(url):
    network = grid(2, oneway=0.2)
    network.forbid(0.15)
    network.store(url)
    assert compare(url, 21, plain=False) < 2 * QUERIES


def test_random_planar(url):
    planar(url, 3).store(url)
    assert compare(url, 31, plain=True) < 2 * QUERIES
    compare_snaps(url, 32)


def test_random_planar_with_forbidden_turns(url):
    network = planar(url, 4)
    network.forbid(0.1)
    network.store(url)
    assert compare(url, 41, plain=False) < 2 * QUERIES


def test_islands(url):
    islands(5).store(url)
    assert compare(url, 51, plain=True) > 0  # some have no five units
    compare_snaps(url, 52)


CITIES = ["monaco_osrm"] + (
    ["portland_central_filtered", "liechtenstein", "porto_portugal"] if FULL else [])


@pytest.mark.parametrize("city", CITIES)
def test_city(url, city):
    path = os.path.join(DATA, "osm", city + ".osm.pbf")
    if not os.path.exists(path):
        pytest.skip("skipped: no data")
    subprocess.run([os.path.join(BIN, "patrolctl"), "roads", "import", path, "-d", url],
                   check=True, stdout=subprocess.PIPE)
    with psycopg2.connect(url) as db, db.cursor() as sql:
        # with all that turns cost: test_roads_turns.py
        sql.execute("TRUNCATE patrol.road_profile, patrol.road_cost;"
                    "DELETE FROM patrol.road_turn WHERE via <> '{}'")
        sql.execute("SELECT count(*) FROM patrol.road_turn")
        bans = sql.fetchone()[0]
    assert compare(url, 61, plain=bans == 0) < 2 * QUERIES
    compare_snaps(url, 62)


# --------------------------------------------------- tables that do not fit
def test_empty_database_has_no_network(url):
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("TRUNCATE patrol.road_network")
    code, lines = probe(url, [])
    assert code == 1 and lines[-1].startswith("error no such thing"), lines


@pytest.mark.parametrize("damage, says", [
    ("UPDATE patrol.road_edge SET edge_id = 100000 WHERE edge_id = 17", "row 17"),
    ("INSERT INTO patrol.road_turn VALUES (1, true, 500, true, NULL)", "impossible"),
    ("TRUNCATE patrol.road_edge, patrol.road_turn", "no edges"),
    ("UPDATE patrol.road_edge SET length_m = 'NaN' WHERE edge_id = 3", "impossible"),
    ("UPDATE patrol.road_edge SET geom = 'SRID=4326;LINESTRING(0 0,200 0)'"
     " WHERE edge_id = 9", "row 9"),
    ("UPDATE patrol.road_edge SET geom = 'SRID=4326;LINESTRING EMPTY' WHERE edge_id = 5",
     "row 5"),
])
def test_damaged_tables_are_told(url, damage, says):
    grid(6).store(url)
    code, lines = probe(url, [])
    assert code == 0 and lines[0].startswith("loaded 1200 625 "), lines
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute(damage)
    code, lines = probe(url, [])
    assert code == 1 and "stored data is damaged" in lines[-1] and says in lines[-1], lines


def test_unreachable_database_is_told(url):
    code, lines = probe("host=/nonexistent dbname=patrol", [])
    assert code == 1 and lines[-1].startswith("error database refused"), lines
    code, lines = probe(url + " dbname=postgres", [])
    assert code == 1 and "road_network" in lines[-1], lines
