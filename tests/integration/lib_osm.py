"""OpenStreetMap files drawn by a test, and what a plain reading of one says."""
import random
import xml.etree.ElementTree as xml
from xml.sax.saxutils import quoteattr


class Drawing:
    """Nodes, ways and relations in the order they are written."""

    def __init__(self):
        self.nodes = {}
        self.node_tags = {}  # of those that have some
        self.ways = {}
        self.relations = {}

    def node(self, number, lat, lon):
        self.nodes[number] = (lat, lon)

    def way(self, number, refs, **tags):
        self.ways[number] = (list(refs), {k.replace("__", ":"): v for k, v in tags.items()})

    def relation(self, number, members, **tags):
        self.relations[number] = (members, tags)

    def write(self, path, shuffled_by=None):
        """In order of type and id, as osm2pgrouting needs it; with a seed in
        any order, ways before nodes too."""
        parts = [f'<node id="{n}" version="1" lat="{lat:.7f}" lon="{lon:.7f}">'
                 + self._tags(self.node_tags.get(n, {})) + "</node>"
                 for n, (lat, lon) in sorted(self.nodes.items())]
        for n, (refs, tags) in sorted(self.ways.items()):
            parts.append(f'<way id="{n}" version="1">' + "".join(
                f'<nd ref="{r}"/>' for r in refs) + self._tags(tags) + "</way>")
        for n, (members, tags) in sorted(self.relations.items()):
            parts.append(f'<relation id="{n}" version="1">' + "".join(
                f'<member type="{t}" ref="{r}" role="{role}"/>' for t, r, role in members)
                + self._tags(tags) + "</relation>")
        if shuffled_by is not None:
            random.Random(shuffled_by).shuffle(parts)
        with open(path, "w", encoding="utf-8") as out:
            out.write('<?xml version="1.0" encoding="UTF-8"?>\n'
                      '<osm version="0.6" generator="test">\n'
                      + "\n".join(parts) + "\n</osm>\n")
        return path

    @staticmethod
    def _tags(tags):
        return "".join(f"<tag k={quoteattr(k)} v={quoteattr(v)}/>" for k, v in tags.items())


def read(path):
    """(way -> (refs, tags), node -> tags of the nodes that the file has)."""
    ways, nodes = {}, {}
    for _, element in xml.iterparse(path):
        if element.tag == "node":
            nodes[int(element.get("id"))] = {
                tag.get("k"): tag.get("v") for tag in element.findall("tag")}
        elif element.tag == "way":
            ways[int(element.get("id"))] = (
                [int(nd.get("ref")) for nd in element.findall("nd")],
                {tag.get("k"): tag.get("v") for tag in element.findall("tag")})
        if element.tag in ("node", "way", "relation"):
            element.clear()
    return ways, nodes


def city(seed, side=14):
    """A grid of streets with everything in it that an importer may trip over."""
    dice = random.Random(seed)
    drawing = Drawing()
    for y in range(side):
        for x in range(side):
            drawing.node(1 + y * side + x, 23.1 + y * 0.0011 + dice.uniform(-2e-4, 2e-4),
                         -82.4 + x * 0.0012 + dice.uniform(-2e-4, 2e-4))
    classes = ["residential", "tertiary", "secondary", "primary", "unclassified", "service",
               "living_street", "road", "motorway", "motorway_link", "primary_link",
               "secondary_link", "tertiary_link"]
    kinds = [{}, {}, {"oneway": "yes"}, {"oneway": "no"}, {"oneway": "-1"},
             {"oneway": "true"}, {"maxspeed": "50"}, {"maxspeed": "30 mph"},
             {"access": "private"}, {"access": "no"}, {"motor_vehicle": "no"},
             {"access": "no", "motor_vehicle": "yes"}, {"junction": "roundabout"}]
    number = 1000
    extra = 100000

    def street(refs):
        nonlocal number, extra
        number += 1
        bent = [refs[0]]
        for a, b in zip(refs, refs[1:]):
            if dice.random() < 0.4:  # a bend that is no crossing
                extra += 1
                lat = (drawing.nodes[a][0] + drawing.nodes[b][0]) / 2 + 1e-5
                lon = (drawing.nodes[a][1] + drawing.nodes[b][1]) / 2
                drawing.node(extra, lat, lon)
                bent.append(extra)
            bent.append(b)
        drawing.way(number, bent, highway=dice.choice(classes), name=f"Calle {number} ñ",
                    **dice.choice(kinds))
        return bent

    bends = []
    for line in range(side):
        for across in (False, True):
            start = 0
            while start < side - 1:
                end = min(side - 1, start + dice.randint(1, 4))
                refs = [1 + (line * side + at if across else at * side + line)
                        for at in range(start, end + 1)]
                bends += [n for n in street(refs) if n > 100000]
                start = end
    # footways that meet streets between crossings, ways that are no road
    for at in range(0, len(bends) - 1, 5):
        drawing.way(number := number + 1, [bends[at], bends[at + 1]], highway="footway")
    drawing.way(number := number + 1, [1, 2, 3], waterway="river")
    # closed, and one that meets itself
    drawing.node(90001, 23.2, -82.4)
    drawing.node(90002, 23.2005, -82.4005)
    drawing.node(90003, 23.201, -82.4)
    drawing.way(number := number + 1, [90001, 90002, 90003, 90001], highway="residential")
    drawing.way(number := number + 1, [1, 90001], highway="residential")
    drawing.node(90004, 23.0995, -82.399)
    drawing.node(90005, 23.0995, -82.398)
    drawing.way(number := number + 1, [2, 90004, 90005, 2, 90002], highway="tertiary")
    drawing.way(number := number + 1, [5, 6], highway="residential", oneway="reversible")
    return drawing
