"""The commands for people, as a person at the same machine types them."""

import json
import os
import subprocess

from neargate import BINARY


def environment():
    """Without what would lead elsewhere."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NEARGATE_", "COLUMNS"))}


def command(gate, *words):
    return [BINARY, *words, "--listen", f"{gate.host}:{gate.port}", "--data", str(gate.data)]


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
    """Adds instances, which run and are ACTIVE in their cluster then; answers their ids."""
    ids = neargate(gate, "instance", "add", *words).stdout.split()
    cluster = words[words.index("--cluster") + 1] if "--cluster" in words else "default"
    there = registered(gate, cluster)
    for id in ids:
        assert there[id]["status"] == "ACTIVE" and there[id]["agentConnected"], there
    states = {i["ec2InstanceId"]: i["state"] for i in instances(gate)}
    assert all(states[id] == "RUNNING" for id in ids), states
    return ids


def registered(gate, cluster="default"):
    """The cluster's container instances, by EC2 instance id."""
    ecs = gate.client("ecs")
    arns = ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]
    if not arns:
        return {}
    found = ecs.describe_container_instances(cluster=cluster, containerInstances=arns)
    return {i["ec2InstanceId"]: i for i in found["containerInstances"]}


def auto_scaling_group(gate, name):
    """A group that keeps no instances; answers its ARN."""
    client = gate.client("autoscaling")
    client.create_launch_configuration(
        LaunchConfigurationName=name, ImageId="ami-12345678", InstanceType="t3.small")
    client.create_auto_scaling_group(
        AutoScalingGroupName=name, LaunchConfigurationName=name, MinSize=0, MaxSize=0,
        AvailabilityZones=["us-east-1a"])
    [group] = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return group["AutoScalingGroupARN"]
