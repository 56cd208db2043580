"""The commands for people: ps, logs, top, deploy, spot."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import threading
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import images
import tasks

from neargate import ACCOUNT, REGION, wait_until
from people import as_json, command, environment, neargate, start
from tasks import container

GROUP = "/ecs/people"
# Ends at once on SIGTERM, and says a line a moment.
TALK = "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo line $n; sleep 0.2 & wait $!; done"


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


def talker(gate, **more):
    tasks.register(gate, container(command=["sh", "-c", TALK], group=GROUP,
                                   portMappings=[{"containerPort": 80}]), family="talk", **more)


def test_nobody_answers(make_gate):
    gate = make_gate()
    done = neargate(gate, "ps", code=1)
    assert f"cannot reach Neargate at {gate.url}" in done.stderr
    assert "Start it with `neargate up`" in done.stderr


def test_what_is_not_there_is_said(gate):
    """Instead of an empty table that looks like an answer."""
    gate.client("ecs").create_cluster(clusterName="default")
    for words, said in [
        (["ps", "--service", "typo"], "ServiceNotFoundException"),
        (["ps", "--cluster", "typo"], "ClusterNotFoundException"),
        (["ps", "--service", "typo", "--cluster", "default"], "ServiceNotFoundException"),
        (["services", "--cluster", "typo"], "ClusterNotFoundException"),
        (["top", "--once", "--cluster", "typo"], "ClusterNotFoundException"),
        (["events", "--cluster", "typo"], "ClusterNotFoundException"),
        (["instance", "list", "--cluster", "typo"], "ClusterNotFoundException"),
        (["instance", "add", "--cluster", "typo"], "ClusterNotFoundException"),
        (["instance", "add", "--capacity-provider", "typo"], "capacity provider"),
        (["instance", "rm", "i-0"], "there is no instance"),
        (["logs", "typo"], "there is no service, family or task"),
        (["spot", "interrupt", "typo"], "no running task's id begins with"),
    ]:
        done = neargate(gate, *words, code=1)
        assert said in done.stderr and done.stdout == "", (words, done)


def test_nothing_runs(gate):
    done = neargate(gate, "ps")
    assert done.stdout == "" and "There are no running tasks." in done.stderr
    assert as_json(gate, "ps") == []
    assert as_json(gate, "top", "--once") == []
    assert "there is no service, family or task" in neargate(gate, "logs", "web", code=1).stderr


def test_ps_shows_what_runs_where_and_why_it_stopped(busybox):
    gate = busybox
    talker(gate)
    arn = tasks.run(gate, "talk")
    task = tasks.wait_for(gate, arn, "RUNNING")
    [row] = as_json(gate, "ps")
    assert row["taskArn"] == arn and row["lastStatus"] == "RUNNING"
    assert row["address"] == tasks.address(task) and row["ports"] == ["80"]
    assert row["memoryBytes"] > 0
    heading, line = neargate(gate, "ps").stdout.splitlines()
    short = arn.rsplit("/", 1)[1][:8]
    assert heading.split() == ["TASK", "GROUP", "STATUS", "TYPE", "WHERE", "ADDRESS", "AGE", "MEMORY"]
    assert line.split()[:6] == [
        short, "family:talk", "RUNNING", "FARGATE", task["availabilityZone"], f"{tasks.address(task)}:80"]
    assert "\x1b" not in line, "colours are for terminals"

    gate.client("ecs").stop_task(task=arn, reason="enough of it")
    tasks.wait_for(gate, arn, "STOPPED")
    assert neargate(gate, "ps").stdout == ""
    assert "enough of it" in neargate(gate, "ps", "--all").stdout


def test_ps_of_a_pipe_that_closes_early(busybox):
    gate = busybox
    talker(gate)
    tasks.wait_for(gate, tasks.run(gate, "talk"), "RUNNING")
    words = " ".join(command(gate, "ps"))
    assert os.system(f"bash -c 'set -o pipefail; {words} | true' 2>/dev/null") == 0


def test_services_and_tables_on_a_small_terminal(busybox):
    gate = busybox
    assert as_json(gate, "services") == [] and "There are no services." in neargate(gate, "services").stderr
    talker(gate)
    gate.client("ecs").create_service(
        serviceName="talking-and-talking", taskDefinition="talk", desiredCount=1, launchType="FARGATE",
        networkConfiguration=tasks.network(gate))
    wait_until(lambda: as_json(gate, "services")[0]["runningCount"] == 1, what="its task runs")
    [row] = as_json(gate, "services")
    assert row["serviceName"] == "talking-and-talking" and row["taskDefinitionArn"].endswith("talk:1")
    heading, line = neargate(gate, "services").stdout.splitlines()
    assert heading.split()[:4] == ["SERVICE", "STATUS", "TASKS", "DEPLOYMENT"]
    assert line.split()[:3] == ["talking-and-talking", "ACTIVE", "1/1"]
    for words in (["ps"], ["services"], ["top", "--once"], ["instance", "list"]):
        done = subprocess.run(command(gate, *words), env={**environment(), "COLUMNS": "80"},
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout


def test_q_leaves_top(gate):
    ours, theirs = pty.openpty()
    top = subprocess.Popen(command(gate, "top"), stdin=theirs, stdout=theirs, stderr=theirs, env=environment(),
                           start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    said = b""
    while b"q to end" not in said:
        said += os.read(ours, 4096)
    os.write(ours, b"xq")
    assert top.wait(timeout=20) == 0
    assert termios.tcgetattr(theirs)[3] & termios.ICANON, "the terminal is as it was"
    os.close(ours)
    os.close(theirs)


def test_logs_are_whole_followed_and_end_with_the_task(busybox):
    gate = busybox
    talker(gate)
    arn = tasks.run(gate, "talk")
    tasks.wait_for(gate, arn, "RUNNING")
    short = arn.rsplit("/", 1)[1][:8]
    follow = start(gate, "logs", "-f", short)
    lines = [follow.stdout.readline().rstrip("\n") for _ in range(10)]
    assert lines == [f"app/{short} line {n}" for n in range(1, 11)]
    gate.client("ecs").stop_task(task=arn)
    # `communicate` would lose what came together with the tenth line.
    patience = threading.Timer(30, follow.kill)
    patience.start()
    rest, errors = follow.stdout.read(), follow.stderr.read()
    patience.cancel()
    assert follow.wait() == 0, errors
    numbers = [int(line.rsplit(" ", 1)[1]) for line in rest.splitlines()]
    assert numbers == list(range(11, 11 + len(numbers))), "no line is lost or doubled"
    whole = neargate(gate, "logs", "talk").stdout.splitlines()
    assert len(whole) == 10 + len(numbers)
    first = json.loads(neargate(gate, "logs", short, "--output", "json").stdout.splitlines()[0])
    assert first["message"] == "line 1" and first["taskId"] == arn.rsplit("/", 1)[1]


def test_logs_follow_new_tasks_of_a_family(busybox):
    gate = busybox
    talker(gate)
    first = tasks.run(gate, "talk").rsplit("/", 1)[1][:8]
    follow = start(gate, "logs", "-f", "talk")
    try:
        seen = set()
        while first not in seen:
            seen.add(follow.stdout.readline().split("/")[1].split()[0])
        second = tasks.run(gate, "talk").rsplit("/", 1)[1][:8]
        while second not in seen:
            seen.add(follow.stdout.readline().split("/")[1].split()[0])
    finally:
        follow.send_signal(signal.SIGINT)
        follow.communicate(timeout=10)


def test_logs_that_go_elsewhere_say_so(busybox):
    gate = busybox
    tasks.register(gate, container(command=["sleep", "60"], stopTimeout=2), family="quiet")
    tasks.wait_for(gate, tasks.run(gate, "quiet"), "RUNNING")
    tasks.register(gate, container(command=["sleep", "60"], group=GROUP, stopTimeout=2), family="silent")
    tasks.wait_for(gate, tasks.run(gate, "silent"), "RUNNING")
    assert "silent has written nothing" in neargate(gate, "logs", "silent").stderr
    said = neargate(gate, "logs", "quiet", code=1).stderr
    assert "give app a logConfiguration with the logDriver awslogs" in said


def test_top_measures(busybox):
    gate = busybox
    busy = container(command=["sh", "-c", "while :; do :; done"], stopTimeout=2)
    tasks.register(gate, busy, family="busy")
    arn = tasks.run(gate, "busy")
    tasks.wait_for(gate, arn, "RUNNING")
    [row] = as_json(gate, "top", "--once")
    assert row["taskId"] == arn.rsplit("/", 1)[1]
    # A quarter of a processor is its limit, and it wants all of it.
    assert 5 < row["cpuPercent"] < 60, row
    assert row["memoryLimitBytes"] == 512 << 20
    assert row["processes"] == 1
    assert row["receivedBytesPerSecond"] is not None
    assert "CPU %" in neargate(gate, "top", "--once").stdout

    # Another account has none of it.
    def usage(account):
        request = AWSRequest("GET", f"{gate.url}/_neargate/usage")
        SigV4Auth(Credentials(account, "secret"), "neargate", REGION).add_auth(request)
        answer = gate.http("GET", "/_neargate/usage", headers=dict(request.headers))
        return [task["taskId"] for task in json.loads(answer)["tasks"]]

    assert usage(ACCOUNT) == [row["taskId"]] and usage("111122223333") == []


def test_the_own_pages_demand_a_signature_where_calls_do(make_gate):
    gate = make_gate("--enforce")
    gate.start()
    for method, path in [("GET", "usage"), ("GET", "instances"), ("POST", "instances"),
                         ("DELETE", "instances/i-0"), ("POST", "spot/interrupt")]:
        request = urllib.request.Request(f"{gate.url}/_neargate/{path}", b"", method=method)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 403, path
    assert as_json(gate, "ps") == [], "the keys are found under the data directory"
    assert as_json(gate, "instance", "list") == []
    wrong = {**environment(), "AWS_ACCESS_KEY_ID": "AKIAWRONG", "AWS_SECRET_ACCESS_KEY": "no"}
    for words in [("ps",), ("instance", "list")]:
        done = subprocess.run(command(gate, *words), env=wrong, capture_output=True, text=True)
        assert done.returncode == 1
        assert "UnrecognizedClientException" in done.stderr
        assert 'eval "$(neargate env)"' in done.stderr


def test_spot_interrupts_as_aws_does(busybox):
    gate = busybox
    ecs = gate.client("ecs")
    ecs.create_cluster(clusterName="default", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    talker(gate)
    answer = ecs.run_task(
        taskDefinition="talk", networkConfiguration=tasks.network(gate),
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}])
    assert answer["failures"] == []
    arn = answer["tasks"][0]["taskArn"]
    tasks.wait_for(gate, arn, "RUNNING")
    neargate(gate, "spot", "interrupt", arn.rsplit("/", 1)[1][:10])
    task = tasks.wait_for(gate, arn, "STOPPED")
    assert task["stopCode"] == "SpotInterruption"
    assert task["stoppedReason"] == "Your Spot Task was interrupted."
    assert task["containers"][0]["exitCode"] == 0, "it was asked first"

    on_demand = tasks.run(gate, "talk")
    tasks.wait_for(gate, on_demand, "RUNNING")
    said = neargate(gate, "spot", "interrupt", on_demand, code=1).stderr
    assert "does not run on FARGATE_SPOT" in said
