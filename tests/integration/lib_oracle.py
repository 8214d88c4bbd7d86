"""Who is nearest by road, from pgRouting: an oracle for the road engine.

What may follow what is written down once more in SQL, as a graph that
pgRouting knows how to search: each directed edge has a vertex at its start
and one at its end; driving it costs its time, an allowed turn costs nothing.
Where no turn is forbidden, the plain graph of junctions has to agree, too.
Partial first and last edges are added by SQL.

Needs the extension pgrouting in the database; leaves a schema `oracle`."""
import psycopg2
from psycopg2.extras import execute_values

ORACLE = """
DROP SCHEMA IF EXISTS oracle CASCADE;
CREATE SCHEMA oracle;
SET search_path = oracle, patrol, public;
CREATE TABLE arc AS
    SELECT 2 * edge_id AS arc, 2 * edge_id + 1 AS reverse, edge_id, true AS forward,
           source AS tail, target AS head, forward_ms AS ms
    FROM road_edge WHERE forward_ms IS NOT NULL
    UNION ALL
    SELECT 2 * edge_id + 1, 2 * edge_id, edge_id, false, target, source, backward_ms
    FROM road_edge WHERE backward_ms IS NOT NULL;
CREATE TABLE may AS
    SELECT a.arc AS a, a.reverse, b.arc AS b FROM arc a JOIN arc b ON a.head = b.tail
    WHERE NOT EXISTS (
        SELECT FROM road_turn t WHERE t.from_edge = a.edge_id AND t.from_forward = a.forward
        AND t.to_edge = b.edge_id AND t.to_forward = b.forward);
CREATE INDEX ON may (a);
CREATE TABLE line AS -- 2 * arc is an arc's start, 2 * arc + 1 its end
    SELECT 2 * arc AS source, 2 * arc + 1 AS target, ms AS cost FROM arc
    UNION ALL
    SELECT 2 * a + 1, 2 * b, 0 FROM may WHERE b <> reverse OR NOT EXISTS (
        SELECT FROM may other WHERE other.a = may.a AND other.b <> may.b);
ALTER TABLE line ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY;

CREATE TABLE unit_at (slot integer, edge_id integer, fraction float8);
CREATE TABLE goal_at (query integer, edge_id integer, fraction float8);
"""

# floor(x + 1/2): halves go up, as C's llround() rounds what is not negative.
PLACES = """
CREATE TABLE unit_arc AS
    SELECT slot, arc, head, ms - floor(ms * f + 0.5)::bigint AS left_ms, ms, f
    FROM unit_at JOIN arc USING (edge_id)
    CROSS JOIN LATERAL (SELECT CASE WHEN forward THEN fraction ELSE 1 - fraction END AS f) s;
CREATE TABLE goal_arc AS
    SELECT query, arc, tail, floor(ms * f + 0.5)::bigint AS gone_ms, f
    FROM goal_at JOIN arc USING (edge_id)
    CROSS JOIN LATERAL (SELECT CASE WHEN forward THEN fraction ELSE 1 - fraction END AS f) s;
ANALYZE unit_arc; ANALYZE goal_arc;
CREATE TABLE straight AS
    SELECT query, slot, g.gone_ms - (u.ms - u.left_ms) AS ms
    FROM goal_arc g JOIN unit_arc u USING (arc) WHERE u.f <= g.f;
"""

LINE_COSTS = """
CREATE TABLE cost AS SELECT start_vid, end_vid, agg_cost FROM pgr_dijkstraCost(
    'SELECT id, source, target, cost FROM oracle.line',
    (SELECT array_agg(DISTINCT 2 * arc + 1) FROM unit_arc),
    (SELECT array_agg(DISTINCT 2 * arc) FROM goal_arc), true);
"""

LINE_WAYS = """
    SELECT query, slot, left_ms + agg_cost + gone_ms AS ms
    FROM cost JOIN unit_arc u ON start_vid = 2 * u.arc + 1
    JOIN goal_arc g ON end_vid = 2 * g.arc
"""

NODE_COSTS = """
CREATE TABLE node_cost AS
    SELECT start_vid, end_vid, agg_cost FROM pgr_dijkstraCost(
    'SELECT edge_id AS id, source, target, coalesce(forward_ms, -1) AS cost,
     coalesce(backward_ms, -1) AS reverse_cost FROM patrol.road_edge',
    (SELECT array_agg(DISTINCT head) FROM unit_arc),
    (SELECT array_agg(DISTINCT tail) FROM goal_arc), true)
    WHERE start_vid <> end_vid
    UNION ALL SELECT DISTINCT head, head, 0::float8 FROM arc;
"""

NODE_WAYS = """
    SELECT query, slot, left_ms + agg_cost + gone_ms AS ms
    FROM node_cost JOIN unit_arc ON start_vid = head
    JOIN goal_arc ON end_vid = tail
"""

BEST = """
CREATE TABLE {name} AS SELECT query, slot, min(ms)::bigint AS ms
    FROM ({ways} UNION ALL SELECT * FROM straight) w GROUP BY query, slot
"""

NEAREST = """
SELECT query, slot, ms FROM (SELECT *, row_number() OVER (PARTITION BY query ORDER BY ms, slot)
    FROM {name}) r WHERE row_number <= %s ORDER BY query, ms, slot
"""


def ask(url, units, goals, k, plain=False):
    """The k nearest of `units` (edge_id, fraction) to each of `goals`:
    query -> [(ms, slot)]; and (query, slot) -> ms for all pairs of the first
    fifty. `plain`: no turn is forbidden."""
    with psycopg2.connect(url) as db, db.cursor() as sql:
        sql.execute(ORACLE)
        execute_values(sql, "INSERT INTO unit_at VALUES %s",
                       [(n, *place) for n, place in enumerate(units)])
        execute_values(sql, "INSERT INTO goal_at VALUES %s",
                       [(n, *place) for n, place in enumerate(goals)])
        sql.execute(PLACES)
        sql.execute(LINE_COSTS)
        sql.execute(BEST.format(name="best", ways=LINE_WAYS))
        if plain:
            sql.execute(NODE_COSTS)
            sql.execute(BEST.format(name="node_best", ways=NODE_WAYS))
            sql.execute("SELECT count(*) FROM best FULL JOIN node_best USING (query, slot)"
                        " WHERE best.ms IS DISTINCT FROM node_best.ms")
            assert sql.fetchone()[0] == 0, "the oracle's two graphs disagree"
        sql.execute(NEAREST.format(name="best"), (k,))
        nearest = {}
        for query, slot, ms in sql.fetchall():
            nearest.setdefault(query, []).append((ms, slot))
        sql.execute("SELECT query, slot, ms FROM best WHERE query < 50")
        return nearest, {(query, slot): ms for query, slot, ms in sql.fetchall()}
