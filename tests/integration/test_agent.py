"""The real tracker-agent between a real gpsd and a real mosquitto; the
gateway is played by a Python client."""
from lib_common import wait_for
import lib_wire as wire


def test_fix_is_reported_as_the_receiver_said_it(make_agent, make_peer,
                                                 receiver):
    receiver.step = (0.0001, 0.00005)  # 12 m a second
    receiver.speed_mps, receiver.course_deg = 12.25, 24.5
    peer = make_peer(receipts=True)
    agent = make_agent().start()
    wait_for(lambda: len(peer.entries("car-1")) >= 4, 20, agent.process.log)
    said = {time_ms: (lat, lon) for time_ms, lat, lon in receiver.said}
    for entry in peer.entries("car-1"):
        lat, lon = said[entry.time_ms]
        assert abs(entry.lat - lat) <= 1e-6
        assert abs(entry.lon - lon) <= 1e-6
        assert entry.flags & wire.POSITION
    # gpsd may say 2D until it has seen the receiver's whole cycle
    last = peer.entries("car-1")[-1]
    assert abs(last.speed_mps - 12.25) <= 0.01
    assert abs(last.course_deg - 24.5) <= 0.01
    assert last.flags & wire.SPEED and last.flags & wire.COURSE
    assert last.flags & wire.IS_3D
    assert last.status == 1  # available
    assert peer.presence["car-1"] == "online"
    assert agent.stop() == 0
    wait_for(lambda: peer.presence["car-1"] == "offline")
