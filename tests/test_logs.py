"""CloudWatch Logs through boto3 and the aws CLI: groups, streams, events, patterns, tail."""

import json
import shutil
import subprocess
import time

import botocore.config
import pytest

from neargate import ACCOUNT, REGION, refused

GROUP = "/app/web"
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now():
    return int(time.time() * 1000)


@pytest.fixture
def logs(gate):
    """A client, and a group with one stream."""
    client = gate.client("logs")
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(logGroupName=GROUP, logStreamName="one")
    return client


def put(logs, *messages, stream="one", at=None, step=1, group=GROUP):
    at = now() - len(messages) * step if at is None else at
    events = [{"timestamp": at + i * step, "message": m} for i, m in enumerate(messages)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def found(logs, pattern="", **more):
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=more.pop("group", GROUP), filterPattern=pattern, **more)
    return [event["message"] for page in pages for event in page["events"]]


def test_groups(gate, logs):
    logs.create_log_group(logGroupName="/app/api", tags={"team": "a"})
    logs.create_log_group(logGroupName="other", logGroupClass="INFREQUENT_ACCESS")
    groups = logs.describe_log_groups()["logGroups"]
    assert [g["logGroupName"] for g in groups] == ["/app/api", "/app/web", "other"]
    assert groups[1]["arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*"
    assert "retentionInDays" not in groups[1] and groups[1]["storedBytes"] == 0
    assert groups[2]["logGroupClass"] == "INFREQUENT_ACCESS"
    by_prefix = logs.describe_log_groups(logGroupNamePrefix="/app/")["logGroups"]
    assert [g["logGroupName"] for g in by_prefix] == ["/app/api", "/app/web"]
    by_part = logs.describe_log_groups(logGroupNamePattern="pi")["logGroups"]
    assert [g["logGroupName"] for g in by_part] == ["/app/api"]
    assert logs.list_tags_log_group(logGroupName="/app/api")["tags"] == {"team": "a"}
    shown = gate.aws("logs", "describe-log-groups", "--log-group-name-prefix", "oth")["logGroups"]
    assert [g["logGroupName"] for g in shown] == ["other"]
    gate.aws("logs", "delete-log-group", "--log-group-name", "other")
    assert len(logs.describe_log_groups()["logGroups"]) == 2


def test_groups_in_pages(gate):
    logs = gate.client("logs")
    names = [f"g{i:03}" for i in range(60)]
    for name in reversed(names):
        logs.create_log_group(logGroupName=name)
    first = logs.describe_log_groups()
    assert len(first["logGroups"]) == 50
    pages = logs.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 7})
    assert [g["logGroupName"] for page in pages for g in page["logGroups"]] == names
    code, _ = refused(logs.describe_log_groups, nextToken="no token of ours")
    assert code == "InvalidParameterException"


def test_streams(gate, logs):
    for name in ("b/2", "a", "b/1"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
    put(logs, "x", stream="a", at=now() - HOUR)
    put(logs, "y", stream="b/1", at=now() - MINUTE)
    streams = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    assert [s["logStreamName"] for s in streams] == ["a", "b/1", "b/2", "one"]
    assert streams[0]["firstEventTimestamp"] == streams[0]["lastEventTimestamp"]
    assert "firstEventTimestamp" not in streams[2]
    by_prefix = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="b/")["logStreams"]
    assert [s["logStreamName"] for s in by_prefix] == ["b/1", "b/2"]
    newest = logs.describe_log_streams(
        logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=2)["logStreams"]
    assert [s["logStreamName"] for s in newest] == ["b/1", "a"]
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=GROUP, PaginationConfig={"PageSize": 1})
    assert len([s for page in pages for s in page["logStreams"]]) == 4
    logs.delete_log_stream(logGroupName=GROUP, logStreamName="a")
    assert found(logs) == ["y"]
    logs.delete_log_group(logGroupName=GROUP)
    logs.create_log_group(logGroupName=GROUP)
    assert logs.describe_log_streams(logGroupName=GROUP)["logStreams"] == []
    assert found(logs) == []


def test_events_come_back_as_they_went(gate, logs):
    texts = ["plain", "naïve ☃ 𝄞", '{"a": 1}', "tab\tand\nline", " spaces ", "x" * 100_000]
    put(logs, *texts)
    events = logs.get_log_events(logGroupName=GROUP, logStreamName="one", startFromHead=True)["events"]
    assert [e["message"] for e in events] == texts
    assert all(abs(e["ingestionTime"] - now()) < MINUTE for e in events)
    shown = gate.aws("logs", "get-log-events", "--log-group-name", GROUP, "--log-stream-name", "one",
                     "--start-from-head")
    assert [e["message"] for e in shown["events"]] == texts


def test_reading_in_pages_both_ways(logs):
    count = 25_000
    start = now() - count
    for i in range(0, count, 10_000):
        put(logs, *[f"m{n}" for n in range(i, min(i + 10_000, count))], at=start + i)
    read = {"logGroupName": GROUP, "logStreamName": "one"}
    page = logs.get_log_events(**read, startFromHead=True)
    forward, tokens = [], []
    while page["events"]:
        forward += [e["message"] for e in page["events"]]
        tokens.append(page["nextForwardToken"])
        page = logs.get_log_events(**read, nextToken=tokens[-1])
    assert forward == [f"m{n}" for n in range(count)]
    # At the end, the same token comes back, and what arrives later is found with it.
    assert page["nextForwardToken"] == tokens[-1]
    put(logs, "late", at=now())
    later = logs.get_log_events(**read, nextToken=tokens[-1])
    assert [e["message"] for e in later["events"]] == ["late"]

    page = logs.get_log_events(**read, limit=10)
    assert [e["message"] for e in page["events"]] == [*[f"m{n}" for n in range(count - 9, count)], "late"]
    before = logs.get_log_events(**read, limit=10, nextToken=page["nextBackwardToken"])
    assert [e["message"] for e in before["events"]] == [f"m{n}" for n in range(count - 19, count - 9)]

    window = logs.get_log_events(**read, startFromHead=True, startTime=start + 5, endTime=start + 8)
    assert [e["message"] for e in window["events"]] == ["m5", "m6", "m7"]


def test_filtering_across_streams_is_in_time_order_and_complete(logs):
    logs.create_log_stream(logGroupName=GROUP, logStreamName="two")
    start = now() - HOUR
    put(logs, *[f"even {n}" for n in range(0, 300, 2)], at=start, step=2)
    put(logs, *[f"odd {n}" for n in range(1, 300, 2)], at=start + 1, step=2, stream="two")
    every = found(logs)
    assert [int(m.split()[1]) for m in every] == list(range(300))
    assert found(logs, PaginationConfig={"PageSize": 7}) == every
    assert len(found(logs, logStreamNames=["two"])) == 150
    assert len(found(logs, logStreamNamePrefix="t")) == 150
    assert found(logs, startTime=start + 10, endTime=start + 12) == ["even 10", "odd 11", "even 12"]
    event = logs.filter_log_events(logGroupName=GROUP, filterPattern='"odd 11"')["events"][0]
    assert event["logStreamName"] == "two" and event["timestamp"] == start + 11 and event["eventId"]
    ids = [e["eventId"] for e in logs.filter_log_events(logGroupName=GROUP)["events"]]
    assert len(set(ids)) == 300


LINES = [
    "ERROR 500 upstream timeout",
    "WARN slow request",
    "ERROR Exiting",
    "INFO ok",
    json.dumps({"level": "error", "status": 503, "user": {"name": "bob", "ip": "10.0.0.7"}, "tags": ["a", "b"]}),
    json.dumps({"level": "info", "status": 200, "user": None, "ok": True}),
    '127.0.0.1 - frank [10/Oct/2000:13:25:34 -0700] "GET /index.html HTTP/1.0" 404 1534',
    '127.0.0.1 - bob [10/Oct/2000:13:25:35 -0700] "GET /a.gif HTTP/1.0" 200 99',
]


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("", range(8)),
        ("ERROR", [0, 2]),
        ("error", [4]),
        ("ERROR timeout", [0]),
        ("ERROR -Exiting", [0]),
        ("?WARN ?INFO", [1, 3]),
        ('"slow request"', [1]),
        ("%50[03]%", [0, 4]),
        ("{ $.status = 503 }", [4]),
        ("{ $.status > 100 && $.level = \"info\" }", [5]),
        ("{ $.user.name = \"b*\" }", [4]),
        ("{ $.tags[1] = \"b\" }", [4]),
        ("{ $.user IS NULL }", [5]),
        ("{ $.missing NOT EXISTS }", [4, 5]),
        ("{ $.ok IS TRUE }", [5]),
        ("{ ($.status = 503) || ($.status = 200) }", [4, 5]),
        ("[ip, id, user, at, request, status = 4*, size]", [6]),
        ("[ip, id, user = bob, ...]", [7]),
        ("[..., size < 100]", [7]),
    ],
)
def test_filter_patterns(pattern_logs, pattern, expected):
    assert found(pattern_logs, pattern) == [LINES[i] for i in expected]


@pytest.fixture
def pattern_logs(logs):
    put(logs, *LINES)
    return logs


def test_bad_patterns(logs):
    for pattern in ("{ $.a = ", "[a, b", "{ a }", "ERROR \"open"):
        code, message = refused(logs.filter_log_events, logGroupName=GROUP, filterPattern=pattern)
        assert code == "InvalidParameterException" and message, pattern


def test_retention(gate, logs):
    put(logs, "old", at=now() - 3 * DAY)
    put(logs, "new")
    assert found(logs) == ["old", "new"]
    gate.aws("logs", "put-retention-policy", "--log-group-name", GROUP, "--retention-in-days", "1")
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 1
    assert found(logs) == ["new"]
    rejected = put(logs, "expired", at=now() - 2 * DAY)["rejectedLogEventsInfo"]
    assert rejected == {"expiredLogEventEndIndex": 1}
    code, _ = refused(logs.put_retention_policy, logGroupName=GROUP, retentionInDays=2)
    assert code == "InvalidParameterException"
    logs.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]


def test_every_region_and_account_has_its_own(gate, logs):
    put(logs, "here")
    for other in (gate.client("logs", "eu-west-1"), gate.client("logs", account="111122223333")):
        assert other.describe_log_groups()["logGroups"] == []
        other.create_log_group(logGroupName=GROUP)
        other.create_log_stream(logGroupName=GROUP, logStreamName="one")
        assert found(other) == []
        put(other, "there")
        assert found(other) == ["there"]
    assert found(logs) == ["here"]


def test_unknown_groups_and_streams(logs):
    group = "The specified log group does not exist."
    stream = "The specified log stream does not exist."
    event = {"logEvents": [{"timestamp": now(), "message": "x"}]}
    for call, arguments in [
        (logs.put_log_events, {"logStreamName": "one", **event}),
        (logs.get_log_events, {"logStreamName": "one"}),
        (logs.filter_log_events, {}),
        (logs.describe_log_streams, {}),
        (logs.create_log_stream, {"logStreamName": "one"}),
        (logs.delete_log_group, {}),
        (logs.put_retention_policy, {"retentionInDays": 1}),
    ]:
        assert refused(call, logGroupName="none", **arguments) == ("ResourceNotFoundException", group)
    for call, arguments in [
        (logs.put_log_events, event),
        (logs.get_log_events, {}),
        (logs.delete_log_stream, {}),
    ]:
        assert refused(call, logGroupName=GROUP, logStreamName="none", **arguments) == (
            "ResourceNotFoundException", stream)
    assert refused(logs.create_log_group, logGroupName=GROUP)[0] == "ResourceAlreadyExistsException"
    assert refused(logs.create_log_stream, logGroupName=GROUP, logStreamName="one")[0] == (
        "ResourceAlreadyExistsException")


def test_batches_that_are_refused(logs):
    at = now()
    write = {"logGroupName": GROUP, "logStreamName": "one"}

    def send(*events):
        return refused(logs.put_log_events, **write,
                       logEvents=[{"timestamp": t, "message": m} for t, m in events])

    code, message = send((at, "b"), (at - 1, "a"))
    assert code == "InvalidParameterException"
    assert message == "Log events in a single PutLogEvents request must be in chronological order."
    code, message = send((at - DAY - 1000, "a"), (at, "b"))
    assert "24 hours" in message
    code, message = send(*[(at, "x" * 2000)] * 600)
    assert code == "InvalidParameterException" and "Upload too large" in message
    code, message = send(*[(at, "x")] * 10_001)
    assert code == "InvalidParameterException"
    assert found(logs) == []
    # Exactly the limit is accepted: 26 bytes count for each event.
    assert "rejectedLogEventsInfo" not in put(logs, "x" * (1_048_576 - 26))


def test_events_too_old_or_too_new_are_rejected_one_by_one(logs):
    answer = put(logs, "old", "fine", at=now() - 14 * DAY - 10, step=HOUR)
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    answer = put(logs, "now", "new", at=now(), step=3 * HOUR)
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    assert found(logs) == ["fine", "now"]


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 513, "a:b", "a*"])
def test_bad_names(gate, name):
    logs = gate.client("logs", config=botocore.config.Config(parameter_validation=False))
    code, _ = refused(logs.create_log_group, logGroupName=name)
    assert code == "InvalidParameterException"
    assert logs.describe_log_groups()["logGroups"] == []


@pytest.fixture
def tail(gate):
    """`aws logs tail`, which only version 2 of the CLI has (Debian's package)."""
    aws = shutil.which("aws", path="/usr/local/bin:/usr/bin")
    version = subprocess.run([aws, "--version"], capture_output=True, text=True).stdout if aws else ""
    if not version.startswith("aws-cli/2"):
        pytest.skip("no version 2 of the aws CLI on this machine (apt-get install awscli)")
    running = []

    def start(*arguments):
        # Before 2.13 the CLI does not read AWS_ENDPOINT_URL.
        command = [aws, "--endpoint-url", gate.url, "logs", "tail", *arguments]
        env = {**gate.env, "PYTHONUNBUFFERED": "1"}
        running.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_tail(logs, tail):
    put(logs, "too early", at=now() - HOUR)
    put(logs, "one", "two")
    out, err = tail(GROUP).communicate(timeout=60)
    assert [line.split(" ", 2)[1:] for line in out.splitlines()] == [["one", "one"], ["one", "two"]], err
    out, _ = tail(GROUP, "--since", "2h", "--format", "short", "--filter-pattern", "early").communicate(timeout=60)
    assert [line.split(" ", 1)[1] for line in out.splitlines()] == ["too early"]
    _, err = tail("nowhere").communicate(timeout=60)
    assert "The specified log group does not exist." in err


def test_tail_follow(logs, tail):
    put(logs, "before")
    process = tail(GROUP, "--follow", "--format", "short")
    assert process.stdout.readline().endswith(" before\n")
    put(logs, "after 1", "after 2", at=now())
    assert process.stdout.readline().endswith(" after 1\n")
    assert process.stdout.readline().endswith(" after 2\n")
    assert process.poll() is None


def test_what_is_acknowledged_is_readable_at_once_by_everyone(logs, gate):
    other = gate.client("logs")
    for n in range(50):
        put(logs, f"n{n}", at=now())
        assert found(other, f"n{n}") == [f"n{n}"]
