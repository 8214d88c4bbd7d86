"""Where there is little to tell: no units, no missions, a zone without streets, a
mission in the sea, a zone that crosses itself. Every answer about coverage is
asked for; each is one that the API describes, with figures where figures are
promised, and nothing that is not known is 0."""
import json
import math
import os
import subprocess
import urllib.parse
from datetime import datetime, timedelta, timezone

import jsonschema
import psycopg2
import pytest
import requests

from lib_common import BIN, wait_for
from lib_database import LAT, LON, crossing
from test_coverage import FAST, add_mission, add_zone, coverage_of, put
from test_what_if import API

SEA = (200, 200), (210, 210)  # crossings: far from all streets
REEF = (205, 205)


def no_number(word):
    raise AssertionError(f"{word} is no number of JSON")


def checked(method, path, answer):
    """As the API says of this path and status; words where it is a problem."""
    route = API["paths"][path][method]["responses"]
    told = route.get(str(answer.status_code), route.get("503"))
    while "$ref" in told:
        told = API["components"]["responses"][told["$ref"].rsplit("/", 1)[1]]
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind in told["content"], (path, answer.status_code, answer.text)
    value = json.loads(answer.text, parse_constant=no_number)
    jsonschema.Draft202012Validator({**told["content"][kind]["schema"],
                                     "components": API["components"]}).validate(value)
    if kind == "application/problem+json":
        assert len(value["detail"]) > 10, value
    return value


class Asked:
    """All answers of one gateway, by a name."""

    def __init__(self, gateway, zone=None):
        self.gateway, self.status, self.answers = gateway, {}, {}
        now = datetime.now(timezone.utc)
        span = {"from": (now - timedelta(minutes=10)).isoformat(), "to": now.isoformat()}
        for name, path, more in (
                ("coverage", "/v1/coverage", {}),
                ("zone", "/v1/coverage", {"zone": zone} if zone else {}),
                ("then", "/v1/coverage", {"at": span["to"]}),
                ("gaps", "/v1/coverage/gaps", {}),
                ("lines", "/v1/coverage/gaps", {"form": "lines"}),
                ("streets", "/v1/coverage/streets", {}),
                ("weak", "/v1/coverage/weak", {"hours": "true", "lang": "en"}),
                ("history", "/v1/coverage/history", span),
                ("moves", "/v1/coverage/moves", {}),
                ("moves to posts", "/v1/coverage/moves", {"places": "posts"}),
                ("plans", "/v1/coverage/plans", {}),
                ("eta", "/v1/reports/eta", {})):
            self.take(name, "get", path, lambda url, q=more: requests.get(
                url + ("?" + urllib.parse.urlencode(q) if q else ""), timeout=90))
        for name, path, body in (
                ("what-if", "/v1/coverage/what-if", {}),
                ("closed", "/v1/coverage/what-if",
                 {"closures": [dict(zip(("lat", "lon"), crossing(0, 0)))]}),
                ("posts", "/v1/coverage/posts", {"posts": 2, "spacing_m": 300}),
                ("posts of posts", "/v1/coverage/posts",
                 {"posts": 2, "candidates": "posts"}),
                ("posts for streets", "/v1/coverage/posts",
                 {"posts": 1, "spacing_m": 300, "weights": {"street_km": 1}})):
            self.take(name, "post", path, lambda url, b=body: requests.post(
                url, json=b, timeout=90))
        for layer in ("coverage", "zones", "missions", "streets"):
            x, y = tile(LAT, LON, 13)
            answer = requests.get(f"{gateway.url}/v1/tiles/{layer}/13/{x}/{y}.mvt", timeout=30)
            self.status[layer + " layer"] = answer.status_code
            self.answers[layer + " layer"] = answer.content

    def take(self, name, method, path, ask):
        answer, = wait_for(lambda: (a := ask(self.gateway.url + path)).status_code != 202 and [a],
                           60, self.gateway.log)
        self.status[name] = answer.status_code
        self.answers[name] = checked(method, path, answer)

    def __getitem__(self, name):
        return self.answers[name]

    def report(self, *more):
        run = subprocess.run([os.path.join(BIN, "patrolctl"), "report", "coverage",
                              "--gateway", self.gateway.url, "--language", "en", *more],
                             capture_output=True, text=True, timeout=90, check=False)
        assert run.returncode == 0, run.stderr
        assert not [word for word in ("nan", "inf", "null", "None") if f">{word}" in run.stdout]
        return run.stdout


def tile(lat, lon, z):
    y = math.asinh(math.tan(math.radians(lat)))
    return (int((lon + 180) / 360 * 2 ** z), int((1 - y / math.pi) / 2 * 2 ** z))


def started(make_gateway, **settings):
    gateway = make_gateway(coverage__position_max_s=3600, **FAST, **settings).start()
    coverage_of(gateway)
    wait_for(lambda: gateway.get("/v1/coverage")["total"]["streets"], 30, gateway.log)
    return gateway


def seconds(value, path=""):
    """Every time of a drive that is told."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from seconds(one, f"{path}.{key}")
    elif isinstance(value, list):
        for one in value:
            yield from seconds(one, path)
    elif path.rsplit(".", 1)[-1] in ("eta_s", "drive_s", "worst_s", "s1", "s2", "s3",
                                     "next_s", "first_s") and value is not None:
        yield path, value


def nobody_comes(asked):
    """Without a unit there is no time to anything, and no share is told of what
    there is nothing of."""
    for name, answer in asked.answers.items():
        if not isinstance(answer, bytes):
            assert list(seconds(answer)) == [], name
    for piece in asked["streets"]["features"]:
        assert piece["properties"]["seconds"] == [None] * 3
    gap, = asked["lines"]["features"]
    assert gap["properties"]["worst_s"] is None


def all_answered(asked, *but):
    refused = {name for name, status in asked.status.items() if status != 200}
    assert refused == {"moves to posts", "posts of posts"} | set(but)
    for name in ("moves to posts", "posts of posts"):
        assert "there are no posts (patrolctl posts import)" == asked[name]["detail"]


def patrolctl(gateway, *words):
    run = subprocess.run([os.path.join(BIN, "patrolctl"), "coverage", *words, "-g", gateway.url],
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_no_missions_and_no_units(database, make_gateway):
    gateway = started(make_gateway)
    asked = Asked(gateway)
    all_answered(asked)
    nobody_comes(asked)
    total = asked["coverage"]["total"]
    assert total["missions"]["share"] == [None] * 3
    assert total["streets"]["within_m"] == [0] * 3 and total["streets"]["length_m"] > 19000
    assert asked["moves"]["words"] == "there is no mission with a promise and a road to it"
    assert asked["posts"]["posts"] == []
    assert asked["posts"]["best"]["words"] == "there is nothing to cover"
    assert asked["posts"]["covered"]["share"] is None
    assert asked["weak"]["points"] == asked["weak"]["missions"] == []
    assert asked["weak"]["streets_tried"] == {"candidates": 0, "tried": 0, "is_worst": True}
    history = asked["history"]
    assert history["missions"] == history["hours"] == []
    assert history["first_fix"] is None and history["units"]["reported"] == 0
    assert history["zones"][0]["mean"]["missions_share"] is None
    for name in ("what-if", "closed"):
        assert (asked[name]["lost"], asked[name]["gained"]) == (0, 0)
    assert asked["missions layer"] == b"" and asked["coverage layer"] != b""
    out = patrolctl(gateway, "weak")
    assert "no unit and no street uncovers a mission alone" in out
    assert "there are no missions" in out
    assert "streets: 0 of 0 that could uncover any were tried" in out
    asked.report()
    asked.report("--now")


def test_missions_and_no_units(database, make_gateway):
    add_zone(database, "West", (0, 0), (4, 9), 30)
    add_mission(database, "Alpha", crossing(0, 0))
    gateway = started(make_gateway)
    asked = Asked(gateway, "West")
    all_answered(asked)
    nobody_comes(asked)
    mission, = asked["coverage"]["missions"]
    assert (mission["covered"], mission["within"], mission["units"]) == (False, 0, [])
    assert asked["coverage"]["total"]["missions"]["share"] == [0] * 3
    past, = asked["history"]["missions"]
    assert past["out_share"] == pytest.approx(1) and past["passes"] == 0
    point = asked["weak"]["points"][0]
    assert (point["code"], point["reason"]) == (
        "out_of_cover", "Out of cover now: 1 of 1 missions")
    assert asked["weak"]["missions"][0]["can_fail"] == -1
    assert asked["moves"]["words"] == "no move helps: there is no available unit to move"
    assert asked["moves"]["remaining_count"] == 1
    assert asked["posts"]["covered"]["missions"] == 1
    assert asked["closed"]["missions"][0]["change"] is None
    asked.report()


def test_units_and_no_missions(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = started(make_gateway)
    put(make_vehicle, "A1", crossing(1, 0))
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 1, 20, gateway.log)
    asked = Asked(gateway)
    all_answered(asked)
    assert asked["coverage"]["missions"] == asked["weak"]["points"] == []
    assert asked["weak"]["units_counted"] == 1
    assert asked["moves"]["words"] == "there is no mission with a promise and a road to it"
    assert asked["posts"]["best"]["words"] == "there is nothing to cover"
    assert "there are no missions" in patrolctl(gateway, "weak", "--all")
    asked.report()


def test_a_zone_without_streets_and_a_mission_in_the_sea(database, make_gateway,
                                                         make_vehicle):
    add_zone(database, "West", (0, 0), (4, 9), 30)
    add_zone(database, "Sea", *SEA, 60)
    add_mission(database, "Alpha", crossing(0, 0))
    add_mission(database, "Reef", crossing(*REEF))
    database.add_unit("A1")
    gateway = started(make_gateway)
    put(make_vehicle, "A1", crossing(1, 0))
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 1, 20, gateway.log)
    asked = Asked(gateway, "Sea")
    all_answered(asked)
    # one zone, one mission, no streets: no share, no promise, nobody on his way
    zone, = asked["zone"]["zones"]
    assert zone["missions"] == {"total": 1, "off_road": 1, "promised": 0, "within": [0] * 3,
                                "share": [None] * 3}
    assert zone["streets"] == {"length_m": 0, "within_m": [0] * 3, "share": [None] * 3}
    assert not zone["alarm"]
    for answer in (asked["coverage"], asked["zone"], asked["then"]):
        reef, = [m for m in answer["missions"] if m["name"] == "Reef"]
        assert (reef["off_road"], reef["promise_s"], reef["covered"], reef["units"]) == (
            True, None, None, [])
    for name in ("what-if", "closed"):
        reef, = [m for m in asked[name]["missions"] if m["name"] == "Reef"]
        for side in ("before", "after"):
            assert (reef[side]["units"], reef[side]["covered"]) == ([], None)
    reef, = [m for m in asked["weak"]["missions"] if m["name"] == "Reef"]
    assert reef["in_time"] is reef["can_fail"] is None
    assert all("Reef" not in json.dumps(point) for point in asked["weak"]["points"])
    past, = [m for m in asked["history"]["missions"] if m["name"] == "Reef"]
    assert [past[key] for key in ("promise_s", "out_s", "out_share", "longest_s", "passes",
                                  "unpassed_s")] == [None] * 6
    assert asked["posts"]["off_road"] == 1 and asked["posts"]["covered"]["missions_of"] == 1
    assert asked["moves"]["lacking"] == 0
    assert all(ms > 0 for _, ms in seconds(asked["coverage"]))
    page = asked.report()
    assert "Reef" in page and "Sea" in page
    # posts for the sea alone: there is nothing, and it is said
    answer = requests.post(gateway.url + "/v1/coverage/posts",
                           json={"posts": 1, "zone": "Sea"}, timeout=60)
    value = checked("post", "/v1/coverage/posts", answer)
    assert answer.status_code == 200 and value["posts"] == []
    assert value["best"]["words"] == "there is nothing to cover"
    assert value["covered"]["share"] is None


def test_a_zone_that_crosses_itself(database, place, make_gateway):
    """Neither the tool nor the database takes it; what was there stays in force."""
    add_zone(database, "West", (0, 0), (4, 9), 30)
    gateway = started(make_gateway)
    (south, west), (north, east) = crossing(0, 0), crossing(9, 9)
    bow = [[west, south], [east, north], [east, south], [west, north], [west, south]]
    path = os.path.join(place, "bow.geojson")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"type": "Feature", "properties": {"name": "Bow", "promise_s": 60},
                   "geometry": {"type": "Polygon", "coordinates": [bow]}}, out)
    run = subprocess.run([os.path.join(BIN, "patrolctl"), "zones", "import", path, "-d",
                          database.url], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode != 0
    assert "feature 1: the area is not valid: Self-intersection[" in run.stderr
    with pytest.raises(psycopg2.errors.CheckViolation):
        database.query("INSERT INTO patrol.zone (name, geom) SELECT 'Bow', ST_Multi(ST_SetSRID("
                       "ST_GeomFromGeoJSON(%s), 4326))",
                       json.dumps({"type": "Polygon", "coordinates": [bow]}))
    assert [z["name"] for z in coverage_of(gateway)["zones"]] == ["West"]


def test_no_streets_at_all(database, make_gateway):
    """Without a network there is no cover to tell of: every answer says why."""
    add_mission(database, "Alpha", crossing(0, 0))
    database.query("TRUNCATE patrol.road_network CASCADE")
    try:
        gateway = make_gateway(**FAST).start(ready=False)
        wait_for(lambda: gateway.status("/v1/missions") == 200 and
                 gateway.get("/v1/missions")["missions"], 60, gateway.log)
        assert gateway.status("/readyz") == 503
        asked = Asked(gateway)
        for name in ("coverage", "gaps", "lines", "streets", "weak", "moves", "what-if",
                     "closed", "posts", "posts for streets"):
            assert asked.status[name] == 503, name
            assert asked[name]["title"] == "No road network is loaded"
            assert asked[name]["detail"] == "patrolctl roads import brings one in"
    finally:
        database.add_grid()
