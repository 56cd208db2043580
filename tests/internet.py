"""A world outside of the test's own: one host in a network namespace, with a web and a DNS server.

It knows no way to the tasks' private network, only to public addresses, which the test host routes: what
else reaches it comes from the test host's own address."""

import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading

HOST, WORLD = "203.0.113.1", "203.0.113.2"
#: Of public addresses.
POOL = "198.19.0.0/16"
NAME = "www.example.com"


class Internet:
    def __init__(self):
        nameservers = re.findall(r"^nameserver (\d[\d.]+)", pathlib.Path("/etc/resolv.conf").read_text(), re.M)
        self.nameservers = [n for n in nameservers if not n.startswith("127.")]
        command = ["unshare", "--net", sys.executable, __file__, *self.nameservers]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.process = subprocess.Popen(command, **pipes)
        assert self.process.stdout.readline() == "there\n"
        pid = str(self.process.pid)
        inside = ["nsenter", "--target", pid, "--net", "ip"]
        ip = [
            ["ip", "link", "add", "world", "type", "veth", "peer", "name", "eth0", "netns", pid],
            ["ip", "address", "add", f"{HOST}/24", "dev", "world"],
            ["ip", "link", "set", "world", "up"],
            [*inside, "address", "add", f"{WORLD}/24", "dev", "eth0"],
            [*inside, "link", "set", "eth0", "up"],
            [*inside, "link", "set", "lo", "up"],
            [*inside, "route", "add", POOL, "via", HOST],
            ["ip", "route", "add", "default", "via", WORLD],
        ]
        for nameserver in self.nameservers:
            ip.append([*inside, "address", "add", f"{nameserver}/32", "dev", "lo"])
        for command in ip:
            subprocess.run(command, check=True)
        self.process.stdin.write("go\n")
        assert self.process.stdout.readline() == "ready\n"

    def fetch(self, address):
        """What a web server of the test host's answers to this world; `None` while it does not."""
        ask = ["nsenter", "--target", str(self.process.pid), "--net", "curl", "-s", "-m", "3", f"http://{address}/"]
        done = subprocess.run(ask, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    def close(self):
        """Its interface and the route through it go with the namespace."""
        self.process.kill()
        self.process.wait()
        subprocess.run(["ip", "link", "del", "world"], capture_output=True)


def serve_web(listener):
    while True:
        connection, peer = listener.accept()
        with connection:
            connection.recv(4096)
            body = f"you are {peer[0]}\n"
            connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


def serve_names(server):
    """Every A question is answered with this host's address, every other with nothing (RFC 1035)."""
    while True:
        question, peer = server.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        asks_a = question[end - 4 : end - 2] == b"\0\1"
        head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, int(asks_a), 0, 0)
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(WORLD)
        server.sendto(head + question[12:end] + (answer if asks_a else b""), peer)


def main(nameservers):
    print("there", flush=True)
    # The addresses are being made.
    sys.stdin.readline()
    web = socket.socket()
    web.bind(("0.0.0.0", 80))
    web.listen()
    for nameserver in nameservers:
        # Each answers from its own address.
        names = socket.socket(type=socket.SOCK_DGRAM)
        names.bind((nameserver, 53))
        threading.Thread(target=serve_names, args=(names,), daemon=True).start()
    print("ready", flush=True)
    serve_web(web)


if __name__ == "__main__":
    main(sys.argv[1:])
