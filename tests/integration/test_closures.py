"""Streets closed and slowed on the drawn town: what answers make of it and how
soon, on every gateway; over a new map; and what strangers send."""
import datetime
import json
import os
import subprocess
import time
import xml.etree.ElementTree as xml

import jsonschema
import pytest
import requests
import yaml

from lib_common import BIN, TOP, wait_for
from lib_vehicle import entry

PATROLCTL = os.path.join(BIN, "patrolctl")
# tests/town/make: corner(column, row), calles A.. from the west, avenidas 1..
# from the south. Two avenidas cross the river, 3 and 7, from Calle G to Calle H.
BRIDGE = "Avenida 3 between Calle G and Calle H"
WITHIN_S = 5


def town_file(place):
    subprocess.run([os.path.join(TOP, "tests/town/make"), place], check=True)
    return os.path.join(place, "town.osm")


def corner(tree, column, row):
    number = str(1000 + 100 * row + column)
    node = tree.find(f"node[@id='{number}']")
    return float(node.get("lat")), float(node.get("lon"))


def import_town(database, path):
    subprocess.run([PATROLCTL, "roads", "import", path, "-d", database.url],
                   check=True, stdout=subprocess.PIPE)
    return database.one("SELECT max(network_id) FROM patrol.road_network")


def iso(seconds_ahead):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
        seconds=seconds_ahead)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Schema:
    def __init__(self):
        with open(os.path.join(TOP, "schema/openapi.yaml"), encoding="utf-8") as source:
            self.api = yaml.safe_load(source)

    def check(self, value, name):
        jsonschema.Draft202012Validator(
            {"$ref": f"#/components/schemas/{name}",
             "components": self.api["components"]}).validate(value)
        return value


class Town:
    """The town in the database, a unit on each bank, and a gateway."""

    def __init__(self, place, database, make_gateway, make_vehicle):
        self.path = town_file(place)
        self.tree = xml.parse(self.path).getroot()
        self.database = database
        import_town(database, self.path)
        self.west, self.east = corner(self.tree, 5, 2), corner(self.tree, 12, 2)
        self.goal = corner(self.tree, 8, 2)
        self.schema = Schema()
        for name in ("west", "east"):
            database.add_unit(name)
        self.gateway = make_gateway(fleet__silent_factor=10).start()
        for name in ("west", "east"):
            vehicle = make_vehicle(name)
            vehicle.send(entry(1, getattr(self, name)))
            vehicle.wait_stored(1)
        wait_for(lambda: self.order() == ["west", "east"], 20, self.gateway.log)

    def nearest(self, gateway=None):
        return (gateway or self.gateway).nearest(self.goal)

    def order(self, gateway=None):
        return [unit["call_sign"] for unit in self.nearest(gateway)["units"]]

    def post(self, gateway=None, **body):
        gateway = gateway or self.gateway
        return gateway.http.post(gateway.url + "/v1/closures", json=body, timeout=20)

    def close(self, street=BRIDGE, **body):
        answer = self.post(street=street, **body)
        assert answer.status_code == 201, answer.text + self.gateway.log()[-3000:]
        closure = self.schema.check(answer.json(), "Closure")
        assert answer.headers["Location"] == f"/v1/closures/{closure['id']}"
        return closure

    def reopen(self, number):
        gateway = self.gateway
        return gateway.http.delete(f"{gateway.url}/v1/closures/{number}", timeout=20)

    def closures(self, gateway=None):
        answer = (gateway or self.gateway).get("/v1/closures")
        self.schema.check(answer, "Closures")
        return {one["id"]: one for one in answer["features"]}

    def ctl(self, *words, expect=0):
        done = subprocess.run([PATROLCTL, *words], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "PATROL_GATEWAY": self.gateway.url,
                                   "TZ": "America/Havana"})
        assert done.returncode == expect, (words, done.stdout, done.stderr)
        return done.stdout if expect == 0 else done.stderr


@pytest.fixture
def town(place, database, make_gateway, make_vehicle):
    yield Town(place, database, make_gateway, make_vehicle)
    database.add_grid()


def test_a_corner_as_people_say_it(town):
    """Of the drawn town's file; the same ranking as for its coordinates."""
    lat, lon = corner(town.tree, 6, 2)  # Calle G, Avenida 3
    for typed in ("Avenida 3 y G", "calle g et AVENIDA 3", "avendia 3 & Calle G"):
        answer = town.gateway.http.get(town.gateway.url + "/v1/places",
                                       params={"q": typed}, timeout=10).json()
        [place] = town.schema.check(answer, "Places")["places"]
        assert {place["street"], place["cross_street"]} == {"Avenida 3", "Calle G"}
        assert place["best"]
        assert (place["lat"], place["lon"]) == pytest.approx((lat, lon), abs=2e-6)

    def names(*words):
        told = json.loads(town.ctl("nearest", *words, "--json"))
        return [unit["call_sign"] for unit in told["units"]]

    assert names("Avenida 3 y G") == names(f"{lat},{lon}") == ["west", "east"]
    assert "nor a street corner" in town.ctl("nearest", "Avenida 3 y Z", expect=1)



def problem(answer, status, kind):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:patrol:problem:{kind}", answer.text
    return answer.json()


# -------------------------------------------------------------------- the show
def test_a_closed_bridge_changes_the_ranking_until_its_time(town, make_gateway):
    # it hears no vehicle, but what the database told it at its start
    second = make_gateway(broker__list="127.0.0.1:1").start(ready=False)
    wait_for(lambda: second.status("/v1/nearest?lat=20&lon=-85") == 200, 20, second.log)
    wait_for(lambda: town.order(second) == ["west", "east"], 20, second.log)
    before = town.nearest()
    assert before["closures"] == []
    assert [unit["closures"] for unit in before["units"]] == [[], []]

    until = time.time() + 8
    closed = town.close(reason="pilar dañado", who="sala", until=iso(8))
    number = closed["id"]
    properties = closed["properties"]
    assert properties["street"] == "Avenida 3 (Calle G - Calle H)"
    assert (properties["kind"], properties["direction"]) == ("closed", "both")
    assert (properties["pieces"], properties["edges"]) == (1, 1)
    assert properties["lost"] == [] and properties["lost_m"] == 0
    assert properties["in_force"] is True

    # The answer to POST waited: here it counts at once, and soon everywhere.
    after = town.nearest()
    assert [unit["call_sign"] for unit in after["units"]] == ["east", "west"]
    assert [one["closure_id"] for one in after["closures"]] == [number]
    assert after["closures"][0]["reason"] == "pilar dañado"
    # who comes by another way anyway has nothing to go around
    assert [unit["closures"] for unit in after["units"]] == [[], [number]]
    assert after["units"][0]["eta_s"] == before["units"][1]["eta_s"]
    assert after["units"][1]["eta_s"] > before["units"][1]["eta_s"]
    wait_for(lambda: town.order(second) == ["east", "west"], WITHIN_S, second.log)
    assert set(town.closures(second)) == {number}

    # by the one other bridge
    way = town.gateway.get(f"/v1/route?unit=west&lat={town.goal[0]}&lon={town.goal[1]}")
    assert [one["closure_id"] for one in way["closures"]] == [number]
    assert "Avenida 7" in [leg["street"] for leg in way["legs"]]
    # where nobody would cross the river it changes nothing
    there = town.gateway.nearest(town.west)
    assert there["units"][0]["closures"] == [] == there["units"][0]["closures"]

    # Only then is it open again, and by itself.
    wait_for(lambda: time.time() >= until or town.order() == ["west", "east"], 20)
    assert time.time() >= until
    for gateway in (town.gateway, second):
        wait_for(lambda one=gateway: town.order(one) == ["west", "east"], WITHIN_S,
                 gateway.log)
    assert town.nearest()["closures"] == [] and town.closures() == {}


def test_opened_again_slowed_one_way_and_to_come(town):
    def eta(call_sign):
        return next(unit["eta_s"] for unit in town.nearest()["units"]
                    if unit["call_sign"] == call_sign)

    usual = eta("west")
    # against the unit's way: nothing changes for it
    other = town.close(direction="backward")["id"]
    assert eta("west") == usual
    same = town.close(direction="forward")["id"]
    assert eta("west") > usual
    for number in (other, same):
        answer = town.reopen(number)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"closure_id": number, "removed": True}
    assert eta("west") == usual
    problem(town.reopen(same), 404, "no-such-closure")

    # The bridge's piece of street in half the speed, and in 2 m/s: its length is
    # that of its edge, the time that of the first profile.
    length_m, ms = town.database.query(
        "SELECT length_m, forward_ms FROM patrol.road_edge JOIN patrol.road_node n"
        " ON n.node_id = source WHERE source = 1206 AND target = 1207")[0]
    half = town.close(kind="slowed", factor=0.5)["id"]
    assert eta("west") == pytest.approx(usual + ms / 1000, abs=0.002)
    named = town.nearest()
    assert [unit["closures"] for unit in named["units"]
            if unit["call_sign"] == "west"] == [[half]]
    town.reopen(half)
    walk = town.close(speed_mps=2)["id"]
    assert town.closures()[walk]["properties"]["kind"] == "slowed"
    assert eta("west") == pytest.approx(min(
        usual + length_m / 2 - ms / 1000, eta("west")), abs=0.002)
    town.reopen(walk)

    later = town.close(**{"from": iso(3)})["id"]
    assert town.closures()[later]["properties"]["in_force"] is False
    assert eta("west") == usual
    wait_for(lambda: town.order() == ["east", "west"], 3 + WITHIN_S, town.gateway.log)
    assert town.closures()[later]["properties"]["in_force"] is True


def test_cover_follows_a_closed_bridge(town):
    """A mission on the west bank whose promise only the unit on that bank
    keeps, over the bridge's next corner; with the bridge closed neither does."""
    def cover():
        answer = town.gateway.get("/v1/coverage")
        (mission,) = answer["missions"]
        return [(unit["call_sign"], unit["eta_s"]) for unit in mission["units"]], \
            mission["within"], answer["zones"][0]["missions"]["within"][0]

    def first():
        return [(unit["call_sign"], unit["eta_s"]) for unit in town.nearest()["units"]]

    before = first()
    promise_s = int(before[0][1]) + 1
    assert before[0][0] == "west" and before[1][1] > promise_s
    town.database.query(
        "INSERT INTO patrol.zone (name, promise_s, geom) VALUES ('Bridge', %s, ST_Multi("
        "ST_Expand(ST_SetSRID(ST_MakePoint(%s, %s), 4326), 0.0004)))",
        promise_s, town.goal[1], town.goal[0])
    town.database.query(
        "INSERT INTO patrol.mission (name, geom, zone_id) SELECT 'Goal', ST_SetSRID("
        "ST_MakePoint(%s, %s), 4326), zone_id FROM patrol.zone", town.goal[1], town.goal[0])

    def is_as(expected, within):
        units, by, zone = cover()
        return by == zone == within and [name for name, _ in units] == [
            name for name, _ in expected] and all(
            abs(a - b) < 1 for (_, a), (_, b) in zip(units, expected))

    wait_for(lambda: town.gateway.status("/v1/coverage") == 200
             and town.gateway.get("/v1/coverage")["missions"]
             and is_as(before, 1), 20, town.gateway.log)
    number = town.close()["id"]
    after = first()
    assert [name for name, _ in after] == ["east", "west"]
    wait_for(lambda: is_as(after, 0), 20, town.gateway.log)
    town.reopen(number)
    wait_for(lambda: is_as(before, 1), 20, town.gateway.log)


def test_a_mission_in_a_closed_street_is_reached_to_its_end(town):
    """Its street is closed from corner to corner: units still come."""
    a, b = corner(town.tree, 8, 2), corner(town.tree, 9, 2)
    inside = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    before = town.gateway.nearest(inside)
    number = town.close("avenida 3 entre i y j")["id"]
    after = town.gateway.nearest(inside)
    assert len(after["units"]) == 2
    assert [one["closure_id"] for one in after["closures"]] == [number]
    assert after["target"]["off_road_m"] > before["target"]["off_road_m"] + 30
    assert after["units"][0]["access_s"] > before["units"][0]["access_s"] + 3


# ------------------------------------------------------------------ a new map
def recut(town, path):
    """The same town as somebody has drawn it since: the bridge's way is turned
    round, carries on over its eastern neighbour and has a junction in its
    middle; Avenida 7's bridge is gone; Calle B has another number."""
    root = xml.parse(town.path).getroot()
    ways = {way.get("id"): way for way in root.findall("way")}

    def refs(way):
        return [nd.get("ref") for nd in way.findall("nd")]

    def named(way):
        return next(tag.get("v") for tag in way.findall("tag") if tag.get("k") == "name")

    bridge = next(way for way in ways.values() if refs(way) == ["1206", "1207"])
    gone = next(way for way in ways.values() if refs(way) == ["1606", "1607"])
    calle_b = next(way for way in ways.values() if "highway" in {
        tag.get("k") for tag in way.findall("tag")} and refs(way)[:1] == ["1001"]
        and refs(way)[1] == "1101")
    assert named(bridge) == "Avenida 3" and named(gone) == "Avenida 7"
    root.remove(gone)
    calle_b.set("id", "7777")
    a, b = corner(root, 6, 2), corner(root, 7, 2)
    first_way = list(root).index(root.find("way"))
    for number, north in ((8001, 0), (8002, 0.0002)):
        root.insert(first_way, xml.Element("node", {
            "id": str(number), "version": "1", "lat": f"{(a[0] + b[0]) / 2 + north:.7f}",
            "lon": f"{(a[1] + b[1]) / 2:.7f}"}))
    for nd in bridge.findall("nd"):
        bridge.remove(nd)
    for place, ref in enumerate(("1207", "8001", "1206")):
        bridge.insert(place, xml.Element("nd", {"ref": ref}))
    pier = xml.SubElement(root, "way", {"id": "8100", "version": "1"})
    for ref in ("8001", "8002"):
        xml.SubElement(pier, "nd", {"ref": ref})
    for key, value in (("highway", "residential"), ("name", "Muelle")):
        xml.SubElement(pier, "tag", {"k": key, "v": value})
    # types in order
    for relation in root.findall("relation"):
        root.remove(relation)
        root.append(relation)
    xml.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def test_a_new_map_keeps_closures_and_says_what_is_lost(town, place):
    bridge = town.close(direction="forward")["id"]
    lost = town.close("Avenida 7 between Calle G and Calle H")["id"]
    moved = town.close("Calle B between Avenida 1 and Avenida 2")["id"]
    assert not any(one["properties"]["lost"] for one in town.closures().values())
    assert town.gateway.metric("patrol_closures_in_force") == 3

    network = import_town(town.database, recut(town, os.path.join(place, "new.osm")))
    # never open in between: with the new network come its closures
    seen = []

    def taken_over():
        answer = town.gateway.get("/v1/closures")
        nearest = town.nearest()
        seen.append([unit["call_sign"] for unit in nearest["units"]])
        return answer["network_id"] == nearest["network_id"] == network

    wait_for(taken_over, 20, town.gateway.log)
    assert all(order[0] == "east" for order in seen), seen

    now = town.closures()
    assert set(now) == {bridge, lost, moved}
    assert now[bridge]["properties"]["edges"] == 2  # cut in its middle
    assert now[bridge]["properties"]["lost"] == []
    assert now[moved]["properties"]["edges"] == 1
    assert now[moved]["properties"]["lost"] == []
    assert now[lost]["properties"]["edges"] == 0
    missing = now[lost]["properties"]["lost"]
    assert [(one["from_node"], one["to_node"]) for one in missing] == [(1606, 1607)]
    length_m = town.database.one(
        "SELECT ST_Length(geom::geography) FROM patrol.closure_edge WHERE closure_id = %s",
        lost)
    assert now[lost]["properties"]["lost_m"] == pytest.approx(length_m, rel=0.002)
    assert f"closure {lost} (Avenida 7 (Calle G - Calle H)): 1 of 1 pieces are not on" \
        in town.gateway.log()
    assert town.gateway.metric("patrol_closure_pieces_lost") == 1
    # It is drawn the other way now, and closed from G to H as before: west has
    # no other bridge any more, east goes home over it.
    answer = town.nearest()
    assert [unit["call_sign"] for unit in answer["units"]] == ["east"]
    assert [one["reason"] for one in answer["excluded"]] == ["no_way_by_road_within_limit"]
    assert bridge in [one["closure_id"] for one in answer["closures"]]
    home = town.gateway.nearest(town.west)
    assert [unit["call_sign"] for unit in home["units"]] == ["west", "east"]
    assert home["units"][1]["closures"] == []
    # and a gateway that is started anew knows it all
    town.gateway.stop()
    town.gateway.start()
    assert set(town.closures()) == {bridge, lost, moved}
    wait_for(lambda: town.order() == ["east"], 10, town.gateway.log)


# ------------------------------------------------------------------- hostile
def test_what_strangers_send(town):
    problem(town.post(street="Calle 99"), 404, "no-such-street")
    both = problem(town.post(street="Avenida"), 409, "ambiguous-street")
    assert len(both["candidates"]) > 5
    assert {"name", "lat", "lon", "zone"} == set(both["candidates"][0])
    town.schema.check(both, "Problem")
    problem(town.post(street="Calle A between Calle B and Calle C"), 422,
            "streets-do-not-meet")
    problem(town.post(lat=0, lon=0), 422, "point-off-the-road")
    problem(town.post(ways=[4]), 404, "no-such-street")
    past = problem(town.post(street=BRIDGE, until=iso(-1)), 400, "invalid-parameter")
    assert past["parameter"] == "until"
    assert problem(town.post(street="Calle A", direction="forward"), 400,
                   "invalid-parameter")["parameter"] == "direction"
    assert problem(town.post(street=BRIDGE, x=1), 400, "invalid-parameter")["parameter"] == "x"

    url = town.gateway.url + "/v1/closures"
    http = town.gateway.http
    body = json.dumps({"street": BRIDGE})
    problem(http.post(url, data=body, headers={"Content-Type": "text/plain"}, timeout=10),
            415, "unsupported-media-type")
    problem(http.post(url, data={"street": BRIDGE}, timeout=10), 415,
            "unsupported-media-type")
    problem(http.post(url, json=[], timeout=10), 400, "invalid-parameter")
    for junk in (b"", b"{", b"\xff\xfe", b'{"street":"' + b"x" * 60000 + b'"}',
                 b"[" * 50000):
        problem(http.post(url, data=junk, headers={"Content-Type": "application/json"},
                          timeout=10), 400, "invalid-parameter")
    with pytest.raises(requests.ConnectionError):
        http.post(url, data=b" " * 70000, headers={"Content-Type": "application/json"},
                  timeout=10)
    answer = http.put(url, json={}, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    for number in ("0", "x", "4000000000", "17"):
        problem(town.reopen(number), 404, "no-such-closure")
    assert town.closures() == {}
    # SQL in a name is a name
    town.close(reason="'); DROP TABLE patrol.closure; --", who="\" \\ ñ")
    assert len(town.closures()) == 1


def test_so_many_and_no_more(town):
    """999 that the database has already, one that is taken, one that is not."""
    town.database.query(
        "INSERT INTO patrol.closure (kind, street, until) SELECT 'closed', 'x',"
        " now() + interval '1 h' FROM generate_series(1, 999)")
    last = town.close()["id"]
    wait_for(lambda: len(town.closures()) == 1000, 10, town.gateway.log)
    said = problem(town.post(street=BRIDGE), 409, "too-many-closures")
    assert "1000" in said["detail"]
    assert town.reopen(last).status_code == 200
    assert town.close()["id"] > last


def test_without_a_database_nothing_is_closed(town):
    town.close()
    town.database.stop()
    try:
        answer = town.post(street=BRIDGE)
        assert answer.status_code == 503, answer.text
        # what was closed stays so
        assert town.order() == ["east", "west"]
    finally:
        town.database.start()
    wait_for(lambda: town.post(street="Calle A between 1 and 2").status_code == 201, 30,
             town.gateway.log)


def test_changes_are_told_as_an_event(town):
    with requests.get(town.gateway.url + "/v1/events", stream=True, timeout=20) as stream:
        lines = stream.iter_lines()
        while next(lines) != b"event: ready":
            pass
        town.close()
        while next(lines) != b"event: closures":
            pass


# ------------------------------------------------------------------ patrolctl
def test_patrolctl_closes_lists_and_opens(town):
    said = town.ctl("closure", "add", BRIDGE, "--until", "18:30", "--slow", "50%",
                    "--reason", "obras")
    number = next(iter(town.closures()))
    assert f"closure {number}" in said and "Avenida 3 (Calle G - Calle H)" in said
    one = town.closures()[number]["properties"]
    assert (one["kind"], one["factor"], one["reason"]) == ("slowed", 0.5, "obras")
    # 18:30 in Havana, the next one
    until = datetime.datetime.fromisoformat(one["until"].replace("Z", "+00:00"))
    ahead = until - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(0) < ahead <= datetime.timedelta(hours=25)
    assert subprocess.run(["date", "-d", one["until"], "+%H:%M"], check=True, text=True,
                          stdout=subprocess.PIPE, env={"TZ": "America/Havana"}
                          ).stdout == "18:30\n"
    table = town.ctl("closure", "list")
    assert "obras" in table and "50 %" in table and "Avenida 3" in table
    assert json.loads(town.ctl("closure", "list", "--json"))["features"][0]["id"] == number
    assert "closure" in town.ctl("closure", "remove", str(number))
    assert town.closures() == {}
    assert "no-such-closure" not in town.ctl("closure", "remove", str(number), expect=1)

    point = corner(town.tree, 8, 2)
    town.ctl("closure", "add", f"{point[0] + 0.0003:.6f},{point[1]:.6f}", "--until", "90m")
    town.ctl("closure", "add", "--way", "5003", "--one-way", "forward", "--slow", "20km/h")
    first, second = (one["properties"] for one in town.closures().values())
    assert first["kind"] == "closed"
    assert second["speed_mps"] == pytest.approx(20 / 3.6, abs=0.001)
    assert second["direction"] == "forward"

    assert "several" in town.ctl("closure", "add", "Avenida", expect=1)
    for words in (["closure", "add"], ["closure", "add", "Calle A", "--way", "5"],
                  ["closure", "add", BRIDGE, "--slow", "0%"],
                  ["closure", "add", BRIDGE, "--slow", "fast"],
                  ["closure", "add", BRIDGE, "--until", "25:00"],
                  ["closure", "add", BRIDGE, "--until", "soon"],
                  ["closure", "add", BRIDGE, "--one-way", "west"],
                  ["closure", "remove", "x"]):
        town.ctl(*words, expect=2)

    town.ctl("closure", "add", BRIDGE)
    said = town.ctl("nearest", f"{town.goal[0]:.6f},{town.goal[1]:.6f}")
    assert "closed" in said and "Avenida 3 (Calle G - Calle H)" in said
    said = town.ctl("route", "west", f"{town.goal[0]:.6f},{town.goal[1]:.6f}")
    assert "Avenida 3 (Calle G - Calle H)" in said
