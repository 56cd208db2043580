"""Containers that run again in their task (restartPolicy). ECS's shortest period is a minute."""

import time

import pytest

import images
import tasks
from neargate import refused, wait_until
from tasks import container

GROUP = "/ecs/again"
# The first run lasts a minute and a bit, the second one a moment.
SCRIPT = (
    "touch /count; echo run $(wc -l < /count); echo x >> /count;"
    " test $(wc -l < /count) = 1 && sleep 61; sleep 2; exit 4"
)


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return images.busybox(tmp_path_factory.mktemp("layout") / "busybox")


def policy(**more):
    return {"enabled": True, "restartAttemptPeriod": 60, **more}


def lines(gate, arn, name="app"):
    return tasks.messages(gate, GROUP, f"ecs/{name}/{arn.rsplit('/', 1)[1]}")


def test_it_runs_again(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    run = ["sh", "-c", SCRIPT]
    tasks.register(gate, container(command=run, group=GROUP, restartPolicy=policy()), family="again")
    tasks.register(
        gate,
        container(command=run, group=GROUP, restartPolicy=policy(ignoredExitCodes=[4])),
        family="ignored",
    )
    tasks.register(gate, container(command=["sh", "-c", "exit 1"], restartPolicy=policy()), family="early")
    early, ignored = tasks.run(gate, "early"), tasks.run(gate, "ignored")
    arns = [tasks.run(gate, "again") for _ in range(2)]
    begun = time.time()
    for arn in (*arns, ignored):
        tasks.wait_for(gate, arn, "RUNNING")
    task = tasks.wait_for(gate, early, "STOPPED")
    assert task["containers"][0]["exitCode"] == 1, "it has not run for the period"

    # Nobody is there when the first runs end.
    wait_until(lambda: time.time() - begun > 58, 70)
    gate.kill()
    wait_until(lambda: time.time() - begun > 66, 10)
    gate.start()
    for arn in arns:
        wait_until(lambda arn=arn: lines(gate, arn) == ["run 0", "run 1"], 20)
        task = tasks.wait_for(gate, arn, "STOPPED")
        assert task["stopCode"] == "EssentialContainerExited"
        assert task["containers"][0]["exitCode"] == 4
        assert lines(gate, arn) == ["run 0", "run 1"]
    task = tasks.wait_for(gate, ignored, "STOPPED")
    assert task["containers"][0]["exitCode"] == 4
    assert lines(gate, ignored) == ["run 0"]


def test_limits(gate):
    ecs = gate.client("ecs")

    def register(**more):
        definition = {"name": "app", "image": "busybox", "memory": 64, "restartPolicy": policy(**more)}
        return dict(family="test", containerDefinitions=[definition])

    answer = ecs.register_task_definition(**register(ignoredExitCodes=[0]))
    described = answer["taskDefinition"]["containerDefinitions"][0]["restartPolicy"]
    assert described == policy(ignoredExitCodes=[0])
    for wrong in (dict(restartAttemptPeriod=59), dict(ignoredExitCodes=[0] * 51)):
        assert refused(ecs.register_task_definition, **register(**wrong))[0] == "ClientException"
