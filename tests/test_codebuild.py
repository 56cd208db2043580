"""CodeBuild by real clients: builds run in containers, from a source to an artifact."""

import gzip
import hashlib
import io
import json
import zipfile

import pytest

import images
from images import aws_name
from neargate import ACCOUNT, ROLE, wait_until
from test_event_rules import log_group, seen

PHASES = [
    "SUBMITTED",
    "QUEUED",
    "PROVISIONING",
    "DOWNLOAD_SOURCE",
    "INSTALL",
    "PRE_BUILD",
    "BUILD",
    "POST_BUILD",
    "UPLOAD_ARTIFACTS",
    "FINALIZING",
    "COMPLETED",
]


def create(gate, name, buildspec=None, source=None, artifacts=None, **environment):
    source = dict(source or {"type": "NO_SOURCE"})
    if buildspec:
        source["buildspec"] = buildspec
    return gate.client("codebuild").create_project(
        name=name,
        source=source,
        artifacts=artifacts or {"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": aws_name("busybox"),
            "computeType": "BUILD_GENERAL1_SMALL",
            **environment,
        },
        serviceRole=ROLE,
    )["project"]


def start(gate, name, **more):
    return gate.client("codebuild").start_build(projectName=name, **more)["build"]["id"]


def shown(gate, build):
    return gate.client("codebuild").batch_get_builds(ids=[build])["builds"][0]


def over(gate, build):
    """Waits for its end."""

    def ended():
        now = shown(gate, build)
        return now if now["buildComplete"] else None

    return wait_until(ended, 120, f"{build} is complete")


def phases(build):
    return {p["phaseType"]: p.get("phaseStatus") for p in build["phases"]}


def log(gate, build):
    at = build["logs"]
    logs = gate.client("logs")
    events = logs.get_log_events(logGroupName=at["groupName"], logStreamName=at["streamName"], startFromHead=True)
    return "".join(event["message"] for event in events["events"])


def said(gate, build, text):
    """Waits until its log has the text."""
    logs = gate.client("logs")

    def there():
        try:
            return text in log(gate, shown(gate, build))
        except logs.exceptions.ResourceNotFoundException:
            return False

    wait_until(there, 120, f"the log of {build} has {text}")


def zipped(files):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return raw.getvalue()


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


FAILS = """version: 0.2
env:
  exported-variables: [RESULT]
phases:
  install:
    commands: [own=kept, export RESULT=early]
  build:
    commands:
      - echo "own is $own, secret is $TOKEN"
      - "false"
      - echo never
    finally:
      - echo "finally $CODEBUILD_BUILD_SUCCEEDING"
  post_build:
    commands:
      - echo "post $CODEBUILD_BUILD_SUCCEEDING"
      - export RESULT=late
"""


def test_phases_follow_each_other(busybox):
    gate = busybox
    gate.client("events").put_rule(Name="builds", EventPattern=json.dumps({"source": ["aws.codebuild"]}))
    gate.client("events").put_targets(Rule="builds", Targets=[{"Id": "logs", "Arn": log_group(gate)}])
    gate.client("secretsmanager").create_secret(Name="token", SecretString='{"key": "hush-hush"}')
    token = {"name": "TOKEN", "value": "token:key", "type": "SECRETS_MANAGER"}
    create(gate, "fails", FAILS, environmentVariables=[token])
    build = over(gate, start(gate, "fails"))
    assert [p["phaseType"] for p in build["phases"]] == PHASES
    ended = phases(build)
    assert (ended["INSTALL"], ended["BUILD"], ended["POST_BUILD"]) == ("SUCCEEDED", "FAILED", "SUCCEEDED"), build
    assert build["buildStatus"] == "FAILED"
    context = next(p for p in build["phases"] if p["phaseType"] == "BUILD")["contexts"][0]
    assert context == {
        "statusCode": "COMMAND_EXECUTION_ERROR",
        "message": "Error while executing command: false. Reason: exit status 1",
    }
    text = log(gate, build)
    assert "own is kept, secret is ***" in text and "hush" not in text, text
    assert "finally 0" in text and "post 0" in text and "\nnever" not in text, text
    assert build["exportedEnvironmentVariables"] == [{"name": "RESULT", "value": "late"}]
    states = lambda: [  # noqa: E731
        e["detail"]["build-status"] for e in seen(gate) if e["detail-type"] == "CodeBuild Build State Change"
    ]
    wait_until(lambda: sorted(states()) == ["FAILED", "IN_PROGRESS"], what="its states are told")
    # The tasks of builds are not the customer's.
    assert gate.client("ecs").list_task_definitions()["taskDefinitionArns"] == []


PACKS = """version: 0.2
env:
  variables: {WHO: buildspec}
phases:
  build:
    commands:
      - mkdir -p dist/sub
      - cat in/file.txt > dist/out.txt
      - echo "$WHO $KIND $CODEBUILD_SOURCE_VERSION" >> dist/out.txt
      - ./in/run > dist/sub/ran
      - head -c 700000 /dev/urandom > dist/big
      - sha256sum dist/big | cut -d' ' -f1 > dist/sum
      - touch dist/skipped.tmp
      - mkdir tests
      - printf '<testsuite><testcase name="good"/><testcase name="bad"><failure/></testcase></testsuite>' > tests/r.xml
reports:
  unit: {files: ['*.xml'], base-directory: tests}
artifacts:
  files: ['**/*']
  exclude-paths: ['**/*.tmp']
  base-directory: d*t
  name: app-$KIND.zip
"""


def test_a_source_becomes_an_artifact(busybox):
    gate = busybox
    s3 = gate.client("s3")
    s3.create_bucket(Bucket="builds")
    run = zipfile.ZipInfo("in/run")
    run.external_attr = 0o100755 << 16
    raw = io.BytesIO(zipped({"buildspec.yml": PACKS, "in/file.txt": "from s3\n"}))
    with zipfile.ZipFile(raw, "a") as archive:
        archive.writestr(run, "#!/bin/sh\necho ran\n")
    s3.put_object(Bucket="builds", Key="src.zip", Body=raw.getvalue())
    artifacts = {
        "type": "S3",
        "location": "builds",
        "path": "out",
        "packaging": "ZIP",
        "overrideArtifactName": True,
    }
    create(gate, "packs", source={"type": "S3", "location": "builds/src.zip"}, artifacts=artifacts)
    override = [{"name": "KIND", "value": "a b", "type": "PLAINTEXT"}]
    build = over(gate, start(gate, "packs", environmentVariablesOverride=override))
    assert build["buildStatus"] == "SUCCEEDED", (build["phases"], log(gate, build))
    assert build["artifacts"]["location"] == "arn:aws:s3:::builds/out/app-a b.zip"
    body = s3.get_object(Bucket="builds", Key="out/app-a b.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert sorted(archive.namelist()) == ["big", "out.txt", "sub/ran", "sum"]
        assert archive.read("out.txt") == b"from s3\nbuildspec a b arn:aws:s3:::builds/src.zip\n"
        assert archive.read("sub/ran") == b"ran\n"
        assert hashlib.sha256(archive.read("big")).hexdigest() == archive.read("sum").decode().strip()
    codebuild = gate.client("codebuild")
    assert codebuild.list_report_groups()["reportGroups"][0].endswith(":report-group/packs-unit")
    report = codebuild.batch_get_reports(reportArns=build["reportArns"])["reports"][0]
    assert (report["status"], report["testSummary"]["total"]) == ("FAILED", 2)
    cases = codebuild.describe_test_cases(reportArn=report["arn"])["testCases"]
    assert [(c["name"], c["status"]) for c in cases] == [("good", "SUCCEEDED"), ("bad", "FAILED")]
    # Without a zip archive every file is an object.
    plain = artifacts | {"packaging": "NONE", "name": "plain", "overrideArtifactName": False}
    kept = {"s3Logs": {"status": "ENABLED", "location": "builds/logs"}}
    build = over(gate, start(gate, "packs", artifactsOverride=plain, logsConfigOverride=kept))
    assert build["buildStatus"] == "SUCCEEDED", build["phases"]
    key = f"logs/{build['id'].split(':')[1]}.gz"
    text = gzip.decompress(s3.get_object(Bucket="builds", Key=key)["Body"].read()).decode()
    assert "Phase complete: POST_BUILD State: SUCCEEDED" in text
    assert s3.get_object(Bucket="builds", Key="out/plain/sub/ran")["Body"].read() == b"ran\n"


CACHED = """version: 0.2
phases:
  build:
    commands:
      - cat /root/kept/deep/one node/two 2>/dev/null || echo nothing is cached
      - mkdir -p /root/kept/deep node && echo first > /root/kept/deep/one && echo second > node/two
cache:
  paths:
    - /root/kept/**/*
    - node/**/*
"""


def test_a_cache_is_there_in_the_next_build(busybox):
    gate = busybox
    gate.client("s3").create_bucket(Bucket="caches")
    create(gate, "caches", CACHED)
    cache = {"type": "S3", "location": "caches/of"}
    gate.client("codebuild").update_project(name="caches", cache=cache)
    build = over(gate, start(gate, "caches"))
    assert build["buildStatus"] == "SUCCEEDED", build["phases"]
    said(gate, build["id"], "Successfully uploaded cache to s3://caches/of/caches/cache.tar")
    # The log has each command, too.
    assert log(gate, build).count("nothing is cached") == 2
    build = over(gate, start(gate, "caches"))
    said(gate, build["id"], "Successfully uploaded cache")
    assert "Successfully extracted cache" in log(gate, build)
    assert log(gate, build).count("nothing is cached") == 1


WAITS = """version: 0.2
phases:
  build:
    commands:
      - echo begun
      - while [ ! -e /tmp/go ] && [ ! -e "$CODEBUILD_SRC_DIR/go" ]; do sleep 0.1; done
      - echo went on
"""


def test_a_build_is_stopped(busybox):
    gate = busybox
    create(gate, "waits", WAITS)
    build = start(gate, "waits")
    said(gate, build, "\nbegun\n")
    gate.aws("codebuild", "stop-build", "--id", build)
    ended = over(gate, build)
    assert ended["buildStatus"] == "STOPPED"
    assert phases(ended)["BUILD"] == "STOPPED"
    # What cannot be pulled is told.
    create(gate, "pulls", WAITS, image=aws_name("none"))
    ended = over(gate, start(gate, "pulls"))
    assert phases(ended)["PROVISIONING"] == "FAILED", ended
    contexts = next(p for p in ended["phases"] if p["phaseType"] == "PROVISIONING")["contexts"]
    assert contexts[0]["statusCode"] == "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE"
    # Images of AWS's are named by the operator.
    create(gate, "curated", WAITS, image="aws/codebuild/standard:7.0")
    ended = over(gate, start(gate, "curated"))
    assert ended["buildStatus"] == "FAILED" and "build_images" in json.dumps(ended["phases"], default=str)


SURVIVES = """version: 0.2
phases:
  build:
    commands:
      - echo begun
      - n=0; while [ $n -lt 60 ]; do n=$((n + 1)); echo "line $n"; sleep 0.1; done
      - echo "went on"
  post_build:
    commands: [echo last]
"""


def test_a_build_survives_its_control_plane(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    create(gate, "survives", SURVIVES)
    build = start(gate, "survives")
    said(gate, build, "line 3\n")
    gate.kill()
    gate.start()
    ended = over(gate, build)
    assert ended["buildStatus"] == "SUCCEEDED", (ended["phases"], log(gate, ended))
    lines = [line for line in log(gate, ended).splitlines() if not line.startswith("[Container]")]
    assert lines.count("last") == 1 and "line 60" in lines
    # It has not run twice; a line may be told twice.
    assert list(dict.fromkeys(lines)).count("begun") == 1
    assert [line for line in lines if line.startswith("line 2")][-1] == "line 29"
    arn = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:build/{build}"
    assert shown(gate, arn)["id"] == build
