"""CloudWatch Logs: events stored a second, and how long it takes to find and to count something in them, beside
what one would do with the same lines in a file: ripgrep (grep, where it is not there), and zgrep on what gzip makes
of it."""

import concurrent.futures
import json
import random
import shutil
import subprocess
import time

from calls import Calls
from report import Table, median

GROUP = "bench"
BATCH = 1_000_000
STREAMS = 4
PATHS = ["/", "/cart", "/checkout", "/login", "/search", "/api/v1/items", "/api/v1/users"]
RARE = "deadlock found in 0xfeedbeef"


def lines(megabytes, seed=1):
    """JSON lines of about 140 bytes, as a web server writes them."""
    rng, written, number = random.Random(seed), 0, 0
    while written < megabytes << 20:
        number += 1
        level = "ERROR" if rng.random() < 0.01 else "INFO"
        text = RARE if number % 200_000 == 0 else f"request {rng.getrandbits(64):016x}"
        line = json.dumps({"level": level, "path": rng.choice(PATHS), "status": rng.choice([200, 200, 200, 304, 404, 500]),
                           "ms": rng.randrange(1, 2000), "msg": text})
        written += len(line) + 1
        yield line


def batches(file):
    batch, size = [], 0
    for line in file:
        line = line.rstrip("\n")
        if size + len(line) + 26 > BATCH or len(batch) == 10_000:
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 26
    if batch:
        yield batch


def store(gate, path):
    """Stores a file by a few clients at once; answers events a second."""
    calls = [Calls(gate.port, "logs") for _ in range(STREAMS)]
    calls[0].call("CreateLogGroup", logGroupName=GROUP)
    for n in range(STREAMS):
        calls[0].call("CreateLogStream", logGroupName=GROUP, logStreamName=f"s{n}")
    start, count = int(time.time() * 1000) - 3_600_000, 0

    def put(numbered):
        number, batch = numbered
        at = start + number * 10
        events = [{"timestamp": at + i * 10 // len(batch), "message": m} for i, m in enumerate(batch)]
        body = {"logGroupName": GROUP, "logStreamName": f"s{number % STREAMS}", "logEvents": events}
        calls[number % STREAMS].call("PutLogEvents", **body)
        return len(batch)

    with open(path) as file, concurrent.futures.ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        for stored in pool.map(put, enumerate(batches(file))):
            count += stored
        return count / (time.monotonic() - began)


def query(gate, text):
    """How long a query takes, and what it finds."""
    calls, now = Calls(gate.port, "logs"), int(time.time())
    began = time.monotonic()
    started = calls.call("StartQuery", logGroupName=GROUP, startTime=now - 7200, endTime=now + 7200, queryString=text)
    while True:
        answer = calls.call("GetQueryResults", queryId=started["queryId"])
        if answer["status"] not in ("Scheduled", "Running"):
            break
        time.sleep(0.01)
    if answer["status"] != "Complete":
        raise RuntimeError(f"{text}: {answer['status']}")
    return time.monotonic() - began, answer["results"]


def command(*words):
    began = time.monotonic()
    found = subprocess.run(words, capture_output=True, text=True)
    if found.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {found.stderr}")
    return time.monotonic() - began, found.stdout


def run(place):
    place.need("gzip", "zgrep")
    megabytes = place.count(1024, 32)
    path = place.path() / "lines.json"
    with open(path, "w") as file:
        file.writelines(line + "\n" for line in lines(megabytes))
    subprocess.run(["gzip", "-1", "-k", path], check=True)
    packed = f"{path}.gz"
    gate = place.neargate()
    rate = store(gate, path)
    search = "rg" if shutil.which("rg") else "grep"
    rare = f'filter @message like "{RARE}" | stats count(*)'
    count = "filter level = 'ERROR' | stats count(*), avg(ms) by path"
    turns = place.count(3, 1)
    took = {name: {"rare": [], "count": []} for name in ("neargate", search, "zgrep")}
    for _ in range(turns):
        took["neargate"]["rare"].append(query(gate, rare)[0])
        took["neargate"]["count"].append(query(gate, count)[0])
        for name, file in ((search, str(path)), ("zgrep", packed)):
            took[name]["rare"].append(command(name, "-c", RARE, file)[0])
            took[name]["count"].append(command(name, "-c", '"level": "ERROR"', file)[0])
    table = Table(
        f"CloudWatch Logs: {megabytes} MiB of JSON lines",
        [("stored", "events/s", "high"), ("rare text", "s", "low"), ("JSON fields, grouped", "s", "low")],
        ["Events come by PutLogEvents in full batches from one Python process, and are durable when it answers. "
         f"{search} reads the file from the page cache; it and zgrep only count lines with `\"level\": \"ERROR\"` "
         "where Insights reads each line's JSON and groups."],
    )
    table.row("neargate", rate, median(took["neargate"]["rare"]), median(took["neargate"]["count"]))
    for name in (search, "zgrep"):
        table.row(name, None, median(took[name]["rare"]), median(took[name]["count"]))
    table.samples = took
    yield table
