"""Fixtures: a real Neargate in a temporary directory on a free port, and its real clients."""

import pytest

from neargate import Neargate, leftovers


@pytest.fixture(scope="session")
def _running(tmp_path_factory):
    gate = Neargate(tmp_path_factory.mktemp("neargate"))
    gate.start()
    yield gate
    gate.destroy()
    assert leftovers(gate.instance) == []


@pytest.fixture
def gate(_running):
    """The session's Neargate, empty."""
    if not _running.alive():
        _running.start()
    _running.reset()
    yield _running


@pytest.fixture
def own_gate(tmp_path, _running):
    """A Neargate of the test's own, to be killed and restarted at will."""
    _running.stop()
    gate = Neargate(tmp_path)
    gate.start()
    yield gate
    gate.destroy()
    assert leftovers(gate.instance) == []
