"""Shared parts of the integration tests: each test has its own processes, on
free loopback ports, with everything in a directory of its own. Programs come
from $PATROL_BIN (default build/dev/bin)."""
import os
import shutil
import tempfile

import pytest

from lib_agent import Agent
from lib_broker import Broker
from lib_database import Database
from lib_gateway import Gateway
from lib_gpsd import Gpsd, Receiver
from lib_peer import Peer
from lib_pki import Authority
from lib_proxy import Proxy
from lib_vehicle import Vehicle


def _open_directory():
    """mosquitto and gpsd give up root's rights and still have to get in;
    pytest's own directories are for their owner only."""
    path = tempfile.mkdtemp(prefix="patrol-test-")
    os.chmod(path, 0o755)
    return path


@pytest.fixture
def place():
    path = _open_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def authority():
    path = _open_directory()
    yield Authority(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def broker(place, authority):
    broker = Broker(os.path.join(place, "broker"), authority).start()
    yield broker
    broker.stop()


@pytest.fixture
def receiver(place):
    receiver = Receiver(os.path.join(place, "receiver")).plug()
    yield receiver
    receiver.unplug()


@pytest.fixture
def gpsd(place, receiver):
    gpsd = Gpsd(os.path.join(place, "gpsd"), receiver.link).start()
    yield gpsd
    gpsd.stop()


@pytest.fixture
def proxy(broker):
    proxy = Proxy(broker.port)
    yield proxy
    proxy.close()


@pytest.fixture
def make_peer(broker, authority):
    peers = []

    def make(**options):
        peers.append(Peer(broker, authority, **options).wait_up())
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def make_agent(place, broker, gpsd, authority):
    """make_agent(device, section__name=value...): not yet started. At the end
    each must stop in order and have nothing to say about memory."""
    agents = []

    def make(device="car-1", **options):
        agents.append(Agent(os.path.join(place, f"agent-{len(agents)}"),
                            device, broker, gpsd, authority, **options))
        return agents[-1]

    yield make
    for agent in agents:
        if agent.process.runs():
            assert agent.stop() == 0, agent.process.log()
        log = agent.process.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture(scope="session")
def server():
    path = _open_directory()
    server = Database(os.path.join(path, "db"))
    server.add_grid()
    yield server
    server.stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def database(server):
    """The session's PostgreSQL with a grid of streets and nothing else."""
    server.clear()
    if server.one("SELECT source FROM patrol.road_network"
                  " ORDER BY network_id DESC LIMIT 1") != "grid":
        server.add_grid()
    return server


@pytest.fixture
def make_gateway(place, database, broker, authority):
    """make_gateway(section__name=value...): not yet started. At the end each
    must stop in order and have nothing to say about memory."""
    gateways = []

    def make(**settings):
        settings.setdefault("intake__receipt_every_s", 1)
        gateways.append(Gateway(os.path.join(place, f"gateway-{len(gateways)}"),
                                database, broker, authority, **settings))
        return gateways[-1]

    yield make
    for gateway in gateways:
        assert gateway.stop() in (None, 0), gateway.log()
        assert "Sanitizer" not in gateway.log(), gateway.log()


@pytest.fixture
def make_vehicle(broker, authority):
    vehicles = []

    def make(name):
        vehicles.append(Vehicle(broker, authority, name))
        return vehicles[-1]

    yield make
    for vehicle in vehicles:
        vehicle.close()
