"""The kinds of faults. Each knows how to do itself, how to end, and whether
it really happened: by what the kernel counted, by how a process ended, by what
the programs' logs say of it; not by having been called."""
import os
import signal
import time

import psycopg2

from lib_common import wait_for

STORE = "patrol store"  # what the gateway's writing session calls itself
FULL = "No space left on device"


class Fault:
    """begin_s after the round's begin, for lasts_s. `vehicle` None: the
    control room's."""
    kind = ""
    lasts = (2.0, 7.0)

    def __init__(self, world, vehicle, chance):
        self.world, self.vehicle, self.chance = world, vehicle, chance
        self.begin_s = chance.uniform(0.0, 2.0)
        self.lasts_s = chance.uniform(*self.lasts)
        self.happened = False

    @staticmethod
    def missing(_means):
        """Why it cannot be done on this machine; empty: it can."""
        return ""

    def inject(self):
        raise NotImplementedError

    def lift(self):
        raise NotImplementedError

    def look_back(self):
        """When all has recovered: what can only be seen then."""

    def __str__(self):
        return self.kind + (f" ({self.vehicle.name})" if self.vehicle else "")


# ------------------------------------------------------------ the control room
class BrokerKilled(Fault):
    kind = "broker killed"
    lasts = (0.0, 3.0)

    def inject(self):
        child = self.world.broker.process.child
        self.world.broker.kill()
        self.happened = child.returncode == -signal.SIGKILL

    def lift(self):
        self.world.revive_broker()


class BrokerRestarted(Fault):
    """It remembers nothing: no sessions, no messages."""
    kind = "broker restarted"
    lasts = (0.0, 3.0)

    def inject(self):
        self.happened = self.world.broker.stop() == 0

    def lift(self):
        self.world.revive_broker()


class GatewayKilled(Fault):
    kind = "gateway killed"
    lasts = (0.0, 3.0)

    def inject(self):
        child = self.world.gateway.process.child
        self.world.gateway.process.kill()
        self.happened = child.returncode == -signal.SIGKILL

    def lift(self):
        self.world.revive_gateway()


def _kill_postmaster(world):
    """True: there was one, and it is gone."""
    pid = world.postmaster()
    if pid is None:
        return False
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: _is_gone(pid), 60, "postmaster")
    return True


def _is_gone(pid):
    """Also one whose parent has not yet asked how it ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class PostmasterKilled(Fault):
    kind = "database killed (postmaster)"
    lasts = (0.0, 4.0)

    def inject(self):
        self.happened = _kill_postmaster(self.world)

    def lift(self):
        self.world.revive_database()


class BackendKilled(Fault):
    """The server ends all sessions then, and recovers."""
    kind = "database killed (backend)"
    lasts = (1.0, 2.0)

    def inject(self):
        # a gateway killed in the same round needs a while to come back
        try:
            pid = wait_for(self._session, 8, "")
        except AssertionError:
            return
        self.pid = pid
        os.kill(pid, signal.SIGKILL)
        self.happened = True

    def _session(self):
        found = self.world.database.query(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s",
            STORE)
        return found and found[0][0]

    def lift(self):
        if self.happened:
            said = f"server process (PID {self.pid}) was terminated by signal 9"
            self.happened = said in self.world.server_log()


class DatabaseStopped(Fault):
    kind = "database stopped"
    lasts = (5.0, 10.0)

    def inject(self):
        self.world.database.stop()
        self.happened = self.world.postmaster() is None

    def lift(self):
        self.world.revive_database()


class TableLocked(Fault):
    kind = "table locked"
    lasts = (4.0, 9.0)
    tables = ("position", "receipt", "latest_position")

    def inject(self):
        table = self.chance.choice(self.tables)
        self._session = self.world.database.connect()
        self._session.autocommit = False
        with self._session.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '10s'")
            cursor.execute(f"LOCK TABLE patrol.{table} IN ACCESS EXCLUSIVE"
                           " MODE")

    def _waits(self):
        return self.world.database.one(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND application_name LIKE 'patrol%%'") > 0

    def lift(self):
        try:
            self.happened = bool(wait_for(self._waits, 5))
        except AssertionError:
            pass  # nobody wanted it, or had given up for now
        self._session.rollback()
        self._session.close()


class DatabaseFull(Fault):
    """Full for the tables; in half of the cases for the log, too, which the
    server does not survive."""
    kind = "database's disk full"
    lasts = (4.0, 8.0)

    @staticmethod
    def missing(means):
        return means.mounts

    def inject(self):
        self._before = self.world.server_log().count(FULL)
        self.world.fill_database_disk()
        if self.chance.random() < 0.5:
            self._use_up_log()

    def _use_up_log(self):
        """Until the server has to make a new file of it."""
        for _ in range(8):
            try:
                self.world.database.query("SELECT pg_switch_wal()")
                self.world.database.query("CHECKPOINT")
            except psycopg2.Error:
                return

    def _was_hit(self):
        return self.world.server_log().count(FULL) > self._before

    def lift(self):
        try:
            self.happened = bool(wait_for(self._was_hit, 12))
        except AssertionError:
            pass  # nothing needed a new page
        self.world.free_database_disk()
        self.world.revive_database()


class AllKilled(Fault):
    """Broker, gateway, database and agents at the same time; not the agent
    whose losses are counted, and which a kill would make uncertain."""
    kind = "all killed together"
    lasts = (0.0, 3.0)

    def inject(self):
        done = [_kill_postmaster(self.world)]
        for process in (self.world.broker.process, self.world.gateway.process):
            child = process.child
            process.kill()
            done.append(child.returncode == -signal.SIGKILL)
        done += [vehicle.kill() for vehicle in self.world.vehicles[1:]]
        self.happened = all(done)

    def lift(self):
        self.world.revive()


# ------------------------------------------------------------------- a vehicle
class AgentKilled(Fault):
    kind = "agent killed"
    lasts = (0.0, 3.0)

    def inject(self):
        self.happened = self.vehicle.kill()

    def lift(self):
        self.vehicle.revive()


class AgentDiskFull(Fault):
    """The agent has just been started: its write-ahead log is small then, and
    has no room from before that lasts for minutes. In one case of eight
    it is filled before, and the agent starts without the file of its outbox;
    it then takes up to a minute more until it sees that there is room."""
    kind = "agent's disk full"
    lasts = (4.0, 9.0)

    @staticmethod
    def missing(means):
        return means.mounts

    def inject(self):
        self._before = self._told()
        self.vehicle.stop()
        starts = self.vehicle.starts()
        if self.chance.random() < 0.125:
            self.vehicle.fill_disk()
            self.vehicle.revive()
            return
        self.vehicle.revive()
        wait_for(lambda: self.vehicle.starts() > starts and
                 self.vehicle.has_written(), 60, self.vehicle.process.log)
        self.vehicle.fill_disk()

    def _told(self):
        return self.vehicle.process.log().count("entries are kept in memory")

    def lift(self):
        self.happened = self._told() > self._before
        self.vehicle.free_disk()


class CertificateExpired(Fault):
    """The vehicle is started with a certificate that has just run out, and
    renewed without another start."""
    kind = "certificate expired"
    lasts = (3.0, 7.0)

    def inject(self):
        self.vehicle.renew(*self.vehicle.authority.issue_for(
            self.vehicle.name, 1))
        expired = time.monotonic() + 2
        self.vehicle.stop()
        time.sleep(max(0.0, expired - time.monotonic()))
        self._before = self._told()
        self.vehicle.revive()

    def _told(self):
        """Attempts that failed, connections, and what the broker refused. The
        agent may hear no more of why than that it was thrown out."""
        log = self.vehicle.process.log()
        return (log.count("could not connect"), log.count("connected to broker"),
                self.world.broker.process.log().count(
                    "certificate verify failed"))

    def lift(self):
        failed, connected, refused = (
            now - before for now, before in zip(self._told(), self._before))
        self.happened = failed > 0 and connected == 0 and refused > 0
        self.vehicle.renew(*self.vehicle.authority.issue(self.vehicle.name))


# -------------------------------------------------------------------- its radio
class LinkFault(Fault):
    @staticmethod
    def missing(means):
        return means.tun

    @property
    def radio(self):
        return self.vehicle.radio


class LinkDown(LinkFault):
    kind = "link cut (device down)"

    def inject(self):
        self.radio.disconnect()

    def lift(self):
        self.happened = not self.radio.is_connected()
        self.radio.connect()


class LinkFiltered(LinkFault):
    percent = 100

    @staticmethod
    def missing(means):
        return means.filter

    def inject(self):
        self.radio.drop(self.percent)

    def lift(self):
        self.happened = self.radio.undrop() > 0


class LinkSilent(LinkFiltered):
    kind = "link cut (silent)"
    lasts = (4.0, 12.0)


class LinkLossy(LinkFiltered):
    kind = "link lossy (40 %)"
    percent = 40
    lasts = (5.0, 10.0)


class LinkThrottled(LinkFault):
    """64 kbit/s, and somebody else on it who wants more than that."""
    kind = "link throttled (64 kbit/s)"
    lasts = (5.0, 9.0)

    @staticmethod
    def missing(means):
        return means.shaper

    def inject(self):
        self.radio.shape("64kbit")

    def lift(self):
        self.happened = self.radio.unshape() > 0


class LinkDelayed(LinkFault):
    delay_s = (0.0, 0.0)

    def inject(self):
        self._before = self.count()
        self.radio.delay_s = self.delay_s

    def count(self):
        raise NotImplementedError

    def lift(self):
        self.radio.delay_s = (0.0, 0.0)

    def look_back(self):
        self.happened = self.count() > self._before


class LinkSlow(LinkDelayed):
    kind = "link slow (2 s one way)"
    delay_s = (2.0, 2.0)
    lasts = (5.0, 10.0)

    def count(self):
        return self.radio.late


class LinkReordered(LinkDelayed):
    kind = "link reordering"
    delay_s = (0.01, 0.8)
    lasts = (5.0, 10.0)

    def count(self):
        return self.radio.overtaken


class LinkHalfOpen(LinkFault):
    """What is open hears nothing more and is not told; that does not end
    with the fault."""
    kind = "link half open"
    lasts = (1.0, 4.0)

    def inject(self):
        self._before = self.radio.forgotten
        self.radio.forget()

    def lift(self):
        pass

    def look_back(self):
        self.happened = self.radio.forgotten > self._before


class AddressChanged(LinkFault):
    kind = "address changed"
    lasts = (1.0, 4.0)

    def inject(self):
        self.radio.move()

    def lift(self):
        pass

    def look_back(self):
        self.happened = self.radio.flows_from(self.radio.address) > 0


# one of each row a round, for a vehicle one of each of its own
BROKER = (BrokerKilled, BrokerRestarted)
GATEWAY = (GatewayKilled,)
DATABASE = (PostmasterKilled, BackendKilled, DatabaseStopped, TableLocked,
            DatabaseFull)
AGENT = (AgentKilled, AgentDiskFull, CertificateExpired)
LINK = (LinkDown, LinkSilent, LinkThrottled, LinkLossy, LinkSlow,
        LinkReordered, LinkHalfOpen, AddressChanged)
ALL = BROKER + GATEWAY + DATABASE + (AllKilled,) + AGENT + LINK
