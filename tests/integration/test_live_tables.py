"""What other programs read from the database: tables of what is known now, with
keys and places, beside what the API says; and the QGIS project that shows them."""
import os
import re
import xml.etree.ElementTree

import pytest

from lib_common import TOP, wait_for
from lib_database import crossing
from test_coverage import FAST, add_mission, coverage_of, put, town  # noqa: F401

LIVE = {**FAST, "coverage__live_every_s": 1}


@pytest.fixture
def running(town, make_gateway, make_vehicle):  # noqa: F811
    hostile = "Ta\tb\\N\n<b>'\";-- \u00e9"
    add_mission(town, hostile, crossing(8, 8))
    add_mission(town, "Sea", (crossing(0, 0)[0] - 1, crossing(0, 0)[1] - 1))
    gateway = make_gateway(**LIVE).start()
    put(make_vehicle, "A1", crossing(1, 0))
    put(make_vehicle, "A2", crossing(4, 0))
    wait_for(lambda: coverage_of(gateway)["units"]["counted"] == 2, why=gateway.log)
    # streets as of then, and the tables of those
    done = wait_for(lambda: (a := gateway.get("/v1/coverage"))["total"]["streets"]
                    and a["total"]["streets"]["within_m"][1] > 0 and a["streets_at"],
                    why=gateway.log)
    wait_for(lambda: town.one("SELECT count(*) FROM patrol.live_made WHERE streets_at >= %s",
                              done), 30, gateway.log)
    return town, gateway


def test_missions_and_zones_are_the_apis(running):
    database, gateway = running
    answer = gateway.get("/v1/coverage")
    rows = database.query(
        "SELECT mission_id, name, zone, off_road, promise_s, within, covered, alarm,"
        " below_since IS NOT NULL, first_unit, first_s, second_unit, second_s, third_unit,"
        " ST_DWithin(geom, (SELECT geom FROM patrol.mission m WHERE m.mission_id ="
        " l.mission_id), 1e-6) FROM patrol.live_mission l ORDER BY 1")
    expected = []
    for m in sorted(answer["missions"], key=lambda m: m["mission_id"]):
        units = [(u["call_sign"], pytest.approx(u["eta_s"], abs=0.06))
                 for u in m["units"]] + 3 * [(None, None)]
        expected.append((m["mission_id"], m["name"], m["zone"], m["off_road"], m["promise_s"],
                         m["within"], m["covered"], m["alarm"], m["below_since"] is not None,
                         *units[0], *units[1], units[2][0], True))
    assert rows == expected and len(rows) == 5
    zones = database.query("SELECT name, promise_s, missions, promised, within_1, within_2,"
                           " within_3, length_m, share_1, share_2, share_3, alarm"
                           " FROM patrol.live_zone ORDER BY zone_id")
    assert zones == [
        (z["name"], z["promise_s"], z["missions"]["total"], z["missions"]["promised"],
         *z["missions"]["within"], pytest.approx(z["streets"]["length_m"], abs=1),
         *[pytest.approx(share, abs=1e-3) for share in z["streets"]["share"]], z["alarm"])
        for z in sorted(answer["zones"], key=lambda z: z["zone_id"])]
    [(network, units, level, pieces)] = database.query(
        "SELECT network_id, units, level, pieces FROM patrol.live_made")
    assert (network, units, level) == (answer["network_id"], 2, 1)
    assert pieces == database.one("SELECT count(*) FROM patrol.road_edge")


def test_streets_and_gaps_are_the_apis(running, make_vehicle):
    database, gateway = running

    def compare():
        answer = gateway.get("/v1/coverage/streets")
        rows = database.query(
            "SELECT way_id, name, promise_s, within, first_s, second_s, third_s,"
            " round(ST_Length(geom::geography)::numeric, 1)::float8,"
            " round(length_m::numeric, 1)::float8 FROM patrol.live_street ORDER BY piece_id")
        streets = [p["properties"] for p in answer["features"]]
        return rows == [
            (s["way_id"], s["name"], s["promise_s"], s["within"],
             *[None if t is None else pytest.approx(t, abs=0.06) for t in s["seconds"]],
             pytest.approx(s["length_m"], rel=2e-3), pytest.approx(s["length_m"], abs=0.11))
            for s in streets]
    wait_for(compare, 20, gateway.log)
    before = database.query("SELECT piece_id, geom FROM patrol.live_street ORDER BY 1")
    put(make_vehicle, "A3", crossing(8, 8))  # times change, streets do not
    wait_for(lambda: database.one("SELECT units FROM patrol.live_made") == 3 and compare(), 30,
             gateway.log)
    assert database.query("SELECT piece_id, geom FROM patrol.live_street ORDER BY 1") == before

    def gaps():
        answer = gateway.get("/v1/coverage/gaps")
        rows = database.query(
            "SELECT gap_id, length_m, worst_s, mission_ids, mission_names, ST_IsValid(geom),"
            " ST_AsGeoJSON(geom, 6)::jsonb FROM patrol.live_gap ORDER BY 1")
        return rows and rows == [
            (i + 1, pytest.approx(f["properties"]["length_m"], abs=0.6),
             pytest.approx(f["properties"]["worst_s"], abs=0.06),
             [m["mission_id"] for m in f["properties"]["missions"]],
             "\n".join(m["name"] for m in f["properties"]["missions"]), True, f["geometry"])
            for i, f in enumerate(answer["features"])]
    wait_for(gaps, 20, gateway.log)
    assert gateway.metric("patrol_live_tables_total") >= 2
    assert gateway.metric("patrol_live_tables_failed_total") == 0


def test_units_are_there_by_name(running):
    database, _ = running
    rows = database.query("SELECT call_sign, status, age_s >= 0 FROM patrol.live_unit ORDER BY 1")
    assert rows == [("A1", "available", True), ("A2", "available", True)]


PROJECT = os.path.join(TOP, "deploy/qgis/patrol.qgs")


def test_the_qgis_project_finds_its_tables(database):
    """Each layer's table has the key and the column of places that it names, of
    that kind and reference system, and every column that its style and its labels
    look at."""
    root = xml.etree.ElementTree.parse(PROJECT).getroot()
    layers = root.findall("projectlayers/maplayer")
    assert len(layers) == 8
    ids = [layer.findtext("id") for layer in layers]
    assert ids == [one.get("id") for one in root.findall("layer-tree-group/layer-tree-layer")]
    assert ids == [one.get("id") for one in root.findall("layerorder/layer")]
    for layer in layers:
        source = layer.findtext("datasource")
        assert "service='patrol'" in source and not re.search(r"password|user=|host=", source)
        schema, table, column = re.search(r'table="(\w+)"\."(\w+)" \((\w+)\)', source).groups()
        key, srid, kind = (re.search(p, source)[1] for p in
                           (r"key='(\w+)'", r"srid=(\d+)", r"type=(\w+)"))
        assert database.query(
            "SELECT f_geometry_column, srid, type FROM geometry_columns WHERE f_table_schema ="
            " %s AND f_table_name = %s", schema, table) == [(column, int(srid), kind.upper())]
        columns = dict(database.query(
            "SELECT column_name, is_nullable FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s", schema, table))
        assert database.query(f'SELECT "{key}" FROM {schema}.{table} GROUP BY 1'
                              " HAVING count(*) > 1") == []
        used = {word for rule in layer.iter("rule")
                for word in re.findall(r'"(\w+)"', rule.get("filter"))}
        used |= {text.get("fieldName") for text in layer.iter("text-style")}
        assert used | {key} <= columns.keys(), table
        symbols = {s.get("name") for s in layer.findall("renderer-v2/symbols/symbol")}
        assert {r.get("symbol") for r in layer.iter("rule")} == symbols
        for rule in layer.iter("rule"):  # QGIS asks the database with these
            database.query(f"SELECT 1 FROM {schema}.{table} WHERE {rule.get('filter')}")
