"""CodeCommit by real clients: git itself, boto3, and git-remote-codecommit, also across kill -9."""

import base64
import json
import os
import pathlib
import subprocess
import sys
import urllib.error

import pytest

from neargate import ACCOUNT, REGION, exported, refused, wait_until

#: Where this Python's own programs are: git-remote-codecommit among them.
PROGRAMS = str(pathlib.Path(sys.executable).parent)
AUTHOR = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"]


def environment(**more):
    return {
        **os.environ,
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **more,
    }


def git(at, *words, check=True, **more):
    """Runs git in a directory; answers what it printed, or, unchecked, how it ended."""
    done = subprocess.run(
        ["git", *AUTHOR, *words], cwd=at, capture_output=True, text=True, timeout=120, env=environment(**more)
    )
    if not check:
        return done
    assert done.returncode == 0, f"git {words}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def create(gate, name="app", **more):
    return gate.client("codecommit").create_repository(repositoryName=name, **more)["repositoryMetadata"]


def commit(at, path, content, message="change"):
    file = pathlib.Path(at) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(at, "add", "-A")
    git(at, "commit", "-qm", message)
    return git(at, "rev-parse", "HEAD")


def listen(gate):
    """A queue that every event of CodeCommit comes to."""
    sqs, events = gate.client("sqs"), gate.client("events")
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:told"
    policy = {
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn,
        }],
    }
    queue = sqs.create_queue(QueueName="told", Attributes={"Policy": json.dumps(policy)})["QueueUrl"]
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["aws.codecommit"]}))
    events.put_targets(Rule="told", Targets=[{"Id": "queue", "Arn": arn}])
    # By their ids: across a kill EventBridge may deliver one twice.
    told = {}

    def more():
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(message["Body"])
            told[event["id"]] = event
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [(e["detail"]["event"], e["detail"].get("referenceFullName")) for e in told.values()]

    more.told = told
    return more


def test_git_clones_pushes_and_fetches(gate, tmp_path):
    told = listen(gate)
    url = create(gate)["cloneUrlHttp"]
    assert url == f"{gate.url}/v1/repos/app"
    git(tmp_path, "clone", "-q", url, "one")
    one = tmp_path / "one"
    git(one, "checkout", "-qb", "trunk")
    first = commit(one, "src/a.txt", "one\n", "first")
    # Longer than what git sends at once: in chunks, after it has asked whether it may.
    second = commit(one, "big.bin", os.urandom(5 << 20), "big")
    git(one, "push", "-q", "origin", "trunk")
    codecommit = gate.client("codecommit")
    branch = codecommit.get_branch(repositoryName="app", branchName="trunk")["branch"]
    assert branch == {"branchName": "trunk", "commitId": second}
    assert codecommit.get_repository(repositoryName="app")["repositoryMetadata"]["defaultBranch"] == "trunk"
    git(tmp_path, "clone", "-q", url, "two")
    two = tmp_path / "two"
    assert git(two, "rev-parse", "--abbrev-ref", "HEAD") == "trunk"
    assert (two / "big.bin").read_bytes() == (one / "big.bin").read_bytes()
    # Tags, a second branch, a force push, and branches that go.
    git(one, "tag", "-am", "one", "v1")
    git(one, "branch", "side")
    git(one, "push", "-q", "origin", "v1", "side")
    git(one, "reset", "-q", "--hard", first)
    third = commit(one, "src/b.txt", "two\n")
    late = git(one, "push", "-q", "origin", "trunk", check=False)
    assert late.returncode != 0 and "non-fast-forward" in late.stderr
    git(one, "push", "-q", "--force", "origin", "trunk")
    git(one, "push", "-q", "origin", ":side")
    git(two, "fetch", "-q", "--prune", "--tags", "origin")
    assert git(two, "rev-parse", "origin/trunk") == third
    assert git(two, "rev-parse", "v1^{commit}") == second
    # Shallow and partial clones, and the first protocol.
    git(tmp_path, "clone", "-q", "--depth", "1", url, "shallow")
    assert git(tmp_path / "shallow", "rev-list", "--count", "HEAD") == "1"
    git(tmp_path / "shallow", "fetch", "-q", "--unshallow")
    assert git(tmp_path / "shallow", "rev-list", "--count", "HEAD") == "2"
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", url, "partial")
    assert git(tmp_path / "partial", "show", "HEAD:src/b.txt") == "two"
    git(tmp_path, "-c", "protocol.version=0", "clone", "-q", url, "old")
    assert git(tmp_path / "old", "rev-parse", "HEAD") == third
    wait_until(lambda: len(told()) >= 5, what="all changes are told of")
    assert sorted(told()) == [
        ("referenceCreated", "refs/heads/side"),
        ("referenceCreated", "refs/heads/trunk"),
        ("referenceCreated", "refs/tags/v1"),
        ("referenceDeleted", "refs/heads/side"),
        ("referenceUpdated", "refs/heads/trunk"),
    ]
    moved = next(e for e in told.told.values() if e["detail"]["event"] == "referenceUpdated")
    assert moved["resources"] == [f"arn:aws:codecommit:{REGION}:{ACCOUNT}:app"]
    assert (moved["detail"]["oldCommitId"], moved["detail"]["commitId"]) == (second, third)


def test_other_regions_and_accounts_have_their_own(gate, tmp_path):
    create(gate)
    elsewhere = gate.client("codecommit", region="eu-west-1", account="123456789012")
    url = elsewhere.create_repository(repositoryName="app")["repositoryMetadata"]["cloneUrlHttp"]
    assert url == f"{gate.url}/codecommit/123456789012/eu-west-1/v1/repos/app"
    git(tmp_path, "init", "-q", "one")
    head = commit(tmp_path / "one", "a", "a")
    git(tmp_path / "one", "push", "-q", url, "main")
    assert elsewhere.get_branch(repositoryName="app", branchName="main")["branch"]["commitId"] == head
    assert gate.client("codecommit").list_branches(repositoryName="app")["branches"] == []
    lost = git(tmp_path, "clone", f"{gate.url}/v1/repos/other", check=False)
    assert lost.returncode != 0 and "not found" in lost.stderr


def test_bad_pushes_change_nothing(gate, tmp_path):
    url = create(gate)["cloneUrlHttp"]

    def post(body, **headers):
        headers = {"Content-Type": "application/x-git-receive-pack-request", **headers}
        try:
            return 200, gate.http("POST", "/v1/repos/app/git-receive-pack", body, headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    nothing, one = "0" * 40, "1" * 40

    def line(text):
        return f"{len(text) + 4:04x}{text}".encode()

    def push(name):
        return post(line(f"{nothing} {one} {name}\0report-status\n") + b"0000PACK")

    assert post(b"garbage")[0] == 400
    assert post(b"0000")[0] == 200
    assert post(b"0000", **{"Content-Type": "text/plain"})[0] == 415
    for name in ["refs/heads/../../../etc/x", "refs/heads/main", "refs/neargate/x", "HEAD", "-x"]:
        push(name)
    assert gate.client("codecommit").list_branches(repositoryName="app")["branches"] == []
    assert git(tmp_path, "ls-remote", url) == ""
    # A history that git's own check refuses.
    git(tmp_path, "init", "-q", "bad")
    bad = tmp_path / "bad"
    blob = git(bad, "hash-object", "-w", "--stdin", check=True)
    tree = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        input=b"100644 .git\0" + bytes.fromhex(blob), cwd=bad, capture_output=True, check=True,
    ).stdout.decode().strip()
    head = git(bad, "commit-tree", tree, "-m", "bad")
    done = git(bad, "push", url, f"{head}:refs/heads/main", check=False)
    assert done.returncode != 0 and "hasDotgit" in done.stderr, done.stderr
    assert git(tmp_path, "ls-remote", url) == ""


def test_acknowledged_pushes_survive_kill(own_gate, tmp_path):
    gate = own_gate
    told = listen(gate)
    url = create(gate)["cloneUrlHttp"]
    git(tmp_path, "init", "-q", "one")
    one = tmp_path / "one"
    heads = {}
    for n in range(3):
        heads[f"b{n}"] = commit(one, f"{n}", os.urandom(1 << 16))
        git(one, "push", "-q", url, f"HEAD:refs/heads/b{n}")
        gate.kill()
        gate.start()
    # One that is killed somewhere on its way is there or not, and told of or not.
    commit(one, "big", os.urandom(20 << 20))
    pushing = subprocess.Popen(["git", "push", "-q", url, "HEAD:refs/heads/late"], cwd=one, env=environment())
    wait_until(lambda: pushing.poll() is not None or list((gate.data / "git/changes").iterdir()), what="the push begins")
    gate.kill()
    pushing.wait()
    gate.start()
    codecommit = gate.client("codecommit")
    for name, head in heads.items():
        assert codecommit.get_branch(repositoryName="app", branchName=name)["branch"]["commitId"] == head
    git(one, "push", "-q", url, "HEAD:refs/heads/last")
    wait_until(lambda: ("referenceCreated", "refs/heads/last") in told(), what="the last push is told of")
    wait_until(lambda: not list((gate.data / "git/changes").iterdir()), what="no change is left")
    branches = {f"refs/heads/{name}" for name in codecommit.list_branches(repositoryName="app")["branches"]}
    wait_until(lambda: {name for _, name in told()} == branches, what="what is there is told of")
    names = [name for _, name in told()]
    assert len(names) == len(set(names))
    git(tmp_path, "clone", "-q", url, "two")
    git(tmp_path / "two", "fsck", "--strict")


@pytest.fixture
def guarded(make_gate):
    """With TLS and signatures."""
    gate = make_gate("--tls", "--enforce")
    gate.start()
    printed = exported(gate.cli("env").stdout)
    gate.keys = printed["AWS_ACCESS_KEY_ID"], printed["AWS_SECRET_ACCESS_KEY"]
    gate.account = gate.client("sts", verify=gate.authority).get_caller_identity()["Account"]
    return gate


def test_who_may_what(guarded, tmp_path):
    gate = guarded
    iam, codecommit = (gate.client(s, verify=gate.authority) for s in ("iam", "codecommit"))
    url = codecommit.create_repository(repositoryName="app")["repositoryMetadata"]["cloneUrlHttp"]
    arn = f"arn:aws:codecommit:{REGION}:{gate.account}:app"
    iam.create_user(UserName="ann")
    made = iam.create_service_specific_credential(UserName="ann", ServiceName="codecommit.amazonaws.com")
    made = made["ServiceSpecificCredential"]
    trust = {"GIT_SSL_CAINFO": gate.authority}

    def run(*words, password=made["ServicePassword"], **more):
        pair = base64.b64encode(f"{made['ServiceUserName']}:{password}".encode()).decode()
        header = f"http.extraHeader=Authorization: Basic {pair}"
        return git(tmp_path, "-c", header, *words, check=False, **trust, **more)

    def allow(*statements):
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_user_policy(UserName="ann", PolicyName="git", PolicyDocument=json.dumps(document))

    assert "could not read Username" in git(tmp_path, "ls-remote", url, check=False, **trust).stderr
    assert run("ls-remote", url, password="wrong").returncode != 0
    assert "403" in run("ls-remote", url).stderr
    allow({"Effect": "Allow", "Action": "codecommit:GitPull", "Resource": arn})
    wait_until(lambda: run("ls-remote", url).returncode == 0, what="the policy holds")
    git(tmp_path, "init", "-q", "one")
    head = commit(tmp_path / "one", "a", "a")
    assert "403" in run("-C", "one", "push", url, "HEAD:refs/heads/side").stderr
    allow(
        {"Effect": "Allow", "Action": ["codecommit:GitPull", "codecommit:GitPush"], "Resource": arn},
        {
            "Effect": "Deny", "Action": "codecommit:GitPush", "Resource": arn,
            "Condition": {
                "StringEqualsIfExists": {"codecommit:References": ["refs/heads/main"]},
                "Null": {"codecommit:References": "false"},
            },
        },
    )
    wait_until(lambda: run("-C", "one", "push", url, "HEAD:refs/heads/side").returncode == 0, what="it may push")
    assert "403" in run("-C", "one", "push", url, "HEAD:refs/heads/main").stderr
    assert codecommit.list_branches(repositoryName="app")["branches"] == ["side"]
    iam.update_service_specific_credential(
        UserName="ann", ServiceSpecificCredentialId=made["ServiceSpecificCredentialId"], Status="Inactive"
    )
    wait_until(lambda: run("ls-remote", url).returncode != 0, what="it is inactive")

    # AWS's own program signs for a key, here of the account's root and of a session.
    def signed(keys, *words, token=None):
        more = {"AWS_SESSION_TOKEN": token} if token else {}
        return git(
            tmp_path, *words, check=False, **trust, **more, CODE_COMMIT_ENDPOINT=gate.url.removeprefix("https://"),
            AWS_ACCESS_KEY_ID=keys[0], AWS_SECRET_ACCESS_KEY=keys[1], AWS_DEFAULT_REGION=REGION,
        )

    done = signed(gate.keys, "clone", "-q", f"codecommit::{REGION}://app", "two")
    assert done.returncode == 0, done.stderr
    assert git(tmp_path / "two", "rev-parse", "origin/side") == head
    assert signed((gate.keys[0], "wrong"), "ls-remote", f"codecommit::{REGION}://app").returncode != 0
    iam.create_role(RoleName="ci", AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": gate.account}, "Action": "sts:AssumeRole"},
    }))
    iam.put_role_policy(RoleName="ci", PolicyName="git", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "codecommit:GitPull", "Resource": arn},
    }))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    allow({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})

    def assume():
        keys = key["AccessKeyId"], key["SecretAccessKey"]
        sts = gate.client("sts", verify=gate.authority, keys=keys)
        try:
            return sts.assume_role(RoleArn=f"arn:aws:iam::{gate.account}:role/ci", RoleSessionName="build")["Credentials"]
        except sts.exceptions.ClientError:
            return None

    session = wait_until(assume, what="the role may be assumed")
    keys, token = (session["AccessKeyId"], session["SecretAccessKey"]), session["SessionToken"]
    done = signed(keys, "ls-remote", f"codecommit::{REGION}://app", token=token)
    assert done.returncode == 0 and "refs/heads/side" in done.stdout, done.stderr
    assert "403" in signed(keys, "-C", "one", "push", f"codecommit::{REGION}://app", "HEAD:refs/heads/x", token=token).stderr


def test_the_api_refuses_in_awss_words(gate):
    codecommit = gate.client("codecommit")
    assert refused(codecommit.get_repository, repositoryName="none") == (
        "RepositoryDoesNotExistException", "none does not exist"
    )
    create(gate, tags={"team": "a"})
    assert refused(codecommit.create_repository, repositoryName="app") == (
        "RepositoryNameExistsException", "Repository named app already exists"
    )
    arn = f"arn:aws:codecommit:{REGION}:{ACCOUNT}:app"
    assert codecommit.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a"}
    assert gate.aws("codecommit", "list-repositories")["repositories"][0]["repositoryName"] == "app"


def test_files_and_pull_requests_by_the_api(gate, tmp_path):
    codecommit = gate.client("codecommit")
    told = listen(gate)
    url = create(gate)["cloneUrlHttp"]
    first = codecommit.put_file(
        repositoryName="app", branchName="main", filePath="src/ä.txt", fileContent=b"one\n", name="Ann", email="a@x"
    )["commitId"]
    git(tmp_path, "clone", "-q", url, "one")
    one = tmp_path / "one"
    assert (one / "src/ä.txt").read_text() == "one\n"
    git(one, "checkout", "-qb", "side")
    side = commit(one, "src/b.txt", "two\n", "side")
    git(one, "push", "-q", "origin", "side")
    pull = codecommit.create_pull_request(
        title="Side", targets=[{"repositoryName": "app", "sourceReference": "side", "destinationReference": "main"}]
    )["pullRequest"]
    assert pull["pullRequestTargets"][0]["sourceCommit"] == side
    found = codecommit.get_differences(
        repositoryName="app", beforeCommitSpecifier=first, afterCommitSpecifier="side"
    )["differences"]
    assert [(d["changeType"], d["afterBlob"]["path"]) for d in found] == [("A", "src/b.txt")]
    merged = codecommit.merge_pull_request_by_squash(
        pullRequestId=pull["pullRequestId"], repositoryName="app", commitMessage="Side, squashed"
    )["pullRequest"]
    assert merged["pullRequestStatus"] == "CLOSED"
    git(one, "fetch", "-q", "origin")
    assert git(one, "log", "--format=%s", "origin/main").splitlines() == ["Side, squashed", "Added src/ä.txt"]
    got = codecommit.get_file(repositoryName="app", commitSpecifier="main", filePath="src/b.txt")
    assert got["fileContent"] == b"two\n"
    wanted = {("pullRequestCreated", None), ("pullRequestMergeStatusUpdated", None), ("referenceUpdated", "refs/heads/main")}
    wait_until(lambda: wanted <= set(told()), what="the merge is told of")


def test_triggers_tell_topics(gate, tmp_path):
    codecommit, sns, sqs = (gate.client(s) for s in ("codecommit", "sns", "sqs"))
    url = create(gate)["cloneUrlHttp"]
    topic = sns.create_topic(Name="pushes")["TopicArn"]
    queue = sqs.create_queue(QueueName="pushes")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:pushes"
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
    }]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    trigger = {"name": "main", "destinationArn": topic, "customData": "x", "branches": ["main"], "events": ["all"]}
    code, _ = refused(
        codecommit.put_repository_triggers, repositoryName="app",
        triggers=[trigger | {"destinationArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}],
    )
    assert code == "NotImplemented"
    codecommit.put_repository_triggers(repositoryName="app", triggers=[trigger])
    assert codecommit.get_repository_triggers(repositoryName="app")["triggers"] == [trigger]
    git(tmp_path, "init", "-q", "one")
    head = commit(tmp_path / "one", "a", "a")
    git(tmp_path / "one", "push", "-q", url, "HEAD:refs/heads/side", "HEAD:refs/heads/main")

    def message():
        got = sqs.receive_message(QueueUrl=queue).get("Messages")
        return got and json.loads(got[0]["Body"])["Records"][0]

    told = wait_until(message, what="the topic is told")
    assert told["codecommit"]["references"] == [{"commit": head, "ref": "refs/heads/main", "created": True}]
    assert (told["customData"], told["eventTriggerName"]) == ("x", "main")
