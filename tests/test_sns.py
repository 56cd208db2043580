"""SNS's topics through boto3 and the aws CLI."""

import re
import subprocess

import pytest
from botocore.exceptions import ClientError

from neargate import ACCOUNT, BINARY, REGION

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
    assert gate.aws("sns", "publish", "--topic-arn", arn, "--message", "x")["MessageId"]
    subscribe = ("sns", "subscribe", "--topic-arn", arn, "--protocol", "sqs", "--notification-endpoint", "x")
    said = gate.aws(*subscribe, check=False)
    assert said.returncode != 0
    assert "(NotImplemented)" in said.stderr and "sns:Subscribe" in said.stderr


def test_a_key_tells_its_account(gate):
    assert gate.aws("sts", "get-access-key-info", "--access-key-id", "AKIAIOSFODNN7EXAMPLE") == {"Account": "581039954779"}
    printed = subprocess.run([BINARY, "env", "--listen", f"{gate.host}:{gate.port}", "--data", gate.data], capture_output=True, text=True)
    access = re.search(r"AWS_ACCESS_KEY_ID='?(AKIA[A-Z2-7]{16})", printed.stdout)[1]
    assert gate.aws("sts", "get-access-key-info", "--access-key-id", access) == {"Account": ACCOUNT}
