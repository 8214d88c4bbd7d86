"""The HTTP API of a running gateway: every answer against schema/openapi.yaml,
the numbers against a street plan small enough to work them out by hand."""
import contextlib
import datetime
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import jsonschema
import pytest
import requests
import yaml

from lib_broker import Broker
from lib_common import TOP, free_port, wait_for
from lib_database import Database
from lib_gateway import PROGRAM, Gateway
from lib_vehicle import Vehicle, entry

CONNECTIONS_MAX = 100
STREAMS_MAX = 4

# ------------------------------------------------------------ the street plan
# Main Street runs east from node 1 along latitude 23: eleven nodes, 0.001
# degrees apart, each piece driven in 10 s. Side Street leaves node 6 to the
# north, four pieces of 8 s; its last piece is one-way, northward only. North
# Street has no name and joins nothing.
STREETS = """
SET search_path = patrol, public;
INSERT INTO road_node SELECT n, ST_SetSRID(ST_MakePoint(
    -82.4 + (n - 1) * 0.001, 23.0), 4326) FROM generate_series(1, 11) n;
INSERT INTO road_node SELECT 100 + n, ST_SetSRID(ST_MakePoint(
    -82.395, 23.0 + n * 0.001), 4326) FROM generate_series(1, 4) n;
INSERT INTO road_node VALUES
    (201, ST_SetSRID(ST_MakePoint(-82.4, 23.05), 4326)),
    (202, ST_SetSRID(ST_MakePoint(-82.399, 23.05), 4326));
CREATE TEMP TABLE piece (edge_id int, source bigint, target bigint, name text,
                         forward_ms int, backward_ms int);
INSERT INTO piece SELECT n, n, n + 1, 'Main Street', 10000, 10000
    FROM generate_series(1, 10) n;
INSERT INTO piece VALUES (11, 6, 101, 'Side Street', 8000, 8000),
    (12, 101, 102, 'Side Street', 8000, 8000),
    (13, 102, 103, 'Side Street', 8000, 8000),
    (14, 103, 104, 'Side Street', 8000, NULL),
    (15, 201, 202, NULL, 10000, 10000);
INSERT INTO road_edge SELECT edge_id, edge_id, source, target, 'residential',
    name, NULL, ST_Length(ST_MakeLine(a.geom, b.geom)::geography), forward_ms,
    backward_ms, NULL, NULL, ST_MakeLine(a.geom, b.geom)
    FROM piece JOIN road_node a ON a.node_id = source
               JOIN road_node b ON b.node_id = target;
INSERT INTO road_profile VALUES
    (1, 'patrol', false, true, '{0,0,0,0,0,0,NULL,NULL}', '{0,0,0,0}', ''),
    (2, 'emergency', true, true, '{0,0,0,0,0,0,NULL,NULL}', '{0,0,0,0}', '');
INSERT INTO road_cost SELECT 1, edge_id, forward_ms, backward_ms FROM road_edge
    UNION ALL SELECT 2, edge_id, forward_ms / 2, backward_ms / 2 FROM road_edge;
INSERT INTO road_network (source, nodes, edges, turns, length_m, summary)
    SELECT 'test', 17, 15, 0, sum(length_m), '{}' FROM road_edge;
"""
# SELECT ST_Length('LINESTRING(-82.4 23, -82.399 23)'::geography): 102.514
MAIN_PIECE_M = 102.51
# SELECT ST_Length('LINESTRING(-82.395 23, -82.395 23.001)'::geography): 110.750
SIDE_PIECE_M = 110.75

# call sign, kind, capabilities, lon, lat (None: never heard), status, age
UNITS = [
    ("near", "car", ["armed"], -82.397, 23.0, "available", "1 second"),
    ("far", "car", ["armed", "first aid"], -82.4, 23.0, "available",
     "1 second"),
    ("busy", "car", [], -82.396, 23.0, "busy", "1 second"),
    ("silent", "car", [], None, None, None, None),
    ("walker", "foot", [], -82.396, 23.0, "available", "1 second"),
    ("stale", "car", [], -82.396, 23.0, "available", "3 hours"),
    ("afield", "car", [], -82.397, 23.02, "available", "1 second"),
    ("island", "car", [], -82.3995, 23.05, "available", "1 second"),
    ("Ü/n\"1\\", "car", [], -82.39, 23.0, "available", "10 minutes"),
]
PLACES = """
SET search_path = patrol, public;
INSERT INTO zone (name, promise_s, time_zone, geom) VALUES
    ('Playa Única', 25, 'America/Havana',
     ST_Multi(ST_MakeEnvelope(-82.3955, 22.99, -82.38, 23.003, 4326))),
    ('West', NULL, 'UTC',
     ST_Multi(ST_MakeEnvelope(-82.42, 22.99, -82.3955, 23.003, 4326)));
INSERT INTO mission (ref, name, kind, zone_id, geom) VALUES
    ('CA', 'Embajada del Canadá', 'embassy', 1,
     ST_SetSRID(ST_MakePoint(-82.395, 23.0), 4326)),
    (NULL, 'Embajada de Chile', 'embassy', 2,
     ST_SetSRID(ST_MakePoint(-82.399, 23.0), 4326)),
    ('CA2', 'Residencia del Canadá', 'residence', NULL,
     ST_SetSRID(ST_MakePoint(-82.395, 23.0035), 4326));
"""
TRACK = """
INSERT INTO patrol.position SELECT 1, '2026-05-01 12:00:00+00'::timestamptz
    + n * interval '1 second', now(),
    ST_SetSRID(ST_MakePoint(-82.4 + n * 1e-6, 23.0), 4326), 1.5,
    CASE WHEN n % 2 = 0 THEN 90.25 END, 4.5, 'available', 7, n + 1,
    CASE WHEN n = 3 THEN 65551 ELSE 15 END
    FROM generate_series(0, 20009) n
"""


class Api:
    """A gateway with a database, a broker and a street plan of its own."""

    def __init__(self, directory, authority):
        self.database = Database(f"{directory}/db")
        self.broker = Broker(f"{directory}/broker", authority).start()
        fill(self.database)
        self.gateway = Gateway(
            f"{directory}/gateway", self.database, self.broker, authority,
            http__connections_max=CONNECTIONS_MAX,
            http__streams_max=STREAMS_MAX)
        self.url, self.port = self.gateway.url, self.gateway.port
        self.gateway.start()
        self.gateway.http.close()  # a kept connection would be counted
        self.vehicle = Vehicle(self.broker, authority, "car-1")

    def get(self, path, **parameters):
        return requests.get(self.url + path, params=parameters, timeout=10)

    def alone(self):
        """Nobody else is connected any more."""
        page = self.get("/metrics")
        return page.ok and "patrol_http_connections 1\n" in page.text

    def close(self):
        self.vehicle.close()
        status = self.gateway.stop()
        self.broker.stop()
        self.database.stop()
        assert status == 0 and "Sanitizer" not in self.gateway.log(), \
            self.gateway.log()


def fill(database):
    database.query(STREETS)
    database.query(PLACES)
    for sign, kind, can, lon, lat, status, age in UNITS:
        number = database.add_unit(sign, "car-1" if sign == "near" else
                                   f"device-{len(sign)}-{ord(sign[0])}",
                                   kind=kind, capabilities=can)
        if lon is not None:
            database.query(
                "INSERT INTO patrol.latest_position VALUES (%s, now() - "
                "%s::interval, now(), ST_SetSRID(ST_MakePoint(%s, %s), 4326), "
                "1.5, NULL, 4.5, %s, 7, 1, 11)",
                number, age, lon, lat, status)
    database.query("SELECT patrol.make_partitions('2026-05-01', '2026-05-02')")
    database.query(TRACK)


@pytest.fixture(scope="module")
def gateway(authority):
    directory = tempfile.mkdtemp(prefix="patrol-http-")
    os.chmod(directory, 0o755)  # the servers' users go through
    api = Api(directory, authority)
    yield api
    api.close()
    shutil.rmtree(directory, ignore_errors=True)


# ------------------------------------------------------------------ the schema
with open(f"{TOP}/schema/openapi.yaml", encoding="utf-8") as source:
    API = yaml.safe_load(source)
RESOLVER = jsonschema.RefResolver("", API)


def validator(schema):
    return jsonschema.Draft202012Validator(
        schema, resolver=RESOLVER,
        format_checker=jsonschema.draft202012_format_checker)


def operation_of(path, method):
    """The operation of openapi.yaml that answers an address; what is refused
    for its method is described with any."""
    given = path.split("?")[0].split("/")
    for pattern, methods in API["paths"].items():
        wanted = pattern.split("/")
        if len(wanted) == len(given) and all(
                w.startswith("{") or w == g for w, g in zip(wanted, given)):
            return methods.get(method.lower().replace("head", "get"),
                               next(iter(methods.values())))
    return None


def resolved(thing):
    while "$ref" in thing:
        thing = RESOLVER.resolve(thing["$ref"])[1]
    return thing


def check(response):
    """The answer is one that openapi.yaml describes; returns it."""
    path = urllib.parse.urlsplit(response.request.url).path
    kind = response.headers["Content-Type"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    operation = operation_of(path, response.request.method)
    if operation is None:
        schema = API["components"]["schemas"]["Problem"]
        assert response.status_code == 404
    else:
        described = resolved(operation["responses"][str(response.status_code)])
        schema = described["content"][kind.split(";")[0]]["schema"]
        for name in described.get("headers", {}):
            assert name in response.headers
    if kind.startswith("text/plain"):
        return response.text
    answer = response.json()
    validator(schema).validate(answer)
    if kind == "application/problem+json":
        assert answer["status"] == response.status_code
    return answer


def test_the_description_is_sound():
    operations = [one for methods in API["paths"].values()
                  for one in methods.values()]
    assert API["openapi"].startswith("3.1.")
    names = [o["operationId"] for o in operations]
    assert len(set(names)) == len(names) == 36
    for operation in operations:
        assert operation["x-role"] in ("none", "operator", "viewer", "planner",
                                       "dispatcher")
        assert {"400", "403", "405", "503"} <= set(operation["responses"])
        assert {"200", "201"} & set(operation["responses"])
    for name, schema in API["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        if schema.get("type") == "object" and "properties" in schema:
            assert schema["additionalProperties"] is False, name
        if "example" in schema:
            validator(schema).validate(schema["example"])
    for reply in API["components"]["responses"].values():
        for content in reply.get("content", {}).values():
            if "example" in content:
                validator(content["schema"]).validate(content["example"])


# ----------------------------------------------------------------- what is covered
@pytest.mark.parametrize("path", ["/v1/coverage", "/v1/coverage?zone=west",
                                  "/v1/coverage/gaps", "/v1/coverage/gaps?zone=west",
                                  "/v1/coverage/gaps?form=lines&zone=west",
                                  "/v1/coverage/streets", "/v1/coverage/streets?zone=west",
                                  "/v1/coverage/streets?bbox=-82.4,23.09,-82.39,23.2"])
def test_coverage(gateway, path):
    """503 until its time tables are there, and streets have been looked at."""
    for _ in range(200):
        response = gateway.get(path)
        answer = check(response)
        if response.status_code == 200 and answer["streets_at"]:
            break
        time.sleep(0.1)
    assert response.status_code == 200 and answer["streets_at"]


def test_coverage_at_a_moment(gateway):
    for _ in range(200):
        response = gateway.get("/v1/coverage?at=2024-05-01T12:00:00Z&clock=received&zone=west")
        answer = check(response)
        if response.status_code == 200:
            break
        time.sleep(0.1)
    assert (answer["fixes"], answer["at"]) == (0, "2024-05-01T12:00:00.000Z")
    for query, parameter in (("at=2924-05-01T12:00:00Z", "at"), ("at=noon", "at"),
                             ("clock=fix", "clock")):
        response = gateway.get("/v1/coverage?" + query)
        assert check(response)["parameter"] == parameter
        assert response.status_code == 400


@pytest.mark.parametrize("query", ["from=2024-05-01T00:00:00Z&to=2024-05-01T02:00:00Z",
                                   "zone=west&step=3600&clock=received", "mission=1",
                                   "mission=nowhere", "from=2024-05-01T00:00:00Z"])
def test_past_coverage(gateway, query):
    for _ in range(200):
        response = gateway.get("/v1/coverage/history?" + query)
        answer = check(response)
        if response.status_code not in (202, 503):
            break
        time.sleep(0.1)
    assert response.status_code == {"mission=nowhere": 404,
                                    "from=2024-05-01T00:00:00Z": 400}.get(query, 200), answer


def test_coverage_weighs(gateway):
    answer = check(gateway.get("/v1/nearest", lat=23, lon=-82.397, rank="coverage"))
    assert answer["rank"]["by"] == "coverage"
    costs = [(not u["within_promise"], u["cost_s"]) for u in answer["units"] if not u["old"]]
    assert costs == sorted(costs)
    assert check(gateway.get("/v1/coverage", zone="nowhere"))["parameter"] == "zone"


# ------------------------------------------------------------------- the units
def test_units(gateway):
    units = check(gateway.get("/v1/units"))["units"]
    known = {u["call_sign"]: u for u in units}
    assert set(known) == {u[0] for u in UNITS}
    near = known["near"]
    assert near["capabilities"] == ["armed"]
    assert (near["position"]["lat"], near["position"]["lon"]) == (23, -82.397)
    assert near["position"]["course_deg"] is None  # its flag is off
    assert near["position"]["accuracy_m"] == 4.5
    assert 0.5 < near["position"]["age_s"] < 120
    assert near["position"]["off_road_m"] < 0.2
    assert known["silent"]["position"] is None
    assert known["silent"]["status"] == "unknown"
    assert known["afield"]["position"]["off_road_m"] is None \
        or known["afield"]["position"]["off_road_m"] > 300


@pytest.mark.parametrize("parameters, expected", [
    ({"status": "busy"}, {"busy"}),
    ({"capability": "first aid"}, {"far"}),
    ({"capability": "armed"}, {"near", "far"}),
    ({"capability": "Armed"}, set()),
    ({"zone": "playa unica"}, {UNITS[-1][0]}),
    ({"zone": "1"}, {UNITS[-1][0]}),
    ({"zone": "west", "status": "busy"}, {"busy"}),
    ({"status": "on_scene"}, set()),
])
def test_units_filtered(gateway, parameters, expected):
    units = check(gateway.get("/v1/units", **parameters))["units"]
    assert {u["call_sign"] for u in units} == expected


def test_one_unit(gateway):
    for sign in [u[0] for u in UNITS]:
        path = "/v1/units/" + urllib.parse.quote(sign, safe="")
        assert check(gateway.get(path))["call_sign"] == sign


def test_track(gateway):
    track = check(gateway.get("/v1/units/near/track",
                              **{"from": "2026-05-01T12:00:01Z",
                                 "to": "2026-05-01T14:00:05+02:00"}))
    assert track["from"] == "2026-05-01T12:00:01.000Z"
    assert track["to"] == "2026-05-01T12:00:05.000Z"
    assert not track["truncated"] and track["next_from"] is None
    assert [p["time"] for p in track["points"]] == [
        f"2026-05-01T12:00:0{n}.000Z" for n in range(1, 5)]
    assert [p["lon"] for p in track["points"]] == [
        -82.399999, -82.399998, -82.399997, -82.399996]
    assert [p["course_deg"] for p in track["points"]] == [
        None, 90.25, None, 90.25]
    assert [p["jump"] for p in track["points"]] == [
        False, False, True, False]


def test_track_is_bounded(gateway):
    span = {"from": "2026-05-01T12:00:00Z", "to": "2026-05-02T12:00:00Z"}
    track = check(gateway.get("/v1/units/near/track", **span))
    assert track["truncated"] and len(track["points"]) == 20000
    # 12:00:00 and 20,000 s
    assert track["next_from"] == "2026-05-01T17:33:20.000Z"
    span["from"] = track["next_from"]
    rest = check(gateway.get("/v1/units/near/track", **span))
    assert len(rest["points"]) == 10 and not rest["truncated"]
    empty = check(gateway.get("/v1/units/silent/track"))
    assert empty["points"] == []
    last = datetime.datetime.fromisoformat(empty["to"][:-1])
    first = datetime.datetime.fromisoformat(empty["from"][:-1])
    assert last - first == datetime.timedelta(hours=1)


@pytest.mark.parametrize("span", [
    {"from": "2026-05-01T12:00:00Z", "to": "2026-05-02T12:00:00.001Z"},
    {"from": "2026-05-01T12:00:01Z", "to": "2026-05-01T12:00:00Z"},
    {"from": "yesterday"}, {"to": "2026-05-01 12:00:00Z"},
    {"to": "2026-02-30T12:00:00Z"}, {"from": "1800-01-01T00:00:00Z"},
    {"from": "9999-12-31T23:59:59Z"},
])
def test_track_of_impossible_times(gateway, span):
    problem = check(gateway.get("/v1/units/near/track", **span))
    assert problem["status"] == 400
    assert problem["parameter"] in span


# -------------------------------------------------------------------- dispatch
def test_nearest(gateway):
    answer = check(gateway.get("/v1/nearest", lat="23.0", lon="-82.395"))
    # near: two pieces of 10 s; far: five; Ü: five, but its position is old
    assert [(u["call_sign"], u["eta_s"], u["old"]) for u in answer["units"]] \
        == [("near", pytest.approx(20, abs=0.05), False),
            ("far", pytest.approx(50, abs=0.05), False),
            (UNITS[-1][0], pytest.approx(50, abs=0.05), True)]
    assert answer["units"][0]["distance_m"] == pytest.approx(
        2 * MAIN_PIECE_M, rel=0.003)
    assert [u["within_promise"] for u in answer["units"]] == [
        True, False, False]
    assert answer["target"]["zone"] == "Playa Única"
    assert answer["target"]["promise_s"] == 25
    assert {u["call_sign"]: u["reason"] for u in answer["excluded"]} == {
        "busy": "not_available", "silent": "no_position",
        "walker": "travels_on_foot", "stale": "position_too_old",
        "afield": "off_the_road_network",
        "island": "no_way_by_road_within_limit"}
    (network,) = gateway.database.query("SELECT max(network_id) FROM patrol.road_network")
    assert answer["network_id"] == network[0]


def test_nearest_of_some(gateway):
    answer = check(gateway.get("/v1/nearest", lat="23", lon="-82.395", k="1"))
    assert [u["call_sign"] for u in answer["units"]] == ["near"]
    assert "far" not in {u["call_sign"] for u in answer["excluded"]}
    answer = check(gateway.get("/v1/nearest", lat="23", lon="-82.395",
                               capability="first aid", profile="patrol"))
    assert [u["call_sign"] for u in answer["units"]] == ["far"]
    assert {"near"} == {u["call_sign"] for u in answer["excluded"]
                        if u["reason"] == "lacks_capability"
                        and u["call_sign"] == "near"}


def test_nearest_with_blue_light(gateway):
    answer = check(gateway.get("/v1/nearest", lat="23.0", lon="-82.395",
                               profile="emergency"))
    assert [(u["call_sign"], u["eta_s"]) for u in answer["units"][:2]] == [
        ("near", pytest.approx(10, abs=0.05)), ("far", pytest.approx(25, abs=0.05))]
    assert answer["profile"] == "emergency"
    route = check(gateway.get("/v1/route", unit="near", lat="23.0", lon="-82.395",
                              profile="emergency"))
    assert route["drive_s"] == pytest.approx(10, abs=0.05)
    assert route["profile"] == "emergency"
    problem = check(gateway.get("/v1/nearest", lat="23.0", lon="-82.395", profile="taxi"))
    assert problem["parameter"] == "profile"
    assert "patrol, emergency" in problem["detail"]


@pytest.mark.parametrize("typed", ["1", "Embajada del Canadá",
                                   "embajada CANADA", "canada embajada"])
def test_nearest_to_a_mission(gateway, typed):
    answer = check(gateway.get("/v1/nearest", mission=typed))
    assert answer["target"]["mission"]["ref"] == "CA"
    assert answer["units"][0]["call_sign"] == "near"


def test_several_missions_fit(gateway):
    problem = check(gateway.get("/v1/nearest", mission="canada"))
    assert problem["status"] == 409
    assert {m["ref"] for m in problem["candidates"]} == {"CA", "CA2"}
    assert check(gateway.get("/v1/nearest", mission="Perú"))["status"] == 404
    assert check(gateway.get("/v1/route", unit="near",
                             mission="canada"))["status"] == 409


def test_route(gateway):
    # five pieces of Main Street, then 2.5 of Side Street
    answer = check(gateway.get("/v1/route", unit="far", lat="23.0025",
                               lon="-82.395"))
    assert answer["drive_s"] == pytest.approx(50 + 20, abs=0.05)
    assert answer["distance_m"] == pytest.approx(
        5 * MAIN_PIECE_M + 2.5 * SIDE_PIECE_M, rel=0.003)
    assert [(leg["street"], leg["seconds"]) for leg in answer["legs"]] == [
        ("Main Street", pytest.approx(50, abs=0.05)),
        ("Side Street", pytest.approx(20, abs=0.05))]
    line = answer["geometry"]["coordinates"]
    assert line[0] == pytest.approx([-82.4, 23.0], abs=2e-6)
    assert line[-1] == pytest.approx([-82.395, 23.0025], abs=2e-6)
    by_mission = check(gateway.get("/v1/route", unit="far", mission="CHILE"))
    assert by_mission["target"]["mission"]["name"] == "Embajada de Chile"
    assert by_mission["drive_s"] == pytest.approx(10, abs=0.05)


@pytest.mark.parametrize("parameters, kind", [
    ({"unit": "near", "lat": "23.02", "lon": "-82.3"}, "point-off-the-road"),
    ({"unit": "silent", "lat": "23", "lon": "-82.395"}, "unit-without-place"),
    ({"unit": "afield", "lat": "23", "lon": "-82.395"}, "unit-without-place"),
    ({"unit": "island", "lat": "23", "lon": "-82.395"}, "no-way-by-road"),
])
def test_no_way(gateway, parameters, kind):
    problem = check(gateway.get("/v1/route", **parameters))
    assert problem["status"] == 422
    assert problem["type"] == "urn:patrol:problem:" + kind


def test_nearest_off_the_road(gateway):
    problem = check(gateway.get("/v1/nearest", lat="23.02", lon="-82.3"))
    assert problem["type"] == "urn:patrol:problem:point-off-the-road"


# ---------------------------------------------------------------------- places
def test_missions_and_zones(gateway):
    missions = check(gateway.get("/v1/missions"))["missions"]
    assert [m["name"] for m in missions] == [
        "Embajada de Chile", "Embajada del Canadá", "Residencia del Canadá"]
    some = check(gateway.get("/v1/missions", zone="playa única", q="CANADA"))
    assert [m["ref"] for m in some["missions"]] == ["CA"]
    assert check(gateway.get("/v1/missions", q="perú"))["missions"] == []
    zones = check(gateway.get("/v1/zones"))["zones"]
    assert [(z["name"], z["promise_s"], z["time_zone"]) for z in zones] == [
        ("Playa Única", 25, "America/Havana"), ("West", None, "UTC")]


def test_corners_are_asked_for(gateway):
    """The grid's streets are all called alike: no corner of two."""
    assert check(gateway.get("/v1/places", q="Calle y Calle"))["places"] == []
    assert check(gateway.get("/v1/places", q="23"))["places"] == []
    for wrong in ({}, {"q": ""}, {"q": "x" * 257}, {"q": "a", "k": "1"}):
        answer = gateway.get("/v1/places", **wrong)
        assert answer.status_code == 400 and check(answer)["title"]


def test_health_and_metrics(gateway):
    assert check(gateway.get("/healthz"))["status"] == "ok"
    assert check(gateway.get("/readyz"))["ready"] is True
    before = gateway.get("/metrics")
    assert before.headers["Content-Type"].startswith(
        "text/plain; version=0.0.4")
    check(before)
    gateway.get("/v1/zones")
    line = 'patrol_http_requests_total{operation="listZones"} '

    def count(page):
        return int(page.split(line)[1].split("\n")[0])
    assert count(check(gateway.get("/metrics"))) == count(before.text) + 1


# --------------------------------------------------------------- wrong requests
@pytest.mark.parametrize("path, parameter", [
    ("/v1/nearest", "lat"),
    ("/v1/nearest?lat=23", "lon"),
    ("/v1/nearest?lat=91&lon=0", "lat"),
    ("/v1/nearest?lat=-90.000001&lon=0", "lat"),
    ("/v1/nearest?lat=0&lon=181", "lon"),
    ("/v1/nearest?lat=NaN&lon=0", "lat"),
    ("/v1/nearest?lat=inf&lon=0", "lat"),
    ("/v1/nearest?lat=0&lon=1e400", "lon"),
    ("/v1/nearest?lat=0x10&lon=0", "lat"),
    ("/v1/nearest?lat=23,1&lon=0", "lat"),
    ("/v1/nearest?lat=%00&lon=0", "lat"),
    ("/v1/nearest?lat=23%0a&lon=0", "lat"),
    ("/v1/nearest?lat=23%zz&lon=0", "lat"),
    ("/v1/nearest?lat=23%4&lon=0", "lat"),
    ("/v1/nearest?lat=23&lat=24&lon=0", "lat"),
    ("/v1/nearest?lat=23&lon=0&k=101", "k"),
    ("/v1/nearest?lat=23&lon=0&k=0", "k"),
    ("/v1/nearest?lat=23&lon=0&k=-1", "k"),
    ("/v1/nearest?lat=23&lon=0&k=2.5", "k"),
    ("/v1/nearest?lat=23&lon=0&k=99999999999999999999", "k"),
    ("/v1/nearest?lat=23&lon=0&profile=bicycle", "profile"),
    ("/v1/nearest?lat=23&lon=0&mission=1", "mission"),
    ("/v1/nearest?lat=23&lon=0&Lat=1", "Lat"),
    ("/v1/nearest?lat=23&lon=0&capability=", "capability"),
    ("/v1/nearest?mission=%FF%FE", "mission"),
    ("/v1/nearest?mission=" + "a" * 257, "mission"),
    ("/v1/route?lat=23&lon=0", "unit"),
    ("/v1/units?status=Busy", "status"),
    ("/v1/coverage/streets?bbox=1,2,3", "bbox"),
    ("/v1/coverage/streets?bbox=1,2,3,4,5", "bbox"),
    ("/v1/coverage/streets?bbox=1,2,0,4", "bbox"),
    ("/v1/coverage/streets?bbox=1,2,3,nan", "bbox"),
    ("/v1/coverage/streets?bbox=1,2,3,91", "bbox"),
    ("/v1/coverage/streets?bbox=,2,3,4", "bbox"),
    ("/v1/coverage/gaps?form=circles", "form"),
    ("/v1/units?zone=nowhere", "zone"),
    ("/v1/units?zone=99", "zone"),
    ("/v1/units/near?x=1", "x"),
    ("/v1/zones?name=x", "name"),
    ("/v1/events?a", "a"),
    ("/healthz?q=1", "q"),
    ("/v1/missions?%C3%A9=1", "é"),
    ("/v1/missions?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1"
     "&o=1&p=1&q=1", "q"),
])
def test_wrong_parameters(gateway, path, parameter):
    status, _, body = raw(gateway, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                                   "Connection: close\r\n\r\n")
    problem = json.loads(body)
    validator(API["components"]["schemas"]["Problem"]).validate(problem)
    assert (status, problem["parameter"]) == (400, parameter)


def raw(gateway, request, seconds=30):
    """Sends bytes as they are; status, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", gateway.port)) as link:
        link.settimeout(seconds)
        link.sendall(request.encode() if isinstance(request, str) else request)
        answer = b""
        while True:
            piece = link.recv(65536)
            if not piece:
                break
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else None, head.decode(), body


@pytest.mark.parametrize("path", ["/v1", "/console", "/v1/", "/v1/units/",
                                  "/v1/units/a/b", "/v2/units", "/healthz/",
                                  "/v1/nearest/x", "//healthz",
                                  "/v1/../healthz", "/openapi.yaml",
                                  "/console/", "/console/main", "/console/%00",
                                  "/console/..%2Fmain.js", "/index.html",
                                  "/v1/tiles/streets/14/4430.mvt",
                                  "/v1/tiles/streets/14/4430/7093",
                                  "/v1/tiles/roads/14/4430/7093.mvt",
                                  "/v1/tiles/streets/17/0/0.mvt",
                                  "/v1/tiles/streets/%31/0/0.mvt"])
def test_unknown_addresses(gateway, path):
    status, head, body = raw(gateway, f"GET {path} HTTP/1.1\r\n"
                             "Host: localhost\r\nConnection: close\r\n\r\n")
    assert status == 404 and "application/problem+json" in head
    assert json.loads(body)["type"] == "urn:patrol:problem:no-such-path"


@pytest.mark.parametrize("path", ["/v1/units/nobody", "/v1/units/%00",
                                  "/v1/units/%ff", "/v1/units/near%2Fx",
                                  "/v1/units/nobody/track",
                                  "/v1/route?unit=nobody&lat=23&lon=-82.395"])
def test_unknown_units(gateway, path):
    problem = check(requests.get(gateway.url + path, timeout=5))
    assert problem["type"] == "urn:patrol:problem:no-such-unit"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS",
                                    "PATCH", "BREW"])
def test_other_methods(gateway, method):
    answer = requests.request(method, gateway.url + "/v1/units", timeout=5,
                              data="x" * 1000)
    assert check(answer)["status"] == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_a_body_is_no_second_request(gateway):
    inner = "GET /v1/zones HTTP/1.1\r\nHost: localhost\r\n\r\n"
    status, _, body = raw(
        gateway, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Length: {len(inner)}\r\n\r\n{inner}"
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status == 200
    assert b"zones" not in body and body.count(b'"status":"ok"') == 2


def test_head(gateway):
    for path in ("/v1/units", "/v1/nearest?lat=23&lon=-82.395", "/healthz",
                 "/v1/events", "/metrics", "/v1/units/near/track", "/nothing"):
        status, head, body = raw(gateway, f"HEAD {path} HTTP/1.1\r\nHost: "
                                 "localhost\r\nConnection: close\r\n\r\n")
        assert status == (404 if path == "/nothing" else 200)
        assert body == b"" and "Content-Type: " in head


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("LOCALHOST:1234", 200), ("127.0.0.1", 200),
    ("[::1]:80", 200), ("evil.example", 403), ("127.0.0.1.evil.example", 403),
    ("localhost.evil.example:80", 403), ("10.0.0.1", 403), ("", 403),
])
def test_hosts(gateway, host, status):
    got, _, _ = raw(gateway, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n"
                             "Connection: close\r\n\r\n")
    assert got == status


def test_without_a_host(gateway):
    assert raw(gateway, "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"
               )[0] == 400


def test_overlong(gateway):
    path = "/v1/missions?q=" + "a" * 2100
    status, _, body = raw(gateway, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                          "Connection: close\r\n\r\n")
    assert status == 414
    assert json.loads(body)["type"] == "urn:patrol:problem:address-too-long"
    status, _, _ = raw(gateway, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                       f"X: {'a' * 60000}\r\n\r\n")
    assert status in (431, 413, 414)
    assert gateway.get("/healthz").ok


def test_noise(gateway):
    """Whatever comes, the connection ends soon after its other side."""
    rng = random.Random(1)
    for _ in range(6):
        with contextlib.ExitStack() as stack:
            links = [stack.enter_context(socket.create_connection(
                ("127.0.0.1", gateway.port), timeout=6)) for _ in range(50)]
            for link in links:
                noise = rng.randbytes(rng.randrange(1, 400))
                if rng.random() < 0.5:
                    noise = b"GET /v1/nearest?" + noise + b" HTTP/1.1\r\n\r\n"
                link.sendall(noise)
                with contextlib.suppress(OSError):  # already refused
                    link.shutdown(socket.SHUT_WR)
            for link in links:
                with contextlib.suppress(ConnectionResetError):
                    while link.recv(65536):
                        pass
    assert gateway.get("/healthz").ok


# ----------------------------------------------------------- many and the slow
def test_two_hundred_connections(gateway):
    """The first 100 are served, the others hear 503."""
    wait_for(gateway.alone)
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(
            socket.create_connection(("127.0.0.1", gateway.port), timeout=5))
            for _ in range(200)]
        for link in links:
            link.sendall(request)
        statuses = []
        for link in links:
            statuses.append(link.recv(65536).split()[1])
            if statuses[-1] == b"503":
                link.close()
        assert statuses == [b"200"] * 100 + [b"503"] * 100
    wait_for(gateway.alone)


def test_many_at_once(gateway):
    wrong = []

    def ask(seed):
        session = requests.Session()
        rng = random.Random(seed)
        for _ in range(20):
            path = rng.choice(["/v1/units", "/v1/units/near/track",
                               "/v1/nearest?lat=23&lon=-82.395", "/v1/zones"])
            answer = session.get(gateway.url + path, timeout=20)
            if not answer.ok:
                wrong.append((path, answer.status_code))
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_client_that_leaves_while_the_database_works(gateway):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", gateway.port)) as link:
            link.sendall(b"GET /v1/units/near/track?from=2026-05-01T12:00:00Z"
                         b"&to=2026-05-02T12:00:00Z HTTP/1.1\r\n"
                         b"Host: localhost\r\n\r\n")
    assert check(gateway.get("/v1/units/silent/track"))["points"] == []


def test_a_request_that_never_ends(gateway):
    """A byte every second keeps no connection beyond 30 s (slow loris)."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", gateway.port)) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
        link.settimeout(1)
        while time.monotonic() < begun + 40:
            try:
                link.sendall(b"a")
                if link.recv(1024) == b"":
                    break
            except socket.timeout:
                continue
            except OSError:
                break
        assert 25 < time.monotonic() - begun < 36
        assert gateway.get("/healthz").ok


# --------------------------------------------------------------- event streams
class Events:
    """An open /v1/events; next() gives (event, data, id)."""

    def __init__(self, gateway, last_id=None, after=None):
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        self.answer = requests.get(gateway.url + "/v1/events", stream=True,
                                   params={"after": after}, headers=headers,
                                   timeout=20)
        self.answer.encoding = "utf-8"  # the standard's only one
        self.lines = self.answer.iter_lines(chunk_size=1, decode_unicode=True)
        self.last_id = None

    def next(self):
        event, data, comment = None, None, None
        for line in self.lines:
            if line == "":
                if event is None and comment is None:
                    continue
                return event, data, self.last_id
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                comment = line
            elif name == "event":
                event = value
            elif name == "data":
                data = json.loads(value)
            elif name == "id":
                self.last_id = value
        raise EOFError

    def until(self, wanted):
        """All events up to the first that `wanted` takes."""
        told = []
        while not told or not wanted(*told[-1][:2]):
            told.append(self.next())
            if told[-1][0] is not None:
                validator(API["components"]["schemas"]["Event"]).validate(
                    told[-1][1])
        return told

    def close(self):
        self.answer.close()


@pytest.fixture
def no_stream(gateway):
    """Those of the test before are closed."""
    wait_for(lambda: "patrol_http_event_streams 0\n" in
             gateway.get("/metrics").text)


@pytest.fixture
def events(gateway, no_stream):
    opened = []

    def open_one(last_id=None, after=None):
        opened.append(Events(gateway, last_id, after))
        return opened[-1]
    yield open_one
    for stream in opened:
        stream.close()


def test_events_begin_with_everybody(gateway, events):
    told = events().until(lambda event, _: event == "ready")
    assert told[0][:2] == ("reset", {"reason": "connected"})
    assert told[0][2] in (None, "", "id")
    assert {d["call_sign"] for e, d, _ in told if e == "unit"} == {
        u[0] for u in UNITS}
    assert told[-1][1] == {"units": len(UNITS)}


def test_events_tell_a_fix_within_a_second(gateway, events):
    stream = events()
    stream.until(lambda event, _: event == "ready")
    sent = time.monotonic()
    gateway.vehicle.send(entry(1, (23.0, -82.3969), status="on_scene"))
    told = stream.until(lambda event, data: event == "unit" and
                        data["status"] == "on_scene")
    assert time.monotonic() - sent < 1
    assert told[-1][1]["call_sign"] == "near"
    assert told[-1][1]["position"]["lon"] == -82.3969
    unit = check(gateway.get("/v1/units/near"))
    assert unit["position"]["lon"] == -82.3969
    gateway.vehicle.send(entry(2, (23.0, -82.397)))
    stream.until(lambda event, data: event == "unit" and
                 data["status"] == "available" and
                 data["position"]["lon"] == -82.397)


def test_events_tell_of_silence(gateway, events):
    stream = events()
    stream.until(lambda event, _: event == "ready")
    gateway.vehicle.send(state={"now_ms": 1, "next_due_s": 1})
    told = stream.until(lambda event, _: event == "unit.silent")[-1][1]
    assert (told["call_sign"], told["quiet_s"]) == ("near", 1.5)
    stream.until(lambda event, data: event == "unit" and data["silent"])
    check(gateway.get("/v1/nearest", lat="23.0", lon="-82.395"))
    gateway.vehicle.send(state={"now_ms": 1, "next_due_s": 3600})
    again = stream.until(lambda event, _: event == "unit.heard")[-1][1]
    assert again["call_sign"] == "near"
    assert again["heard_at"] > told["heard_at"]
    stream.until(lambda event, data: event == "unit" and not data["silent"])


def test_events_tell_of_the_catalog(gateway, events):
    stream = events()
    stream.until(lambda event, _: event == "ready")
    gateway.database.query("UPDATE patrol.mission SET kind = kind")
    stream.until(lambda event, _: event == "catalog")


def test_events_go_on_where_they_were(gateway, events):
    stream, other = events(), events()
    stream.until(lambda event, _: event == "ready")
    other.until(lambda event, _: event == "ready")
    gateway.database.query("UPDATE patrol.mission SET kind = kind")
    last = stream.until(lambda event, _: event == "catalog")[-1][2]
    stream.close()
    gateway.database.query("UPDATE patrol.zone SET name = name")
    other.until(lambda event, _: event == "catalog")
    other.until(lambda event, _: event == "catalog")
    again = events(last)
    told = again.until(lambda event, _: event == "catalog")
    assert [t[0] for t in told if t[0] is not None] == ["catalog"]
    assert int(told[-1][2]) == int(last) + 1
    for unknown in ("1", "x", "99999999999999999999999", ""):
        stream = events(unknown)
        assert stream.next()[0] == "reset"
        stream.close()
        wait_for(lambda: "patrol_http_event_streams 2\n" in
                 gateway.get("/metrics").text)


def test_events_go_on_from_a_list(gateway, events):
    listed = check(gateway.get("/v1/units"))["last_event_id"]
    gateway.database.query("UPDATE patrol.mission SET kind = kind")
    stream = events(after=listed)
    first = stream.until(lambda event, _: event == "catalog")
    assert not {"reset", "ready"} & {t[0] for t in first}
    gateway.database.query("UPDATE patrol.zone SET name = name")
    stream.until(lambda event, _: event == "catalog")
    later = check(gateway.get("/v1/units"))["last_event_id"]
    assert int(later) >= int(first[-1][2]) > int(listed)
    both = events(first[-1][2], after=listed)  # the header is newer
    assert int(both.until(lambda event, _: event == "catalog")[-1][2]) > int(
        first[-1][2])
    for unknown in ("1", "9" * 19):
        assert events(after=unknown).next()[0] == "reset"
    for wrong in ("x", "-1", "9" * 20, "1 "):
        answer = gateway.get("/v1/events", after=wrong)
        assert answer.status_code == 400
        assert check(answer)["parameter"] == "after"


class Raw:
    """An open /v1/events as bytes, for events that are long."""

    def __init__(self, gateway):
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port,
                                                     timeout=20)
        self.connection.request("GET", "/v1/events")
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200

    def until(self, wanted):
        held = b""
        while wanted not in held:
            piece = self.answer.read1(1 << 16)
            assert piece, "it ended"
            held = held[-len(wanted):] + piece


@pytest.mark.usefixtures("no_stream")
def test_a_stream_that_nobody_reads_holds_up_nobody(gateway):
    """Events of 400 kB: fifty are more than is kept for those behind (8 MB)
    and sockets hold (tcp_wmem: 4 MB)."""
    def resets():
        return int(gateway.get("/metrics").text.split(
            "\npatrol_http_event_resets_total ")[1].split()[0])
    before, reader, slow = resets(), Raw(gateway), Raw(gateway)
    reader.until(b"event: ready")
    gateway.database.query(
        "UPDATE patrol.unit SET capabilities = (SELECT array_agg("
        "n || repeat('x', 4000)) FROM generate_series(1, 100) n)"
        " WHERE call_sign = 'near'")
    reader.until(b"event: catalog")
    for n in range(50):
        lon = -82.397 + n * 1e-5
        gateway.vehicle.send(entry(500 + n, (23.0, lon)))
        reader.until(b'"lon":%.6f' % lon)
    slow.until(b'{"reason":"fell_behind"}')
    slow.until(b"event: ready")
    assert resets() == before + 1
    gateway.database.query("UPDATE patrol.unit SET capabilities = %s"
                           " WHERE call_sign = 'near'", UNITS[0][2])
    reader.until(b"event: catalog")
    for stream in (reader, slow):
        stream.connection.close()
        stream.answer.close()


def test_more_streams_than_allowed(gateway, events):
    for _ in range(STREAMS_MAX):
        assert events().answer.status_code == 200
    refused = gateway.get("/v1/events")
    assert check(refused)["status"] == 503
    assert int(refused.headers["Retry-After"]) > 0


# ------------------------------------------------------------ start and no end
def test_an_address_that_is_not_to_be_had(gateway):
    for address, words in ((f"127.0.0.1:{gateway.port}", "in use"),
                           ("0.0.0.0:0", "loopback only until accounts exist"),
                           ("example.org:80", "loopback only")):
        result = subprocess.run(
            [PROGRAM, "-o", f"database.conninfo={gateway.database.url}",
             "-o", f"broker.list=127.0.0.1:{free_port()}",
             "-o", f"http.listen={address}"], timeout=20, check=False,
            stderr=subprocess.PIPE, text=True)
        assert result.returncode != 0
        assert words in result.stderr


def test_when_the_database_is_gone(gateway):
    """Live answers go on; what needs the database says so."""
    gateway.database.stop()
    try:
        wait_for(lambda: gateway.get("/readyz").status_code == 503)
        parts = check(gateway.get("/readyz"))["parts"]
        assert parts == {"broker": "up", "database": "down", "roads": "up"}
        assert check(gateway.get("/healthz"))["status"] == "ok"
        assert check(gateway.get("/v1/nearest", lat="23", lon="-82.395"))[
            "units"][0]["call_sign"] == "near"
        (lacking,) = check(gateway.get("/v1/units"))["degraded"]
        assert (lacking["part"], lacking["state"]) == ("database", "down")
        track = gateway.get("/v1/units/near/track")
        assert check(track)["type"] == \
            "urn:patrol:problem:database-unavailable"
        assert int(track.headers["Retry-After"]) > 0
    finally:
        gateway.database.start()
    wait_for(lambda: gateway.get("/readyz").ok, 60)
    assert check(gateway.get("/v1/units/silent/track"))["points"] == []
