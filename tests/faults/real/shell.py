"""Programs of the system, run to their end."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../integration"))


def run(*words, check=True):
    """What it printed; a failure is an exception that says why."""
    done = subprocess.run([str(word) for word in words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: "
                           f"{done.stderr.strip() or done.returncode}")
    return done.stdout


def possible(*words):
    """Why it cannot be done here, in one line; empty: it can."""
    try:
        run(*words)
    except (RuntimeError, OSError) as error:
        return str(error).strip().splitlines()[-1]
    return ""
