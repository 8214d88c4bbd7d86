"""Weak points: GET /v1/coverage/weak and patrolctl coverage weak, against closing
each street in turn, by Dijkstra, and counting."""
import json
import os
import subprocess

import jsonschema
import pytest
import requests

from lib_common import BIN, wait_for
from lib_database import crossing
from test_coverage import FAST, add_mission, add_zone, coverage_of, put, town  # noqa: F401
from test_what_if import API, ask, live, node, ways_home  # noqa: F401

PATROLCTL = os.path.join(BIN, "patrolctl")
PATH = "/v1/coverage/weak"
PROMISE_MS = 95000


def weak(gateway, more=""):
    answer = gateway.get(PATH + more)
    jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/WeakPoints",
         "components": API["components"]}).validate(answer)
    return answer


def points(answer, code):
    return [p for p in answer["points"] if p["code"] == code]


def names(point):
    return [m["name"] for m in point["missions"]]


def test_units_and_missions(live):  # noqa: F811
    """Alpha has A1 in time alone, Gamma A2, and Beta both."""
    answer = weak(live)
    assert {m["name"]: (m["in_time"], m["can_fail"]) for m in answer["missions"]} == {
        "Alpha": (1, 0), "Beta": (2, 1), "Gamma": (1, 0)}
    units = points(answer, "unit_fails")
    assert [(u["call_sign"], u["missions_out"], names(u)) for u in units] == [
        ("A1", 1, ["Alpha"]), ("A2", 1, ["Gamma"])]
    assert points(answer, "out_of_cover") == []
    # Gamma's unit has five streets in a row, 50 s, and no other way as short
    streets = points(answer, "street_closed")
    assert [names(s) for s in streets] == [["Gamma"]]
    assert streets[0]["street"]["geometry"]["coordinates"][0][1] == pytest.approx(
        crossing(4, 0)[0], abs=1e-6)
    assert answer["streets_tried"]["is_worst"]
    assert [p["rank"] for p in answer["points"]] == list(range(1, 1 + len(answer["points"])))
    counts = [p["missions_out"] for p in answer["points"]]
    assert counts == sorted(counts, reverse=True)


def test_words_are_in_three_languages(live):  # noqa: F811
    said = {}
    for more, headers in (("?lang=es", {}), ("", {"Accept-Language": "fr-CH, en;q=0.5"}),
                          ("", {"Accept-Language": "de, ja"}),
                          ("?lang=en", {"Accept-Language": "fr"})):
        answer = requests.get(live.url + PATH + more, headers=headers, timeout=30).json()
        unit, = [u for u in points(answer, "unit_fails") if u["call_sign"] == "A1"]
        said.setdefault(answer["language"], set()).add(unit["reason"])
    assert said == {
        "es": {"Si falla la unidad A1, misiones que pierden la cobertura: 1"},
        "fr": {"Si l'unité A1 fait défaut, missions qui perdent leur couverture : 1"},
        "en": {"If unit A1 fails, missions that lose their cover: 1"}}
    for bad, name in (("?lang=de", "lang"), ("?hours=1", "hours"), ("?zone=West", "zone")):
        answer = requests.get(live.url + PATH + bad, timeout=10)
        assert answer.status_code == 400 and answer.json()["parameter"] == name


def test_streets_against_closing_each(town, make_gateway, make_vehicle):  # noqa: F811
    """Streets of 5 to 25 s, six missions, three units at crossings: each of the
    180 streets is closed in turn; what that uncovers, at worst and of those that
    are told, is what Dijkstra counts."""
    try:
        town.query("UPDATE patrol.road_edge SET forward_ms = 5000 + (edge_id * 7919) % 20000,"
                   " backward_ms = 5000 + (edge_id * 104729) % 20000")
        town.query("INSERT INTO patrol.road_network (source, nodes, edges, turns, length_m,"
                   " summary) SELECT source, nodes, edges, turns, length_m, summary"
                   " FROM patrol.road_network ORDER BY network_id DESC LIMIT 1")
        town.query("UPDATE patrol.zone SET promise_s = %s", PROMISE_MS // 1000)
        missions = {"Alpha": (0, 0), "Beta": (2, 0), "Gamma": (9, 0), "Delta": (7, 7),
                    "Epsilon": (1, 8), "Zeta": (4, 5)}
        for name in ("Delta", "Epsilon", "Zeta"):
            add_mission(town, name, crossing(*missions[name]))
        units = {"A1": (1, 1), "A2": (5, 3), "A3": (8, 6)}
        gateway = make_gateway(coverage__position_max_s=3600, **FAST).start()
        for name, place in units.items():
            put(make_vehicle, name, crossing(*place))
        wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 3, why=gateway.log)

        def covered(closed):
            in_time = set()
            for name, place in missions.items():
                home = ways_home(town, node(place), closed, "edge_id")
                if any(home.get(node(at), PROMISE_MS + 1) <= PROMISE_MS
                       for at in units.values()):
                    in_time.add(name)
            return in_time
        before = covered(set())
        edges = {edge: json.loads(line) for edge, line in town.query(
            "SELECT edge_id, ST_AsGeoJSON(geom, 6) FROM patrol.road_edge")}
        lost = {edge: sorted(before - covered({edge})) for edge in edges}
        answer = weak(gateway)
        assert set(names(points(answer, "out_of_cover")[0]) if len(before) < 6 else ()) == \
            set(missions) - before
        streets = points(answer, "street_closed")
        assert streets[0]["missions_out"] == max(map(len, lost.values())) > 0
        assert answer["streets_tried"]["is_worst"]
        for street in streets:
            edge, = [e for e, line in edges.items()
                     if line["coordinates"] == street["street"]["geometry"]["coordinates"]]
            assert sorted(names(street)) == lost[edge]
            assert street["street"]["with"] == []  # all are driven both ways
            # and what-if, asked to close it, says the same
            (lon0, lat0), (lon1, lat1) = edges[edge]["coordinates"]
            then = ask(gateway, closures=[{"lat": (lat0 + lat1) / 2, "lon": (lon0 + lon1) / 2}])
            assert sorted(m["name"] for m in then["missions"] if m["change"] == "lost") == \
                lost[edge]
        tried = answer["streets_tried"]
        if tried["tried"] == tried["candidates"]:
            assert {tuple(sorted(names(s))) for s in streets} == {
                tuple(one) for one in lost.values() if one}
    finally:
        town.add_grid()


def test_hours_of_the_week(live, town):  # noqa: F811
    """A run over past cover: Alpha was out for half of Tuesday's hour 17, and had
    one unit for the rest; Beta always had three. Else the stored snapshots."""
    wait_for(lambda: weak(live)["hours"], why=live.log)
    hours = weak(live)["hours"]
    assert hours["source"] == "snapshots" and hours["time_zone"]
    known = [h for h in hours["missions_out"] if h is not None]
    assert 1 <= len(known) <= 2  # this hour, or the next
    town.query(
        "INSERT INTO patrol.coverage_run (\"from\", \"to\", clock, step_s, network_id, networks,"
        " profile, settings, made_of, read_at, took_s, fixes, units, units_mean, nobody_s)"
        " VALUES ('2026-11-01Z', '2026-11-15Z', 'fix', 0, 1, 1, 'patrol', '{}',"
        " repeat('0', 32), now(), 1, 1, 1, 1, 0)")
    run = town.one("SELECT max(run_id) FROM patrol.coverage_run")
    try:
        for number, seconds in ((1, "{1800,1800,0,0}"), (2, "{0,0,0,3600}")):
            town.query("INSERT INTO patrol.coverage_run_mission (run_id, mission_id, name,"
                       " time_zone, geom, off_road, promise_s) SELECT %s, mission_id, name,"
                       " 'America/Havana', geom, false, 30 FROM patrol.mission"
                       " WHERE mission_id = %s", run, number)
            for hour in (41, 42):
                town.query("INSERT INTO patrol.coverage_run_hour VALUES (%s, %s, %s, %s, 0)",
                           run, number, hour, seconds if hour == 41 else "{0,36,3564,0}")
        answer = weak(live, "?hours=true&lang=en")
        hours = answer["hours"]
        assert (hours["source"], hours["time_zone"]) == ("history", "America/Havana")
        assert hours["from"].startswith("2026-11-01") and hours["to"].startswith("2026-11-15")
        assert [h for h, out in enumerate(hours["missions_out"]) if out is not None] == [41, 42]
        assert hours["missions_out"][41:43] == [0.5, 0]
        assert hours["missions_thin"][41:43] == [1, 0.02]
        point, = points(answer, "worst_hour")
        assert (point["hour"], point["missions_out"], point["missions_thin"]) == (
            "Tue 17:00", 0.5, 1)
        assert point["reason"] == (
            "The worst hour of the week, Tue 17:00: missions out of cover on average: 0.5;"
            " without a unit to spare: 0.5")
        past = {m["name"]: m["past"] for m in answer["missions"]}
        assert (past["Alpha"]["out_share"], past["Alpha"]["worst_hour"],
                past["Alpha"]["worst_share"]) == (0.25, "Tue 17:00", 0.5)
        assert past["Beta"]["worst_hour"] is None and past["Gamma"] is None
        # with 95 % certainty: none; at 18 h two units, of which one may fail
        assert past["Alpha"]["can_fail"][41:43] == [-1, 1]
        assert past["Beta"]["can_fail"][41:43] == [2, 1]
        assert past["Beta"]["can_fail"].count(None) == 166
    finally:
        town.query("DELETE FROM patrol.coverage_run")


def test_nothing_there_has_clear_answers(database, make_gateway):
    gateway = make_gateway(**FAST).start()
    coverage_of(gateway)
    answer = weak(gateway)
    assert points(answer, "unit_fails") == points(answer, "street_closed") == []
    assert answer["missions"] == [] and answer["units_counted"] == 0


def test_patrolctl(live):  # noqa: F811
    def ctl(*words):
        done = subprocess.run([PATROLCTL, "coverage", "weak", *words, "-g", live.url],
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr
    code, out = ctl("--language", "en")
    assert code == 0, out
    assert "If unit A1 fails, missions that lose their cover: 1" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["Alpha", "West", "1", "0"] in [row[:4] for row in rows]
    code, out = ctl("--language", "es")
    assert "Si falla la unidad A1, misiones que pierden la cobertura: 1" in out
    code, out = ctl("--json")
    assert code == 0 and json.loads(out)["points"]
    code, out = ctl("--language", "de")
    assert code == 2 and "en, es or fr" in out
