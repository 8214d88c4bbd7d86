"""A clock other than this machine's, for the programs that are started with
it (libfaketime). What counts on from their start does not change."""
import os
import platform
import time

LIBRARY = f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1"


class Clock:
    """Right at first."""

    def __init__(self, directory):
        self._file = os.path.join(directory, "clock")
        self.set(time.time())

    def environment(self):
        assert os.path.exists(LIBRARY), "deploy/install-packages test"
        return {**os.environ, "LD_PRELOAD": LIBRARY,
                "FAKETIME_TIMESTAMP_FILE": self._file,
                "FAKETIME_CACHE_DURATION": "1",  # seconds until it is followed
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DISABLE_SHM": "1",
                # nothing has to come before a sanitizer's library
                "ASAN_OPTIONS": "verify_asan_link_order=0:" +
                os.environ.get("ASAN_OPTIONS", "")}

    def set(self, seconds):
        """Since 1970; from then on it goes as it should."""
        with open(self._file + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds - time.time():+.0f}\n")
        os.rename(file.name, self._file)
