"""A PostgreSQL of our own with the schema in it, and a town of straight
streets."""
import os
import subprocess

import psycopg2

from lib_common import TOP

POSTGRES = os.path.join(TOP, "deploy/private/postgres")
LAT, LON = 23.1, -82.4


def crossing(x, y):
    """Where a crossing of the grid stands, in degrees."""
    return LAT + y * 0.001, LON + x * 0.001


def positions(database, call_sign):
    """(seq, milliseconds, lat_e6, lon_e6), by number."""
    return database.query(
        "SELECT seq, round(extract(epoch FROM fix_time) * 1000)::bigint,"
        " round(ST_Y(geom) * 1e6)::int, round(ST_X(geom) * 1e6)::int"
        " FROM patrol.position JOIN patrol.unit USING (unit_id)"
        " WHERE call_sign = %s ORDER BY seq", call_sign)


class Database:
    def __init__(self, directory):
        self.dir = directory
        self.start()
        self.url = subprocess.run([POSTGRES, "url", directory], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout.strip()

    def start(self):
        subprocess.run([POSTGRES, "start", self.dir], check=True)

    def stop(self):
        subprocess.run([POSTGRES, "stop", self.dir], check=True)

    def connect(self):
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        return connection

    def query(self, sql, *params):
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, params or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def one(self, sql, *params):
        return self.query(sql, *params)[0][0]

    def clear(self):
        self.query("TRUNCATE patrol.unit, patrol.device, patrol.unit_device,"
                   " patrol.position, patrol.unit_event, patrol.receipt, patrol.post,"
                   " patrol.latest_position, patrol.quarantine, patrol.zone,"
                   " patrol.mission, patrol.closure, patrol.coverage_gap,"
                   " patrol.coverage_snapshot, patrol.coverage_run, patrol.coverage_plan,"
                   " patrol.live_made, patrol.live_mission,"
                   " patrol.live_zone, patrol.live_gap, patrol.live_street RESTART IDENTITY CASCADE")

    def add_unit(self, call_sign, device=None, since="-infinity", **columns):
        unit = self.one("INSERT INTO patrol.unit (call_sign, kind, capabilities)"
                        " VALUES (%s, %s, %s) RETURNING unit_id", call_sign,
                        columns.get("kind", "car"), columns.get("capabilities", []))
        device_id = self.one("INSERT INTO patrol.device (name) VALUES (%s)"
                             " RETURNING device_id", device or call_sign)
        self.query('INSERT INTO patrol.unit_device (unit_id, device_id, "from")'
                   " VALUES (%s, %s, %s)", unit, device_id, since)
        return unit

    def add_grid(self, side=10, ms=10000):
        """Streets of 0.001 degree, `ms` each way; the corner is LAT, LON. No
        profiles: turns and starts take no time."""
        self.query(
            """
            BEGIN;
            TRUNCATE patrol.road_turn, patrol.road_edge, patrol.road_node,
                patrol.road_profile, patrol.road_cost;
            INSERT INTO patrol.road_node
            SELECT y * %(side)s + x + 1, ST_SetSRID(ST_MakePoint(
                %(lon)s + x * 0.001, %(lat)s + y * 0.001), 4326)
            FROM generate_series(0, %(side)s - 1) x,
                 generate_series(0, %(side)s - 1) y;
            INSERT INTO patrol.road_edge (edge_id, way_id, source, target, class,
                name, length_m, forward_ms, backward_ms, geom)
            SELECT row_number() OVER (ORDER BY a.node_id, b.node_id),
                1000 + a.node_id, a.node_id, b.node_id, 'residential', 'Calle',
                ST_Length(ST_MakeLine(a.geom, b.geom)::geography),
                %(ms)s, %(ms)s, ST_MakeLine(a.geom, b.geom)
            FROM patrol.road_node a JOIN patrol.road_node b
              ON b.node_id = a.node_id + 1 AND a.node_id %% %(side)s <> 0
              OR b.node_id = a.node_id + %(side)s;
            INSERT INTO patrol.road_network
                (source, nodes, edges, turns, length_m, summary)
            SELECT 'grid', (SELECT count(*) FROM patrol.road_node), count(*), 0,
                sum(length_m), '{}' FROM patrol.road_edge;
            COMMIT
            """ % {"side": side, "lat": LAT, "lon": LON, "ms": ms})
