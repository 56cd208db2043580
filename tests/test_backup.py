"""`neargate backup`, `restore`, `upgrade --check` and `doctor`, on a real Neargate."""

import json
import shutil
import socket
import subprocess

import images
from neargate import BINARY, ROLE, wait_until
from people import environment, neargate
from tasks import answer_of, container
from test_deploy import PAGE


def run(*words, code=0):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def made(gate):
    """What is described of what the test makes."""
    queue = gate.client("sqs").get_queue_url(QueueName="orders")["QueueUrl"]
    return {
        "repositories": [r["repositoryName"] for r in gate.client("ecr").describe_repositories()["repositories"]],
        "image": gate.client("ecr").describe_images(repositoryName="busybox")["imageDetails"][0]["imageDigest"],
        "parameter": gate.client("ssm").get_parameter(Name="/a", WithDecryption=True)["Parameter"]["Value"],
        "object": gate.client("s3").get_object(Bucket="kept", Key="k")["Body"].read(),
        "messages": gate.client("sqs").get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"],
        "services": gate.client("ecs").list_services(cluster="default")["serviceArns"],
    }


def test_what_was_made_is_there_after_a_restore(make_gate, layout, tmp_path):
    gate = make_gate()
    gate.start()
    images.push(gate, layout, "busybox")
    gate.client("ssm").put_parameter(Name="/a", Value="secret", Type="SecureString")
    gate.client("s3").create_bucket(Bucket="kept")
    gate.client("s3").put_object(Bucket="kept", Key="k", Body=b"bytes" * 10_000)
    url = gate.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
    gate.client("sqs").send_message(QueueUrl=url, MessageBody="one")
    file = tmp_path / "web.yaml"
    app = container(command=["sh", "-c", PAGE.format(page="kept")], portMappings=[{"containerPort": 80}], stopTimeout=2)
    file.write_text(json.dumps({
        "taskDefinition": {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
                           "memory": "512", "executionRoleArn": ROLE, "containerDefinitions": [app]},
        "service": {"serviceName": "web", "desiredCount": 1},
    }))
    neargate(gate, "deploy", str(file), timeout=120)
    before = made(gate)

    backup = tmp_path / "backup.tar.zst"
    said = run("backup", backup, "--data", gate.data).stdout
    assert "the API paused for" in said
    assert backup.stat().st_mode & 0o777 == 0o600
    assert made(gate) == before, "it goes on"
    assert "there: give --force" in run("backup", backup, "--data", gate.data, code=1).stderr
    assert "end it first" in run("restore", backup, "--data", gate.data, code=1).stderr

    gate.stop()
    gate.cli("down")
    assert "give --force" in run("restore", backup, "--data", gate.data, code=1).stderr
    shutil.rmtree(gate.data)
    assert "what Neargate" in run("restore", backup, "--data", gate.data).stdout
    gate.start()
    assert made(gate) == before
    # The task is of a host that is gone: the service starts another, of the image that was kept.
    def page():
        rows = json.loads(neargate(gate, "ps", "--service", "web", "--output", "json").stdout)
        addresses = [r["address"] for r in rows if r["lastStatus"] == "RUNNING" and r["address"]]
        try:
            return addresses and answer_of(f"http://{addresses[0]}/") == b"kept\n"
        except OSError:
            # A task of before, which nobody has seen end yet.
            return False

    wait_until(page, what="the service's task runs again")


def test_a_downgrade_is_refused(make_gate):
    gate = make_gate()
    gate.start()
    gate.stop()
    run("upgrade", "--check", "--data", gate.data)
    (gate.data / "written-by").write_text("99.0.0\n")
    said = run("upgrade", "--check", "--data", gate.data, code=1).stderr
    assert "Neargate 99.0.0 has run on" in said
    done = gate.cli("up")
    assert done.returncode == 1 and "Neargate 99.0.0 has run on" in done.stderr
    (gate.data / "written-by").unlink()


def test_the_doctor_sees_this_host_and_a_taken_port(gate, tmp_path):
    done = subprocess.run([BINARY, "doctor", "--json"], capture_output=True, text=True, env=environment())
    said = json.loads(done.stdout)
    levels = {finding["check"]: finding["level"] for finding in said["findings"]}
    for check in ["root", "kernel", "cgroups", "overlay", "nftables", "port"]:
        assert levels[check] in ("good", "note"), said
    gate.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((gate.host, gate.port))
        taken.listen()
        done = run("doctor", "--data", tmp_path, "--listen", f"{gate.host}:{gate.port}", code=1)
        assert f"{gate.port} cannot be had" in done.stdout
        assert "Neargate cannot run here: 1 thing(s) are wrong." in done.stdout
    gate.start()
