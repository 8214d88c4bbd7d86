"""The real tracker-agent between a real gpsd and a real mosquitto; the
gateway is played by a Python client."""
import os
import shutil
import socket
import ssl
import subprocess
import time

import paho.mqtt.client as mqtt
import pytest

import lib_wire as wire
from lib_agent import PROGRAM
from lib_common import TOP, free_port, wait_for
from lib_pki import Authority
from lib_proxy import Proxy

CAR = "car-1"
UNSAFE = 1 << 6  # PT_FLAG_UNSAFE
NOT_SEEN, NO_FIX, FIX_2D, FIX_3D = 1, 2, 3, 4  # receiver_mode on the wire


def drive(receiver):
    """12 m a second: a report at each fix with QUICK's 5 m."""
    receiver.step = (0.0001, 0.00005)
    receiver.speed_mps, receiver.course_deg = 12.25, 24.5


def wait_entries(peer, count, agent, timeout_s=20):
    return wait_for(lambda: len(peer.entries(CAR)) >= count and
                    peer.entries(CAR), timeout_s, agent.process.log)


def wait_mode(peer, agent, mode, timeout_s=25):
    """The agent says this mode of its receiver."""
    wait_for(lambda: peer.states(CAR) and
             peer.states(CAR)[-1].receiver_mode == mode, timeout_s,
             lambda: f"{peer.states(CAR)[-1:]}\n{agent.process.log()}")


def numbers(peer):
    return {entry.seq for entry in peer.entries(CAR)}


# ------------------------------------------------------------------- reports
def test_fix_is_reported_as_the_receiver_said_it(make_agent, make_peer,
                                                 receiver):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent().start()
    wait_entries(peer, 4, agent)
    said = {time_ms: (lat, lon) for time_ms, lat, lon in receiver.said}
    for entry in peer.entries(CAR):
        lat, lon = said[entry.time_ms]
        assert abs(entry.lat - lat) <= 1e-6
        assert abs(entry.lon - lon) <= 1e-6
        assert entry.flags & wire.POSITION
    # gpsd may say 2D until it has seen the receiver's whole cycle
    last = peer.entries(CAR)[-1]
    assert last.flags & wire.IS_3D
    assert last.flags & wire.SPEED and last.flags & wire.COURSE
    assert abs(last.speed_mps - 12.25) <= 0.01
    assert abs(last.course_deg - 24.5) <= 0.01
    assert (last.status, last.kind) == (1, 0)  # available, a fix
    assert peer.presence[CAR] == "online"
    assert agent.stop() == 0
    wait_for(lambda: peer.presence[CAR] == "offline")


def test_two_dimensional_fix(make_agent, make_peer, receiver):
    receiver.mode = 2
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent().start()
    wait_entries(peer, 4, agent)
    assert not any(entry.flags & wire.IS_3D for entry in peer.entries(CAR))
    assert all(entry.flags & wire.POSITION for entry in peer.entries(CAR))
    wait_mode(peer, agent, FIX_2D)


def test_no_fix_is_said_by_heartbeats(make_agent, make_peer, receiver):
    receiver.mode = 1
    peer = make_peer()
    agent = make_agent().start()
    wait_mode(peer, agent, NO_FIX)
    count = len(peer.states(CAR))
    wait_for(lambda: len(peer.states(CAR)) >= count + 2, 10,
             agent.process.log)
    assert peer.entries(CAR) == []
    state = peer.states(CAR)[-1]
    assert state.next_due_s == 3  # uplink.heartbeat of QUICK
    assert abs(state.now_ms / 1000 - time.time()) < 5
    receiver.mode = 3
    wait_entries(peer, 1, agent)
    wait_mode(peer, agent, FIX_3D)


def test_fix_lost_in_a_tunnel_is_said_and_no_old_position_sent(
        make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer(receipts=True)
    # a heartbeat is far off: only the change itself can say it
    agent = make_agent(uplink__heartbeat=600).start()
    wait_entries(peer, 3, agent)
    wait_mode(peer, agent, FIX_3D)
    receiver.mode = 1
    wait_mode(peer, agent, NO_FIX)
    time.sleep(2.5)
    last = peer.entries(CAR)[-1]
    assert last.time_ms <= receiver.said[-1][0]


# ---------------------------------------------------- the vehicle's own truth
EXTERNAL, BATTERY = 1, 2  # power on the wire


def say_power(agent, online, status, capacity):
    """What the kernel would say in /sys/class/power_supply."""
    for supply, files in (("AC", {"type": "Mains", "online": online}),
                          ("BAT0", {"type": "Battery", "status": status,
                                    "capacity": capacity})):
        folder = os.path.join(agent.dir, "power_supply", supply)
        os.makedirs(folder, exist_ok=True)
        for name, value in files.items():
            with open(os.path.join(folder, name + ".new"), "w",
                      encoding="ascii") as file:
                file.write(f"{value}\n")
            os.rename(file.name, os.path.join(folder, name))


def wait_state(peer, agent, wanted, timeout_s=25):
    def last():
        states = peer.states(CAR)
        return states and wanted(states[-1]) and states[-1]
    return wait_for(last, timeout_s, lambda: f"{peer.states(CAR)[-1:]}\n"
                    f"{agent.process.log()}")


def test_vehicle_tells_of_itself(make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer()
    agent = make_agent(uplink__heartbeat=1)
    agent.start()
    state = wait_state(peer, agent, lambda s: s.HasField("clock_offset_ms"))
    # It is this machine's clock that the receiver reads from.
    assert abs(state.clock_offset_ms) < 5000
    assert (state.power, state.battery_percent) == (0, 0)  # no such directory
    # Nothing is receipted: it piles up and grows old ...
    state = wait_state(peer, agent, lambda s: s.oldest_age_s >= 3)
    assert state.outbox_depth >= 3
    # ... and when all is, there is no age, which is not the age 0.
    receiver.mode = 1
    wait_mode(peer, agent, NO_FIX)
    peer.receipts = True
    state = wait_state(peer, agent, lambda s: s.outbox_depth == 0)
    assert not state.HasField("oldest_age_s")
    assert abs(state.clock_offset_ms) < 5000  # known without a fix, too
    say_power(agent, 1, "Charging", 80)
    wait_state(peer, agent, lambda s: (s.power, s.battery_percent) ==
               (EXTERNAL, 81))
    say_power(agent, 0, "Discharging", 79)  # the ignition is off
    wait_state(peer, agent, lambda s: (s.power, s.battery_percent) ==
               (BATTERY, 80))


def test_power_lost_rides_with_the_next_report(make_agent, make_peer,
                                               receiver):
    """Not only once a minute, and with no message of its own."""
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent(uplink__heartbeat=600)
    say_power(agent, 1, "Full", 100)
    agent.start()
    wait_state(peer, agent, lambda s: s.power == EXTERNAL)
    wait_entries(peer, 5, agent)
    said = len(peer.states(CAR))
    say_power(agent, 0, "Discharging", 99)
    wait_state(peer, agent, lambda s: s.power == BATTERY)
    news = [report for _, _, report in peer.reports
            if report.HasField("state") and report.state.power == BATTERY]
    assert news[0].count > 0
    assert len(peer.states(CAR)) - said <= 2  # not with every report


# ------------------------------------------------------------------ delivery
def test_what_is_receipted_is_deleted_and_not_sent_again(
        make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent().start()
    wait_entries(peer, 3, agent)
    receiver.mode = 1
    wait_mode(peer, agent, NO_FIX)
    agent.wait_empty()
    assert agent.stop() == 0
    assert agent.held() == 0
    peer.forget()
    agent.start()
    wait_mode(peer, agent, NO_FIX)  # it is back, and had time to say more
    assert peer.entries(CAR) == []


def test_without_receipt_it_is_sent_again(make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer(receipts=False)
    agent = make_agent().start()
    wait_entries(peer, 3, agent)
    receiver.mode = 1
    wait_for(lambda: [e.seq for e in peer.entries(CAR)].count(1) >= 3, 30,
             agent.process.log)
    first = [e for e in peer.entries(CAR) if e.seq == 1]
    assert all(entry == first[0] for entry in first)
    arrivals = [when for _, when, report in peer.reports
                if 1 in [e.seq for e in wire.entries(report)]]
    assert arrivals[1] - arrivals[0] >= 2.9  # uplink.resend of QUICK
    last = peer.entries(CAR)[-1]
    peer.receipt(CAR, last.generation, numbers(peer))
    agent.wait_empty()
    assert agent.stop() == 0
    assert agent.held() == 0


def test_receipt_deletes_what_it_names_and_nothing_else(
        make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer()
    agent = make_agent().start()
    wait_entries(peer, 5, agent)
    receiver.mode = 1
    wait_mode(peer, agent, NO_FIX)
    held = numbers(peer)
    generation = peer.entries(CAR)[-1].generation
    peer.receipt(CAR, generation, {2, 4})
    agent.process.wait_log("2 receipted")
    peer.receipt(CAR, generation ^ 1, held)  # another outbox's
    agent.process.wait_log("receipt of another generation")
    peer.client.publish(f"patrol/v1/{CAR}/receipt", b"\xff\xff\xff", qos=1)
    agent.process.wait_log("receipt refused")
    assert agent.stop() == 0
    assert agent.held() == len(held) - 2


def test_broker_killed_and_started_again_loses_nothing(
        make_agent, make_peer, receiver, broker):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent().start()
    wait_entries(peer, 3, agent)
    broker.kill()
    agent.process.wait_log("lost broker")
    time.sleep(4)
    assert cpu_s(agent.process.pid) < 1  # trying again costs nothing
    broker.start()
    wait_for(peer.up.is_set, 15)
    agent.process.wait_log("connected to broker", count=2)
    time.sleep(2)
    receiver.mode = 1
    wait_mode(peer, agent, NO_FIX)
    agent.wait_empty()
    highest = max(numbers(peer))
    assert numbers(peer) == set(range(1, highest + 1))
    # one report a second: what was driven while the broker was away is there
    times = sorted({entry.time_ms for entry in peer.entries(CAR)})
    assert max(b - a for a, b in zip(times, times[1:])) <= 2000
    assert agent.stop() == 0
    assert agent.held() == 0


def test_after_a_gap_the_newest_goes_first_then_batches(
        make_agent, make_peer, receiver, proxy):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent(**{"broker.list": proxy.address},
                       uplink__batch=4).start()
    wait_entries(peer, 2, agent)
    proxy.cut()
    agent.process.wait_log("lost broker")
    time.sleep(8)
    peer.forget()
    proxy.mend()
    wait_for(lambda: len(peer.reports) >= 4, 70, agent.process.log)
    reports = [wire.entries(report) for _, _, report in peer.reports]
    arrival = peer.reports[0][1]
    first = reports[0]
    assert len(first) == 1
    assert arrival * 1000 - first[0].time_ms < 2500
    batches = [entries for entries in reports if len(entries) > 1]
    assert batches and all(len(entries) <= 4 for entries in batches)
    assert batches[0][0].seq < first[0].seq
    wait_for(lambda: numbers(peer) >= set(range(batches[0][0].seq,
                                                first[0].seq + 1)), 20)


def test_killed_agent_keeps_its_numbers(make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer()
    agent = make_agent(outbox__commit_entries=1).start()
    wait_entries(peer, 3, agent)
    agent.kill()
    wait_for(lambda: peer.presence[CAR] == "offline", 10)  # the will
    before = {entry.seq: entry for entry in peer.entries(CAR)}
    committed = agent.held()
    assert committed >= len(before) - 1
    agent.start()
    wait_for(lambda: len(peer.entries(CAR)) >= 2 * len(before) + 2, 20,
             agent.process.log)
    for entry in peer.entries(CAR):
        assert entry.generation == before[1].generation
        if entry.seq in before:  # sent again, not used again
            assert entry == before[entry.seq]


# ---------------------------------------------------------- receiver and gpsd
def test_gpsd_killed_and_started_again(make_agent, make_peer, receiver, gpsd):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent().start()
    wait_entries(peer, 2, agent)
    gpsd.kill()
    agent.process.wait_log("lost gpsd")
    wait_mode(peer, agent, NOT_SEEN)
    count = len(peer.entries(CAR))
    gpsd.start()
    wait_entries(peer, count + 3, agent, 30)
    wait_mode(peer, agent, FIX_3D)


def test_receiver_unplugged_and_plugged_in_again(make_agent, make_peer,
                                                 receiver, gpsd):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent().start()
    wait_entries(peer, 2, agent)
    receiver.unplug()
    wait_mode(peer, agent, NOT_SEEN)
    gpsd.remove(receiver.link)
    count = len(peer.entries(CAR))
    receiver.plug()
    gpsd.add(receiver.link)
    wait_entries(peer, count + 3, agent, 30)
    wait_mode(peer, agent, FIX_3D)


def test_only_the_chosen_device_counts(make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent(gpsd__device="/dev/another").start()
    wait_mode(peer, agent, NOT_SEEN)
    time.sleep(3)
    assert peer.entries(CAR) == []
    agent.stop()
    ours = make_agent(gpsd__device=receiver.link).start()
    wait_entries(peer, 2, ours)


# ------------------------------------------------------------ trust and names
def test_untrusted_broker_gets_nothing(make_agent, make_peer, place):
    peer = make_peer()
    stranger = Authority(os.path.join(place, "stranger"))
    agent = make_agent(**{"broker.ca": stranger.ca}).start()
    agent.process.wait_log("the broker's certificate:", count=2)
    assert "connected to broker" not in agent.process.log()
    assert peer.reports == [] and CAR not in peer.presence
    assert agent.stop() == 0


def test_certificate_for_another_host_is_refused(make_agent, make_peer,
                                                 broker):
    """The broker's holds localhost and 127.0.0.1; here it is reached under
    127.0.0.2."""
    peer = make_peer()
    elsewhere = Proxy(broker.port, "127.0.0.2")
    agent = make_agent(**{"broker.list": elsewhere.address}).start()
    agent.process.wait_log("the broker's certificate: IP address mismatch",
                           count=2)
    assert CAR not in peer.presence
    assert agent.stop() == 0
    elsewhere.close()


def test_untrusted_device_is_refused(make_agent, make_peer, place):
    peer = make_peer()
    stranger = Authority(os.path.join(place, "stranger"))
    cert, key = stranger.issue(CAR)
    agent = make_agent(**{"broker.cert": cert, "broker.key": key}).start()
    agent.process.wait_log("could not connect to broker", count=2)
    assert peer.reports == [] and CAR not in peer.presence
    assert agent.stop() == 0


def test_expired_certificate_is_named_and_renewed_without_a_restart(
        make_agent, make_peer, receiver, authority, place):
    """The broker may just close the connection: the reason is the agent's to
    say."""
    drive(receiver)
    peer = make_peer(receipts=True)
    files = [os.path.join(place, f"device.{end}") for end in ("crt", "key")]

    def put(*certificate_and_key):
        for source, target in zip(certificate_and_key, files):
            shutil.copy(source, target)

    put(*authority.issue_for(CAR, -60))
    agent = make_agent(**{"broker.cert": files[0], "broker.key": files[1]})
    agent.start()
    agent.process.wait_log("(our certificate has expired)", count=2)
    assert peer.reports == []
    put(*authority.issue(CAR))
    wait_entries(peer, 3, agent, 30)
    said = agent.process.log().count("has expired")
    agent.wait_empty()
    assert agent.process.log().count("has expired") == said


def test_device_writes_under_its_own_name_only(make_peer, broker, authority):
    peer = make_peer()
    cert, key = authority.issue("car-2")
    thief = mqtt.Client("car-2", protocol=mqtt.MQTTv5)
    thief.tls_set(authority.ca, cert, key,
                  tls_version=ssl.PROTOCOL_TLS_CLIENT)
    thief.connect("localhost", broker.port)
    thief.loop_start()
    wait_for(thief.is_connected, 10)
    report = wire.pb.Report(generation=7, count=1, seq=1).SerializeToString()
    thief.publish("patrol/v1/car-1/report", report, qos=1)

    def own_report_came():
        # after the forbidden one the connection may be lost and made again
        if thief.is_connected():
            thief.publish("patrol/v1/car-2/report", report, qos=1)
        return peer.reports
    wait_for(own_report_came, 10)
    thief.disconnect()
    thief.loop_stop()
    assert {device for device, _, _ in peer.reports} == {"car-2"}


def test_two_agents_under_one_name_are_told(make_agent, make_peer):
    make_peer(receipts=True)
    one, two = make_agent().start(), make_agent().start()
    wait_for(lambda: "under our name" in one.process.log() +
             two.process.log(), 60, one.process.log)
    loser = one if "under our name" in one.process.log() else two
    winner = two if loser is one else one
    count = loser.process.log().count("connected to broker")
    time.sleep(5)
    assert loser.process.log().count("connected to broker") == count
    # the other is left in peace
    assert winner.process.log().rstrip().count("lost broker") <= 3
    assert "next try in 6" in loser.process.log() or \
        "next try in 7" in loser.process.log()


# ------------------------------------------------------------------- brokers
def test_next_broker_when_one_does_not_answer(make_agent, make_peer, broker):
    peer = make_peer(receipts=True)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dead = free_port()
        agent = make_agent(**{"broker.list":
                              f"localhost:{mute.getsockname()[1]} "
                              f"localhost:{dead} "
                              f"{broker.address}"}).start()
        agent.process.wait_log("no answer within 20 s", 30)
        wait_entries(peer, 2, agent, 30)
        assert f"could not connect to broker localhost:{dead}" in \
            agent.process.log()


def test_connecting_slowly_works_and_burns_no_time(make_agent, make_peer,
                                                   broker):
    """TCP's first SYN is lost: the handshake has to wait for the socket."""
    peer = make_peer(receipts=True)
    far = Proxy(broker.port, slow_s=4)
    agent = make_agent(**{"broker.list": far.address}).start()
    agent.process.wait_log("connecting to broker")
    time.sleep(3)
    assert "connected to broker" not in agent.process.log()
    wait_entries(peer, 1, agent, 30)
    assert "could not connect" not in agent.process.log()
    assert cpu_s(agent.process.pid) < 1
    agent.stop()
    far.close()


def test_path_that_went_silent_is_noticed(make_agent, make_peer, receiver,
                                          proxy):
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent(**{"broker.list": proxy.address},
                       broker__keepalive=5).start()
    wait_entries(peer, 2, agent)
    proxy.freeze()
    agent.process.wait_log("lost broker", 30)
    proxy.cut()
    proxy.mend()
    count = len(peer.entries(CAR))
    wait_entries(peer, count + 3, agent, 60)


# ------------------------------------------------------------- configuration
@pytest.mark.parametrize("override, said", [
    ("device.name=", "device.name"),
    ("device.name=a/b", "device.name"),
    ("device.name=car-2", "device.name"),
    ("device.nmae=x", "nmae"),
    ("broker.list=", "broker"),
    ("broker.list=host:99999", "broker list"),
    ("broker.ca=/nonexistent/ca.crt", "/nonexistent/ca.crt"),
    ("broker.key=/dev/null", "/dev/null"),
    ("broker.ca=", "CA file"),
    ("broker.keepalive=0", "keepalive"),
    ("outbox.path=", "outbox.path"),
    ("outbox.entries_max=none", "entries_max"),
    ("pace.bound_m=-1", "bound_m"),
    ("uplink.resend_max=1", "resend_max"),
    ("uplink.batch=4097", "batch"),
    ("unit.status=asleep", "status"),
    ("log.level=loud", "level"),
])
def test_wrong_settings_are_named(make_agent, override, said):
    agent = make_agent()
    assert agent.check()[0] == 0
    status, text = agent.check("-o", override)
    assert status == 1
    assert said in text
    assert len(text.splitlines()) == 1
    assert not os.path.exists(agent.outbox)  # checking touches nothing


def test_missing_file_and_wrong_usage(place):
    missing = os.path.join(place, "none.conf")
    for words, status in ((["-n", "-c", missing], 1), (["-x"], 2),
                          (["-n", "stray"], 2), (["--help"], 0),
                          (["--version"], 0)):
        done = subprocess.run([PROGRAM, *words], capture_output=True,
                              text=True, timeout=30, check=False)
        assert done.returncode == status, (words, done)
        assert done.stdout + done.stderr


def test_sample_file_is_what_the_program_prints():
    printed = subprocess.run([PROGRAM, "--sample"], check=True,
                             capture_output=True, text=True).stdout
    with open(os.path.join(TOP, "deploy/config/tracker-agent.conf"),
              encoding="utf-8") as sample:
        assert sample.read() == printed


def test_outbox_without_its_folder_works_from_memory(make_agent, make_peer,
                                                     receiver, place):
    """A card that is missing or read-only is no reason to be silent; when it
    is there (looked for every minute), the file is made."""
    drive(receiver)
    peer = make_peer(receipts=True)
    folder = os.path.join(place, "card")
    path = os.path.join(folder, "outbox.sqlite")
    agent = make_agent(outbox__path=path).start()
    agent.outbox = path
    entries = wait_entries(peer, 3, agent)
    assert all(entry.flags & UNSAFE for entry in entries)
    agent.wait_empty()
    log = agent.process.log()
    assert log.count(" error ") == 1, log
    assert f"error outbox {path}: " in log and "kept in memory" in log
    os.mkdir(folder)
    agent.process.wait_log(f"outbox {path} can be written again", 75)
    peer.forget()
    assert not wait_entries(peer, 3, agent)[-1].flags & UNSAFE
    agent.wait_empty()
    assert agent.stop() == 0
    assert agent.process.log().count(" error ") == 1
    assert agent.held() <= 2  # what came after the last receipt


def test_outbox_of_another_process_ends_the_program(make_agent, make_peer):
    make_peer(receipts=True)
    first = make_agent().start()
    first.process.wait_log("entries not yet receipted")
    second = make_agent(outbox__path=first.outbox).start()
    assert second.process.child.wait(10) == 1
    assert first.outbox in second.process.log()


# --------------------------------------------------------------------- small
def memory_kb(pid, field):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return sum(int(line.split()[1]) for line in rollup
                   if line.split(":")[0] in field)


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif("san" in PROGRAM, reason="sanitizers need memory and time")
def test_memory_and_cpu_at_one_fix_a_second(make_agent, make_peer, receiver,
                                            record_property):
    """5 MB of private memory, 8 MB proportional, 0.5 % of a core, a report
    each second over TLS with its receipt (the limits of the design)."""
    drive(receiver)
    peer = make_peer(receipts=True)
    agent = make_agent(log__level="info").start()
    wait_entries(peer, 5, agent)
    seconds = 60 if "PATROL_FULL" in os.environ else 20
    before = cpu_s(agent.process.pid)
    time.sleep(seconds)
    cpu = (cpu_s(agent.process.pid) - before) / seconds
    private = memory_kb(agent.process.pid,
                        ("Private_Dirty", "Private_Clean"))
    proportional = memory_kb(agent.process.pid, ("Pss",))
    for name, value in (("cpu_share", cpu), ("private_kb", private),
                        ("proportional_kb", proportional)):
        record_property(name, value)
    print(f"cpu {cpu:.4%}, private {private} kB, pss {proportional} kB")
    assert private < 5 * 1024
    assert proportional < 8 * 1024
    # at 100 ticks a second 20 s show 0.05 % a tick
    assert cpu < 0.005


# --------------------------------------------------------------- settings
def say_settings(peer, **fields):
    payload = wire.pb.Settings(**fields).SerializeToString() if fields else b""
    peer.client.publish(f"patrol/v1/{CAR}/settings", payload, qos=1,
                        retain=True).wait_for_publish(10)


def wait_revision(peer, agent, revision):
    wait_for(lambda: peer.states(CAR) and
             peer.states(CAR)[-1].settings_revision == revision, 20,
             agent.process.log)


def test_settings_are_in_force_acknowledged_and_kept(make_agent, make_peer,
                                                     receiver, broker):
    drive(receiver)
    peer = make_peer(receipts=True).wait_up()
    agent = make_agent(pace__moving=3600, pace__parked=3600,
                       pace__bound_m=10000).start()
    wait_entries(peer, 1, agent)
    wait_revision(peer, agent, 0)
    count = len(peer.entries(CAR))
    say_settings(peer, revision=5, bound_dm=1000, moving_s=1, parked_s=900)
    wait_revision(peer, agent, 5)
    wait_entries(peer, count + 3, agent)
    assert "settings 5: 100.0 m" in agent.process.log()
    assert agent.stop() == 0
    # The broker's copy is gone: what counts is what the vehicle kept.
    broker.kill()
    broker.start()
    wait_for(peer.up.is_set, 15)
    peer.reports.clear()
    agent.start()
    wait_revision(peer, agent, 5)
    wait_entries(peer, 3, agent)
    # Possible and not sensible: the nearest that is. Then withdrawn.
    say_settings(peer, revision=6, bound_dm=1, moving_s=3600, assigned=True)
    wait_revision(peer, agent, 6)
    assert "settings 6: 5.0 m, 10.0 m while assigned (now), every 120 s " \
        "moving" in agent.process.log()
    # A late one is passed over; after a withdrawal it would count.
    say_settings(peer, revision=5, bound_dm=1000)
    agent.process.wait_log("settings 5 come late: 6 are in force", 20)
    say_settings(peer)
    wait_revision(peer, agent, 0)
    say_settings(peer, revision=5, bound_dm=1000)
    wait_revision(peer, agent, 5)
    say_settings(peer)
    wait_revision(peer, agent, 0)
    assert agent.stop() == 0
    assert not os.path.exists(agent.outbox + ".settings")


def test_impossible_settings_do_no_harm(make_agent, make_peer, receiver):
    drive(receiver)
    peer = make_peer(receipts=True).wait_up()
    say_settings(peer, revision=9, bound_dm=100001)  # retained, for ever
    agent = make_agent().start()
    agent.process.wait_log("settings refused: ")
    peer.client.publish(f"patrol/v1/{CAR}/settings", b"\xff" * 300, qos=1)
    agent.process.wait_log("(2 so far)")
    wait_entries(peer, 3, agent)
    assert peer.states(CAR)[-1].settings_revision == 0
    assert agent.stop() == 0
    # Nor does a file that a failing disk has spoilt.
    with open(agent.outbox + ".settings", "wb") as spoilt:
        spoilt.write(b"\x08\x05\x10")
    agent.start()
    agent.process.wait_log("ignored: ")
    wait_entries(peer, 5, agent)
    assert agent.stop() == 0
