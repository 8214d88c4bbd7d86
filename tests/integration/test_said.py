"""What people say: crews by their page and what the control room has seen of it,
and units that are heard by voice radio only."""
import datetime
import itertools
import os
import subprocess

import pytest
import requests

from lib_common import BIN, wait_for
from lib_database import crossing
from lib_vehicle import entry, now_ms
from test_closures import Schema
from test_crew_page import CAR, STORED, make_page  # noqa: F401 (a fixture)

UTC = datetime.timezone.utc
SCHEMA = Schema()


def text(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, UTC).isoformat(
        timespec="milliseconds").replace("+00:00", "Z")


def unit_of(gateway, name=CAR):
    return SCHEMA.check(gateway.get(f"/v1/units/{name}"), "Unit")


def send(gateway, method, path, body=None, status=200, name=None):
    """The answer, as openapi.yaml describes it by that name."""
    answer = requests.request(method, gateway.url + "/v1/units/" + path, json=body,
                              timeout=10)
    assert answer.status_code == status, answer.text
    return SCHEMA.check(answer.json(), name or "Problem")


def seen(gateway, what, at, status=200, name=CAR, **more):
    return send(gateway, "PUT", f"{name}/seen", {"what": what, "at": at, **more},
                status, "SeenDone" if status == 200 else None)


def heard(gateway, name, code=200, **body):
    return send(gateway, "PUT", f"{name}/heard", body, code,
                "HeardDone" if code == 200 else None)


def wait_unit(gateway, met, name=CAR):
    return wait_for(lambda: met(unit_of(gateway, name)) and unit_of(gateway, name), 20,
                    gateway.log)


def wait_seen(page, act):
    """The act on the crew's page, once it is seen."""
    def found():
        return [a for a in page.state()["acts"]
                if a["act"] == act and a["delivery"] == "seen"]
    return wait_for(found, 30, page.agent.process.log)[0]


def ms(rfc3339):
    return round(datetime.datetime.fromisoformat(
        rfc3339.replace("Z", "+00:00")).timestamp() * 1000)


# ------------------------------------------------------------------------- seen
def test_the_crew_is_told_who_saw_its_panic(database, make_gateway, make_page,  # noqa: F811
                                            broker):
    database.add_unit(CAR)
    gateway = make_gateway().start()
    page = make_page()
    page.say("panic")
    page.say("place", text="23 y L")
    page.wait_all(STORED)
    assert {act["seen_at"] for act in page.state()["acts"]} == {None}
    unit = wait_unit(gateway, lambda u: u["panic_at"] and u["said_place"])
    assert (unit["panic_seen_at"], unit["said_place"]["seen_at"]) == (None, None)

    first = seen(gateway, "panic", unit["panic_at"], who="Ana <b>")
    assert first["seen_by"] == "Ana <b>"
    act = wait_seen(page, "panic")
    assert act["seen_at"] == ms(first["seen_at"])
    assert page.deliveries() == [("place", STORED), ("panic", "seen")]
    unit = wait_unit(gateway, lambda u: u["panic_seen_at"])
    assert (unit["panic_seen_at"], unit["panic_seen_by"]) == (first["seen_at"], "Ana <b>")
    # who saw it first stays, with his time
    assert seen(gateway, "panic", unit["panic_at"], who="Berta") == first
    assert database.query("SELECT who FROM patrol.seen") == [("Ana <b>",)]

    # While the broker is away nobody can be told; when it is back they are.
    broker.stop()
    told = seen(gateway, "place", unit["said_place"]["at"])
    assert told["seen_by"] is None
    assert page.deliveries() == [("place", STORED), ("panic", "seen")]
    broker.start()
    assert wait_seen(page, "place")["seen_at"] == ms(told["seen_at"])

    # A newer panic is another one.
    page.say("panic")
    unit = wait_unit(gateway, lambda u: u["panic_seen_at"] is None)
    seen(gateway, "panic", text(ms(unit["panic_at"]) - 1), 409)
    seen(gateway, "crew", unit["panic_at"], 409)
    assert page.state()["acts"][0]["delivery"] != "seen"


def test_seen_while_no_gateway_ran(database, make_gateway, make_page):  # noqa: F811
    """As by another one: the database has it, and who starts tells it."""
    database.add_unit(CAR)
    gateway = make_gateway().start()
    page = make_page()
    page.say("panic")
    page.wait_all(STORED)
    gateway.kill()
    database.query("INSERT INTO patrol.seen SELECT unit_id, generation, seq, now(), 'Eva'"
                   " FROM patrol.unit_event WHERE kind = 'panic'")
    gateway = make_gateway().start()
    unit = unit_of(gateway)  # at once: it is part of being ready
    assert unit["panic_at"] and unit["panic_seen_by"] == "Eva"
    assert wait_seen(page, "panic")["seen_at"] == ms(unit["panic_seen_at"])


def test_who_is_on_board_and_where(database, make_gateway, make_page):  # noqa: F811
    database.add_unit(CAR)
    gateway = make_gateway().start()
    page = make_page()
    name = "Pérez <img src=x onerror=alert(1)> \u202e"
    page.say("logon", text=name)
    page.say("place", text="23 y L")
    page.say("status", status="busy")
    unit = wait_unit(gateway, lambda u: u["status"] == "busy" and u["said_place"])
    assert (unit["crew"]["text"], unit["said_place"]["text"]) == (name, "23 y L")
    page.wait_all(STORED)
    gateway.kill()
    gateway = make_gateway().start()
    unit = unit_of(gateway)
    assert (unit["crew"]["text"], unit["said_place"]["text"]) == (name, "23 y L")
    page.say("place", text="")
    wait_unit(gateway, lambda u: u["said_place"] is None and u["crew"])
    page.say("logoff")
    wait_unit(gateway, lambda u: u["crew"] is None and u["status"] == "off_duty")
    page.wait_all(STORED)
    gateway.kill()
    unit = unit_of(make_gateway().start())
    assert (unit["crew"], unit["said_place"]) == (None, None)


# ------------------------------------------------------------------- heard by radio
@pytest.fixture
def town(database, make_gateway, make_vehicle):
    """A1 has a fix of five minutes ago, A2 has never been heard."""
    for name in ("A1", "A2"):
        database.add_unit(name)
    database.query("INSERT INTO patrol.mission (name, geom) VALUES ('Embajada del Canadá',"
                   " ST_SetSRID(ST_MakePoint(-82.395, 23.105), 4326)),"
                   " ('Embajada de Chile', ST_SetSRID(ST_MakePoint(-82.396, 23.1), 4326))")
    database.add_grid()
    gateway = make_gateway().start()
    car = make_vehicle("A1")
    car.send(entry(1, crossing(1, 1), time_ms=now_ms() - 300000))
    car.wait_stored(1)
    gateway.car = car
    return gateway


def test_heard_by_radio_is_shown_and_never_counts(town, database):
    numbers, base = itertools.count(2), now_ms()
    before = unit_of(town, "A1")
    ranked = town.nearest(crossing(0, 0))
    answer = heard(town, "A1", at=text(base - 180000), status="busy", place="23 y L",
                   note="flat <b>tyre</b>", who="Ana")
    assert answer["shown"] is True
    unit = wait_unit(town, lambda u: u["radio"], "A1")
    radio = unit["radio"]
    assert (radio["place"], radio["status"], radio["note"], radio["who"]) == (
        "23 y L", "busy", "flat <b>tyre</b>", "Ana")
    assert 180 <= radio["age_s"] < 280 and radio["lat"] is None
    assert {k: v for k, v in radio.items() if k != "age_s"} == {
        k: v for k, v in answer["radio"].items() if k != "age_s"}
    # it counts nowhere
    for member in ("status", "status_time", "heard_at", "silent"):
        assert unit[member] == before[member]
    assert unit["position"]["time"] == before["position"]["time"]
    now = town.nearest(crossing(0, 0))
    assert [u["call_sign"] for u in now["units"]] == [
        u["call_sign"] for u in ranked["units"]]
    assert now["excluded"] == ranked["excluded"]
    # a status said by the vehicle since, without a fix: the place stays
    town.car.send(entry(next(numbers), status="en_route", kind="status",
                        time_ms=base - 100000))
    unit = wait_unit(town, lambda u: u["status"] == "en_route", "A1")
    assert (unit["radio"]["place"], unit["radio"]["status"]) == ("23 y L", None)
    # a fix older than what was heard changes nothing, a newer one ends it
    older = text(base - 200000)
    town.car.send(entry(next(numbers), crossing(2, 1), time_ms=base - 200000))
    wait_unit(town, lambda u: u["position"]["time"] == older and u["radio"], "A1")
    town.car.send(entry(next(numbers), crossing(3, 1), time_ms=base))
    wait_unit(town, lambda u: u["radio"] is None, "A1")
    assert heard(town, "A1", at=text(base - 180000))["shown"] is False
    assert database.query("SELECT who, status, place FROM patrol.heard ORDER BY heard_id") \
        == [("Ana", "busy", "23 y L"), (None, None, None)]


def test_a_place_that_is_known_and_one_taken_back(town, database, make_gateway):
    heard(town, "A2", place="somewhere", who="Ana")
    heard(town, "A2", mission="canada")
    unit = wait_unit(town, lambda u: u["radio"] and u["radio"]["mission_id"], "A2")
    assert (unit["radio"]["lat"], unit["radio"]["lon"]) == (23.105, -82.395)
    assert unit["position"] is None and unit["radio"]["place"] is None
    town.kill()  # it is the database that knows
    gateway = make_gateway().start()
    assert unit_of(gateway, "A2")["radio"]["mission_id"]
    assert send(gateway, "DELETE", "A2/heard?who=Berta", name="HeardWithdrawn")
    unit = wait_unit(gateway, lambda u: u["radio"]["mission_id"] is None, "A2")
    assert unit["radio"]["place"] == "somewhere"
    send(gateway, "DELETE", "A2/heard", name="HeardWithdrawn")
    wait_unit(gateway, lambda u: u["radio"] is None, "A2")
    send(gateway, "DELETE", "A2/heard", status=404)
    assert database.query("SELECT who, withdrawn_by, withdrawn_at IS NULL FROM patrol.heard"
                          " ORDER BY heard_id") == [("Ana", None, False),
                                                    (None, "Berta", False)]
    heard(gateway, "A2", lat=23.1, lon=-82.4, place="the point")
    unit = wait_unit(gateway, lambda u: u["radio"], "A2")
    assert (unit["radio"]["lat"], unit["radio"]["place"]) == (23.1, "the point")


REFUSED = [
    ({"at": "yesterday"}, "at"),
    ({"at": text(now_ms() + 3600000)}, "at"),
    ({"at": text(now_ms() - 25 * 3600000)}, "at"),
    ({"status": "drunk"}, "status"), ({"status": "unknown"}, "status"),
    ({"place": ""}, "place"), ({"place": "x" * 201}, "place"),
    ({"place": "a\u0007b"}, "place"), ({"note": "x" * 501}, "note"),
    ({"who": 7}, "who"), ({"who": "x" * 101}, "who"), ({"lat": 91, "lon": 0}, "lat"),
    ({"lat": 23}, "lon"), ({"lat": 23, "lon": -82, "mission": "canada"}, "mission"),
    ({"speed": 7}, "speed"),
]


def test_what_strangers_send(town, database):
    url = town.url + "/v1/units/"
    for body, parameter in REFUSED:
        assert heard(town, "A2", 400, **body)["parameter"] == parameter
    heard(town, "nobody", 404)
    heard(town, "A2", 404, mission="atlantis")
    assert heard(town, "A2", 409, mission="embajada")["candidates"]
    send(town, "DELETE", "A2/heard?who=" + "x" * 101, status=400)
    assert requests.put(url + "A2/heard", data="{}", timeout=10).status_code == 415
    assert requests.put(url + "A2/heard", data="[", timeout=10, headers={
        "Content-Type": "application/json"}).status_code == 400
    answer = requests.get(url + "A2/heard", timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "PUT, DELETE")
    for body in ({"what": "panic"}, {"what": "fix", "at": text(0)}, {"at": text(0)},
                 {"what": "panic", "at": text(0), "by": "x"}):
        send(town, "PUT", "A2/seen", body, 400)
    seen(town, "panic", text(now_ms()), 409, "A2")
    assert database.one("SELECT (SELECT count(*) FROM patrol.heard)"
                        " + (SELECT count(*) FROM patrol.seen)") == 0


def test_without_the_database_it_says_so(town, server):
    server.stop()
    try:
        assert heard(town, "A2", 503)["type"].endswith("database-unavailable")
    finally:
        server.start()
    wait_for(lambda: requests.put(town.url + "/v1/units/A2/heard", json={},
                                  timeout=10).status_code == 200, 30, town.log)


# --------------------------------------------------------------------- in a terminal
def test_the_same_in_a_terminal(town):
    def ctl(*words, ends=0):
        done = subprocess.run([os.path.join(BIN, "patrolctl"), *words, "-g", town.url],
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == ends, done.stderr
        return done.stdout + done.stderr

    assert ctl("unit", "heard", "A2", "23 y L\u202e", "--status", "busy", "--at", "3m",
               "--note", "flat tyre", "--who", "Ana").startswith(
                   "A2 was heard by radio 3 min ago\n")
    wait_unit(town, lambda u: u["radio"], "A2")
    listed = ctl("units")
    assert "by radio 3 min ago: busy, at 23 y L?" in listed
    facts = ctl("unit", "show", "A2")
    for line in ("status by radio     busy", "noted by            Ana",
                 "note                flat tyre"):
        assert line in facts
    assert "no longer" not in ctl("unit", "heard", "A2", "--take-back", "--who", "Ana")
    wait_unit(town, lambda u: u["radio"] is None, "A2")
    assert "No" in ctl("unit", "heard", "A2", "--take-back", ends=1)
    assert ctl("unit", "seen", "A2") == "A2 has said nothing that is to be seen\n"
    town.car.send(entry(2, crossing(1, 1), kind="panic"))
    wait_unit(town, lambda u: u["panic_at"], "A1")
    assert "PANIC, seen by nobody" in ctl("units")
    assert "by Berta" in ctl("unit", "seen", "A1", "--who", "Berta")
    wait_unit(town, lambda u: u["panic_seen_by"] == "Berta", "A1")
    assert "PANIC" not in ctl("units")
