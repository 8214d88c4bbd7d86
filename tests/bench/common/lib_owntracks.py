"""A phone with the OwnTracks app, as far as the wire sees it.

The message is a _type=location (https://owntracks.org/booklet/tech/json) with
the elements and in the order of one that a user of the Android app shows in
github.com/owntracks/android/issues/2216, less those for wireless networks and
regions. MQTT 3.1.1, QoS 1, retained, owntracks/<user>/<device>, one
subscription for commands. In its favour: one subscription only, no spaces, and
a keepalive so long that it is never heard."""
import json
import ssl
import threading
import time

import paho.mqtt.client as mqtt

from lib_drive import apart_m, plane_m


def message(fix, when_s):
    return json.dumps({
        "_type": "location", "_id": "2b021f63", "acc": 5, "alt": 12,
        "batt": 87, "bs": 2, "cog": round(fix.course_deg), "conn": "m",
        "created_at": int(when_s), "lat": round(fix.lat, 7),
        "lon": round(fix.lon, 7), "m": 2, "source": "fused", "tid": "p1",
        "tst": int(when_s), "vac": 3, "vel": round(fix.speed_mps * 3.6)},
        separators=(",", ":"))


def moments(fixes, bound_m, parked_s=60):
    """The indices of the fixes that have to be sent so that whoever shows the
    last place as it is (the apps, the Recorder) is wrong by at most `bound_m`:
    when the next fix, expected by speed and course, would be outside. So the
    same rule as our pace without dead reckoning. At least each `parked_s`."""
    sent = [0]
    for at, fix in enumerate(fixes[1:], 1):
        last = fixes[sent[-1]]
        here = (last.lat, last.lon)
        east, north = plane_m(here, (fix.lat, fix.lon))
        course = complex(0, 1) ** (fix.course_deg / 90)  # north + i east
        step_s = min(max(fix.at_s - fixes[at - 1].at_s, 0.1), 2)
        ahead = complex(north, east) + course * fix.speed_mps * step_s
        if max(abs(ahead), apart_m(here, (fix.lat, fix.lon))) > bound_m or \
                fix.at_s - last.at_s >= parked_s:
            sent.append(at)
    return sent


class Phone:
    def __init__(self, user, authority, address, port, keepalive_s=3600):
        self.topic = f"owntracks/{user}/phone"
        cert, key = authority.issue(user)
        self.client = mqtt.Client(user, clean_session=False,
                                  protocol=mqtt.MQTTv311)
        self.client.tls_set(authority.ca, cert, key,
                            tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.will_set(self.topic, '{"_type":"lwt","tst":%d}'
                             % time.time(), 1, True)
        self._ready = threading.Event()
        self.client.on_connect = lambda *_: self.client.subscribe(
            [(self.topic + "/cmd", 1)])
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.connect(address, port, keepalive_s)
        self.payload_bytes = 0
        self.sent = []  # (time, fix)

    def start(self):
        self.client.loop_start()
        assert self._ready.wait(20)

    def say(self, fix, when_s):
        text = message(fix, when_s)
        self.payload_bytes += len(text)
        self.sent.append((when_s, fix))
        self.client.publish(self.topic, text, qos=1, retain=True)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
