"""Network namespaces as hosts: each with an address on one wire, and a Neargate node on it."""

import itertools
import json
import os
import pathlib
import signal
import subprocess

from neargate import BINARY, edges_of, leftovers, processes_of, shims_of, wait_until

CONTROL = "10.99.0.1"
BRIDGE = "wires"


def run(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)


class Wire:
    """A switch in the test's own namespace, where the control plane is."""

    def __init__(self):
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "addr", "add", f"{CONTROL}/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        self.hosts = []
        self.numbers = itertools.count(2)

    def host(self):
        self.hosts.append(Host(next(self.numbers)))
        return self.hosts[-1]

    def remove(self):
        for host in self.hosts:
            host.remove()
        run("ip", "link", "del", BRIDGE)


class Host:
    """A namespace with one interface."""

    def __init__(self, number):
        self.address = f"10.99.0.{number}"
        self.port = f"wire{number}"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, 10, "the namespace is made")
        run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        run("ip", "link", "set", self.port, "master", BRIDGE, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def inside(self, *command):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--", *map(str, command)]

    def run(self, *command):
        return subprocess.run(self.inside(*command), check=True, capture_output=True, text=True).stdout

    def unplug(self):
        run("ip", "link", "set", self.port, "down")

    def plug(self):
        run("ip", "link", "set", self.port, "up")

    def slow(self, rate):
        """Towards the host."""
        run("tc", "qdisc", "add", "dev", self.port, "root", "tbf", "rate", rate, "burst", "1m", "latency", "50ms")

    def remove(self):
        self.holder.kill()
        self.holder.wait()


class Node:
    """A node of `gate` on `host`: a data directory, and a process or none."""

    def __init__(self, gate, host, directory):
        self.gate, self.host = gate, host
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "node"
        self.process = None

    @property
    def url(self):
        return f"https://{self.gate.node_address}"

    @property
    def instance(self):
        return (self.data / "instance").read_text().strip()

    @property
    def identity(self):
        return json.loads((self.data / "node/identity.json").read_text())

    @property
    def id(self):
        return self.identity["node_id"]

    def command(self, *more):
        return self.host.inside(BINARY, "node", *more, "--data", self.data)

    def joining(self, token, *more, url=None):
        """`neargate node join`, which is to fail."""
        command = self.command("join", url or self.url, "--token", token, *more)
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def spawn(self, *command):
        with open(self.directory / "node.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(*command), stdout=log, stderr=log,
                env={**os.environ, "NEARGATE_LOG": os.environ.get("NEARGATE_LOG", "info")},
            )

    def join(self, token, *more):
        self.spawn("join", self.url, "--token", token, *more)
        self.connected()

    def start(self):
        self.spawn("run")
        self.connected()

    def connected(self):
        def state():
            assert self.process.poll() is None, "the node ended:\n" + self.log()
            joined = (self.data / "node/identity.json").exists()
            return joined and self.id in connected(self.gate)

        wait_until(state, 30, "the node is connected")

    def log(self):
        return (self.directory / "node.log").read_text(errors="replace")[-8000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def shims(self):
        return shims_of(self.data)

    def containers(self):
        return processes_of(self.instance)

    def destroy(self):
        """Ends whatever the test left: the host goes, and with it its containers."""
        self.stop()
        if (self.data / "instance").exists():
            for pid in self.containers() + self.shims() + edges_of(self.instance):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            wait_until(lambda: not self.containers() and not self.shims(), 20, "its containers are gone")

    def leftovers(self):
        return leftovers(self.instance)


def operator(gate, *command):
    """`neargate node ...` on the control plane's host."""
    command = [BINARY, "node", *command, "--data", str(gate.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def token(gate, *more):
    made = operator(gate, "token", *more)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def nodes(gate):
    listed = operator(gate, "ls", "--json")
    assert listed.returncode == 0, listed.stderr
    return {n["id"]: n for n in json.loads(listed.stdout)["nodes"]}


def connected(gate):
    return {n for n, about in nodes(gate).items() if about["connected"]}
