"""Broker and database that are connected and do not answer: a connection that
stands is no sign of life. Also that nobody is called silent whom the gateway
could not have heard."""
import datetime
import os
import signal
import subprocess
import time

import jsonschema
import pytest

from lib_common import BIN, wait_for
from lib_database import crossing
from lib_vehicle import entry, now_ms
from test_http import API, Events, RESOLVER

PROBE = {"broker__probe_s": 1, "database__probe_s": 1}


def state(due_s):
    return {"now_ms": now_ms(), "receiver_mode": 4, "next_due_s": due_s}


def ready(gateway):
    """(status, part -> state, part -> since) of /readyz."""
    answer = gateway.http.get(gateway.url + "/readyz", timeout=10)
    jsonschema.Draft202012Validator(
        API["components"]["schemas"]["Readiness"],
        resolver=RESOLVER).validate(answer.json())
    return answer.status_code, answer.json()["parts"], answer.json()["since"]


def seconds(text):
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp()


def begin(gateway):
    stream = Events(gateway)
    told = stream.until(lambda event, _: event == "ready")
    return stream, [event for event, _, _ in told]


def lacking(gateway):
    """What both answers say that is missing: [(part, state)]."""
    answers = [gateway.get("/v1/units")["degraded"],
               gateway.nearest(crossing(0, 0))["degraded"]]
    assert answers[0] == answers[1]
    return [(part["part"], part["state"]) for part in answers[0]]


@pytest.fixture
def hang(request, broker, proxy):
    """(address, make it hang, let it go on) of a broker, or of the path to
    it."""
    if request.param == "path":
        def mend():
            proxy.cut()  # what came in meanwhile is gone
            proxy.mend()
        yield proxy.address, proxy.freeze, mend
        return
    pid = broker.process.pid
    yield (broker.address, lambda: os.kill(pid, signal.SIGSTOP),
           lambda: os.kill(pid, signal.SIGCONT))
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("hang", ["path", "broker"], indirect=True)
def test_a_broker_that_hangs_is_lost(database, make_gateway, make_vehicle,
                                     hang):
    address, stop, go_on = hang
    database.add_unit("A1")
    database.add_unit("A2")
    gateway = make_gateway(broker__list=address, broker__keepalive=3600,
                           fleet__silent_factor=1, **PROBE).start()
    make_vehicle("A1").send(entry(1, crossing(1, 1)), state=state(3))
    make_vehicle("A2").send(entry(1, crossing(1, 1)), state=state(3600))
    wait_for(lambda: gateway.metric("patrol_broker_probes_answered_total") > 0,
             why="a message to ourselves")
    assert ready(gateway)[:2] == (200, {"broker": "up", "database": "up",
                                        "roads": "up"})
    assert lacking(gateway) == []
    stream, told = begin(gateway)
    assert "broker.lost" not in told
    # A1 has promised a message within 3 s: before that it hangs.
    wait_for(lambda: gateway.get("/v1/units/A1")["silent"], why="A1 silent")
    stopped = time.time()
    stop()
    told = stream.until(lambda event, _: event == "broker.lost")[-1][1]
    assert told["state"] == "silent"
    assert stopped - 3 < seconds(told["since"]) < time.time()
    status, parts, since = ready(gateway)
    assert (status, parts["broker"], parts["database"]) == (503, "silent", "up")
    assert since["broker"] == told["since"]
    assert lacking(gateway) == [("broker", "silent")]
    assert gateway.metric("patrol_broker_up") == 0
    assert gateway.metric("patrol_broker_losses_total") == 1
    assert "connected, but nothing comes" in gateway.log()
    late, told = begin(gateway)  # who comes now hears of it, too
    assert "broker.lost" in told
    late.close()
    go_on()
    back = stream.until(lambda event, _: event == "broker.back")[-1][1]
    assert back["state"] == "up"
    assert back["lost_since"] == since["broker"]
    wait_for(lambda: ready(gateway)[0] == 200, 60, gateway.log)
    assert lacking(gateway) == []
    assert gateway.metric("patrol_broker_up") == 1
    stream.close()


def test_a_deaf_gateway_calls_no_unit_silent(database, make_gateway, proxy,
                                             make_vehicle):
    """The broker hangs before the vehicle's time has come: whether it spoke,
    nobody knows, until the gateway has listened for as long again."""
    database.add_unit("A1")
    gateway = make_gateway(broker__list=proxy.address, broker__keepalive=3600,
                           broker__probe_s=3, fleet__silent_factor=1).start()
    wait_for(lambda: gateway.metric("patrol_broker_probes_answered_total") > 0,
             why="a message to ourselves")
    stream, _ = begin(gateway)
    make_vehicle("A1").send(entry(1, crossing(1, 1)), state=state(2))
    stream.until(lambda event, data: event == "unit" and data["vehicle"])
    proxy.freeze()
    told = stream.until(lambda event, _: event == "broker.lost")
    # more than twice its two seconds have passed: 3 s and 3 s
    assert "unit.silent" not in [event for event, _, _ in told]
    wait_for(lambda: gateway.get("/v1/units/A1")["silent"] is None,
             why="not known")
    proxy.cut()
    proxy.mend()
    told = stream.until(lambda event, _: event == "unit.silent")
    assert [event for event, _, _ in told if event not in ("unit", None)] == [
        "broker.back", "unit.silent"]
    stream.close()


def test_an_access_list_without_our_topic_breaks_nothing(
        database, make_gateway, broker, make_vehicle):
    """Of the version before: the broker never gives our message back, and is
    alive all the same."""
    path = os.path.join(broker.dir, "patrol.acl")
    with open(path, encoding="utf-8") as acl:
        lines = acl.readlines()
    with open(path, "w", encoding="utf-8") as acl:
        acl.writelines(line for line in lines if "/probe" not in line)
    broker.stop()
    broker.start()
    database.add_unit("A1")
    gateway = make_gateway(**PROBE).start()
    gateway.process.wait_log("does not give us our own message back")
    gateway.wait_ready()  # mosquitto 2.0.11 hangs up on it, once
    losses = gateway.metric("patrol_broker_losses_total")
    assert losses <= 1
    time.sleep(4)  # long enough to be asked and taken for silent again
    assert ready(gateway)[0] == 200
    assert gateway.metric("patrol_broker_losses_total") == losses
    assert gateway.metric("patrol_broker_probes_answered_total") == 0
    assert gateway.log().count("own message back") == 1
    car = make_vehicle("A1")
    car.send(entry(1, crossing(1, 1)), state=state(1))
    car.wait_stored(1)
    # Nobody else speaks: the connection is believed.
    wait_for(lambda: gateway.get("/v1/units/A1")["silent"],
             why=lambda: f"{gateway.get('/v1/units/A1')}\n{gateway.log()}")


def test_a_database_that_hangs_is_lost(database, make_gateway, make_vehicle):
    database.add_unit("A1")
    gateway = make_gateway(**PROBE).start()
    car = make_vehicle("A1")
    car.send(entry(1, crossing(1, 1)), state=state(600))
    car.wait_stored(1)
    stream, _ = begin(gateway)
    (pid,), = database.query("SELECT pid FROM pg_stat_activity"
                             " WHERE application_name = 'patrol-gateway'")
    stopped = time.time()
    os.kill(pid, signal.SIGSTOP)
    try:
        told = stream.until(lambda event, _: event == "database.lost")[-1][1]
        assert told["state"] == "silent"
        assert stopped - 3 < seconds(told["since"]) < time.time()
        status, parts, since = ready(gateway)
        assert (status, parts["database"], parts["broker"]) == (
            503, "silent", "up")
        assert since["database"] == told["since"]
        assert lacking(gateway) == [("database", "silent")]
        assert gateway.metric("patrol_database_up") == 0
        assert "is connected, but has not answered" in gateway.log()
        # Live state goes on, and so does who is first.
        car.send(entry(2, crossing(2, 2)))
        wait_for(lambda: gateway.nearest(crossing(2, 2))["units"][0]["eta_s"]
                 < 1, why="live state")
        said = subprocess.run(
            [os.path.join(BIN, "patrolctl"), "units", "-g", gateway.url],
            capture_output=True, text=True, timeout=30, check=True).stdout
        assert said.startswith("! the database is silent since "
                               + told["since"])
    finally:
        os.kill(pid, signal.SIGCONT)
    back = stream.until(lambda event, _: event == "database.back")[-1][1]
    assert back["lost_since"] == since["database"]
    assert ready(gateway)[0] == 200
    assert lacking(gateway) == []
    assert gateway.metric("patrol_database_losses_total") == 1
    stream.close()
