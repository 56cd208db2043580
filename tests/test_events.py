"""ECS's events: in order, whole, once, also across kill -9; and for people on the command line."""

import contextlib
import json
import subprocess
import threading
import urllib.error

import pytest

import images
import tasks
from neargate import ROLE, wait_until
from people import add_instances, registered
from tasks import container

STATES = [
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
]
ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}


class Follower:
    """`neargate events --follow`, its lines as they come."""

    def __init__(self, gate, *more, output="json"):
        command = gate.command("events", "--follow", "--output", output, *more)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=gate.env)
        self.lines = []
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def events(self):
        return [json.loads(line) for line in self.lines]

    def of(self, arn):
        return [e for e in self.events() if e["resources"] == [arn]]

    def stop(self):
        self.process.terminate()
        self.thread.join()
        self.process.stderr.close()
        self.process.stdout.close()
        self.process.wait()


@contextlib.contextmanager
def following(gate, *more, **options):
    """A follower that is heard already: it has seen an event made after its start."""
    follower = Follower(gate, *more, **options)
    try:
        yield follower
    finally:
        follower.stop()


def ready(gate, tmp_path):
    images.push(gate, images.busybox(tmp_path / "layout"), "busybox")
    tasks.register(gate, container(command=["sleep", "1000"], stopTimeout=2))


def heard(gate, follower):
    """Runs tasks until the follower tells of one: from then on it misses nothing."""

    def one():
        arn = tasks.run(gate)
        with contextlib.suppress(AssertionError):
            return wait_until(lambda: follower.lines, 1)
        gate.client("ecs").stop_task(task=arn)
        return None

    wait_until(one, 30, "the follower is heard")


def states(events):
    return [e["detail"]["lastStatus"] for e in events]


def in_order(events):
    """Each state at most in its place, and the versions rise."""
    places = [STATES.index(s) for s in states(events)]
    versions = [e["detail"]["version"] for e in events]
    return places == sorted(places) and versions == sorted(set(versions))


def timeless(event):
    """Without its times: a change that has none of its own is told at the time when it is seen, and again by the next process."""
    detail = {name: value for name, value in event["detail"].items() if name != "updatedAt"}
    return {name: value for name, value in event.items() if name != "time"} | {"detail": detail}


def test_a_life_in_order_and_once_across_kills(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    with following(gate) as follower:
        heard(gate, follower)
        arn = tasks.run(gate)
        tasks.wait_for(gate, arn, "RUNNING")
        wait_until(lambda: "RUNNING" in states(follower.of(arn)), what="RUNNING is told")
        gate.kill()
        gate.start()
        gate.client("ecs").stop_task(task=arn, reason="enough")
        tasks.wait_for(gate, arn, "STOPPED")
        wait_until(lambda: "STOPPED" in states(follower.of(arn)), what="STOPPED is told")
        told = follower.of(arn)
        assert in_order(told), states(told)
        assert states(told)[:2] == ["PROVISIONING", "PENDING"]
        assert "RUNNING" in states(told) and states(told)[-1] == "STOPPED"
        ids = [e["id"] for e in follower.events()]
        assert len(ids) == len(set(ids)), "none twice"
        for event in told:
            assert set(event) == ENVELOPE
            assert event["detail-type"] == "ECS Task State Change"
            assert event["source"] == "aws.ecs"
        last = told[-1]["detail"]
        described = tasks.describe(gate, arn)
        assert last["stoppedReason"] == described["stoppedReason"] == "enough"
        assert last["version"] == described["version"]
        assert last["stoppedAt"] == last["updatedAt"]
        assert last["attachments"][0]["type"] == "eni"
        # What is kept says the same, after the restart too.
        done = gate.cli("events", "--output", "json", env=gate.env)
        assert done.returncode == 0, done.stderr
        kept = [json.loads(line) for line in done.stdout.splitlines()]
        assert [timeless(e) for e in kept if e["resources"] == [arn]] == [timeless(e) for e in told]


def test_changes_while_nobody_was_there_are_told_after_the_start(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    tasks.register(gate, container(command=["sh", "-c", "sleep 2; exit 3"]), family="short")
    arn = tasks.run(gate, "short")
    tasks.wait_for(gate, arn, "RUNNING")
    gate.kill()
    gate.start()
    tasks.wait_for(gate, arn, "STOPPED")

    def told():
        done = gate.cli("events", "--output", "json", env=gate.env)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return [e for e in events if e["resources"] == [arn]]

    wait_until(lambda: "STOPPED" in states(told()), what="STOPPED is told")
    assert in_order(told()), states(told())
    assert states(told())[0] == "PROVISIONING"
    assert told()[-1]["detail"]["containers"][0]["exitCode"] == 3


def test_filters_and_lines_for_people(gate, tmp_path):
    ready(gate, tmp_path)
    gate.client("ecs").create_cluster(clusterName="other")
    tasks.wait_for(gate, tasks.run(gate), "RUNNING")
    other = tasks.run(gate, cluster="other")

    def lines(*more):
        done = gate.cli("events", *more, env=gate.env)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    wait_until(lambda: lines("--cluster", "other"), what="the other cluster's event is told")
    for line in lines("--cluster", "other"):
        assert "  other  task " + other.rsplit("/", 1)[1][:8] in line
    assert any(" RUNNING" in line for line in lines("--detail-type", "task"))
    assert lines("--detail-type", "deployment") == []
    assert lines("--since", "2100-01-01T00:00:00Z") == []
    done = gate.cli("events", "--detail-type", "nothing", env=gate.env)
    assert done.returncode == 2 and "ECS Task State Change" in done.stderr
    for query in ["since=never", "x=1", "detail-type=y"]:
        with pytest.raises(urllib.error.HTTPError) as error:
            gate.http("GET", f"/_neargate/events?{query}")
        assert error.value.code == 400


def test_enforced_mode_wants_a_signature(make_gate, tmp_path):
    gate = make_gate("--enforce")
    gate.start()
    with pytest.raises(urllib.error.HTTPError) as error:
        gate.http("GET", "/_neargate/events?follow=true")
    assert error.value.code == 403
    env = {**gate.env}
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    assert gate.cli("events", env=env).returncode == 0
    env = {**gate.env, "AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_SECRET_ACCESS_KEY": "wrong"}
    done = gate.cli("events", "--follow", env=env)
    assert done.returncode == 1 and "UnrecognizedClientException" in done.stderr, done.stderr


def test_a_service_tells_of_its_deployments(gate, tmp_path):
    ready(gate, tmp_path)
    ecs = gate.client("ecs")
    ecs.create_cluster(clusterName="prod")
    with following(gate, "--cluster", "prod", "-t", "service", "-t", "deployment") as follower:
        create = dict(
            cluster="prod",
            taskDefinition="test",
            launchType="FARGATE",
            desiredCount=1,
            networkConfiguration=tasks.network(gate),
        )

        def heard_of_one():
            """Services until the follower tells of one: from then on it misses nothing."""
            name = f"s{len(made)}"
            made.append(name)
            ecs.create_service(serviceName=name, **create)
            with contextlib.suppress(AssertionError):
                return wait_until(lambda: follower.lines, 2)
            return None

        made = []
        wait_until(heard_of_one, 60, "the follower is heard")
        service = ecs.create_service(serviceName="web", **create)["service"]
        arn, deployment = service["serviceArn"], service["deployments"][0]["id"]
        wait_until(lambda: "SERVICE_STEADY_STATE" in names(follower.of(arn)), what="it is steady")
        wait_until(lambda: "SERVICE_DEPLOYMENT_COMPLETED" in names(follower.of(arn)), what="it is complete")
        told = follower.of(arn)
        by_name = {(e["detail-type"], e["detail"]["eventName"]): e for e in told}
        progress = by_name["ECS Deployment State Change", "SERVICE_DEPLOYMENT_IN_PROGRESS"]
        assert progress["detail"]["deploymentId"] == deployment
        assert progress["detail"]["reason"] == f"ECS deployment {deployment} in progress."
        # A service action has its name too:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html
        for name in "SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_STEADY_STATE":
            assert set(by_name["ECS Service Action", name]["detail"]) == {
                "eventType", "eventName", "clusterArn", "createdAt"
            }


def names(events):
    return [e["detail"]["eventName"] for e in events]


def test_an_instance_tells_of_its_agent_and_of_what_is_left(gate, layout):
    images.push(gate, layout, "busybox")
    ecs = gate.client("ecs")
    (instance,) = add_instances(gate, "--cluster", "default", "--type", "t3.small")

    def told():
        done = gate.cli("events", "-t", "instance", "--output", "json", env=gate.env)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["detail"] for line in done.stdout.splitlines()]

    wait_until(lambda: any(d["agentConnected"] for d in told()), what="the agent is told to be connected")
    ecs.register_task_definition(
        family="small",
        networkMode="bridge",
        requiresCompatibilities=["EC2"],
        executionRoleArn=ROLE,
        containerDefinitions=[container(command=["sleep", "1000"], memory=64, cpu=128, stopTimeout=2)],
    )
    whole = cpu_left(told()[-1])
    answer = ecs.run_task(taskDefinition="small", launchType="EC2")
    assert answer["failures"] == []
    wait_until(lambda: cpu_left(told()[-1]) == whole - 128, what="the task's CPU is gone")
    ecs.stop_task(task=answer["tasks"][0]["taskArn"])
    wait_until(lambda: cpu_left(told()[-1]) == whole, what="the task's CPU is back")
    arn = registered(gate)[instance]["containerInstanceArn"]
    ecs.update_container_instances_state(containerInstances=[arn], status="DRAINING")
    wait_until(lambda: told()[-1]["status"] == "DRAINING", what="DRAINING is told")
    versions = [d["version"] for d in told()]
    assert versions == sorted(set(versions)), "each is newer"
    assert registered(gate)[instance]["version"] >= versions[-1]
    assert all(d["ec2InstanceId"] == instance for d in told())


def cpu_left(detail):
    return next(r["integerValue"] for r in detail["remainingResources"] if r["name"] == "CPU")
