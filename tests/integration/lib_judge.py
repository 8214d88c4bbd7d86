"""What the map says of a street and what a profile makes of it, read once
more from the .osm file and deploy/config/profiles.ini by a reader of its own:
an oracle for the import and for gateway/profile."""
import configparser
import math
import os
import re
import xml.etree.ElementTree as xml

from lib_common import TOP

PLACE = 1 << 62  # above a barrier's node id: the place before it
PROFILES = os.path.join(TOP, "deploy/config/profiles.ini")
OPEN = ("yes", "designated", "official", "permissive", "destination")
CAR_KEYS = ("motorcar", "motor_vehicle", "vehicle", "access")


class Map:
    """Ways with highway, and nodes with place and tags, of an .osm file."""

    def __init__(self, path):
        self.ways, self.nodes, self.relations = {}, {}, {}
        for _, element in xml.iterparse(path):
            tags = {tag.get("k"): tag.get("v") for tag in element.findall("tag")}
            number = int(element.get("id", 0))
            if element.tag == "node":
                self.nodes[number] = (float(element.get("lat")), float(element.get("lon")), tags)
            elif element.tag == "way":
                self.ways[number] = ([int(nd.get("ref")) for nd in element.findall("nd")], tags)
            elif element.tag == "relation":
                self.relations[number] = (
                    [(m.get("type"), int(m.get("ref")), m.get("role"))
                     for m in element.findall("member")], tags)
            if element.tag in ("node", "way", "relation"):
                element.clear()

    def along(self, a, b):
        (lat1, lon1, _), (lat2, lon2, _) = self.nodes[a], self.nodes[b]
        x = math.radians(lon2 - lon1) * math.cos(math.radians((lat1 + lat2) / 2))
        return math.hypot(math.radians(lat2 - lat1), x)


def profiles(path=PROFILES):
    """[(name, settings)]; what a section leaves out is as for patrol."""
    ini = configparser.ConfigParser(comment_prefixes=(";", "#"))
    ini.read(path, encoding="utf-8")
    patrol = dict(ini["patrol"])
    return [(name, {**patrol, **dict(ini[name])}) for name in ini.sections()]


def seconds_or_none(text):
    return None if text == "no" else float(text)


# ------------------------------------------------------------------- signs
def signs(city, refs):
    """(forward, backward) seconds' names met strictly between the ends."""
    met = ([], [])
    whole = sum(city.along(a, b) for a, b in zip(refs, refs[1:]))
    gone = 0.0
    for before, node in zip(refs, refs[1:-1]):
        gone += city.along(before, node)
        tags = city.nodes[node][2]
        kind = tags.get("highway")
        lights = (tags.get("crossing") == "traffic_signals"
                  or tags.get("crossing:signals") == "yes")
        if kind == "crossing" and lights:
            kind = "traffic_signals"
        name = {"traffic_signals": "signals", "stop": "stop", "give_way": "give_way",
                "mini_roundabout": "give_way"}.get(kind)
        if name:
            said = next((tags[key] for key in ("traffic_signals:direction", "stop:direction",
                                               "give_way:direction", "direction") if key in tags),
                        None)
            if said in ("forward", "backward"):
                ways = [said == "backward"]
            elif said == "both" or name == "signals":
                ways = [False, True]
            else:
                ways = [gone * 2 < whole]
            for way in ways:
                met[way].append(name)
        elif kind == "crossing" and tags.get("crossing") != "no":
            met[0].append("crossing")
            met[1].append("crossing")
        if tags.get("traffic_calming", "no") != "no":
            met[0].append("calming")
            met[1].append("calming")
    return met


# --------------------------------------------------------------- judgement
def first(tags, keys, backward):
    for key in keys:
        for name in (key + (":backward" if backward else ":forward"), key):
            if tags.get(name):
                return tags[name].replace(" ", "")
    return None


def cars(tags, settings, backward):
    """True: open, False: closed, None: nothing is said."""
    value = first(tags, CAR_KEYS, backward)
    if value is None:
        return None
    return any(word not in settings["closed"].split() for word in value.split(";"))


def blue(tags, settings, backward):
    if settings["emergency"] != "yes":
        return None
    value = first(tags, ["emergency"], backward)
    return None if value is None else value in OPEN


def buses(tags, backward):
    value = first(tags, ["bus"], backward) or first(tags, ["psv"], backward)
    if value:
        return value in OPEN
    value = first(tags, CAR_KEYS, backward)
    return value in ("psv", "bus") if value else tags["highway"] == "busway"


def entry_cap(tags, settings, backward):
    """The speed at which access lets in; inf: any; None: not."""
    said = blue(tags, settings, backward)
    if said is not None:
        return math.inf if said else None
    said = cars(tags, settings, backward)
    if said is None and tags.get("service") == "emergency_access":
        said = settings["emergency"] == "yes"
    if said in (None, True):
        return math.inf
    if settings["bus_only_kmh"] != "no" and buses(tags, backward):
        return float(settings["bus_only_kmh"])
    return seconds_or_none(settings["closed_kmh"])


def oneway(tags):
    value = next((tags[key] for key in ("oneway:motorcar", "oneway:motor_vehicle",
                                        "oneway:vehicle", "oneway") if tags.get(key)), None)
    if value in ("yes", "true", "1"):
        return "forward"
    if value in ("-1", "reverse"):
        return "backward"
    if value in ("reversible", "alternating"):
        return value
    if value not in ("no", "false", "0") and (
            tags.get("junction") in ("roundabout", "circular") or tags["highway"] == "motorway"):
        return "forward"
    return None


def way_cap(tags, settings, backward):
    way = oneway(tags)
    if way in (None, "backward" if backward else "forward"):
        return math.inf
    if settings["emergency"] == "yes" and tags.get("oneway:emergency") == "no":
        return math.inf
    against = any(tags.get(key) in ("opposite", "opposite_lane") for key in
                  ("busway", "busway:both", "busway:left", "busway:right"))
    against = against or "no" in (tags.get("oneway:bus"), tags.get("oneway:psv"))
    against = against or any(re.match("[1-9]", tags.get(key, "")) for key in
                             ("lanes:psv:backward", "lanes:bus:backward"))
    if against and settings["bus_only_kmh"] != "no":
        return float(settings["bus_only_kmh"])
    if (tags.get("junction") in ("roundabout", "circular")
            or tags["highway"] in ("motorway", "motorway_link")):
        return None
    return seconds_or_none(settings["against_oneway_kmh"])


UNITS = {"": 1, "km/h": 1, "kmh": 1, "kph": 1, "mph": 1.609344, "mp/h": 1.609344,
         "knots": 1.852}


def limit(tags, backward):
    """km/h of a plain number, or None. Other notations are in no file that
    this is used on but "none" and "signals"; an assertion says so."""
    value = tags.get("maxspeed:backward" if backward else "maxspeed:forward",
                     tags.get("maxspeed"))
    if value is None or value in ("signals", "variable"):
        return None
    if value == "none":
        return 130.0
    numbers = []
    for part in value.split(";"):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z/]*)\s*", part.lower())
        if match and match[2] in UNITS:
            kmh = float(match[1]) * UNITS[match[2]]
            if 1 <= kmh <= 200:
                numbers.append(kmh)
    assert numbers or ":" not in value, value
    return min(numbers, default=None)


def speed(tags, settings, backward):
    kind = "footway" if tags["highway"] in ("path", "cycleway", "bridleway") else tags["highway"]
    kmh = seconds_or_none(settings["kmh_" + kind])
    if kmh is None:
        return None
    known = limit(tags, backward)
    codes = [tags[key] for key in ("maxspeed:type", "source:maxspeed", "zone:maxspeed",
                                   "zone:traffic") if ":" in tags.get(key, "")]
    implied = bool(codes) and tags.get("maxspeed") not in ("none", "signals")
    if known is None and implied:
        known = {"CU:urban": 50.0}[codes[0]]  # Ley 109, article 127
    if known is not None:
        own = known * float(settings["share_" + kind])
        kmh = min(kmh, own) if implied else min(own, float(settings["kmh_max"]))
    for key in ("surface", "smoothness", "tracktype"):
        cap = settings.get(f"{key}_{tags.get(key)}")
        if cap == "no":
            return None
        kmh = min(kmh, float(cap or math.inf))
    return kmh


def barrier_wait(tags, settings, backward):
    """Seconds, or None: not passed."""
    said = blue(tags, settings, backward)
    if said is False:
        return None
    if said is None and tags.get("locked") == "yes":
        return seconds_or_none(settings["barrier_locked"])
    if said is None:
        said = cars(tags, settings, backward)
    if said is False:
        return seconds_or_none(settings["barrier_closed"])
    kind = tags["barrier"]
    if kind == "bollard" and tags.get("bollard") == "rising":
        kind = "rising_bollard"
    wait = seconds_or_none(settings.get("barrier_" + kind, settings["barrier_other"]))
    return (wait or 0.0) if said else wait


def edge_ms(tags, barrier, met, length_m, settings, backward):
    """None: not that way. `barrier`: the tags of the node, or None."""
    caps = [speed(tags, settings, backward), entry_cap(tags, settings, backward),
            way_cap(tags, settings, backward)]
    wait = 0.0 if barrier is None else barrier_wait(barrier, settings, backward)
    if None in caps or wait is None:
        return None
    wait += sum(float(settings[name]) for name in met[backward])
    return max(1, length_m * 3600 / min(caps) + wait * 1000)
