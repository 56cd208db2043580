"""Starts, kills and drives the real binary."""

import hashlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import boto3
import botocore.exceptions

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("NEARGATE_BIN", str(ROOT / "target/debug/neargate"))
AWS = str(ROOT / ".venv/bin/aws")
REGION = "us-east-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecsTaskExecutionRole"


def wait_until(condition, seconds=60, what="the condition"):
    """Waits for `condition()` to be truthy and returns it; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {seconds} s")
        time.sleep(0.02)


def exported(printed):
    """The variables that `neargate env` sets for a shell, by what it printed."""
    return dict(re.findall(r"^export (\w+)=(.*)$", printed, re.MULTILINE))


def free_port():
    """Below the ports of outgoing connections: a client that retries while nobody listens could
    otherwise be given the very port as its own, and connect to itself."""
    while True:
        with socket.socket() as s:
            port = random.randrange(10_000, 30_000)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def processes_of(instance):
    """Pids whose command line or cgroup names the instance."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            cgroup = (entry / "cgroup").read_text()
        except OSError:
            continue
        if f"neargate-{instance}" in cgroup:
            found.append(int(entry.name))
    return found


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def shims_of(data):
    """Pids of the shims whose containers are kept under this data directory."""
    pids = (int(e) for e in os.listdir("/proc") if e.isdigit())
    return [pid for pid in pids if " shim " in (line := command_line(pid)) and str(data) in line]


def edges_of(instance):
    """Pids of the processes that answer names in its VPCs, at most one."""
    pids = (int(e) for e in os.listdir("/proc") if e.isdigit())
    return [pid for pid in pids if (line := command_line(pid)).startswith("neargate-edge") and instance in line]


def veths():
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return [line for line in links.splitlines() if "veth" in line]


def leftovers(instance):
    """What a Neargate without tasks, ended or not, must not leave on the host."""
    left = [f"process {pid}: {command_line(pid)}" for pid in processes_of(instance)]
    mounts = pathlib.Path("/proc/mounts").read_text().splitlines()
    # A VPC's namespace stays for a minute after its last interface.
    left += [f"mount {m}" for m in mounts if instance in m and f"/{instance}/net/vpc/" not in m]
    for directory, children, _ in os.walk("/sys/fs/cgroup"):
        # Those of its slices have its name and theirs.
        if os.path.basename(directory).startswith(f"neargate-{instance}"):
            left += [f"cgroup {directory}/{child}" for child in children]
    left += [f"namespace {n}" for n in pathlib.Path(f"/run/neargate/{instance}/net/netns").glob("*")]
    left += [f"link {line}" for line in veths()]
    return left


def traces(instance):
    """What a stopped Neargate without tasks must not leave on the host."""
    left = leftovers(instance)
    left += [f"namespace {n}" for n in pathlib.Path(f"/run/neargate/{instance}/net/vpc").glob("*")]
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    uplinks = "ngu" + hashlib.sha256(instance.encode()).hexdigest()[:4]
    left += [f"link {line}" for line in links.splitlines() if uplinks in line]
    for directory, children, _ in os.walk("/sys/fs/cgroup"):
        left += [f"cgroup {directory}/{child}" for child in children if child.startswith(f"neargate-{instance}")]
    if os.path.exists(f"/run/neargate/{instance}"):
        left.append(f"/run/neargate/{instance}")
    left += [f"edge {pid}" for pid in edges_of(instance)]
    bridges = subprocess.run(["ip", "-o", "link", "show", "type", "bridge"], capture_output=True, text=True, check=True)
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    left += [line for line in (bridges.stdout + tables.stdout).splitlines() if instance in line]
    return left


class Neargate:
    """One installation: a data directory, an address, and a process or none."""

    def __init__(self, directory, *flags, host="127.0.0.1", data=None):
        self.directory = pathlib.Path(directory)
        self.data = pathlib.Path(data) if data else self.directory / "data"
        self.host = host
        self.port = free_port()
        self.flags = list(flags)
        self.keys = ("test", "test")
        #: The program; a copy is another build.
        self.binary = BINARY
        self.process = None
        self.clients = {}

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def tls(self):
        return any(flag.startswith("--tls") for flag in self.flags)

    @property
    def authority(self):
        """What clients trust a port by that has its certificate of the installation's own authority."""
        return f"/run/neargate/{self.instance}.pem"

    @property
    def registry(self):
        return f"localhost:{self.port}"

    @property
    def instance(self):
        return (self.data / "instance").read_text().strip()

    @property
    def env(self):
        access, secret = self.keys
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": access,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_PAGER": "",
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }

    def command(self, name, *more):
        """`neargate NAME` of this installation; its own flags are for those that start it."""
        listen = f"{self.host}:{self.port}"
        flags = self.flags if name in ("up", "config") else []
        return [self.binary, name, "--listen", listen, "--data", str(self.data), *flags, *more]

    def cli(self, name, *more, **options):
        """Runs `neargate NAME` to its end."""
        command = self.command(name, *more)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)

    def start(self):
        with open(self.directory / "neargate.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command("up"), stdout=log, stderr=log,
                env={
                    # Few tests are about how long a task runs before it counts as healthy.
                    "NEARGATE_SERVICE_SETTLE": "500ms",
                    "NEARGATE_LOG": "info",
                    **os.environ,
                },
            )
        wait_until(self.ready, 30, "neargate is ready")

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError("neargate ended:\n" + self.log())
        try:
            return self.http("GET", "/health")
        except OSError:
            return None

    def log(self):
        return (self.directory / "neargate.log").read_text(errors="replace")[-8000:]

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def http(self, method, path, body=None, headers=None):
        request = urllib.request.Request(self.url + path, body, headers or {}, method=method)
        trust = ssl.create_default_context(cafile=self.authority) if self.tls else None
        with urllib.request.urlopen(request, timeout=30, context=trust) as response:
            return response.read().decode()

    def reset(self):
        self.http("POST", "/_neargate/reset")

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, with_signal=signal.SIGTERM):
        if self.alive():
            self.process.send_signal(with_signal)
            self.process.wait(timeout=30)

    def destroy(self):
        """Stops everything, tasks included, whatever the test left behind."""
        self.stop()
        done = self.cli("down")
        assert done.returncode == 0, done.stderr

    def leftovers(self):
        """What remains on the host though no task is there."""
        return leftovers(self.instance) + [f"shim {command_line(p)}" for p in shims_of(self.data)]

    def client(self, service, region=REGION, account=None, keys=None, **more):
        """Making one reads AWS's models, as long as a hundred calls: those that poll share it."""
        access, secret = keys or self.keys
        key = (self.url, service, region, account or access, secret)
        if not more and key in self.clients:
            return self.clients[key]
        made = boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=account or access,
            aws_secret_access_key=secret,
            **more,
        )
        if not more:
            self.clients[key] = made
        return made

    def aws(self, *args, check=True):
        """The aws CLI; its JSON output, parsed. Its version 1 asks AWS itself for queues unless it is told here."""
        done = subprocess.run([AWS, "--endpoint-url", self.url, *args], env=self.env, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"aws {' '.join(args)}: {done.stderr}")
        if not check:
            return done
        try:
            return json.loads(done.stdout) if done.stdout.strip() else None
        except json.JSONDecodeError:
            return done.stdout


def refused(call, **arguments):
    """Code and message of the error that a boto3 call must end with."""
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        detail = error.response["Error"]
        return detail["Code"], detail["Message"]
    raise AssertionError(f"not refused: {answer}")
