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
METRIC = {"Namespace": "Shop", "MetricName": "Load", "Dimensions": [{"Name": "Service", "Value": "web"}]}


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


def steady(gate):
    """A service that deploys does not shrink."""
    state = lambda: [d["rolloutState"] for d in describe(gate)["deployments"]]
    wait_until(lambda: state() == ["COMPLETED"], what="the deployment is complete")


def report(gate, minutes, value, count=1):
    """The metric has this value in each of the last minutes that are over."""
    now = datetime.datetime.now(datetime.timezone.utc)
    points = [
        {
            "MetricName": METRIC["MetricName"],
            "Dimensions": METRIC["Dimensions"],
            "Timestamp": now - datetime.timedelta(minutes=ago),
            "Values": [value],
            "Counts": [count],
        }
        for ago in range(0, minutes + 1)
    ]
    gate.client("cloudwatch").put_metric_data(Namespace=METRIC["Namespace"], MetricData=points)


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


def test_a_policy_of_steps_acts_when_its_alarm_rings(gate, scaling):
    put = scaling.put_scaling_policy(
        PolicyName="steps",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}],
            "Cooldown": 300,
        },
        **OF,
    )
    cloudwatch = gate.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="busy", Statistic="Average", Period=60, EvaluationPeriods=1, Threshold=50,
        ComparisonOperator="GreaterThanThreshold", AlarmActions=[put["PolicyARN"]], **METRIC,
    )
    [policy] = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    assert [a["AlarmName"] for a in policy["Alarms"]] == ["busy"]
    cloudwatch.set_alarm_state(AlarmName="busy", StateValue="ALARM", StateReason="by hand")
    runs(gate, 3)
    cause = "monitor alarm busy in state ALARM triggered policy steps"
    assert activities(scaling)[0]["Cause"] == cause


def test_a_service_follows_a_metric_of_its_own_up_and_down(gate, scaling):
    steady(gate)
    put = scaling.put_scaling_policy(
        PolicyName="load",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50,
            "CustomizedMetricSpecification": METRIC | {"Statistic": "Average"},
            "ScaleInCooldown": 0,
            "ScaleOutCooldown": 0,
        },
        **OF,
    )
    names = [alarm["AlarmName"] for alarm in put["Alarms"]]
    assert [n.rsplit("-", 5)[0] for n in names] == [
        f"TargetTracking-{RESOURCE}-AlarmHigh", f"TargetTracking-{RESOURCE}-AlarmLow"]
    cloudwatch = gate.client("cloudwatch")
    shown = {a["AlarmName"]: a for a in cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]}
    high, low = (shown[name] for name in names)
    assert (high["Threshold"], high["EvaluationPeriods"], low["Threshold"], low["EvaluationPeriods"]) == (50, 3, 45, 15)
    assert high["AlarmDescription"].startswith("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ")
    report(gate, 4, 150)
    runs(gate, 3, 180)
    assert activities(scaling)[0]["Cause"] == f"monitor alarm {names[0]} in state ALARM triggered policy load"
    wait_until(lambda: activities(scaling)[0]["StatusCode"] == "Successful", what="it is fulfilled")
    # So many low values that the high ones do not count beside them.
    report(gate, 17, 1, count=100_000)
    runs(gate, 1, 240)
    scaling.delete_scaling_policy(PolicyName="load", **OF)
    assert cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"] == []
