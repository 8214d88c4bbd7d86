"""A vehicle whose computer has lost the time, as after a start without a
battery: it is 1970, and no certificate is valid yet."""
import os
import time

import pytest

from lib_clock import Clock
from lib_common import wait_for
from lib_gpsd import Gpsd
from lib_stored import assert_all_stored, fixes, wait_all_stored

CAR = "car-1"
UNSURE = 1 << 5  # PT_FLAG_CLOCK_UNSURE
REFUSED = "the broker's certificate: certificate is not yet valid"


@pytest.fixture
def clock(place):
    clock = Clock(place)
    clock.set(60)  # a minute after it began
    return clock


@pytest.fixture
def gpsd(place, receiver, clock):
    """On the same computer: what it makes of the receiver's dates counts."""
    gpsd = Gpsd(os.path.join(place, "gpsd"), receiver.link,
                environment=clock.environment()).start()
    yield gpsd
    gpsd.stop()


def test_at_1970_it_records_and_afterwards_all_is_stored(
        database, make_gateway, make_agent, receiver, clock):
    database.add_unit("P-1", CAR)
    gateway = make_gateway().start()
    receiver.step, receiver.speed_mps = (0.0001, 0), 11.1
    began = time.time()
    agent = make_agent(CAR, environment=clock.environment()).start()
    agent.process.wait_log(REFUSED)
    assert agent.process.log().startswith("1970-01-01T00:0")
    agent.process.wait_log("receiver attached")
    said = len(receiver.said)
    wait_for(lambda: len(receiver.said) > said + 6, 20, "fixes")
    # Switched off and on again, still in 1970: what it has stays.
    assert agent.stop() == 0
    held = agent.held()
    assert held > 3
    agent.start()
    agent.process.wait_log(f"{held} entries not yet receipted")
    refusals = agent.process.log().count(REFUSED)
    agent.process.wait_log(REFUSED, 30, refusals + 1)
    assert "connected to broker" not in agent.process.log()
    assert fixes(database, agent) == []
    clock.set(time.time())
    agent.process.wait_log("connected to broker", 90)
    wait_for(lambda: len(fixes(database, agent)) > held + 3, 30, gateway.log)
    unit = gateway.get("/v1/units/P-1")
    assert abs(unit["vehicle"]["clock_offset_ms"]) < 5000
    receiver.mode = 1
    wait_all_stored(database, agent, receiver)
    assert agent.stop() == 0
    assert agent.held() == 0
    # While it was off and gpsd was found again nothing was recorded.
    assert_all_stored(database, agent, receiver, gap_ms=20000)
    stored = fixes(database, agent)
    assert began * 1000 - 1000 < stored[0][1] < (began + 10) * 1000
    assert not any(row[3] & UNSURE for row in stored)
    assert database.one("SELECT count(*) FROM patrol.quarantine") == 0
