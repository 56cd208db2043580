"""Fixtures: a real Neargate in a temporary directory on a free port, and its real clients.

Whatever a test did, and however it ended, nothing of its tasks may remain on the host."""

import pytest

import images
from neargate import Neargate, traces, wait_until


@pytest.fixture(scope="session")
def _running(tmp_path_factory):
    gate = Neargate(tmp_path_factory.mktemp("neargate"))
    gate.start()
    yield gate
    gate.destroy()
    assert traces(gate.instance) == []


@pytest.fixture
def gate(_running):
    """The session's Neargate, empty."""
    if not _running.alive():
        _running.start()
    _running.reset()
    yield _running
    _running.reset()
    nothing_left(_running)


@pytest.fixture
def make_gate(tmp_path_factory, _running):
    """Makes Neargates of the test's own: `make_gate("--enforce", host=...)`, not yet started.

    One at a time: a network namespace has room for one."""
    _running.stop()
    made = []

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
