"""What a receiver said beside what the database holds of it."""
import re

from lib_common import wait_for


def generation(agent):
    """Of its outbox, as the database has it."""
    agent.process.wait_log("generation ")
    return int(re.search(r"generation ([0-9a-f]{16})",
                         agent.process.log()).group(1), 16)


def fixes(database, agent):
    """(seq, time in ms, degrees north, flags) of all that is stored, in
    order."""
    return database.query(
        "SELECT seq, (extract(epoch FROM fix_time) * 1000)::bigint,"
        " ST_Y(geom), flags FROM patrol.position WHERE generation = %s"
        " ORDER BY seq", generation(agent))


def wait_all_stored(database, agent, receiver):
    """Of a vehicle that reports each fix and whose receiver has none any more:
    the last is stored, and a receipt has come for each (log.level debug says
    so)."""
    def is_stored():
        rows = fixes(database, agent)
        counts = re.findall(r"(\d+) receipted, \d+ left", agent.process.log())
        return rows and rows[-1][1] >= receiver.said[-1][0] and \
            sum(map(int, counts)) == len(rows)
    wait_for(is_stored, 30, agent.process.log)


def assert_all_stored(database, agent, receiver, gap_ms=2000):
    """After wait_all_stored(): every fix from the first to the receiver's
    last, once, when and where the receiver said it was. Between two of them at
    most `gap_ms`."""
    rows = fixes(database, agent)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    said = {time_ms: lat for time_ms, lat, _ in receiver.said}
    for _, time_ms, lat, _ in rows:
        assert abs(said[time_ms] - lat) <= 1e-6
    times = [row[1] for row in rows]
    assert max(b - a for a, b in zip(times, times[1:])) <= gap_ms
    assert times[-1] == receiver.said[-1][0]
    assert database.query("SELECT stored_to, lost FROM patrol.receipt"
                          " WHERE generation = %s", generation(agent)) == \
        [(len(rows), 0)]
