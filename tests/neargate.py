"""Starts, kills and drives the real binary."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

import boto3

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


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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


def leftovers(instance):
    """What an ended Neargate without tasks must not leave on the host."""
    left = [f"process {pid}" for pid in processes_of(instance)]
    mounts = pathlib.Path("/proc/mounts").read_text().splitlines()
    left += [f"mount {m}" for m in mounts if instance in m]
    for cgroup in pathlib.Path("/sys/fs/cgroup").glob(f"**/neargate-{instance}/*/"):
        left.append(f"cgroup {cgroup}")
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    left += [f"link {line}" for line in links.splitlines() if "veth" in line]
    return left


class Neargate:
    def __init__(self, directory, *flags):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.port = free_port()
        self.flags = list(flags)
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def registry(self):
        return f"localhost:{self.port}"

    @property
    def instance(self):
        return (self.data / "instance").read_text().strip()

    @property
    def env(self):
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_PAGER": "",
        }

    def start(self):
        log = open(self.directory / "neargate.log", "ab")
        command = [BINARY, "up", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.data)]
        self.process = subprocess.Popen(
            command + self.flags, stdout=log, stderr=log, env={**os.environ, "NEARGATE_LOG": "info"}
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
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read().decode()

    def reset(self):
        self.http("POST", "/_neargate/reset")

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)

    def destroy(self):
        """Stops everything, tasks included, whatever the test left behind."""
        if not self.alive():
            self.start()
        self.reset()
        self.stop()

    def client(self, service, region=REGION, account="test"):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="test",
        )

    def aws(self, *args, check=True):
        """The aws CLI; its JSON output, parsed."""
        done = subprocess.run([AWS, *args], env=self.env, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"aws {' '.join(args)}: {done.stderr}")
        if not check:
            return done
        try:
            return json.loads(done.stdout) if done.stdout.strip() else None
        except json.JSONDecodeError:
            return done.stdout
