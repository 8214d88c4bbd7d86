"""A mosquitto of our own with the configuration and the ACL of deploy/broker:
TLS, client certificates, a device writes under its own name only."""
import os
import subprocess

from lib_common import TOP, Process, free_port, listens, wait_for

PRIVATE = os.path.join(TOP, "deploy/private/broker")


class Broker:
    def __init__(self, directory, authority):
        self.dir = str(directory)
        self.port = free_port()
        authority.issue("localhost", "DNS:localhost,IP:127.0.0.1", "broker")
        subprocess.run([PRIVATE, "conf", self.dir, str(self.port),
                        authority.dir], check=True)
        self.process = Process([PRIVATE, "run", self.dir],
                               os.path.join(self.dir, "mosquitto.log"))

    @property
    def address(self):
        return f"localhost:{self.port}"

    def start(self):
        self.process.start()
        wait_for(lambda: listens(self.port), 10, self.process.log)
        return self

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.stop()
