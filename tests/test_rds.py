"""RDS by real clients: databases that are real engines, killed, copied and restored."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

import databases
import images
from neargate import command_line, processes_of, refused, wait_until

OFTEN = {"Delay": 1, "MaxAttempts": 300}


@pytest.fixture(scope="module")
def postgres_layout(tmp_path_factory):
    return databases.postgres(tmp_path_factory.mktemp("postgres") / "layout")


@pytest.fixture
def gate(make_gate, tmp_path):
    """One whose PostgreSQL is this host's."""
    config = tmp_path / "neargate.toml"
    names = {engine: images.aws_name(engine) for engine in ("postgres", "mariadb")}
    config.write_text("[rds_images]\n" + "".join(f"{engine} = {json.dumps(name)}\n" for engine, name in names.items()))
    gate = make_gate("--config", str(config))
    gate.start()
    return gate


def open_group(gate, port):
    """A security group of the default VPC that lets everybody in at this port."""
    ec2 = gate.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="db", Description="databases", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="0.0.0.0/0"
    )
    return group


def create(gate, identifier, group, engine="postgres", **more):
    return gate.client("rds").create_db_instance(
        DBInstanceIdentifier=identifier,
        Engine=engine,
        DBInstanceClass="db.t3.micro",
        AllocatedStorage=20,
        MasterUsername="app",
        ManageMasterUserPassword=True,
        DBName="orders",
        VpcSecurityGroupIds=[group],
        PubliclyAccessible=True,
        **more,
    )["DBInstance"]


def available(gate, identifier):
    gate.client("rds").get_waiter("db_instance_available").wait(DBInstanceIdentifier=identifier, WaiterConfig=OFTEN)
    return describe(gate, identifier)


def describe(gate, identifier):
    return gate.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]


def addresses(gate):
    """What the world outside VPCs is told of the endpoint: the public address of its one interface."""
    found = gate.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    return [i["Association"]["PublicIp"] for i in found if "Association" in i]


def password(gate, instance):
    secret = instance["MasterUserSecret"]["SecretArn"]
    return json.loads(gate.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])


def psql(address, word, statement, port=5432):
    """What the database says, or `None` while it cannot be reached."""
    done = subprocess.run(
        ["psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", address, "-p", str(port), "-U", "app", "-d", "orders",
         "-c", statement],
        env={**os.environ, "PGPASSWORD": word, "PGCONNECT_TIMEOUT": "5"}, capture_output=True, text=True,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def engine_of(gate, command="postgres -c listen_addresses"):
    """The first process of the one engine."""
    found = [pid for pid in processes_of(gate.instance) if command in command_line(pid)]
    assert len(found) == 1, [command_line(pid) for pid in found]
    return found[0]


def files_left(gate):
    return [str(p) for p in (gate.data / "efs").rglob("*") if not p.is_dir()]


def test_a_database_keeps_what_it_committed(gate, postgres_layout):
    images.push(gate, postgres_layout, "postgres")
    rds = gate.client("rds")
    group = open_group(gate, 5432)
    made = create(gate, "orders", group)
    assert made["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in made
    instance = available(gate, "orders")
    login = password(gate, instance)
    assert login["username"] == "app"
    word = login["password"]

    def ask(statement):
        for address in addresses(gate):
            answer = psql(address, word, statement)
            if answer is not None:
                return answer
        return None

    assert ask("CREATE TABLE lines (n int PRIMARY KEY)") == "CREATE TABLE"
    for n in range(20):
        assert ask(f"INSERT INTO lines VALUES ({n})") == "INSERT 0 1"
    assert psql(addresses(gate)[0], "wrong", "SELECT 1") is None
    # The engine is killed, then everything that looks after it.
    killed = engine_of(gate)
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: ask("SELECT count(*) FROM lines"), 120, "the engine is back") == "20"
    available(gate, "orders")
    gate.kill()
    gate.start()
    assert wait_until(lambda: ask("SELECT count(*) FROM lines"), 120, "it is reached again") == "20"
    said = [e["Message"] for e in rds.describe_events(SourceType="db-instance", SourceIdentifier="orders")["Events"]]
    assert any(message.startswith("DB instance shutdown") for message in said), said

    # A copy, of which another instance begins.
    available(gate, "orders")
    rds.create_db_snapshot(DBInstanceIdentifier="orders", DBSnapshotIdentifier="before")
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="before", WaiterConfig=OFTEN)
    available(gate, "orders")
    assert wait_until(lambda: ask("DELETE FROM lines"), 60, "the engine is back") == "DELETE 20"
    rds.delete_db_instance(DBInstanceIdentifier="orders", SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier="orders", WaiterConfig=OFTEN)
    assert gate.client("secretsmanager").list_secrets()["SecretList"] == []
    rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="again", DBSnapshotIdentifier="before", PubliclyAccessible=True,
        VpcSecurityGroupIds=[group], ManageMasterUserPassword=True, DBInstanceClass="db.t3.micro",
    )
    instance = available(gate, "again")
    new = password(gate, instance)["password"]
    assert new != word
    word = new
    assert ask("SELECT count(*) FROM lines") == "20"

    # Inside its VPC it has its name.
    assert "again" == instance["Endpoint"]["Address"].split(".")[0]
    said = inside(gate, postgres_layout, word, instance["Endpoint"]["Address"])
    assert said == ["20"]

    for identifier in ("again",):
        rds.delete_db_instance(DBInstanceIdentifier=identifier, SkipFinalSnapshot=True)
        rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier=identifier, WaiterConfig=OFTEN)
    rds.delete_db_snapshot(DBSnapshotIdentifier="before")
    rds.get_waiter("db_snapshot_deleted").wait(DBSnapshotIdentifier="before", WaiterConfig=OFTEN)
    assert files_left(gate) == []


def inside(gate, layout, word, name):
    """What a task in the VPC reads of the table, by the endpoint's name."""
    from tasks import container, ended, messages, register, run

    client = container(
        image=images.aws_name("postgres"), group="/client",
        command=["psql", "-A", "-t", "-h", name, "-U", "app", "-d", "orders", "-c", "SELECT count(*) FROM lines"],
        environment=[{"name": "PGPASSWORD", "value": word}],
    )
    register(gate, client)
    task = ended(gate, run(gate))
    stream = f"ecs/app/{task['taskArn'].rsplit('/')[-1]}"
    said = wait_until(lambda: messages(gate, "/client", stream), what="the client has spoken")
    return [line for line in said if line]


def test_mariadb_keeps_its_rows_and_takes_another_password(gate, tmp_path):
    images.push(gate, databases.mariadb(tmp_path / "layout"), "mariadb")
    rds = gate.client("rds")
    group = open_group(gate, 3307)
    rds.create_db_instance(
        DBInstanceIdentifier="shop", Engine="mariadb", EngineVersion="10.11", DBInstanceClass="db.t3.micro",
        AllocatedStorage=20, MasterUsername="app", MasterUserPassword="it's-the-first", DBName="orders", Port=3307,
        VpcSecurityGroupIds=[group], PubliclyAccessible=True,
    )
    available(gate, "shop")

    def ask(word, statement):
        # An address that has just been given back answers nobody, and the client would wait minutes for it.
        for address in addresses(gate):
            done = subprocess.run(
                ["mariadb", "--no-defaults", "--connect-timeout=2", "-N", "-h", address, "-P", "3307", "-u", "app", "orders", "-e", statement],
                env={**os.environ, "MYSQL_PWD": word}, capture_output=True, text=True,
            )
            if done.returncode == 0:
                return done.stdout.strip() or "done"
        return None

    assert ask("it's-the-first", "CREATE TABLE goods (n int PRIMARY KEY); INSERT INTO goods VALUES (1), (2)") == "done"
    os.kill(engine_of(gate, "mariadbd --datadir"), signal.SIGKILL)
    count = "SELECT count(*) FROM goods"
    assert wait_until(lambda: ask("it's-the-first", count), 120, "the engine is back") == "2"
    available(gate, "shop")
    rds.modify_db_instance(DBInstanceIdentifier="shop", MasterUserPassword="the\\second'one", ApplyImmediately=True)
    available(gate, "shop")
    assert ask("the\\second'one", count) == "2"
    assert ask("it's-the-first", count) is None
    rds.delete_db_instance(DBInstanceIdentifier="shop", SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier="shop", WaiterConfig=OFTEN)
    assert files_left(gate) == []


def test_what_rds_refuses(gate):
    rds = gate.client("rds")
    code, message = refused(rds.describe_db_instances, DBInstanceIdentifier="none")
    assert (code, message) == ("DBInstanceNotFound", "DBInstance none not found.")
    assert rds.describe_db_clusters()["DBClusters"] == []
    shown = gate.aws("rds", "describe-db-engine-versions", "--engine", "mariadb")["DBEngineVersions"]
    assert {v["DBParameterGroupFamily"] for v in shown} == {"mariadb10.6", "mariadb10.11", "mariadb11.4"}
    wanted = dict(
        DBInstanceIdentifier="x", Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="app", MasterUserPassword="long enough"
    )
    assert refused(rds.create_db_instance, **wanted)[0] == "InvalidParameterValue"
    wanted["MasterUserPassword"] = "long-enough"
    code, message = refused(rds.create_db_instance, **wanted, StorageEncrypted=True)
    assert code == "InvalidParameterCombination" and "StorageEncrypted" in message


@pytest.fixture
def small_disk(gate):
    """All volumes are on a file system of their own, which can be filled up."""
    volumes = gate.data / "efs"
    volumes.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "neargate-test", volumes], check=True)
    yield volumes
    subprocess.run(["umount", "--lazy", volumes], check=True)


def test_a_full_volume_refuses_and_loses_nothing(gate, small_disk, postgres_layout):
    images.push(gate, postgres_layout, "postgres")
    group = open_group(gate, 5432)
    create(gate, "orders", group)
    word = password(gate, available(gate, "orders"))["password"]

    def ask(statement):
        answers = (psql(address, word, statement) for address in addresses(gate))
        return next((answer for answer in answers if answer is not None), None)

    assert ask("CREATE TABLE lines (n int PRIMARY KEY, t text)") == "CREATE TABLE"
    filler, written = small_disk / "filler", []
    with open(filler, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * (1 << 16)):
            pass
    # Each is committed, or said not to be.
    for n in range(400):
        if ask(f"INSERT INTO lines SELECT {n}, string_agg(md5(random()::text), '') FROM generate_series(1, 3000)") != "INSERT 0 1":
            break
        written.append(n)
    else:
        raise AssertionError("it never was full")
    # A restore onto an instance that is there is refused meanwhile, as is one of a snapshot that is not.
    code, _ = refused(
        gate.client("rds").restore_db_instance_from_db_snapshot, DBInstanceIdentifier="orders", DBSnapshotIdentifier="none"
    )
    assert code in ("DBInstanceAlreadyExists", "DBSnapshotNotFound")
    filler.unlink()
    count = "SELECT string_agg(n::text, ',' ORDER BY n) FROM lines"
    wait_until(lambda: ask(count) is not None, 120, "it is back")
    kept = [int(n) for n in ask(count).split(",") if n]
    assert kept[: len(written)] == written
    available(gate, "orders")
    assert ask("INSERT INTO lines VALUES (1000, 'more')") == "INSERT 0 1"
