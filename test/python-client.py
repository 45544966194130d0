"""A client that no one of Busbar wrote: protoc's own Python code over a plain socket. Usage: python-client.py <port> iot-data|user-inform|envelope"""
import socket
import sys

from google.protobuf.internal.decoder import _DecodeVarint32
from google.protobuf.internal.encoder import _VarintBytes


def send(peer, message):
    body = message.SerializeToString()
    peer.sendall(_VarintBytes(len(body)) + body)


def receive(peer, message):
    received = b""
    while True:
        chunk = peer.recv(4096)
        if not chunk:
            raise SystemExit("the connection ended")
        received += chunk
        try:
            length, start = _DecodeVarint32(received, 0)
        except IndexError:
            continue
        if len(received) >= start + length:
            message.ParseFromString(received[start : start + length])
            return message


def main():
    port, codec = int(sys.argv[1]), sys.argv[2]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        if codec == "iot-data":
            from busbar.v1.devices_pb2 import IoTData

            for turn in range(100):
                data = IoTData(device_id="python-1", timestamp=1634567890123 + turn)
                data.readings.add(sensor_id="temperature", value=21.3, unit="°C")
                data.readings.add(sensor_id="turn", value=turn)
                send(peer, data)
        elif codec == "user-inform":
            from busbar.v1.devices_pb2 import UserInform, UserOrder

            send(peer, UserInform(identifiers=9, user_id=7, sensor_type=2, sensor_id=3, sensor_value=-40))
            print(receive(peer, UserOrder()).order)
        else:
            from busbar.v1.envelope_pb2 import Envelope, Frame

            frame = Frame()
            frame.auth.device_id = frame.auth.token = "python-2"
            send(peer, frame)
            print(receive(peer, Frame()).auth_response.status)
            send(peer, Frame(envelope=Envelope(msgid="p-1", type="status", json='{"temperature":21.3}', qos=1)))
            print(receive(peer, Frame()).ack.msgid)


main()
