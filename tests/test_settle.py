"""When a service's task counts as healthy, and what may not happen before."""

import time

import images
import tasks
from neargate import wait_until
from tasks import container
from test_services import SLEEP, create, describe, events, running

SETTLE = 4


def primary(gate):
    return describe(gate)["deployments"][0]


def complete(gate, definition, seconds=30):
    def right():
        found = primary(gate)
        return found["taskDefinition"] == definition and found["rolloutState"] == "COMPLETED"

    wait_until(right, seconds, "the deployment is complete")


def test_tasks_that_crash_replace_nothing_and_are_paced(make_gate, layout):
    gate = make_gate("--service-settle", f"{SETTLE}s")
    gate.start()
    images.push(gate, layout, "busybox")
    ecs = gate.client("ecs")
    good = tasks.register(gate, container(command=SLEEP))["taskDefinitionArn"]
    create(gate, count=2)
    wait_until(lambda: len(running(gate)) == 2, what="both run")
    # The time counts on while Neargate is dead.
    began = time.time()
    gate.kill()
    gate.start()
    assert primary(gate)["rolloutState"] == "IN_PROGRESS"
    complete(gate, good, SETTLE + 5)
    started = max(t["startedAt"].timestamp() for t in running(gate))
    assert time.time() - started >= SETTLE and time.time() - began < SETTLE + 10
    kept = {t["taskArn"] for t in running(gate)}
    told = len(events(gate))

    # One of two essential containers lives shorter than a task takes to count.
    short = container("short", command=["sleep", "1"])
    bad = tasks.register(gate, container(command=SLEEP), short)["taskDefinitionArn"]
    ecs.update_service(service="web", taskDefinition=bad)
    deadline = time.time() + 2 * SETTLE
    while time.time() < deadline:
        service = describe(gate)
        assert len(service["deployments"]) == 2, "services-stable wants one"
        assert primary(gate)["rolloutState"] == "IN_PROGRESS"
        assert kept <= {t["taskArn"] for t in running(gate)}
        time.sleep(0.1)
    assert primary(gate)["failedTasks"] >= 2
    new = events(gate)[told:]
    assert not any("steady state" in e for e in new) and len(new) < 12, new

    # Killed while the crashing tasks come and go, it gives none away either.
    gate.kill()
    gate.start()
    wait_until(lambda: kept <= {t["taskArn"] for t in running(gate)}, 10, "they are there")
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    ecs.update_service(service="web", taskDefinition=bad, deploymentConfiguration=breaker)
    complete(gate, good)
    assert {t["taskArn"] for t in running(gate)} == kept
    ecs.delete_service(service="web", force=True)
