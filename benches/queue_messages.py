"""Messages a second through a queue: sends, receives with their deletes, alone and in batches of ten, by 1, 16 and 64 callers.

    queue_messages.py URL [URL ...]

Each URL is an endpoint that speaks SQS's JSON protocol (Neargate, moto's server, ElasticMQ); the endpoints are measured in turn, and the
median of the rounds is told. What is not durable at the peer is not made durable here.
"""

import base64
import http.client
import json
import statistics
import sys
import threading
import time
from urllib.parse import urlsplit

SECONDS = 4
ROUNDS = 3
BODY = "x" * 1000
CALLERS = (1, 16, 64)
SCOPE = "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"


class Caller:
    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def call(self, operation, **body):
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{operation}",
            "Authorization": SCOPE,
            "X-Amz-Date": "20260101T000000Z",
        }
        self.connection.request("POST", "/", json.dumps(body), headers)
        reply = self.connection.getresponse()
        answer = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{operation}: {reply.status} {answer[:200]!r}")
        return json.loads(answer) if answer else {}


def send(caller, queue):
    caller.call("SendMessage", QueueUrl=queue, MessageBody=BODY)
    return 1


def send_batch(caller, queue):
    entries = [{"Id": str(n), "MessageBody": BODY} for n in range(10)]
    caller.call("SendMessageBatch", QueueUrl=queue, Entries=entries)
    return 10


def take(caller, queue):
    got = caller.call("ReceiveMessage", QueueUrl=queue).get("Messages", [])
    for message in got:
        caller.call("DeleteMessage", QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return len(got)


def take_batch(caller, queue):
    got = caller.call("ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    if got:
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(got)]
        caller.call("DeleteMessageBatch", QueueUrl=queue, Entries=entries)
    return len(got)


def measure(url, queue, callers, step):
    counts, until = [0] * callers, time.monotonic() + SECONDS

    def work(at):
        caller = Caller(url)
        while time.monotonic() < until:
            counts[at] += step(caller, queue)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(callers)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - started)


def main(urls):
    figures = {}
    name = base64.b32encode(str(time.time_ns()).encode()).decode().strip("=")
    queues = {url: Caller(url).call("CreateQueue", QueueName=f"bench-{name}")["QueueUrl"] for url in urls}
    for _ in range(ROUNDS):
        for callers in CALLERS:
            for step in (send, take, send_batch, take_batch):
                for url in urls:
                    rate = measure(url, queues[url], callers, step)
                    figures.setdefault((url, callers, step.__name__), []).append(rate)
    for (url, callers, step), rates in figures.items():
        print(f"{url:28} {callers:3} callers {step:12} {statistics.median(rates):9.0f} messages/s")


if __name__ == "__main__":
    main(sys.argv[1:])
