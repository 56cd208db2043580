"""What is left of a busy hour: idle, then tasks and services that come and go, then idle again.

    benches/soak.py [--tasks 500] [--services 200] [--settle 90]        (as root, in a network namespace)

Prints memory, threads, open files, disk and the time to start, before, after, and after a restart.
Not in CI: it takes minutes, and its figures are to be read.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import images  # noqa: E402
import tasks  # noqa: E402
from neargate import BINARY, Neargate, wait_until  # noqa: E402

GROUP = "/soak"


def start(gate):
    """Milliseconds until it was ready, as it says itself: loading the program is not counted."""
    path = gate.directory / "neargate.log"
    with open(path, "ab") as log:
        before = log.tell()
        gate.process = subprocess.Popen(gate.command("up"), stdout=log, stderr=log)
    ready = re.compile(rb"is ready on \S+ after (\d+) ms")
    said = wait_until(lambda: gate.ready() and ready.search(path.read_bytes()[before:]), 60, "neargate is ready")
    return int(said[1])


def disk_kib(path):
    return int(subprocess.run(["du", "-sk", path], capture_output=True, text=True).stdout.split()[0])


def figures(gate):
    status = pathlib.Path(f"/proc/{gate.process.pid}/status").read_text()
    value = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if len(line.split()) > 1}
    parts = {name: disk_kib(gate.data / name) for name in ("state.redb", "logs", "node", "containers", "blobs")}
    return {
        "RSS MiB": int(value["VmRSS"]) // 1024,
        "threads": int(value["Threads"]),
        "open files": len(os.listdir(f"/proc/{gate.process.pid}/fd")),
        "disk MiB": disk_kib(gate.data) // 1024,
        **{f"{name} KiB": size for name, size in parts.items()},
    }


def show(what, found, millis=None):
    timing = "" if millis is None else f"start {millis} ms, "
    print(f"{what}: {timing}" + ", ".join(f"{name} {value}" for name, value in found.items()), flush=True)


def some(count, at_once):
    return (min(at_once, count - done) for done in range(0, count, at_once))


def run_tasks(gate, count):
    ecs, network = gate.client("ecs"), tasks.network(gate)
    noisy = tasks.container(command=["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo line $i; done"], group=GROUP)
    tasks.register(gate, noisy, family="task")
    for number in some(count, 10):
        answer = ecs.run_task(
            taskDefinition="task", count=number, launchType="FARGATE", networkConfiguration=network)
        arns = [task["taskArn"] for task in answer["tasks"]]
        ended = lambda: all(t["lastStatus"] == "STOPPED" for t in ecs.describe_tasks(tasks=arns)["tasks"])
        wait_until(ended, 120, "the tasks have ended")


def run_services(gate, count):
    ecs, network = gate.client("ecs"), tasks.network(gate)
    large = [{"name": f"V{n}", "value": "x" * 500} for n in range(40)]
    service = tasks.container(command=["sleep", "1000"], stopTimeout=2, environment=large)
    made = 0
    for number in some(count, 20):
        names = [f"s{made + n}" for n in range(number)]
        made += number
        for name in names:
            tasks.register(gate, service, family=name)
            ecs.create_service(
                serviceName=name, taskDefinition=name, desiredCount=1, launchType="FARGATE",
                networkConfiguration=network)
        for group in (names[:10], names[10:]):
            running = lambda: all(
                s["runningCount"] == 1 for s in ecs.describe_services(services=group)["services"])
            wait_until(running, 120, "the services run")
        for name in names:
            ecs.delete_service(service=name, force=True)
            revision = ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]["taskDefinitionArn"]
            ecs.deregister_task_definition(taskDefinition=revision)
            ecs.delete_task_definitions(taskDefinitions=[revision])
    wait_until(lambda: not ecs.list_tasks()["taskArns"], 120, "every task has ended")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--tasks", type=int, default=500)
    options.add_argument("--services", type=int, default=200)
    options.add_argument("--settle", type=int, default=90, help="seconds of quiet before the second look")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="neargate-soak-") as directory:
        directory = pathlib.Path(directory)
        gate = Neargate(directory)
        print(f"{BINARY}: {asked.tasks} tasks, {asked.services} services")
        first = start(gate)
        try:
            layout = images.Layout(directory / "layout")
            image = layout.write(layout.image([images.busybox_layer()]))
            images.push(gate, image, "busybox")
            run_tasks(gate, 1)
            time.sleep(5)
            show("idle", figures(gate), first)
            begun = time.monotonic()
            run_tasks(gate, asked.tasks)
            run_services(gate, asked.services)
            gate.client("logs").delete_log_group(logGroupName=GROUP)
            show(f"after {time.monotonic() - begun:.0f} s of use", figures(gate))
            gate.kill()
            again = start(gate)
            show("killed at once, started", figures(gate), again)
            time.sleep(asked.settle)
            show(f"{asked.settle} s later", figures(gate))
            gate.stop()
            again = start(gate)
            show("stopped, started", figures(gate), again)
            gate.reset()
            time.sleep(asked.settle)
            show(f"all forgotten, {asked.settle} s later", figures(gate))
        finally:
            gate.destroy()


if __name__ == "__main__":
    main()
