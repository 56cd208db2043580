"""Neargate as a contender: one-shot Fargate tasks of 1 vCPU and 2 GiB that log through awslogs."""

import time

import tasks
from calls import Calls
from neargate import wait_until

GROUP = "/bench"
POLL_SECONDS = 0.01


class Fargate:
    name = "neargate"

    def __init__(self, gate):
        self.gate = gate
        self.network = tasks.network(gate)
        self.logs = gate.client("logs")

    def register(self, family, image, *command):
        # 1 vCPU and 2 GiB: a smaller quota would throttle the start itself, here as at the peers.
        container = tasks.container(image=image, command=list(command), group=GROUP)
        tasks.register(self.gate, container, family=family, cpu="1024", memory="2048")

    def start(self, calls, family, count=1):
        answer = calls.call(
            "RunTask", taskDefinition=family, launchType="FARGATE", count=count,
            networkConfiguration=self.network,
        )
        if answer["failures"]:
            raise RuntimeError(f"RunTask: {answer['failures']}")
        return [task["taskArn"] for task in answer["tasks"]]

    def describe(self, calls, arn):
        return calls.call("DescribeTasks", tasks=[arn])["tasks"][0]

    def wait(self, calls, arn, status, seconds=120):
        deadline = time.monotonic() + seconds
        while True:
            task = self.describe(calls, arn)
            if task["lastStatus"] == status:
                return task
            if task["lastStatus"] == "STOPPED" or time.monotonic() > deadline:
                raise RuntimeError(f"the task is not {status}: {task}")
            time.sleep(POLL_SECONDS)

    def run(self, calls, family):
        """Runs a task to its end; answers its ARN and its exit code."""
        [arn] = self.start(calls, family)
        task = self.wait(calls, arn, "STOPPED")
        if task["containers"][0].get("exitCode") != 0:
            raise RuntimeError(f"the task failed: {task}")
        return arn

    def stamp(self, arn):
        """What /stamp printed: when it ran, in nanoseconds."""
        stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"

        def lines():
            return tasks.messages(self.gate, GROUP, stream)

        return int(wait_until(lines, what="the task's log line is there")[0])

    def calls(self):
        return Calls(self.gate.port)
