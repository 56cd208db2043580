"""EventBridge Scheduler by real clients: tasks run at their times."""

import datetime
import json

import images
from neargate import ACCOUNT, REGION, ROLE, wait_until
from tasks import container, register
from test_event_rules import capital_network, log_group, seen


def soon(seconds=3):
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return f"at({at:%Y-%m-%dT%H:%M:%S})"


def create(gate, name, expression, target, **more):
    return gate.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"RoleArn": ROLE, **target},
        **more,
    )["ScheduleArn"]


def schedules(gate):
    return [s["Name"] for s in gate.client("scheduler").list_schedules()["Schedules"]]


def test_a_task_runs_once_and_its_schedule_goes(gate, layout):
    images.push(gate, layout, "busybox")
    register(gate, container(command=["echo", "done"], group="/scheduler/task"))
    target = {
        "Arn": gate.client("ecs").create_cluster()["cluster"]["clusterArn"],
        "EcsParameters": {
            "TaskDefinitionArn": "test",
            "LaunchType": "FARGATE",
            "NetworkConfiguration": capital_network(gate),
        },
    }
    create(gate, "once", soon(), target, ActionAfterCompletion="DELETE")

    def groups():
        return gate.client("logs").describe_log_groups(logGroupNamePrefix="/scheduler/task")["logGroups"]

    def said():
        return groups() and gate.client("logs").filter_log_events(logGroupName="/scheduler/task")["events"]

    assert [e["message"] for e in wait_until(said, what="the task has run")] == ["done"]
    assert schedules(gate) == []


def test_a_rate_reaches_a_bus_and_survives(gate):
    events = gate.client("events")
    events.put_rule(Name="ticks", EventPattern=json.dumps({"source": ["clock"]}))
    events.put_targets(Rule="ticks", Targets=[{"Id": "logs", "Arn": log_group(gate)}])
    target = {
        "Arn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default",
        "EventBridgeParameters": {"Source": "clock", "DetailType": "tick"},
        "Input": '{"at": "<aws.scheduler.scheduled-time>", "attempt": "<aws.scheduler.attempt-number>"}',
    }
    arn = create(gate, "ticks", "rate(1 hour)", target)
    told = wait_until(lambda: seen(gate), what="the first tick arrives")
    assert told[0]["resources"] == [arn]
    assert told[0]["detail"]["attempt"] == "1"
    gate.kill()
    gate.start()
    assert schedules(gate) == ["ticks"]
    # Had the restart acted again, it would come before this.
    create(gate, "later", soon(), target | {"Input": '{"at": "last"}'})
    wait_until(lambda: [e for e in seen(gate) if e["detail"]["at"] == "last"], what="the last one arrives")
    assert len([e for e in seen(gate) if e["resources"] == [arn]]) == 1


def test_a_universal_target_is_any_operation(gate):
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:cloudwatchlogs:createLogGroup",
        "Input": '{"LogGroupName": "/made/by/schedule"}',
    }
    create(gate, "universal", soon(1), target)
    logs = gate.client("logs")
    wait_until(lambda: logs.describe_log_groups(logGroupNamePrefix="/made/by")["logGroups"], what="the group is made")
    assert gate.aws("scheduler", "get-schedule", "--name", "universal")["Target"]["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 86400,
        "MaximumRetryAttempts": 185,
    }
