"""CloudWatch through boto3 and the aws CLI: metrics, alarms, what the platform publishes, and an alarm that
rolls a deployment back."""

import datetime
import json

import boto3
import botocore.model
import pytest

import balancing
import images
import tasks
from neargate import ACCOUNT, REGION, wait_until
from tasks import container

SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
#: It takes a whole processor, more than a task of 256 units has.
BUSY = ["sh", "-c", "trap 'exit 0' TERM; while :; do :; done"]


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def window(minutes=10):
    return {"StartTime": now() - datetime.timedelta(minutes=minutes), "EndTime": now() + datetime.timedelta(minutes=1)}


def statistics(gate, namespace, name, statistic, **dimensions):
    """Every value of the last minutes, oldest first."""
    found = gate.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": n, "Value": v} for n, v in dimensions.items()],
        Period=60,
        Statistics=[statistic],
        **window(),
    )
    points = sorted(found["Datapoints"], key=lambda p: p["Timestamp"])
    return [p[statistic] for p in points]


def alarm(gate, name):
    found = gate.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found[0]


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_metrics_in_every_protocol(gate, protocol, monkeypatch):
    monkeypatch.setattr(botocore.model, "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (protocol,))
    # A session of its own: clients of one share what they know of a service.
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    cloudwatch = boto3.Session().client("cloudwatch", endpoint_url=gate.url, **keys)
    assert cloudwatch.meta.service_model.resolved_protocol == protocol
    values = [{"MetricName": "latency", "Values": [1.0, 2.0, 30.0], "Counts": [2.0, 1.0, 1.0], "Unit": "Milliseconds"}]
    cloudwatch.put_metric_data(Namespace="shop", MetricData=values)
    query = {"Id": "m", "MetricStat": {"Metric": {"Namespace": "shop", "MetricName": "latency"}, "Period": 60, "Stat": "p90"}}
    twice = {"Id": "e", "Expression": "m * 2", "Label": "twice"}
    found = cloudwatch.get_metric_data(MetricDataQueries=[query, twice], **window())["MetricDataResults"]
    assert [(r["Label"], r["Values"], r["StatusCode"]) for r in found] == [("latency", [30.0], "Complete"), ("twice", [60.0], "Complete")]
    with pytest.raises(cloudwatch.exceptions.ClientError) as refused:
        cloudwatch.put_metric_data(Namespace="shop", MetricData=[{"MetricName": "x", "Value": 1.0, "Values": [1.0]}])
    assert refused.value.response["Error"]["Code"] == "InvalidParameterCombination"
    assert "mutually exclusive" in refused.value.response["Error"]["Message"]


def test_acknowledged_points_survive_a_kill(gate):
    cloudwatch = gate.client("cloudwatch")
    for n in range(20):
        cloudwatch.put_metric_data(Namespace="shop", MetricData=[{"MetricName": "sales", "Value": float(n)}])
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=json.dumps({"widgets": []}))
    gate.kill()
    gate.start()
    assert sum(statistics(gate, "shop", "sales", "Sum")) == sum(range(20))
    listed = gate.aws("cloudwatch", "list-metrics", "--namespace", "shop")
    assert listed["Metrics"] == [{"Namespace": "shop", "MetricName": "sales", "Dimensions": []}]
    assert cloudwatch.list_dashboards()["DashboardEntries"][0]["DashboardName"] == "d"


def test_an_alarm_rings_once_and_survives(gate):
    cloudwatch, topic = gate.client("cloudwatch"), gate.client("sns").create_topic(Name="alarms")["TopicArn"]
    gate.aws(
        "cloudwatch", "put-metric-alarm", "--alarm-name", "errors", "--namespace", "shop", "--metric-name", "errors",
        "--statistic", "Sum", "--period", "10", "--evaluation-periods", "1", "--datapoints-to-alarm", "1", "--threshold", "1",
        "--comparison-operator", "GreaterThanThreshold", "--alarm-actions", topic, "--treat-missing-data", "ignore",
    )  # fmt: skip
    assert alarm(gate, "errors")["StateReason"] == "Unchecked: Initial alarm creation"
    cloudwatch.put_metric_data(Namespace="shop", MetricData=[{"MetricName": "errors", "Value": 5.0, "StorageResolution": 1}])
    wait_until(lambda: alarm(gate, "errors")["StateValue"] == "ALARM", 60, "the alarm rings")
    shown = alarm(gate, "errors")
    assert shown["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [5.0 (")
    assert shown["StateReason"].endswith("was greater than the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition).")
    assert shown["AlarmArn"] == f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors"

    def acted():
        items = cloudwatch.describe_alarm_history(AlarmName="errors", HistoryItemType="Action")["AlarmHistoryItems"]
        return [i["HistorySummary"] for i in items]

    wait_until(acted, what="the action is done")
    gate.kill()
    gate.start()
    assert alarm(gate, "errors")["StateValue"] == "ALARM"
    assert acted() == [f"Successfully executed action {topic}"]


@pytest.fixture
def pushed(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


def test_an_alarm_rolls_a_deployment_back(pushed):
    gate, ecs, cloudwatch = pushed, pushed.client("ecs"), pushed.client("cloudwatch")
    tasks.register(gate, container(command=SLEEP))
    cloudwatch.put_metric_alarm(
        AlarmName="broken", Namespace="shop", MetricName="errors", Statistic="Sum", Period=10, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    watched = {"alarms": {"alarmNames": ["broken"], "enable": True, "rollback": True}}
    ecs.create_service(
        serviceName="web", taskDefinition="test", desiredCount=1, launchType="FARGATE",
        networkConfiguration=tasks.network(gate), deploymentConfiguration=watched,
    )  # fmt: skip

    def deployments():
        service = ecs.describe_services(services=["web"])["services"][0]
        return {d["taskDefinition"].rsplit(":", 1)[1]: d["rolloutState"] for d in service["deployments"]}

    wait_until(lambda: deployments().get("1") == "COMPLETED", 120, "the first deployment is done")
    tasks.register(gate, container(command=["sh", "-c", "sleep 1000"]))
    ecs.update_service(service="web", taskDefinition="test:2")
    cloudwatch.put_metric_data(Namespace="shop", MetricData=[{"MetricName": "errors", "Value": 9.0, "StorageResolution": 1}])

    def rolled_back():
        listed = ecs.list_service_deployments(service="web")["serviceDeployments"]
        return any(d["status"].startswith("ROLLBACK") for d in listed)

    wait_until(rolled_back, 90, "the deployment goes back")
    wait_until(lambda: deployments() == {"1": "COMPLETED"}, 120, "the first task definition runs again")


def test_what_services_use_is_published(pushed):
    gate, ecs = pushed, pushed.client("ecs")
    tasks.register(gate, container(command=BUSY))
    ecs.create_service(serviceName="busy", taskDefinition="test", desiredCount=1, launchType="FARGATE", networkConfiguration=tasks.network(gate))
    of = {"ClusterName": "default", "ServiceName": "busy"}
    cpu = wait_until(lambda: [v for v in statistics(gate, "AWS/ECS", "CPUUtilization", "Maximum", **of) if v > 20], 120, "it is busy")
    assert max(cpu) < 150, "a quarter of a processor is all it has"
    memory = statistics(gate, "AWS/ECS", "MemoryUtilization", "Average", **of)
    assert 0 < memory[-1] < 50
    line = f'aws_ecs_cpuutilization_average{{region="{REGION}",clustername="default",servicename="busy"}} '
    wait_until(lambda: line in gate.http("GET", "/_neargate/metrics"), 90, "the page has the whole minute")


def test_what_load_balancers_carry_is_published(gate, layout):
    balancing.push(gate, layout)
    balancer = balancing.Balancer(gate)
    group = balancer.target_group("web")
    balancer.listener(balancing.forward(group))
    balancing.register(gate, "web", "hello")
    balancing.service(gate, "web", 1, balancing.behind(group))
    balancer.active()
    balancer.healthy(group, 1)
    for _ in range(10):
        balancer.get()
    arn = gate.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    of = {"LoadBalancer": arn.split("loadbalancer/")[1]}
    wait_until(lambda: sum(statistics(gate, "AWS/ApplicationELB", "RequestCount", "Sum", **of)) >= 10, 60, "requests are counted")
    of["TargetGroup"] = group.rsplit(":", 1)[1]
    wait_until(lambda: 1.0 in statistics(gate, "AWS/ApplicationELB", "HealthyHostCount", "Maximum", **of), 60, "hosts are counted")
    assert statistics(gate, "AWS/ApplicationELB", "TargetResponseTime", "Average", **of)[-1] < 5
