"""Plans: where units should stand by, by hour of the week and number of units,
and what that would have done in the past. The town is that of test_posts.py, a
grid of streets of 10 s each: what posts cover is counted in streets, and every
choice of posts is tried."""
import itertools

import pytest
import requests

from lib_common import wait_for
from test_http import check
from test_posts import MISSIONS, PLACES, covered, gateway, place  # noqa: F401

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


def test_hours_that_are_alike_are_one_group(gateway, database):  # noqa: F811
    alone = made(gateway, units=[2], candidates=CANDIDATES, each_hour=True)
    assert [(g["name"], g["hours"]) for g in alone["groups"]] == [
        ("Mon 00:00 and 167 more", list(range(168)))]
    assert alone["hours_learned"] == 0
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
