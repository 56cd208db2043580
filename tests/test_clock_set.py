"""The wall clock is set by an hour, forward and back, under a running Neargate (libfaketime; the
monotonic clock, as on a real machine, goes on). Services go on, waits take their time, and what was
acknowledged stays. Shims have an environment of their own, and the right time."""

import pathlib
import time

import pytest

import images
import tasks
from neargate import shims_of, wait_until
from tasks import container
from test_service_faults import every_task, kept, version
from test_services import SLEEP, create, describe

LIBRARY = "libfaketime.so.1"
HOUR = 3_600
#: By how much the clock is wrong, one after the other.
WRONG = [HOUR, -HOUR, 0]
#: It takes no notice of SIGTERM.
DEAF = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
STOP_TIMEOUT = 4


class Clock:
    """The clock of whatever starts under its environment."""

    def __init__(self, directory, gate):
        self.file, self.gate = directory / "faketime", gate
        self.set(0)

    def set(self, seconds):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self.file)

    def start(self, monkeypatch):
        with monkeypatch.context() as env:
            [library] = pathlib.Path("/usr/lib").glob(f"*/faketime/{LIBRARY}")
            env.setenv("LD_PRELOAD", str(library))
            env.setenv("FAKETIME_TIMESTAMP_FILE", str(self.file))
            env.setenv("FAKETIME_CACHE_DURATION", "1")
            env.setenv("FAKETIME_DISABLE_SHM", "1")
            env.setenv("DONT_FAKE_MONOTONIC", "1")
            self.gate.start()

    def wrong_by(self):
        """What Neargate's clock is wrong by: it stamps a definition."""
        stamped = tasks.register(self.gate, container(command=["true"]), family="stamp")["registeredAt"]
        return round(stamped.timestamp() - time.time())

    def set_and_seen(self, seconds):
        self.set(seconds)
        wait_until(lambda: abs(self.wrong_by() - seconds) <= 2, 20, f"the clock is wrong by {seconds} s")


@pytest.fixture
def clock(make_gate, tmp_path, layout, monkeypatch):
    clock = Clock(tmp_path, make_gate())
    clock.start(monkeypatch)
    images.push(clock.gate, layout, "busybox")
    return clock


def test_services_go_on(clock, monkeypatch):
    gate = clock.gate
    check = {"command": ["CMD", "true"], "interval": 5, "retries": 1, "timeout": 2, "startPeriod": 1}
    arn = version(gate, "first", healthCheck=check)
    create(gate, count=3, deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 150})
    kept(gate, arn, 3)
    known = set(every_task(gate))
    for n, wrong in enumerate(WRONG):
        before = {t["taskArn"] for t in every_task(gate).values() if t["lastStatus"] == "RUNNING"}
        shims = sorted(shims_of(gate.data))
        clock.set_and_seen(wrong)
        # A health check has come and gone.
        checked = time.monotonic() + 6
        wait_until(lambda: time.monotonic() > checked, 30)
        there = every_task(gate)
        assert {a for a, t in there.items() if t["lastStatus"] == "RUNNING"} == before, f"wrong by {wrong}"
        assert sorted(shims_of(gate.data)) == shims
        assert known <= set(there), "what has stopped is still described"
        arn = version(gate, f"after {n}", healthCheck=check)
        gate.client("ecs").update_service(service="web", taskDefinition="test")
        if wrong < 0:
            # Set forward, a Neargate that starts takes what has stopped for that much older.
            gate.kill()
            clock.start(monkeypatch)
        kept(gate, arn, 3)
        known |= set(every_task(gate))
    assert len(known) == 3 * (len(WRONG) + 1), "every deployment started its tasks once"
    for task in every_task(gate).values():
        if task["lastStatus"] == "STOPPED":
            assert task["stopCode"] == "ServiceSchedulerInitiated", tasks.why(task)
    gate.client("ecs").delete_service(service="web", force=True)
    wait_until(lambda: describe(gate)["status"] == "INACTIVE", 60)
    wait_until(lambda: gate.leftovers() == [], 30, "nothing is left behind")


@pytest.mark.parametrize("by", [HOUR, -HOUR])
def test_a_stop_takes_its_time(clock, by):
    gate = clock.gate
    tasks.register(gate, container(command=DEAF, stopTimeout=STOP_TIMEOUT))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    gate.client("ecs").stop_task(task=arn)
    began = time.monotonic()
    clock.set(by)
    task = tasks.wait_for(gate, arn, "STOPPED", 30)
    took = time.monotonic() - began
    assert task["containers"][0]["exitCode"] == 137, tasks.why(task)
    assert STOP_TIMEOUT - 1 < took < STOP_TIMEOUT + 10, f"{took} s"


def test_a_day_of_sleep(clock):
    """A laptop that is closed: to its programs a clock set forward."""
    gate = clock.gate
    tasks.register(gate, container(command=SLEEP))
    arn = tasks.run(gate)
    done = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    gate.client("ecs").stop_task(task=done)
    tasks.wait_for(gate, done, "STOPPED")
    clock.set_and_seen(24 * HOUR)
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    assert tasks.describe(gate, done)["lastStatus"] == "STOPPED"
    after = tasks.run(gate)
    tasks.wait_for(gate, after, "RUNNING")
    for one in (arn, after):
        gate.client("ecs").stop_task(task=one)
    for one in (arn, after):
        tasks.wait_for(gate, one, "STOPPED")
    wait_until(lambda: gate.leftovers() == [], 30, "nothing is left behind")
