"""Secrets of container definitions: read at the start from both stores, kept off the disk, and in AWS's
words when one is missing."""

import hashlib
import json
import pathlib

import pytest

import images
import tasks
from neargate import wait_until
from tasks import container

PASSWORD = "correct-horse-battery-staple-9f31"
LIMIT = "unable to pull secrets or registry auth: execution resource retrieval failed: "


@pytest.fixture
def stores(gate, layout):
    """A secret and a parameter; the secret's ARN."""
    images.push(gate, layout, "busybox")
    value = json.dumps({"user": "app", "password": PASSWORD, "port": 5432})
    arn = gate.client("secretsmanager").create_secret(Name="db", SecretString=value)["ARN"]
    gate.client("ssm").put_parameter(Name="/app/token", Value=PASSWORD, Type="SecureString")
    return arn


def is_digest_of(name):
    """A line of shell that ends well if the variable is the password, which it does not name."""
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    return f'[ "$(printf %s "${name}" | sha256sum | cut -d" " -f1)" = {digest} ]'


def named(**secrets):
    return {"secrets": [{"name": name, "valueFrom": of} for name, of in secrets.items()]}


def test_secrets_are_in_the_environment_and_nowhere_else(gate, stores):
    whole = f'[ "${{#WHOLE}}" -gt 40 ] && [ "$PORT" = 5432 ] && {is_digest_of("PASSWORD")}'
    line = f"{whole} && {is_digest_of('TOKEN')} && {is_digest_of('BY_ARN')} && exec sleep 600"
    names = named(
        WHOLE=stores,
        PORT=f"{stores}:port::",
        PASSWORD=f"{stores}:password:AWSCURRENT:",
        TOKEN="/app/token",
        BY_ARN="arn:aws:ssm:us-east-1:000000000000:parameter/app/token",
    )
    check = {"command": ["CMD-SHELL", is_digest_of("TOKEN")], "interval": 5, "retries": 1}
    tasks.register(gate, container(command=["sh", "-c", line], stopTimeout=2, healthCheck=check, **names))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    # The health check sees them as well, so the container runs.
    wait_until(lambda: tasks.describe(gate, arn)["healthStatus"] == "HEALTHY", what="it is healthy")
    assert found(gate.data, PASSWORD) == []
    # Another agent takes the task over, which has them no more.
    gate.kill()
    gate.start()
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    assert found(gate.data, PASSWORD) == []


def found(directory, text):
    """The files under a directory that hold a text."""
    files = (path for path in pathlib.Path(directory).rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if "/layers/" not in str(path) and text.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("value_from", "words"),
    [
        (
            "arn:aws:secretsmanager:us-east-1:000000000000:secret:none-AbCdEf",
            "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret"
            " arn:aws:secretsmanager:us-east-1:000000000000:secret:none-AbCdEf from secrets manager:"
            " ResourceNotFoundException: Secrets Manager can't find the specified secret.",
        ),
        (
            "/app/none",
            "unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters:"
            " /app/none",
        ),
        (
            "{}:none::",
            "unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from"
            " Secrets Manager did not contain json key none",
        ),
    ],
)
def test_a_task_without_its_secret_never_runs(gate, stores, value_from, words):
    names = named(MISSING=value_from.format(stores))
    tasks.register(gate, container(command=["true"], **names))
    arn = tasks.run(gate)
    task = wait_until(lambda: (t := tasks.describe(gate, arn))["lastStatus"] == "STOPPED" and t, what="it stops")
    assert task["stoppedReason"] == f"ResourceInitializationError: {LIMIT}{words}"
    assert task["stopCode"] == "TaskFailedToStart"
    assert "exitCode" not in task["containers"][0]
