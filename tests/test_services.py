"""Services with real containers: the count is kept, deployments roll, fail and go back, through
every kind of death of Neargate itself."""

import threading
import time

import botocore.exceptions
import pytest

import images
import tasks
from neargate import wait_until
from tasks import container

SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]


@pytest.fixture
def gate(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


@pytest.fixture
def own_gate(own_gate, layout):
    images.push(own_gate, layout, "busybox")
    return own_gate


@pytest.fixture
def ecs(gate):
    return gate.client("ecs")


def create(gate, name="web", count=2, family="test", **more):
    return gate.client("ecs").create_service(
        serviceName=name,
        taskDefinition=family,
        desiredCount=count,
        launchType="FARGATE",
        networkConfiguration=tasks.network(gate),
        **more,
    )["service"]


def describe(gate, name="web"):
    return gate.client("ecs").describe_services(services=[name])["services"][0]


def stable(gate, name="web"):
    waiter = gate.client("ecs").get_waiter("services_stable")
    waiter.wait(services=[name], WaiterConfig={"Delay": 1, "MaxAttempts": 90})
    return describe(gate, name)


def events(gate, name="web"):
    """Oldest first."""
    return [e["message"] for e in reversed(describe(gate, name)["events"])]


def said(gate, part, name="web", seconds=60):
    def found():
        return next((e for e in events(gate, name) if part in e), None)

    return wait_until(found, seconds, f"an event says {part!r}")


def running(gate, name="web"):
    arns = gate.client("ecs").list_tasks(serviceName=name)["taskArns"]
    if not arns:
        return []
    shown = gate.client("ecs").describe_tasks(tasks=arns)["tasks"]
    return [t for t in shown if t["lastStatus"] == "RUNNING"]


def completed(gate, name="web", seconds=90):
    def done():
        service = describe(gate, name)
        states = [d["rolloutState"] for d in service["deployments"]]
        return service if states == ["COMPLETED"] else None

    return wait_until(done, seconds, "the deployment is completed")


def image_of_nowhere(gate):
    """An image that no registry has."""
    uri = gate.client("ecr").create_repository(repositoryName="empty")["repository"]["repositoryUri"]
    return f"{uri}:none"


def test_a_service_from_creation_to_deletion(gate, ecs):
    tasks.register(gate, container(command=SLEEP))
    made = create(gate, enableECSManagedTags=True, propagateTags="SERVICE", tags=[{"key": "team", "value": "a"}])
    assert made["status"] == "ACTIVE" and made["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    service = stable(gate)
    assert (service["runningCount"], service["pendingCount"]) == (2, 0)
    completed(gate)
    said(gate, "has reached a steady state.")
    assert ecs.list_services()["serviceArns"] == [service["serviceArn"]]
    for task in running(gate):
        shown = ecs.describe_tasks(tasks=[task["taskArn"]], include=["TAGS"])["tasks"][0]
        assert shown["group"] == "service:web"
        assert shown["startedBy"] == service["deployments"][0]["id"]
        tags = {t["key"]: t["value"] for t in shown["tags"]}
        assert tags == {"team": "a", "aws:ecs:serviceName": "web", "aws:ecs:clusterName": "default"}
    with pytest.raises(ecs.exceptions.ClientError, match="scaled above 0"):
        ecs.delete_service(service="web")
    arns = [t["taskArn"] for t in running(gate)]
    ecs.delete_service(service="web", force=True)
    ecs.get_waiter("services_inactive").wait(services=["web"], WaiterConfig={"Delay": 1})
    ecs.get_waiter("tasks_stopped").wait(tasks=arns, WaiterConfig={"Delay": 1})
    for task in ecs.describe_tasks(tasks=arns)["tasks"]:
        assert task["stopCode"] == "ServiceSchedulerInitiated"
        assert task["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/")
    assert ecs.list_services()["serviceArns"] == []


def test_a_task_that_dies_is_replaced(gate, ecs, record_property):
    tasks.register(gate, container(command=SLEEP))
    create(gate)
    stable(gate)
    before = {t["taskArn"] for t in running(gate)}
    victim = sorted(before)[0]
    began = time.monotonic()
    ecs.stop_task(task=victim)

    def replaced():
        now = {t["taskArn"] for t in running(gate)}
        return len(now) == 2 and victim not in now

    wait_until(replaced, 30, "the task is replaced")
    record_property("replaced_after_seconds", time.monotonic() - began)
    stable(gate)


def test_the_count_follows(gate, ecs):
    tasks.register(gate, container(command=SLEEP))
    create(gate, count=1)
    for count in (4, 2, 0):
        ecs.update_service(service="web", desiredCount=count)
        assert stable(gate)["runningCount"] == count
    ecs.delete_service(service="web")
    assert describe(gate)["status"] in ("DRAINING", "INACTIVE")


def test_a_rolling_update_keeps_enough_tasks(gate, ecs):
    """Never fewer than 100 percent, never more than 150, whoever looks."""
    tasks.register(gate, container(command=SLEEP))
    create(gate, count=4, deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 150})
    stable(gate)
    completed(gate)
    seen, stop = [], threading.Event()

    def watch():
        client = gate.client("ecs")
        while not stop.is_set():
            service = client.describe_services(services=["web"])["services"][0]
            seen.append((service["runningCount"], service["runningCount"] + service["pendingCount"]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        new = tasks.register(gate, container(command=SLEEP, environment=[{"name": "A", "value": "b"}]))
        ecs.update_service(service="web", taskDefinition="test")
        stable(gate)
        service = completed(gate)
    finally:
        stop.set()
        watcher.join()
    assert min(r for r, _ in seen) >= 4, seen
    assert max(n for _, n in seen) <= 6, seen
    assert service["taskDefinition"] == new["taskDefinitionArn"]
    assert {t["taskDefinitionArn"] for t in running(gate)} == {new["taskDefinitionArn"]}
    said(gate, f"(deployment {service['deployments'][0]['id']}) deployment completed.")


def test_force_new_deployment(gate, ecs):
    tasks.register(gate, container(command=SLEEP))
    create(gate)
    stable(gate)
    old = {t["taskArn"] for t in running(gate)}
    for _ in range(2):
        ecs.update_service(service="web", forceNewDeployment=True)
    stable(gate)
    completed(gate)
    new = {t["taskArn"] for t in running(gate)}
    assert len(new) == 2 and not old & new


def test_the_circuit_breaker_goes_back(gate, ecs):
    good = tasks.register(gate, container(command=SLEEP))["taskDefinitionArn"]
    create(
        gate,
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    stable(gate)
    completed(gate)
    kept = {t["taskArn"] for t in running(gate)}
    tasks.register(gate, container(image=image_of_nowhere(gate)))
    new = ecs.update_service(service="web", taskDefinition="test")["service"]["deployments"][0]["id"]
    said(gate, f"(deployment {new}) deployment failed: tasks failed to start.", seconds=120)
    said(gate, "rolling back to deployment ecs-svc/")
    service = completed(gate)
    assert service["taskDefinition"] == good
    assert {t["taskArn"] for t in running(gate)} == kept, "what ran was left alone"
    listed = ecs.list_service_deployments(service="web")["serviceDeployments"]
    assert listed[0]["status"] == "ROLLBACK_SUCCESSFUL"
    shown = ecs.describe_service_deployments(
        serviceDeploymentArns=[listed[0]["serviceDeploymentArn"]]
    )["serviceDeployments"][0]
    assert shown["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    revisions = ecs.describe_service_revisions(
        serviceRevisionArns=[shown["rollback"]["serviceRevisionArn"]]
    )["serviceRevisions"]
    assert revisions[0]["taskDefinition"] == good


def test_a_container_that_fails_its_health_checks_is_replaced(gate, ecs):
    check = {"command": ["CMD-SHELL", "test ! -e /tmp/ill"], "interval": 5, "retries": 1, "timeout": 2}
    ill = ["sh", "-c", "trap 'exit 0' TERM; sleep 8; touch /tmp/ill; while :; do sleep 0.1; done"]
    tasks.register(gate, container(command=ill, healthCheck=check))
    create(gate, count=1)
    said(gate, "failed container health checks.", seconds=90)


def test_services_survive_kill_9_in_the_middle_of_a_deployment(own_gate):
    gate = own_gate
    tasks.register(gate, container(command=SLEEP))
    create(gate, count=3)
    stable(gate)
    completed(gate)
    new = tasks.register(gate, container(command=SLEEP, environment=[{"name": "A", "value": "b"}]))
    gate.client("ecs").update_service(service="web", taskDefinition="test")
    for _ in range(3):
        gate.kill()
        gate.start()
    stable(gate)
    service = completed(gate)
    assert service["taskDefinition"] == new["taskDefinitionArn"]
    assert {t["taskDefinitionArn"] for t in running(gate)} == {new["taskDefinitionArn"]}
    assert len(running(gate)) == 3


def test_a_service_that_is_not_there(ecs):
    for call in (
        lambda: ecs.update_service(service="none", desiredCount=1),
        lambda: ecs.delete_service(service="none"),
    ):
        with pytest.raises(botocore.exceptions.ClientError):
            call()
