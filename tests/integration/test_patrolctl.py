"""patrolctl as operators and scripts call it: lists, units, answers, exit
codes. The streets are test_roads_import.py's."""
import http.server
import json
import os
import pty
import select
import subprocess
import threading
import time

import pytest

from lib_common import BIN, TOP, free_port, wait_for
from lib_database import LAT, LON

PATROLCTL = os.path.join(BIN, "patrolctl")
HAVANA = os.path.join(os.environ.get("PATROL_SHARED_DATA",
                                     os.path.join(TOP, "../shared/data")), "havana")
OK, REFUSED, USAGE, UNREACHABLE, BAD_INPUT = range(5)


def call(*words, **environment):
    return subprocess.run([PATROLCTL, *words], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120,
                          env={**os.environ, **environment})


@pytest.fixture
def ctl(database):
    def run(*words, ends=OK):
        done = call(*words, PATROL_DATABASE=database.url)
        assert done.returncode == ends, done
        return done
    return run


def write(place, name, text):
    path = os.path.join(place, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def square(west, south, size):
    ring = [[west, south], [west + size, south], [west + size, south + size],
            [west, south + size], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def zones_file(place, *zones):
    return write(place, "zones.geojson", json.dumps({
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": properties, "geometry": geometry}
                     for properties, geometry in zones]}))


# ------------------------------------------------------------------- calls
def test_says_how_it_is_called():
    page = call("--help")
    assert page.returncode == OK and "exit codes: 0 done" in page.stdout
    commands = [line[2:].split("  ")[0] for line in
                page.stdout.split("commands:\n")[1].split("\n\n")[0].splitlines()]
    assert len(commands) >= 15
    for command in commands:
        words = [word for word in command.split() if word.islower()]
        page = call(*words, "--help")
        assert page.returncode == OK and "example:\n  patrolctl " + " ".join(words) \
            in page.stdout, command
    assert call("--version").stdout.startswith("patrolctl ")


@pytest.mark.parametrize("words, says", [
    ([], "usage:"),
    (["roads"], "no command"),
    (["roads", "import"], "usage: patrolctl roads import FILE"),
    (["roads", "import", "a", "b"], "usage"),
    (["units", "--wrong"], "no option --wrong"),
    (["nearest", "1,2", "-k", "0"], "not a number from 1 to 100"),
    (["nearest", "1,2", "-k"], "needs N"),
    (["nearest", "1,2", "--json=yes"], "takes no value"),
    (["nearest"], "either LAT,LON or --mission"),
    (["nearest", "1,2", "--mission", "x"], "either LAT,LON or --mission"),
    (["nearest", "95,2"], "is not LAT,LON"),
    (["unit", "add", "P", "--kind", "tank"], "no kind of unit"),
    (["unit", "add", "P", "--device", "a b"], "cannot be a device's name"),
    (["unit", "add", "P", "--device", "patrol-gateway"], "cannot be a device's name"),
])
def test_called_wrongly(words, says):
    done = call(*words)
    assert done.returncode == USAGE and says in done.stderr and done.stdout == "", done


def test_nobody_there(place):
    done = call("units", "-g", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == UNREACHABLE and "no gateway" in done.stderr
    for words in (["unit", "list"], ["unit", "add", "P-1"],
                  ["zones", "import", zones_file(place, ({"name": "Z"}, square(0, 0, 1)))]):
        done = call(*words, "-d", f"host={place} dbname=patrol")
        assert done.returncode == UNREACHABLE and "no database" in done.stderr, done


# ---------------------------------------------------------------- missions
def test_missions_are_known_again(ctl, database, place):
    csv = "name,lat,lon,kind,ref\n{0}A,{1},{2},embassy,r1\nB,{1},{2},,\n"
    path = write(place, "m.csv", csv.format("", LAT, LON))
    assert "2 new, 0 brought up to date; 0 refused" in ctl("missions", "import", path).stdout
    path = write(place, "m.csv", csv.format("New ", LAT + 0.001, LON))
    answer = json.loads(ctl("missions", "import", path, "--json").stdout)
    assert (answer["new"], answer["changed"], answer["refused"]) == (0, 2, [])
    assert database.query("SELECT ref, name, kind, ST_Y(geom) FROM patrol.mission"
                          " ORDER BY name") == [
        (None, "B", "embassy", pytest.approx(LAT + 0.001, abs=1e-9)),
        ("r1", "New A", "embassy", pytest.approx(LAT + 0.001, abs=1e-9))]


def test_bad_lines_are_named_and_the_rest_imported(ctl, database, place):
    path = write(place, "m.csv",
                 "name,lat,lon\n"
                 f"A,{LAT},{LON}\n"
                 f",{LAT},{LON}\n"
                 "C,north,west\n"
                 f"\"D\n'; DROP TABLE patrol.mission; --\",{LAT},{LON}\n"
                 "Far,45.8272,15.961\n"
                 "\"never closed,1,2\n")
    done = ctl("missions", "import", path)
    assert [line.split("m.csv, ")[1] for line in done.stderr.splitlines()] == [
        "line 3: no name", "line 4: the coordinates are not decimal numbers",
        "line 8: a quote is not closed",
        "line 7: no street and no zone within 10 km: wrong coordinates? (--anywhere takes it)"]
    assert database.query("SELECT name FROM patrol.mission ORDER BY 1") == [
        ("A",), ("D '; DROP TABLE patrol.mission; --",)]
    ctl("missions", "import", path, "--anywhere")
    assert database.one("SELECT count(*) FROM patrol.mission") == 3


def test_list_of_no_use(ctl, database, place):
    for name, text in (("m.csv", ""), ("m.csv", "a,b\n1,2\n"), ("m.csv", "name,lat,lon\nA,,\n"),
                       ("m.geojson", "{"), ("m.geojson", "[]"), ("m.xls", "x")):
        done = ctl("missions", "import", write(place, name, text), ends=BAD_INPUT)
        assert done.stderr, (name, text)
    ctl("missions", "import", os.path.join(place, "absent.csv"), ends=BAD_INPUT)
    with open(os.path.join(place, "bytes.csv"), "wb") as out:
        out.write(b"name,lat,lon\n\xff\xfe,1,1\nB\0C,1,1\n")
    ctl("missions", "import", os.path.join(place, "bytes.csv"), ends=BAD_INPUT)
    assert database.one("SELECT count(*) FROM patrol.mission") == 0


def test_missions_of_havana(ctl, database):
    """76 rows: five without coordinates, Belgium's in Zagreb (the file's own
    column `flag` says so); the same list as GeoJSON holds the good 70."""
    if not os.path.isdir(HAVANA):
        pytest.skip("skipped: no data")
    ctl("zones", "import", os.path.join(HAVANA, "municipios.geojson"), "--promise", "300",
        "--time-zone", "America/Havana")
    stem = os.path.join(HAVANA, "havana_diplomatic_missions_wikidata")
    answer = json.loads(ctl("missions", "import", stem + ".csv", "--json").stdout)
    assert (answer["new"], len(answer["refused"])) == (70, 6)
    assert sorted(fault["line"] for fault in answer["refused"]) == [8, 16, 46, 49, 56, 73]
    answer = json.loads(ctl("missions", "import", stem + ".geojson", "--json").stdout)
    assert (answer["new"], answer["changed"], answer["refused"]) == (0, 70, [])
    # as the list's own column `municipio` has it
    assert sorted(database.query(
        "SELECT z.name, count(*) FROM patrol.mission m JOIN patrol.zone z USING (zone_id)"
        " GROUP BY 1")) == [("La Habana Vieja", 1), ("Playa", 62),
                            ("Plaza de la Revolución", 7)]


# ------------------------------------------------------------------- zones
def test_missions_get_the_smallest_zone(ctl, database, place):
    ctl("zones", "import", zones_file(
        place, ({"name": "Large", "promise_s": 600}, square(LON - 1, LAT - 1, 2)),
        ({"name": "Small"}, square(LON - 0.1, LAT - 0.1, 0.2))),
        "--promise", "300", "--time-zone", "America/Havana")
    assert database.query("SELECT name, promise_s, time_zone, GeometryType(geom)"
                          " FROM patrol.zone ORDER BY 1") == [
        ("Large", 600, "America/Havana", "MULTIPOLYGON"),
        ("Small", 300, "America/Havana", "MULTIPOLYGON")]
    ctl("missions", "import", write(place, "m.csv", f"name,lat,lon\nIn,{LAT},{LON}\n"
                                                    f"Out,{LAT + 0.5},{LON}\n"))
    zone_of = ("SELECT m.name, z.name FROM patrol.mission m LEFT JOIN patrol.zone z"
               " USING (zone_id) ORDER BY 1")
    assert database.query(zone_of) == [("In", "Small"), ("Out", "Large")]
    # Small moves away: its missions are assigned anew, its promise stays
    done = ctl("zones", "import",
               zones_file(place, ({"name": "Small"}, square(LON + 0.5, LAT + 0.5, 0.1))))
    assert "1 missions have another zone now" in done.stdout
    assert database.query(zone_of) == [("In", "Large"), ("Out", "Large")]
    assert database.one("SELECT promise_s FROM patrol.zone WHERE name = 'Small'") == 300


def test_zones_that_cannot_be(ctl, database, place):
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    path = zones_file(place, ({"name": "Bow tie"}, bow), ({"name": "Good"}, square(0, 0, 1)),
                      ({"name": "When?", "time_zone": "Mars/Olympus"}, square(0, 0, 1)),
                      ({}, square(0, 0, 1)))
    done = ctl("zones", "import", path)
    assert "feature 1: the area is not valid: Self-intersection" in done.stderr
    assert "feature 3: no time zone \"Mars/Olympus\"" in done.stderr
    assert "feature 4: no name" in done.stderr
    assert database.query("SELECT name, promise_s, time_zone FROM patrol.zone") == [
        ("Good", None, "UTC")]
    ctl("zones", "import", path, "--time-zone", "Nowhere", ends=USAGE)
    ctl("zones", "import", path, "--promise", "0", ends=USAGE)


# ------------------------------------------------------------------- units
def test_units(ctl, database):
    ctl("unit", "add", "P-1", "--kind", "van", "--capability", "armed", "--capability",
        "a \"b\", {c}\\", "--device", "tablet-7")
    assert database.query("SELECT kind, capabilities FROM patrol.unit") == [
        ("van", ['a "b", {c}\\', "armed"])]
    # the same once more, in another order, is fine; another is not
    ctl("unit", "add", "P-1", "--kind", "van", "--capability", "a \"b\", {c}\\",
        "--capability", "armed", "--device", "tablet-7")
    done = ctl("unit", "add", "P-1", ends=REFUSED)
    assert "there already" in done.stderr
    done = ctl("unit", "add", "P-2", "--device", "tablet-7", ends=REFUSED)
    assert "tablet-7 is unit P-1" in done.stderr
    assert database.one("SELECT count(*) FROM patrol.unit") == 1
    assert json.loads(ctl("unit", "list", "--json").stdout) == [
        {"call_sign": "P-1", "kind": "van", "capabilities": ['a "b", {c}\\', "armed"],
         "devices": ["tablet-7"]}]
    ctl("unit", "add", "x" * 65, ends=REFUSED)


def test_hostile_call_sign_cannot_command_the_terminal(ctl):
    ctl("unit", "add", "\x1b]0;owned\x07\u202e\x9b2J")
    ctl("unit", "add", "中国 1", "--kind", "foot")
    ctl("unit", "add", "Ñ", "--kind", "foot")
    lines = ctl("unit", "list").stdout.splitlines()
    assert lines == ["call sign       kind  capabilities  device",
                     "?]0;owned???2J  car",
                     "Ñ               foot",
                     "中国 1          foot"]


def test_enrolled_device_is_let_in(ctl, database, place):
    authority, out = os.path.join(place, "ca"), os.path.join(place, "out")
    ctl("ca", "init", authority)
    ctl("unit", "add", "P-1")
    ctl("unit", "enroll", "P-9", "--ca", authority, "--out", out, ends=REFUSED)
    ctl("unit", "enroll", "P-1", "--ca", authority, "--out", out)
    subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile",
                    f"{out}/ca.crt", f"{out}/P-1.crt"], check=True, stdout=subprocess.DEVNULL)
    subject = subprocess.run(["openssl", "x509", "-noout", "-subject", "-in",
                              f"{out}/P-1.crt"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    assert subject.strip() == "subject=CN = P-1"
    assert os.stat(f"{out}/P-1.key").st_mode & 0o777 == 0o600
    assert database.query("SELECT d.name, ud.\"to\" FROM patrol.unit_device ud"
                          " JOIN patrol.device d USING (device_id)") == [("P-1", None)]
    # a certificate that cannot be written: the database says nothing of it
    ctl("unit", "enroll", "P-1", "--device", "second", "--ca", authority + "x", "--out", out,
        ends=REFUSED)
    assert database.one("SELECT count(*) FROM patrol.device") == 1


# ----------------------------------------------------------------- answers
POINT = {"lat": 23.118, "lon": -82.38, "road": "Calle \x1b[31m30", "off_road_m": 6.2}
UNIT = {"call_sign": "P-12", "kind": "car", "capabilities": ["armed", "k9"],
        "status": "available", "status_time": None, "panic_at": None, "connected": True, "heard_at": None,
        "revision": 5, "vehicle": None,
        "position": {"lat": 23.132999, "lon": -82.383498,
                     "believed": {"lat": 23.133012, "lon": -82.383501,
                                  "forward_s": 1.3}, "time": "2024-05-01T12:00:00.000Z",
                     "received_at": "2024-05-01T12:00:00.412Z", "age_s": 200, "speed_mps": 10,
                     "course_deg": 271.5, "accuracy_m": None, "three_dimensional": True,
                     "clock_unsure": False, "off_road_m": 3.1}}
VEHICLE = {"said_at": "2024-05-01T11:56:00.000Z", "next_due_s": 10, "receiver_mode": 1,
           "satellites_used": 2, "clock_offset_ms": -7200400, "power": "battery",
           "battery_percent": 35, "outbox_depth": 700, "outbox_oldest_age_s": 1500,
           "outbox_dropped": 12}
TROUBLED = dict(UNIT, call_sign="P-13", vehicle=VEHICLE, silent=True, heard_age_s=240,
                heard_at="2024-05-01T11:56:00.000Z")
REMARKS = ("silent for 4 min, no fix, on battery, 35 %, clock 2 h slow,"
           " reports wait since 25 min, 12 reports lost")
LOST = {"part": "broker", "state": "silent", "since": "2024-05-01T11:58:00.000Z",
        "consequence": "no reports come in\x1b[2J"}
LOST_LINE = "! the broker is silent since 2024-05-01T11:58:00.000Z: no reports come in?[2J\n"
TWINS_LINE = "! two vehicles report as unit P-1 (device car-1): one is not what it says\n"
MISSION = {"mission_id": 17, "ref": None, "name": "Canadá", "kind": "embassy", "lat": 23.118,
           "lon": -82.424, "zone": None}
CANDIDATE = {"call_sign": "P-12", "kind": "car", "capabilities": [], "eta_s": 244.6,
             "drive_s": 176.5, "access_s": 4.1, "start_s": 64.0, "eta_low_s": 200.6,
             "eta_high_s": 330.4, "p_within_promise": 0.709, "distance_m": 1320.4,
             "position_age_s": 1.3,
             "position_time": "2024-05-01T12:00:00.000Z", "lat": 23.1, "lon": -82.4,
             "believed": {"lat": 23.1, "lon": -82.4, "forward_s": 0.0},
             "old": False, "status": "available", "within_promise": True}


ERRORS = {"profile": None, "arrivals": 212, "bias_s": -4.1, "median_error_s": 21.0,
          "p90_error_s": 74.5, "median_error_share": 0.093, "with_range": 200,
          "in_range": 0.81, "with_promise": 180, "within_promise": 0.861,
          "mean_p_within": None}


def track_page(query):
    point = {"time": "2024-05-01T11:00:00.000Z", "lat": 23.1, "lon": -82.4, "speed_mps": None,
             "course_deg": None, "accuracy_m": None, "status": "busy", "jump": True}
    first = "from=2024-05-01T11%3A00%3A00Z" in query
    return {"call_sign": "P/1 ñ", "from": "2024-05-01T11:00:00.000Z",
            "to": "2024-05-01T12:00:00.000Z", "truncated": first,
            "next_from": "2024-05-01T11:30:00.000Z" if first else None,
            "points": [point] if first else [dict(point, jump=False, status="available")]}


class Answers(http.server.BaseHTTPRequestHandler):
    """A gateway whose answers are known."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        path, _, query = self.path.partition("?")
        if path == "/v1/events":
            return self.stream()
        if "mission=nowhere" in query or "P-99" in path:
            return self.send(404, {"type": "urn:patrol:problem:no-such-mission",
                                   "title": "No such mission", "status": 404,
                                   "detail": "no mission is called nowhere",
                                   "candidates": [MISSION]})
        if "zone=odd" in query:
            return self.send(200, [1])
        if "zone=html" in query:
            return self.send(500, None, b"<html>oops")
        if "zone=lost" in query:
            return self.send(200, {"units": [], "degraded": [LOST]})
        target = dict(POINT, zone="Playa", promise_s=245, mission=MISSION)
        return self.send(200, {
            "/v1/nearest": {"units": [CANDIDATE, dict(CANDIDATE, call_sign="P-3", old=True,
                                                      eta_s=599.5, within_promise=None,
                                                      eta_low_s=None, eta_high_s=None,
                                                      p_within_promise=None),
                                      dict(CANDIDATE, call_sign="P-4", old=True, silent=True,
                                           position_age_s=45)],
                            "excluded": [{"call_sign": "P-7", "reason": "not_available",
                                          "explanation": "status busy"}],
                            "target": target,
                            "degraded": [LOST] if "k=1" in query else []},
            "/v1/route": {"unit": "P-12", "drive_s": 148.2, "distance_m": 1320.4,
                          "target": POINT, "legs": [
                              {"street": "Quinta", "seconds": 120.1, "metres": 1102.3},
                              {"street": None, "seconds": 28.1, "metres": 218.1}]},
            "/v1/units": {"units": [UNIT, dict(UNIT, call_sign="P-2", position=None,
                                               connected=False, capabilities=[]),
                                    TROUBLED]},
            "/v1/units/P-12": UNIT,
            "/v1/units/P-13": TROUBLED,
            "/v1/reports/eta": {"from": "2024-05-01T00:00:00.000Z",
                                "to": "2024-06-01T00:00:00.000Z",
                                "profiles": [] if "from=9999" in query else [ERRORS]},
            "/v1/missions": {"missions": [MISSION]},
            "/v1/zones": {"zones": [{"zone_id": 1, "name": "Playa", "promise_s": 300,
                                     "time_zone": "America/Havana"},
                                    {"zone_id": 2, "name": "M", "promise_s": None,
                                     "time_zone": "UTC"}]},
            "/v1/units/P%2F1%20%C3%B1/track": track_page(query),
        }.get(path, {}))

    def send(self, status, answer, body=None):
        body = body if body is not None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        events = [("reset", {"reason": "connected"}), ("unit", UNIT), ("ready", {"units": 1}),
                  ("unit", dict(UNIT, revision=6, status="busy\x1b[2J")),
                  ("unit", dict(UNIT, revision=4, status="on_scene")),
                  ("unit", dict(TROUBLED, revision=7)), ("roads", {}),
                  ("broker.lost", dict(LOST, consequence=None)),
                  ("broker.back", {"part": "broker", "state": "up",
                                   "since": "2024-05-01T12:01:00.000Z"}),
                  ("database.lost", dict(LOST, part="database", state="down")),
                  ("device.two_places", {"device": "car-1", "call_sign": "P-1"})]
        for kind, data in events:
            self.wfile.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())
            self.wfile.flush()
        self.server.hold.wait(20)

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.asked, server.hold = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()


def ask(gateway, *words, ends=OK):
    # a proxy that the environment names must not be asked
    done = call(*words, "-g", gateway.url + "/", http_proxy="http://127.0.0.1:1",
                all_proxy="http://127.0.0.1:1")
    assert done.returncode == ends, done
    return done


def test_nearest(gateway):
    done = ask(gateway, "nearest", "--mission", "canadá & more", "-k", "2", "-c", "armed")
    assert gateway.asked == ["/v1/nearest?mission=canad%C3%A1%20%26%20more&k=2&capability=armed"]
    assert done.stdout == (
        "Canadá, 23.118000,-82.380000, Calle ?[31m30 (6 m from it); zone Playa, promise 4:05\n"
        "#  unit  eta s   m:ss  range s  drive s  distance m       position  promise      status\n"
        "1  P-12  244.6   4:05  201-330    176.5        1320            1 s  within 71 %  available\n"
        "2  P-3   599.5  10:00        -    176.5        1320      1 s (old)  -            available\n"
        "3  P-4   244.6   4:05  201-330    176.5        1320  45 s (silent)  within 71 %  available\n"
        "\n"
        "left out  reason\n"
        "P-7       not_available  status busy\n")
    answer = json.loads(ask(gateway, "nearest", "-23.5,-46.6", "--json").stdout)
    assert gateway.asked[-1] == "/v1/nearest?lat=-23.500000&lon=-46.600000&k=5"
    assert answer["units"][0] == CANDIDATE
    assert ask(gateway, "nearest", "1,2", "-k", "1").stdout.startswith(LOST_LINE + "Canadá, ")


def test_report_eta(gateway):
    assert ask(gateway, "report", "eta", "--from", "2024-05-01T00:00:00Z").stdout == (
        "2024-05-01T00:00:00.000Z to 2024-06-01T00:00:00.000Z\n"
        "profile  arrivals  bias s  median error s  9 of 10 within s  in range  in time"
        "  was expected\n"
        "all           212    -4.1            21.0              74.5      81 %     86 %"
        "             -\n")
    assert gateway.asked == ["/v1/reports/eta?from=2024-05-01T00%3A00%3A00Z"]
    assert "no unit has arrived" in ask(gateway, "report", "eta", "--from", "9999-12-31").stdout
    assert json.loads(ask(gateway, "report", "eta", "--json").stdout)["profiles"] == [ERRORS]


def test_problems_are_told(gateway):
    done = ask(gateway, "nearest", "--mission", "nowhere", ends=REFUSED)
    assert done.stdout == ""
    assert done.stderr == ("patrolctl: No such mission: no mission is called nowhere\n"
                           "patrolctl:   17 Canadá\n")
    done = ask(gateway, "nearest", "--mission", "nowhere", "--json", ends=REFUSED)
    assert json.loads(done.stdout)["status"] == 404
    assert "not as a gateway does" in ask(gateway, "units", "-z", "odd", ends=REFUSED).stderr
    assert "status 500" in ask(gateway, "units", "-z", "html", ends=REFUSED).stderr


def test_other_answers(gateway):
    assert ask(gateway, "units", "--status", "available").stdout == (
        "unit  kind  status     position  place                 km/h  connected  waiting"
        "  capabilities  remarks\n"
        "P-12  car   available     3 min  23.133012,-82.383501    36  yes              -"
        "  armed, k9\n"
        "P-2   car   available         -  -                        -  no               -\n"
        "P-13  car   available     3 min  23.133012,-82.383501    36  yes            700"
        f"  armed, k9     {REMARKS}\n")
    assert gateway.asked == ["/v1/units?status=available"]
    assert ask(gateway, "units", "-z", "lost").stdout.startswith(LOST_LINE + "unit  kind")
    assert ask(gateway, "route", "P-12", "1,2").stdout == (
        "23.118000,-82.380000, Calle ?[31m30 (6 m from it)\n"
        "148.2 s (2:28), 1320 m by road\n"
        "street  seconds  metres\n"
        "Quinta    120.1    1102\n"
        "-          28.1     218\n")
    assert ask(gateway, "missions").stdout == (
        "id  name    kind     zone  place                 ref\n"
        "17  Canadá  embassy  -     23.118000,-82.424000  -\n")
    assert ask(gateway, "zones").stdout == (
        "id  name   promise  time zone\n"
        " 1  Playa     5:00  America/Havana\n"
        " 2  M            -  UTC\n")


def test_all_of_a_unit(gateway):
    facts = dict(line.split("  ", 1) for line in
                 ask(gateway, "unit", "show", "P-13").stdout.splitlines())
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts == {
        "fact": "value", "unit": "P-13", "kind": "car", "capabilities": "armed, k9",
        "remarks": REMARKS, "status": "available", "status since": "-",
        "connected": "yes", "heard": "2024-05-01T11:56:00.000Z, 4 min ago", "silent": "yes",
        **dict.fromkeys(("crew", "place it says", "panic", "panic seen", "heard by radio",
                         "status by radio", "place by radio", "which is", "note",
                         "noted by"), "-"),
        "position": "2024-05-01T12:00:00.000Z, 3 min ago",
        "reported place": "23.132999,-82.383498", "believed place": "23.133012,-82.383501",
        "accuracy": "-", "speed": "36 km/h", "course": "272 degrees",
        "vehicle said": "2024-05-01T11:56:00.000Z", "receiver": "no fix",
        "satellites used": "2", "clock, off by": "-7200.4 s", "power": "battery",
        "battery": "35 %", "next report within": "10 s", "reports waiting": "700",
        "the oldest since": "1500 s", "reports lost": "12"}
    facts = ask(gateway, "unit", "show", "P-12").stdout  # no vehicle ever said a thing
    for name in ("heard", "silent", "receiver", "power", "clock, off by"):
        assert f"\n{name:20}-\n" in facts
    assert json.loads(ask(gateway, "unit", "show", "P-13", "--json").stdout) == TROUBLED
    assert "No such mission" in ask(gateway, "unit", "show", "P-99", ends=REFUSED).stderr


def test_track_is_followed_to_its_end(gateway):
    words = ["track", "P/1 ñ", "--from", "2024-05-01T11:00:00Z"]
    assert ask(gateway, *words).stdout == (
        "time                      place                 km/h  course  accuracy m  status\n"
        "2024-05-01T11:00:00.000Z  23.100000,-82.400000     -       -           -  busy"
        "       jump\n"
        "2024-05-01T11:00:00.000Z  23.100000,-82.400000     -       -           -  available\n")
    assert gateway.asked[1].endswith("/track?from=2024-05-01T11%3A30%3A00.000Z"
                                     "&to=2024-05-01T12%3A00%3A00.000Z")
    track = json.loads(ask(gateway, *words, "--json").stdout)
    assert len(track["points"]) == 2 and not track["truncated"] and track["next_from"] is None


def watch(gateway, *words, lines):
    child = subprocess.Popen([PATROLCTL, "watch", "-g", gateway.url, *words], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        return [child.stdout.readline() for _ in range(lines)]
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_watch_tells_each_change_once(gateway):
    assert watch(gateway, lines=8) == [
        "2024-05-01T12:00:00.000Z  P-12  available  23.132999,-82.383498  36 km/h\n",
        "2024-05-01T12:00:00.000Z  P-12  busy?[2J  23.132999,-82.383498  36 km/h\n",
        "2024-05-01T12:00:00.000Z  P-13  available  23.132999,-82.383498  36 km/h"
        f"  {REMARKS}\n",
        "-  roads changed\n",
        "! the broker is silent since 2024-05-01T11:58:00.000Z\n",
        "! the broker is up since 2024-05-01T12:01:00.000Z\n",
        LOST_LINE.replace("broker is silent", "database is down"), TWINS_LINE]
    events = [json.loads(line) for line in watch(gateway, "--json", lines=7)]
    assert [event["event"] for event in events] == [
        "reset", "unit", "ready", "unit", "unit", "unit", "roads"]
    assert events[1]["data"] == UNIT


CLEAR = b"\x1b[H\x1b[2J"


def drawn_whole(seen):
    """The last event told, and the table below it down to its last row."""
    _, told, table = seen.rpartition(CLEAR)[2].partition(TWINS_LINE.strip().encode())
    return told and b"P-13" in table


def test_watch_draws_a_table_on_a_terminal(gateway):
    leader, follower = pty.openpty()
    child = subprocess.Popen([PATROLCTL, "watch", "-g", gateway.url], stdout=follower,
                             stderr=subprocess.DEVNULL)
    os.close(follower)
    seen = b""
    try:
        end = time.monotonic() + 15
        while not drawn_whole(seen) and time.monotonic() < end:
            if select.select([leader], [], [], 0.2)[0]:
                seen += os.read(leader, 65536)
    finally:
        child.kill()
        child.wait()
        os.close(leader)
    assert b"unit  kind" in seen and b"busy?[2J" in seen
    last = seen.rpartition(CLEAR)[2]  # what is back is no longer shown
    assert last.startswith(b"! the database is down") and b"! the broker" not in last
    assert b"on_scene" not in seen  # overtaken by a newer revision


def test_watch_comes_back(gateway):
    gateway.hold.set()  # every stream ends at once
    child = subprocess.Popen([PATROLCTL, "watch", "-g", gateway.url],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: gateway.asked.count("/v1/events") >= 3, 15, lambda: gateway.asked)
    finally:
        child.kill()
        child.wait()
