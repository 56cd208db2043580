"""The start of an installation that has many live objects: clusters and task definitions."""

import threading
import time

from calls import Calls
from neargate import Neargate
from place import end
from report import Table, median
from start_up import memory_mib, neargate_up

CONNECTIONS = 8


def fill(port, count):
    """`count` objects, of which a tenth are clusters."""
    container = {
        "name": "app", "image": "app", "cpu": 10, "memory": 128, "essential": True,
        "environment": [{"name": f"NAME_{n}", "value": "value" * 4} for n in range(10)],
    }

    def some(first):
        calls = Calls(port)
        for n in range(first, count, CONNECTIONS):
            if n % 10:
                calls.call("RegisterTaskDefinition", family=f"family-{n % 1000}", containerDefinitions=[container])
            else:
                calls.call("CreateCluster", clusterName=f"cluster-{n}")

    threads = [threading.Thread(target=some, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run(place):
    table = Table("Start with live objects", [("restart", "ms", "low"), ("idle RSS", "MiB", "low")])
    for count in place.count((0, 10_000, 100_000), (0, 1_000)):
        gate = place.neargate(f"objects-{count}")
        fill(gate.port, count)
        end(gate.process)
        starts = [neargate_up(place, f"objects-{count}") * 1e3 for _ in range(3)]
        again = Neargate(place.path(f"objects-{count}"))
        again.start()
        time.sleep(2)
        idle, _ = memory_mib([again.process.pid])
        end(again.process)
        table.row(f"{count:,} objects", median(starts), idle)
    return [table]
