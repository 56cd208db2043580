"""Policies are enforced: with `--enforce` a user may what its policies say and nothing else."""

import base64
import hmac
import json
import struct
import time

import botocore.exceptions
import pytest

from neargate import ACCOUNT, REGION, refused, wait_until
from test_sts import enforcing, with_session  # noqa: F401: a fixture


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions, on="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def deny(*actions, on="*", **more):
    return {"Effect": "Deny", "Action": list(actions), "Resource": on, **more}


def arn(service, resource, region=REGION):
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


@pytest.fixture
def ann(enforcing):  # noqa: F811
    """A user without policies: `ann(service)` is a client of hers, `ann.may(...)` gives her statements."""
    gate = enforcing
    iam = gate.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]

    def client(service, region=REGION):
        return gate.client(service, region=region, keys=(key["AccessKeyId"], key["SecretAccessKey"]))

    def may(*statements):
        iam.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=policy(*statements))

    client.may, client.gate, client.iam = may, gate, iam
    client.arn = f"arn:aws:iam::{ACCOUNT}:user/ann"
    return client


def denied(call, action, why="because no identity-based policy allows", code="AccessDeniedException", **arguments):
    """The call is refused in AWS's words; answers them."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert f"is not authorized to perform: {action} on resource: " in error["Message"], error
    assert why in error["Message"], error
    return error["Message"]


def test_a_user_may_what_its_policies_say_and_nothing_else(ann):
    ecs = ann("ecs")
    said = denied(ecs.create_cluster, "ecs:CreateCluster", clusterName="a")
    assert said == (
        f"User: {ann.arn} is not authorized to perform: ecs:CreateCluster on resource: "
        f"{arn('ecs', 'cluster/a')} because no identity-based policy allows the ecs:CreateCluster action"
    )
    assert ann("sts").get_caller_identity()["Arn"] == ann.arn

    ann.may(allow("ecs:CreateCluster", "ecs:DescribeClusters", on=arn("ecs", "cluster/team-*")))
    ecs.create_cluster(clusterName="team-a")
    denied(ecs.create_cluster, "ecs:CreateCluster", clusterName="other")
    denied(ecs.describe_clusters, "ecs:DescribeClusters", clusters=["team-a", "other"])
    assert ecs.describe_clusters(clusters=["team-a"])["clusters"][0]["status"] == "ACTIVE"
    denied(ecs.list_clusters, "ecs:ListClusters")
    denied(ecs.delete_cluster, "ecs:DeleteCluster", cluster="team-a")

    ann.may(allow("ecs:*"), deny("ecs:Delete*"))
    ecs.list_clusters()
    denied(ecs.delete_cluster, "ecs:DeleteCluster", "with an explicit deny in an identity-based policy", cluster="team-a")
    denied(ann("logs").create_log_group, "logs:CreateLogGroup", logGroupName="/x")
    denied(ann("iam").list_users, "iam:ListUsers", code="AccessDenied")


def test_conditions_and_tags(ann):
    ecs = ann("ecs")
    tagged = {"StringEquals": {"aws:RequestTag/team": "${aws:username}"}}
    ann.may(
        allow("ecs:CreateCluster", "ecs:TagResource", Condition=tagged),
        allow("ecs:DeleteCluster", Condition={"StringEquals": {"aws:ResourceTag/team": "ann"}}),
    )
    denied(ecs.create_cluster, "ecs:CreateCluster", clusterName="a")
    denied(ecs.create_cluster, "ecs:CreateCluster", clusterName="a", tags=[{"key": "team", "value": "bob"}])
    ecs.create_cluster(clusterName="a", tags=[{"key": "team", "value": "ann"}])
    ann.gate.client("ecs").create_cluster(clusterName="b", tags=[{"key": "team", "value": "bob"}])
    denied(ecs.delete_cluster, "ecs:DeleteCluster", cluster="b")
    ecs.delete_cluster(cluster="a")

    here = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}, "StringEquals": {"aws:RequestedRegion": REGION}}
    ann.may(allow("ecs:ListClusters", Condition=here))
    ecs.list_clusters()
    denied(ann("ecs", region="eu-west-1").list_clusters, "ecs:ListClusters")


def test_roles_are_passed_by_those_who_may(ann):
    trust = policy({"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = ann.iam.create_role(RoleName="work", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    ecs = ann("ecs")
    definition = dict(
        family="f",
        taskRoleArn=role,
        containerDefinitions=[{"name": "c", "image": "x", "memory": 64}],
    )
    ann.may(allow("ecs:*"))
    said = denied(ecs.register_task_definition, "iam:PassRole", **definition)
    assert role in said
    # One that is not there yet might be anything once it is.
    unborn = denied(ecs.register_task_definition, "iam:PassRole", **{**definition, "taskRoleArn": "unborn"})
    assert "role/unborn" in unborn
    elsewhere = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    ann.may(allow("ecs:*"), allow("iam:PassRole", on=role, Condition=elsewhere))
    denied(ecs.register_task_definition, "iam:PassRole", **definition)
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    ann.may(allow("ecs:*"), allow("iam:PassRole", on=role, Condition=to_tasks))
    ecs.register_task_definition(**definition)
    ann.may(allow("ecs:*"))
    denied(ecs.run_task, "iam:PassRole", taskDefinition="f")


def test_a_resources_policy_grants_and_denies(ann):
    repository = ann.gate.client("ecr")
    repository.create_repository(repositoryName="app")
    ecr = ann("ecr")
    denied(ecr.list_images, "ecr:ListImages", repositoryName="app")
    by_name = {"Effect": "Allow", "Principal": {"AWS": ann.arn}, "Action": "ecr:ListImages"}
    repository.set_repository_policy(repositoryName="app", policyText=policy(by_name))
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    ann.may(allow("ecr:*"))
    nobody = {"Effect": "Deny", "Principal": "*", "Action": "ecr:ListImages"}
    repository.set_repository_policy(repositoryName="app", policyText=policy(nobody))
    denied(ecr.list_images, "ecr:ListImages", "with an explicit deny in a resource-based policy", repositoryName="app")
    denied(repository.list_images, "ecr:ListImages", "with an explicit deny in a resource-based policy", repositoryName="app")


def test_keys_of_what_is_stored_are_the_reader_s_to_have(ann):
    """As AWS's services ask KMS in the name of who calls them."""
    gate = ann.gate
    key = gate.client("kms").create_key()["KeyMetadata"]["Arn"]
    admin = gate.client("secretsmanager")
    for name, more in (("own", {"KmsKeyId": key}), ("plain", {})):
        admin.create_secret(Name=name, SecretString=f"of {name}", **more)
    s3 = gate.client("s3")
    s3.create_bucket(Bucket="of-ann")
    s3.put_object(Bucket="of-ann", Key="k", Body=b"hidden", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    secrets, ssm = ann("secretsmanager"), ann("ssm")
    blob = gate.client("kms").encrypt(KeyId=key, Plaintext=b"direct")["CiphertextBlob"]
    ann.may(allow("secretsmanager:*", "s3:*", "ssm:*"))
    # AWS's own keys are there for who may use the service, by the key's policy.
    assert secrets.get_secret_value(SecretId="plain")["SecretString"] == "of plain"
    far = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="far-of-ann", CreateBucketConfiguration=far)
    ann("s3").put_object(Bucket="far-of-ann", Key="k", Body=b"far", ServerSideEncryption="aws:kms")
    assert ann("s3").get_object(Bucket="far-of-ann", Key="k")["Body"].read() == b"far"
    ssm.put_parameter(Name="p", Value="of p", Type="SecureString")
    assert ssm.get_parameter(Name="p", WithDecryption=True)["Parameter"]["Value"] == "of p"
    for call, arguments, code in (
        (secrets.get_secret_value, {"SecretId": "own"}, "AccessDeniedException"),
        (ann("s3").get_object, {"Bucket": "of-ann", "Key": "k"}, "AccessDenied"),
        (ann("kms").decrypt, {"CiphertextBlob": blob}, "AccessDeniedException"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(**arguments)
        assert caught.value.response["Error"]["Code"] == code
    via = {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}
    ann.may(allow("secretsmanager:*", "s3:*"), allow("kms:Decrypt", on=key, Condition=via))
    assert secrets.get_secret_value(SecretId="own")["SecretString"] == "of own"
    with pytest.raises(botocore.exceptions.ClientError):
        ann("s3").get_object(Bucket="of-ann", Key="k")
    ann.may(allow("s3:*"), allow("kms:Decrypt", on=key))
    assert ann("s3").get_object(Bucket="of-ann", Key="k")["Body"].read() == b"hidden"
    # A ciphertext says itself which key it needs.
    assert ann("kms").decrypt(CiphertextBlob=blob)["Plaintext"] == b"direct"


def test_boundaries_and_sessions_bound(ann):
    iam = ann.iam
    bound = iam.create_policy(PolicyName="bound", PolicyDocument=policy(allow("ecs:List*")))["Policy"]["Arn"]
    ann.may(allow("*"))
    iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary=bound)
    ann("ecs").list_clusters()
    denied(ann("ecs").create_cluster, "ecs:CreateCluster", "because no permissions boundary allows", clusterName="a")
    iam.delete_user_permissions_boundary(UserName="ann")

    trust = policy({"Effect": "Allow", "Principal": {"AWS": ann.arn}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="deploy", PolicyName="own", PolicyDocument=policy(allow("ecs:*")))
    less = policy(allow("ecs:List*"))
    given = ann("sts").assume_role(RoleArn=role, RoleSessionName="less", Policy=less)["Credentials"]
    session = with_session(ann.gate, "ecs", given)
    session.list_clusters()
    said = denied(session.create_cluster, "ecs:CreateCluster", "because no session policy allows", clusterName="a")
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/less" in said


def test_ec2_says_why_to_those_who_may_read_it(ann):
    ec2 = ann("ec2")
    said = denied(ec2.create_vpc, "ec2:CreateVpc", code="UnauthorizedOperation", CidrBlock="10.9.0.0/16")
    assert said.startswith(f"You are not authorized to perform this operation. User: {ann.arn} ")
    encoded = said.rsplit(" ", 1)[1]
    decode = ann("sts").decode_authorization_message
    denied(decode, "sts:DecodeAuthorizationMessage", code="AccessDenied", EncodedMessage=encoded)
    ann.may(allow("sts:DecodeAuthorizationMessage"))
    decoded = json.loads(decode(EncodedMessage=encoded)["DecodedMessage"])
    assert decoded["allowed"] is False and decoded["explicitDeny"] is False
    assert decoded["context"]["action"] == "ec2:CreateVpc"
    assert decoded["context"]["principal"]["arn"] == ann.arn
    assert refused(decode, EncodedMessage=encoded[:-8])[0] == "InvalidAuthorizationMessageException"


def test_a_service_writes_events_where_a_resource_policy_lets_it(ann):
    gate = ann.gate
    logs, events, sqs = gate.client("logs"), gate.client("events"), gate.client("sqs")
    logs.create_log_group(logGroupName="/aws/events/seen")
    by_events = {"Principal": {"Service": "events.amazonaws.com"}, "Effect": "Allow"}
    queue = sqs.create_queue(QueueName="unseen", Attributes={
        "Policy": policy({**by_events, "Action": "sqs:SendMessage", "Resource": arn("sqs", "unseen")}),
    })["QueueUrl"]
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="all", Targets=[{
        "Id": "logs", "Arn": arn("logs", "log-group:/aws/events/seen"), "DeadLetterConfig": {"Arn": arn("sqs", "unseen")},
    }])

    def post(detail):
        entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps({"number": detail})}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    post(1)

    def given_up():
        return sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], WaitTimeSeconds=2).get("Messages")

    (dead,) = wait_until(given_up, what="the event is given up")
    assert dead["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    write = {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": arn("logs", "log-group:/aws/events/*:*")}
    logs.put_resource_policy(policyName="events", policyDocument=policy({**by_events, **write}))
    # A second policy is heard, too, and takes nothing away.
    other = {"Effect": "Deny", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "logs:*", "Resource": "*"}
    logs.put_resource_policy(policyName="others", policyDocument=policy(other))
    post(2)

    def seen():
        found = logs.filter_log_events(logGroupName="/aws/events/seen")["events"]
        return [json.loads(one["message"])["detail"]["number"] for one in found]

    assert wait_until(seen, what="an event is written") == [2]
    nobody = {"Effect": "Deny", "Principal": "*", "Action": "logs:GetLogEvents", "Resource": "*"}
    logs.put_resource_policy(policyName="others", policyDocument=policy(nobody))
    ann.may(allow("logs:*"))
    stream = logs.describe_log_streams(logGroupName="/aws/events/seen")["logStreams"][0]["logStreamName"]
    denied(
        ann("logs").get_log_events, "logs:GetLogEvents", "with an explicit deny in a resource-based policy",
        logGroupName="/aws/events/seen", logStreamName=stream,
    )


def test_who_makes_something_with_tags_must_be_let_tag(ann):
    ecs, ec2 = ann("ecs"), ann("ec2")
    tags = [{"key": "team", "value": "ann"}]
    ann.may(allow("ecs:CreateCluster"), allow("ec2:CreateVpc", "ec2:CreateSubnet"))
    said = denied(ecs.create_cluster, "ecs:TagResource", clusterName="a", tags=tags)
    assert arn("ecs", "cluster/a") in said
    ecs.create_cluster(clusterName="plain")
    made_so = {"StringEquals": {"ecs:CreateAction": "CreateCluster", "aws:RequestTag/team": "ann"}}
    ann.may(allow("ecs:CreateCluster"), allow("ecs:TagResource", Condition=made_so))
    ecs.create_cluster(clusterName="a", tags=tags)
    denied(ecs.tag_resource, "ecs:TagResource", resourceArn=arn("ecs", "cluster/plain"), tags=tags)
    denied(ecs.create_cluster, "ecs:TagResource", clusterName="b", tags=[{"key": "team", "value": "bob"}])
    # The account may ask for none of this.
    ann.may(allow("ecs:CreateCluster"))
    ann.gate.client("ecs").put_account_setting_default(name="tagResourceAuthorization", value="off")
    ecs.create_cluster(clusterName="c", tags=tags)

    named = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "n"}]}]
    vpc = dict(CidrBlock="10.9.0.0/16", TagSpecifications=named)
    ann.may(allow("ec2:CreateVpc"))
    said = denied(ec2.create_vpc, "ec2:CreateTags", code="UnauthorizedOperation", **vpc)
    assert f":{ACCOUNT}:vpc/* " in said
    other = {"StringEquals": {"ec2:CreateAction": "CreateSubnet"}}
    ann.may(allow("ec2:CreateVpc"), allow("ec2:CreateTags", Condition=other))
    denied(ec2.create_vpc, "ec2:CreateTags", code="UnauthorizedOperation", **vpc)
    this = {"StringEquals": {"ec2:CreateAction": "CreateVpc"}}
    ann.may(allow("ec2:CreateVpc"), allow("ec2:CreateTags", on=arn("ec2", "vpc/*"), Condition=this))
    made = ec2.create_vpc(**vpc)["Vpc"]["VpcId"]
    ann.gate.client("ec2").delete_vpc(VpcId=made)


def test_grants_let_whom_they_name(ann):
    kms, admin = ann("kms"), ann.gate.client("kms")
    key = admin.create_key()["KeyMetadata"]["Arn"]
    context = {"team": "ann"}
    blob = admin.encrypt(KeyId=key, Plaintext=b"hidden", EncryptionContext=context)["CiphertextBlob"]
    decrypt = dict(CiphertextBlob=blob, EncryptionContext=context)
    denied(kms.decrypt, "kms:Decrypt", **decrypt)
    grant = dict(KeyId=key, GranteePrincipal=ann.arn, Operations=["Decrypt", "CreateGrant"])
    bound = {"EncryptionContextEquals": context}
    made = admin.create_grant(Constraints=bound, RetiringPrincipal=ann.arn, **grant)
    assert kms.decrypt(GrantTokens=[made["GrantToken"]], **decrypt)["Plaintext"] == b"hidden"
    other = admin.encrypt(KeyId=key, Plaintext=b"other")["CiphertextBlob"]
    denied(kms.decrypt, "kms:Decrypt", CiphertextBlob=other)
    denied(kms.describe_key, "kms:DescribeKey", KeyId=key)
    # Who re-encrypts needs the key that it was encrypted by.
    own = admin.create_key()["KeyMetadata"]["Arn"]
    ann.may(allow("kms:*", on=own))
    denied(kms.re_encrypt, "kms:ReEncryptFrom", CiphertextBlob=other, DestinationKeyId=own)
    # What is handed on lets nobody more.
    handed = dict(KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:user/bob")
    denied(kms.create_grant, "kms:CreateGrant", Operations=["Decrypt"], **handed)
    denied(kms.create_grant, "kms:CreateGrant", Operations=["Encrypt"], Constraints=bound, **handed)
    kms.create_grant(Operations=["Decrypt"], Constraints=bound, **handed)
    # An explicit deny wins over any grant.
    ann.may(deny("kms:Decrypt"))
    denied(kms.decrypt, "kms:Decrypt", "with an explicit deny", **decrypt)
    ann.may(allow("ecs:ListClusters"))
    kms.retire_grant(GrantToken=made["GrantToken"])
    denied(kms.decrypt, "kms:Decrypt", **decrypt)


def test_services_make_the_roles_that_are_linked_to_them(ann):
    iam, ecs = ann.iam, ann.gate.client("ecs")
    assert iam.list_roles(PathPrefix="/aws-service-role/ecs.amazonaws.com/")["Roles"] == []
    ecs.create_cluster(clusterName="one")
    ecs.create_cluster(clusterName="two")
    (role,) = iam.list_roles(PathPrefix="/aws-service-role/ecs.amazonaws.com/")["Roles"]
    assert role["RoleName"] == "AWSServiceRoleForECS"
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs.amazonaws.com"}
    (attached,) = iam.list_attached_role_policies(RoleName="AWSServiceRoleForECS")["AttachedPolicies"]
    assert attached["PolicyName"] == "AmazonECSServiceRolePolicy"
    task = iam.delete_service_linked_role(RoleName="AWSServiceRoleForECS")["DeletionTaskId"]
    failed = iam.get_service_linked_role_deletion_status(DeletionTaskId=task)
    assert failed["Status"] == "FAILED"
    (usage,) = failed["Reason"]["RoleUsageList"]
    assert usage["Region"] == REGION and arn("ecs", "cluster/one") in usage["Resources"]
    for cluster in ecs.list_clusters()["clusterArns"]:
        ecs.delete_cluster(cluster=cluster)
    task = iam.delete_service_linked_role(RoleName="AWSServiceRoleForECS")["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert iam.list_roles(PathPrefix="/aws-service-role/ecs.amazonaws.com/")["Roles"] == []


def code(seed, at):
    """What a virtual device shows (RFC 6238)."""
    digest = hmac.new(base64.b32decode(seed), struct.pack(">q", at), "sha1").digest()
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"


def test_a_second_factor(ann):
    iam = ann.iam
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    seed, serial = device["Base32StringSeed"], device["SerialNumber"]
    assert device["QRCodePNG"].startswith(b"\x89PNG")
    at = int(time.time()) // 30
    codes = dict(AuthenticationCode1=code(seed, at - 1), AuthenticationCode2=code(seed, at))
    wrong = dict(AuthenticationCode1="000000", AuthenticationCode2="000000")
    assert refused(iam.enable_mfa_device, UserName="ann", SerialNumber=serial, **wrong)[0] == "InvalidAuthenticationCode"
    iam.enable_mfa_device(UserName="ann", SerialNumber=serial, **codes)
    (listed,) = iam.list_mfa_devices(UserName="ann")["MFADevices"]
    assert listed["SerialNumber"] == serial

    ann.may(
        allow("ecs:*", "iam:ListUsers"),
        {
            "Effect": "Deny",
            "NotAction": "sts:GetSessionToken",
            "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        },
    )
    plain = ann("sts").get_session_token()["Credentials"]
    denied(with_session(ann.gate, "ecs", plain).list_clusters, "ecs:ListClusters", "with an explicit deny")
    bad = refused(ann("sts").get_session_token, SerialNumber=serial, TokenCode="000000")
    assert bad[0] == "AccessDenied" and "MultiFactorAuthentication failed" in bad[1]
    # The code of a half minute that is just over is near enough.
    given = ann("sts").get_session_token(SerialNumber=serial, TokenCode=code(seed, int(time.time()) // 30))["Credentials"]
    with_session(ann.gate, "ecs", given).list_clusters()
    assert with_session(ann.gate, "iam", given).list_users()["Users"][0]["UserName"] == "ann"
    iam.deactivate_mfa_device(UserName="ann", SerialNumber=serial)
    iam.delete_virtual_mfa_device(SerialNumber=serial)


def test_s3_knows_how_a_call_came_in(ann):
    admin, s3 = ann.gate.client("s3"), ann("s3")
    admin.create_bucket(Bucket="homes")
    admin.put_object(Bucket="homes", Key="ann/k", Body=b"own")
    admin.put_object(Bucket="homes", Key="bob/k", Body=b"other")
    own = {"StringLike": {"s3:prefix": "${aws:username}/*"}}
    ann.may(
        allow("s3:ListBucket", on="arn:aws:s3:::homes", Condition=own),
        allow("s3:GetObject", "s3:PutObject", on="arn:aws:s3:::homes/${aws:username}/*"),
        deny("s3:PutObject", Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}),
    )
    (listed,) = s3.list_objects_v2(Bucket="homes", Prefix="ann/")["Contents"]
    assert listed["Key"] == "ann/k"
    assert s3.get_object(Bucket="homes", Key="ann/k")["Body"].read() == b"own"
    for call, arguments in (
        (s3.list_objects_v2, {"Bucket": "homes"}),
        (s3.list_objects_v2, {"Bucket": "homes", "Prefix": "bob/"}),
        (s3.get_object, {"Bucket": "homes", "Key": "bob/k"}),
        (s3.put_object, {"Bucket": "homes", "Key": "ann/new", "Body": b"x"}),
    ):
        assert refused(call, **arguments)[0] == "AccessDenied", arguments
    s3.put_object(Bucket="homes", Key="ann/new", Body=b"x", ServerSideEncryption="AES256")
    elsewhere = {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    ann.may(allow("s3:*", "sts:GetFederationToken"), deny("s3:*", Condition=elsewhere))
    s3.list_objects_v2(Bucket="homes")
    # A federated user may nothing without policies of its session.
    given = ann("sts").get_federation_token(Name="visitor")["Credentials"]
    assert refused(with_session(ann.gate, "s3", given).list_objects_v2, Bucket="homes")[0] == "AccessDenied"
