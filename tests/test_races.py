"""Stops and resets at every moment of a task's life: each ends in order, and nothing is left behind."""

import concurrent.futures
import os
import random
import threading
import time

import pytest

import images
import tasks
from neargate import wait_until
from tasks import container

SEED = int(os.environ.get("NEARGATE_SEED", time.time()))


@pytest.fixture
def dice():
    print(f"NEARGATE_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


STAGES = ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]


def test_stopping_at_every_moment(busybox, dice):
    gate = busybox
    tasks.register(gate, container(command=["sleep", "1000"], stopTimeout=2))
    network, ecs = tasks.network(gate), gate.client("ecs")

    def run_and_stop(pause):
        answer = ecs.run_task(taskDefinition="test", launchType="FARGATE", networkConfiguration=network)
        arn = answer["tasks"][0]["taskArn"]
        # Not a wait for anything: the moment of the stop is what is being tried.
        time.sleep(pause)
        stopping = ecs.stop_task(task=arn, reason="tried")["task"]
        assert stopping["desiredStatus"] == "STOPPED"
        return arn

    pauses = [dice.random() ** 2 * 0.3 for _ in range(30)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        arns = list(pool.map(run_and_stop, pauses))
    for arn in arns:
        task = tasks.wait_for(gate, arn, "STOPPED")
        assert task["stoppedReason"] == "tried" and task["stopCode"] == "UserInitiated", tasks.why(task)
        if "startedAt" in task:
            assert task["containers"][0]["exitCode"] in (137, 143), tasks.why(task)
    wait_until(lambda: gate.leftovers() == [])
    assert gate.client("ec2").describe_network_interfaces()["NetworkInterfaces"] == []


def test_states_only_move_forward(busybox):
    gate = busybox
    tasks.register(gate, container(command=["sleep", "0.2"]))
    network, ecs = tasks.network(gate), gate.client("ecs")
    arns = [ecs.run_task(taskDefinition="test", launchType="FARGATE", networkConfiguration=network)["tasks"][0]["taskArn"]
            for _ in range(5)]
    seen = {arn: [] for arn in arns}

    def all_stopped():
        for task in ecs.describe_tasks(tasks=arns)["tasks"]:
            seen[task["taskArn"]].append((STAGES.index(task["lastStatus"]), task["version"]))
        return all(stages[-1][0] == STAGES.index("STOPPED") for stages in seen.values())

    wait_until(all_stopped)
    for stages in seen.values():
        assert stages == sorted(stages)


def test_resetting_at_every_moment(busybox, layout, dice):
    gate = busybox
    for _ in range(8):
        tasks.register(gate, container(command=["sleep", "1000"]))
        network, ecs = tasks.network(gate), gate.client("ecs")
        ecs.run_task(taskDefinition="test", launchType="FARGATE", networkConfiguration=network, count=4)
        time.sleep(dice.random() * 0.3)
        gate.reset()
        assert ecs.list_clusters()["clusterArns"] == []
        assert ecs.list_task_definitions()["taskDefinitionArns"] == []
        wait_until(lambda: gate.leftovers() == [])
        assert gate.client("ecr").describe_repositories()["repositories"] == []
        images.push(gate, layout, "busybox")


def test_a_reset_under_load(busybox, layout):
    """Calls that come in while everything is being forgotten fail or succeed; none hangs or leaves a task."""
    gate = busybox
    over, started = threading.Event(), []

    def load():
        ecs, logs, ec2 = gate.client("ecs"), gate.client("logs"), gate.client("ec2")
        n = 0
        while not over.is_set():
            n += 1
            try:
                ecs.create_cluster()
                tasks.register(gate, container(command=["sleep", "1000"]))
                subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
                ecs.run_task(taskDefinition="test", launchType="FARGATE",
                             networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}})
                logs.create_log_group(logGroupName=f"g{threading.get_ident()}-{n}")
                started.append(n)
            except ecs.exceptions.ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, error

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(load) for _ in range(3)]
        try:
            for _ in range(10):
                enough = len(started) + 4
                wait_until(lambda: len(started) >= enough or any(one.done() for one in loads))
                gate.reset()
        finally:
            over.set()
        for one in loads:
            one.result()
    gate.reset()
    wait_until(lambda: gate.leftovers() == [])
    assert gate.client("ecs").list_clusters()["clusterArns"] == []


def test_killed_while_resetting(own_gate, layout, dice):
    gate = own_gate
    for _ in range(4):
        images.push(gate, layout, "busybox")
        tasks.register(gate, container(command=["sleep", "1000"]))
        for _ in range(3):
            tasks.run(gate)
        resetting = threading.Thread(target=lambda: swallow(gate.reset))
        resetting.start()
        resetting.join(dice.random() * 0.1)
        gate.kill()
        resetting.join()
        gate.start()
        gate.reset()
        wait_until(lambda: gate.leftovers() == [])


def swallow(call):
    try:
        call()
    except OSError:
        pass
