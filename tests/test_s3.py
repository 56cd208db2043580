"""S3 through boto3, the aws CLI and plain HTTP."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import socket
import urllib.error
import urllib.request

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from neargate import REGION, exported, refused, wait_until

MIB = 1 << 20


def s3_of(gate, **config):
    return gate.client("s3", config=Config(signature_version="s3v4", **config))


@pytest.fixture
def s3(gate):
    return s3_of(gate)


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def extents_of(gate):
    return sorted(
        os.path.join(where, name) for where, _, names in os.walk(os.path.join(gate.data, "objects")) for name in names
    )


def test_an_object_lives_survives_and_goes(gate, s3):
    s3.create_bucket(Bucket="photos")
    body = os.urandom(300_000)
    put = s3.put_object(Bucket="photos", Key="a/b c+ü.txt", Body=body, ContentType="text/plain", Metadata={"by": "me"}, Tagging="team=a")
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ServerSideEncryption"] == "AES256"
    gate.kill()
    gate.start()
    got = s3.get_object(Bucket="photos", Key="a/b c+ü.txt")
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/plain", {"by": "me"}, 1)
    part = s3.get_object(Bucket="photos", Key="a/b c+ü.txt", Range="bytes=70000-200000")
    assert part["ContentRange"] == "bytes 70000-200000/300000"
    assert part["Body"].read() == body[70000:200001]
    assert code_of(s3.get_object, Bucket="photos", Key="a/b c+ü.txt", Range="bytes=300000-") == ("InvalidRange", 416)
    assert code_of(s3.head_object, Bucket="photos", Key="nothing") == ("404", 404)
    assert code_of(s3.get_object, Bucket="nowhere", Key="x") == ("NoSuchBucket", 404)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="photos")["Contents"]] == ["a/b c+ü.txt"]
    assert code_of(s3.delete_bucket, Bucket="photos") == ("BucketNotEmpty", 409)
    (extent,) = extents_of(gate)
    with open(extent, "rb") as file:
        assert body[:64] not in file.read(), "it is sealed"
    s3.delete_object(Bucket="photos", Key="a/b c+ü.txt")
    assert extents_of(gate) == []
    s3.delete_bucket(Bucket="photos")
    assert s3.list_buckets()["Buckets"] == []


def test_names_are_bytes_and_no_paths(s3):
    s3.create_bucket(Bucket="names")
    keys = ["..", "../../etc/passwd", "a//b", "/a", "a/", "x" * 1024, "\u0001\u007f", "ä", "🦀", "a%2Fb", "a?b&c=d", "."]
    # What normalises a path before it signs it is the client, not S3.
    for number, key in enumerate(keys):
        s3.put_object(Bucket="names", Key=key, Body=str(number))
    for number, key in enumerate(keys):
        assert s3.get_object(Bucket="names", Key=key)["Body"].read() == str(number).encode(), key
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket="names")["Contents"]]
    assert listed == sorted(keys, key=str.encode)
    assert code_of(s3.put_object, Bucket="names", Key="x" * 1025, Body="") == ("KeyTooLongError", 400)


def test_digests_are_checked(s3):
    s3.create_bucket(Bucket="sums")
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert code_of(s3.put_object, Bucket="sums", Key="k", Body=b"hello", ContentMD5=wrong) == ("BadDigest", 400)
    assert code_of(s3.put_object, Bucket="sums", Key="k", Body=b"hello", ContentMD5="bad") == ("InvalidDigest", 400)
    assert code_of(s3.put_object, Bucket="sums", Key="k", Body=b"hello", ChecksumSHA256=base64.b64encode(b"0" * 32).decode()) == ("BadDigest", 400)
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        made = s3.put_object(Bucket="sums", Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm)
        shown = s3.head_object(Bucket="sums", Key=algorithm, ChecksumMode="ENABLED")
        name = f"Checksum{algorithm}"
        assert made[name] == shown[name], algorithm
    expected = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    assert s3.get_object_attributes(Bucket="sums", Key="SHA256", ObjectAttributes=["Checksum", "ObjectSize", "ETag"])["Checksum"]["ChecksumSHA256"] == expected
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="sums")["Contents"]] == ["CRC32", "SHA1", "SHA256"]


def test_large_files_come_in_parts(gate, s3, tmp_path):
    s3.create_bucket(Bucket="large")
    body = os.urandom(21 * MIB + 5)
    path = tmp_path / "large"
    path.write_bytes(body)
    s3.upload_file(str(path), "large", "file", Config=TransferConfig(multipart_threshold=8 * MIB))
    head = s3.head_object(Bucket="large", Key="file")
    assert head["ETag"].endswith('-3"')
    second = s3.get_object(Bucket="large", Key="file", PartNumber=2)
    assert second["PartsCount"] == 3 and second["Body"].read() == body[8 * MIB : 16 * MIB]
    s3.download_file("large", "file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == body
    s3.copy({"Bucket": "large", "Key": "file"}, "large", "copy")
    assert s3.get_object(Bucket="large", Key="copy")["Body"].read() == body
    s3.copy_object(Bucket="large", Key="linked", CopySource={"Bucket": "large", "Key": "copy"})
    s3.delete_object(Bucket="large", Key="copy")
    assert s3.get_object(Bucket="large", Key="linked")["Body"].read() == body

    upload = s3.create_multipart_upload(Bucket="large", Key="many")["UploadId"]
    parts = []
    for number in (1, 2):
        part = s3.upload_part(Bucket="large", Key="many", UploadId=upload, PartNumber=number, Body=b"small")
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    assert [p["PartNumber"] for p in s3.list_parts(Bucket="large", Key="many", UploadId=upload)["Parts"]] == [1, 2]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket="large")["Uploads"]] == ["many"]
    wanted = dict(Bucket="large", Key="many", UploadId=upload)
    complete = s3.complete_multipart_upload
    assert code_of(complete, **wanted, MultipartUpload={"Parts": parts}) == ("EntityTooSmall", 400)
    assert code_of(complete, **wanted, MultipartUpload={"Parts": parts[::-1]}) == ("InvalidPartOrder", 400)
    missing = [{"PartNumber": 3, "ETag": parts[0]["ETag"]}]
    assert code_of(complete, **wanted, MultipartUpload={"Parts": missing}) == ("InvalidPart", 400)
    s3.abort_multipart_upload(**wanted)
    assert code_of(s3.list_parts, **wanted) == ("NoSuchUpload", 404)
    for key in ("file", "linked"):
        s3.delete_object(Bucket="large", Key=key)
    assert extents_of(gate) == []


def test_writes_can_have_conditions(s3):
    s3.create_bucket(Bucket="once")
    etag = s3.put_object(Bucket="once", Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert code_of(s3.put_object, Bucket="once", Key="k", Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert code_of(s3.put_object, Bucket="once", Key="k", Body=b"2", IfMatch='"no"') == ("PreconditionFailed", 412)
    s3.put_object(Bucket="once", Key="k", Body=b"2", IfMatch=etag)
    assert code_of(s3.get_object, Bucket="once", Key="k", IfMatch=etag) == ("PreconditionFailed", 412)
    now = s3.head_object(Bucket="once", Key="k")["ETag"]
    assert code_of(s3.get_object, Bucket="once", Key="k", IfNoneMatch=now) == ("304", 304)


def test_versions_are_kept(gate, s3):
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    one = s3.put_object(Bucket="kept", Key="k", Body=b"one")["VersionId"]
    two = s3.put_object(Bucket="kept", Key="k", Body=b"two")["VersionId"]
    marker = s3.delete_object(Bucket="kept", Key="k")
    assert marker["DeleteMarker"] is True
    assert code_of(s3.get_object, Bucket="kept", Key="k") == ("NoSuchKey", 404)
    for version, body in [(one, b"one"), (two, b"two"), ("null", b"null")]:
        assert s3.get_object(Bucket="kept", Key="k", VersionId=version)["Body"].read() == body
    listed = s3.list_object_versions(Bucket="kept")
    assert [v["VersionId"] for v in listed["Versions"]] == [two, one, "null"]
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == [marker["VersionId"]]
    assert "Contents" not in s3.list_objects_v2(Bucket="kept")
    s3.delete_object(Bucket="kept", Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == b"two"
    s3.delete_object(Bucket="kept", Key="k", VersionId=two)
    assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == b"one"
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket="kept", Key="k", Body=b"another null")
    listed = s3.list_object_versions(Bucket="kept")
    assert [(v["VersionId"], v["IsLatest"]) for v in listed["Versions"]] == [("null", True), (one, False)]
    paged = [
        (v["Key"], v["VersionId"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket="kept", PaginationConfig={"PageSize": 1})
        for v in page.get("Versions", [])
    ]
    assert paged == [("k", "null"), ("k", one)]
    done = s3.delete_objects(Bucket="kept", Delete={"Objects": [{"Key": "k", "VersionId": v} for v in ("null", one)]})
    assert len(done["Deleted"]) == 2
    assert extents_of(gate) == []
    s3.delete_bucket(Bucket="kept")


def test_listings_roll_up_and_page(s3):
    s3.create_bucket(Bucket="tree")
    keys = [f"{a}/{b}" for a in "abc" for b in range(5)] + ["top", "zzz"]
    for key in keys:
        s3.put_object(Bucket="tree", Key=key, Body=b"")
    for version in ("list_objects_v2", "list_objects"):
        names = []
        for page in s3.get_paginator(version).paginate(Bucket="tree", Delimiter="/", PaginationConfig={"PageSize": 2}):
            names += [p["Prefix"] for p in page.get("CommonPrefixes", [])] + [o["Key"] for o in page.get("Contents", [])]
        assert names == ["a/", "b/", "c/", "top", "zzz"], version
        names = [o["Key"] for page in s3.get_paginator(version).paginate(Bucket="tree", PaginationConfig={"PageSize": 3}) for o in page["Contents"]]
        assert names == sorted(keys), version
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="tree", Prefix="b/", StartAfter="b/2")["Contents"]] == ["b/3", "b/4"]


def test_a_customer_s_key_is_needed_again(s3):
    s3.create_bucket(Bucket="sealed")
    key, other = os.urandom(32), os.urandom(32)
    s3.put_object(Bucket="sealed", Key="k", Body=b"secret", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    got = s3.get_object(Bucket="sealed", Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    assert got["Body"].read() == b"secret" and got["SSECustomerAlgorithm"] == "AES256"
    assert code_of(s3.get_object, Bucket="sealed", Key="k") == ("InvalidRequest", 400)
    assert code_of(s3.get_object, Bucket="sealed", Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=other) == ("AccessDenied", 403)


def test_a_key_of_kms_is_asked_each_time(gate, s3, tmp_path):
    kms = gate.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="keyed")
    put = dict(Bucket="keyed", Key="k", ServerSideEncryption="aws:kms")
    said = s3.put_object(**put, Body=b"hidden", SSEKMSKeyId=key)
    assert (said["ServerSideEncryption"], said["SSEKMSKeyId"]) == ("aws:kms", key)
    got = s3.get_object(Bucket="keyed", Key="k")
    assert (got["Body"].read(), got["SSEKMSKeyId"]) == (b"hidden", key)
    assert code_of(s3.put_object, **put, Body=b"", SSEKMSKeyId=key[:-12] + "0" * 12) == ("KMS.NotFoundException", 400)
    # The key that AWS makes for S3, by the bucket's default; parts and copies have it, too.
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket="keyed", ServerSideEncryptionConfiguration={"Rules": [rule]})
    large = tmp_path / "large"
    large.write_bytes(os.urandom(9 * MIB))
    s3.upload_file(str(large), "keyed", "large", Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))
    s3.copy_object(Bucket="keyed", Key="copy", CopySource="keyed/k")
    managed = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]
    for name, body in (("large", large.read_bytes()), ("copy", b"hidden")):
        got = s3.get_object(Bucket="keyed", Key=name)
        assert (got["SSEKMSKeyId"], got["BucketKeyEnabled"]) == (managed, True)
        assert got["Body"].read() == body
    kms.disable_key(KeyId=key)
    assert code_of(s3.get_object, Bucket="keyed", Key="k") == ("KMS.DisabledException", 400)
    kms.enable_key(KeyId=key)
    assert s3.get_object(Bucket="keyed", Key="k")["Body"].read() == b"hidden"


def test_what_is_locked_stays(s3):
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    version = s3.put_object(Bucket="locked", Key="k", Body=b"1", ObjectLockLegalHoldStatus="ON")["VersionId"]
    assert code_of(s3.delete_object, Bucket="locked", Key="k", VersionId=version) == ("AccessDenied", 403)
    s3.put_object_legal_hold(Bucket="locked", Key="k", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket="locked", Key="k", VersionId=version)


def test_presigned_addresses_work_and_expire(own_gate):
    """By a key of the installation: strangers must prove who they are."""
    gate = own_gate
    s3 = s3_of(gate)
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="k", Body=b"hello")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "k"}, ExpiresIn=60)
    assert urllib.request.urlopen(address).read() == b"hello"
    address = s3.generate_presigned_url("put_object", Params={"Bucket": "signed", "Key": "new"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(address, data=b"there", method="PUT"))
    assert s3.get_object(Bucket="signed", Key="new")["Body"].read() == b"there"


def test_buckets_have_hosts_of_their_own(gate, s3):
    s3.create_bucket(Bucket="hosted")
    for key in ("k", "v2/k"):
        s3.put_object(Bucket="hosted", Key=key, Body=b"hello")
    for host, key in (("hosted.localhost", "k"), ("hosted.s3.localhost", "v2/k"), (f"hosted.s3.{REGION}.localhost", "v2/k")):
        request = urllib.request.Request(f"{gate.url}/{key}", headers={"Host": f"{host}:{gate.port}"})
        assert urllib.request.urlopen(request).read() == b"hello", host
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(f"{gate.url}/hosted/none")
    assert b"<Code>NoSuchKey</Code>" in missing.value.read()


def test_addresses_of_the_older_signature_work(gate, s3):
    s3.create_bucket(Bucket="older")
    s3.put_object(Bucket="older", Key="a b", Body=b"hello")
    old = gate.client("s3", config=Config(signature_version="s3"))
    address = old.generate_presigned_url("get_object", Params={"Bucket": "older", "Key": "a b"}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in address
    assert urllib.request.urlopen(address).read() == b"hello"


def test_a_form_brings_an_object(gate, s3):
    s3.create_bucket(Bucket="forms")
    post = s3.generate_presigned_post("forms", "in/${filename}", Conditions=[["starts-with", "$key", "in/"], ["content-length-range", 1, 100]])

    def send(body):
        mark = "----mark"
        fields = "".join(f'--{mark}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in post["fields"].items())
        head = f'{fields}--{mark}\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\nContent-Type: a/b\r\n\r\n'
        data = head.encode() + body + f"\r\n--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        return urllib.request.urlopen(urllib.request.Request(post["url"], data=data, headers=headers))

    body = b"\r\n------mar\r\n" + os.urandom(50)
    assert send(body).status == 204
    assert s3.get_object(Bucket="forms", Key="in/f.bin")["Body"].read() == body
    with pytest.raises(urllib.error.HTTPError) as large:
        send(b"x" * 101)
    assert b"<Code>EntityTooLarge</Code>" in large.value.read()


def test_a_bucket_is_a_website(gate, s3):
    s3.create_bucket(Bucket="site")
    s3.put_object(Bucket="site", Key="index.html", Body=b"home", ContentType="text/html")
    s3.put_object(Bucket="site", Key="docs/index.html", Body=b"docs")
    s3.put_object(Bucket="site", Key="lost.html", Body=b"lost")
    gate.aws("s3", "website", "s3://site", "--index-document", "index.html", "--error-document", "lost.html")

    def visit(path):
        headers = {"Host": f"site.s3-website.localhost:{gate.port}"}
        try:
            answer = urllib.request.urlopen(urllib.request.Request(gate.url + path, headers=headers))
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.read()

    assert visit("/")[0] == 403, "nobody has opened it"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*"}]}
    assert code_of(s3.put_bucket_policy, Bucket="site", Policy=json.dumps(policy)) == ("AccessDenied", 403)
    s3.delete_public_access_block(Bucket="site")
    s3.put_bucket_policy(Bucket="site", Policy=json.dumps(policy))
    assert s3.get_bucket_policy_status(Bucket="site")["PolicyStatus"]["IsPublic"] is True
    assert visit("/") == (200, b"home")
    assert visit("/docs/") == (200, b"docs")
    assert visit("/nothing")[0] == 403, "who may not list is not told"


def test_web_pages_are_told_who_may_read(gate, s3):
    s3.create_bucket(Bucket="shared")
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://*.example.com"], "AllowedHeaders": ["x-*"], "MaxAgeSeconds": 60}
    s3.put_bucket_cors(Bucket="shared", CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket="shared")["CORSRules"] == [rule]
    s3.delete_bucket_cors(Bucket="shared")
    assert code_of(s3.get_bucket_cors, Bucket="shared") == ("NoSuchCORSConfiguration", 404)


def test_settings_are_got_as_they_were_put(s3):
    s3.create_bucket(Bucket="settings")
    assert s3.get_bucket_encryption(Bucket="settings")["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert all(s3.get_public_access_block(Bucket="settings")["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_ownership_controls(Bucket="settings")["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    tags = [{"Key": "a", "Value": "1"}]
    s3.put_bucket_tagging(Bucket="settings", Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket="settings")["TagSet"] == tags
    rules = [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]
    s3.put_bucket_lifecycle_configuration(Bucket="settings", LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket="settings")["Rules"] == rules
    assert s3.get_bucket_location(Bucket="settings")["LocationConstraint"] is None
    assert code_of(s3.put_bucket_acl, Bucket="settings", ACL="public-read") == ("AccessControlListNotSupported", 400)
    assert code_of(s3.put_bucket_accelerate_configuration, Bucket="settings", AccelerateConfiguration={"Status": "Enabled"}) == ("NotImplemented", 501)
    assert code_of(s3.get_bucket_website, Bucket="settings") == ("NoSuchWebsiteConfiguration", 404)


def test_a_body_that_breaks_off_leaves_nothing(gate, s3):
    s3.create_bucket(Bucket="broken")
    with socket.create_connection((gate.host, gate.port)) as connection:
        head = f"PUT /broken/k HTTP/1.1\r\nHost: {gate.host}:{gate.port}\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 3_000_000)
        wait_until(lambda: extents_of(gate), what="bytes on the disk")
    wait_until(lambda: not extents_of(gate), what="nothing on the disk")
    assert code_of(s3.head_object, Bucket="broken", Key="k") == ("404", 404)


def test_a_kill_while_it_is_written_leaves_the_old_or_the_new(gate, s3):
    s3.create_bucket(Bucket="killed")
    s3.put_object(Bucket="killed", Key="k", Body=b"old")
    with socket.create_connection((gate.host, gate.port)) as connection:
        head = f"PUT /killed/k HTTP/1.1\r\nHost: {gate.host}:{gate.port}\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 3_000_000)
        wait_until(lambda: len(extents_of(gate)) == 2, what="bytes on the disk")
        gate.kill()
    gate.start()
    assert s3.get_object(Bucket="killed", Key="k")["Body"].read() == b"old"


def test_the_command_line_copies_and_syncs(gate, tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text(f"{number}")
    (tmp_path / "large").write_bytes(os.urandom(9 * MIB))
    gate.aws("s3", "mb", "s3://cli")
    gate.aws("s3", "sync", str(tmp_path), "s3://cli/all")
    back = tmp_path / "back"
    gate.aws("s3", "sync", "s3://cli/all", str(back))
    for name in os.listdir(back):
        assert (back / name).read_bytes() == (tmp_path / name).read_bytes()
    gate.aws("s3", "cp", "s3://cli/all/large", "s3://cli/again")
    gate.aws("s3", "rm", "s3://cli/all", "--recursive")
    gate.aws("s3", "rb", "s3://cli", "--force")
    assert gate.aws("s3api", "list-buckets")["Buckets"] == []


@pytest.fixture
def enforcing(make_gate):
    gate = make_gate("--enforce")
    gate.start()
    lines = exported(gate.cli("env").stdout)
    gate.keys = lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]
    return gate


def status_of(request):
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.read()


def chunked(gate, path, body, trailer):
    """A PUT in signed chunks, as the SDK for Java and minio's clients send it."""
    access, secret = gate.keys
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    scope = f"{day}/{REGION}/s3/aws4_request"
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    key = b"AWS4" + secret.encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    sign = lambda text: hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    sha = lambda data: hashlib.sha256(data).hexdigest()
    headers = {"host": f"{gate.host}:{gate.port}", "x-amz-content-sha256": kind, "x-amz-date": stamp, "x-amz-decoded-content-length": str(len(body))}
    if trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-sha256"
    names = ";".join(sorted(headers))
    canonical = "\n".join(["PUT", path, "", *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, kind])
    seed = previous = sign(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha(canonical.encode())}")
    data = b""
    for chunk in [body[i : i + 65536] for i in range(0, len(body), 65536)] + [b""]:
        previous = sign(f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{sha(b'')}\n{sha(chunk)}")
        data += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + (chunk + b"\r\n" if chunk else b"")
    if trailer:
        line = f"x-amz-checksum-sha256:{base64.b64encode(hashlib.sha256(body).digest()).decode()}"
        previous = sign(f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{previous}\n{sha((line + chr(10)).encode())}")
        data += f"{line}\r\nx-amz-trailer-signature:{previous}\r\n".encode()
    data += b"\r\n"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, Signature={seed}"
    return data, headers


def test_strangers_must_prove_every_chunk(enforcing):
    gate = enforcing
    s3 = s3_of(gate)
    s3.create_bucket(Bucket="proven")
    body = os.urandom(200_000)
    s3.put_object(Bucket="proven", Key="k", Body=body)
    assert s3.get_object(Bucket="proven", Key="k")["Body"].read() == body
    for trailer in (False, True):
        data, headers = chunked(gate, "/proven/chunks", body, trailer)
        assert status_of(urllib.request.Request(f"{gate.url}/proven/chunks", data, headers, method="PUT"))[0] == 200
        assert s3.get_object(Bucket="proven", Key="chunks")["Body"].read() == body
        changed = data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]
        status, said = status_of(urllib.request.Request(f"{gate.url}/proven/changed", changed, headers, method="PUT"))
        assert (status, b"SignatureDoesNotMatch" in said) == (403, True)
    assert code_of(s3.head_object, Bucket="proven", Key="changed") == ("404", 404)

    address = s3.generate_presigned_url("get_object", Params={"Bucket": "proven", "Key": "k"}, ExpiresIn=60)
    assert status_of(address) == (200, body)
    assert status_of(address.replace("/k?", "/chunks?"))[0] == 403
    old = gate.client("s3", config=Config(signature_version="s3"))
    address = old.generate_presigned_url("get_object", Params={"Bucket": "proven", "Key": "k"}, ExpiresIn=60)
    assert status_of(address) == (200, body)
    assert status_of(address.replace("Signature=", "Signature=x"))[0] == 403
    assert status_of(f"{gate.url}/proven/k")[0] == 403
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::proven/k"}]}
    s3.delete_public_access_block(Bucket="proven")
    s3.put_bucket_policy(Bucket="proven", Policy=json.dumps(policy))
    assert status_of(f"{gate.url}/proven/k") == (200, body)
    assert status_of(f"{gate.url}/proven/chunks")[0] == 403


def test_what_happens_in_a_bucket_is_told(gate):
    s3, sqs, events = gate.client("s3"), gate.client("sqs"), gate.client("events")
    s3.create_bucket(Bucket="inbox")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("new", "all")}
    arns = {name: f"arn:aws:sqs:us-east-1:000000000000:{name}" for name in urls}
    nowhere = {"QueueArn": arns["new"] + "-none", "Events": ["s3:ObjectCreated:*"]}
    code, message = refused(
        s3.put_bucket_notification_configuration, Bucket="inbox", NotificationConfiguration={"QueueConfigurations": [nowhere]}
    )
    assert (code, message) == ("InvalidArgument", "Unable to validate the following destination configurations")
    rules = [{"Name": "prefix", "Value": "in/"}]
    queue = {"QueueArn": arns["new"], "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
    s3.put_bucket_notification_configuration(
        Bucket="inbox", NotificationConfiguration={"QueueConfigurations": [queue], "EventBridgeConfiguration": {}}
    )
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": ["inbox"]}}}))
    events.put_targets(Rule="all", Targets=[{"Id": "all", "Arn": arns["all"]}])
    s3.put_object(Bucket="inbox", Key="in/a b", Body=b"hello")
    s3.delete_object(Bucket="inbox", Key="in/a b")

    def received(name, until):
        found = []

        def enough():
            for message in sqs.receive_message(QueueUrl=urls[name], WaitTimeSeconds=1).get("Messages", []):
                sqs.delete_message(QueueUrl=urls[name], ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            return until(found)

        wait_until(enough, what=f"what is told to {name}")
        return found

    told = received("new", lambda found: any("Records" in body for body in found))
    assert told[0]["Event"] == "s3:TestEvent"
    record = told[-1]["Records"][0]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "in/a+b")
    told = received("all", lambda found: len({body["detail-type"] for body in found}) == 2)
    assert {body["detail"]["reason"] for body in told} == {"PutObject", "DeleteObject"}
