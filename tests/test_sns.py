"""SNS through boto3 and the aws CLI: topics, endpoints that verify what they get, queues."""

import base64
import json
import re
import subprocess
import urllib.request

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from endpoint import endpoint
from neargate import ACCOUNT, BINARY, REGION, wait_until

ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}"


def test_topics_live_and_survive(gate):
    sns = gate.client("sns")
    made = sns.create_topic(Name="alarms", Attributes={"DisplayName": "Alarms"}, Tags=[{"Key": "team", "Value": "web"}])
    arn = made["TopicArn"]
    assert arn == f"{ARN}:alarms"
    assert gate.aws("sns", "create-topic", "--name", "orders.fifo", "--attributes", "FifoTopic=true") == {
        "TopicArn": f"{ARN}:orders.fifo"
    }
    gate.aws("sns", "set-topic-attributes", "--topic-arn", arn, "--attribute-name", "TracingConfig", "--attribute-value", "Active")
    gate.kill()
    gate.start()
    shown = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (shown["DisplayName"], shown["TracingConfig"], shown["Owner"]) == ("Alarms", "Active", ACCOUNT)
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "web"}]
    assert [t["TopicArn"] for t in sns.list_topics()["Topics"]] == [arn, f"{ARN}:orders.fifo"]
    sns.delete_topic(TopicArn=arn)
    with pytest.raises(ClientError) as missing:
        sns.get_topic_attributes(TopicArn=arn)
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert missing.value.response["Error"]["Code"] == "NotFound"
    assert missing.value.response["Error"]["Message"] == "Topic does not exist"


def test_what_is_not_built_says_so(gate):
    arn = gate.client("sns").create_topic(Name="alarms")["TopicArn"]
    subscribe = ("sns", "subscribe", "--topic-arn", arn, "--protocol", "sms", "--notification-endpoint", "+15551234567")
    said = gate.aws(*subscribe, check=False)
    assert said.returncode != 0
    assert "(NotImplemented)" in said.stderr and "protocol sms" in said.stderr


def printed(gate):
    """The certificate of the installation's authority."""
    command = [gate.binary, "authority", "print", "--listen", f"{gate.host}:{gate.port}", "--data", str(gate.data)]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def verified(gate, message):
    """The signature holds by the certificate at its URL, which the installation's authority vouches for."""
    fields = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    canonical = "".join(f"{name}\n{message[name]}\n" for name in fields if name in message)
    chain = urllib.request.urlopen(message["SigningCertURL"]).read()
    leaf, authority = x509.load_pem_x509_certificates(chain)
    digest = {"1": hashes.SHA1, "2": hashes.SHA256}[message["SignatureVersion"]]()
    signature = base64.b64decode(message["Signature"])
    leaf.public_key().verify(signature, canonical.encode(), padding.PKCS1v15(), digest)
    leaf.verify_directly_issued_by(authority)
    assert authority == x509.load_pem_x509_certificate(printed(gate))
    return True


def follow(link):
    """As a browser follows the link of a mail that another site shows: whoever does that is nobody here."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    return urllib.request.urlopen(urllib.request.Request(link, headers=headers)).read().decode()


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_endpoint_confirms_by_the_link_and_verifies(gate, version):
    sns = gate.client("sns")
    arn = sns.create_topic(Name="alarms", Attributes={"SignatureVersion": version})["TopicArn"]
    with endpoint() as (url, seen):
        made = sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
        assert made["SubscriptionArn"] == "pending confirmation"
        wait_until(lambda: seen, what="the confirmation is asked for")
        headers, body = seen[0]
        asked = json.loads(body)
        assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
        assert verified(gate, asked)
        answer = follow(asked["SubscribeURL"])
        confirmed = re.search("<SubscriptionArn>(.*)</SubscriptionArn>", answer)[1]
        assert confirmed.startswith(f"{arn}:")
        sns.publish(TopicArn=arn, Message="hällo", Subject="greetings", MessageAttributes={"a": {"DataType": "Number", "StringValue": "1"}})
        wait_until(lambda: len(seen) > 1, what="the message arrives")
        headers, body = seen[1]
        message = json.loads(body)
        assert headers["x-amz-sns-subscription-arn"] == confirmed
        assert (message["Message"], message["Subject"], message["SignatureVersion"]) == ("hällo", "greetings", version)
        assert message["MessageAttributes"] == {"a": {"Type": "Number", "Value": "1"}}
        assert verified(gate, message)
        changed = json.dumps({**message, "Message": "other"})
        with pytest.raises(InvalidSignature):
            verified(gate, json.loads(changed))
        follow(message["UnsubscribeURL"])
        assert sns.list_subscriptions()["Subscriptions"] == []
        wait_until(lambda: len(seen) > 2, what="the endpoint is told that it is unsubscribed")
        told = json.loads(seen[2][1])
        assert told["Type"] == "UnsubscribeConfirmation" and verified(gate, told)


def test_what_was_published_is_delivered_after_a_kill(gate):
    sns = gate.client("sns")
    arn = sns.create_topic(Name="alarms")["TopicArn"]
    policy = {"healthyRetryPolicy": {"numRetries": 100, "minDelayTarget": 1, "maxDelayTarget": 1}}
    with endpoint([200] + [503] * 5 + [200]) as (url, seen):
        sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=url, Attributes={"DeliveryPolicy": json.dumps(policy)})
        wait_until(lambda: seen, what="the confirmation is asked for")
        sns.confirm_subscription(TopicArn=arn, Token=json.loads(seen[0][1])["Token"])
        sns.publish(TopicArn=arn, Message="once")
        wait_until(lambda: len(seen) > 1, what="it is tried")
        gate.kill()
        gate.start()
        # Until it is taken: five attempts fail.
        wait_until(lambda: len(seen) > 6, what="it is delivered")
        assert {json.loads(body)["Message"] for _, body in seen[1:]} == {"once"}


def mails(gate):
    """Those that lie in the outbox, the oldest first."""
    listed = json.loads(gate.cli("mail", "--json").stdout)
    return [json.loads(gate.cli("mail", "show", mail["id"], "--json").stdout) for mail in reversed(listed)]


def test_an_alarm_mails_who_followed_the_link(gate):
    sns, cloudwatch = gate.client("sns"), gate.client("cloudwatch")
    arn = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="operator@example.com")
    [asked] = wait_until(lambda: mails(gate), what="the mail with the link")
    assert asked["subject"] == "AWS Notification - Subscription Confirmation"
    link = next(link for link in asked["links"] if "ConfirmSubscription" in link)
    assert arn in urllib.request.urlopen(link).read().decode()
    cloudwatch.put_metric_alarm(
        AlarmName="errors", Namespace="shop", MetricName="errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", AlarmActions=[arn], TreatMissingData="ignore",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    told = wait_until(lambda: mails(gate)[1:], what="the alarm's mail")[0]
    assert told["subject"].startswith('ALARM: "errors"')
    link = next(link for link in told["links"] if "Unsubscribe" in link)
    urllib.request.urlopen(link).read()
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []


def test_what_became_of_deliveries_is_logged(gate):
    sns, logs = gate.client("sns"), gate.client("logs")
    role = f"arn:aws:iam::{ACCOUNT}:role/feedback"
    told = {"HTTPSuccessFeedbackRoleArn": role, "HTTPSuccessFeedbackSampleRate": "100", "HTTPFailureFeedbackRoleArn": role}
    arn = sns.create_topic(Name="alarms", Attributes=told)["TopicArn"]
    with endpoint([200, 200, 404]) as (url, seen):
        sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
        wait_until(lambda: seen, what="the confirmation is asked for")
        sns.confirm_subscription(TopicArn=arn, Token=json.loads(seen[0][1])["Token"])
        taken, refused = [sns.publish(TopicArn=arn, Message=text)["MessageId"] for text in ["a", "b"]]

        def logged(group):
            groups = [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePrefix="sns/")["logGroups"]]
            if group not in groups:
                return []
            found = logs.filter_log_events(logGroupName=group)["events"]
            return [json.loads(event["message"]) for event in found]

        group = f"sns/{REGION}/{ACCOUNT}/alarms"
        ids = {taken, refused}
        good = wait_until(lambda: [e for e in logged(group) if e["notification"]["messageId"] in ids], what="a success is logged")
        bad = wait_until(lambda: logged(f"{group}/Failure"), what="a failure is logged")
        assert (good[0]["status"], good[0]["delivery"]["statusCode"]) == ("SUCCESS", 200)
        assert (bad[0]["status"], bad[0]["delivery"]["statusCode"]) == ("FAILURE", 404)
        assert {good[0]["notification"]["messageId"], bad[0]["notification"]["messageId"]} == ids


def test_a_queue_gets_what_passes_its_filter(gate):
    sns, sqs = gate.client("sns"), gate.client("sqs")
    arn = sns.create_topic(Name="orders")["TopicArn"]
    queue = sqs.create_queue(QueueName="paid")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"state": ["paid"]})}
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)
    for state in ["new", "paid", "sent"]:
        value = {"state": {"DataType": "String", "StringValue": state}}
        sns.publish(TopicArn=arn, Message=f"it is {state}", MessageAttributes=value)
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MessageAttributeNames=["All"])["Messages"]
    assert [m["Body"] for m in got] == ["it is paid"]
    assert got[0]["MessageAttributes"]["state"]["StringValue"] == "paid"


def test_fifo_topics_keep_their_order(gate):
    sns, sqs = gate.client("sns"), gate.client("sqs")
    arn = sns.create_topic(Name="orders.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    queue = sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    for n in [0, 1, 1, 2, 3]:
        sns.publish(TopicArn=arn, Message=str(n), MessageGroupId="g")
    got = []

    def all_there():
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            got.append(message["Body"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(got) == 4

    wait_until(all_there, what="all messages arrive")
    assert got == ["0", "1", "2", "3"]


def test_a_key_tells_its_account(gate):
    assert gate.aws("sts", "get-access-key-info", "--access-key-id", "AKIAIOSFODNN7EXAMPLE") == {"Account": "581039954779"}
    printed = subprocess.run([BINARY, "env", "--listen", f"{gate.host}:{gate.port}", "--data", gate.data], capture_output=True, text=True)
    access = re.search(r"AWS_ACCESS_KEY_ID='?(AKIA[A-Z2-7]{16})", printed.stdout)[1]
    assert gate.aws("sts", "get-access-key-info", "--access-key-id", access) == {"Account": ACCOUNT}
