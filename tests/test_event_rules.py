"""EventBridge by real clients: events reach their targets, also across kill -9."""

import json

import pytest
from botocore.exceptions import ClientError

import images
import tasks
from endpoint import endpoint
from neargate import ACCOUNT, REGION, ROLE, wait_until
from tasks import container

GROUP = "/events/seen"


def log_group(gate, name=GROUP):
    logs = gate.client("logs")
    logs.create_log_group(logGroupName=name)
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"


def seen(gate, name=GROUP):
    """The events that reached a log group."""
    found = gate.client("logs").filter_log_events(logGroupName=name)["events"]
    return [json.loads(event["message"]) for event in found]


def send(gate, n, source="shop"):
    entry = {"Source": source, "DetailType": "order", "Detail": json.dumps({"n": n})}
    sent = gate.client("events").put_events(Entries=[entry])
    assert sent["FailedEntryCount"] == 0
    return sent["Entries"][0]["EventId"]


def capital_network(gate):
    """A task's network as EventBridge and its Scheduler name it."""
    vpc = tasks.network(gate)["awsvpcConfiguration"]
    return {"awsvpcConfiguration": {"Subnets": vpc["subnets"], "AssignPublicIp": vpc["assignPublicIp"]}}


def ecs_target(gate, **more):
    return {
        "Id": "task",
        "Arn": gate.client("ecs").create_cluster()["cluster"]["clusterArn"],
        "RoleArn": ROLE,
        "EcsParameters": {
            "TaskDefinitionArn": "test",
            "LaunchType": "FARGATE",
            "NetworkConfiguration": capital_network(gate),
        },
        **more,
    }


def test_a_stopped_task_is_told_of(gate, layout):
    images.push(gate, layout, "busybox")
    events = gate.client("events")
    pattern = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": {"lastStatus": ["STOPPED"]}}
    events.put_rule(Name="stopped", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="stopped", Targets=[{"Id": "logs", "Arn": log_group(gate)}])
    tasks.register(gate, container(command=["true"]))
    arn = tasks.run(gate)
    told = wait_until(lambda: [e for e in seen(gate) if e["resources"] == [arn]], what="the event arrives")
    assert told[0]["account"] == ACCOUNT
    assert told[0]["detail"]["taskArn"] == arn
    assert told[0]["detail"]["containers"][0]["exitCode"] == 0


def test_an_event_runs_a_task_with_what_it_tells(gate, layout):
    images.push(gate, layout, "busybox")
    events = gate.client("events")
    tasks.register(gate, container(command=["echo", "nothing"], group="/events/task"))
    events.put_rule(Name="etl", EventPattern=json.dumps({"source": ["shop"]}))
    transformer = {
        "InputPathsMap": {"n": "$.detail.n"},
        "InputTemplate": '{"containerOverrides": [{"name": "app", "command": ["echo", "order <n>"]}]}',
    }
    events.put_targets(Rule="etl", Targets=[ecs_target(gate, InputTransformer=transformer)])
    send(gate, 42)

    def said():
        try:
            found = gate.client("logs").filter_log_events(logGroupName="/events/task")["events"]
        except ClientError:
            return None
        return [event["message"] for event in found]

    assert wait_until(said, what="the task has run") == ["order 42"]

    def started(status):
        return gate.client("ecs").list_tasks(startedBy="events-rule/etl", desiredStatus=status)["taskArns"]

    wait_until(lambda: started("STOPPED"), what="the task has stopped")
    assert (len(started("STOPPED")), len(started("RUNNING"))) == (1, 0)


def test_what_was_acknowledged_arrives_after_kill_9(gate):
    events = gate.client("events")
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="all", Targets=[{"Id": "logs", "Arn": log_group(gate), "InputPath": "$.detail"}])
    for n in range(20):
        send(gate, n)
    gate.kill()
    gate.start()
    wait_until(lambda: {e["n"] for e in seen(gate)} == set(range(20)), what="all events arrive")
    assert events.list_targets_by_rule(Rule="all")["Targets"][0]["InputPath"] == "$.detail"


def test_an_endpoint_is_called_under_its_connection(gate):
    """The event reaches it also after a kill; what is secret is in Secrets Manager."""
    events = gate.client("events")
    auth = {"ApiKeyAuthParameters": {"ApiKeyName": "x-api-key", "ApiKeyValue": "open sesame"}}
    connection = events.create_connection(Name="shop", AuthorizationType="API_KEY", AuthParameters=auth)
    assert connection["ConnectionState"] == "AUTHORIZED"
    secret = events.describe_connection(Name="shop")["SecretArn"]
    kept = gate.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    assert json.loads(kept) == {"api_key_name": "x-api-key", "api_key_value": "open sesame"}
    with endpoint([503, 200]) as (url, called):
        destination = events.create_api_destination(
            Name="orders", ConnectionArn=connection["ConnectionArn"], InvocationEndpoint=url, HttpMethod="POST"
        )
        events.put_rule(Name="orders", EventPattern='{"source": ["shop"]}')
        target = {"Id": "hook", "Arn": destination["ApiDestinationArn"], "RoleArn": ROLE, "InputPath": "$.detail"}
        events.put_targets(Rule="orders", Targets=[target])
        send(gate, 7)
        wait_until(lambda: called, what="the first attempt")
        gate.kill()
        gate.start()
        wait_until(lambda: len(called) > 1, what="a second attempt")
    headers, body = called[-1]
    assert (headers["x-api-key"], json.loads(body)) == ("open sesame", {"n": 7})


def test_the_command_line_says_what_aws_says(gate):
    arn = gate.aws("events", "create-event-bus", "--name", "orders")["EventBusArn"]
    assert arn == f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/orders"
    rule = ("--name", "paid", "--event-bus-name", "orders", "--event-pattern", '{"detail": {"state": ["paid"]}}')
    assert gate.aws("events", "put-rule", *rule)["RuleArn"] == f"arn:aws:events:{REGION}:{ACCOUNT}:rule/orders/paid"
    with pytest.raises(ClientError) as refused:
        gate.client("events").put_rule(Name="bad", EventPattern='{"source": []}')
    assert refused.value.response["Error"]["Code"] == "InvalidEventPatternException"
    said = refused.value.response["Error"]["Message"]
    assert said.startswith("Event pattern is not valid. Reason: Empty arrays are not allowed\n at [Source: (String)")
    unserved = gate.aws("events", "list-endpoints", check=False)
    assert "(NotImplemented)" in unserved.stderr
