"""What CloudWatch Logs makes of events, through boto3 and the aws CLI: metrics, queries, Live Tail, exports."""

import gzip
import json
import subprocess
import threading
import time

import botocore.config
import pytest

from neargate import ACCOUNT, AWS, REGION, refused, wait_until

GROUP = "/app/web"
ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"


def now():
    return int(time.time() * 1000)


@pytest.fixture
def logs(gate):
    """A client, and a group with one stream."""
    client = gate.client("logs")
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(logGroupName=GROUP, logStreamName="web/1")
    return client


def put(logs, *messages, stream="web/1", group=GROUP, at=None):
    at = now() - len(messages) if at is None else at
    events = [{"timestamp": at + i, "message": m if isinstance(m, str) else json.dumps(m)}
              for i, m in enumerate(messages)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def total(gate, namespace, name, **dimensions):
    """The sum and the count of a metric in the last minutes."""
    seconds = time.time()
    found = gate.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=name, StartTime=seconds - 600, EndTime=seconds + 60, Period=60,
        Statistics=["Sum", "SampleCount"],
        Dimensions=[{"Name": n, "Value": v} for n, v in dimensions.items()])["Datapoints"]
    return sum(d["Sum"] for d in found), sum(d["SampleCount"] for d in found)


def query(logs, text, groups=(GROUP,), **more):
    """The rows of a query, without their pointers, and what the last answer said besides."""
    seconds = int(time.time())
    started = logs.start_query(logGroupNames=list(groups), startTime=seconds - 3600, endTime=seconds + 60,
                               queryString=text, **more)

    def done():
        answer = logs.get_query_results(queryId=started["queryId"])
        return answer if answer["status"] not in ("Scheduled", "Running") else None

    answer = wait_until(done, 60, "the query ends")
    assert answer["status"] == "Complete"
    rows = [{c["field"]: c["value"] for c in row if c["field"] != "@ptr"} for row in answer["results"]]
    return rows, answer


def test_metric_filters(gate, logs):
    metric = {"metricNamespace": "App", "metricValue": "1", "metricName": "Errors", "unit": "Count"}
    logs.put_metric_filter(logGroupName=GROUP, filterName="errors", filterPattern="ERROR",
                           metricTransformations=[metric])
    latency = {"metricNamespace": "App", "metricValue": "$.ms", "metricName": "Latency",
               "dimensions": {"Path": "$.path"}}
    logs.put_metric_filter(logGroupName=GROUP, filterName="latency", filterPattern="{ $.ms = * }",
                           metricTransformations=[latency])
    put(logs, "ERROR one", "fine", "ERROR two", {"ms": 12.5, "path": "/a"}, {"ms": 7.5, "path": "/a"},
        {"ms": 1, "path": "/b"})
    wait_until(lambda: total(gate, "App", "Errors") == (2, 2), what="errors are counted")
    wait_until(lambda: total(gate, "App", "Latency", Path="/a") == (20, 2), what="latencies are read")
    shown = gate.aws("logs", "describe-metric-filters", "--log-group-name", GROUP)["metricFilters"]
    assert [f["filterName"] for f in shown] == ["errors", "latency"]
    assert shown[1]["metricTransformations"] == [latency]
    groups = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    assert groups[0]["metricFilterCount"] == 2
    code, _ = refused(logs.put_metric_filter, logGroupName=GROUP, filterName="x", filterPattern="ERROR",
                      metricTransformations=[{**metric, "metricValue": "$.x"}])
    assert code == "InvalidParameterException"


def test_filters_survive(own_gate):
    logs = own_gate.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="web/1")
    metric = {"metricNamespace": "App", "metricValue": "1", "metricName": "Errors"}
    logs.put_metric_filter(logGroupName=GROUP, filterName="errors", filterPattern="ERROR",
                           metricTransformations=[metric])
    logs.put_query_definition(name="saved", queryString="limit 1")
    own_gate.kill()
    own_gate.start()
    put(logs, "ERROR")
    wait_until(lambda: total(own_gate, "App", "Errors") == (1, 1), what="errors are counted")
    assert [d["name"] for d in logs.describe_query_definitions()["queryDefinitions"]] == ["saved"]


def test_embedded_metrics(gate, logs):
    directive = {"Namespace": "Emf", "Dimensions": [["service"], []],
                 "Metrics": [{"Name": "time", "Unit": "Milliseconds"}]}
    put(logs, {"_aws": {"Timestamp": now(), "CloudWatchMetrics": [directive]}, "service": "web", "time": [10, 30]},
        {"_aws": {"Timestamp": now(), "CloudWatchMetrics": [directive]}, "service": "web", "time": "soon"})
    wait_until(lambda: total(gate, "Emf", "time", service="web") == (40, 2), what="the metric is there")
    wait_until(lambda: total(gate, "Emf", "time") == (40, 2), what="it is there without dimensions")
    wait_until(lambda: total(gate, "AWS/Logs", "EMFValidationErrors", LogGroupName=GROUP)[0] == 1,
               what="what was wrong is counted")


def test_queries(gate, logs):
    logs.create_log_group(logGroupName="other")
    logs.create_log_stream(logGroupName="other", logStreamName="s")
    put(logs, *[{"level": "ERROR" if n % 4 == 0 else "INFO", "ms": n, "user": {"id": f"u{n % 3}"}} for n in range(40)])
    put(logs, "took 17 ms for bob", "took 3 ms for ann", stream="s", group="other")
    rows, answer = query(logs, "stats count(*) as n, pct(ms, 50) as p by level | sort n desc")
    assert rows == [{"level": "INFO", "n": "30", "p": "19"}, {"level": "ERROR", "n": "10", "p": "16"}]
    assert answer["statistics"]["recordsScanned"] == 40
    rows, _ = query(logs, "fields @timestamp, user.id as u | filter level = 'ERROR' and u = 'u0' | sort ms | limit 2")
    assert [row["u"] for row in rows] == ["u0", "u0"] and all("@timestamp" in row for row in rows)
    both = "parse @message 'took * ms for *' as took, who | filter ispresent(who) or ms > 38 " \
           "| fields coalesce(took, ms) as t, @log | sort t desc"
    rows, _ = query(logs, both, groups=[GROUP, "other"])
    assert [row["t"] for row in rows] == ["39", "17", "3"]
    assert rows[1]["@log"] == f"{ACCOUNT}:other"
    rows, answer = query(logs, "filter ms = 7")
    pointer = [c["value"] for c in answer["results"][0] if c["field"] == "@ptr"][0]
    record = logs.get_log_record(logRecordPointer=pointer)["logRecord"]
    assert record["user.id"] == "u1" and json.loads(record["@message"])["ms"] == 7
    fields = logs.get_log_group_fields(logGroupName=GROUP)["logGroupFields"]
    assert {"name": "user.id", "percent": 100} in fields
    code, message = refused(logs.start_query, logGroupName=GROUP, startTime=0, endTime=1, queryString="fields a | lmit 5")
    assert (code, message) == ("MalformedQueryException", "unexpected symbol found lmit at line 1 and position 11")
    with pytest.raises(logs.exceptions.MalformedQueryException) as error:
        logs.start_query(logGroupName=GROUP, startTime=0, endTime=1, queryString="fields a | unmask b")
    assert error.value.response["queryCompileError"]["location"] == {"startCharOffset": 11, "endCharOffset": 17}
    started = gate.aws("logs", "start-query", "--log-group-name", GROUP, "--start-time", "0", "--end-time",
                       str(int(time.time()) + 60), "--query-string", "stats count(*)")
    shown = wait_until(lambda: next((a for a in [gate.aws("logs", "get-query-results", "--query-id", started["queryId"])]
                                     if a["status"] == "Complete"), None), what="the query ends")
    assert shown["results"] == [[{"field": "count(*)", "value": "40"}]]
    assert [q["queryString"] for q in logs.describe_queries()["queries"]][0] == "stats count(*)"


def test_live_tail(gate, logs):
    put(logs, "ERROR before")
    here = gate.client("logs", config=botocore.config.Config(inject_host_prefix=False))
    stream = here.start_live_tail(logGroupIdentifiers=[ARN], logEventFilterPattern="ERROR")["responseStream"]
    events = iter(stream)
    start = next(events)["sessionStart"]
    assert start["logGroupIdentifiers"] == [ARN] and start["logEventFilterPattern"] == "ERROR"
    put(logs, "fine", "ERROR now")
    told = []
    while not told:
        told = next(events)["sessionUpdate"]["sessionResults"]
    assert [e["message"] for e in told] == ["ERROR now"]
    assert told[0]["logGroupIdentifier"] == ARN and told[0]["logStreamName"] == "web/1"
    stream.close()
    command = [AWS, "logs", "start-live-tail", "--log-group-identifiers", ARN]
    tail = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                            env={**gate.env, "PYTHONUNBUFFERED": "1"})
    try:
        seen = []
        threading.Thread(target=lambda: seen.extend(tail.stdout), daemon=True).start()

        def shown():
            put(logs, "to the terminal")
            return any("to the terminal" in line for line in seen)

        wait_until(shown, 60, "the command shows it")
    finally:
        tail.kill()
        tail.wait()
    code, _ = refused(here.start_live_tail, logGroupIdentifiers=[ARN], logStreamNames=["a"],
                      logStreamNamePrefixes=["b"])
    assert code == "InvalidParameterException"


def test_export(gate, logs):
    s3 = gate.client("s3")
    put(logs, "one", "two")
    code, _ = refused(logs.create_export_task, logGroupName=GROUP, fromTime=0, to=now() + 1, destination="no-such-bucket")
    assert code == "InvalidParameterException"
    s3.create_bucket(Bucket="exports")
    try:
        task = logs.create_export_task(logGroupName=GROUP, fromTime=now() - 60_000, to=now() + 60_000,
                                       destination="exports", destinationPrefix="out")["taskId"]

        def status():
            return logs.describe_export_tasks(taskId=task)["exportTasks"][0]["status"]["code"]

        wait_until(lambda: status() == "COMPLETED", what="the task completes")
        keys = {o["Key"] for o in s3.list_objects_v2(Bucket="exports")["Contents"]}
        assert keys == {f"out/{task}/web-1/000000.gz", "out/aws-logs-write-test"}
        body = s3.get_object(Bucket="exports", Key=f"out/{task}/web-1/000000.gz")["Body"].read()
        lines = gzip.decompress(body).decode().splitlines()
        assert [line.split(" ", 1)[1] for line in lines] == ["one", "two"]
    finally:
        for entry in s3.list_objects_v2(Bucket="exports").get("Contents", []):
            s3.delete_object(Bucket="exports", Key=entry["Key"])
        s3.delete_bucket(Bucket="exports")


def test_policies_and_subscriptions(logs):
    document = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "logs:PutLogEvents",
         "Resource": "*"}]})
    logs.put_resource_policy(policyName="events", policyDocument=document)
    assert [p["policyName"] for p in logs.describe_resource_policies()["resourcePolicies"]] == ["events"]
    logs.delete_resource_policy(policyName="events")
    code, message = refused(
        logs.put_subscription_filter, logGroupName=GROUP, filterName="f", filterPattern="",
        destinationArn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f")
    assert code == "InvalidParameterException" and "AWS Lambda" in message
    assert logs.describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"] == []
