"""Container health checks: what they run, what they tell, and what waits for them.

Intervals are ECS's shortest, 5 s, so whatever can be looked at side by side is."""

import time

import pytest

import images
import tasks
from neargate import command_line, processes_of, refused, wait_until
from tasks import container

GROUP = "/ecs/health"
WAIT = ["sh", "-c", "trap 'exit 0' TERM; touch /tmp/ok; while :; do sleep 0.1; done"]


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return images.busybox(tmp_path_factory.mktemp("layout") / "busybox")


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


def check(*command, interval=5, timeout=2, retries=1, **more):
    return {"command": list(command), "interval": interval, "timeout": timeout, "retries": retries, **more}


def checked(*command, name="app", script=None, **more):
    run = ["sh", "-c", script] if script else WAIT
    return container(name=name, command=run, healthCheck=check(*command, **more))


def started(gate, *containers, family="test"):
    tasks.register(gate, *containers, family=family)
    return tasks.run(gate, family)


def health(gate, arn):
    """The task's and each container's."""
    task = tasks.describe(gate, arn)
    return task["healthStatus"], {c["name"]: c["healthStatus"] for c in task["containers"]}


def becomes(gate, arn, status, seconds=30):
    def is_so():
        task = tasks.describe(gate, arn)
        assert task["lastStatus"] != "STOPPED", tasks.why(task)
        return task if task["healthStatus"] == status else None

    return wait_until(is_so, seconds, f"the task is {status}: {health(gate, arn)}")


def test_healthy_and_not(busybox):
    gate = busybox
    arns = {
        "shell": started(gate, checked("CMD-SHELL", "test -e /tmp/ok || exit 1"), family="shell"),
        "exec": started(gate, checked("CMD", "test", "-e", "/tmp/ok"), family="exec"),
        "failing": started(gate, checked("CMD-SHELL", "exit 3"), family="failing"),
        "missing": started(gate, checked("CMD", "curl", "-f", "http://localhost/"), family="missing"),
        "hanging": started(gate, checked("CMD-SHELL", "sleep 4321 & sleep 4321"), family="hanging"),
        "noisy": started(gate, checked("CMD", "yes", timeout=2), family="noisy"),
        "unchecked": started(gate, container(command=WAIT), family="unchecked"),
        "none": started(gate, container(command=WAIT, healthCheck={"command": ["NONE"]}), family="none"),
        "unknown": started(gate, checked("exit 1"), family="unknown"),
    }
    running = {name: tasks.wait_for(gate, arn, "RUNNING") for name, arn in arns.items()}
    for name, task in running.items():
        if time.time() - task["startedAt"].timestamp() < 4:
            assert health(gate, arns[name]) == ("UNKNOWN", {"app": "UNKNOWN"})
    for name in ("shell", "exec"):
        task = becomes(gate, arns[name], "HEALTHY")
        assert health(gate, arns[name]) == ("HEALTHY", {"app": "HEALTHY"})
        if running[name]["healthStatus"] == "UNKNOWN":
            assert task["version"] > running[name]["version"], "a change of health is a change of the task"
    for name in ("failing", "missing", "hanging", "noisy"):
        becomes(gate, arns[name], "UNHEALTHY")
        # A task of no service goes on whatever its health.
        assert tasks.describe(gate, arns[name])["lastStatus"] == "RUNNING"
    for name in ("unchecked", "none", "unknown"):
        assert health(gate, arns[name]) == ("UNKNOWN", {"app": "UNKNOWN"})
    # A check that hangs is killed with all it started.
    hung = lambda: [p for p in processes_of(gate.instance) if "sleep 4321" in command_line(p)]
    wait_until(lambda: not hung(), 10, "the hanging check is gone")


def test_it_recovers_and_falls_ill(own_gate, layout):
    """And goes on where it was after kill -9."""
    gate = own_gate
    images.push(gate, layout, "busybox")
    flag = "c=$(cat /tmp/n 2>/dev/null || echo 0); echo $((c + 1)) > /tmp/n; test $c -ge 2 -a $c -lt 5"
    arn = started(gate, checked("CMD-SHELL", flag, retries=2))
    tasks.wait_for(gate, arn, "RUNNING")
    becomes(gate, arn, "UNHEALTHY")
    gate.kill()
    gate.start()
    assert health(gate, arn)[0] == "UNHEALTHY", "the last that was observed"
    becomes(gate, arn, "HEALTHY")
    gate.kill()
    gate.start()
    assert health(gate, arn)[0] == "HEALTHY"
    becomes(gate, arn, "UNHEALTHY")


def test_killed_while_a_check_runs(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    arn = started(gate, checked("CMD", "sleep", "4321", timeout=60))
    tasks.wait_for(gate, arn, "RUNNING")
    running = lambda: [p for p in processes_of(gate.instance) if "sleep 4321" in command_line(p)]
    wait_until(running, 20, "the check runs")
    gate.kill()
    # Nobody waits for its answer any more.
    wait_until(lambda: not running(), 10, "the check is gone")
    gate.start()
    wait_until(running, 20, "checks go on")
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    gate.client("ecs").stop_task(task=arn)
    tasks.wait_for(gate, arn, "STOPPED")


def test_the_start_period(busybox):
    gate = busybox
    ill = started(gate, checked("CMD", "false", startPeriod=12), family="ill")
    # Its first success, at 5 s, ends the grace.
    once = "test -e /tmp/seen && exit 1; touch /tmp/seen"
    early = started(gate, checked("CMD-SHELL", once, startPeriod=300), family="early")
    begun = tasks.wait_for(gate, ill, "RUNNING")["startedAt"].timestamp()
    becomes(gate, early, "HEALTHY")
    becomes(gate, early, "UNHEALTHY")
    becomes(gate, ill, "UNHEALTHY")
    assert time.time() - begun >= 15, "failures at 5 and 10 s do not count"


def test_healthy_is_waited_for(busybox):
    gate = busybox
    after = lambda on: [{"containerName": on, "condition": "HEALTHY"}]
    ready = "trap 'exit 0' TERM; sleep 3; touch /tmp/ready; while :; do sleep 0.1; done"
    good = started(
        gate,
        checked("CMD", "test", "-e", "/tmp/ready", name="db", script=ready, retries=3),
        container(command=WAIT, dependsOn=after("db")),
        family="good",
    )
    ill = started(
        gate,
        checked("CMD", "false", name="db"),
        container(command=WAIT, dependsOn=after("db")),
        family="ill",
    )
    late = started(
        gate,
        {**checked("CMD", "false", name="db", retries=10), "startTimeout": 8},
        container(command=WAIT, dependsOn=after("db")),
        family="late",
    )
    wait_until(lambda: health(gate, good)[1] == {"db": "HEALTHY", "app": "UNKNOWN"}, 30)
    task = tasks.wait_for(gate, good, "RUNNING")
    assert task["healthStatus"] == "HEALTHY", "of those that are checked"
    for arn, why in ((ill, "is unhealthy."), (late, "has timed out.")):
        task = tasks.wait_for(gate, arn, "STOPPED")
        assert task["stopCode"] == "TaskFailedToStart", tasks.why(task)
        assert task["stoppedReason"].endswith(why), tasks.why(task)


def test_checks_are_confined(busybox):
    """A check is a process of the container, and no more."""
    gate = busybox
    script = (
        "exec > /tmp/seen 2>&1; id -u; pwd; echo $COLOUR; hostname; grep Seccomp: /proc/self/status;"
        " mount -t tmpfs none /tmp && echo mounted; ls /proc/1/root/tmp; kill -9 -1; true"
    )
    show = "trap 'exit 0' TERM; while [ ! -s /tmp/seen ]; do sleep 0.1; done; sleep 1; cat /tmp/seen"
    definition = container(
        command=["sh", "-c", show],
        group=GROUP,
        user="web",
        workingDirectory="/home/web",
        environment=[{"name": "COLOUR", "value": "green"}],
        healthCheck=check("CMD-SHELL", script),
        linuxParameters={"initProcessEnabled": False},
    )
    arn = started(gate, definition)
    task = tasks.wait_for(gate, arn, "STOPPED")
    stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"
    lines = wait_until(lambda: tasks.messages(gate, GROUP, stream), 20)
    lines = [line for line in lines if line not in ("Killed", "Terminated")]
    assert lines[:3] == ["1000", "/home/web", "green"]
    assert lines[4] == "Seccomp:\t2"
    assert "mounted" not in lines
    assert task["containers"][0]["exitCode"] == 0, tasks.why(task)


def test_definitions_are_checked_and_filled_in(gate):
    ecs = gate.client("ecs")

    def register(**more):
        definition = {"name": "app", "image": "busybox", "memory": 64, "healthCheck": more}
        return dict(family="test", containerDefinitions=[definition])

    answer = ecs.register_task_definition(**register(command=["CMD-SHELL", "exit 0"]))
    needs = {attribute["name"] for attribute in answer["taskDefinition"]["requiresAttributes"]}
    assert "ecs.capability.container-health-check" in needs
    described = answer["taskDefinition"]["containerDefinitions"][0]["healthCheck"]
    assert described == {"command": ["CMD-SHELL", "exit 0"], "interval": 30, "timeout": 5, "retries": 3}
    fine = dict(command=["CMD", "true"], interval=300, timeout=60, retries=10, startPeriod=300)
    answer = ecs.register_task_definition(**register(**fine))
    assert answer["taskDefinition"]["containerDefinitions"][0]["healthCheck"] == fine
    for wrong, said in [
        (dict(command=[]), "must not be empty"),
        (dict(command=["CMD", "true"], interval=4), "Health check interval must be greater than or equal to the minimum allowed value 5"),
        (dict(command=["CMD", "true"], timeout=61), "Health check timeout must be less than or equal to the maximum allowed value 60"),
        (dict(command=["CMD", "true"], retries=0), "Health check retries must be greater than or equal to the minimum allowed value 1"),
        (dict(command=["CMD", "true"], startPeriod=301), "Health check startPeriod must be less than or equal to the maximum allowed value 300"),
    ]:
        code, message = refused(ecs.register_task_definition, **register(**wrong))
        assert code == "ClientException" and said in message, message


def test_many_at_once(busybox):
    gate = busybox
    tasks.register(gate, *[checked("CMD", "true", name=f"c{i}") for i in range(5)])
    arns = [tasks.run(gate) for _ in range(10)]
    for arn in arns:
        tasks.wait_for(gate, arn, "RUNNING")
    for arn in arns:
        becomes(gate, arn, "HEALTHY", 60)
