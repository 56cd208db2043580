"""Requests a second and latency of ECS calls, at 1 and 16 clients on kept connections, beside moto's
server, the mock that people test against."""

import concurrent.futures
import json
import time

import boto3

import images
from calls import Calls, headers
from neargate import REGION, ROLE, ROOT, free_port, wait_until
from place import output
from report import Table, median, percentile
from samples import stamp_layout

CLIENTS = (1, 16)
IDLE = 10
NOTES = {
    "RunTask": [
        "Python threads (the others: wrk with one thread). neargate's answer is durable, and its tasks "
        "really start meanwhile, on the same CPUs; moto runs nothing and keeps nothing.",
    ],
    "DescribeTasks": ["One of ten running tasks."],
    "ListTasks": ["Ten running tasks."],
    "RegisterTaskDefinition": ["neargate's answer is durable."],
}

DONE = """
done = function(summary, latency)
  io.write(string.format("RESULT %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status + summary.errors.read + summary.errors.timeout + summary.errors.connect))
end
"""


def lua(text):
    return "[==[" + text + "]==]"


def wrk(place, contender, operation, body, clients, seconds):
    """One wrk run: (requests/s, p50 ms, p99 ms)."""
    script = place.path() / f"{operation}.lua"
    lines = ['wrk.method = "POST"', f"wrk.body = {lua(json.dumps(body))}"]
    lines += [f"wrk.headers[ {lua(k)} ] = {lua(v)}" for k, v in headers(operation).items()]
    script.write_text("\n".join(lines) + DONE)
    out = output("wrk", "-t", 1, "-c", clients, "-d", f"{seconds}s", "-s", script, contender.url + "/")
    result = next(line for line in out.splitlines() if line.startswith("RESULT")).split()
    if int(result[4]) > 0:
        raise RuntimeError(f"{operation}: {result[4]} of the calls failed")
    return tuple(map(float, result[1:4]))


def network(url):
    ec2 = boto3.client(
        "ec2", endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    return {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}


class Ours:
    name = "neargate"

    def __init__(self, place):
        gate = place.neargate()
        self.url, self.port = gate.url, gate.port
        images.push(gate, stamp_layout(place), "stamp")
        self.network = network(self.url)
        self.runs = True


class Moto:
    """A mock of the API, in Python: it keeps what it is told in memory and runs nothing."""

    name = "moto"

    def __init__(self, place):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        server = ROOT / "target/bench/moto/bin/moto_server"
        place.daemon("moto", [server, "-H", "127.0.0.1", "-p", str(self.port)], self.ready)
        self.network = network(self.url)
        Calls(self.port).call("CreateCluster")
        self.runs = False

    def ready(self):
        try:
            return Calls(self.port).call("ListClusters")
        except (OSError, RuntimeError):
            return None


def definition(family, command):
    """A task definition as people write them."""
    return {
        "family": family, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512", "executionRoleArn": ROLE,
        "containerDefinitions": [
            {
                "name": "app", "image": images.aws_name("stamp"), "command": command,
                "essential": True, "memory": 512,
                "portMappings": [{"containerPort": 80, "protocol": "tcp"}],
                "environment": [{"name": f"NAME_{i}", "value": f"value {i}"} for i in range(5)],
                "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
            }
        ],
    }


def start(calls, contender, family, count=1):
    answer = calls.call(
        "RunTask", taskDefinition=family, launchType="FARGATE", count=count,
        networkConfiguration=contender.network,
    )
    if answer["failures"]:
        raise RuntimeError(f"RunTask: {answer['failures']}")
    return [task["taskArn"] for task in answer["tasks"]]


def run_task(contender, clients, count):
    """RunTask by `clients` threads; the tasks start meanwhile. (requests/s, p50 ms, p99 ms)"""
    kept = [Calls(contender.port) for _ in range(clients)]

    def worker(calls):
        times = []
        for _ in range(count // clients):
            begun = time.monotonic()
            start(calls, contender, "stamp")
            times.append((time.monotonic() - begun) * 1e3)
        return times

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        begun = time.monotonic()
        times = [t for found in pool.map(worker, kept) for t in found]
        rate = len(times) / (time.monotonic() - begun)
    # The next measurement begins with only the idle tasks.
    while contender.runs and len(kept[0].call("ListTasks")["taskArns"]) > IDLE:
        time.sleep(0.1)
    return rate, percentile(times, 50), percentile(times, 99)


def prepare(contender):
    """Registers, and starts ten idle tasks; answers the wrk bodies."""
    calls = Calls(contender.port)
    calls.call("RegisterTaskDefinition", **definition("stamp", ["/stamp"]))
    calls.call("RegisterTaskDefinition", **definition("idle", ["/bin/busybox", "sleep", "100000"]))
    arns = start(calls, contender, "idle", IDLE)

    def running():
        found = calls.call("DescribeTasks", tasks=arns)["tasks"]
        return all(task["lastStatus"] == "RUNNING" for task in found)

    if contender.runs:  # moto moves a task on with every DescribeTasks instead
        wait_until(running, what="the idle tasks are RUNNING")
    return {
        "DescribeTasks": {"tasks": arns[:1]},
        "ListTasks": {},
        "RegisterTaskDefinition": definition("registered", ["/stamp"]),
    }


def run(place):
    place.need("wrk")
    contenders = [Ours(place), Moto(place)]
    bodies = [prepare(c) for c in contenders]
    seconds, results = place.count(5, 1), {}
    for _ in range(place.count(3, 1)):
        for operation in bodies[0]:
            for clients in CLIENTS:
                for c, body in zip(contenders, bodies):
                    found = wrk(place, c, operation, body[operation], clients, seconds)
                    results.setdefault((c.name, operation, clients), []).append(found)
    # Last, for moto's tasks never end.
    for _ in range(place.count(3, 1)):
        for clients in CLIENTS:
            for c in contenders:
                found = run_task(c, clients, place.count(160, 16))
                results.setdefault((c.name, "RunTask", clients), []).append(found)

    for operation in ("RunTask", *bodies[0]):
        table = Table(f"ECS {operation}", [
            column for clients in CLIENTS for column in (
                (f"{clients} client{'s' * (clients > 1)}", "requests/s", "high"), ("p50", "ms", "low"), ("p99", "ms", "low")
            )
        ])
        for c in contenders:
            values = [median(v) for clients in CLIENTS for v in zip(*results[c.name, operation, clients])]
            table.row(c.name, *values)
        table.samples = {f"{name} {clients}": v for (name, o, clients), v in results.items() if o == operation}
        table.notes = NOTES[operation]
        yield table
