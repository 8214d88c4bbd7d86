"""patrol-gateway as an operator runs it."""
import os

import requests

from lib_common import BIN, Process, free_port, wait_for

PROGRAM = os.path.join(BIN, "patrol-gateway")
SANITIZED = "asan" in BIN or "tsan" in BIN


class Gateway:
    """`settings` as section__name=value."""

    def __init__(self, directory, database, broker, authority, **settings):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        os.makedirs(directory)
        config = os.path.join(directory, "gateway.conf")
        cert, key = authority.issue("patrol-gateway")
        lines = {"database__conninfo": database.url,
                 "broker__list": broker.address,
                 "broker__ca": authority.ca,
                 "broker__cert": cert,
                 "broker__key": key,
                 "http__listen": f"127.0.0.1:{self.port}",
                 "log__level": "debug", **settings}
        with open(config, "w", encoding="utf-8") as out:
            for name, value in lines.items():
                section, option = name.split("__")
                out.write(f"[{section}]\n{option} = {value}\n")
        self.process = Process([PROGRAM, "-c", config],
                               os.path.join(directory, "log"))
        self.http = requests.Session()
        self.http.trust_env = False

    def start(self, ready=True):
        self.process.start()
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_s=60):
        wait_for(lambda: self.status("/readyz") == 200, timeout_s,
                 self.process.log)

    def status(self, path):
        """None while it does not answer at all."""
        assert self.process.runs(), self.process.log()
        try:
            return self.http.get(self.url + path, timeout=10).status_code
        except requests.ConnectionError:
            return None

    def get(self, path):
        answer = self.http.get(self.url + path, timeout=10)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def nearest(self, at, k=5, more=""):
        return self.get(f"/v1/nearest?lat={at[0]:.6f}&lon={at[1]:.6f}&k={k}{more}")

    def metric(self, name):
        """The sum over the lines whose name and labels begin so."""
        page = self.http.get(self.url + "/metrics", timeout=10).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                   if line.startswith(name))

    def log(self):
        return self.process.log()

    def kill(self):
        self.process.kill()
        self.http.close()

    def stop(self):
        """The exit status; None when it did not run."""
        return self.process.stop(30)
