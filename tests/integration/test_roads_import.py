"""patrolctl roads import against osm2pgrouting's import of the same file, and
what must not happen to a network that is in use."""
import bz2
import gzip
import json
import os
import re
import subprocess

import psycopg2
import pytest

import lib_osm
from lib_common import BIN, TOP, wait_for

PATROLCTL = os.path.join(BIN, "patrolctl")
DATA = os.environ.get("PATROL_SHARED_DATA", os.path.join(TOP, "../shared/data"))
FULL = os.environ.get("PATROL_FULL") == "1"
CLASSES = "/usr/share/osm2pgrouting/mapconfig_for_cars.xml"


# libreadosm does not free its XML parser when the XML is damaged.
SUPPRESSIONS = os.path.join(TOP, "tests/integration/readosm.supp")


def patrolctl(database, *words):
    return subprocess.run([PATROLCTL, *words, "-d", database.url], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                          env={**os.environ, "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:"
                                                             "print_suppressions=0"})


def take(database, path):
    done = patrolctl(database, "roads", "import", path, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def network(database):
    """Everything of the network in force, to compare."""
    return (database.query("SELECT node_id, ST_AsEWKB(geom)::text FROM patrol.road_node"
                           " ORDER BY 1"),
            database.query("SELECT edge_id, way_id, source, target, class, name, ref, length_m,"
                           " forward_ms, backward_ms, ST_AsEWKB(geom)::text"
                           " FROM patrol.road_edge ORDER BY 1"),
            database.query("SELECT * FROM patrol.road_turn ORDER BY 1, 2, 3, 4"))


# ------------------------------------------------------ the other importer
class Other:
    """osm2pgrouting's tables in a database of their own beside ours."""

    def __init__(self, database, path):
        self.host = dict(word.split("=") for word in database.url.split())["host"]
        database.query("DROP DATABASE IF EXISTS other")
        database.query("CREATE DATABASE other")
        self.url = f"host={self.host} dbname=other user=patrol"
        self.query("CREATE EXTENSION postgis")
        self.query("CREATE EXTENSION pgrouting")
        subprocess.run(["osm2pgrouting", "-f", path, "-c", CLASSES, "-d", "other", "-U",
                        "patrol", "-h", self.host, "--clean"], check=True,
                       stdout=subprocess.DEVNULL)

    def query(self, sql):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()


def by_way(rows):
    """way -> [length, vertices, (forward, backward)] from rows of (way,
    source, target, length, forward, backward)."""
    ways = {}
    for way, source, target, length, forward, backward in rows:
        entry = ways.setdefault(way, [0.0, set(), set()])
        entry[0] += length
        entry[1] |= {source, target}
        entry[2].add((forward, backward))
    return ways


def drawn_twice(ways, kept):
    """Ways of `kept` that share a piece between two nodes with another."""
    users = {}
    for way in kept:
        refs = ways[way][0]
        for pair in zip(refs, refs[1:]):
            users.setdefault(frozenset(pair), set()).add(way)
    return set().union(*(ways_of for ways_of in users.values() if len(ways_of) > 1))


def compare(database, path):
    """Returns how many ways were compared."""
    summary = take(database, path)
    other = Other(database, path)
    ways, nodes = lib_osm.read(path)
    assert summary["summary"]["ways kept"] == database.one(
        "SELECT count(DISTINCT way_id) FROM patrol.road_edge")
    # of those that cars may use; what is only for others theirs does not know
    others = {way for way, in database.query("SELECT way_id FROM patrol.road_edge"
                                             " GROUP BY 1 HAVING count(forward_ms) = 0"
                                             " AND count(backward_ms) = 0")}
    assert all(is_for_others(ways[way][1]) for way in others)
    barred = {node for node, in database.query(
        "SELECT node_id - (1::bigint << 62) FROM patrol.road_node"
        " WHERE node_id > 1::bigint << 61")}
    ours = by_way(database.query(
        "SELECT way_id, source - (source > 1::bigint << 61)::int * (1::bigint << 62),"
        " target - (target > 1::bigint << 61)::int * (1::bigint << 62), length_m,"
        " bool_or(forward_ms IS NOT NULL) OVER way, bool_or(backward_ms IS NOT NULL) OVER way"
        " FROM patrol.road_edge WINDOW way AS (PARTITION BY way_id)"))
    ours = {way: entry for way, entry in ours.items() if way not in others}
    theirs = by_way(other.query(
        "SELECT osm_id, source_osm, target_osm, length_m, cost_s >= 0,"
        " reverse_cost_s >= 0 FROM ways"))

    # A street drawn twice over the same nodes: theirs keeps one of the two.
    twice = drawn_twice(ways, ours)
    assert len(twice) <= len(ours) / 100
    ours = {way: entry for way, entry in ours.items() if way not in twice}

    # Which ways: theirs has no notion of access, of reversible ways.
    assert set(ours) <= set(theirs)
    for way in set(theirs) - set(ours) - twice:
        tags = ways[way][1]
        assert (is_for_others(tags) or tags.get("area") == "yes"
                or len(set(ways[way][0])) < 2), tags

    # Where cut: theirs also where footways, rivers and the like meet a
    # street, and at a motorway's exits; ours only where something drives.
    users = {}
    for way, (refs, _) in ways.items():
        for ref in refs:
            users.setdefault(ref, []).append(way)
    for way, (length, vertices, directions) in ours.items():
        their_length, their_vertices, their_directions = theirs[way]
        assert vertices - barred <= their_vertices, way
        for vertex in their_vertices - vertices:
            assert (any(user not in ours and user not in twice for user in users[vertex])
                    or nodes[vertex].get("highway") == "motorway_junction"), (way, vertex)
        # Theirs is measured on the spheroid from 7 decimals, ours from 6: a
        # place moves by up to 0.08 m.
        points = len(ways[way][0])
        assert length == pytest.approx(their_length, rel=0.003, abs=0.08 * points), way
        refs, tags = ways[way]
        assert len(directions) == 1
        if directions != their_directions:
            explain_direction(tags, directions, their_directions)
    total = sum(entry[0] for entry in ours.values())
    their_total = sum(theirs[way][0] for way in ours)
    assert total == pytest.approx(their_total, rel=2e-4)
    assert summary["edges"] == database.one("SELECT count(*) FROM patrol.road_edge")
    return len(ours)


def is_for_others(tags):
    """Not a way for cars, by its tags: what osm2pgrouting does not look at."""
    open_to = (None, "yes", "permissive", "destination", "designated")
    return (tags.get("oneway") in ("reversible", "alternating")
            or tags.get("highway") in ("pedestrian", "busway", "track", "footway", "path",
                                       "cycleway", "bridleway")
            or tags.get("service") == "emergency_access"
            or any(tags.get(key) not in open_to
                   for key in ("access", "vehicle", "motor_vehicle", "motorcar")))


def explain_direction(tags, ours, theirs):
    """Where the two differ, theirs does not follow the wiki's Key:oneway: it
    implies a one-way also against an explicit tag, and none for
    junction=circular; or the tag is one for motor vehicles alone."""
    implied = tags["highway"] == "motorway" or tags.get("junction") == "roundabout"
    explicit = tags.get("oneway") in ("-1", "no", "reverse", "false", "0")
    circular = tags.get("junction") == "circular" and "oneway" not in tags
    specific = any(key.startswith("oneway:") for key in tags)
    assert (implied and explicit and theirs == {(True, False)}
            or circular and ours == {(True, False)} or specific), (tags, ours, theirs)


def test_as_osm2pgrouting_reads_it(database, place):
    path = os.path.join(place, "city.osm")
    lib_osm.city(1).write(path)
    assert compare(database, path) > 100


CITIES = ["portland_central_filtered", "monaco_osrm", "liechtenstein"] + (
    ["porto_portugal"] if FULL else [])


@pytest.mark.parametrize("name", CITIES)
def test_cities_as_osm2pgrouting_reads_them(database, place, name):
    packed = os.path.join(DATA, "osm", name + ".osm.pbf")
    if not os.path.exists(packed):
        pytest.skip("skipped: no data")
    path = os.path.join(place, "city.osm")
    subprocess.run(["osmium", "cat", packed, "-o", path], check=True)
    assert compare(database, path) > 1000


# ------------------------------------------------------------ kinds of file
def test_same_network_from_every_kind_of_file(database, place):
    drawing = lib_osm.city(2)
    drawing.node(90010, 23.09, -82.41)
    drawing.way(95000, [90010, 1], highway="residential")
    drawing.relation(70, [("way", 95000, "from"), ("node", 1, "via"), ("way", 95000, "to")],
                     type="restriction", restriction="no_u_turn")
    plain = drawing.write(os.path.join(place, "plain.osm"))
    shuffled = drawing.write(os.path.join(place, "shuffled.osm"), shuffled_by=3)
    files = [shuffled]
    for packer, ending in (("gzip", ".gz"), ("bzip2", ".bz2")):
        files.append(plain + ending)
        with open(plain + ending, "wb") as out:
            subprocess.run([packer, "-c", shuffled], check=True, stdout=out)
    for name, options in (("a.osm.pbf", ""), ("b.osm.pbf", ",pbf_compression=none"),
                          ("c.osm.pbf", ",add_metadata=false")):
        files.append(os.path.join(place, name))
        subprocess.run(["osmium", "cat", plain, "-o", files[-1], "-f", "pbf" + options],
                       check=True)
    take(database, plain)
    wanted = network(database)
    assert len(wanted[1]) > 200 and len(wanted[2]) == 1
    for path in files:
        take(database, path)
        assert network(database) == wanted, path
    assert database.one("SELECT source FROM patrol.road_network ORDER BY network_id DESC"
                        " LIMIT 1") == "c.osm.pbf"


def pbf(place):
    plain = lib_osm.city(2).write(os.path.join(place, "plain.osm"))
    packed = os.path.join(place, "city.osm.pbf")
    subprocess.run(["osmium", "cat", plain, "-o", packed], check=True)
    with open(packed, "rb") as file:
        return plain, packed, file.read()


def damage(place):
    """(name, bytes or None when another program wrote it, what is said)"""
    plain, packed, whole = pbf(place)
    middle = len(whole) // 2
    yield "short.osm.pbf", whole[:middle], "cut short"
    yield "bits.osm.pbf", (whole[:middle] + bytes(b ^ 0x5A for b in whole[middle:middle + 64])
                           + whole[middle + 64:]), "damaged"
    yield "short_by_one.osm.pbf", whole[:-1], "cut short"
    yield "empty.osm.pbf", b"", "empty"
    yield "noise.osm.pbf", os.urandom(5000), "damaged"
    yield "html.osm", b"<html><body>404 Not Found</body></html>", "no drivable road"
    with open(plain, "rb") as file:
        text = file.read()
    yield "short.osm", text[:-3000], "well-formed"
    yield "bits.osm", text[:middle] + b"\0\xff<<" + text[middle + 4:], "well-formed"
    yield "empty.osm", b"", "empty"
    yield "noise.osm", os.urandom(5000), "well-formed"
    yield "nothing.osm", b'<?xml version="1.0"?><osm version="0.6"></osm>', "no drivable road"
    yield "short.osm.gz", gzip.compress(text)[:-3000], "cut short"
    yield "short.osm.bz2", bz2.compress(text)[:-3000], "cut short"
    yield "empty.osm.gz", b"", "empty"
    yield "nothing.osm.gz", gzip.compress(b""), "cut short"
    # the ways are there, their nodes are nowhere on earth
    yield "off_earth.osm", re.sub(rb'lat="[0-9.]*"', b'lat="95"', text), "not on the globe"
    yield "no_places.osm", re.sub(rb"<node [^>]*>", b"<node>", text), "no drivable road"
    yield "city.txt", b"x", "must end in"
    for name, options, says in (
            ("plain_nodes.osm.pbf", "pbf_dense_nodes=false", "DenseNodes"),
            ("lz4.osm.pbf", "pbf_compression=lz4", "zlib"),
            ("on_ways.osm.pbf", "locations_on_ways=true", "LocationsOnWays")):
        subprocess.run(["osmium", "cat", packed, "-o", os.path.join(place, name), "-f",
                        "pbf," + options], check=True)
        yield name, None, says


def test_damaged_files_leave_the_network_alone(database, place):
    take(database, lib_osm.city(4, side=5).write(os.path.join(place, "old.osm")))
    wanted = network(database)
    for name, content, says in damage(place):
        path = os.path.join(place, name)
        if content is not None:
            with open(path, "wb") as out:
                out.write(content)
        done = patrolctl(database, "roads", "import", path)
        assert done.returncode == 4 and says in done.stderr, (name, done)
        assert done.stdout == ""
    done = patrolctl(database, "roads", "import", os.path.join(place, "absent.osm"))
    assert done.returncode == 4 and "No such file" in done.stderr
    assert network(database) == wanted


def test_less_than_half_of_the_streets_is_told(database, place):
    first = take(database, lib_osm.city(4, side=20).write(os.path.join(place, "all.osm")))
    path = lib_osm.city(4, side=5).write(os.path.join(place, "part.osm"))
    done = patrolctl(database, "roads", "import", path)
    assert done.returncode == 0
    assert "less than half as long as those of all.osm before: is " in done.stderr
    kilometres = first["length_m"] / 1000
    assert f"in place of {first['edges']} edges, {kilometres:.1f} km, of all.osm" in done.stdout
    done = patrolctl(database, "roads", "import", path, "--json")
    assert "half" not in done.stderr and json.loads(done.stdout)["before"]["source"] == "part.osm"


# ----------------------------------------------------- a network that is used
def test_reader_keeps_the_network_it_began_with(database, place):
    take(database, lib_osm.city(4, side=5).write(os.path.join(place, "old.osm")))
    old = network(database)
    reader = psycopg2.connect(database.url)
    reader.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM patrol.road_node")
        assert cursor.fetchone()[0] == len(old[0])
        # must not wait for the reader
        take(database, lib_osm.city(5, side=9).write(os.path.join(place, "new.osm")))
        cursor.execute("SELECT edge_id, way_id, source, target, class, name, ref, length_m,"
                       " forward_ms, backward_ms, ST_AsEWKB(geom)::text FROM patrol.road_edge"
                       " ORDER BY 1")
        assert cursor.fetchall() == old[1]
    reader.close()
    assert len(network(database)[1]) > len(old[1])


def test_import_that_fails_half_way_changes_nothing(database, place):
    take(database, lib_osm.city(4, side=5).write(os.path.join(place, "old.osm")))
    old, rows = network(database), database.one("SELECT count(*) FROM patrol.road_network")
    new = lib_osm.city(5, side=9).write(os.path.join(place, "new.osm"))
    database.query("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
                   " $$BEGIN RAISE 'no room'; END$$;"
                   "CREATE TRIGGER fail BEFORE INSERT ON patrol.road_network"
                   " EXECUTE FUNCTION fail()")
    try:
        done = patrolctl(database, "roads", "import", new)
    finally:
        database.query("DROP FUNCTION fail CASCADE")
    assert done.returncode == 1 and "no room" in done.stderr, done
    assert network(database) == old
    assert database.one("SELECT count(*) FROM patrol.road_network") == rows
    take(database, new)


def test_one_import_at_a_time(database, place):
    path = lib_osm.city(4, side=5).write(os.path.join(place, "old.osm"))
    other = psycopg2.connect(database.url)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('patrol.roads_import'))")
        done = patrolctl(database, "roads", "import", path)
    other.close()
    assert done.returncode == 1 and "another import" in done.stderr, done


def test_tells_gateways(database, place):
    path = lib_osm.city(4, side=5).write(os.path.join(place, "old.osm"))
    listener = database.connect()
    with listener.cursor() as cursor:
        cursor.execute("LISTEN patrol_changed")
        summary = take(database, path)
        cursor.execute("SELECT 1")
    assert [note.payload for note in listener.notifies] == ["roads"]
    listener.close()
    kept = database.query("SELECT nodes, edges, turns, length_m, summary->>'ways kept'"
                          " FROM patrol.road_network ORDER BY network_id DESC LIMIT 1")[0]
    assert kept[:3] == (summary["nodes"], summary["edges"], summary["turns"])
    assert kept[3] == pytest.approx(summary["length_m"], abs=0.01)
    assert int(kept[4]) == summary["summary"]["ways kept"]


def test_database_away(place):
    path = lib_osm.city(4, side=5).write(os.path.join(place, "old.osm"))
    done = subprocess.run([PATROLCTL, "roads", "import", path, "-d",
                           f"host={place} dbname=patrol"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 3 and "no database" in done.stderr, done


def test_lengths_are_postgis_lengths(database, place):
    take(database, lib_osm.city(6).write(os.path.join(place, "city.osm")))
    rows = database.query("SELECT length_m, ST_Length(geom::geography) FROM patrol.road_edge")
    for ours, theirs in rows:
        assert ours == pytest.approx(theirs, rel=1e-4)
    ends = database.one(
        "SELECT count(*) FROM patrol.road_edge e"
        " JOIN patrol.road_node a ON a.node_id = e.source"
        " JOIN patrol.road_node b ON b.node_id = e.target"
        " WHERE ST_Equals(ST_StartPoint(e.geom), a.geom)"
        " AND ST_Equals(ST_EndPoint(e.geom), b.geom)")
    assert ends == len(rows)


def test_running_gateway_takes_it(database, make_gateway, place):
    take(database, lib_osm.city(4, side=5).write(os.path.join(place, "old.osm")))
    gateway = make_gateway().start()
    before = gateway.nearest((23.1, -82.4))["network_id"]
    take(database, lib_osm.city(5, side=9).write(os.path.join(place, "new.osm")))
    newest = database.one("SELECT max(network_id) FROM patrol.road_network")
    assert newest == before + 1
    wait_for(lambda: gateway.nearest((23.1, -82.4))["network_id"] == newest, 15, gateway.log)
