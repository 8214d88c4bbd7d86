"""How fast blue light really is: fire engines of San Francisco from their
stations to where they were called, beside what the emergency profile says, as
an operator would get it: the streets imported, a unit at each station, and
the gateway asked for the time of arrival at each call.

Shown are medians by distance by road, for single runs differ by more than any
profile can know. -s shows the table."""
import csv
import datetime
import os
import statistics

import pytest

from lib_common import wait_for
from lib_replay import SHARED
from test_roads_import import take

DATA = os.path.join(SHARED, "emergency")
STREETS = os.path.join(DATA, "sf_roads_notags.osm.pbf")
# Less than 50 runs are no median to rely on.
DISTANCES_M = (0, 200, 400, 600, 800, 1000, 1300, 1600, 2000, 3000)

pytestmark = pytest.mark.skipif(not os.path.exists(STREETS), reason="skipped: no data")


def rows(name):
    with open(os.path.join(DATA, name), encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


def runs(priority):
    """(station, lat, lon, seconds under way). Engines that needed 45 s and more
    to turn out: who left sooner was not in the station, but on the road."""
    for row in rows("sffd_unit_responses_2009_2017.csv"):
        if (row["unit_type"] != "ENGINE" or not row["home_station"]
                or (row["priority"], row["final_priority"]) != (priority, priority)
                or not row["response"] or not row["enroute_to_scene_s"]):
            continue
        left, told = (datetime.datetime.fromisoformat(row[name])
                      for name in ("response", "dispatch"))
        seconds = float(row["enroute_to_scene_s"])
        if (left - told).total_seconds() >= 45 and seconds > 0:
            yield row["home_station"], float(row["lat"]), float(row["lon"]), seconds


def stand_at_stations(database):
    for row in rows("sffd_stations.csv"):
        unit = database.add_unit("E" + row["station"])
        database.query("INSERT INTO patrol.latest_position VALUES (%s, now(), now(),"
                       " ST_SetSRID(ST_MakePoint(%s, %s), 4326), 0, NULL, 5,"
                       " 'available', 7, 1, 11)", unit, row["lon"], row["lat"])


def compare(gateway, priority, profile):
    """[(runs, metres, real seconds, the profile's)]: medians by distance."""
    seen, known = [], {}
    for station, lat, lon, seconds in runs(priority):
        if (lat, lon) not in known:
            answer = gateway.http.get(f"{gateway.url}/v1/nearest?lat={lat:.6f}&lon={lon:.6f}"
                                      f"&k=60&profile={profile}", timeout=10)
            assert answer.status_code in (200, 422), answer.text  # 422: no road there
            known[lat, lon] = {unit["call_sign"]: unit
                               for unit in answer.json().get("units", ())}
        unit = known[lat, lon].get("E" + station)
        if unit is not None:
            seen.append((unit["distance_m"], seconds, unit["eta_s"]))
    table = []
    for low, high in zip(DISTANCES_M, DISTANCES_M[1:]):
        group = [run for run in seen if low <= run[0] < high]
        if len(group) >= 50:
            table.append((len(group), *(statistics.median(column) for column in zip(*group))))
    return table


def show(profile, table):
    print(f"\n{profile}: medians\n  runs      m   real s   said s   said / real")
    for count, metres, real, said in table:
        print(f"{count:6} {metres:6.0f} {real:8.0f} {said:8.0f} {said / real:10.2f}")


def test_the_emergency_profile_is_as_fast_as_blue_light(database, make_gateway):
    summary = take(database, STREETS)["summary"]
    assert summary["ways kept"] > 6000
    stand_at_stations(database)
    gateway = make_gateway(fleet__silent_factor=100).start()
    wait_for(lambda: gateway.nearest((37.77, -122.42))["units"], 15, gateway.log)
    emergency = compare(gateway, "3", "emergency")
    show("emergency", emergency)
    assert sum(count for count, *_ in emergency) > 1900
    # from one block to the next the start is not known better
    for count, metres, real, said in emergency:
        within = 0.1 if metres > 300 else 0.25
        assert said == pytest.approx(real, rel=within), emergency
