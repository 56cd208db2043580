"""Registers and runs Fargate tasks through boto3."""

import urllib.error
import urllib.request

from images import aws_name
from neargate import REGION, ROLE, wait_until


def network(gate, region=REGION, public=False):
    """With a public address a task has a way out of its VPC."""
    subnets = gate.client("ec2", region).describe_subnets()["Subnets"]
    assign = "ENABLED" if public else "DISABLED"
    return {"awsvpcConfiguration": {"subnets": [subnets[0]["SubnetId"]], "assignPublicIp": assign}}


def container(name="app", image=None, command=None, group=None, **more):
    definition = {"name": name, "image": image or aws_name("busybox"), **more}
    if command is not None:
        definition["command"] = command
    if group:
        definition["logConfiguration"] = {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": group,
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "ecs",
                "awslogs-create-group": "true",
            },
        }
    return definition


def answer_of(url):
    """What a web server that may not listen yet answers; `None` while it does not."""
    try:
        return urllib.request.urlopen(url, timeout=10).read()
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return None
        raise


def register(gate, *containers, family="test", cpu="256", memory="512", **more):
    return gate.client("ecs").register_task_definition(
        family=family,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu=cpu,
        memory=memory,
        containerDefinitions=list(containers),
        **{"executionRoleArn": ROLE, **more},
    )["taskDefinition"]


def run(gate, family="test", public=False, **more):
    """Runs one task; answers its ARN."""
    answer = gate.client("ecs").run_task(
        taskDefinition=family, launchType="FARGATE", networkConfiguration=network(gate, public=public), **more
    )
    assert answer["failures"] == []
    return answer["tasks"][0]["taskArn"]


def describe(gate, arn, **more):
    return gate.client("ecs").describe_tasks(tasks=[arn], **more)["tasks"][0]


def wait_for(gate, arn, status, seconds=60):
    """Waits until the task reaches the status; a task that stops instead fails the test."""

    def reached():
        task = describe(gate, arn)
        if task["lastStatus"] == status:
            return task
        assert task["lastStatus"] != "STOPPED", why(task)
        return None

    return wait_until(reached, seconds, f"the task is {status}")


def why(task):
    """What a stopped task says of its end, in one line."""
    said = {name: task[name] for name in ("stopCode", "stoppedReason") if name in task}
    for one in task["containers"]:
        said[one["name"]] = {name: one[name] for name in ("exitCode", "reason") if name in one}
    return f"{task['taskArn']} is {task['lastStatus']}: {said}"


def ended(gate, arn, code=0):
    """Waits until the task has stopped, and checks that its first container ended with `code`."""
    task = wait_for(gate, arn, "STOPPED")
    assert task["containers"][0].get("exitCode") == code, why(task)
    return task


def address(task):
    return task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]


def messages(gate, group, stream):
    """What the stream says; nothing before its first event makes it."""
    logs = gate.client("logs")
    try:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]
