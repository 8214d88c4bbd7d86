"""Two vehicles under one device's name, as after a device was built twice or
its key was stolen: the broker lets in one at a time."""
import os
import re
import shutil
import time

import pytest

from lib_common import wait_for
from lib_gpsd import Gpsd, Receiver
from lib_stored import (assert_all_stored, fixes, generation,
                        wait_all_stored)
from test_http import Events

CAR = "car-1"
TOLD = f"device {CAR} is in two places: "


@pytest.fixture
def elsewhere(place):
    """(gpsd, receiver) of the second vehicle."""
    receiver = Receiver(os.path.join(place, "receiver-2")).plug()
    receiver.lat, receiver.lon = 23.1001, -82.4001
    gpsd = Gpsd(os.path.join(place, "gpsd-2"), receiver.link).start()
    yield gpsd, receiver
    gpsd.stop()
    receiver.unplug()


def drive(*receivers):
    """Eleven metres a second: a report at each fix with QUICK's 5 m."""
    for receiver in receivers:
        receiver.step = (0.0001, 0)
        receiver.speed_mps = 11.1


def came(agent):
    return agent.process.log().count("connected to broker")


def gives_way(agent):
    return re.search(rf"under our name {CAR}; next try in (6\d|7[0-5]) s",
                     agent.process.log())


def wait_more(database, agent, count):
    wanted = len(fixes(database, agent)) + count
    wait_for(lambda: len(fixes(database, agent)) >= wanted, 30,
             agent.process.log)


def test_both_are_stored_told_and_do_not_fight(
        database, make_gateway, make_agent, receiver, elsewhere):
    database.add_unit("P-1", CAR)
    gateway = make_gateway().start()
    stream = Events(gateway)
    far_gpsd, far_receiver = elsewhere
    drive(receiver, far_receiver)
    one = make_agent(CAR).start()
    wait_for(lambda: fixes(database, one), 20, gateway.log)
    assert TOLD not in gateway.log()
    two = make_agent(CAR, gpsd__port=far_gpsd.port).start()
    told = stream.until(lambda event, _: event == "device.two_places")[-1][1]
    assert told == {"device": CAR, "call_sign": "P-1"}
    stream.close()
    # Debian's mosquitto does not say that another came: it is believed after
    # three times, and then one of them gives way for a minute, and records.
    wait_for(lambda: gives_way(one) or gives_way(two), 30, one.process.log)
    out_since = time.monotonic()
    receiver_of = {one: receiver, two: far_receiver}
    out, stays = (one, two) if gives_way(one) else (two, one)
    rounds = came(out), came(stays)
    assert max(rounds) <= 4
    wait_more(database, stays, 3)  # what the other had sent is stored, too
    before = len(fixes(database, out))
    wait_more(database, stays, 8)
    assert len(fixes(database, out)) == before
    receiver.mode = far_receiver.mode = 1
    wait_all_stored(database, stays, receiver_of[stays])
    assert stays.stop() == 0
    wait_for(lambda: came(out) > rounds[0], 90, out.process.log)
    assert time.monotonic() - out_since > 59
    assert came(stays) == rounds[1]
    wait_all_stored(database, out, receiver_of[out])
    assert out.stop() == 0
    assert (one.held(), two.held()) == (0, 0)
    assert len(fixes(database, out)) > before + 5
    assert_all_stored(database, one, receiver)
    assert_all_stored(database, two, far_receiver)
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 0
    # Once, however often they took turns: it is told again in ten minutes.
    assert gateway.metric("patrol_devices_two_places_total") == 1
    assert gateway.log().count(TOLD) == 1


def test_a_copied_outbox_is_told(database, make_gateway, make_agent, receiver,
                                 elsewhere):
    """The copy gives the same numbers to other fixes: the first to come is
    stored, the other is refused and alarmed, and none is taken for a repeat."""
    database.add_unit("P-1", CAR)
    gateway = make_gateway().start()
    far_gpsd, far_receiver = elsewhere
    drive(receiver, far_receiver)
    true = make_agent(CAR).start()
    wait_more(database, true, 3)
    assert true.stop() == 0
    copy = make_agent(CAR, gpsd__port=far_gpsd.port)
    shutil.copy(true.outbox, copy.outbox)
    true.start()
    copy.start()
    refused = 'patrol_store_quarantined_total{reason="repeat_differs"}'
    wait_for(lambda: gateway.metric(refused) > 0, 60, gateway.log)
    gateway.process.wait_log("repeats with another content, the first from "
                             f"{CAR}, generation {generation(true):016x}")
    assert generation(copy) == generation(true)
    numbers = [row[0] for row in fixes(database, true)]
    assert len(numbers) == len(set(numbers))
