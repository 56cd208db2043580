"""The commands for people, as a person at the same machine types them."""

import json
import os
import subprocess

from neargate import BINARY, wait_until


def environment():
    """Without what would lead elsewhere."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NEARGATE_"))}


def command(gate, *words):
    return [BINARY, *words, "--listen", f"{gate.host}:{gate.port}", "--data", str(gate.data), *gate.flags]


def neargate(gate, *words, code=0, timeout=60, **more):
    """Runs `neargate WORDS`; answers what it printed."""
    done = subprocess.run(
        command(gate, *words), capture_output=True, text=True, timeout=timeout, env=environment(), **more
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def as_json(gate, *words, **more):
    return json.loads(neargate(gate, *words, "--output", "json", **more).stdout)


def start(gate, *words):
    """Starts a command that goes on."""
    return subprocess.Popen(
        command(gate, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )


def instances(gate, cluster=None):
    named = ["--cluster", cluster] if cluster else []
    return as_json(gate, "instance", "list", *named)


def add_instances(gate, *words):
    """Adds instances and waits until all of them run and are registered; answers their ids."""
    ids = neargate(gate, "instance", "add", *words).stdout.split()

    def running():
        states = {i["ec2InstanceId"]: i["state"] for i in instances(gate)}
        assert "FAILED" not in states.values(), instances(gate)
        return all(states[id] == "RUNNING" for id in ids)

    wait_until(running, what="the instances run")
    cluster = words[words.index("--cluster") + 1] if "--cluster" in words else "default"
    wait_until(lambda: set(ids) <= set(registered(gate, cluster)), what="the instances are registered")
    return ids


def registered(gate, cluster="default"):
    """The cluster's container instances, by EC2 instance id."""
    ecs = gate.client("ecs")
    arns = ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]
    if not arns:
        return {}
    found = ecs.describe_container_instances(cluster=cluster, containerInstances=arns)
    return {i["ec2InstanceId"]: i for i in found["containerInstances"]}
