"""SQS through boto3, the aws CLI and the query protocol, and what kill -9 leaves of it."""

import concurrent.futures
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.exceptions import ClientError

from neargate import ACCOUNT, REGION, wait_until

NAMESPACE = "{http://queue.amazonaws.com/doc/2012-11-05/}"


def query(gate, path="/", **parameters):
    """A call as clients before the JSON protocol make it."""
    form = urllib.parse.urlencode({"Version": "2012-11-05", **parameters})
    request = urllib.request.Request(gate.url + path, form.encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, ElementTree.fromstring(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, ElementTree.fromstring(error.read())


def text(tree, name):
    return tree.find(f".//{NAMESPACE}{name}").text


def drained(sqs, url):
    """All messages that can be received, deleted: ids and bodies."""
    found = []
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not got:
            return found
        found += [(m["MessageId"], m["Body"]) for m in got]
        entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)]
        assert not sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def test_keys_of_kms_seal_topics_and_queues(gate):
    sqs, sns, kms = (gate.client(name) for name in ("sqs", "sns", "kms"))
    attributes = {"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "60"}
    url = sqs.create_queue(QueueName="sealed", Attributes=attributes)["QueueUrl"]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["KmsMasterKeyId"] == "alias/aws/sqs" and shown["SqsManagedSseEnabled"] == "false"
    key = kms.create_key()["KeyMetadata"]["Arn"]
    topic = sns.create_topic(Name="sealed", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=shown["QueueArn"],
                  Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="by way of two keys")
    got = wait_until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages"), 30, "it arrives")
    assert got[0]["Body"] == "by way of two keys"
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=other)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": other})
    with pytest.raises(ClientError, match="KmsDisabled|KMS.Disabled"):
        sqs.send_message(QueueUrl=url, MessageBody="no")


def test_a_message_goes_through(gate):
    sqs = gate.client("sqs")
    url = sqs.create_queue(QueueName="jobs", tags={"team": "web"})["QueueUrl"]
    assert url == f"{gate.url}/{ACCOUNT}/jobs"
    attributes = {"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\0\1"}}
    # boto3 checks the digests of both.
    sqs.send_message(QueueUrl=url, MessageBody="häll <&>\r\n", MessageAttributes=attributes)
    got = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"][0]
    assert (got["Body"], got["MessageAttributes"]) == ("häll <&>\r\n", attributes)
    assert got["Attributes"]["ApproximateReceiveCount"] == "1"
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    other_host = url.replace(gate.url, "http://sqs.us-east-1.localhost.localstack.cloud:4566")
    got = sqs.receive_message(QueueUrl=other_host)["Messages"][0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    shown = gate.aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert shown["ApproximateNumberOfMessages"] == "0"
    assert shown["QueueArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"
    assert sqs.list_queues()["QueueUrls"] == [url]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "web"}
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as missing:
        sqs.get_queue_url(QueueName="none")
    assert missing.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    with pytest.raises(ClientError) as bad:
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11)
    assert bad.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_the_query_protocol(gate):
    parameters = {"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "7", "Tag.1.Key": "a", "Tag.1.Value": "b"}
    status, made = query(gate, Action="CreateQueue", QueueName="old", **parameters)
    assert (status, made.tag) == (200, f"{NAMESPACE}CreateQueueResponse")
    assert text(made, "QueueUrl") == f"{gate.url}/{ACCOUNT}/old"
    path = f"/{ACCOUNT}/old"
    message = {"MessageAttribute.1.Name": "x", "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": "y"}
    _, sent = query(gate, path, Action="SendMessage", MessageBody="hi", **message)
    assert text(sent, "MD5OfMessageBody") == "49f68a5c8493ec2c0bf489821c21fc3b"
    _, got = query(gate, path, Action="ReceiveMessage", **{"AttributeName.1": "All", "MessageAttributeName.1": "All"})
    assert text(got, "Body") == "hi"
    assert text(got, "MessageAttribute/" + NAMESPACE + "Name") == "x"
    names = [n.text for n in got.findall(f".//{NAMESPACE}Attribute/{NAMESPACE}Name")]
    assert "SentTimestamp" in names
    status, _ = query(gate, path, Action="DeleteMessage", ReceiptHandle=text(got, "ReceiptHandle"))
    assert status == 200
    _, shown = query(gate, path, Action="GetQueueAttributes", **{"AttributeName.1": "VisibilityTimeout"})
    assert text(shown, "Attribute/" + NAMESPACE + "Value") == "7"
    batch = {"SendMessageBatchRequestEntry.1.Id": "a", "SendMessageBatchRequestEntry.1.MessageBody": "1"}
    _, sent = query(gate, path, Action="SendMessageBatch", **batch)
    assert text(sent, "SendMessageBatchResultEntry/" + NAMESPACE + "Id") == "a"
    status, error = query(gate, f"/{ACCOUNT}/none", Action="ReceiveMessage")
    assert (status, text(error, "Code")) == (400, "AWS.SimpleQueueService.NonExistentQueue")


def test_whoever_waits_is_woken(gate):
    sqs = gate.client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        started = time.monotonic()
        waits = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        gate.client("sqs").send_message(QueueUrl=url, MessageBody="x")
        assert waits.result()["Messages"][0]["Body"] == "x"
        assert time.monotonic() - started < 15


def test_dead_letters_go_and_come_back(gate):
    sqs = gate.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = sqs.create_queue(QueueName="jobs", Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})["QueueUrl"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    count = lambda of: sqs.get_queue_attributes(QueueUrl=of, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
    assert (count(url), count(dead)) == ("0", "1")
    sqs.start_message_move_task(SourceArn=arn)
    status = lambda: sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]
    wait_until(lambda: status()["Status"] == "COMPLETED")
    assert status()["ApproximateNumberOfMessagesMoved"] == 1
    assert (count(url), count(dead)) == ("1", "0")


def test_kill_9_loses_and_repeats_nothing(own_gate):
    gate = own_gate
    sqs = gate.client("sqs")
    url = sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    fifo = sqs.create_queue(QueueName="jobs.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "1"})["QueueUrl"]
    sent, deleted, gone, lock, stop = set(), set(), set(), threading.Lock(), threading.Event()

    def send(worker):
        client, number = gate.client("sqs"), 0
        while not stop.is_set():
            body = f"{worker}-{number}"
            number += 1
            try:
                client.send_message(QueueUrl=url, MessageBody=body)
                client.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId=str(worker), MessageDeduplicationId=body)
            except Exception:
                continue
            with lock:
                sent.add(body)

    def work():
        client = gate.client("sqs")
        while not stop.is_set():
            try:
                for message in client.receive_message(QueueUrl=url).get("Messages", []):
                    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    with lock:
                        # A send whose answer was lost is tried again by the client: one body, two messages.
                        assert message["MessageId"] not in gone, "a deleted message came back"
                        gone.add(message["MessageId"])
                        deleted.add(message["Body"])
            except AssertionError:
                raise
            except Exception:
                continue

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(send, n) for n in range(2)] + [pool.submit(work) for _ in range(2)]
        for _ in range(3):
            before = len(sent)
            wait_until(lambda: len(sent) > before + 20)
            gate.kill()
            gate.start()
        stop.set()
        for worker in workers:
            worker.result()
    left = set()

    def all_there():
        left.update(drained(sqs, url))
        return sent <= {body for _, body in left} | deleted

    wait_until(all_there)
    assert not {id for id, _ in left} & gone, "a deleted message came back"
    order = {}

    def all_in_order():
        for _, body in drained(sqs, fifo):
            worker, number = body.split("-")
            order.setdefault(worker, []).append(int(number))
        return sent <= {f"{w}-{n}" for w, numbers in order.items() for n in numbers}

    wait_until(all_in_order)
    for numbers in order.values():
        assert numbers == sorted(set(numbers))
