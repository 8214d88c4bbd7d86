"""The crew's page, served by a real agent: what is said on it arrives in the
database, with and without a network, and strangers get nothing."""
import contextlib
import json
import os
import socket
import stat
import subprocess
import time

import pytest
import requests

from lib_common import BIN, free_port, wait_for

CAR = "car-1"
STORED, QUEUED = "stored", "queued"


class Page:
    """What the page in a browser would ask."""

    def __init__(self, agent, port):
        self.agent, self.host = agent, f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"
        self.port, self.number, self.token = port, 0, None
        self.session = requests.Session()
        self.session.trust_env = False

    def headers(self):
        token = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Origin": self.url, **token}

    def post(self, path, body):
        return self.session.post(self.url + path, json=body, timeout=10,
                                 headers=self.headers())

    def say(self, act, key=None, **more):
        self.number += 1
        return self.post("/acts", {"key": key or f"k{self.number}", "act": act,
                                   **more})

    def state(self):
        answer = self.session.get(self.url + "/state", timeout=10,
                                  headers=self.headers())
        assert answer.status_code == 200
        return answer.json()

    def deliveries(self):
        return [(act["act"], act["delivery"]) for act in self.state()["acts"]]

    def wait_refused(self, kind, count, timeout_s=20):
        wait_for(lambda: self.state()["refused"][kind] >= count, timeout_s,
                 lambda: self.state()["refused"])

    def wait_all(self, delivery, timeout_s=30):
        wait_for(lambda: {act["delivery"] for act in self.state()["acts"]} ==
                 {delivery}, timeout_s, self.agent.process.log)


@pytest.fixture
def make_page(make_agent):
    def make(**settings):
        port = free_port()
        agent = make_agent(crew_page__listen=f"127.0.0.1:{port}", **settings)
        agent.start()
        agent.process.wait_log("crew page: listening")
        return Page(agent, port)
    return make


def events(database):
    return database.query(
        "SELECT e.kind, status, detail FROM patrol.unit_event e JOIN patrol.unit"
        " USING (unit_id) WHERE call_sign = %s ORDER BY seq", CAR)


# -------------------------------------------------------------------- the crew
def test_what_the_crew_says_arrives(database, make_gateway, make_page, receiver):
    database.add_unit(CAR)
    gateway = make_gateway().start()
    page = make_page(unit__call_sign="P-01")
    wait_for(lambda: page.state()["receiver"]["mode"] in ("2d", "3d"), 20,
             page.agent.process.log)
    state = page.state()
    assert state["unit"] == "P-01" and state["crew"]["name"] is None
    assert abs(state["receiver"]["lat"] - receiver.said[-1][1]) < 1e-3
    name = "Pérez <img src=x onerror=alert(1)> \u202e"
    for act, more in (("logon", {"text": name}), ("status", {"status": "busy"}),
                      ("place", {"text": "23 y L"}), ("panic", {})):
        assert page.say(act, **more).status_code == 200
    crew = page.state()["crew"]
    assert (crew["status"], crew["name"], crew["place"]) == ("busy", name, "23 y L")
    page.wait_all(STORED)
    assert events(database) == [
        ("logon", "available", name), ("status", "busy", None),
        ("status", "busy", "23 y L"), ("panic", "busy", None)]
    # said where the receiver was at that moment: there is a position of each
    assert database.one(
        "SELECT count(*) FROM patrol.position p JOIN patrol.unit_event e USING"
        " (unit_id, generation, seq) WHERE p.fix_time = e.event_time"
        " AND p.status = e.status") == 4
    unit = wait_for(lambda: gateway.get(f"/v1/units/{CAR}")["panic_at"] and
                    gateway.get(f"/v1/units/{CAR}"), 20, gateway.log)
    assert unit["status"] == "busy"
    # and every fix from then on says the same
    wait_for(lambda: database.one(
        "SELECT count(*) FROM patrol.position WHERE status = 'busy'") > 5, 20,
             gateway.log)
    assert page.say("logoff").status_code == 200
    wait_for(lambda: gateway.get(f"/v1/units/{CAR}")["status"] == "off_duty", 20,
             gateway.log)


def test_without_network_all_waits_and_arrives_after(database, make_gateway,
                                                     make_page, broker):
    """Neither broker nor gateway; the agent is killed, too, and started again:
    it knows what was said, and what of it is not delivered."""
    database.add_unit(CAR)
    broker.stop()
    page = make_page()
    agent = page.agent
    page.say("logon", text="Pérez")
    page.say("status", status="en_route")
    page.say("panic")
    page.wait_all(QUEUED)
    state = page.state()
    assert state["link"]["state"] == "down" and state["outbox"]["entries"] >= 3
    agent.kill()  # no farewell: what was said is on the disk
    agent.start()
    agent.process.wait_log("crew page: listening", count=2)
    state = page.state()
    assert (state["crew"]["name"], state["crew"]["status"]) == ("Pérez", "en_route")
    assert page.deliveries() == [("panic", QUEUED), ("status", QUEUED),
                                 ("logon", QUEUED)]
    broker.start()
    gateway = make_gateway().start()
    page.wait_all(STORED, 60)
    assert [event[:2] for event in events(database)] == [
        ("logon", "available"), ("status", "en_route"), ("panic", "en_route")]
    assert gateway.get(f"/v1/units/{CAR}")["status"] == "en_route"


def test_the_same_said_again_is_one(database, make_gateway, make_page):
    """A page that got no answer asks again under the same key."""
    database.add_unit(CAR)
    make_gateway().start()
    page = make_page()
    for _ in range(3):
        assert page.say("panic", key="again").status_code == 200
    page.wait_all(STORED)
    assert [event[0] for event in events(database)] == ["panic"]


def test_what_was_said_while_nobody_listened_has_its_time(database, make_gateway,
                                                          make_page):
    database.add_unit(CAR)
    make_gateway().start()
    page = make_page()
    before = time.time()
    page.say("status", status="on_scene", ago_ms=600000)
    page.wait_all(STORED)
    ago_s = before - database.one(
        "SELECT extract(epoch FROM event_time)::float FROM patrol.unit_event")
    assert 590 < ago_s < 610


def test_the_same_in_a_terminal(make_agent, place):
    path = f"{place}/crew.sock"
    agent = make_agent(crew_page__socket=path, crew_page__pin=4711).start()
    agent.process.wait_log("crew page: listening")

    def crew(*words):
        return subprocess.run([os.path.join(BIN, "patrol-crew"), "-s", path, *words],
                              capture_output=True, text=True, timeout=30, check=False)

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    for words in (("logon", "Pérez"), ("status", "busy"), ("place", "23 y L"),
                  ("panic",)):
        assert crew(*words).returncode == 0
    said = crew().stdout
    assert "crew      Pérez  since" in said and "place     23 y L  since" in said
    assert [line.split()[1:] for line in said.splitlines()[7:]] == [
        ["queued", "panic", "-"], ["queued", "place", "23", "y", "L"],
        ["queued", "status", "busy"], ["queued", "logon", "Pérez"]]
    assert json.loads(crew("-j").stdout)["crew"]["status"] == "busy"
    refused = crew("status", "drunk")
    assert refused.returncode == 1 and "malformed" in refused.stderr
    assert crew("status").returncode == 2 and crew("dance").returncode == 2
    agent.stop()
    gone = crew()
    assert gone.returncode == 1 and path in gone.stderr


# --------------------------------------------------------------------- strangers
def test_another_site_is_refused_and_counted(make_page):
    page = make_page()
    get, post = page.session.get, page.session.post
    panic = {"key": "x", "act": "panic"}
    foreign = {"Origin": "http://evil.example"}
    # a name of theirs that resolves to our address: DNS rebinding
    assert get(page.url + "/state", headers={"Host": "evil.example"},
               timeout=5).status_code == 403
    assert get(page.url + "/state", headers=foreign, timeout=5).status_code == 403
    assert post(page.url + "/acts", json=panic, headers=foreign,
                timeout=5).status_code == 403
    assert post(page.url + "/acts", json=panic, timeout=5).status_code == 403
    # what a form of theirs could send
    form = post(page.url + "/acts", data='{"key":"x","act":"panic"}', timeout=5,
                headers={"Origin": page.url, "Content-Type": "text/plain"})
    assert form.status_code == 415
    state = page.state()
    assert state["acts"] == []
    assert state["refused"]["foreign_host"] == 1
    assert state["refused"]["foreign_origin"] == 3
    # asked whether it may, it is told nothing (CORS)
    asked = page.session.options(page.url + "/acts", headers=foreign, timeout=5)
    assert asked.status_code == 403
    assert not any(name.startswith("Access-Control") for name in asked.headers)


def raw(page):
    return contextlib.closing(
        socket.create_connection(("127.0.0.1", page.port), timeout=20))


def ends(connection):
    """All that still comes until the other side has closed."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(4096):
            said += piece
    return said


def test_too_much_is_refused_and_counted(make_page):
    page = make_page()
    for request in (b"POST /acts HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n",
                    b"GET / HTTP/1.1\r\nX: " + b"x" * 4096):
        with raw(page) as connection:
            connection.sendall(request)
            assert ends(connection)[:12] in (b"HTTP/1.1 413", b"HTTP/1.1 431")
    with raw(page) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00 not HTTP at all\r\n\r\n")
        assert ends(connection).startswith(b"HTTP/1.1 400")
    refused = page.state()["refused"]
    assert (refused["too_long"], refused["malformed"]) == (2, 1)


def test_a_slow_stranger_is_cut_off(make_page):
    page = make_page()
    with raw(page) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert ends(connection) == b""
    page.wait_refused("slow", 1)


def test_a_crowd_keeps_nobody_out(make_page):
    """More connections than there are places, all of them silent."""
    page = make_page()
    with contextlib.ExitStack() as crowd:
        for _ in range(40):
            crowd.enter_context(raw(page))
        assert page.say("panic").status_code == 200
        page.wait_refused("crowd", 24)


def test_the_number(make_page):
    page = make_page(crew_page__pin=4711)
    state = page.state()
    assert state["locked"] and state["crew"] is None and state["receiver"] is None
    assert page.say("status", status="busy").status_code == 401
    assert page.say("panic").status_code == 200  # whoever is there may
    assert page.deliveries() == [("panic", QUEUED)]
    assert page.post("/session", {"pin": "0000"}).status_code == 401
    page.token = page.post("/session", {"pin": "4711"}).json()["token"]
    assert page.say("status", status="busy").status_code == 200
    assert page.state()["crew"]["status"] == "busy"
    for _ in range(5):
        page.post("/session", {"pin": "0000"})
    assert page.post("/session", {"pin": "4711"}).status_code == 429
    assert page.say("status", status="available").status_code == 200  # goes on


def test_an_address_that_is_not_there_yet(make_agent):
    """The Wi-Fi comes up after the agent: it reports all the same."""
    port = free_port()
    agent = make_agent(crew_page__listen=f"192.0.2.1:{port}").start()
    agent.process.wait_log("cannot listen")
    assert agent.process.runs()
    assert agent.stop() == 0
    for listen in ("0.0.0.0:8090", "[::]:8090", "tablet:8090"):
        code, said = agent.check("-o", f"crew_page.listen={listen}")
        assert code == 1 and "crew_page.listen" in said
