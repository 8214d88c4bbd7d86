"""Plans: where units should stand by, by hour of the week and number of units,
and what that would have done in the past. The town is that of test_posts.py, a
grid of streets of 10 s each: what posts cover is counted in streets, and every
choice of posts is tried."""
import csv
import io
import itertools
import json
import os
import re
import subprocess

import pytest
import requests

from lib_common import wait_for
from lib_database import crossing
from test_history import at, report, text
from test_http import check
from test_posts import MISSIONS, PATROLCTL, PLACES, covered, gateway, place  # noqa: F401

CANDIDATES = [place(p) for p in PLACES]


def make(gateway, **body):  # noqa: F811
    """The plan, however long it takes."""
    def done():
        answer = requests.post(gateway.url + "/v1/coverage/plans", json=body, timeout=30)
        check(answer)
        return answer.status_code not in (202, 503) and [answer]
    return wait_for(done, 240, gateway.log)[0]


def made(gateway, **body):  # noqa: F811
    answer = make(gateway, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(gateway, status, parameter, **body):  # noqa: F811
    answer = make(gateway, **body)
    assert answer.status_code == status, answer.text
    assert answer.json().get("parameter") == parameter


def slow_hours(database, hours):
    """Everything takes twice as long in these."""
    database.query("INSERT INTO patrol.learned_profile VALUES ('patrol', now(), now(), now(),"
                   " 9, 'UTC', 0, 0)")
    database.query("INSERT INTO patrol.learned_hour SELECT 'patrol', h, CASE WHEN h = ANY(%s)"
                   " THEN 2 ELSE 1 END, 0, 0, 0, 0, 0 FROM generate_series(0, 167) h",
                   list(hours))


def chosen(choice):
    """The places of its posts."""
    at = {(round(p["lat"], 5), round(p["lon"], 5)): xy for p, xy in zip(CANDIDATES, PLACES)}
    return [at[round(p["lat"], 5), round(p["lon"], 5)] for p in choice["posts"]]


def best(count, slow, of):
    """Mission hours, on the average, when `slow` of `of` hours take twice as long."""
    return max((slow * len(covered(posts, street_s=20))
                + (of - slow) * len(covered(posts))) / of
               for posts in itertools.combinations(PLACES, count))


def test_posts_of_a_group_hold_most_over_its_hours(gateway, database):  # noqa: F811
    # Monday to Friday from 8 to 10, 10 of 10 hours of "rush", and 5 of 25 of "day"
    slow = [24 * d + h for d in range(5) for h in (8, 9)] + [24 * d + 12 for d in range(5)]
    slow_hours(database, slow)
    try:
        plan = made(gateway, name="Winter", units=[3, 1], candidates=CANDIDATES, groups=[
            {"name": "rush", "days": ["mon", "tue", "wed", "thu", "fri"], "from": 8, "to": 10},
            {"name": "day", "days": ["mon", "tue", "wed", "thu", "fri"], "from": 12, "to": 17},
            {"name": "night", "days": ["sun"], "from": 22, "to": 3}])
    finally:
        database.query("DELETE FROM patrol.learned_profile")
    assert (plan["name"], plan["units"], plan["hours_learned"]) == ("Winter", [1, 3], 40)
    groups = {g["name"]: g for g in plan["groups"]}
    assert groups["rush"]["hours"] == sorted(slow[:10])
    assert groups["night"]["hours"] == [0, 1, 2, 166, 167]  # Sunday, and on into Monday
    for name, slow_ones in (("rush", 10), ("day", 5), ("night", 0)):
        hours = len(groups[name]["hours"])
        for choice in groups[name]["choices"]:
            posts = chosen(choice)
            assert len(posts) <= choice["units"]
            mean = (slow_ones * len(covered(posts, street_s=20))
                    + (hours - slow_ones) * len(covered(posts))) / hours
            assert choice["missions"] == choice["weight"] == pytest.approx(mean)
            assert mean == pytest.approx(best(choice["units"], slow_ones, hours))
            assert choice["proved"] and choice["best_share"] == 1
            assert choice["missions_of"] == len(MISSIONS)
            assert sum(p["adds"] for p in choice["posts"]) == pytest.approx(mean, abs=0.01)


def test_hours_that_are_alike_are_one_group(gateway):  # noqa: F811
    alone = made(gateway, units=[2], candidates=CANDIDATES, each_hour=True)
    assert [(g["name"], g["hours"]) for g in alone["groups"]] == [
        ("Mon 00:00 and 167 more", list(range(168)))]
    assert alone["hours_learned"] == 0


@pytest.mark.skipif("PATROL_FULL" not in os.environ,
                    reason="reads the times of 168 hours: tests/run --full")
def test_hours_that_were_learned_alike_are_one_group(gateway, database):  # noqa: F811
    slow_hours(database, [41, 42])
    try:
        plan = made(gateway, units=[2, 3], candidates=CANDIDATES, each_hour=True)
    finally:
        database.query("DELETE FROM patrol.learned_profile")
    assert [g["name"] for g in plan["groups"]] == ["Mon 00:00 and 165 more",
                                                   "Tue 17:00 and 1 more"]
    assert plan["groups"][1]["hours"] == [41, 42] and plan["hours_learned"] == 168
    for group, street_s in zip(plan["groups"], (10, 20)):
        for choice in group["choices"]:
            assert choice["missions"] == len(covered(chosen(choice), street_s=street_s)) == max(
                len(covered(posts, street_s=street_s))
                for posts in itertools.combinations(PLACES, choice["units"]))


def test_plans_are_kept_listed_and_removed(gateway, database):  # noqa: F811
    plan = made(gateway, units=[1, 2], keep=[CANDIDATES[0]], candidates=CANDIDATES, fold=1)
    assert plan["group_count"] == len(plan["groups"]) == 6
    assert sorted(h for g in plan["groups"] for h in g["hours"]) == list(range(168))
    assert plan["settings"]["fold"] == 1 and plan["settings"]["limit_s"] == 5
    assert all(c["posts"][0]["kept"] for g in plan["groups"] for c in g["choices"])
    url = f"{gateway.url}/v1/coverage/plans"
    assert check(requests.get(f"{url}/{plan['plan_id']}", timeout=20)) == plan
    other = made(gateway, name="Other", units=[1], candidates=CANDIDATES)
    listed = check(requests.get(url, timeout=20))["plans"]
    assert [p["plan_id"] for p in listed] == [other["plan_id"], plan["plan_id"]]
    assert listed[0] == {k: v for k, v in other.items() if k != "groups"}
    assert check(requests.delete(f"{url}/{other['plan_id']}", timeout=20)) == {
        "plan_id": other["plan_id"]}
    assert database.one("SELECT count(*) FROM patrol.coverage_plan_post WHERE plan_id = %s",
                        other["plan_id"]) == 0
    for path in (f"/{other['plan_id']}", "/0", "/x"):
        gone = requests.get(url + path, timeout=20)
        assert gone.status_code == 404
        assert check(gone)["type"] == "urn:patrol:problem:no-such-plan"
    assert requests.delete(f"{url}/{other['plan_id']}", timeout=20).status_code == 404


def test_what_is_wrong_with_a_wish_is_said(gateway):  # noqa: F811
    refused(gateway, 400, "units")
    refused(gateway, 400, "units", units=[])
    refused(gateway, 400, "units", units=[1, 1])
    refused(gateway, 400, "units", units=[101])
    refused(gateway, 400, "posts", units=[1], posts=3)
    refused(gateway, 400, "at", units=[1], at="Mon 08:00")
    refused(gateway, 400, "keep", units=[1, 3], keep=CANDIDATES[:2])
    refused(gateway, 400, "profile", units=[1], profile="horse")
    refused(gateway, 400, "each_hour", units=[1], each_hour=True,
            groups=[{"name": "a", "from": 0, "to": 24}])
    refused(gateway, 400, "groups[0].from", units=[1], groups=[{"name": "a", "to": 24}])
    refused(gateway, 400, "groups[0].days", units=[1],
            groups=[{"name": "a", "from": 0, "to": 24, "days": ["lunes"]}])
    refused(gateway, 400, "groups[1]", units=[1], groups=[
        {"name": "a", "from": 22, "to": 6}, {"name": "b", "from": 5, "to": 7}])
    refused(gateway, 422, None, units=[1], candidates=[{"lat": 24.9, "lon": -82.4}])


# ------------------------------------------------------------------- replayed
IN_FORCE = [(1, 0), (8, 7)]
NEAR_M = 50  # streets are 100 m long
STEP_S = 300
# from minute, to minute, call sign, where: a report every four minutes
STOOD = [(10, 42, "A1", (1, 0)), (20, 30, "A2", (3, 3))]


def units_at(minute):
    """Where those stand who count: positions are believed for five minutes, A1's
    last is of 00:38; A2 goes off duty at 00:30."""
    return ([(1, 0)] if 10 <= minute < 43 else []) + ([(3, 3)] if 20 <= minute < 30 else [])


@pytest.fixture
def past(gateway, database):  # noqa: F811
    for call_sign in ("A1", "A2"):
        database.add_unit(call_sign)
    for first, last, call_sign, where in STOOD:
        for minute in range(first, last, 4):
            report(database, call_sign, at(minute), crossing(*where))
    report(database, "A2", at(30), crossing(3, 3), status="off_duty")
    for x, y in IN_FORCE:
        lat, lon = crossing(x, y)
        database.query("INSERT INTO patrol.post (name, geom) VALUES (%s,"
                       " ST_SetSRID(ST_MakePoint(%s, %s), 4326))", f"Post {x}-{y}", lon, lat)
    wait_for(lambda: len(gateway.get("/v1/posts")["posts"]) == 2
             and len(gateway.get("/v1/units")["units"]) == 2, why=gateway.log)
    return gateway


def replay(gateway, plan, start, end, **more):  # noqa: F811
    def done():
        answer = requests.get(
            f"{gateway.url}/v1/coverage/plans/{plan}/replay",
            {"from": text(start), "to": text(end), **more}, timeout=30)
        check(answer)
        return answer.status_code not in (202, 503) and [answer]
    return wait_for(done, 120, gateway.log)[0]


def side(looks):
    """Its figures, of (manned posts, those that somebody stands at) of each look."""
    units = sum(len(posts) for posts, _ in looks)
    stood = sum(n for _, n in looks)
    return {"out_s": STEP_S * sum(len(MISSIONS) - len(covered(posts)) for posts, _ in looks),
            "unit_s": STEP_S * units, "stood_s": STEP_S * stood,
            "stood_share": pytest.approx(stood / units, abs=1e-4)}


def test_the_past_is_judged_on_three_sides(past):
    plan = made(past, units=[1, 2], candidates=CANDIDATES,
                groups=[{"name": "first", "days": ["mon"], "from": 0, "to": 1}])
    choices = {c["units"]: chosen(c) for c in plan["groups"][0]["choices"]}
    answer = replay(past, plan["plan_id"], at(0), at(120), near_m=NEAR_M)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    # of the second hour there is no plan
    assert (told["looks"], told["unplanned_looks"]) == (12, 12)
    assert told["posts_in_force"] == 2 and told["time_zone"] == "UTC"
    there = [units_at(minute) for minute in range(0, 60, 5)]
    assert told["units_mean"] == round(sum(map(len, there)) / 12, 2)
    # one of two posts in force: that which holds more missions
    assert len(covered([(1, 0)])) > len(covered([(8, 7)]))
    planned = [choices.get(len(units), []) for units in there]
    in_force = [IN_FORCE[:len(units)] for units in there]
    sides = {
        "real": {**side([(units, 0) for units in there]), "stood_s": None, "stood_share": None},
        "plan": side([(p, len(set(p) & set(u))) for p, u in zip(planned, there)]),
        "posts": side([(p, len(set(p) & set(u))) for p, u in zip(in_force, there)])}
    assert told["sides"] == sides
    assert sides["posts"]["stood_s"] == 7 * STEP_S  # by A1 at five looks, then two
    assert told["avoided"] == {
        "beside_real_s": sides["real"]["out_s"] - sides["plan"]["out_s"],
        "beside_posts_s": sides["posts"]["out_s"] - sides["plan"]["out_s"]}
    assert told["avoided"]["beside_real_s"] > 0
    assert [(h["hour"], h["looks"], h["sides"]) for h in told["hours"]] == [(0, 12, sides)]
    missions = {m["name"]: m for m in told["missions"]}
    for x, y in MISSIONS:
        for key, manned in (("real_out_s", there), ("plan_out_s", planned),
                            ("posts_out_s", in_force)):
            assert missions[f"m {x} {y}"][key] == STEP_S * sum(
                (x, y) not in covered(posts) for posts in manned), (x, y, key)
    posts = {p["name"]: p for p in told["posts"] if p["group"] is None}
    assert (posts["Post 1-0"]["unit_s"], posts["Post 1-0"]["stood_s"]) == (7 * STEP_S,) * 2
    assert (posts["Post 8-7"]["unit_s"], posts["Post 8-7"]["stood_s"]) == (2 * STEP_S, 0)
    assert sum(p["unit_s"] for p in told["posts"] if p["group"] == "first") == (
        sides["plan"]["unit_s"])


def test_what_cannot_be_replayed_is_said(past):
    assert replay(past, 70000, at(0), at(60)).status_code == 404
    for more in ({"near_m": 9}, {"step": 0}, {"step": 90}, {"clock": "wall"}):
        assert replay(past, 70000, at(0), at(60), **more).status_code == 400
    assert replay(past, 70000, at(60), at(0)).status_code == 400
    plan = made(past, units=[2], candidates=CANDIDATES)
    # one unit is fewer than the least number; without any all are out of cover
    told = replay(past, plan["plan_id"], at(0), at(60), step=600).json()
    assert (told["looks"], told["unplanned_looks"]) == (3, 3)
    assert told["sides"]["plan"]["unit_s"] == 2 * 600


# ------------------------------------------------------------------ patrolctl
def ctl(gateway, *words, expect=0):  # noqa: F811
    told = subprocess.run([PATROLCTL, "coverage", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=240,
                          env={**os.environ, "PATROL_GATEWAY": gateway.url})
    assert told.returncode == expect, told.stderr
    return told.stdout if expect == 0 else told.stderr


def test_from_a_terminal(past, tmp_path):
    places = tmp_path / "places.csv"
    places.write_text("name,lat,lon\n" + "".join(
        f"P {x}-{y},{p['lat']},{p['lon']}\n" for (x, y), p in zip(PLACES, CANDIDATES)))
    assert "there are no plans" in ctl(past, "plans")
    assert "there are no plans" in ctl(past, "replay", expect=1)
    told = ctl(past, "plan", "--units", "1-2", "--candidates", str(places), "--name", "Winter",
               "--group", "first=mon:0-1", "--group", "rest=tue-thu,sat:22-6")
    one, two = (max(len(covered(posts)) for posts in itertools.combinations(PLACES, n))
                for n in (1, 2))
    assert "Winter (times learned for 0 hours)" in told and "the best possible" in told
    assert f"{one}.0 of 10" in told and f"{two}.0 of 10" in told
    number = re.match(r"plan (\d+): ", told)[1]
    plan = json.loads(ctl(past, "plans", number, "--json"))
    assert plan["groups"][1]["hours"] == sorted(
        (24 * d + h) % 168 for d in (1, 2, 3, 5) for h in (22, 23, 24, 25, 26, 27, 28, 29))
    rows = list(csv.DictReader(io.StringIO(ctl(past, "plans", number, "--csv"))))
    assert [(r["group"], r["units"], r["post"]) for r in rows] == [
        (g, str(n), str(p + 1)) for g in ("first", "rest") for n in (1, 2) for p in range(n)]
    assert "Winter" in ctl(past, "plans")
    span = ("--from", text(at(0)), "--to", text(at(60)))
    answer = json.loads(ctl(past, "replay", number, *span, "--json"))
    told = ctl(past, "replay", *span)  # the newest
    minutes = {name: round(one["out_s"] / 60) for name, one in answer["sides"].items()}
    for row, name in (("as it was", "real"), ("the plan", "plan"), ("posts in force", "posts")):
        assert re.search(rf"^{row} +{minutes[name]} ", told, re.M), told
    assert (f"avoided by the plan: {minutes['real'] - minutes['plan']} beside what was, "
            f"{minutes['posts'] - minutes['plan']} beside the posts in force") in told
    rows = list(csv.DictReader(io.StringIO(ctl(past, "replay", number, *span, "--csv"))))
    assert len(rows) == len(MISSIONS)
    assert sum(float(r["plan_out_s"]) for r in rows) == answer["sides"]["plan"]["out_s"]
    assert "no plan of that number" in ctl(past, "plans", "70000", expect=1)
    assert "the plan was removed" in ctl(past, "plans", number, "--remove")
    for words in (("plan",), ("plan", "--units", "x"), ("plan", "--units", "3-2"),
                  ("plan", "--units", "1", "--group", "night"),
                  ("plan", "--units", "1", "--group", "a=mon-xxx:1-2"), ("plans", "--csv"),
                  ("plan", "--units", "1-50")):
        assert ctl(past, *words, expect=2)
