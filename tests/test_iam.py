"""IAM through boto3 and the aws CLI: identities that survive a kill, keys that sign, and the order in which
all of it goes again."""

import json
import pathlib

import pytest
from botocore.exceptions import ClientError

from neargate import ACCOUNT

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:List*", "Resource": "*"}]}
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"


def test_identities_live_survive_and_go_in_order(gate):
    iam = gate.client("iam")
    role = gate.aws("iam", "create-role", "--role-name", "task", "--assume-role-policy-document", json.dumps(TRUST))["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/task"
    assert role["AssumeRolePolicyDocument"] == TRUST
    gate.aws("iam", "attach-role-policy", "--role-name", "task", "--policy-arn", EXECUTION)
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="task")

    user = iam.create_user(UserName="ann", Path="/people/", Tags=[{"Key": "team", "Value": "web"}])["User"]
    policy = iam.create_policy(PolicyName="read", PolicyDocument=json.dumps(READ))["Policy"]["Arn"]
    iam.create_group(GroupName="devs")
    iam.attach_group_policy(GroupName="devs", PolicyArn=policy)
    iam.add_user_to_group(GroupName="devs", UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]

    gate.kill()
    gate.start()

    assert iam.get_user(UserName="ann")["User"]["UserId"] == user["UserId"]
    assert iam.get_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Roles"][0]["RoleName"] == "task"
    said = gate.aws(
        "iam", "simulate-principal-policy", "--policy-source-arn", user["Arn"],
        "--action-names", "ecs:ListClusters", "ecs:RunTask",
    )
    decisions = {r["EvalActionName"]: r["EvalDecision"] for r in said["EvaluationResults"]}
    assert decisions == {"ecs:ListClusters": "allowed", "ecs:RunTask": "implicitDeny"}

    # The key signs, and the call is the user's.
    sts = gate.client("sts", keys=(key["AccessKeyId"], key["SecretAccessKey"]))
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/people/ann"
    assert iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "sts"

    for too_early in (
        lambda: iam.delete_role(RoleName="task"),
        lambda: iam.delete_user(UserName="ann"),
        lambda: iam.delete_policy(PolicyArn=policy),
        lambda: iam.delete_group(GroupName="devs"),
        lambda: iam.delete_instance_profile(InstanceProfileName="web"),
    ):
        with pytest.raises(ClientError) as refused:
            too_early()
        assert refused.value.response["Error"]["Code"] == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName="web", RoleName="task")
    iam.delete_instance_profile(InstanceProfileName="web")
    iam.detach_role_policy(RoleName="task", PolicyArn=EXECUTION)
    iam.delete_role(RoleName="task")
    iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    iam.remove_user_from_group(UserName="ann", GroupName="devs")
    iam.delete_user(UserName="ann")
    iam.detach_group_policy(GroupName="devs", PolicyArn=policy)
    iam.delete_group(GroupName="devs")
    iam.delete_policy(PolicyArn=policy)
    assert iam.get_account_summary()["SummaryMap"]["Users"] == 0


def test_no_secret_lies_in_the_data_directory(gate):
    iam = gate.client("iam")
    iam.create_user(UserName="ann")
    secrets = [
        iam.create_access_key(UserName="ann")["AccessKey"]["SecretAccessKey"],
        iam.create_service_specific_credential(UserName="ann", ServiceName="codecommit.amazonaws.com")[
            "ServiceSpecificCredential"
        ]["ServicePassword"],
        "Correct-Horse-Battery-1",
    ]
    iam.create_login_profile(UserName="ann", Password=secrets[-1])
    for file in pathlib.Path(gate.data).rglob("*"):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            assert not [s for s in secrets if s.encode() in content], file
    assert not [s for s in secrets if s in gate.log()]


def test_the_cli_makes_an_mfa_device_and_saml_is_refused_by_name(gate, tmp_path):
    picture = tmp_path / "device.png"
    made = gate.aws("iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "x", "--outfile", str(picture),
                    "--bootstrap-method", "QRCodePNG")["VirtualMFADevice"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = gate.client("iam").list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
    assert [device["SerialNumber"] for device in shown] == [made["SerialNumber"]]
    gate.client("iam").delete_virtual_mfa_device(SerialNumber=made["SerialNumber"])
    said = gate.aws("iam", "create-saml-provider", "--name", "x", "--saml-metadata-document", "x" * 1000, check=False)
    assert said.returncode != 0 and "iam:CreateSAMLProvider" in said.stderr
    assert gate.client("iam").list_saml_providers()["SAMLProviderList"] == []
