"""Half an hour without a network, then with one: what goes out in which
order, until nothing is left."""
import os
import threading
import time

import pytest

import lib_replay as replay
import lib_wire as wire
from lib_common import wait_for
from lib_nmea import epoch

CAR = "car-1"
HISTORY = 1800  # fixes, one a second
BATCH = 100
LAT, LON, STEP = 23.13, -82.38, 0.0001  # 11 m a second northwards


@pytest.fixture
def receiver(place):
    receiver = replay.Replay(os.path.join(place, "receiver")).plug()
    yield receiver
    receiver.unplug()


def fix(number, when):
    """There and back again, so that half an hour stays within a degree."""
    north = number % 400
    turned = north >= 200
    lat = LAT + STEP * (400 - north if turned else north)
    return epoch(when, lat, LON, 11.1, 180 if turned else 0).encode()


class Present:
    """A fix a second in real time, from where the history ends."""

    def __init__(self, receiver):
        self._receiver = receiver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        number = HISTORY
        while not self._stop.wait(1 - time.time() % 1):
            self._receiver.write(fix(number, round(time.time())))
            number += 1

    def end(self):
        self._stop.set()
        self._thread.join()


def split(reports):
    """("live" or "backlog", numbers) of each message: live is what is newer
    than all before."""
    newest, kinds = 0, []
    for entries in reports:
        numbers = [entry.seq for entry in entries]
        kind = "live" if min(numbers) > newest else "backlog"
        newest = max(newest, *numbers)
        kinds.append((kind, numbers))
    return kinds


def arrived(peer):
    with peer.lock:
        reports = [wire.entries(report) for _, _, report in peer.reports]
    return split([entries for entries in reports if entries])


def of_kind(messages, wanted):
    return [numbers for kind, numbers in messages if kind == wanted]


def test_a_backlog_never_stands_before_the_present(
        make_agent, make_peer, receiver, gpsd, proxy):
    peer = make_peer()
    proxy.cut()
    agent = make_agent(CAR, broker__list=proxy.address, pace__moving=1,
                       pace__parked=1, uplink__batch=BATCH,
                       uplink__resend=120, uplink__resend_max=120).start()
    receiver.identify(gpsd)
    agent.process.wait_log("receiver attached")
    begin_s = int(time.time()) - HISTORY - 60
    receiver.play([fix(n, begin_s + n) for n in range(HISTORY)], 0.003)
    present = Present(receiver)
    proxy.mend()
    # Without a receipt the present goes on, and one batch is all that comes.
    wait_for(lambda: len(of_kind(arrived(peer), "live")) >= 4 and
             of_kind(arrived(peer), "backlog"), 90, agent.process.log)
    messages = arrived(peer)
    assert messages[0][0] == "live" and len(messages[0][1]) == 1
    assert messages[1][0] == "backlog"
    assert len(of_kind(messages, "backlog")) == 1
    assert len(messages[1][1]) == BATCH and min(messages[1][1]) == 1
    # With receipts batch after batch, oldest first, each entry once.
    peer.catch_up()
    wait_for(lambda: sum(map(len, of_kind(arrived(peer), "backlog"))) >=
             HISTORY, 60, agent.process.log)
    present.end()
    agent.wait_empty()
    messages = arrived(peer)
    old = [n for numbers in of_kind(messages, "backlog") for n in numbers]
    live = [n for numbers in of_kind(messages, "live") for n in numbers]
    assert old == sorted(set(old)) and live == sorted(set(live))
    assert max(old) < live[0]
    assert max(map(len, of_kind(messages, "backlog"))) <= BATCH
    assert sorted(old + live) == list(range(1, max(live) + 1))
