"""Secrets Manager, Parameter Store and KMS through boto3 and the aws CLI; what of a secret is on the
disk, in logs and in /proc; the root key; kill -9 while keys rotate and values change."""

import base64
import os
import pathlib
import stat
import subprocess
import threading

from neargate import ACCOUNT, REGION, processes_of, refused, wait_until

#: What must be found nowhere: each as it is, in base64 and in hexadecimal digits.
SECRETS = ["hunter2-the-first-secret", "hunter3-the-second-secret", "hunter4-the-parameter", "hunter5-the-binary"]


def disguises(secret):
    plain = secret.encode()
    encoded = base64.b64encode(plain).rstrip(b"=")
    # The last digits of base64 depend on what follows.
    return [plain, encoded[:-2], plain.hex().encode()]


def found_in(path, patterns):
    """Which of the patterns a file has; pieces overlap, so that none is cut."""
    found, tail = set(), b""
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            text = tail + piece
            found.update(p for p in patterns if p in text)
            tail = text[-200:]
    return found


def files_of(directory):
    for root, _, names in os.walk(directory):
        for name in names:
            path = pathlib.Path(root) / name
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def test_no_secret_is_in_the_data_directory_logs_or_proc(monkeypatch, make_gate):
    gate = make_gate()
    monkeypatch.setenv("NEARGATE_LOG", "debug")
    gate.start()
    assert "debug" in gate.log()
    secrets, ssm, kms = gate.client("secretsmanager"), gate.client("ssm"), gate.client("kms")
    secrets.create_secret(Name="app/db", SecretString=SECRETS[0])
    secrets.put_secret_value(SecretId="app/db", SecretString=SECRETS[1])
    secrets.create_secret(Name="app/binary", SecretBinary=SECRETS[3].encode())
    ssm.put_parameter(Name="/app/db", Type="SecureString", Value=SECRETS[2])
    data_key = kms.generate_data_key(KeyId="alias/aws/ssm", KeySpec="AES_256")
    # What is refused is said in the log, without the value.
    refused(secrets.create_secret, Name="app/db", SecretString=SECRETS[0])
    refused(secrets.put_secret_value, SecretId="none", SecretString=SECRETS[1])
    refused(ssm.put_parameter, Name="/app/db", Type="SecureString", Value=SECRETS[2])
    assert secrets.get_secret_value(SecretId="app/db")["SecretString"] == SECRETS[1]
    assert secrets.get_secret_value(SecretId="app/db", VersionStage="AWSPREVIOUS")["SecretString"] == SECRETS[0]
    assert secrets.get_secret_value(SecretId="app/binary")["SecretBinary"] == SECRETS[3].encode()
    assert ssm.get_parameter(Name="/app/db", WithDecryption=True)["Parameter"]["Value"] == SECRETS[2]
    patterns = [d for secret in SECRETS for d in disguises(secret)]
    plain = data_key["Plaintext"]
    patterns += [plain, base64.b64encode(plain).rstrip(b"=")[:-2], plain.hex().encode()]
    proc = [pathlib.Path(f"/proc/{p}/{f}") for p in [gate.process.pid, *processes_of(gate.instance)] for f in ("cmdline", "environ")]
    searched = [*files_of(gate.directory), *(path for path in proc if path.exists())]
    found = {str(path): hits for path in searched if (hits := found_in(path, patterns))}
    assert found == {}
    names = {path.name for path in searched}
    assert {"state.redb", "neargate.log", "root.key", "environ"} <= names
    # The search finds what is there.
    (gate.directory / "probe").write_bytes(b"x" * (1 << 20) + patterns[0])
    assert found_in(gate.directory / "probe", patterns) == {patterns[0]}


def test_all_three_survive_a_kill(own_gate):
    gate = own_gate
    secrets, ssm, kms = gate.client("secretsmanager"), gate.client("ssm"), gate.client("kms")
    made = gate.aws("secretsmanager", "create-secret", "--name", "app", "--secret-string", '{"user":"u","password":"p"}')
    assert made["ARN"].startswith(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:app-")
    gate.aws("ssm", "put-parameter", "--name", "/app/x", "--type", "SecureString", "--value", "v")
    key = gate.aws("kms", "create-key", "--description", "mine")["KeyMetadata"]["KeyId"]
    gate.aws("kms", "create-alias", "--alias-name", "alias/app", "--target-key-id", key)
    blob = kms.encrypt(KeyId="alias/app", Plaintext=b"plain", EncryptionContext={"a": "1"})["CiphertextBlob"]
    gate.kill()
    gate.start()
    assert secrets.get_secret_value(SecretId=made["ARN"])["SecretString"] == '{"user":"u","password":"p"}'
    assert secrets.get_secret_value(SecretId=made["ARN"][:-7])["Name"] == "app"
    assert gate.aws("ssm", "get-parameter", "--name", "/app/x", "--with-decryption")["Parameter"]["Value"] == "v"
    assert ssm.get_parameter(Name="/aws/reference/secretsmanager/app", WithDecryption=True)["Parameter"]["Type"] == "SecureString"
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1"})
    assert (opened["Plaintext"], opened["KeyId"]) == (b"plain", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}")
    assert refused(kms.decrypt, CiphertextBlob=blob)[0] == "InvalidCiphertextException"
    kms.disable_key(KeyId=key)
    code, message = refused(kms.encrypt, KeyId="alias/app", Plaintext=b"x")
    assert (code, message) == ("DisabledException", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key} is disabled.")
    image = ssm.get_parameter(Name="/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id")
    described = gate.client("ec2").describe_images(ImageIds=[image["Parameter"]["Value"]])["Images"]
    assert len(described) == 1
    # The reset forgets all three, and what is made after it opens after a start.
    gate.reset()
    assert refused(secrets.describe_secret, SecretId="app")[0] == "ResourceNotFoundException"
    secrets.create_secret(Name="app", SecretString="again")
    gate.kill()
    gate.start()
    assert secrets.get_secret_value(SecretId="app")["SecretString"] == "again"


def test_kill_in_the_middle_of_rotations_loses_nothing(own_gate):
    gate = own_gate
    secrets, kms = gate.client("secretsmanager"), gate.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    secrets.create_secret(Name="app", SecretString="0", KmsKeyId=key)
    blobs, values, calls = [], {}, [0]

    def work():
        number = 0
        try:
            while True:
                number += 1
                if number % 4 == 0:
                    calls[0] += 1
                    if calls[0] <= 20:
                        kms.rotate_key_on_demand(KeyId=key)
                blobs.append((number, kms.encrypt(KeyId=key, Plaintext=str(number).encode())["CiphertextBlob"]))
                made = secrets.put_secret_value(SecretId="app", SecretString=str(number), VersionStages=["AWSPENDING"])
                values[made["VersionId"]] = str(number)
                secrets.update_secret_version_stage(
                    SecretId="app",
                    VersionStage="AWSCURRENT",
                    MoveToVersionId=made["VersionId"],
                    RemoveFromVersionId=holder("AWSCURRENT"),
                )
        except Exception:  # the kill, whatever boto3 makes of it
            return

    def holder(stage):
        stages = secrets.describe_secret(SecretId="app")["VersionIdsToStages"]
        return next(version for version, held in stages.items() if stage in held)

    for _ in range(3):
        before = len(values)
        worker = threading.Thread(target=work)
        worker.start()
        wait_until(lambda: len(values) >= before + 15, 60, "values change")
        gate.kill()
        worker.join()
        gate.start()
        for number, blob in blobs:
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == str(number).encode()
        for version, value in values.items():
            assert secrets.get_secret_value(SecretId="app", VersionId=version)["SecretString"] == value
        # One version holds, and its value opens.
        assert secrets.get_secret_value(SecretId="app")["VersionId"] == holder("AWSCURRENT")


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_openssl_takes_what_kms_signs_and_kms_what_it_encrypts(gate, tmp_path):
    kms = gate.client("kms")
    message, signature, public = (str(tmp_path / name) for name in ("message", "signature", "public"))
    pathlib.Path(message).write_bytes(b"to be signed")
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
    cases = [
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", "-sha256", []),
        ("RSA_3072", "RSASSA_PSS_SHA_384", "-sha384", pss),
        ("ECC_NIST_P256", "ECDSA_SHA_256", "-sha256", []),
        ("ECC_NIST_P384", "ECDSA_SHA_384", "-sha384", []),
        ("ECC_NIST_P521", "ECDSA_SHA_512", "-sha512", []),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", "-sha256", []),
    ]
    for spec, algorithm, digest, options in cases:
        key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        signed = kms.sign(KeyId=key, Message=b"to be signed", SigningAlgorithm=algorithm)
        pathlib.Path(signature).write_bytes(signed["Signature"])
        pathlib.Path(public).write_bytes(kms.get_public_key(KeyId=key)["PublicKey"])
        verify = ["dgst", digest, "-verify", public, "-keyform", "DER", "-signature", signature, *options, message]
        openssl(*verify)
    key = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    pathlib.Path(public).write_bytes(kms.get_public_key(KeyId=key)["PublicKey"])
    sealed = str(tmp_path / "sealed")
    oaep = [f"rsa_{option}" for option in ("padding_mode:oaep", "oaep_md:sha256", "mgf1_md:sha256")]
    options = [word for option in oaep for word in ("-pkeyopt", option)]
    openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-keyform", "DER", "-in", message, "-out", sealed, *options)
    blob = pathlib.Path(sealed).read_bytes()
    opened = kms.decrypt(KeyId=key, CiphertextBlob=blob, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert opened["Plaintext"] == b"to be signed"


def test_replicas_are_read_in_their_own_region(gate):
    here, there = gate.client("secretsmanager"), gate.client("secretsmanager", region="eu-west-1")
    arn = here.create_secret(Name="app", SecretString="1", AddReplicaRegions=[{"Region": "eu-west-1"}])["ARN"]
    replica = arn.replace(REGION, "eu-west-1")
    here.put_secret_value(SecretId="app", SecretString="2")
    assert there.get_secret_value(SecretId=replica)["SecretString"] == "2"
    assert there.describe_secret(SecretId="app")["PrimaryRegion"] == REGION
    assert refused(there.put_secret_value, SecretId="app", SecretString="3")[0] == "InvalidParameterException"
    assert refused(here.delete_secret, SecretId="app")[0] == "InvalidParameterException"
    here.remove_regions_from_replication(SecretId="app", RemoveReplicaRegions=["eu-west-1"])
    assert refused(there.get_secret_value, SecretId="app")[0] == "ResourceNotFoundException"


def start_refused(gate):
    """What a start says that must fail."""
    done = subprocess.run(gate.command("up"), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_wrong_root_key_is_refused_and_nothing_is_lost(monkeypatch, own_gate):
    gate = own_gate
    secrets = gate.client("secretsmanager")
    secrets.create_secret(Name="app", SecretString="kept")
    gate.stop()
    file = gate.data / "root.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    right = file.read_text()
    file.write_text("ab" * 32)
    assert "gives another root key" in start_refused(gate)
    file.unlink()
    assert "root.key is missing" in start_refused(gate)
    assert not file.exists()
    elsewhere = gate.directory / "elsewhere.key"
    elsewhere.write_text(right)
    monkeypatch.setenv("NEARGATE_ROOT_KEY", str(elsewhere))
    gate.start()
    assert secrets.get_secret_value(SecretId="app")["SecretString"] == "kept"


def test_a_passphrase_or_a_credential_of_systemd_gives_the_root_key(monkeypatch, make_gate):
    gate = make_gate()
    directory = gate.directory / "credentials"
    directory.mkdir()
    credential = directory / "neargate.root-passphrase"
    credential.write_text("correct horse battery staple\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    gate.start()
    gate.client("secretsmanager").create_secret(Name="app", SecretString="kept")
    gate.kill()
    assert not (gate.data / "root.key").exists()
    credential.write_text("another horse battery staple\n")
    assert "gives another root key" in start_refused(gate)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert "root.key is missing" in start_refused(gate)
    phrase = gate.directory / "phrase"
    phrase.write_text("correct horse battery staple")
    monkeypatch.setenv("NEARGATE_ROOT_PASSPHRASE", str(phrase))
    gate.start()
    assert gate.client("secretsmanager").get_secret_value(SecretId="app")["SecretString"] == "kept"
