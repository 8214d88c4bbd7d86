"""What the console is made of, over HTTP: its files, and the map's tiles, read
here by a reader of our own (Mapbox Vector Tile 2.1 is protobuf)."""
import datetime
import json
import math
import os
import re

import pytest
import requests

from lib_common import TOP, wait_for
from lib_database import LAT, LON, crossing
from lib_vehicle import entry

PAGE = os.path.join(TOP, "gateway/console/page")
ZOOM = 14


# ------------------------------------------------------- protobuf, as it stands
def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, key
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def packed(data):
    at, values = 0, []
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


def value_of(data):
    """String, or one of the whole numbers (vector_tile.proto, Value)."""
    number, value = next(fields(data))
    if number == 1:
        return value.decode()
    return value // 2 if number == 6 and value % 2 == 0 else value


def first_point(geometry):
    """MoveTo(1) of zigzag-coded x and y begins every geometry."""
    assert geometry[0] & 7 == 1
    return tuple((n >> 1) ^ -(n & 1) for n in geometry[1:3])


def layers_of(tile):
    """{layer: [(properties, first point)]}"""
    layers = {}
    for _, layer in fields(tile):
        parts = list(fields(layer))
        name = next(v for n, v in parts if n == 1).decode()
        keys = [v.decode() for n, v in parts if n == 3]
        values = [value_of(v) for n, v in parts if n == 4]
        features = []
        for feature in (dict(fields(v)) for n, v in parts if n == 2):
            tags = packed(feature[2])
            features.append(({keys[k]: values[v] for k, v in
                              zip(tags[::2], tags[1::2])},
                             first_point(packed(feature[4]))))
        layers[name] = features
    return layers


def tile_of(lat, lon, zoom=ZOOM):
    """Column, row, and the place within, of 4,096 (OpenStreetMap's wiki,
    "Slippy map tilenames")."""
    n = 2 ** zoom
    x = (lon + 180) / 360 * n
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n
    return (int(x), int(y)), (x % 1 * 4096, y % 1 * 4096)


def get(gateway, path, **headers):
    return requests.get(gateway.url + path, headers=headers, timeout=10)


def tile(gateway, layer, place):
    answer = get(gateway, f"/v1/tiles/{layer}/{ZOOM}/{place[0]}/{place[1]}.mvt")
    assert answer.status_code == 200, answer.text
    return layers_of(answer.content).get(layer, [])


# ------------------------------------------------------------------- the files
@pytest.fixture
def gateway(make_gateway):
    return make_gateway().start()


def test_every_file_that_a_page_names_is_served(gateway):
    """Followed from the start page: nothing is missing, nothing is foreign."""
    seen, wanted = set(), ["/"]
    while wanted:
        path = wanted.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = get(gateway, path)
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "'unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-cache"
        if "maplibre" in path or "uPlot" in path:
            continue
        wanted += re.findall(r'(?:src|href)="(/[^"]*)"', answer.text)
        wanted += ["/console/" + name for name in
                   re.findall(r'from "\./([^"]+)"', answer.text)]
        wanted += re.findall(r'"(/console/[^"]+\.js)"', answer.text)
        assert "<script>" not in answer.text and " style=" not in answer.text
    ours = {"/console/" + name for name in os.listdir(PAGE)} - {"/console/index.html"}
    assert ours <= seen
    assert {"/console/maplibre-gl-csp.js", "/console/maplibre-gl-csp-worker.js",
            "/console/maplibre-gl.css", "/console/uPlot.iife.min.js",
            "/console/uPlot.min.css"} <= seen


def test_no_script_is_found_only_in_another(gateway):
    """Each would be asked for only after that came: a way there and back."""
    start = get(gateway, "/").text
    named = set(re.findall(r'(?:src|href)="/console/([^"]*\.js)"', start))
    assert {name for name in os.listdir(PAGE) if name.endswith(".js")} <= named


def test_a_file_known_already_is_not_sent_again(gateway):
    answer = get(gateway, "/console/main.js")
    with open(os.path.join(PAGE, "main.js"), "rb") as source:
        assert answer.content == source.read()
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    tag = answer.headers["ETag"]
    for known in (tag, f'W/{tag}, "other"', "*"):
        again = get(gateway, "/console/main.js", **{"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
    other = get(gateway, "/console/main.js", **{"If-None-Match": '"other"'})
    assert other.status_code == 200
    head = requests.head(gateway.url + "/console/main.js", timeout=5)
    assert int(head.headers["Content-Length"]) == len(answer.content)


# ------------------------------------------------------------------- the tiles
def test_streets_are_drawn(gateway, database):
    """Every street's name whose line meets the tile, as PostGIS's plain
    intersection of the same rectangle has it."""
    place, _ = tile_of(*crossing(3, 3))
    features = tile(gateway, "streets", place)
    expected = database.query(
        "SELECT DISTINCT class, name FROM patrol.road_edge WHERE ST_Intersects("
        "geom, ST_Transform(ST_TileEnvelope(%s, %s, %s), 4326))", ZOOM, *place)
    assert expected
    assert {(p["class"], p.get("name")) for p, _ in features} >= set(expected)
    assert len(features) < 200  # pieces of a street are one


def test_cover_is_drawn(gateway, database):
    """A tile of coverage is what /v1/coverage/streets has there, in whole seconds
    rounded up; what two pieces have in common is one feature."""
    streets = wait_for(lambda: gateway.status("/v1/coverage/streets") == 200
                       and gateway.get("/v1/coverage/streets"), 20, gateway.log)
    for piece in streets["features"]:
        assert piece["properties"]["seconds"] == [None] * 3  # nobody is there
    place, (x, y) = tile_of(*crossing(3, 3))
    features = tile(gateway, "coverage", place)
    assert [p for p, _ in features] == [{"promise_s": 300}]
    sea, _ = tile_of(0, 0)
    assert tile(gateway, "coverage", sea) == []
    assert get(gateway, "/v1/tiles/coverage/5/1/1.mvt").status_code == 404


def test_missions_and_zones_are_drawn_where_they_are(gateway, database):
    hostile = "<img src=x onerror=alert(1)> \u202e" + "y" * 160  # 200 letters at most
    at = crossing(2, 2)
    database.query(
        "INSERT INTO patrol.zone (name, promise_s, time_zone, geom) VALUES"
        " ('Old Town', 300, 'America/Havana', ST_Multi(ST_MakeEnvelope("
        "%s, %s, %s, %s, 4326)))", LON - 1, LAT - 1, LON + 1, LAT + 1)
    database.query(
        "INSERT INTO patrol.mission (name, kind, geom) VALUES (%s, 'embassy',"
        " ST_SetSRID(ST_MakePoint(%s, %s), 4326))", hostile, at[1], at[0])
    wait_for(lambda: len(gateway.get("/v1/missions")["missions"]) == 1, 20,
             gateway.log)
    place, (x, y) = tile_of(*at)
    [(properties, point)] = tile(gateway, "missions", place)
    assert properties["name"] == hostile and properties["kind"] == "embassy"
    assert abs(point[0] - x) <= 1 and abs(point[1] - y) <= 1
    [(zone, _)] = tile(gateway, "zones", place)
    assert zone["name"] == "Old Town" and zone["promise_s"] == 300
    # what is drawn is kept until it changes
    before = gateway.metric('patrol_tiles_total{from="memory"}')
    tile(gateway, "missions", place)
    assert gateway.metric('patrol_tiles_total{from="memory"}') == before + 1
    database.query("DELETE FROM patrol.mission")
    wait_for(lambda: tile(gateway, "missions", place) == [], 20, gateway.log)
    assert gateway.metric("patrol_tiles_failed_total") == 0


def test_tiles_without_a_database(make_gateway, server):
    """Said at once, as what it is; a tile kept is still there; and tiles are
    drawn again when it is back."""
    gateway = make_gateway().start()
    place, _ = tile_of(*crossing(3, 3))
    other, _ = tile_of(*crossing(-200, 3))
    assert tile(gateway, "streets", place)
    server.stop()
    try:
        def lost():
            answer = get(gateway, f"/v1/tiles/streets/{ZOOM}/{other[0]}/{other[1]}.mvt")
            return answer.status_code == 503 and json.loads(answer.text)["type"] \
                == "urn:patrol:problem:database-unavailable"
        wait_for(lost, 20, gateway.log)
        assert tile(gateway, "streets", place)
        assert get(gateway, "/").status_code == 200
    finally:
        server.start()
    path = f"/v1/tiles/streets/{ZOOM}/{other[0]}/{other[1]}.mvt"
    wait_for(lambda: get(gateway, path).status_code == 200, 60, gateway.log)


# ------------------------------------------------------------------ the panic
def test_a_panic_stands_in_the_units(make_gateway, make_vehicle, database):
    """Told at once; still there when the gateway is started again, for a day."""
    database.add_unit("car-1")
    gateway = make_gateway().start()
    assert gateway.get("/v1/units/car-1")["panic_at"] is None
    vehicle = make_vehicle("car-1")
    raised = entry(1, crossing(2, 2), kind="panic")
    vehicle.send(raised)
    wait_for(lambda: gateway.get("/v1/units/car-1")["panic_at"], 20, gateway.log)
    told = gateway.get("/v1/units/car-1")["panic_at"]
    assert round(datetime.datetime.fromisoformat(told).timestamp() * 1000) \
        == raised["time_ms"]
    wait_for(lambda: database.one("SELECT count(*) FROM patrol.unit_event"), 20,
             gateway.log)
    gateway.stop()
    database.query("INSERT INTO patrol.unit_event SELECT unit_id, 1, 1,"
                   " now() - interval '25 hours', 'panic', 'available'"
                   " FROM patrol.unit")
    gateway.start()
    wait_for(lambda: gateway.get("/v1/units/car-1")["panic_at"] == told, 20,
             gateway.log)
