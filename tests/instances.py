"""Container instances that are slices of this host, and tasks on them."""

import subprocess

import images
import tasks
from neargate import BINARY, wait_until

CLUSTER = "instances"


def cli(gate, *arguments):
    command = [BINARY, "instance", arguments[0], "--endpoint", gate.url, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def add(gate, count=1):
    """Adds instances; answers the ids of all that are ready."""
    for _ in range(count):
        cli(gate, "add", "--cluster", CLUSTER, "--type", "t3.small")
    return wait_until(lambda: ids if len(ids := instances(gate)) >= count else None, what="they are registered")


def instances(gate):
    """ARN by EC2 instance id."""
    ecs = gate.client("ecs")
    arns = ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
    if not arns:
        return {}
    found = ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns)["containerInstances"]
    return {one["ec2InstanceId"]: one["containerInstanceArn"] for one in found if one["agentConnected"]}


def address_of(gate, instance):
    line = next(line for line in cli(gate, "list").splitlines() if line.startswith(instance))
    return next(word for word in line.split() if word.startswith("172.31."))


def set_up(gate, layout, count=1):
    images.push(gate, layout, "busybox")
    gate.client("ecs").create_cluster(clusterName=CLUSTER)
    return add(gate, count)


def register(gate, mode, *containers, family="web", **more):
    return gate.client("ecs").register_task_definition(
        family=family, networkMode=mode, requiresCompatibilities=["EC2"], containerDefinitions=list(containers), **more
    )


def start(gate, family="web", **more):
    return gate.client("ecs").run_task(cluster=CLUSTER, taskDefinition=family, launchType="EC2", **more)


def run(gate, family="web"):
    answer = start(gate, family)
    assert answer["failures"] == [], answer["failures"]
    return answer["tasks"][0]["taskArn"]


def running(gate, arn):
    def reached():
        task = tasks.describe(gate, arn, cluster=CLUSTER)
        assert task["lastStatus"] != "STOPPED", tasks.why(task)
        return task if task["lastStatus"] == "RUNNING" else None

    return wait_until(reached, what="the task runs")


def stopped(gate, arn):
    def reached():
        task = tasks.describe(gate, arn, cluster=CLUSTER)
        return task if task["lastStatus"] == "STOPPED" else None

    return wait_until(reached, what="the task has stopped")


def stop(gate, arn):
    gate.client("ecs").stop_task(cluster=CLUSTER, task=arn)
    return stopped(gate, arn)
