"""X-Ray by real clients: segments by the API, by OTLP, and by UDP to our daemon beside an application in a task."""

import json
import os
import pathlib
import secrets
import shutil
import subprocess
import time
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import databases
import images
from neargate import BINARY, REGION, refused, wait_until
from tasks import container, register, run

ROLE = "arn:aws:iam::000000000000:role/traced"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def new_trace():
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def documents(trace, fault=False):
    """A web server that calls another one."""
    end = time.time()
    start = end - 0.25
    call, status = secrets.token_hex(8), 500 if fault else 200
    web = {
        "trace_id": trace,
        "id": secrets.token_hex(8),
        "name": "web",
        "start_time": start,
        "end_time": end,
        "fault": fault,
        "annotations": {"customer": 12},
        "http": {"request": {"method": "GET", "url": "http://web/cart"}, "response": {"status": status}},
        "subsegments": [
            {"id": call, "name": "prices", "namespace": "remote", "start_time": start, "end_time": end, "fault": fault}
        ],
    }
    prices = {
        "trace_id": trace,
        "id": secrets.token_hex(8),
        "parent_id": call,
        "name": "prices",
        "start_time": start,
        "end_time": end,
        "fault": fault,
    }
    return [json.dumps(web), json.dumps(prices)]


def summaries(gate, expression):
    now = time.time()
    pages = gate.client("xray").get_paginator("get_trace_summaries")
    found = pages.paginate(StartTime=now - 600, EndTime=now + 5, FilterExpression=expression)
    return [summary["Id"] for page in found for summary in page["TraceSummaries"]]


def edges(gate):
    now = time.time()
    services = gate.client("xray").get_service_graph(StartTime=now - 600, EndTime=now + 60)["Services"]
    names = {service["ReferenceId"]: service["Name"] for service in services}
    return {(service["Name"], names[edge["ReferenceId"]]) for service in services for edge in service["Edges"]}


def test_traces_are_found_and_outlive_a_kill(own_gate):
    gate = own_gate
    xray = gate.client("xray")
    good, bad = new_trace(), new_trace()
    put = xray.put_trace_segments(
        TraceSegmentDocuments=[*documents(good), *documents(bad, fault=True), "{}", '{"id": "x"}']
    )
    codes = [one["ErrorCode"] for one in put["UnprocessedTraceSegments"]]
    assert codes == ["MissingId", "InvalidId"]
    gate.kill()
    gate.start()
    assert summaries(gate, 'service("prices") { fault }') == [bad]
    assert summaries(gate, "ok AND annotation.customer = 12") == [good]
    listed = gate.aws("xray", "batch-get-traces", "--trace-ids", good)
    names = {json.loads(segment["Document"])["name"] for segment in listed["Traces"][0]["Segments"]}
    assert names == {"web", "prices"}
    assert {("web", "web"), ("web", "prices")} <= edges(gate)
    code, message = refused(summaries, gate=gate, expression="responsetime > x")
    assert code == "InvalidRequestException" and "a number is missing" in message
    # For people.
    shown = gate.cli("trace", "--json")
    assert {one["id"] for one in json.loads(shown.stdout)["traces"]} == {good, bad}
    lines = gate.cli("trace", bad[-8:]).stdout
    assert "web" in lines and "fault" in lines


def test_spans_of_opentelemetry_come_in(gate):
    begun = int(time.time() * 1e9)
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    body = json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "otel"}}]},
                    "scopeSpans": [
                        {
                            "spans": [
                                {
                                    "traceId": trace,
                                    "spanId": span,
                                    "name": "GET /",
                                    "kind": 2,
                                    "startTimeUnixNano": str(begun - 1_000_000),
                                    "endTimeUnixNano": str(begun),
                                }
                            ]
                        }
                    ],
                }
            ]
        }
    )
    request = AWSRequest("POST", f"{gate.url}/v1/traces", {"Content-Type": "application/json"}, body)
    SigV4Auth(Credentials("test", "test"), "xray", REGION).add_auth(request)
    sent = urllib.request.Request(request.url, body.encode(), dict(request.headers), method="POST")
    with urllib.request.urlopen(sent, timeout=10) as answer:
        assert json.load(answer).get("partialSuccess") is None
    assert summaries(gate, 'service("otel") { ok }') == [f"1-{trace[:8]}-{trace[8:]}"]


@pytest.fixture(scope="session")
def daemon(tmp_path_factory):
    """An archive with an image of our daemon, without what is for debuggers."""
    directory = tmp_path_factory.mktemp("daemon")
    binary = directory / "neargate"
    strip = shutil.which("strip")
    if strip:
        subprocess.run([strip, "-o", binary, BINARY], check=True)
    else:
        shutil.copy(BINARY, binary)
    subprocess.run([binary, "xray", "image", directory / "xray.tar"], check=True, capture_output=True)
    os.unlink(binary)
    return directory / "xray.tar"


@pytest.fixture(scope="session")
def sender(tmp_path_factory):
    """An image with bash, which can send datagrams."""
    layout = images.Layout(tmp_path_factory.mktemp("sender"))
    bash = {"bin/bash": (pathlib.Path("/bin/bash").read_bytes(), 0o755)}
    layer = images.layer({**bash, **databases.libraries(["/bin/bash"])})
    return layout.write(layout.image([images.busybox_layer(), layer]))


SEND = """
until wget -q -O- --post-data '{}' http://127.0.0.1:2000/GetSamplingRules; do sleep 1; done
echo
while :; do
  for one in "$FIRST" "$SECOND" broken; do
    printf '{"format":"json","version":1}\\n%s' "$one" >/tmp/one
    dd bs=60000 </tmp/one 2>/dev/null >/dev/udp/127.0.0.1/2000
  done
  sleep 1
done
"""


def test_a_daemon_beside_an_application_brings_its_segments(gate, daemon, sender):
    images.push(gate, sender, "sender")
    ecr = gate.client("ecr")
    uri = ecr.create_repository(repositoryName="xray/aws-xray-daemon")["repository"]["repositoryUri"]
    images.skopeo("copy", "--dest-tls-verify=false", f"oci-archive:{daemon}", f"docker://{uri}:latest")
    iam = gate.client("iam")
    iam.create_role(RoleName="traced", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName="traced", PolicyArn="arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess")
    trace = new_trace()
    first, second = documents(trace, fault=True)
    register(
        gate,
        container(name="xray", image=images.aws_name("xray/aws-xray-daemon"), group="/xray/daemon"),
        container(
            image=images.aws_name("sender"),
            command=["/bin/bash", "-c", f"until {{ echo >/dev/tcp/127.0.0.1/2000; }} 2>&-; do sleep 1; done; {SEND}"],
            environment=[{"name": "FIRST", "value": first}, {"name": "SECOND", "value": second}],
            group="/xray/app",
            stopTimeout=2,
        ),
        taskRoleArn=ROLE,
        cpu="512",
        memory="1024",
    )
    run(gate)
    found = wait_until(lambda: summaries(gate, 'edge("web", "prices") { fault }'), what="a trace has come")
    assert found == [trace]
    wait_until(lambda: ("web", "prices") in edges(gate), what="both segments have come")
    traces = gate.client("xray").batch_get_traces(TraceIds=[trace])["Traces"]
    assert len(traces) == 1 and traces[0]["LimitExceeded"] is False

    def said():
        events = gate.client("logs").filter_log_events(logGroupName="/xray/app")["events"]
        return "Default" in "".join(event["message"] for event in events)

    wait_until(said, what="the daemon has told the sampling rules")
