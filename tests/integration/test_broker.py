"""What deploy/broker/mosquitto.conf promises to clients, asked of a mosquitto
that runs with it."""
import ssl
import threading

import paho.mqtt.client as mqtt
import pytest


@pytest.fixture
def answer(broker, authority):
    """The properties of the CONNACK for a client that asks for a keepalive
    of an hour."""
    cert, key = authority.issue("car-broker-conf")
    client = mqtt.Client("car-broker-conf", protocol=mqtt.MQTTv5)
    client.tls_set(authority.ca, cert, key,
                   tls_version=ssl.PROTOCOL_TLS_CLIENT)
    came = threading.Event()
    said = []

    def on_connect(_client, _context, _flags, reason, properties):
        said.append((reason, properties))
        came.set()

    client.on_connect = on_connect
    client.connect("localhost", broker.port, keepalive=3600)
    client.loop_start()
    assert came.wait(15)
    client.disconnect()
    client.loop_stop()
    reason, properties = said[0]
    assert reason == 0
    return properties


def test_the_broker_offers_what_the_protocol_needs(answer):
    # schema/link uses one alias for a vehicle's reports.
    assert answer.TopicAliasMaximum >= 1
    # A batch of the longest (PT_REPORT_BYTES_MAX, 256 KiB) passes; the limit
    # is told, so that a client with more makes its batches smaller.
    assert 256 * 1024 < answer.MaximumPacketSize <= 512 * 1024
    # A half-open connection is noticed within minutes, whoever asks for what.
    assert answer.ServerKeepAlive <= 120
