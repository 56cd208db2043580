"""A client of Session Manager's data channels, written from the public source of AWS's session-manager-plugin
(its messages, order and acknowledgements). Run as a program it takes the plugin's place for the aws CLI."""

import base64
import contextlib
import hashlib
import json
import os
import struct
import sys
import threading
import time
import uuid

import websocket
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHALLENGE_REQUEST, CHALLENGE_RESPONSE = 8, 9
OUTPUT, SIZE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE, FLAG = 1, 3, 5, 6, 7, 10
DISCONNECT_TO_PORT, TERMINATE_SESSION = 1, 2
HEADER = struct.Struct(">I32sIQqQ16s32sII")


def swapped(identifier):
    return identifier[8:] + identifier[:8]


def pack(kind, sequence, payload_type, payload, flags=0):
    created = int(time.time() * 1000)
    identifier = swapped(uuid.uuid4().bytes)
    digest = hashlib.sha256(payload).digest()
    head = HEADER.pack(
        HEADER.size - 4, kind.encode().ljust(32, b"\0"), 1, created, sequence, flags, identifier, digest,
        payload_type, len(payload),
    )
    return head + payload


class Message:
    def __init__(self, raw):
        (length, kind, self.version, self.created, self.sequence, self.flags, identifier, digest,
         self.payload_type, size) = HEADER.unpack(raw[: HEADER.size])
        assert length == HEADER.size - 4
        self.kind = kind.decode().strip("\0 ")
        self.id = str(uuid.UUID(bytes=swapped(identifier)))
        self.payload = raw[HEADER.size :]
        assert len(self.payload) == size
        assert hashlib.sha256(self.payload).digest() == digest


class Closed(Exception):
    """The session is over; what it said."""


class Cipher:
    """AES-256-GCM; the first half of the key is for what comes."""

    def __init__(self, key):
        self.receives, self.sends = AESGCM(key[:32]), AESGCM(key[32:])

    def seal(self, text):
        nonce = os.urandom(12)
        return nonce + self.sends.encrypt(nonce, text, None)

    def open(self, sealed):
        return self.receives.decrypt(sealed[:12], sealed[12:], None)


#: How a connection that is no longer there is met.
GONE = (OSError, websocket.WebSocketConnectionClosedException)


class Session:
    """One session, over as many connections as it takes."""

    def __init__(self, begun, ca=None):
        # ECS writes the members' names in another way than SSM.
        begun = {name[0].upper() + name[1:]: value for name, value in begun.items()}
        self.id, self.url, self.token = (begun[name] for name in ("SessionId", "StreamUrl", "TokenValue"))
        self.ca = ca
        self.sent = 0
        self.expected = 0
        self.early = {}
        self.unacknowledged = {}
        self.type = self.properties = self.agent = None
        #: Messages that are not acknowledged, to see them again.
        self.deaf = 0
        self.repeated = []
        self.lock = threading.Lock()
        #: For a cluster with a key: KMS, and whose the session is.
        self.kms = self.target = self.key = self.cipher = None

    def open(self):
        options = {"ca_certs": self.ca} if self.ca else {}
        self.socket = websocket.create_connection(self.url, timeout=60, sslopt=options)
        self.socket.send(json.dumps({
            "MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()), "TokenValue": self.token,
            "ClientId": str(uuid.uuid4()), "ClientVersion": "1.2.0.0",
        }))
        for message in list(self.unacknowledged.values()):
            self.socket.send_binary(message)
        return self

    def close(self):
        self.socket.close()

    def send(self, payload_type, payload):
        if self.cipher and payload_type == OUTPUT:
            payload = self.cipher.seal(payload)
        with self.lock:
            message = pack("input_stream_data", self.sent, payload_type, payload)
            self.unacknowledged[self.sent] = message
            self.sent += 1
            # Why a connection that has gone has gone is heard where it is read.
            with contextlib.suppress(*GONE):
                self.socket.send_binary(message)

    def type_text(self, text):
        self.send(OUTPUT, text.encode())

    def size(self, columns, rows):
        self.send(SIZE, json.dumps({"cols": columns, "rows": rows}).encode())

    def flag(self, flag):
        self.send(FLAG, struct.pack(">I", flag))

    def receive(self):
        """The next message of the stream, in order; None: something else came."""
        if self.expected in self.early:
            self.expected += 1
            return self.early.pop(self.expected - 1)
        try:
            raw = self.socket.recv()
        except GONE:
            raw = None
        if not raw:
            raise Closed("the connection ended")
        if isinstance(raw, str):
            return None
        message = Message(raw)
        if message.kind == "acknowledge":
            heard = json.loads(message.payload)
            assert heard["AcknowledgedMessageType"] == "input_stream_data" and heard["IsSequentialMessage"]
            self.unacknowledged.pop(heard["AcknowledgedMessageSequenceNumber"], None)
            return None
        if message.kind == "channel_closed":
            raise Closed(json.loads(message.payload)["Output"])
        assert message.kind == "output_stream_data", message.kind
        if self.deaf:
            self.deaf -= 1
            self.repeated.append(message.sequence)
            return None
        self.acknowledge(message)
        if message.sequence < self.expected:
            return None
        self.early[message.sequence] = message
        return self.receive() if self.expected in self.early else None

    def acknowledge(self, message):
        content = json.dumps({
            "AcknowledgedMessageType": message.kind, "AcknowledgedMessageId": message.id,
            "AcknowledgedMessageSequenceNumber": message.sequence, "IsSequentialMessage": True,
        })
        with self.lock:
            self.socket.send_binary(pack("acknowledge", 0, 0, content.encode(), flags=3))

    def shake_hands(self):
        while True:
            message = self.receive()
            if message is None:
                continue
            if message.payload_type == HANDSHAKE_REQUEST:
                request = json.loads(message.payload)
                self.agent = request["AgentVersion"]
                done = []
                for action in request["RequestedClientActions"]:
                    if action["ActionType"] == "KMSEncryption":
                        self.key = action["ActionParameters"]["KMSKeyId"]
                        done.append(self.make_key())
                        continue
                    assert action["ActionType"] == "SessionType"
                    self.type = action["ActionParameters"]["SessionType"]
                    self.properties = action["ActionParameters"]["Properties"]
                    done.append({"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""})
                errors = [one["Error"] for one in done if one["Error"]]
                response = {"ClientVersion": "1.2.0.0", "ProcessedClientActions": done, "Errors": errors or None}
                self.send(HANDSHAKE_RESPONSE, json.dumps(response).encode())
            elif message.payload_type == CHALLENGE_REQUEST:
                challenge = self.cipher.open(base64.b64decode(json.loads(message.payload)["Challenge"]))
                answer = base64.b64encode(self.cipher.seal(challenge)).decode()
                self.send(CHALLENGE_RESPONSE, json.dumps({"Challenge": answer}).encode())
            elif message.payload_type == HANDSHAKE_COMPLETE:
                assert json.loads(message.payload)["HandshakeTimeToComplete"] > 0
                return self
            else:
                raise AssertionError(message.payload_type)

    def make_key(self):
        """Has KMS make a data key for this session."""
        done = {"ActionType": "KMSEncryption", "ActionStatus": 1, "ActionResult": None, "Error": ""}
        if self.kms is None:
            return {**done, "ActionStatus": 3, "Error": "Unsupported action KMSEncryption"}
        context = {"aws:ssm:SessionId": self.id, "aws:ssm:TargetId": self.target}
        made = self.kms.generate_data_key(KeyId=self.key, NumberOfBytes=64, EncryptionContext=context)
        self.cipher = Cipher(made["Plaintext"])
        ciphertext = base64.b64encode(made["CiphertextBlob"]).decode()
        return {**done, "ActionResult": {"KMSCipherTextKey": ciphertext}}

    def output(self):
        """The next piece of what it shows."""
        while True:
            message = self.receive()
            if message is not None and message.payload_type == OUTPUT:
                return self.cipher.open(message.payload) if self.cipher else message.payload

    def until(self, text):
        """What it shows until it has shown this."""
        shown = b""
        while text.encode() not in shown:
            try:
                shown += self.output()
            except Closed as closed:
                raise AssertionError(f"{closed!r} after {shown!r}") from None
        return shown.decode()

    def to_the_end(self):
        """What it shows until it is over, and what is said then."""
        shown = b""
        try:
            while True:
                shown += self.output()
        except Closed as closed:
            return shown.decode(), str(closed)


def program(arguments):
    """What `aws ecs execute-command` and `aws ssm start-session` run."""
    if not arguments:
        print("\nThe Session Manager plugin was installed successfully. Use the AWS CLI to start a session.\n")
        return
    response, region, operation, profile, request, endpoint = arguments
    if response.startswith("AWS_SSM_START_SESSION_RESPONSE"):
        response = os.environ[response]
    assert operation == "StartSession" and json.loads(request)["Target"].startswith("ecs:")
    session = Session(json.loads(response), os.environ.get("AWS_CA_BUNDLE"))
    print(f"\nStarting session with SessionId: {session.id}", flush=True)
    session.open().shake_hands()
    session.size(80, 24)

    def typed():
        while data := os.read(0, 1024):
            session.send(OUTPUT, data)

    threading.Thread(target=typed, daemon=True).start()
    try:
        while True:
            os.write(1, session.output())
    except Closed as closed:
        said = f": {closed}" if str(closed) else "."
        print(f"\n\nExiting session with sessionId: {session.id}{said}\n", flush=True)


if __name__ == "__main__":
    program(sys.argv[1:])
