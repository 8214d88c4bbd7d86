"""Cover as it would be: POST /v1/coverage/what-if and patrolctl coverage what-if
on a grid of streets of 10 s each, so that times are counted in streets."""
import heapq
import json
import os
import random
import subprocess
import threading

import jsonschema
import pytest
import requests
import yaml

from lib_common import BIN, TOP, wait_for
from lib_database import crossing
from test_coverage import FAST, add_mission, add_zone, coverage_of, put, town  # noqa: F401

PATROLCTL = os.path.join(BIN, "patrolctl")
PATH = "/v1/coverage/what-if"

with open(os.path.join(TOP, "schema/openapi.yaml"), encoding="utf-8") as source:
    API = yaml.safe_load(source)


def checked(value, name):
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}",
         "components": API["components"]}).validate(value)
    return value


def send(gateway, body, **more):
    return requests.post(gateway.url + PATH, json=body, timeout=60, **more)


def ask(gateway, **wish):
    answer = send(gateway, checked(wish, "WhatIfWish"))
    assert answer.status_code == 200, answer.text
    return checked(answer.json(), "WhatIf")


def at(place):
    return {"lat": crossing(*place)[0], "lon": crossing(*place)[1]}


def first(answer, side):
    return {m["name"]: [(u["call_sign"], round(u["eta_s"])) for u in m[side]["units"]]
            for m in answer["missions"]}


def changes(answer):
    return {m["name"]: m["change"] for m in answer["missions"] if m["change"]}


@pytest.fixture
def live(town, make_gateway, make_vehicle):  # noqa: F811
    """A1 at (1, 0) and A2 at (4, 0) count, A3 at (4, 1) is busy. Alpha at (0, 0)
    and Beta at (2, 0) are promised 30 s, Gamma at (9, 0) 50 s."""
    gateway = make_gateway(coverage__position_max_s=3600, **FAST).start()
    put(make_vehicle, "A1", crossing(1, 0))
    put(make_vehicle, "A2", crossing(4, 0))
    put(make_vehicle, "A3", crossing(4, 1), status="busy")
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 2, why=gateway.log)
    wait_for(lambda: (s := gateway.get("/v1/coverage")["total"]["streets"])
             and s["within_m"][1] > 0, why=gateway.log)
    return gateway


NOW = {"Alpha": [("A1", 10), ("A2", 40)], "Beta": [("A1", 10), ("A2", 20)],
       "Gamma": [("A2", 50), ("A1", 80)]}


def test_nothing_otherwise_is_as_it_is(live):
    answer = ask(live)
    assert first(answer, "before") == first(answer, "after") == NOW
    assert answer["before"] == answer["after"]
    assert (answer["lost"], answer["gained"], answer["units"], answer["gaps"]) == (
        0, 0, [], None)
    now = live.get("/v1/coverage")
    for zone in now["zones"]:
        del zone["alarm"], zone["below_since"]
    assert answer["after"]["zones"] == now["zones"]
    assert answer["after"]["total"] == now["total"]


def test_units_are_added_moved_and_taken_away(live):
    answer = ask(live, units=[{"call_sign": "A1", "removed": True}])
    assert first(answer, "before") == NOW
    assert first(answer, "after") == {"Alpha": [("A2", 40)], "Beta": [("A2", 20)],
                                      "Gamma": [("A2", 50)]}
    assert changes(answer) == {"Alpha": "lost"}
    assert (answer["lost"], answer["gained"]) == (1, 0)
    assert answer["units"] == [{"call_sign": "A1", "counts_before": True,
                                "counts_after": False, "reason": "removed"}]
    assert answer["before"]["units_counted"] == 2 and answer["after"]["units_counted"] == 1
    zones = {z["name"]: z["missions"]["within"] for z in answer["after"]["zones"]}
    assert zones == {"West": [1, 0, 0], "East": [1, 0, 0]}

    # A1 goes to (6, 2), one more stands at (0, 1), and the busy one is available
    answer = ask(live, units=[
        {"call_sign": "A1", **at((6, 2))}, {"label": "more", **at((0, 1))},
        {"call_sign": "A3", "status": "available"}])
    assert first(answer, "after") == {
        "Alpha": [("more", 10), ("A2", 40), ("A3", 50)],
        "Beta": [("A2", 20), ("A3", 30), ("more", 30)],
        "Gamma": [("A1", 50), ("A2", 50), ("A3", 60)]}
    assert changes(answer) == {}
    assert answer["after"]["total"]["missions"]["within"] == [3, 2, 1]
    assert [(u.get("call_sign"), u.get("label"), u["counts_after"])
            for u in answer["units"]] == [
        ("A1", None, True), ("A3", None, True), (None, "more", True)]

    # who stands in the sea, is on foot or off duty does not count, and is told
    answer = ask(live, units=[
        {"label": "boat", "lat": 10, "lon": -60}, {"label": "walks", "kind": "foot",
                                                   **at((0, 0))},
        {"call_sign": "A2", "status": "off_duty"}])
    assert [(u.get("call_sign") or u["label"], u["reason"]) for u in answer["units"]] == [
        ("A2", "not_available"), ("boat", "off_the_road_network"),
        ("walks", "travels_on_foot")]
    assert changes(answer) == {"Gamma": "lost"}


def test_other_promises(live):
    answer = ask(live, promise_s=15)
    assert [z["promise_s"] for z in answer["after"]["zones"]] == [15, 15]
    assert [z["promise_s"] for z in answer["before"]["zones"]] == [50, 30]
    assert changes(answer) == {"Gamma": "lost"}
    answer = ask(live, promises=[{"zone": "west", "promise_s": 40},
                                 {"zone": "EAST", "promise_s": 80}])
    assert changes(answer) == {}
    assert {m["name"]: m["after"]["within"] for m in answer["missions"]} == {
        "Alpha": 2, "Beta": 2, "Gamma": 2}
    assert answer["after"]["total"]["streets"]["within_m"][1] > \
        answer["before"]["total"]["streets"]["within_m"][1]


def test_live_answers_are_the_same_bytes_before_and_after(live):
    def still(value):
        """Without what goes with the clock."""
        if isinstance(value, list):
            return [still(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {key: still(one) for key, one in value.items()
                if not key.endswith("age_s") and key not in ("answered_at", "streets_at")}

    def answers():
        return [json.dumps(still(live.get(path)), sort_keys=True) for path in (
            "/v1/coverage", "/v1/coverage/gaps", "/v1/closures", "/v1/units",
            "/v1/nearest?mission=Alpha&k=3&rank=coverage")]
    before = answers()
    ask(live, units=[{"call_sign": "A1", "removed": True}, {"label": "x", **at((5, 5))}],
        closures=[{"ways": [1002, 1003]}], promise_s=10, at="Mon 08:00", gaps=True)
    assert answers() == before
    assert live.metric("patrol_http_studies_total") == 1
    assert live.metric("patrol_closures_in_force") == 0


# ------------------------------------------------------------------- closures
def ways_home(database, goal, closed, what="way_id"):
    """Milliseconds from every crossing to `goal`, by Dijkstra over the table."""
    into = {}
    for way, source, target, forward, backward in database.query(
            f"SELECT {what}, source, target, forward_ms, backward_ms FROM patrol.road_edge"):
        if way not in closed:
            into.setdefault(target, []).append((source, forward))
            into.setdefault(source, []).append((target, backward))
    best, queue = {}, [(0, goal)]
    while queue:
        ms, node = heapq.heappop(queue)
        if node not in best:
            best[node] = ms
            for other, step in into.get(node, []):
                heapq.heappush(queue, (ms + step, other))
    return best


PROMISE_MS = 95000


def node(place):
    return 10 * place[1] + place[0] + 1


def test_closures_against_dijkstra(town, make_gateway, make_vehicle):  # noqa: F811
    """Streets that take from 5 to 25 s, six missions and three units at
    crossings, and some streets closed: the three first, and who is in time."""
    rng = random.Random(20261121)
    try:
        town.query("UPDATE patrol.road_edge SET forward_ms = 5000 + (edge_id * 7919) % 20000,"
                   " backward_ms = 5000 + (edge_id * 104729) % 20000")
        town.query("INSERT INTO patrol.road_network (source, nodes, edges, turns, length_m,"
                   " summary) SELECT source, nodes, edges, turns, length_m, summary"
                   " FROM patrol.road_network ORDER BY network_id DESC LIMIT 1")
        missions = {"Alpha": (0, 0), "Beta": (2, 0), "Gamma": (9, 0)}
        for name, place in (("Delta", (7, 7)), ("Epsilon", (1, 8)), ("Zeta", (4, 5))):
            add_mission(town, name, crossing(*place))
            missions[name] = place
        town.query("UPDATE patrol.zone SET promise_s = %s", PROMISE_MS // 1000)
        units = {"A1": (1, 1), "A2": (5, 3), "A3": (8, 6)}
        gateway = make_gateway(coverage__position_max_s=3600, **FAST).start()
        for name, place in units.items():
            put(make_vehicle, name, crossing(*place))
        wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 3, why=gateway.log)
        fewer = 0
        # a way holds a crossing's streets to the east and to the north; those at
        # a mission or unit stay open, so that all stand where they did
        free = [way for way in range(1001, 1091) if not any(
            on_way(place, way) for place in [*missions.values(), *units.values()])]
        for _ in range(6):
            closed = set(rng.sample(free, 25))
            answer = ask(gateway, closures=[{"ways": sorted(closed)}])
            for mission in answer["missions"]:
                goal, in_time = node(missions[mission["name"]]), []
                for side, without in (("before", set()), ("after", closed)):
                    home = ways_home(town, goal, without)
                    times = sorted((home[node(place)], name) for name, place
                                   in units.items() if node(place) in home)
                    got = [(u["eta_s"] * 1000, u["call_sign"]) for u in mission[side]["units"]]
                    assert [name for _, name in got] == [name for _, name in times]
                    assert all(abs(a - b) <= 101 for (a, _), (b, _) in zip(got, times)), \
                        (mission["name"], side, got, times)
                    in_time.append(sum(ms <= PROMISE_MS for ms, _ in times))
                    assert mission[side]["within"] == in_time[-1]
                    assert mission[side]["covered"] == (in_time[-1] > 0)
                assert mission["change"] == ("lost" if in_time[0] and not in_time[1] else None)
                fewer += in_time[1] < in_time[0]
        assert fewer > 0
    finally:
        town.add_grid()


def on_way(place, way):
    x, y = place
    return way in (1000 + node(place), 1000 + node((x - 1, y)), 1000 + node((x, y - 1)))


def test_a_street_is_closed_or_slowed(live):
    """Way 1002 is what leads from crossing (1, 0), where A1 stands, to the east
    and to the north; slowed to half each of them takes 20 s."""
    answer = ask(live, closures=[{"ways": [1002], "factor": 0.5}], gaps=True)
    assert first(answer, "after") == {"Alpha": [("A1", 10), ("A2", 50)],
                                      "Beta": [("A1", 20), ("A2", 20)],
                                      "Gamma": [("A2", 50), ("A1", 90)]}
    closure, = answer["closures"]
    assert (closure["kind"], closure["factor"], closure["pieces"]) == ("slowed", 0.5, 2)
    assert len(closure["geometry"]["coordinates"]) == 2
    assert answer["gaps"]["type"] == "FeatureCollection"
    # beside what is closed already
    made = requests.post(live.url + "/v1/closures", json={"ways": [1001]}, timeout=20)
    assert made.status_code == 201
    wait_for(lambda: first_live(live)["Alpha"] != NOW["Alpha"], why=live.log)
    both = ask(live, closures=[{"ways": [1005]}])
    assert first(both, "before") == first_live(live)
    assert live.get("/v1/closures")["features"][0]["id"] == made.json()["id"]
    assert len(live.get("/v1/closures")["features"]) == 1


def first_live(gateway):
    return {m["name"]: [(u["call_sign"], round(u["eta_s"])) for u in m["units"]]
            for m in gateway.get("/v1/coverage")["missions"]}


# --------------------------------------------------------- hour of the week
def test_another_hour_drives_by_its_learned_times(live, town):  # noqa: F811
    answer = ask(live, at="Mon 08:00")
    assert (answer["at"], answer["hour_learned"]) == ("Mon 08:00", False)
    assert first(answer, "after") == NOW
    # on Tuesday from 17 to 18 h everything takes twice as long: 1 * 24 + 17
    town.query("INSERT INTO patrol.learned_profile VALUES ('patrol', now(), now(), now(), 9,"
               " 'UTC', 0, 0)")
    town.query("INSERT INTO patrol.learned_hour SELECT 'patrol', h, CASE h WHEN 41 THEN 2"
               " ELSE 1 END, 0, 0, 0, 0, 0 FROM generate_series(0, 167) h")
    try:
        answer = ask(live, at="tue 17:30")
        assert (answer["at"], answer["hour_learned"]) == ("Tue 17:00", True)
        assert first(answer, "after") == {
            name: [(unit, 2 * s) for unit, s in units] for name, units in NOW.items()}
        assert changes(answer) == {"Gamma": "lost"}
        assert first(ask(live, at="Tue 18:00"), "after") == NOW
    finally:
        town.query("DELETE FROM patrol.learned_profile")


# ---------------------------------------------------------------- what is wrong
def test_what_strangers_send(live):
    def problem(body, status, parameter=None, kind="invalid-parameter"):
        answer = send(live, body)
        assert answer.status_code == status, answer.text
        told = checked(answer.json(), "Problem")
        assert told["type"] == "urn:patrol:problem:" + kind
        assert told.get("parameter") == parameter, told
    refused = live.metric('patrol_http_answers_total{class="4xx"}')
    asked = live.metric('patrol_http_requests_total{operation="askWhatIf"}')
    cases = [
        ({"unit": []}, 400, "unit"), ({"units": {}}, 400, "units"),
        ({"units": [3]}, 400, "units[0]"), ([], 400, None),
        ({"units": [{}]}, 400, "units[0].call_sign"),
        ({"units": [{"call_sign": "A1"}]}, 400, "units[0].call_sign"),
        ({"units": [{"call_sign": "B1", "removed": True}]}, 400, "units[0].call_sign"),
        ({"units": [{"label": "A1", "lat": 1, "lon": 1}]}, 400, "units[0].label"),
        ({"units": [{"label": "x"}]}, 400, "units[0].lat"),
        ({"units": [{"call_sign": "A1", "lat": 91, "lon": 1}]}, 400, "units[0].lat"),
        ({"units": [{"call_sign": "A1", "lat": 1}]}, 400, "units[0].lon"),
        ({"units": [{"call_sign": "A1", "status": "asleep"}]}, 400, "units[0].status"),
        ({"units": [{"call_sign": "A1", "removed": 1}]}, 400, "units[0].removed"),
        ({"units": [{"call_sign": "A1", "removed": True, "status": "busy"}]}, 400,
         "units[0].removed"),
        ({"units": 2 * [{"call_sign": "A1", "removed": True}]}, 400, "units[1].call_sign"),
        ({"units": 201 * [{"call_sign": "A1", "removed": True}]}, 400, "units"),
        ({"closures": [{"street": "Calle", "until": "2030-01-01T00:00:00Z"}]}, 400,
         "closures[0].until"),
        ({"closures": [{"factor": 2, "ways": [1002]}]}, 400, "closures[0].factor"),
        ({"closures": [{"street": "Calle between and"}]}, 400, "closures[0].street"),
        ({"closures": 21 * [{"ways": [1002]}]}, 400, "closures"),
        ({"promises": [{"zone": "North", "promise_s": 9}]}, 400, "promises[0].zone"),
        ({"promises": 2 * [{"zone": "East", "promise_s": 9}]}, 400, "promises[1].zone"),
        ({"promises": [{"zone": "East", "promise_s": 0}]}, 400, "promises[0].promise_s"),
        ({"promise_s": 1.5}, 400, "promise_s"), ({"promise_s": 90000}, 400, "promise_s"),
        ({"at": "Mon 24:00"}, 400, "at"), ({"at": "Moon 1:00"}, 400, "at"),
        ({"profile": "horse"}, 400, "profile"), ({"gaps": "yes"}, 400, "gaps"),
    ]
    for case in cases:
        problem(*case)
    problem({"closures": [{"ways": [1002]}, {"ways": [4]}]}, 404, kind="no-such-street")
    problem({"closures": [{"lat": 0, "lon": 0}]}, 422, kind="point-off-the-road")
    answer = requests.post(live.url + PATH, data="{}", timeout=10,
                           headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    for junk in (b"", b"{", b"\xff", b"[" * 40000, b'{"at":"' + b"x" * 60000 + b'"}'):
        answer = requests.post(live.url + PATH, data=junk, timeout=10,
                               headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, junk[:9]
    assert live.status(PATH) == 405
    assert live.metric('patrol_http_answers_total{class="4xx"}') - refused == len(cases) + 9
    assert live.metric('patrol_http_requests_total{operation="askWhatIf"}') - asked \
        >= len(cases) + 8


def test_more_than_a_few_at_a_time_are_told_to_come_again(live):
    answers = []

    def one():
        answers.append(send(live, {"closures": [{"ways": [1002]}]}))
    threads = [threading.Thread(target=one) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [a for a in answers if a.status_code == 503]
    assert len(told) + sum(a.status_code == 200 for a in answers) == 40
    for answer in told:
        assert answer.json()["type"].endswith(":busy") and answer.headers["Retry-After"]
    assert live.metric("patrol_http_studies_refused_total") == len(told)
    assert live.metric("patrol_http_studies_total") == 40 - len(told)
    assert live.metric("patrol_http_studies ") == 0


def test_without_coverage_the_reason_is_said(database, make_gateway):
    gateway = make_gateway(coverage__profile="horse", **FAST).start()
    answer = send(gateway, {})
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("coverage-not-ready")


# ------------------------------------------------------------------ patrolctl
def ctl(gateway, *words):
    done = subprocess.run([PATROLCTL, "coverage", "what-if", *words, "-g", gateway.url],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_patrolctl(live):
    lat, lon = crossing(0, 1)
    code, out, _ = ctl(live, "--remove", "A1", "--add", f"Extra={lat},{lon}", "--move",
                       f"A2={crossing(6, 2)[0]},{crossing(6, 2)[1]}", "--status",
                       "A2=available", "--slow", "1.5,-60=50%")
    assert code == 1  # nothing to be slowed there
    code, out, err = ctl(live, "--remove", "A1", "--add", f"Extra={lat},{lon}", "--promise",
                         "40", "--promise", "East=15")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert "units that count: 2, then 2" in out
    assert "A1: does not count then (removed)" in out
    assert ["East", "0:15", "1", "100", "0", "0", "0", "0", "0"] in [l[:9] for l in lines]
    gamma, = [line for line in out.splitlines() if line.startswith("Gamma")]
    assert gamma.split() == ["Gamma", "East", "LOST", "1", "A2", "0:50", "0", "A2", "0:50"]
    code, out, _ = ctl(live, "--remove", "A1", "--all", "--json", "--gaps")
    answer = checked(json.loads(out), "WhatIf")
    assert changes(answer) == {"Alpha": "lost"} and answer["gaps"]["features"]
    for words, what in ((["--move", "A1"], "--move"), (["--add", "x"], "LAT,LON"),
                        (["--slow", "Calle=x"], "--slow"),
                        (["--promise", "soon"], "--promise")):
        code, _, err = ctl(live, *words)
        assert code == 2 and what in err
    code, _, err = ctl(live, "--remove", "B9")
    assert code == 1 and "no unit has that call sign" in err
