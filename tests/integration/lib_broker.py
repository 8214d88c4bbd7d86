"""A mosquitto of our own with the configuration and the ACL of deploy/broker:
TLS, client certificates, a device writes under its own name only."""
import os
import subprocess

from lib_common import TOP, Server, free_port

PRIVATE = os.path.join(TOP, "deploy/private/broker")


class Broker(Server):
    def __init__(self, directory, authority):
        self.dir = str(directory)
        port = free_port()
        authority.issue("localhost", "DNS:localhost,IP:127.0.0.1", "broker")
        subprocess.run([PRIVATE, "conf", self.dir, str(port),
                        authority.dir], check=True)
        super().__init__(port, [PRIVATE, "run", self.dir],
                         os.path.join(self.dir, "mosquitto.log"))

    @property
    def address(self):
        return f"localhost:{self.port}"
