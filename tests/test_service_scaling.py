"""Application Auto Scaling: services of ECS get the tasks that alarms, the clock and their bounds ask for."""

import datetime
import time

import images
import pytest
import tasks
from neargate import refused, wait_until
from tasks import container
from test_services import SLEEP, create, describe, running

RESOURCE = "service/default/web"
OF = {
    "ServiceNamespace": "ecs",
    "ResourceId": RESOURCE,
    "ScalableDimension": "ecs:service:DesiredCount",
}


@pytest.fixture
def scaling(gate, layout):
    """A service of one task, which may have one to five."""
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=SLEEP))
    create(gate, count=1)
    wait_until(lambda: len(running(gate)) == 1, what="the task runs")
    scaling = gate.client("application-autoscaling")
    scaling.register_scalable_target(MinCapacity=1, MaxCapacity=5, **OF)
    return scaling


def activities(scaling):
    found = scaling.describe_scaling_activities(ServiceNamespace="ecs", ResourceId=RESOURCE)
    return found["ScalingActivities"]


def runs(gate, count, seconds=60):
    wait_until(lambda: len(running(gate)) == count, seconds, f"{count} tasks run")


def test_bounds_hold_and_what_was_begun_survives(gate, scaling):
    scaling.register_scalable_target(MinCapacity=2, **OF)
    gate.kill()
    gate.start()
    runs(gate, 2)
    wait_until(lambda: activities(scaling)[0]["StatusCode"] == "Successful", what="it is fulfilled")
    [activity] = activities(scaling)
    assert activity["Cause"] == "minimum capacity was set to 2"
    assert activity["Description"] == "Setting desired count to 2."
    message = "Successfully set desired count to 2. Change successfully fulfilled by ecs."
    assert activity["StatusMessage"] == message
    [target] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 5)
    other = OF | {"ResourceId": "service/default/none"}
    assert refused(scaling.register_scalable_target, MinCapacity=1, MaxCapacity=2, **other) == (
        "ValidationException", "ECS service doesn't exist: service/default/none")
    scaling.deregister_scalable_target(**OF)
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []


def test_a_scheduled_action_happens_at_its_time(gate, scaling):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    there = at.astimezone(datetime.timezone(datetime.timedelta(hours=-5)))
    scaling.put_scheduled_action(
        ScheduledActionName="soon",
        Schedule=f"at({there:%Y-%m-%dT%H:%M:%S})",
        Timezone="Etc/GMT+5",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 3},
        **OF,
    )
    runs(gate, 2)
    assert time.time() >= int(at.timestamp())
    causes = {a["Cause"] for a in activities(scaling)}
    assert causes == {"scheduled action name soon was triggered", "minimum capacity was set to 2"}
    assert scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"] == []
