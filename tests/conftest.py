"""Fixtures: a real Neargate in a temporary directory on a free port, and its real clients.

Whatever a test did, and however it ended, nothing of its tasks may remain on the host.

Several workers (`pytest -n 3`) run tests beside each other. Each is a lane: a process in a network
namespace of its own, since one has room for one Neargate, with a `/run/neargate` of its own, by which
the command line finds one. The rest of the host is shared, so a test looks only for what bears its own
Neargate's instance id or lies in its own temporary directory."""

import atexit
import ctypes
import os
import pathlib
import subprocess
import tempfile

import pytest

import images
from neargate import Neargate, traces, wait_until

#: From `linux/sched.h`; Python knows them from 3.12 on.
CLONE_NEWNS, CLONE_NEWNET = 0x0002_0000, 0x4000_0000
#: The Neargates that a test uses, to show their logs when it fails.
GATES = pytest.StashKey()


def pytest_configure():
    """Leaves the host's network and mounts: neither is touched, however the tests are started."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise pytest.UsageError(f"no namespaces of its own: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.makedirs("/run/neargate", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "neargate-test", "/run/neargate"], check=True)
    # Neargate writes names of load balancers there: into a copy.
    hosts = tempfile.NamedTemporaryFile("w", prefix="hosts-", delete=False)
    hosts.write(pathlib.Path("/etc/hosts").read_text())
    hosts.close()
    os.chmod(hosts.name, 0o644)
    subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
    # Not before the end: lanes that start later mount theirs over it.
    atexit.register(os.unlink, hosts.name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """With a failure, what Neargate itself said."""
    report = yield
    if report.failed:
        started = [gate for gate in item.stash.get(GATES, []) if gate.process]
        report.sections += [(f"log of {gate.data}", gate.log()) for gate in started]
    return report


@pytest.fixture(scope="session")
def _running(tmp_path_factory):
    gate = Neargate(tmp_path_factory.mktemp("neargate"))
    gate.start()
    yield gate
    gate.destroy()
    assert traces(gate.instance) == []


@pytest.fixture
def gate(_running, request):
    """The session's Neargate, empty."""
    request.node.stash[GATES] = [_running]
    if not _running.alive():
        _running.start()
    _running.reset()
    yield _running
    _running.reset()
    nothing_left(_running)


@pytest.fixture
def make_gate(tmp_path_factory, _running, request):
    """Makes Neargates of the test's own: `make_gate("--enforce", host=...)`, not yet started.

    One at a time: a network namespace has room for one."""
    _running.stop()
    made = request.node.stash[GATES] = []

    def make(*flags, **more):
        made.append(Neargate(tmp_path_factory.mktemp("own"), *flags, **more))
        return made[-1]

    yield make
    for gate in made:
        if (gate.data / "instance").exists():
            gate.destroy()
            assert traces(gate.instance) == []


@pytest.fixture
def own_gate(make_gate):
    """A started Neargate of the test's own, to be killed and restarted at will."""
    gate = make_gate()
    gate.start()
    return gate


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    """Busybox as an image layout."""
    return images.busybox(tmp_path_factory.mktemp("layout") / "busybox")


def nothing_left(gate):
    def left():
        found = gate.leftovers()
        return None if found else True

    try:
        wait_until(left, 20, "nothing is left behind")
    except AssertionError as error:
        raise AssertionError(f"left behind: {gate.leftovers()}") from error
