"""coverage against SQL on a real network: pgr_drivingDistance from every unit
over the graph of turns (lib_turns.py), then counting by 1, 2 and 3 units, for 20
random fleets: every mission with its first units, every piece of street, zones.
PATROL_FULL=1 adds larger networks.

Where a turn's kind is on a border, or a street's middle within 2 m of a zone's,
SQL has two answers, and ours lies between them."""
import os
import random
import subprocess

import psycopg2
from psycopg2.extras import execute_values
import pytest

import lib_turns
from test_roads_oracle import BIN, DATA, FULL, url  # noqa: F401

FLEETS = 20
MISSIONS = 60
PROMISE_S = 140
TABLE_MS = 250  # tables are in tenths of a second; a short drive counts five times
LIMIT_MS = 3600000

TABLES = """
DROP SCHEMA IF EXISTS counted CASCADE;
CREATE SCHEMA counted;
SET search_path = counted, patrol, public;
CREATE TABLE line (id bigint GENERATED ALWAYS AS IDENTITY, source bigint, target bigint,
    least bigint, most bigint);
CREATE TABLE unit_arc (fleet integer, slot integer, vertex bigint, edge_id integer, forward
    boolean, f float8, ms bigint, gone bigint, late bigint);
CREATE TABLE driven (edge_id integer, forward boolean, arc bigint, arrive bigint, ms bigint);
"""

# The middle of each piece; metres by the UTM zone, in which a share of a bent
# street is what it is on the ground.
PIECES = """
CREATE TABLE place AS
SELECT row_number() OVER (ORDER BY edge_id, i) AS id, NULL::integer AS mission_id, edge_id,
    (i - 0.5) / n AS fraction, length_m / n AS length_m,
    ST_LineInterpolatePoint(utm, (i - 0.5) / n) AS at
FROM (SELECT edge_id, length_m, ST_Transform(geom, %(srid)s) AS utm,
        greatest(1, ceil(length_m::float8 / 250))::integer AS n
      FROM patrol.road_edge WHERE is_main AND edge_id IN (SELECT edge_id FROM driven)) e,
    generate_series(1, n) i;
INSERT INTO place SELECT 1000000 + m.mission_id, m.mission_id, e.edge_id,
    ST_LineLocatePoint(e.utm, p.at), 0, p.at
FROM patrol.mission m, LATERAL (SELECT ST_Transform(m.geom, %(srid)s) AS at) p, LATERAL (
    SELECT edge_id, ST_Transform(geom, %(srid)s) AS utm FROM patrol.road_edge
    WHERE is_main AND edge_id IN (SELECT edge_id FROM driven)
    ORDER BY ST_Transform(geom, %(srid)s) <-> p.at LIMIT 1) e;
CREATE TABLE zone_utm AS SELECT zone_id, promise_s, ST_Transform(geom, %(srid)s) AS geom,
    ST_Area(geom) AS area FROM patrol.zone;
CREATE TABLE member AS
SELECT id, zone_id, ST_Distance(ST_Boundary(z.geom), at) < 2 AS near
FROM place JOIN zone_utm z ON ST_DWithin(z.geom, at, 2) AND
    (ST_Contains(z.geom, at) OR ST_Distance(ST_Boundary(z.geom), at) < 2);
ALTER TABLE place ADD COLUMN promise bigint;
ALTER TABLE place ADD COLUMN near boolean;
UPDATE place p SET near = EXISTS (SELECT FROM member m WHERE m.id = p.id AND m.near),
    promise = 1000 * coalesce((SELECT z.promise_s FROM member m JOIN zone_utm z USING (zone_id)
        WHERE m.id = p.id ORDER BY area LIMIT 1), %(promise)s);
CREATE TABLE place_arc AS
SELECT id, forward, arrive, f, floor(ms * f + 0.5)::bigint AS gone FROM place
JOIN driven USING (edge_id), LATERAL (
    SELECT CASE WHEN forward THEN fraction ELSE 1 - fraction END AS f) s;
CREATE INDEX ON place_arc (arrive);
CREATE INDEX ON place (id);
ANALYZE;
"""

# From each unit to every place: over turns, and straight on along its street.
ARRIVALS = """
CREATE TEMP TABLE reached AS
SELECT 'least' AS bound, from_v, node, agg_cost FROM pgr_drivingDistance(
    'SELECT id, source, target, least AS cost FROM counted.line',
    (SELECT array_agg(DISTINCT vertex) FROM unit_arc WHERE fleet = %(fleet)s), %(limit)s)
UNION ALL
SELECT 'most', from_v, node, agg_cost FROM pgr_drivingDistance(
    'SELECT id, source, target, most AS cost FROM counted.line',
    (SELECT array_agg(DISTINCT vertex) FROM unit_arc WHERE fleet = %(fleet)s), %(limit)s);
CREATE TEMP TABLE arrival AS
SELECT bound, id, slot, (drive + least(%(start)s, 4 * drive) + late)::bigint AS ms FROM (
SELECT bound, id, slot, late, min(ms)::bigint AS drive FROM (
    SELECT bound, p.id, u.slot, u.late, agg_cost + p.gone AS ms
    FROM reached r JOIN (SELECT DISTINCT slot, vertex, late FROM unit_arc
                         WHERE fleet = %(fleet)s) u ON u.vertex = r.from_v
    JOIN place_arc p ON p.arrive = r.node
    UNION ALL
    SELECT b.bound, p.id, u.slot, u.late, p.gone - u.gone
    FROM unit_arc u JOIN place USING (edge_id) JOIN place_arc p USING (id, forward),
        (VALUES ('least'), ('most')) b (bound)
    WHERE fleet = %(fleet)s AND u.f <= p.f) w
GROUP BY bound, id, slot, late) d;
CREATE TEMP TABLE within AS
SELECT id, count(*) FILTER (WHERE bound = 'most' AND ms + slack <= promise) AS low,
    count(*) FILTER (WHERE bound = 'least' AND ms - slack <= promise) AS high
FROM place LEFT JOIN arrival USING (id), LATERAL (
    SELECT CASE WHEN mission_id IS NULL THEN 1 ELSE %(table)s END AS slack) s
GROUP BY id;
"""

ZONES = """
SELECT coalesce(zone_id, 0), k,
    count(*) FILTER (WHERE mission_id IS NOT NULL AND low >= k),
    count(*) FILTER (WHERE mission_id IS NOT NULL AND high >= k),
    coalesce(sum(length_m) FILTER (WHERE low >= k AND NOT unsure), 0),
    coalesce(sum(length_m) FILTER (WHERE high >= k OR unsure), 0),
    sum(length_m) FILTER (WHERE NOT unsure OR zone_id IS NULL), sum(length_m)
FROM (SELECT w.*, mission_id, length_m, zone_id, p.near AS unsure
      FROM within w JOIN place p USING (id)
      JOIN (SELECT id, zone_id FROM member UNION ALL SELECT id, NULL FROM place) m USING (id)) x,
    generate_series(1, 3) k GROUP BY 1, 2
"""


def utm_of(sql):
    sql.execute("SELECT avg(ST_X(geom)), avg(ST_Y(geom)) FROM patrol.road_node")
    lon, lat = sql.fetchone()
    return (32600 if lat >= 0 else 32700) + int((lon + 180) // 6) + 1


def add_places(sql, rng, srid):
    """Missions in the middle of streets, none of which is beside another; zones,
    one in another."""
    sql.execute("TRUNCATE patrol.mission, patrol.zone RESTART IDENTITY CASCADE")
    sql.execute("SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) FROM"
                " (SELECT ST_Extent(ST_Transform(geom, %s)) e FROM patrol.road_edge) x", (srid,))
    x0, y0, x1, y1 = sql.fetchone()
    dx, dy = x1 - x0, y1 - y0
    for name, promise, box in (("half", 115, (0, 0, .5, 1)), ("ward", 90, (.1, .2, .45, .7)),
                               ("other", None, (.55, .3, .9, .8)),
                               ("sea", 60, (-2, -2, -1, -1))):
        shift = rng.uniform(-.04, .04)
        sql.execute("INSERT INTO patrol.zone (name, promise_s, geom) SELECT %s, %s, ST_Multi("
                    "ST_Transform(ST_MakeEnvelope(%s, %s, %s, %s, %s), 4326))",
                    (name, promise, x0 + (box[0] + shift) * dx, y0 + (box[1] + shift) * dy,
                     x0 + (box[2] + shift) * dx, y0 + (box[3] + shift) * dy, srid))
    sql.execute("""
        WITH chosen AS (SELECT edge_id, ST_LineInterpolatePoint(ST_Transform(geom, %(srid)s),
                0.2 + 0.6 * (hashtext((edge_id + %(seed)s)::text) & 1023) / 1023) AS at
            FROM patrol.road_edge WHERE is_main AND edge_id IN (SELECT edge_id FROM driven)
            ORDER BY md5((edge_id + %(seed)s)::text) LIMIT 3 * %(count)s)
        INSERT INTO patrol.mission (name, geom)
        SELECT 'mission ' || edge_id, ST_Transform(at, 4326) FROM chosen c
        WHERE NOT EXISTS (SELECT FROM patrol.road_edge o WHERE o.edge_id <> c.edge_id
            AND ST_DWithin(ST_Transform(o.geom, %(srid)s), c.at, 1))
        AND NOT EXISTS (SELECT FROM patrol.zone z WHERE ST_DWithin(
            ST_Boundary(ST_Transform(z.geom, %(srid)s)), c.at, 2))
        LIMIT %(count)s""", {"srid": srid, "seed": rng.randrange(10**6), "count": MISSIONS})


def store_streets(sql, streets):
    number, rows = lib_turns.line_graph(streets)
    execute_values(sql, "INSERT INTO line (source, target, least, most) VALUES %s", rows,
                   page_size=10000)
    execute_values(sql, "INSERT INTO driven VALUES %s",
                   [(arc // 2, arc % 2 == 0, arc, 3 * number[(arc,)] + 2, ms)
                    for arc, ms in streets.ms.items()], page_size=10000)
    return number


def store_fleets(sql, rng, streets, number):
    """[{slot: (edge, share, late)}]; a unit's vertex leads to its street's ends."""
    edges = sorted({arc // 2 for arc in streets.ms})
    fleets, vertex, lines, rows = [], 3 * len(number), [], []
    for fleet in range(FLEETS):
        units = {slot: (rng.choice(edges), rng.choice([0.0, 1.0] + 6 * [rng.random()]),
                        rng.choice([0, 0, rng.randrange(40000)]))
                 for slot in range(rng.choice([1, 3, 8, 15] + FULL * [40]))}
        for slot, (edge, at, late) in units.items():
            vertex += 1
            for arc, gone, ahead in streets.from_place(edge, at):
                lines.append((vertex, 3 * number[(arc,)] + 1, ahead, ahead))
                rows.append((fleet, slot, vertex, edge, arc % 2 == 0,
                             at if arc % 2 == 0 else 1 - at, streets.ms[arc], gone, late))
        fleets.append(units)
    execute_values(sql, "INSERT INTO line (source, target, least, most) VALUES %s", lines)
    execute_values(sql, "INSERT INTO unit_arc VALUES %s", rows)
    return fleets


def ask_probe(url, fleets):
    """[({mission: (within, [(slot, ms)])}, {zone: numbers}, pieces, gaps_m)]"""
    lines = []
    for units in fleets:
        lines += ["clear"] + [f"unit {slot} {edge - 1} {at!r} {late}"
                              for slot, (edge, at, late) in units.items()] + ["run"]
    run = subprocess.run([os.path.join(BIN, "coverage_probe"), url, str(PROMISE_S)],
                         input="".join(line + "\n" for line in lines),
                         stdout=subprocess.PIPE, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-500:]
    answers, missions, zones, pieces = [], {}, {}, ""
    for line in run.stdout.splitlines()[1:]:
        kind, *words = line.split()
        if kind == "mission":
            pairs = [int(word) for word in words[2:]]
            missions[int(words[0])] = int(words[1]), list(zip(pairs[::2], pairs[1::2]))
        elif kind == "zone":
            zones[int(words[0])] = [float(word) for word in words[1:]]
        elif kind == "pieces":
            pieces = words[0]
        else:
            answers.append((missions, zones, pieces, float(words[0])))
            missions, zones = {}, {}
    return answers


def check_missions(sql, missions):
    sql.execute("SELECT mission_id, low, high FROM within JOIN place USING (id)"
                " WHERE mission_id IS NOT NULL")
    bounds = {mission: (low, high) for mission, low, high in sql}
    assert bounds.keys() == missions.keys()
    sql.execute("SELECT mission_id, slot, bound, ms FROM arrival JOIN place USING (id)"
                " WHERE mission_id IS NOT NULL")
    times = {}
    for mission, slot, bound, ms in sql:
        times.setdefault(mission, {}).setdefault(slot, {})[bound] = ms
    for mission, (within, first) in missions.items():
        low, high = bounds[mission]
        assert min(low, 3) <= within <= min(high, 3), mission
        known = times.get(mission, {})
        assert len(first) == min(3, len(known))
        for k, (slot, ms) in enumerate(first):
            assert known[slot]["least"] - TABLE_MS <= ms <= known[slot]["most"] + TABLE_MS
            # nobody who is left out of the first k + 1 comes sooner than the k-th
            sooner = sorted(t["most"] for t in known.values())[k]
            assert ms <= sooner + TABLE_MS


def check_pieces(sql, pieces):
    """Each piece of street by itself; of one near a zone's border SQL does not know
    the promise. How many of them are in time by one unit and more."""
    sql.execute("SELECT id, low, high, near FROM within JOIN place USING (id)"
                " WHERE mission_id IS NULL ORDER BY id")
    rows = sql.fetchall()
    assert [number for number, *_ in rows] == list(range(1, len(pieces) + 1))
    for (number, low, high, near), digit in zip(rows, pieces):
        assert near or min(low, 3) <= int(digit) <= min(high, 3), number
    return len(pieces) - pieces.count("0")


def check_zones(sql, zones, gaps_m):
    sql.execute(ZONES)
    for zone, k, low, high, low_m, high_m, least_m, most_m in sql.fetchall():
        numbers = zones[zone]
        assert low <= numbers[k] <= high, (zone, k)
        assert least_m - 0.5 <= numbers[4] <= most_m + 0.5, (zone, k)
        assert low_m - 0.5 <= numbers[4 + k] <= high_m + 0.5, (zone, k)
    assert gaps_m == pytest.approx(zones[0][4] - zones[0][5], abs=0.5)


def compare(url, seed):
    rng = random.Random(seed)
    with psycopg2.connect(url) as db, db.cursor() as sql:
        streets = lib_turns.Streets(url, "patrol")
        srid = utm_of(sql)
        sql.execute(TABLES)
        number = store_streets(sql, streets)
        add_places(sql, rng, srid)
        fleets = store_fleets(sql, rng, streets, number)
        sql.execute(PIECES, {"srid": srid, "promise": PROMISE_S})
        sql.execute("SELECT start_ms FROM patrol.road_profile WHERE name = 'patrol'")
        start_ms = sql.fetchone()[0]
        sql.execute("SELECT count(*), count(mission_id) FROM place")
        places, missions = sql.fetchone()
        assert missions > MISSIONS / 2
        db.commit()
        partly = partly_streets = 0
        for fleet, (told, zones, pieces, gaps_m) in enumerate(ask_probe(url, fleets)):
            sql.execute("DROP TABLE IF EXISTS reached, arrival, within")
            sql.execute(ARRIVALS, {"fleet": fleet, "limit": LIMIT_MS, "table": TABLE_MS,
                                   "start": start_ms})
            check_missions(sql, told)
            check_zones(sql, zones, gaps_m)
            partly_streets += 0 < check_pieces(sql, pieces) < len(pieces)
            partly += 0 < zones[0][1] < missions
        assert min(partly, partly_streets) > FLEETS / 4  # neither all nor nothing
        sql.execute("SELECT sum((low <> high)::int) FROM within")
        print(f"{FLEETS} fleets, {missions} missions, {places - missions} pieces of street;"
              f" of the last fleet {sql.fetchone()[0]} counts are not certain")


@pytest.mark.parametrize("name", ["osm/monaco_osrm.osm.pbf"] + FULL * [
    "osm/liechtenstein.osm.pbf", "havana/havana-core.osm.pbf"])
def test_a_city_agrees_with_driving_distances(url, name):  # noqa: F811
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        pytest.skip("no data")
    subprocess.run([os.path.join(BIN, "patrolctl"), "roads", "import", path, "-d", url],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    compare(url, 20261121)
