"""Services under faults: Neargate, shims and containers killed in the middle of deployments, calls
that cross each other, containers that end at once. What was asked last is what runs at the end."""

import collections
import concurrent.futures
import os
import pathlib
import random
import signal
import statistics
import subprocess
import threading
import time

import botocore.config
import botocore.exceptions
import pytest

import images
import tasks
from neargate import AWS, processes_of, shims_of, wait_until
from tasks import container
from test_services import SLEEP, completed, create, describe, events, image_of_nowhere, running, stable
from test_services import ecs, gate, own_gate  # noqa: F401: fixtures

SEED = int(os.environ.get("NEARGATE_SEED", time.time()))
ONCE = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
#: How many tasks end at once, one after the other; `NEARGATE_ENDS=1000` for a longer look.
ENDS = int(os.environ.get("NEARGATE_ENDS", "60"))
#: What a client sees while nobody answers.
AWAY = (botocore.exceptions.BotoCoreError, OSError)


@pytest.fixture
def dice():
    print(f"NEARGATE_SEED={SEED}")
    return random.Random(SEED)


def version(gate, name, **more):
    """Another revision of `test`, which does the same."""
    app = container(command=SLEEP, environment=[{"name": "VERSION", "value": name}], **more)
    return tasks.register(gate, app)["taskDefinitionArn"]


def every_task(gate, name="web"):
    """By ARN, ended ones and those of a deleted service too."""
    ecs = gate.client("ecs")
    pages = ecs.get_paginator("list_tasks")
    arns = sorted({a for s in ("RUNNING", "STOPPED") for p in pages.paginate(desiredStatus=s) for a in p["taskArns"]})
    shown = [t for n in range(0, len(arns), 100) for t in ecs.describe_tasks(tasks=arns[n : n + 100])["tasks"]]
    return {t["taskArn"]: t for t in shown if t["group"] == f"service:{name}"}


def kept(gate, arn, count, name="web", seconds=60):
    """Waits until the deployment is complete and exactly `count` tasks of the definition are there,
    with a container each."""
    completed(gate, name, seconds)

    def right():
        service = describe(gate, name)
        there = [t for t in every_task(gate, name).values() if t["lastStatus"] != "STOPPED"]
        return (
            len(service["deployments"]) == 1
            and (service["taskDefinition"], service["runningCount"], service["pendingCount"]) == (arn, count, 0)
            and [(t["taskDefinitionArn"], t["lastStatus"]) for t in there] == [(arn, "RUNNING")] * count
            and len(shims_of(gate.data)) == count
        )

    wait_until(right, seconds, f"{count} tasks of {arn} run, and nothing else")


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def at_once(*calls):
    """Makes the calls in the same moment; their answers."""
    barrier = threading.Barrier(len(calls))

    def call(one):
        barrier.wait()
        return one()

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [answer.result() for answer in [pool.submit(call, one) for one in calls]]


class Watch:
    """Looks at a service all the time, across the deaths of Neargate: the most tasks it had."""

    def __init__(self, gate):
        self.gate, self.most, self.least, self.over = gate, 0, 1_000, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        ecs = self.gate.client("ecs", config=ONCE)
        while not self.over.wait(0.02):
            try:
                service = ecs.describe_services(services=["web"])["services"][0]
            except AWAY:
                continue
            self.most = max(self.most, service["runningCount"] + service["pendingCount"])
            self.least = min(self.least, service["runningCount"])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.mark.parametrize(
    ("killed", "points"), [("neargate", (0, 1, 4)), ("shims", (0, 3)), ("both", (1, 4))]
)
def test_killed_in_the_middle_of_a_deployment(own_gate, dice, record_property, killed, points):
    gate = own_gate
    first = version(gate, "first")
    create(gate, count=6, deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 150})
    kept(gate, first, 6)
    for point in points:
        arn = version(gate, f"after {point}")
        with Watch(gate) as watch:
            gate.client("ecs").update_service(service="web", taskDefinition="test")
            wait_until(lambda: sum(t["taskDefinitionArn"] == arn for t in running(gate)) >= point)
            began = time.monotonic()
            if killed != "shims":
                gate.kill()
            if killed != "neargate":
                shims = shims_of(gate.data)
                kill(dice.sample(shims, min(3, len(shims))))
            if killed != "shims":
                gate.start()
            ready = time.monotonic()
            kept(gate, arn, 6)
            took = time.monotonic() - began
        print(f"killed {killed} after {point} of 6: ready after {ready - began:.2f} s, complete after {took:.2f} s")
        record_property(f"complete_after_seconds_{point}", took)
        assert watch.most <= 9, "never more than maximumPercent"
        if killed == "neargate":
            assert watch.least >= 3, "never fewer than minimumHealthyPercent"
    for task in every_task(gate).values():
        assert task["lastStatus"] == "RUNNING" or task["stoppedReason"], tasks.why(task)
    gate.client("ecs").delete_service(service="web", force=True)
    wait_until(lambda: gate.leftovers() == [], 30, "nothing is left behind")


def memory(gate):
    """Bytes of the process in memory."""
    status = pathlib.Path(f"/proc/{gate.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def test_a_container_that_ends_at_once_many_times(gate, ecs):
    tasks.register(gate, container(command=["true"]))
    create(gate, deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}})
    slowest = 0

    def ended():
        nonlocal slowest
        began = time.monotonic()
        pages = ecs.get_paginator("list_tasks").paginate(serviceName="web", desiredStatus="STOPPED")
        count = sum(len(page["taskArns"]) for page in pages)
        slowest = max(slowest, time.monotonic() - began)
        return count

    wait_until(lambda: ended() >= 10)
    before, began = memory(gate), time.monotonic()
    # Left alone it is started ever more slowly; each deployment tries thrice at once.
    while (there := ended()) < ENDS:
        ecs.update_service(service="web", forceNewDeployment=True)
        wait_until(lambda: ended() >= there + 4, 30, f"{there + 4} of {ENDS} tasks have ended")
    took, grown = time.monotonic() - began, memory(gate) - before
    print(f"{ENDS - 10} replacements in {took:.1f} s, slowest answer {slowest:.2f} s")
    print(f"memory {before >> 20} MiB, then {grown >> 10} KiB more")
    assert slowest < 5
    # The store's history and cache grow up to a bound.
    assert grown < 100 << 20
    said = events(gate)
    assert len(said) <= 100
    started = ("has started 1 tasks", "has started 2 tasks")
    kinds = collections.Counter("started" if any(part in e for part in started) else e for e in said)
    assert kinds.pop("started")
    assert all(n <= 1 or "unable" in e for e, n in kinds.items()), kinds
    assert not any("steady" in e for e in kinds), "it never was"

    ecs.delete_service(service="web", force=True)
    ecs.get_waiter("services_inactive").wait(services=["web"], WaiterConfig={"Delay": 1})
    wait_until(lambda: gate.leftovers() == [], 30, "nothing is left behind")
    there = every_task(gate)
    assert {t["lastStatus"] for t in there.values()} == {"STOPPED"}
    for task in there.values():
        assert task["stopCode"] in ("EssentialContainerExited", "ServiceSchedulerInitiated"), tasks.why(task)
        if task["stopCode"] == "EssentialContainerExited":
            assert task["containers"][0]["exitCode"] == 0, tasks.why(task)
    # Nothing goes on: another task's whole life later there are the same ones.
    tasks.register(gate, container(command=["true"]), family="other")
    tasks.ended(gate, tasks.run(gate, "other"))
    assert every_task(gate).keys() == there.keys()


def test_an_update_during_a_rollback(gate, ecs):
    # Until its first check, a task is no task of a completed deployment: that holds the rollback.
    check = {"command": ["CMD", "true"], "interval": 5, "retries": 2, "timeout": 2}
    version(gate, "first", healthCheck=check)
    create(
        gate,
        count=2,
        deploymentConfiguration={
            "minimumHealthyPercent": 50,
            "maximumPercent": 100,
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        },
    )
    completed(gate)
    tasks.register(gate, container(image=image_of_nowhere(gate)))
    ecs.update_service(service="web", taskDefinition="test")

    def status():
        return ecs.list_service_deployments(service="web")["serviceDeployments"][0]["status"]

    wait_until(lambda: status() == "ROLLBACK_IN_PROGRESS", 90, "the service goes back")
    last = version(gate, "last")
    ecs.update_service(service="web", taskDefinition="test")
    kept(gate, last, 2)
    assert status() == "SUCCESSFUL"
    listed = ecs.list_service_deployments(service="web")["serviceDeployments"]
    assert all(d["status"] not in ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS") for d in listed), listed


@pytest.mark.parametrize("killed", [False, True])
def test_a_delete_during_an_update(own_gate, killed):
    gate, ecs = own_gate, own_gate.client("ecs")
    arn = version(gate, "first")
    create(gate, count=4)
    kept(gate, arn, 4)
    new = version(gate, "second")
    ecs.update_service(service="web", taskDefinition="test")
    wait_until(lambda: any(t["taskDefinitionArn"] == new for t in every_task(gate).values()))
    ecs.delete_service(service="web", force=True)
    if killed:
        gate.kill()
        gate.start()
    ecs.get_waiter("services_inactive").wait(services=["web"], WaiterConfig={"Delay": 1})
    wait_until(lambda: gate.leftovers() == [], 30, "nothing is left behind")
    for task in every_task(gate).values():
        assert task["lastStatus"] == "STOPPED" and task["stopCode"] == "ServiceSchedulerInitiated", tasks.why(task)


def test_calls_at_the_same_moment(gate, ecs):
    arn = version(gate, "first")
    make = [lambda: create(gate, clientToken="one")] * 4
    assert len({(s["serviceArn"], s["createdAt"], s["deployments"][0]["id"]) for s in at_once(*make)}) == 1
    kept(gate, arn, 2)
    assert len(every_task(gate)) == 2, "one service started its tasks once"

    first = set(every_task(gate))
    at_once(*[lambda: ecs.update_service(service="web", forceNewDeployment=True)] * 2)
    kept(gate, arn, 2)
    assert not first & {t["taskArn"] for t in running(gate)}

    # Two updates of different fields: both hold.
    new = version(gate, "second")
    at_once(
        lambda: ecs.update_service(service="web", desiredCount=3),
        lambda: ecs.update_service(service="web", taskDefinition=new),
    )
    kept(gate, new, 3)

    # Two of the same field: one of them holds, whole.
    both = [version(gate, name) for name in ("third", "fourth")]
    answers = at_once(*[lambda a=a: ecs.update_service(service="web", taskDefinition=a) for a in both])
    assert {a["service"]["taskDefinition"] for a in answers} <= set(both)
    kept(gate, describe(gate)["taskDefinition"], 3)
    assert describe(gate)["taskDefinition"] in both


def processes_of_task(gate, arn):
    """Those of its containers, by their cgroup."""
    task = arn.rsplit("/", 1)[1]
    shims = set(shims_of(gate.data))
    cgroups = ((pid, pathlib.Path(f"/proc/{pid}/cgroup")) for pid in processes_of(gate.instance))
    return [pid for pid, file in cgroups if pid not in shims and file.exists() and task in file.read_text()]


def test_how_soon_a_killed_task_is_replaced(gate, record_property):
    arn = version(gate, "first")
    create(gate)
    kept(gate, arn, 2)
    took = []
    for _ in range(10):
        oldest = min(running(gate), key=lambda task: task["startedAt"])
        before = [oldest["taskArn"]]
        pids = wait_until(lambda: processes_of_task(gate, before[0]), 10, "the task has processes")
        # One that ends before it counts as healthy is replaced ever more slowly.
        wait_until(lambda: time.time() - oldest["startedAt"].timestamp() > 1, 10, "the task counts")
        began = time.monotonic()
        kill(pids)

        def replaced():
            now = {t["taskArn"] for t in running(gate)}
            return len(now) == 2 and before[0] not in now

        wait_until(replaced, 30, "the task is replaced")
        took.append(time.monotonic() - began)
    print(f"replaced after {statistics.median(took):.3f} s (median of 10; {min(took):.3f} to {max(took):.3f} s)")
    record_property("replaced_after_seconds", statistics.median(took))
    for task in every_task(gate).values():
        if task["lastStatus"] == "STOPPED":
            assert task["stopCode"] == "EssentialContainerExited" and task["containers"][0]["exitCode"] == 137


def test_the_waiters_of_the_aws_cli(gate, ecs):
    """All at once, since each sleeps for 6 or 15 s when its first look finds nothing."""
    arn = version(gate, "first")
    create(gate, "old", count=1)
    kept(gate, arn, 1, "old")
    [old] = every_task(gate, "old")
    create(gate, "new")
    one = tasks.run(gate)
    ecs.delete_service(service="old", force=True)
    waits = {
        "services-stable": ("--services", "new"),
        "services-inactive": ("--services", "old"),
        "tasks-running": ("--cluster", "default", "--tasks", one),
        "tasks-stopped": ("--cluster", "default", "--tasks", old),
    }
    begun = {
        name: subprocess.Popen([AWS, "ecs", "wait", name, *words], env=gate.env, stderr=subprocess.PIPE, text=True)
        for name, words in waits.items()
    }
    for name, process in begun.items():
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, f"{name}: {said}"
    assert describe(gate, "new")["runningCount"] == 2
    assert describe(gate, "old")["status"] == "INACTIVE"
    assert tasks.describe(gate, one)["lastStatus"] == "RUNNING"
    assert tasks.describe(gate, old)["lastStatus"] == "STOPPED"


def test_ecs_deploy_rolls_a_service(gate, layout):
    images.push(gate, layout, "busybox", "two")
    old = version(gate, "first")
    create(gate)
    kept(gate, old, 2)
    image = images.aws_name("busybox", "two")
    words = ["deploy", "default", "web", "--image", "app", image, "--timeout", "60", "--sleep-time", "1"]
    done = subprocess.run(
        [pathlib.Path(AWS).parent / "ecs", *words], env=gate.env, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deployment successful" in done.stdout, done.stdout
    new = describe(gate)["taskDefinition"]
    assert new != old
    kept(gate, new, 2)
    assert {t["containers"][0]["image"] for t in running(gate)} == {image}
