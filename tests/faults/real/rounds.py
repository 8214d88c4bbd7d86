#!/usr/bin/python3
"""The real programs under real faults, in rounds.

    tests/faults/run --rounds N [--seconds T] [--seed S] [--vehicles V]
                     [--jobs J] [--keep DIR] [--list]

Vehicles (a receiver, gpsd, tracker-agent, a radio), mosquitto, patrol-gateway
and PostgreSQL, all of them the real programs. In each round faults drawn from
the seed happen to them while fixes come in; then the faults end, and within
BOUND seconds all that gpsd handed to the agents must be in the database, once,
and nothing else. Programs come from $PATROL_BIN (default build/dev/bin).

Prints a line a round and at the end, for each kind of fault, how often it was
tried and how often it was seen to have happened. Exit status 0: nothing was
lost or stored twice, and the checker, given spoiled worlds, said so of each;
1: not, and the directory with all logs stays; 2: called wrongly.
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, fields

import shell  # finds what the integration tests share
import check
import kinds
from check import Check, Tally, test_of_the_tester
from world import Means, World

BOUND_S = 180      # to recover within, after the last fault has ended
AFTER_S = 1.5      # fixes go on so long after the faults
BEFORE_S = 1.0     # and begin so long before
ALL_KILLED_ONE_IN = 5
SLOW_S = 20        # worth a word
TRIED_ENOUGH = 8   # a fault may meet one that keeps it from having an effect


# ------------------------------------------------------------------- the plan
class Deck:
    """Dealt out to its end before any kind comes again."""

    def __init__(self, chance, kinds_in_it, blanks=0):
        self._chance, self._left = chance, []
        self._all = list(kinds_in_it) + [None] * blanks

    def deal(self):
        if not self._left:
            self._left = self._chance.sample(self._all, len(self._all))
        return self._left.pop()


class Plans:
    """What happens in each round, from the seed and nothing else."""

    def __init__(self, seed, means):
        self._chance, self._means = random.Random(seed), means
        self._decks = {
            "broker": self._deck(kinds.BROKER, 1),
            "gateway": self._deck(kinds.GATEWAY, 1),
            "database": self._deck(kinds.DATABASE, 1),
            "agent": self._deck(kinds.AGENT, 3),
            "link": self._deck(kinds.LINK, 2)}

    def _deck(self, its_kinds, blanks):
        possible = [kind for kind in its_kinds if not kind.missing(self._means)]
        return Deck(self._chance, possible, blanks)

    def _fault(self, kind, world, vehicle=None):
        return kind(world, vehicle, random.Random(self._chance.random()))

    def draw(self, number, world):
        all_killed = number % ALL_KILLED_ONE_IN == 1
        dealt = [] if all_killed else [
            (self._decks[name].deal(), None)
            for name in ("broker", "gateway", "database")]
        if all_killed:
            dealt.append((kinds.AllKilled, None))
        for vehicle in world.vehicles:
            agents = None if all_killed else self._for_agent(vehicle)
            dealt.append((agents, vehicle))
            # who is to be refused has to get as far as that
            if agents is not kinds.CertificateExpired:
                dealt.append((self._decks["link"].deal(), vehicle))
        return [self._fault(kind, world, vehicle)
                for kind, vehicle in dealt if kind is not None]

    def _for_agent(self, vehicle):
        """A kill would make uncertain what the outbox that counts its losses
        has lost."""
        kind = self._decks["agent"].deal()
        if kind is kinds.AgentKilled and vehicle.counts_losses:
            return None
        return kind


# ------------------------------------------------------------------ the result
@dataclass
class Kind:
    tried: int = 0
    happened: int = 0
    lost: int = 0   # in rounds it took part in
    twice: int = 0
    recovered_s: list = field(default_factory=list)


class Result:
    """Of one run, or of several together."""

    def __init__(self):
        self.rounds, self.wrong = 0, 0
        self.kinds = {kind.kind: Kind() for kind in kinds.ALL}
        self.tally = Tally()
        self.recovered_s = []
        self.missing = {}  # kind: why
        self.tester = []   # (what was spoiled, found?)

    def add_round(self, plan, found, recovered_s):
        self.rounds += 1
        self.wrong += bool(found)
        self.recovered_s.append(recovered_s)
        for fault in plan:
            kind = self.kinds[fault.kind]
            kind.tried += 1
            kind.happened += fault.happened
            kind.lost += sum(f.kind == check.LOST for f in found)
            kind.twice += sum(f.kind == check.TWICE for f in found)
            if fault.happened:
                kind.recovered_s.append(recovered_s)

    def as_json(self):
        return {**vars(self), "tally": asdict(self.tally), "kinds": {
            name: asdict(kind) for name, kind in self.kinds.items()}}

    def add_json(self, told):
        self.rounds += told["rounds"]
        self.wrong += told["wrong"]
        self.recovered_s += told["recovered_s"]
        self.missing.update(told["missing"])
        self.tester += told["tester"]
        for part in fields(Tally):
            setattr(self.tally, part.name, getattr(self.tally, part.name) +
                    told["tally"][part.name])
        for name, kind in told["kinds"].items():
            for part in fields(Kind):
                mine = self.kinds[name]
                setattr(mine, part.name,
                        getattr(mine, part.name) + kind[part.name])

    def never_happened(self):
        """Kinds that were tried again and again and never seen to happen: then
        this tests nothing."""
        return [name for name, kind in self.kinds.items()
                if kind.tried >= TRIED_ENOUGH and kind.happened == 0]

    def good(self):
        return self.wrong == 0 and not self.never_happened() and \
            all(found for _, found in self.tester)


def print_table(result):
    print(f"\n{'fault':<30} {'happened':>8} {'of tried':>8} {'lost':>5}"
          f" {'twice':>5}  recovered after s (median, most)")
    for name, kind in result.kinds.items():
        if name in result.missing:
            print(f"{name:<30} not injected: {result.missing[name]}")
            continue
        line = f"{name:<30} {kind.happened:>8} {kind.tried:>8}" \
            f" {kind.lost:>5} {kind.twice:>5}"
        if kind.recovered_s:
            line += f"  {statistics.median(kind.recovered_s):>6.1f}" \
                f" {max(kind.recovered_s):>6.1f}"
        print(line)
    tally = result.tally
    print(f"\n{result.rounds} rounds, {result.wrong} of them wrong;"
          f" {tally.receivers} fixes said by receivers, {tally.said}"
          f" handed to agents, {tally.stored} stored;"
          f" {tally.in_doubt} handed over just before an agent's end,"
          f" {tally.in_doubt_stored} of them stored; {tally.given_up} given up"
          " by the full outbox, and counted there")
    print(f"the checker found {sum(f for _, f in result.tester)} of"
          f" {len(result.tester)} spoiled worlds")
    for name, found in result.tester:
        if not found:
            print(f"    NOT FOUND: {name}")
    for name in result.never_happened():
        print(f"    NEVER HAPPENED: {name}")


# ------------------------------------------------------------------- the rounds
class Run:
    def __init__(self, options, directory):
        self.begun = time.monotonic()
        self.options = options
        self.means = Means(options.own_world)
        self.plans = Plans(options.seed, self.means)
        self.result = Result()
        self.result.missing = {
            kind.kind: kind.missing(self.means) for kind in kinds.ALL
            if kind.missing(self.means)}
        self.world = World(directory, options.vehicles, options.seed,
                           self.means)
        if options.load > 0:
            self.world.start_load(options.load)

    def play(self, plan):
        """Injects and lifts in the order of time."""
        acts = sorted(
            [(fault.begin_s, number, fault.inject)
             for number, fault in enumerate(plan)] +
            [(fault.begin_s + fault.lasts_s, number, fault.lift)
             for number, fault in enumerate(plan)], key=lambda act: act[:2])
        begun = time.monotonic()
        for at_s, _, act in acts:
            time.sleep(max(0.0, begun + at_s - time.monotonic()))
            act()

    def look(self, since_ms):
        """What is wrong now; None when the database cannot be asked."""
        session = self.world.database.connect()
        try:
            return Check(self.world.vehicles, session, self.world.units(),
                         since_ms)
        finally:
            session.close()

    def recover(self, since_ms, lifted):
        """Until nothing is wrong, of this round and of all: (how long that
        took, what was wrong just before). What a vehicle that started without
        the file of its outbox has given up shows when it has it again."""
        last = []
        while True:
            found = self.look(since_ms).found or self.look(0).found
            passed_s = time.monotonic() - lifted
            if not found or passed_s > BOUND_S:
                return passed_s, last
            last = found
            time.sleep(0.5)

    def round(self, number):
        vehicles = self.world.vehicles
        before = [len(vehicle.tap.given) for vehicle in vehicles]
        since_ms = int(time.time() * 1000)
        plan = self.plans.draw(number, self.world)
        for vehicle in vehicles:
            vehicle.drive()
        time.sleep(BEFORE_S)
        self.play(plan)
        self.world.revive()
        lifted = time.monotonic()
        time.sleep(AFTER_S)
        for vehicle in vehicles:
            vehicle.rest()
        passed_s, slowest = self.recover(since_ms, lifted)
        last = self.look(0)
        for fault in plan:
            fault.look_back()
        self.result.tally = last.tally
        self.result.add_round(plan, last.found, passed_s)
        said = [len(vehicle.tap.given) - count
                for vehicle, count in zip(vehicles, before)]
        if not all(said):
            raise RuntimeError(f"a vehicle was handed nothing: {said}")
        self.tell(number, plan, last, passed_s, sum(said))
        if passed_s > SLOW_S and slowest:
            print(f"    the last to recover: {slowest[0].kind},"
                  f" {slowest[0].text}", flush=True)
        return not last.found

    def tell(self, number, plan, look, passed_s, said):
        told = "; ".join(str(fault) + ("" if fault.happened else " [no effect]")
                         for fault in sorted(plan, key=lambda f: f.begin_s))
        lost = sum(f.kind == check.LOST for f in look.found)
        twice = sum(f.kind == check.TWICE for f in look.found)
        print(f"seed {self.options.seed} round {number + 1}: {said} fixes, {lost} lost, {twice} twice,"
              f" recovered in {passed_s:.1f} s: {told}", flush=True)
        for line in look.told():
            print("    " + line)

    def check_load(self):
        """The load has checks of its own."""
        good, told = self.world.end_load()
        print("load: " + "\n    ".join(told.strip().splitlines()), flush=True)
        self.result.wrong += not good

    def test_the_tester(self):
        session = self.world.database.connect()
        session.autocommit = False
        self.result.tester = list(test_of_the_tester(
            self.world.vehicles, session, self.world.units()))
        session.close()

    def is_late(self):
        seconds = self.options.seconds
        return seconds > 0 and time.monotonic() - self.begun > seconds

    def run(self):
        try:
            for number in range(self.options.rounds):
                if self.is_late() and number > 0:
                    break
                if not self.round(number):
                    return
            self.test_the_tester()
            self.check_load()
        finally:
            self.world.close()


# ------------------------------------------------------------------ command line
def parse():
    parser = argparse.ArgumentParser(
        prog="tests/faults/run", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--seconds", type=float, default=0,
                        help="begin no round but the first after so long;"
                        " default 0: no limit")
    parser.add_argument("--seed", type=int, default=1,
                        help="of the faults, their times and their places")
    parser.add_argument("--vehicles", type=int, default=6,
                        help="3 or more, default 6")
    parser.add_argument("--load", type=int, default=40,
                        help="more vehicles, played by fleet-sim, beside those;"
                        " default 40, 0: none")
    parser.add_argument("--jobs", type=int, default=1,
                        help="worlds at the same time, which share the rounds;"
                        " the seeds follow each other")
    parser.add_argument("--keep", metavar="DIR",
                        help="all files there, and not deleted")
    parser.add_argument("--json", metavar="FILE", help="the result there, and no table")
    parser.add_argument("--list", action="store_true",
                        help="the kinds of faults, and exit")
    parser.add_argument("--own-world", action="store_true",
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1 or not 3 <= options.vehicles <= 200 or \
            options.jobs < 1:
        parser.error("--rounds and --jobs from 1, --vehicles from 3 to 200")
    return options


def run_one(options):
    directory = options.keep or tempfile.mkdtemp(prefix="patrol-faults-",
                                                 dir="/tmp")
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)  # mosquitto, gpsd, postgres have to get in
    run = None
    try:
        run = Run(options, directory)
        run.run()
        good = run.result.good()
    finally:
        if run is not None and run.result.good() and not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"logs: {directory}", flush=True)
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump(run.result.as_json(), out)
    else:
        print_table(run.result)
    return 0 if good else 1


def run_many(options):
    """Each in a world of its own, told apart by the number before each
    line."""
    own = os.path.join(shell.HERE, "../run")
    with tempfile.TemporaryDirectory(prefix="patrol-faults-") as place:
        jobs = []
        for job in range(min(options.jobs, options.rounds)):
            rounds = len(range(job, options.rounds, options.jobs))
            command = [own, "--rounds", rounds, "--seed", options.seed + job,
                       "--vehicles", options.vehicles, "--load", options.load,
                       "--seconds", options.seconds,
                       "--json", os.path.join(place, str(job))]
            if options.keep:
                command += ["--keep", os.path.join(options.keep, str(job))]
            jobs.append(subprocess.Popen([str(word) for word in command]))
        codes = [job.wait() for job in jobs]
        result = Result()
        for job in range(len(jobs)):
            path = os.path.join(place, str(job))
            if os.path.exists(path):
                with open(path, encoding="ascii") as told:
                    result.add_json(json.load(told))
    print(f"\n===== {len(jobs)} worlds together")
    print_table(result)
    return 0 if not any(codes) and result.good() else 1


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.list:
        print("\n".join(kind.kind for kind in kinds.ALL))
        return 0
    return run_one(options) if options.jobs == 1 else run_many(options)


if __name__ == "__main__":
    sys.exit(main())
