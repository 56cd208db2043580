"""Files of variables in S3 (`environmentFiles`): read at the start as the execution role, kept off the disk."""

import uuid

import pytest

import images
import tasks
from tasks import container

GROUP = "/ecs/files"


@pytest.fixture
def bucket(gate, layout):
    images.push(gate, layout, "busybox")
    name = f"box-{uuid.uuid4().hex[:12]}"
    gate.client("s3").create_bucket(Bucket=name)
    return name


def files(bucket, *keys):
    return {"environmentFiles": [{"type": "s3", "value": f"arn:aws:s3:::{bucket}/{key}"} for key in keys]}


def put(gate, bucket, key, text):
    gate.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())


def printed(gate, task):
    return tasks.messages(gate, GROUP, f"ecs/app/{task['taskArn'].rsplit('/', 1)[1]}")


def test_variables_come_from_files(gate, bucket):
    put(gate, bucket, "first.env", "# a comment\nA=file\nB=first = one\n\nC=$A 'as it is'\n")
    put(gate, bucket, "dir/second.env", "B=second\nD=second\n")
    put(gate, bucket, "other.env", "D=other\n")
    app = container(
        command=["sh", "-c", 'echo "$A|$B|$C|$D"'],
        environment=[{"name": "A", "value": "own"}],
        group=GROUP,
        **files(bucket, "first.env", "dir/second.env"),
    )
    tasks.register(gate, app)
    task = tasks.ended(gate, tasks.run(gate))
    assert printed(gate, task) == ["own|first = one|$A 'as it is'|second"]
    # An override's files take the place of the definition's.
    override = {"name": "app", **files(bucket, "other.env")}
    task = tasks.ended(gate, tasks.run(gate, overrides={"containerOverrides": [override]}))
    assert printed(gate, task) == ["own|||other"]


def test_a_file_that_cannot_be_had_ends_the_task(gate, bucket):
    put(gate, bucket, "large.env", "A=" + "x" * (1 << 20))
    for key, why in [("none.env", "NoSuchKey"), ("large.env", "the file is larger than")]:
        tasks.register(gate, container(command=["true"], **files(bucket, key)))
        task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
        assert task["stopCode"] == "TaskFailedToStart"
        said = "ResourceInitializationError: failed to download env files: file download command: non empty error stream"
        assert task["stoppedReason"].startswith(said), task["stoppedReason"]
        assert why in task["stoppedReason"] or "Not Found" in task["stoppedReason"], task["stoppedReason"]


def test_a_file_is_named_as_one(gate, bucket):
    with pytest.raises(gate.client("ecs").exceptions.ClientException, match=r"\.env"):
        tasks.register(gate, container(**files(bucket, "settings.txt")))
