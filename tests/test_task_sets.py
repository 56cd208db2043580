"""Task sets: a caller rolls a deployment out by hand, with real tasks."""

import images
import tasks
from neargate import refused, wait_until
from tasks import container


def ready(gate, tmp_path):
    images.push(gate, images.busybox(tmp_path / "layout"), "busybox")
    for family in ("blue", "green"):
        tasks.register(gate, container(command=["sleep", "1000"], stopTimeout=2), family=family)
    ecs = gate.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.create_service(
        cluster="c", serviceName="web", desiredCount=2, deploymentController={"type": "EXTERNAL"}
    )
    return ecs


def create(gate, family, percent):
    return gate.client("ecs").create_task_set(
        cluster="c",
        service="web",
        taskDefinition=family,
        launchType="FARGATE",
        networkConfiguration=tasks.network(gate),
        scale={"value": percent, "unit": "PERCENT"},
    )["taskSet"]


def steady(gate, *ids):
    """Waits until these task sets, and no others, are there and steady."""

    def are():
        sets = gate.client("ecs").describe_task_sets(cluster="c", service="web")["taskSets"]
        if {s["id"] for s in sets} != set(ids):
            return None
        if any(s["stabilityStatus"] != "STEADY_STATE" for s in sets):
            return None
        return {s["id"]: s for s in sets}

    return wait_until(are, 60, "the task sets are steady")


def test_blue_then_green_across_a_kill(own_gate, tmp_path):
    gate = own_gate
    ecs = ready(gate, tmp_path)
    blue = create(gate, "blue", 100)["id"]
    ecs.update_service_primary_task_set(cluster="c", service="web", primaryTaskSet=blue)
    assert steady(gate, blue)[blue]["runningCount"] == 2
    green = create(gate, "green", 50)["id"]
    gate.kill()
    gate.start()
    assert steady(gate, blue, green)[green]["runningCount"] == 1
    ecs.update_task_set(cluster="c", service="web", taskSet=green, scale={"value": 100, "unit": "PERCENT"})
    ecs.update_service_primary_task_set(cluster="c", service="web", primaryTaskSet=green)
    assert steady(gate, blue, green)[green]["runningCount"] == 2
    code, _ = refused(ecs.delete_task_set, cluster="c", service="web", taskSet=blue)
    assert code == "InvalidParameterException"
    gone = ecs.delete_task_set(cluster="c", service="web", taskSet=blue, force=True)["taskSet"]
    assert gone["status"] == "DRAINING"
    left = steady(gate, green)
    assert left[green]["status"] == "PRIMARY" and left[green]["computedDesiredCount"] == 2
    service = ecs.describe_services(cluster="c", services=["web"])["services"][0]
    assert service["taskDefinition"].endswith("/green:1")
    assert [s["id"] for s in service["taskSets"]] == [green]
    assert service["runningCount"] == 2
    events = [e["message"] for e in service["events"]]
    assert f"(service web, taskSet {green}) has reached a steady state." in events
    named = gate.cli("events", "--detail-type", "service", env=gate.env).stdout
    assert "TASKSET_STEADY_STATE" in named and "TASKS_STOPPED" in named
    ecs.delete_service(cluster="c", service="web", force=True)
    wait_until(lambda: ecs.list_tasks(cluster="c")["taskArns"] == [], 60, "its tasks are gone")


def test_a_service_of_the_other_kind_has_none(gate, tmp_path):
    ecs = ready(gate, tmp_path)
    ecs.create_service(
        cluster="c",
        serviceName="usual",
        desiredCount=0,
        taskDefinition="blue",
        launchType="FARGATE",
        networkConfiguration=tasks.network(gate),
    )
    code, message = refused(ecs.describe_task_sets, cluster="c", service="usual")
    assert code == "InvalidParameterException" and "external deployment controllers" in message
