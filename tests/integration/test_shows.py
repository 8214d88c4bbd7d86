"""Two real cities through the whole chain: `patrolctl roads import` into a
running gateway, units heard over MQTT at random places, and a thousand
questions over HTTP, each answer against pgRouting's: to the second is
promised, to 0.05 s it has to be.

PATROL_FULL=1 takes the largest city in place of the smallest; without it
there are 300 questions."""
import os
import random
import subprocess

import pytest
from psycopg2.extras import execute_values

import lib_turns
from lib_common import BIN, wait_for
from lib_replay import SHARED
from lib_vehicle import entry

FULL = os.environ.get("PATROL_FULL") == "1"
OSM = os.path.join(SHARED, "osm")
# The second's objects are not in order.
CITIES = ["porto_portugal.osm.pbf" if FULL else "monaco_osrm.osm.pbf",
          "portland_central_filtered.osm.pbf"]
UNITS = 50
QUERIES = 1000 if FULL else 300
K = 5

# Random points beside streets that patrol may use, and where such a street is
# met: by PostGIS, on the metres of the city's UTM zone. Only points with one
# street that is nearer by 2 m than all others, and met between its ends:
# elsewhere it is a matter of centimetres which one counts. Not beside streets
# that lead nowhere: from there another one is taken.
MEETINGS = """
WITH street AS (
    SELECT edge_id, geom, is_main FROM patrol.road_edge
    WHERE forward_ms IS NOT NULL OR backward_ms IS NOT NULL),
drawn AS (
    SELECT n, round((ST_X(at) + east)::numeric, 6)::float8 AS lon,
           round((ST_Y(at) + north)::numeric, 6)::float8 AS lat
    FROM (VALUES %s) AS wish(n, edge, share, east, north)
    JOIN street ON edge_id = edge
    CROSS JOIN LATERAL ST_LineInterpolatePoint(geom, share) AS at),
zone AS (SELECT (32600 + floor((lon + 180) / 6) + 1)::integer AS utm
         FROM drawn ORDER BY n LIMIT 1),
near AS (
    SELECT n, lon, lat, edge_id, is_main, metres,
           ST_LineLocatePoint(ST_Transform(geom, utm),
                              ST_Transform(point, utm)) AS share,
           row_number() OVER near AS place, lead(metres) OVER near AS next
    FROM drawn CROSS JOIN zone
    CROSS JOIN LATERAL ST_SetSRID(ST_MakePoint(lon, lat), 4326) AS point
    JOIN street ON ST_DWithin(geom, point, 0.0005)
    CROSS JOIN LATERAL ST_Distance(geom::geography,
                                   point::geography) AS metres
    WINDOW near AS (PARTITION BY n ORDER BY metres))
SELECT lat, lon, edge_id, share FROM near
WHERE place = 1 AND is_main AND coalesce(next, 1000) > metres + 2
  AND share > 0.01 AND share < 0.99 ORDER BY n
"""


def draw(database, seed, count):
    """(lat, lon, edge_id, share of the edge) of so many points."""
    rng = random.Random(seed)
    edges = database.one("SELECT count(*) FROM patrol.road_edge")
    wishes = [(n, rng.randint(1, edges), rng.random(),
               rng.uniform(-5e-5, 5e-5), rng.uniform(-5e-5, 5e-5))
              for n in range(2 * count)]
    connection = database.connect()
    with connection.cursor() as sql:
        found = execute_values(sql, MEETINGS, wishes, page_size=len(wishes),
                               fetch=True)
    connection.close()
    assert len(found) >= count
    return found[:count]


@pytest.fixture
def city(database):
    """The session's database, with its grid again afterwards."""
    database.query("CREATE EXTENSION pgrouting")
    yield database
    database.query("DROP SCHEMA IF EXISTS oracle CASCADE")
    database.query("DROP EXTENSION pgrouting")
    database.add_grid()


def import_roads(database, name):
    """The id of the new network."""
    subprocess.run([os.path.join(BIN, "patrolctl"), "roads", "import",
                    os.path.join(OSM, name), "-d", database.url],
                   check=True, stdout=subprocess.PIPE)
    return database.one("SELECT max(network_id) FROM patrol.road_network")


def network_of(gateway, goal):
    """From which the answer is; None while it has none near the point."""
    answer = gateway.http.get(f"{gateway.url}/v1/nearest?lat={goal[0]}"
                              f"&lon={goal[1]}", timeout=10).json()
    return answer.get("network_id")


def call_sign(slot):
    return f"U{slot:02d}"


def ask(gateway, goals):
    """[(call sign, seconds without start_s), ...] for each, as ranked."""
    return [[(unit["call_sign"], unit["eta_s"] - unit["start_s"])
             for unit in gateway.nearest(goal[:2], K)["units"]]
            for goal in goals]


def compare(database, answers, units, goals):
    """pgRouting's order may differ where two arrive at the same time. Its times
    are from the least to the most, where rounding decides about a turn."""
    streets = lib_turns.Streets(database.url, "patrol")
    ways = lib_turns.line_times(database.url, streets,
                                [unit[2:] for unit in units],
                                [goal[2:] for goal in goals])
    for query, answer in enumerate(answers):
        # beyond an hour of driving a unit is left out (dispatch.limit_s)
        times = {call_sign(slot): ways[query, slot] for slot in range(len(units))
                 if (query, slot) in ways and ways[query, slot][0] < 3600000}
        least, most = (sorted(time[i] for time in times.values()) for i in (0, 1))
        assert len(answer) == min(K, len(times)), (goals[query], answer)
        for place, (name, eta) in enumerate(answer):
            for low, high in (times[name], (least[place], most[place])):
                assert low - 50 <= 1000 * eta <= high + 50, (goals[query], answer, times)
    return sum(len(answer) for answer in answers)


@pytest.mark.skipif(not os.path.isdir(OSM), reason="skipped: no data")
def test_cities_are_taken_over_and_agree_with_pgrouting(
        city, make_gateway, make_vehicle):
    for slot in range(UNITS):
        city.add_unit(call_sign(slot))
    gateway = make_gateway(fleet__silent_factor=10).start()
    vehicles = [make_vehicle(call_sign(slot)) for slot in range(UNITS)]
    for round_, name in enumerate(CITIES, 1):
        network = import_roads(city, name)
        units = draw(city, 10 * round_, UNITS)
        goals = draw(city, 10 * round_ + 1, QUERIES)
        wait_for(lambda: network_of(gateway, goals[0]) == network, 30,
                 gateway.log)
        for vehicle, unit in zip(vehicles, units):
            vehicle.send(entry(round_, unit[:2]))
        for vehicle in vehicles:
            vehicle.wait_stored(round_, 30)
        assert compare(city, ask(gateway, goals), units, goals) > 4 * QUERIES
