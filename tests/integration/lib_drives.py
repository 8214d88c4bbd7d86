"""Drives along the grid of lib_database, as positions in the database."""
import datetime

from lib_database import crossing

MONDAY = datetime.datetime(2026, 10, 5, tzinfo=datetime.timezone.utc)


def days_later(days, hour=12):
    return MONDAY + datetime.timedelta(days=days, hours=hour)


class Fleet:
    """`add` puts a drive along the street y from crossing x to crossing
    `to_x` there, a fix each 5 s, each piece of street taking `piece_s`."""

    def __init__(self, database, call_sign="L-01"):
        self.database = database
        self.unit = database.add_unit(call_sign)
        self.seq = 0
        self.rows = []

    def add(self, began, y, piece_s, x=0, to_x=9, status="available"):
        way = 1 if to_x > x else -1
        for step in range(int(abs(to_x - x) * piece_s / 5) + 1):
            lat, lon = crossing(x + way * step * 5 / piece_s, y)
            self.seq += 1
            self.rows.append((self.unit, began + datetime.timedelta(
                seconds=5 * step), lon, lat, status, self.seq))

    def store(self):
        days = sorted({row[1].date() for row in self.rows})
        self.database.query("SELECT patrol.make_partitions(%s, %s)",
                            days[0], days[-1])
        connection = self.database.connect()
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO patrol.position (unit_id, fix_time, received_at,"
                " geom, status, generation, seq, flags) VALUES (%s, %s, now(),"
                " ST_SetSRID(ST_MakePoint(%s, %s), 4326), %s, 1, %s, 1)",
                self.rows)
        connection.close()
        self.rows = []
