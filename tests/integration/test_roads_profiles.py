"""What the import keeps of the map, what profiles make of it, and changing
them without a new import; against a reader of its own (lib_judge.py)."""
import json
import os
import random
import subprocess
import time

import psycopg2
import pytest

import lib_judge
import lib_osm
from lib_common import TOP, wait_for
from lib_judge import PLACE
from test_roads_import import DATA, FULL, PATROLCTL, network, patrolctl, take


def node_of(ident):
    """(the node, whether it is the place before the barrier on it)"""
    return (ident - PLACE, True) if ident > PLACE // 2 else (ident, False)


def costs(database):
    """(profile, edge) -> (forward, backward)"""
    return {(profile, edge): (forward, backward) for profile, edge, forward, backward in
            database.query("SELECT name, edge_id, c.forward_ms, c.backward_ms"
                           " FROM patrol.road_cost c JOIN patrol.road_profile USING"
                           " (profile_id)")}


def walk(city, refs, edges):
    """Each edge of a way with what lies strictly between its ends."""
    at = 0
    for edge, source, target, length in edges:
        (_, _), (to, _) = node_of(source), node_of(target)
        if node_of(source)[0] == to and node_of(source)[1] != node_of(target)[1] and length < 2.1:
            yield edge, [], city.nodes[to][2], length
            continue
        end = refs.index(to, at + 1)
        yield edge, refs[at:end + 1], None, length
        at = end


def judge(database, path):
    """Every edge's costs as the oracle has them. How many were compared."""
    city = lib_judge.Map(path)
    ways = {}
    for edge, way, source, target, length in database.query(
            "SELECT edge_id, way_id, source, target, length_m FROM patrol.road_edge"
            " ORDER BY edge_id"):
        ways.setdefault(way, []).append((edge, source, target, length))
    have, rules = costs(database), lib_judge.profiles()
    compared = 0
    for way, edges in ways.items():
        refs, tags = city.ways[way]
        if any(ref not in city.nodes for ref in refs):
            continue
        for edge, between, barrier, length in walk(city, refs, edges):
            met = lib_judge.signs(city, between) if between else ([], [])
            for name, settings in rules:
                for backward in (False, True):
                    want = lib_judge.edge_ms(tags, barrier, met, length, settings, backward)
                    got = have.get((name, edge), (None, None))[backward]
                    assert (want is None) == (got is None), (name, way, backward, tags, barrier)
                    # rounded, and lengths are floats
                    assert want is None or abs(want - got) <= 1, (name, way, want, got, tags)
                    compared += want is not None
    return compared


def judge_islands(database):
    """Which edges are of the main part, and what the import told of the
    others, as pgRouting's strongly connected components have it."""
    database.query("CREATE EXTENSION pgrouting")
    part = dict(database.query(
        "SELECT node, component FROM pgr_strongComponents('SELECT edge_id AS id, source,"
        " target, coalesce(forward_ms, -1) AS cost, coalesce(backward_ms, -1) AS reverse_cost"
        " FROM patrol.road_edge')"))
    database.query("DROP EXTENSION pgrouting")
    rows = database.query("SELECT edge_id, source, target, length_m, is_main FROM"
                          " patrol.road_edge WHERE forward_ms > 0 OR backward_ms > 0")
    length, edges = {}, {}
    for _, source, target, metres, _ in rows:
        if part[source] == part[target]:
            length[part[source]] = length.get(part[source], 0) + metres
            edges[part[source]] = edges.get(part[source], 0) + 1
    main = max(length, key=length.get)
    aside = [row for row in rows if {part[row[1]], part[row[2]]} != {main}]
    assert {row[0] for row in aside} == {row[0] for row in rows if not row[4]}
    assert database.one("SELECT count(*) FROM patrol.road_edge WHERE is_main AND"
                        " forward_ms IS NULL AND backward_ms IS NULL") == 0
    told = database.one("SELECT summary->'islands' FROM patrol.road_network"
                        " ORDER BY network_id DESC LIMIT 1")
    assert (told["edges"], told["count"]) == (len(aside), len(length) - 1)
    assert told["length_m"] == pytest.approx(sum(row[3] for row in aside), rel=1e-6)
    assert [one["length_m"] for one in told["longest"]] == pytest.approx(
        sorted(length.values(), reverse=True)[1:6], rel=1e-6)
    return len(aside)


def drawn(place):
    """A city with every fact of the oracle in it, at random."""
    dice = random.Random(7)
    drawing = lib_osm.city(7, side=12)
    extra = {"surface": ["asphalt", "sett", "mud", "gravel", "tar"],
             "smoothness": ["good", "very_bad"], "access": ["no", "private", "destination"],
             "motor_vehicle": ["no", "yes", "psv", "no;delivery"], "emergency": ["yes", "no"],
             "bus": ["yes", "no"], "psv": ["designated"], "oneway:bus": ["no"],
             "busway": ["opposite_lane"], "motor_vehicle:backward": ["no", "yes"],
             "oneway:emergency": ["no"], "service": ["emergency_access", "driveway"],
             "maxspeed": ["50", "20 mph", "50;30", "none", "signals", "7 knots", "rubbish"],
             "maxspeed:backward": ["80"], "source:maxspeed": ["CU:urban", "sign"],
             "lanes:psv:backward": ["1"], "tracktype": ["grade1", "grade4"]}
    for number, (refs, tags) in drawing.ways.items():
        if dice.random() < 0.1 and "highway" in tags:
            tags["highway"] = dice.choice(["pedestrian", "busway", "track", "path", "trunk"])
        for key, values in extra.items():
            if dice.random() < 0.12:
                tags[key] = dice.choice(values)
    standing = [{"highway": "traffic_signals"}, {"highway": "stop"}, {"highway": "give_way"},
                {"highway": "stop", "direction": "backward"},
                {"highway": "traffic_signals", "traffic_signals:direction": "forward"},
                {"highway": "crossing", "crossing": "zebra"},
                {"highway": "crossing", "crossing": "traffic_signals"},
                {"traffic_calming": "hump"}, {"barrier": "gate"}, {"barrier": "bollard"},
                {"barrier": "gate", "access": "private"}, {"barrier": "gate", "locked": "yes"},
                {"barrier": "bollard", "bollard": "rising"}, {"barrier": "block"},
                {"barrier": "bollard", "emergency": "yes"}, {"barrier": "lift_gate",
                                                             "motor_vehicle": "no"}]
    drawing.node_tags = {node: dice.choice(standing) for node in drawing.nodes
                         if node > 100000 and dice.random() < 0.7}
    return drawing.write(os.path.join(place, "drawn.osm"))


def test_every_street_is_judged_as_the_oracle_judges_it(database, place):
    path = drawn(place)
    take(database, path)
    assert database.one("SELECT count(*) FROM patrol.road_edge WHERE barrier IS NOT NULL") > 10
    assert judge(database, path) > 500
    assert judge_islands(database) > 10


CITIES = ["monaco_osrm"] + (
    ["portland_central_filtered", "liechtenstein", "porto_portugal"] if FULL else [])


@pytest.mark.parametrize("name", CITIES)
def test_cities_are_judged_as_the_oracle_judges_them(database, place, name):
    packed = os.path.join(DATA, "osm", name + ".osm.pbf")
    if not os.path.exists(packed):
        pytest.skip("skipped: no data")
    path = os.path.join(place, "city.osm")
    subprocess.run(["osmium", "cat", packed, "-o", path], check=True)
    take(database, path)
    assert judge(database, path) > 10000
    judge_islands(database)


# ------------------------------------------------------------- restrictions
def walks(database, longest):
    """All sequences of directed edges that follow one-ways, up to a length:
    [((edge, forward), ...)]"""
    leaving, ends = {}, {}
    for edge, source, target, way in database.query(
            "SELECT edge_id, source, target, oneway FROM patrol.road_edge"):
        for forward in (True, False):
            if way == ("backward" if forward else "forward"):
                continue
            tail, head = (source, target) if forward else (target, source)
            leaving.setdefault(tail, []).append((edge, forward))
            ends[(edge, forward)] = head
    found = [(arc,) for arcs in leaving.values() for arc in arcs]
    for walk_ in found:
        if len(walk_) < longest:
            found += [walk_ + (arc,) for arc in leaving.get(ends[walk_[-1]], ())]
    return found


def collapse(ways, walk_):
    """The ways driven, one after the other."""
    out = []
    for edge, _ in walk_:
        if not out or out[-1] != ways[edge]:
            out.append(ways[edge])
    return out


def restricted(drawing, dice, count):
    """Relations from way to way over one or two others, as they meet."""
    ends = {}
    for way, (refs, tags) in drawing.ways.items():
        if tags.get("highway", "footway") != "footway" and len(refs) == len(set(refs)):
            ends.setdefault(refs[0], []).append(way)
            ends.setdefault(refs[-1], []).append(way)
    number = 500
    for _ in range(count):
        node = dice.choice([n for n, at in ends.items() if len(at) > 1])
        path = [dice.choice(ends[node])]
        for _ in range(dice.randint(2, 3)):
            path.append(dice.choice(ends[node]))
            refs = drawing.ways[path[-1]][0]
            node = refs[-1] if refs[0] == node else refs[0]
        if len(set(path)) < len(path):
            continue
        number += 1
        drawing.relation(number, [("way", path[0], "from")] +
                         [("way", way, "via") for way in path[1:-1]] +
                         [("way", path[-1], "to")], type="restriction",
                         restriction=dice.choice(["no_left_turn", "only_right_turn"]))


def test_sequences_forbid_what_the_relations_say(database, place):
    drawing = lib_osm.city(11, side=7)
    for _, tags in drawing.ways.values():
        tags.pop("junction", None)
    restricted(drawing, random.Random(3), 600)
    summary = take(database, drawing.write(os.path.join(place, "via.osm")))["summary"]
    ways = dict(database.query("SELECT edge_id, way_id FROM patrol.road_edge"))
    sequences = {}
    for relation, *start, via, to, to_forward in database.query(
            "SELECT relation_id, from_edge, from_forward, via, to_edge, to_forward"
            " FROM patrol.road_turn"):
        sequence = ((*start,), *((abs(edge), edge > 0) for edge in via), (to, to_forward))
        sequences.setdefault(relation, set()).add(sequence)
    assert summary["of them via a way"] >= 20
    longest = max(len(s) for all_ in sequences.values() for s in all_)
    everything = walks(database, min(longest, 5))
    compared = 0
    for relation, banned in sequences.items():
        members, tags = drawing.relations[relation]
        begin, *via, end = [ref for _, ref, _ in members]
        if max(len(s) for s in banned) > 5 or not via:
            continue
        # the last edge of `from`, all of via, the first of what comes next
        through = [w for w in everything if ways[w[0][0]] == begin and len(w) > 2
                   and collapse(ways, w[:-1]) == [begin, *via] and ways[w[1][0]] != begin
                   and ends_via(ways, w, via[-1])]
        if tags["restriction"].startswith("no"):
            wanted = {w for w in through if ways[w[-1][0]] == end}
        else:
            at_end = {w[:-1] for w in through if ways[w[-1][0]] == end}
            wanted = {w for w in through if w[:-1] in at_end and ways[w[-1][0]] != end}
        # what two relations forbid stands with the lower one
        lower = set().union(*(s for n, s in sequences.items() if n < relation))
        assert banned == wanted - lower, (relation, members, tags, banned ^ wanted)
        compared += 1
    assert compared >= 20


def ends_via(ways, walk_, last):
    """It does not turn round within the via ways, and leaves the last."""
    turns = any(a[0] == b[0] for a, b in zip(walk_[:-1], walk_[1:-1]))
    return not turns and (ways[walk_[-1][0]] != last or walk_[-1][0] == walk_[-2][0])


# ------------------------------------------------------------------ changing
def edited(place, **changes):
    """profiles.ini with other values in [emergency]."""
    with open(lib_judge.PROFILES, encoding="utf-8") as source:
        text = source.read()
    head, tail = text.split("[emergency]\n")
    for key, value in changes.items():
        tail = f"{key} = {value}\n" + "".join(
            line for line in tail.splitlines(True) if not line.startswith(f"{key} ="))
    path = os.path.join(place, "edited.ini")
    with open(path, "w", encoding="utf-8") as out:
        out.write(head + "[emergency]\n" + tail)
    return path


def test_profiles_change_without_an_import(database, place, make_gateway):
    take(database, drawn(place))
    before, network = costs(database), database.query("SELECT * FROM patrol.road_edge ORDER BY 1")
    done = patrolctl(database, "roads", "profiles", "--text")
    with open(lib_judge.PROFILES, encoding="utf-8") as source:
        assert done.stdout == source.read()

    # the same file: the same costs, from the facts that were kept
    done = patrolctl(database, "roads", "profiles", lib_judge.PROFILES)
    assert done.returncode == 0, done.stderr
    assert costs(database) == before
    assert database.query("SELECT * FROM patrol.road_edge ORDER BY 1") == network

    gateway = make_gateway().start()
    newest = database.one("SELECT max(network_id) FROM patrol.road_network")
    done = patrolctl(database, "roads", "profiles", "--json",
                     edited(place, kmh_primary=10, share_primary=0.1))
    assert done.returncode == 0, done.stderr
    assert [profile["name"] for profile in json.loads(done.stdout)["profiles"]] == [
        "patrol", "emergency"]
    after = costs(database)
    primary = {edge for edge, in database.query(
        "SELECT edge_id FROM patrol.road_edge WHERE class = 'primary'")}
    changed = {edge for (name, edge), ms in after.items() if before[(name, edge)] != ms}
    assert changed and changed <= primary
    assert all(after[("patrol", edge)] == before[("patrol", edge)] for name, edge in after
               if name == "patrol")
    assert "kmh_primary = 10\n" in patrolctl(database, "roads", "profiles", "--text").stdout
    wait_for(lambda: gateway.nearest((23.1, -82.4))["network_id"] == newest + 1, 15, gateway.log)

    # an import keeps what is in force
    take(database, drawn(place))
    assert costs(database) == after
    # and patrol's own costs follow, in both tables
    text = patrolctl(database, "roads", "profiles", "--text").stdout
    path = os.path.join(place, "slow.ini")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text.replace("kmh_residential = 25\n", "kmh_residential = 12\n")
                  .replace("closed_kmh = no", "closed_kmh = 8"))
    done = patrolctl(database, "roads", "profiles", path)
    assert done.returncode == 0, done.stderr
    assert database.one(
        "SELECT count(*) FROM patrol.road_edge e LEFT JOIN patrol.road_cost c ON"
        " c.edge_id = e.edge_id AND profile_id = 1 WHERE (e.forward_ms, e.backward_ms)"
        " IS DISTINCT FROM (c.forward_ms, c.backward_ms)") == 0
    judge_islands(database)
    assert len({edge for name, edge in costs(database) if name == "patrol"}) > len(
        {edge for name, edge in before if name == "patrol"})
    database.query("DELETE FROM patrol.road_profile; DELETE FROM patrol.road_cost")


def test_a_mistake_in_a_profile_changes_nothing(database, place):
    take(database, drawn(place))
    before = costs(database)
    for changes, says in (({"kmh_primary": "fast"}, "[emergency] kmh_primary: expected a number"),
                          ({"kmh_lane": "5"}, "[emergency] kmh_lane: no such setting")):
        path = edited(place, **changes)
        done = patrolctl(database, "roads", "profiles", path)
        line = 1 + next(n for n, text in enumerate(open(path, encoding="utf-8"))
                        if text.startswith(next(iter(changes))) and "[emergency]" in
                        open(path, encoding="utf-8").read().splitlines()[n - 1])
        assert done.returncode == 4 and f"{path}:{line}: {says}" in done.stderr, done.stderr
    path = os.path.join(place, "none.ini")
    with open(path, "w", encoding="utf-8") as out:
        out.write("[patrol]\n" + "".join(
            f"kmh_{name} = no\n" for name in
            "motorway motorway_link trunk trunk_link primary primary_link secondary"
            " secondary_link tertiary tertiary_link unclassified residential living_street"
            " service road".split()))
    done = patrolctl(database, "roads", "profiles", path)
    assert done.returncode == 4 and "no street at all" in done.stderr, done
    assert patrolctl(database, "roads", "profiles", "absent.ini").returncode == 4
    other = psycopg2.connect(database.url)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('patrol.roads_import'))")
        done = patrolctl(database, "roads", "profiles", lib_judge.PROFILES)
    other.close()
    assert done.returncode == 1 and "another import" in done.stderr, done
    database.query("UPDATE patrol.road_network SET facts = 0")
    done = patrolctl(database, "roads", "profiles", lib_judge.PROFILES)
    assert done.returncode == 1 and "import them again" in done.stderr.replace("\n", " "), done
    assert costs(database) == before
    listed = json.loads(patrolctl(database, "roads", "profiles", "--json").stdout)
    assert [(p["name"], p["is_emergency"], p["keeps_turns"]) for p in listed] == [
        ("patrol", False, True), ("emergency", True, False)]


# ------------------------------------------------------------------- islands
def test_islands_are_told_with_the_missions_on_them(database, place):
    drawing = lib_osm.Drawing()
    for x in range(4):  # 3 x 0.001 degree of street, and an island to the north
        drawing.node(1 + x, 23.1, -82.4 + x * 0.001)
    drawing.node(11, 23.11, -82.4)
    drawing.node(12, 23.11, -82.399)
    drawing.node(13, 23.12, -82.4)  # reached, but no way back
    drawing.way(100, [1, 2, 3, 4], highway="residential")
    drawing.way(101, [11, 12], highway="residential")
    drawing.way(102, [4, 13], highway="residential", oneway="yes")
    # a way for others alone is no island
    drawing.way(103, [13, 11], highway="residential", access="private")
    database.query("DELETE FROM patrol.mission")
    database.query("INSERT INTO patrol.mission (name, geom) VALUES"
                   " ('on the island', ST_SetSRID(ST_Point(-82.3995, 23.1101), 4326)),"
                   " ('beside the others', ST_SetSRID(ST_Point(-82.3985, 23.1001), 4326)),"
                   " ('where no way leads back', ST_SetSRID(ST_Point(-82.4, 23.12), 4326))")
    path = drawing.write(os.path.join(place, "islands.osm"))
    islands = take(database, path)["summary"]["islands"]
    true = dict(database.query("SELECT way_id, ST_Length(geom::geography)"
                               " FROM patrol.road_edge"))
    assert (islands["count"], islands["edges"], islands["missions"]) == (1, 2, 2)
    assert islands["length_m"] == pytest.approx(true[101] + true[102], rel=1e-3)
    assert [(round(one["lat"], 4), round(one["lon"], 4), one["edges"])
            for one in islands["longest"]] == [(23.11, -82.4, 1)]
    assert islands["longest"][0]["length_m"] == pytest.approx(true[101], rel=1e-3)
    words = patrolctl(database, "roads", "import", path).stdout
    assert "2  edges outside the main part, 2.3 km" in words, words
    assert "1  islands among them" in words and "0.1  km at 23.110000,-82.400000, 1 edges" in words
    assert "2  missions to which such a street is the nearest" in words
    kept = database.one("SELECT summary->'islands' FROM patrol.road_network"
                        " ORDER BY network_id DESC LIMIT 1")
    assert kept == islands
    main = dict(database.query("SELECT way_id, is_main FROM patrol.road_edge"))
    assert main == {100: True, 101: False, 102: False, 103: False}
    # the private way back opens: all is one
    text = patrolctl(database, "roads", "profiles", "--text").stdout
    rules = os.path.join(place, "open.ini")
    with open(rules, "w", encoding="utf-8") as out:
        out.write(text.replace("against_oneway_kmh = no", "against_oneway_kmh = 20")
                  .replace("closed_kmh = no", "closed_kmh = 10"))
    done = patrolctl(database, "roads", "profiles", "--json", rules)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["islands"] == {
        "edges": 0, "length_m": 0, "count": 0, "missions": 0, "longest": []}
    assert database.one("SELECT bool_and(is_main) FROM patrol.road_edge")
    database.query("DELETE FROM patrol.road_profile; DELETE FROM patrol.road_cost")
    database.query("DELETE FROM patrol.mission")


def test_streets_for_others_alone_are_no_network(database, place):
    take(database, lib_osm.city(4, side=5).write(os.path.join(place, "old.osm")))
    rows = database.query("SELECT * FROM patrol.road_edge ORDER BY 1")
    drawing = lib_osm.Drawing()
    drawing.node(1, 23.1, -82.4)
    drawing.node(2, 23.1, -82.399)
    drawing.way(100, [1, 2], highway="pedestrian")
    done = patrolctl(database, "roads", "import", drawing.write(os.path.join(place, "p.osm")))
    assert done.returncode == 4 and "no drivable road" in done.stderr, done
    assert database.query("SELECT * FROM patrol.road_edge ORDER BY 1") == rows


def many_nodes(place, form):
    """10 million nodes and a footway, which no profile drives."""
    path = os.path.join(place, "many." + form)
    with open(path, "w", encoding="utf-8") as out:
        if form == "osm":
            out.write('<?xml version="1.0"?>\n<osm version="0.6">\n')
        line = ('<node id="{}" lat="{:.5f}" lon="{:.5f}"/>\n' if form == "osm"
                else "n{} y{:.5f} x{:.5f}\n").format
        for n in range(1, 10_000_001):
            out.write(line(n, 22 + n * 7919 % 99991 / 1e5, -82 - n * 104729 % 99991 / 1e5))
        out.write('<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="footway"/></way>'
                  "</osm>\n" if form == "osm" else "w1 Thighway=footway Nn1,n2\n")
    return path


@pytest.mark.skipif(not FULL, reason="10 million nodes: PATROL_FULL=1")
@pytest.mark.parametrize("form", ["osm", "osm.pbf"])
def test_ten_million_nodes_and_no_road(database, place, form):
    """-s shows memory and time."""
    take(database, lib_osm.city(4, side=5).write(os.path.join(place, "old.osm")))
    before = network(database)
    path = many_nodes(place, "osm" if form == "osm" else "opl")
    if form == "osm.pbf":
        packed = os.path.join(place, "many.osm.pbf")
        subprocess.run(["osmium", "cat", path, "-o", packed], check=True)
        os.unlink(path)
        path = packed
    began = time.monotonic()
    with open(os.path.join(place, "said"), "w+", encoding="utf-8") as said:
        child = subprocess.Popen([PATROLCTL, "roads", "import", path, "-d", database.url],
                                 stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read()
    print(f"\n{form}: {os.path.getsize(path) / 1e6:.0f} MB, {time.monotonic() - began:.1f} s"
          f" ({usage.ru_utime + usage.ru_stime:.1f} s of CPU), {usage.ru_maxrss / 1024:.0f} MB"
          f" of memory, load {os.getloadavg()[0]:.1f}")
    assert child.returncode == 4 and "no drivable road in it (1 ways read)" in words, words
    assert network(database) == before
