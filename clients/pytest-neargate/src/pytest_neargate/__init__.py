"""A Neargate for a test session: started in a temporary directory on a free port, ended with the session."""

import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

import boto3
import pytest

__all__ = ["Neargate"]

#: How long a start may take, in seconds.
PATIENCE = 60


def pytest_addoption(parser):
    group = parser.getgroup("neargate")
    group.addoption("--neargate-bin", default=os.environ.get("NEARGATE_BIN", "neargate"),
                    help="the program [default: NEARGATE_BIN, then neargate of the PATH]")
    group.addoption("--neargate-flag", action="append", default=[], help="a further flag for `neargate up`")


class Neargate:
    """One that runs, and how it is reached."""

    def __init__(self, binary, directory, flags=()):
        found = shutil.which(binary)
        if found is None:
            raise pytest.UsageError(f"there is no program {binary}: name it with NEARGATE_BIN or --neargate-bin")
        self.binary = found
        self.directory = pathlib.Path(directory)
        self.flags = list(flags)
        self.region = "us-east-1"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self):
        """What leads AWS clients here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
        }

    def client(self, service, **more):
        """A boto3 client of a service."""
        more.setdefault("region_name", self.region)
        return boto3.client(service, endpoint_url=self.url, aws_access_key_id="test",
                            aws_secret_access_key="test", **more)

    def log(self):
        """What Neargate itself said."""
        return (self.directory / "neargate.log").read_text(errors="replace")

    def reset(self):
        """Ends all tasks and forgets everything."""
        request = urllib.request.Request(self.url + "/_neargate/reset", method="POST")
        urllib.request.urlopen(request, timeout=60).close()

    def start(self):
        with open(self.directory / "neargate.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "up", *self._which(), *self.flags], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None:
                raise RuntimeError("Neargate does not start:\n" + self.log()[-4000:])
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Neargate does not answer after {PATIENCE} s:\n" + self.log()[-4000:])
            time.sleep(0.05)

    def stop(self):
        """Ends it and all its tasks."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE)
        subprocess.run([self.binary, "down", *self._which()], capture_output=True, timeout=PATIENCE, check=False)

    def _which(self):
        return ["--listen", f"127.0.0.1:{self.port}", "--data", str(self.directory / "data")]

    def _answers(self):
        try:
            urllib.request.urlopen(self.url + "/health", timeout=5).close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def neargate_session(request, tmp_path_factory):
    """The session's Neargate."""
    if hasattr(request.config, "workerinput"):
        raise pytest.UsageError("a network namespace has room for one Neargate: run without pytest-xdist")
    option = request.config.getoption
    gate = Neargate(option("--neargate-bin"), tmp_path_factory.mktemp("neargate"), option("--neargate-flag"))
    gate.start()
    yield gate
    gate.stop()


@pytest.fixture
def neargate(neargate_session, monkeypatch):
    """The session's Neargate, empty, with this process's environment leading to it."""
    neargate_session.reset()
    for name, value in neargate_session.environment.items():
        monkeypatch.setenv(name, value)
    return neargate_session
