"""Times by a profile, turns and all, from pgRouting: two oracles.

`line`: what may follow what, and at what cost, is written down once more in
Python, as a graph that pgr_dijkstraCost() knows how to search: a vertex at the
start and one at the end of each directed edge, and of it once more for who has
the beginning of a forbidden sequence behind him.

`trsp`: the streets as they are, with the turns as the restrictions of
pgr_trsp(). What may not be done costs BAN: it knows no other ban. It keeps one
way to each edge, so where a sequence of three and more is forbidden it may miss
the best that avoids it: there its times are upper bounds.

A turn whose angle is within BORDER_DEG of a limit between two kinds may be
either, so times have a lower and an upper end, which are mostly one."""
import json
import math

import psycopg2
from psycopg2.extras import execute_values

BORDER_DEG = 0.05
COURSE_M = 12.0  # roads.h: the course of a turn is that of its last and first
BAN = 10**9
AHEAD, RIGHT, LEFT, SHARP_RIGHT, SHARP_LEFT, ROUND_AT_END, ROUND, FORBIDDEN = range(8)
CONTROLS = {None: 0, "signals": 1, "stop": 2, "give_way": 3, "mini_roundabout": 3}


def metres(a, b):
    """From a to b; east, north: WGS84's radii of curvature along the parallel
    and the meridian."""
    lat = math.radians((a[1] + b[1]) / 2)
    flat = 1 - 0.00669437999014 * math.sin(lat) ** 2
    degree = 6378137 * math.pi / 180
    return ((b[0] - a[0]) * degree * math.cos(lat) / math.sqrt(flat),
            (b[1] - a[1]) * degree * (1 - 0.00669437999014) / flat ** 1.5)


def course_of_start(line):
    """Degrees, from the first point to the one COURSE_M along the line."""
    left = COURSE_M
    for a, b in zip(line, line[1:]):
        length = math.hypot(*metres(a, b))
        if length >= left and length > 0:
            share = left / length
            end = (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
            break
        left -= length
        end = b
    east, north = metres(line[0], end)
    return math.degrees(math.atan2(east, north))


class Streets:
    """One profile's, from the tables."""

    def __init__(self, url, profile):
        with psycopg2.connect(url) as db, db.cursor() as sql:
            sql.execute("SELECT profile_id, is_emergency, turn_ms, control_ms FROM"
                        " patrol.road_profile WHERE name = %s", (profile,))
            number, self.emergency, self.turn_ms, self.control_ms = sql.fetchone()
            sql.execute("SELECT node_id, control FROM patrol.road_node")
            self.controls = {node: CONTROLS[control] for node, control in sql}
            sql.execute("SELECT edge_id, source, target, ST_AsGeoJSON(geom, 7)::json"
                        " FROM patrol.road_edge")
            self.ends, self.starts, lines = {}, {}, sql.fetchall()
            sql.execute("SELECT DISTINCT edge_id, k FROM patrol.road_cost, generate_series(0, 1)"
                        " k WHERE CASE k WHEN 0 THEN forward_ms ELSE backward_ms END > 0")
            driven = {2 * edge + k for edge, k in sql}  # by some profile
            sql.execute("SELECT edge_id, forward_ms, backward_ms FROM patrol.road_cost WHERE"
                        " profile_id = %s", (number,))
            self.ms = {2 * edge + k: ms for edge, *both in sql for k, ms in enumerate(both)
                       if ms is not None}
            sql.execute("SELECT from_edge, from_forward, via, to_edge, to_forward FROM"
                        " patrol.road_turn WHERE NOT (%s AND 'emergency' = ANY"
                        " (except_classes))", (self.emergency,))
            self.banned = {(2 * a + (not af), *(2 * abs(v) + (v < 0) for v in via),
                            2 * b + (not bf)) for a, af, via, b, bf in sql}
        self.tail, self.head = {}, {}
        for edge, source, target, geometry in lines:
            if isinstance(geometry, str):
                geometry = json.loads(geometry)
            line = geometry["coordinates"]
            back = line[::-1]
            for arc, (a, b), way in ((2 * edge, (source, target), line),
                                     (2 * edge + 1, (target, source), back)):
                self.tail[arc], self.head[arc] = a, b
                self.starts[arc] = course_of_start(way)
                self.ends[arc] = course_of_start(way[::-1]) + 180
        self.leaving, self.leaving_any = {}, {}
        for arc in driven:
            self.leaving_any.setdefault(self.tail[arc], []).append(arc)
        for arc in self.ms:
            self.leaving.setdefault(self.tail[arc], []).append(arc)
        self.prefixes = {seq[:i] for seq in self.banned for i in range(2, len(seq))}

    def kinds(self, a, b):
        """Of the turn from a into b: one, or two on a border."""
        if len([c for c in self.leaving_any[self.head[a]] if c != a ^ 1]) <= 1:
            return [AHEAD]
        turn = math.remainder(self.starts[b] - self.ends[a], 360)

        def kind(turn):
            size = abs(turn)
            if size <= 30:
                return AHEAD
            if size > 120:
                return SHARP_RIGHT if turn > 0 else SHARP_LEFT
            return RIGHT if turn > 0 else LEFT
        return sorted({kind(math.remainder(turn + d, 360)) for d in (-BORDER_DEG, 0, BORDER_DEG)})

    def forbidden(self, state, b):
        way = state + (b,)
        return any(way[i:] in self.banned for i in range(len(way) - 1))

    def then(self, state, b):
        way = state + (b,)
        for i in range(len(way) - 1):
            if way[i:] in self.prefixes:
                return way[i:]
        return (b,)

    def cost(self, state, b, kind):
        """None: not made."""
        ms = self.turn_ms[kind]
        if ms is None:
            return None
        if kind not in (ROUND, ROUND_AT_END):
            ms += self.control_ms[self.controls[self.tail[b]]]
        if self.forbidden(state, b):
            extra = self.turn_ms[FORBIDDEN]
            ms = None if extra is None else ms + extra
        return ms

    def turns(self, state):
        """[(b, the least, the most)]"""
        out, back = [], None
        for b in self.leaving.get(self.head[state[-1]], ()):
            if b == state[-1] ^ 1:
                back = b
                continue
            costs = [self.cost(state, b, kind) for kind in self.kinds(state[-1], b)]
            if costs[0] is not None:
                out.append((b, min(costs), max(costs)))
        if back is not None:
            ms = self.cost(state, back, ROUND if out else ROUND_AT_END)
            if ms is not None:
                out.append((back, ms, ms))
        return out

    def states(self):
        return [(arc,) for arc in self.ms] + [
            p for p in sorted(self.prefixes) if all(arc in self.ms for arc in p)]

    def from_place(self, edge, at):
        """[(arc, what lies behind, what lies ahead)], in ms"""
        out = []
        for arc in (2 * edge, 2 * edge + 1):
            if arc in self.ms:
                ms = self.ms[arc]
                gone = math.floor(ms * (at if arc % 2 == 0 else 1 - at) + 0.5)
                out.append((arc, gone, ms - gone))
        return out

    def straight(self, unit, goal):
        """Along one edge, without a turn."""
        if unit[0] != goal[0]:
            return []
        return [to - behind for (arc, behind, _), (_, to, _) in
                zip(self.from_place(*unit), self.from_place(*goal))
                if (unit[1] <= goal[1] if arc % 2 == 0 else 1 - unit[1] <= 1 - goal[1])]


def line_graph(streets):
    """Three vertices a state: its start, its end, and where ways to it arrive.
    ({state: its number}, [(vertex, vertex, the least ms, the most)])"""
    number = {state: i for i, state in enumerate(streets.states())}
    rows = []
    for state, i in number.items():
        rows.append((3 * i, 3 * i + 1, streets.ms[state[-1]], streets.ms[state[-1]]))
        rows.append((3 * i, 3 * number[state[-1:]] + 2, 0, 0))
        rows += [(3 * i + 1, 3 * number[streets.then(state, b)], least, most)
                 for b, least, most in streets.turns(state)]
    return number, rows


def line_times(url, streets, units, goals):
    """{(query, slot): (the least ms, the most)}"""
    number, rows = line_graph(streets)
    begins = [(slot, arc, ahead) for slot, unit in enumerate(units)
              for arc, _, ahead in streets.from_place(*unit)]
    ends = [(query, arc, gone) for query, goal in enumerate(goals)
            for arc, gone, _ in streets.from_place(*goal)]
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("CREATE TEMP TABLE line (source bigint, target bigint, least bigint, most"
                    " bigint, id bigint GENERATED ALWAYS AS IDENTITY)")
        execute_values(sql, "INSERT INTO line VALUES %s", rows, page_size=10000)
        costs = []
        for column in "least", "most":
            sql.execute("SELECT start_vid, end_vid, agg_cost FROM pgr_dijkstraCost(%s, %s, %s)",
                        (f"SELECT id, source, target, {column} AS cost FROM line",
                         sorted({3 * number[(arc,)] + 1 for _, arc, _ in begins}),
                         sorted({3 * number[(arc,)] + 2 for _, arc, _ in ends})))
            costs.append({(a, b): round(ms) for a, b, ms in sql})
    times = {}
    for query, goal in enumerate(goals):
        for slot, unit in enumerate(units):
            ways = [(ms, ms) for ms in streets.straight(unit, goal)]
            for s, a, ahead in begins_of(begins, slot):
                for q, b, gone in begins_of(ends, query):
                    key = (3 * number[(a,)] + 1, 3 * number[(b,)] + 2)
                    if key in costs[0]:
                        ways.append(tuple(ahead + c[key] + gone for c in costs))
            if ways:
                times[(query, slot)] = tuple(min(way[i] for way in ways) for i in (0, 1))
    return times


def begins_of(rows, number):
    # both lists are in order, at most two a number
    low = bisect_left(rows, number)
    return [row for row in rows[low:low + 2] if row[0] == number]


def bisect_left(rows, number):
    low, high = 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if rows[middle][0] < number:
            low = middle + 1
        else:
            high = middle
    return low


def trsp_times(url, streets, units, goals):
    """As line_times(), by pgr_trsp(); of borders the upper end only. Of an edge
    that costs nothing it loses track, so the first and last have 1 ms more."""
    # 0 as a vertex confuses it
    node = {n: i for i, n in enumerate(sorted(set(streets.tail.values())), 1)}
    tail = {arc: node[n] for arc, n in streets.tail.items()}
    head = {arc: node[n] for arc, n in streets.head.items()}
    edges = [(arc, tail[arc], head[arc], ms) for arc, ms in streets.ms.items()]
    first = 1 + max(streets.tail)  # of the ids of pieces of edges
    pieces = {}  # id -> the arc that it is a part of
    starts, stops = {}, {}
    vertex = 1 + len(node)
    for slot, unit in enumerate(units):
        starts[slot] = vertex
        for arc, _, ahead in streets.from_place(*unit):
            pieces[first] = arc
            edges.append((first, vertex, head[arc], 1 + ahead))
            first += 1
        vertex += 1
    for query, goal in enumerate(goals):
        stops[query] = vertex
        for arc, gone, _ in streets.from_place(*goal):
            pieces[first] = arc
            edges.append((first, tail[arc], vertex, 1 + gone))
            first += 1
        vertex += 1
    parts = {}
    for piece, arc in pieces.items():
        parts.setdefault(arc, []).append(piece)
    rules = []
    for arc in streets.ms:
        made = {b: most for b, _, most in streets.turns((arc,))}
        for b in streets.leaving.get(streets.head[arc], ()):
            cost = made.get(b, BAN)
            if cost:
                rules += [([x, y], cost) for x in [arc] + parts.get(arc, [])
                          for y in [b] + parts.get(b, [])]
    for seq in streets.banned:
        extra = streets.turn_ms[FORBIDDEN]
        if len(seq) > 2 and all(arc in streets.ms for arc in seq):
            rules += [([x, *seq[1:-1], y], BAN if extra is None else extra)
                      for x in [seq[0]] + parts.get(seq[0], [])
                      for y in [seq[-1]] + parts.get(seq[-1], [])]
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute("CREATE TEMP TABLE street (id bigint, source bigint, target bigint, cost"
                    " float8, reverse_cost float8 DEFAULT -1);"
                    "CREATE TEMP TABLE rule (id bigint GENERATED ALWAYS AS IDENTITY, path"
                    " bigint[], cost float8)")
        execute_values(sql, "INSERT INTO street VALUES %s", edges, page_size=10000)
        execute_values(sql, "INSERT INTO rule (path, cost) VALUES %s", rules, page_size=10000)
        # version 3.4.2 gives other times for many at once than one by one
        sql.execute("SELECT a, b, agg_cost FROM unnest(%s) a, unnest(%s) b, LATERAL pgr_trsp("
                    "'SELECT id, source, target, cost, reverse_cost FROM street',"
                    "'SELECT id, path, cost FROM rule', a, b, true) WHERE edge = -1",
                    (sorted(starts.values()), sorted(stops.values())))
        costs = {(a, b): round(ms) for a, b, ms in sql if ms < BAN}
    times = {}
    for query, goal in enumerate(goals):
        for slot, unit in enumerate(units):
            ways = streets.straight(unit, goal)
            if (starts[slot], stops[query]) in costs:
                ways.append(costs[(starts[slot], stops[query])] - 2)
            if ways:
                times[(query, slot)] = min(ways)
    return times
