"""A control room for what measures: PostgreSQL, mosquitto with TLS as
deploy/broker sets it up, the gateway with its own settings."""
import os
import platform
import re
import shutil
import tempfile

import lib_bench  # pylint: disable=unused-import
from lib_broker import Broker
from lib_common import BIN
from lib_database import Database
from lib_gateway import Gateway
from lib_pki import Authority


def machine():
    """One line: what the figures were seen on."""
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        found = re.search(r"^model name\s*: (.*)$", info.read(), re.MULTILINE)
    if found:
        model = found.group(1)
    return (f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, {model}, "
            f"{os.path.basename(os.path.dirname(BIN))} build")


def change(path, this, into):
    with open(path, encoding="utf-8") as old:
        text = old.read()
    assert this in text, f"{path}: no {this!r}"
    with open(path, "w", encoding="utf-8") as new:
        new.write(text.replace(this, into))


class Room:
    """with Room(...) as room. mosquitto and gpsd give up root's rights and
    still have to get in, so the directory is open to all."""

    def __init__(self, addresses=(), acl="", **settings):
        """The broker also listens on `addresses`; `acl`: more lines for its
        access list."""
        self.dir = tempfile.mkdtemp(prefix="patrol-bench-")
        os.chmod(self.dir, 0o755)
        self.authority = Authority(self.path("certs"))
        # the broker's certificate, before Broker asks for a plain one
        self.authority.issue("localhost", ",".join(
            ["DNS:localhost", *(f"IP:{one}" for one in
                                ("127.0.0.1", *addresses))]), "broker")
        self.addresses, self.acl, self.settings = addresses, acl, settings
        self.database = self.broker = self.gateway = None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def __enter__(self):
        self.database = Database(self.path("db"))
        self.database.add_grid()  # without streets a gateway is not ready
        self.broker = Broker(self.path("broker"), self.authority)
        if self.addresses:
            change(self.path("broker/mosquitto.conf"),
                   f"listener {self.broker.port} 127.0.0.1",
                   f"listener {self.broker.port}")
        with open(self.path("broker/patrol.acl"), "a", encoding="ascii") as acl:
            acl.write(self.acl)
        self.gateway = Gateway(self.path("gateway"), self.database,
                               self.broker, self.authority,
                               **{"log__level": "info", **self.settings})
        return self

    def start(self):
        self.broker.start()
        self.gateway.start()

    def __exit__(self, *_):
        self.gateway.stop()
        self.broker.stop()
        self.database.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
