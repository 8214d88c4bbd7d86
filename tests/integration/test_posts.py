"""Where units stand by, and where they had better stand, from the running
gateway. The town is a grid of streets of 10 s each: what a post covers is
counted here in streets, and every choice of posts is tried."""
import itertools
import json
import os
import subprocess

import pytest

from lib_common import BIN, wait_for
from lib_database import crossing
from test_coverage import FAST, add_mission, add_zone, put
from test_http import check

PATROLCTL = os.path.join(BIN, "patrolctl")
# crossings: missions, and where a unit may stand
MISSIONS = [(0, 0), (1, 1), (2, 0), (2, 6), (4, 4), (5, 5), (6, 0), (7, 2), (8, 8), (9, 9)]
PLACES = [(1, 0), (3, 3), (5, 4), (7, 1), (8, 7), (9, 5)]
PROMISE_S = {"West": 30, "East": 50}


def zone_of(at):
    return "West" if at[0] <= 4 else "East"


def covers(post, mission, turnout_s=0, street_s=10):
    streets = abs(post[0] - mission[0]) + abs(post[1] - mission[1])
    return street_s * streets + turnout_s <= PROMISE_S[zone_of(mission)]


def covered(posts, fold=1, turnout_s=0, street_s=10):
    return [m for m in MISSIONS
            if sum(covers(p, m, turnout_s, street_s) for p in posts) >= fold]


def best(count, kept=(), fold=1):
    return max(len(covered(list(kept) + list(more), fold))
               for more in itertools.combinations(PLACES, count - len(kept)))


def place(at):
    lat, lon = crossing(*at)
    return {"lat": lat, "lon": lon}


@pytest.fixture
def gateway(database, make_gateway):
    add_zone(database, "West", (0, 0), (4, 9), 30)
    add_zone(database, "East", (5, 0), (9, 9), 50)
    for at in MISSIONS:
        add_mission(database, f"m {at[0]} {at[1]}", crossing(*at))
    gateway = make_gateway(coverage__turnout_s=0, **FAST).start()
    wait_for(lambda: gateway.status("/v1/coverage") == 200, 20, gateway.log)
    return gateway


def ask(gateway, **body):
    return gateway.http.post(gateway.url + "/v1/coverage/posts", json=body, timeout=60)


def found(gateway, **body):
    answer = ask(gateway, **body)
    assert answer.status_code == 200, answer.text
    return check(answer)


def refused(gateway, status, parameter, **body):
    answer = ask(gateway, **body)
    assert answer.status_code == status, answer.text
    assert check(answer).get("parameter") == parameter


@pytest.mark.parametrize("count, fold", [(1, 1), (2, 1), (3, 1), (3, 2)])
def test_given_candidates_are_chosen_best(gateway, count, fold):
    answer = found(gateway, posts=count, fold=fold, candidates=[place(p) for p in PLACES])
    chosen = [PLACES[p["candidate"]] for p in answer["posts"]]
    assert len(chosen) <= count
    assert answer["covered"]["missions"] == len(covered(chosen, fold)) == best(count, fold=fold)
    assert answer["covered"]["missions_of"] == len(MISSIONS)
    assert answer["best"]["proved"] and answer["best"]["share"] == 1
    assert {m["name"] for m in answer["missed"]} == {
        f"m {x} {y}" for x, y in MISSIONS} - {f"m {x} {y}" for x, y in covered(chosen, fold)}
    assert sum(p["adds"] for p in answer["posts"]) == answer["covered"]["weight"]
    for i, post in enumerate(answer["posts"]):
        others = chosen[:i] + chosen[i + 1:]
        assert post["holds"] == len(covered(chosen, fold)) - len(covered(others, fold))


def test_kept_ones_stay_and_turnout_counts(gateway):
    candidates = [place(p) for p in PLACES]
    answer = found(gateway, posts=2, keep=[place((9, 0))], candidates=candidates)
    assert [p["kept"] for p in answer["posts"]] == [True, False]
    assert answer["covered"]["missions"] == best(2, kept=[(9, 0)])
    answer = found(gateway, posts=1, turnout_s=20, candidates=candidates)
    assert answer["covered"]["missions"] == max(
        len(covered([p], turnout_s=20)) for p in PLACES)
    assert answer["turnout_s"] == 20


def test_weights_zones_and_points(gateway):
    candidates = [place(p) for p in PLACES]
    ids = {m["name"]: m["mission_id"] for m in gateway.get("/v1/missions")["missions"]}
    answer = found(gateway, posts=1, candidates=candidates,
                   weights={"mission": 1, "missions": [{"mission_id": ids["m 2 6"],
                                                        "weight": 50}]})
    assert not any(covers(p, (2, 6)) for p in PLACES if p != (3, 3))
    assert not covers((3, 3), (2, 6))  # 40 s of 30: nobody reaches it
    assert answer["covered"]["weight"] == best(1)
    answer = found(gateway, posts=1, candidates=candidates, zone="west")
    assert answer["covered"]["missions_of"] == sum(zone_of(m) == "West" for m in MISSIONS)
    assert answer["covered"]["missions"] == max(
        sum(zone_of(m) == "West" for m in covered([p])) for p in PLACES)
    answer = found(gateway, posts=1, candidates=candidates, weights={"mission": 0},
                   points=[{**place(m), "weight": 2} for m in MISSIONS])
    assert answer["covered"]["points"] == best(1)
    assert answer["covered"]["weight"] == 2 * best(1)


def test_another_hour_drives_by_its_learned_times(gateway, database):
    def most(street_s):
        return max(len(covered(posts, street_s=street_s))
                   for posts in itertools.combinations(PLACES, 2))
    wish = {"posts": 2, "candidates": [place(p) for p in PLACES]}
    answer = found(gateway, at="Tue 17:00", profile="patrol", **wish)
    assert (answer["at"], answer["hour_learned"]) == ("Tue 17:00", False)
    assert answer["covered"]["missions"] == most(10)
    # on Tuesday from 17 to 18 h everything takes twice as long: 1 * 24 + 17
    database.query("INSERT INTO patrol.learned_profile VALUES ('patrol', now(), now(), now(),"
                   " 9, 'UTC', 0, 0)")
    database.query("INSERT INTO patrol.learned_hour SELECT 'patrol', h, CASE h WHEN 41 THEN 2"
                   " ELSE 1 END, 0, 0, 0, 0, 0 FROM generate_series(0, 167) h")
    try:
        answer = found(gateway, at="tue 17:30", **wish)
        assert (answer["at"], answer["hour_learned"]) == ("Tue 17:00", True)
        assert answer["covered"]["missions"] == most(20) < most(10)
        answer = found(gateway, at="Tue 18:00", **wish)
        assert answer["covered"]["missions"] == most(10)
    finally:
        database.query("DELETE FROM patrol.learned_profile")
    answer = found(gateway, **wish)
    assert (answer["at"], answer["hour_learned"], answer["profile"]) == (None, None, "patrol")


def test_any_street_is_at_least_as_good(gateway):
    """Pieces of street stand for all of them: within 60 m of every street."""
    answer = found(gateway, posts=4, spacing_m=60, weights={"street_km": 0.5})
    assert answer["candidates"]["spacing_m"] == 60
    assert answer["candidates"]["count"] > 100
    assert answer["covered"]["streets_m"] > 0
    assert all(p["street"] is None or isinstance(p["street"], str) for p in answer["posts"])
    only = found(gateway, posts=4, spacing_m=60)
    assert only["covered"]["missions"] >= best(4) - 1
    assert only["best"]["words"].endswith("of the streets looked at")


def test_posts_are_imported_listed_and_chosen_from(gateway, database, tmp_path):
    csv = tmp_path / "posts.csv"
    csv.write_text("name,lat,lon,ref\n" + "".join(
        f"Post {x}-{y},{crossing(x, y)[0]},{crossing(x, y)[1]},{x}{y}\n" for x, y in PLACES))

    def run(*words):
        return subprocess.run(
            [PATROLCTL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, env={**os.environ, "PATROL_GATEWAY": gateway.url,
                             "PATROL_DATABASE": database.url})
    assert run("posts", "import", str(csv)).stdout == (
        "6 posts: 6 new, 0 brought up to date; 0 refused\n")
    assert run("posts", "import", str(csv)).stdout == (
        "6 posts: 0 new, 6 brought up to date; 0 refused\n")
    posts = wait_for(lambda: (p := gateway.get("/v1/posts")["posts"]) and len(p) == 6 and p,
                     why=gateway.log)
    assert [(p["name"], p["ref"], p["zone"]) for p in posts][0] == ("Post 1-0", "10", "West")
    assert "Post 5-4" in run("posts").stdout
    check(gateway.http.get(gateway.url + "/v1/posts", timeout=20))
    # the time tables of the new catalog are made on the side
    wait_for(lambda: ask(gateway, posts=1, candidates="posts").status_code == 200, 20)
    answer = found(gateway, posts=2, candidates="posts", keep=[{"post_id": posts[0]["post_id"]}])
    assert answer["posts"][0]["name"] == "Post 1-0" and answer["posts"][0]["kept"]
    assert answer["posts"][1]["name"].startswith("Post ")
    told = run("coverage", "posts", "-k", "2", "--candidates", "posts")
    assert told.returncode == 0, told.stderr
    assert f"in cover: {best(2)} of 10 missions; the best possible" in told.stdout
    told = run("coverage", "posts", "-k", "2", "--candidates", str(csv), "--json")
    assert json.loads(told.stdout)["covered"]["missions"] == best(2)


def test_what_is_wrong_is_said(gateway):
    refused(gateway, 400, "posts")
    refused(gateway, 400, "posts", posts=0)
    refused(gateway, 400, "fold", posts=1, fold=4)
    refused(gateway, 400, "keep", posts=1, keep=[place((0, 0)), place((1, 1))])
    refused(gateway, 400, "keep[0].post_id", posts=1, keep=[{"post_id": 77}])
    refused(gateway, 400, "keep[0].post_id", posts=1, keep=[{"post_id": "a"}])
    refused(gateway, 400, "candidates", posts=1, candidates="anything")
    refused(gateway, 400, "candidates", posts=1, candidates="posts")
    refused(gateway, 400, "candidates", posts=1, candidates=[])
    refused(gateway, 400, "spacing_m", posts=1, spacing_m=5)
    refused(gateway, 400, "zone", posts=1, zone="North")
    refused(gateway, 400, "profile", posts=1, profile="horse")
    refused(gateway, 400, "at", posts=1, at="tomorrow")
    refused(gateway, 400, "street_km", posts=1, weights={"street_km": -1})
    refused(gateway, 400, "points[0].lat", posts=1, points=[{"weight": 1}])
    refused(gateway, 422, None, posts=1, candidates=[{"lat": 24.9, "lon": -82.4}])
    answer = gateway.http.post(gateway.url + "/v1/coverage/posts", data="{}", timeout=20,
                               headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


# ---------------------------------------------------------------------- moves
def unit_at(database, make_vehicle, call_sign, at, status="available"):
    database.add_unit(call_sign)
    put(make_vehicle, call_sign, crossing(*at), status=status)


def fewest_moves(units, posts, most):
    """Sets of (unit, post), all of the least number that restore all missions
    that a post has in time, when those that are in cover stay so with only the
    units that stay, as it is here: streets lead apart."""
    lacking = [m for m in MISSIONS if not any(covers(u, m) for u in units.values())
               and any(covers(p, m) for p in posts)]
    kept = [m for m in MISSIONS if any(covers(u, m) for u in units.values())]
    for count in range(1, most + 1):
        sets = []
        for names in itertools.combinations(units, count):
            for goals in itertools.product(posts, repeat=count):
                stay = [at for name, at in units.items() if name not in names]
                if all(any(covers(u, m) for u in stay) for m in kept) and all(
                        any(covers(p, m) for p in stay + list(goals)) for m in lacking):
                    sets.append(set(zip(names, goals)))
        if sets:
            return sets
    return []


def moves_of(gateway, more=""):
    return check(gateway.http.get(f"{gateway.url}/v1/coverage/moves{more}", timeout=60))


def test_the_fewest_moves_restore_cover(gateway, database, make_vehicle):
    units = {"A1": (1, 0), "A2": (1, 1), "A3": (2, 1), "A4": (8, 8)}
    posts = [(5, 4), (7, 1), (2, 5), (9, 0)]
    for name, at in units.items():
        unit_at(database, make_vehicle, name, at)
    for x, y in posts:
        lat, lon = crossing(x, y)
        database.query("INSERT INTO patrol.post (name, geom) VALUES (%s,"
                       " ST_SetSRID(ST_MakePoint(%s, %s), 4326))", f"Post {x}-{y}", lon, lat)
    wait_for(lambda: len(gateway.get("/v1/posts")["posts"]) == 4)
    wait_for(lambda: gateway.get("/v1/coverage")["units"]["counted"] == 4
             and not gateway.get("/v1/coverage")["renewing"])
    answer = wait_for(lambda: (a := moves_of(gateway, "?places=posts"))
                      and a["moves"] and a, why=gateway.log)
    sets = fewest_moves(units, posts, 3)
    assert answer["complete"] and not answer["stopped"]
    moved = {(m["call_sign"], tuple(int(c) for c in m["name"][5:].split("-")))
             for m in answer["moves"]}
    assert moved in sets
    for unit, post in moved:
        streets = abs(units[unit][0] - post[0]) + abs(units[unit][1] - post[1])
        assert [m["arrive_s"] for m in answer["moves"] if m["call_sign"] == unit] == [10 * streets]
    done = [at for name, at in units.items() if name not in dict(moved)] + [
        p for _, p in moved]
    assert {m["name"] for m in answer["remaining"]} == {
        f"m {x} {y}" for x, y in MISSIONS} - {f"m {x} {y}" for x, y in covered(done)}
    told = subprocess.run([PATROLCTL, "coverage", "moves"], stdout=subprocess.PIPE, text=True,
                          timeout=60, env={**os.environ, "PATROL_GATEWAY": gateway.url})
    assert told.returncode == 0 and "back in cover: " in told.stdout
    assert gateway.status("/v1/coverage/moves?most=6") == 400
    assert gateway.status("/v1/coverage/moves?places=parks") == 400
    streets = moves_of(gateway, "?places=streets")
    assert streets["places"] == "streets" and len(streets["moves"]) <= 3


def test_nobody_to_move(gateway):
    answer = moves_of(gateway)
    assert answer["moves"] == [] and answer["lacking"] == len(MISSIONS)
    assert answer["remaining_count"] == len(MISSIONS)
    assert answer["words"].startswith("no move helps")
    assert gateway.status("/v1/coverage/moves?places=posts") == 400
