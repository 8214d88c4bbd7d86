"""Where things are, for what measures; import this before anything else of
ours: the programs are those of the release build unless PATROL_BIN says
otherwise."""
import os
import sys

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
SHARED = os.environ.get("PATROL_SHARED_DATA",
                        os.path.join(TOP, "../shared/data"))
BIN = os.environ.setdefault("PATROL_BIN", os.path.join(TOP, "build/release/bin"))
sys.path.insert(0, os.path.join(TOP, "tests/integration"))


def need(*programs):
    for program in programs:
        if not os.access(os.path.join(BIN, program), os.X_OK):
            sys.exit(f"run: {BIN}/{program} is not built (cmake --preset "
                     "release)")
