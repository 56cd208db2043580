"""ECR and its registry: real clients push and pull; what is wrong is refused and leaves nothing."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import images
from images import INDEX, MANIFEST, sha256
from neargate import ACCOUNT, REGION, refused, wait_until
from registry import Registry


@pytest.fixture
def registry(gate):
    """A repository `web`, by hand."""
    gate.client("ecr").create_repository(repositoryName="web")
    return Registry(gate, "web")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An index of two platforms with several layers each, one shared."""
    layout = images.Layout(tmp_path_factory.mktemp("many") / "layout")
    shared = images.layer({"shared": os.urandom(3_000_000)})
    own = [[shared, *(images.layer({f"{arch}/{n}": os.urandom(100_000)}) for n in range(5))]
           for arch in ("amd64", "arm64")]
    index = layout.multi(*(layout.image(layers, architecture=arch)
                           for layers, arch in zip(own, ("amd64", "arm64"))))
    return layout.write(index)


def blobs_of(layout):
    return sorted(p.name for p in (layout / "blobs/sha256").iterdir())


def digest_of(layout):
    return json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]


def test_skopeo_round_trip_of_several_platforms(gate, many, tmp_path):
    uri = images.push(gate, many, "many", "v1", all_platforms=True)
    assert uri == f"{gate.registry}/many"
    back = tmp_path / "back"
    images.skopeo("copy", "--all", "--src-tls-verify=false", f"docker://{uri}:v1", f"oci:{back}")
    assert blobs_of(back) == blobs_of(many)
    assert digest_of(back) == digest_of(many)
    ecr = gate.client("ecr")
    tagged = ecr.describe_images(repositoryName="many", imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
    assert tagged["imageDigest"] == digest_of(many)
    assert tagged["imageManifestMediaType"] == INDEX
    assert len(ecr.describe_images(repositoryName="many")["imageDetails"]) == 3
    assert json.loads(images.skopeo("list-tags", "--tls-verify=false", f"docker://{uri}"))["Tags"] == ["v1"]
    # Again under another tag: nothing but the manifest moves.
    images.skopeo("copy", "--all", "--dest-tls-verify=false", f"oci:{many}", f"docker://{uri}:v2")
    assert len(ecr.list_images(repositoryName="many")["imageIds"]) == 4
    # One platform of it runs here; the other one can be had by its digest.
    inspected = json.loads(images.skopeo("inspect", "--tls-verify=false", f"docker://{uri}:v1"))
    assert inspected["Architecture"] == images.ARCH


@pytest.mark.parametrize("tool", ["buildah", "podman"])
def test_buildah_and_podman(gate, layout, tmp_path, request, tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed (apt-get install {tool})")
    uri = gate.client("ecr").create_repository(repositoryName="team/app")["repository"]["repositoryUri"]
    # podman wants a short path here.
    runroot = pathlib.Path(tempfile.mkdtemp(prefix="ng"))
    request.addfinalizer(lambda: shutil.rmtree(runroot))
    store = ["--root", tmp_path / "root", "--runroot", runroot, "--storage-driver", "vfs"]
    env = {**os.environ, "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}

    def run(*arguments, stdin=None):
        done = subprocess.run([tool, *store, *arguments], input=stdin, capture_output=True, text=True, env=env)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout.strip()

    password = gate.aws("ecr", "get-login-password")
    run("login", "--tls-verify=false", "-u", "AWS", "--password-stdin", gate.registry, stdin=password)
    image = run("pull", f"oci:{layout}").splitlines()[-1]
    run("push", "--tls-verify=false", image, f"docker://{uri}:one")
    run("rmi", "-f", image)
    run("pull", "--tls-verify=false", f"docker://{uri}:one")
    details = gate.aws("ecr", "describe-images", "--repository-name", "team/app")["imageDetails"]
    assert details[0]["imageTags"] == ["one"] and details[0]["imageSizeInBytes"] > 100_000


@pytest.fixture
def docker(tmp_path_factory):
    """A Docker daemon of the test's own, without any network set-up."""
    if not shutil.which("dockerd") or not shutil.which("docker"):
        pytest.skip("docker is not installed (apt-get install docker.io)")
    here = tmp_path_factory.mktemp("docker")
    socket = f"unix://{here}/socket"
    log = open(here / "log", "wb")
    daemon = subprocess.Popen(
        ["dockerd", "-H", socket, "--data-root", here / "data", "--exec-root", here / "exec",
         "--pidfile", here / "pid", "--bridge=none", "--iptables=false", "--ip6tables=false"],
        stdout=log, stderr=log)

    def run(*arguments, stdin=None):
        env = {**os.environ, "DOCKER_CONFIG": str(here / "config")}
        done = subprocess.run(["docker", "-H", socket, *arguments], input=stdin, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def ready():
        assert daemon.poll() is None, (here / "log").read_text()[-2000:]
        return subprocess.run(["docker", "-H", socket, "version"], capture_output=True).returncode == 0

    try:
        wait_until(ready, 60, "dockerd is ready")
        yield run
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)


def test_docker(gate, layout, docker, tmp_path):
    uri = gate.client("ecr").create_repository(repositoryName="app")["repository"]["repositoryUri"]
    archive = tmp_path / "image.tar"
    images.skopeo("copy", f"oci:{layout}", f"docker-archive:{archive}:app:local")
    docker("load", "-i", str(archive))
    docker("login", "-u", "AWS", "--password-stdin", gate.registry, stdin=gate.aws("ecr", "get-login-password"))
    docker("tag", "app:local", f"{uri}:v1")
    pushed = docker("push", f"{uri}:v1")
    digest = gate.client("ecr").describe_images(repositoryName="app")["imageDetails"][0]["imageDigest"]
    assert digest in pushed
    docker("rmi", "-f", f"{uri}:v1", "app:local")
    assert digest in docker("pull", f"{uri}:v1")


def test_repositories(gate):
    ecr = gate.client("ecr")
    made = ecr.create_repository(repositoryName="a/b", tags=[{"Key": "k", "Value": "v"}])["repository"]
    assert made["repositoryArn"] == f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/a/b"
    assert made["registryId"] == ACCOUNT
    assert made["imageTagMutability"] == "MUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": False}
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [{"Key": "k", "Value": "v"}]
    assert refused(ecr.create_repository, repositoryName="a/b")[0] == "RepositoryAlreadyExistsException"
    for bad in ("A", "a//b", "-a", "a b", "../a", "a/.."):
        assert refused(ecr.create_repository, repositoryName=bad.ljust(2, "B"))[0] == "InvalidParameterException"
    code, message = refused(ecr.describe_repositories, repositoryNames=["none"])
    assert code == "RepositoryNotFoundException"
    assert message == f"The repository with name 'none' does not exist in the registry with id '{ACCOUNT}'"
    for n in range(25):
        ecr.create_repository(repositoryName=f"page{n:02}")
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 10})
    names = [r["repositoryName"] for page in pages for r in page["repositories"]]
    assert names == ["a/b", *(f"page{n:02}" for n in range(25))]
    gate.aws("ecr", "delete-repository", "--repository-name", "a/b")
    assert refused(ecr.delete_repository, repositoryName="a/b")[0] == "RepositoryNotFoundException"
    elsewhere = gate.client("ecr", "eu-west-1")
    assert elsewhere.describe_repositories()["repositories"] == []
    uri = elsewhere.create_repository(repositoryName="far")["repository"]["repositoryUri"]
    assert uri == f"{gate.registry}/{ACCOUNT}/eu-west-1/far"


def test_policies_and_settings(gate):
    ecr = gate.client("ecr")
    ecr.create_repository(repositoryName="web")
    policy = json.dumps({"Version": "2008-10-17", "Statement": [
        {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}]})
    assert refused(ecr.get_repository_policy, repositoryName="web")[0] == "RepositoryPolicyNotFoundException"
    ecr.set_repository_policy(repositoryName="web", policyText=policy)
    assert json.loads(ecr.get_repository_policy(repositoryName="web")["policyText"]) == json.loads(policy)
    assert refused(ecr.set_repository_policy, repositoryName="web", policyText="{")[0] == "InvalidParameterException"
    ecr.delete_repository_policy(repositoryName="web")
    lifecycle = json.dumps({"rules": [{"rulePriority": 1, "selection": {
        "tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1},
        "action": {"type": "expire"}}]})
    assert refused(ecr.get_lifecycle_policy, repositoryName="web")[0] == "LifecyclePolicyNotFoundException"
    ecr.put_lifecycle_policy(repositoryName="web", lifecyclePolicyText=lifecycle)
    assert json.loads(ecr.get_lifecycle_policy(repositoryName="web")["lifecyclePolicyText"]) == json.loads(lifecycle)
    ecr.put_image_scanning_configuration(repositoryName="web", imageScanningConfiguration={"scanOnPush": True})
    shown = ecr.describe_repositories()["repositories"][0]
    assert shown["imageScanningConfiguration"] == {"scanOnPush": True}


def test_images_listed_described_and_deleted(gate, registry):
    ecr = gate.client("ecr")
    one, two = registry.tiny("v1", b"one"), registry.tiny("v2", b"two")
    registry.put("latest", registry.send("GET", "manifests/v2").body)
    untagged = registry.tiny(None, b"three")
    listed = {(i["imageDigest"], i.get("imageTag")) for i in ecr.list_images(repositoryName="web")["imageIds"]}
    assert listed == {(one, "v1"), (two, "v2"), (two, "latest"), (untagged, None)}
    only = ecr.list_images(repositoryName="web", filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert only == [{"imageDigest": untagged}]
    details = {d["imageDigest"]: d for d in ecr.describe_images(repositoryName="web")["imageDetails"]}
    assert sorted(details[two]["imageTags"]) == ["latest", "v2"]
    assert "imageTags" not in details[untagged]
    got = gate.aws("ecr", "batch-get-image", "--repository-name", "web", "--image-ids", "imageTag=v1",
                   "imageTag=none")
    assert sha256(got["images"][0]["imageManifest"].encode()) == one
    assert got["failures"][0]["failureCode"] == "ImageNotFound"
    assert refused(ecr.describe_images, repositoryName="web", imageIds=[{"imageTag": "none"}])[0] == (
        "ImageNotFoundException")
    layer = sha256(b"one")
    there = ecr.batch_check_layer_availability(repositoryName="web", layerDigests=[layer, sha256(b"?")])
    assert [l["layerAvailability"] for l in there["layers"]] == ["AVAILABLE", "UNAVAILABLE"] or there["failures"]
    url = ecr.get_download_url_for_layer(repositoryName="web", layerDigest=layer)["downloadUrl"]
    assert subprocess.run(["curl", "-sf", url], capture_output=True).stdout == b"one"

    gone = ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageTag": "v2"}, {"imageTag": "none"}])
    assert gone["imageIds"] == [{"imageDigest": two, "imageTag": "v2"}]
    assert gone["failures"][0]["failureCode"] == "ImageNotFound"
    assert registry.send("GET", "manifests/latest").status == 200
    ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageDigest": two}])
    assert registry.send("GET", "manifests/latest").status == 404
    assert refused(ecr.delete_repository, repositoryName="web")[0] == "RepositoryNotEmptyException"
    ecr.delete_repository(repositoryName="web", force=True)
    assert registry.send("GET", "manifests/v1").error == "NAME_UNKNOWN"
    ecr.create_repository(repositoryName="web")
    assert registry.send("GET", "manifests/v1").error == "MANIFEST_UNKNOWN"
    assert not registry.has(layer)


def test_pushing_through_the_api(gate):
    ecr = gate.client("ecr")
    ecr.create_repository(repositoryName="web")
    data = os.urandom(6 << 20)
    parts = [data[: 5 << 20], data[5 << 20 :]]

    def upload():
        began = {"repositoryName": "web", "uploadId": ecr.initiate_layer_upload(repositoryName="web")["uploadId"]}
        first = 0
        for part in parts:
            answer = ecr.upload_layer_part(
                **began, partFirstByte=first, partLastByte=first + len(part) - 1, layerPartBlob=part)
            first += len(part)
            assert answer["lastByteReceived"] == first - 1
        return began

    began = upload()
    code, _ = refused(ecr.upload_layer_part, **began, partFirstByte=0, partLastByte=1, layerPartBlob=b"xx")
    assert code == "InvalidLayerPartException"
    done = ecr.complete_layer_upload(**began, layerDigests=[sha256(data)])
    assert done["layerDigest"] == sha256(data)
    again = refused(ecr.complete_layer_upload, **upload(), layerDigests=[sha256(data)])[0]
    assert again == "LayerAlreadyExistsException"
    wrong = refused(ecr.complete_layer_upload, **upload(), layerDigests=[sha256(b"other")])[0]
    assert wrong == "InvalidLayerException"
    empty = ecr.initiate_layer_upload(repositoryName="web")["uploadId"]
    code, _ = refused(ecr.complete_layer_upload, repositoryName="web", uploadId=empty, layerDigests=[sha256(b"")])
    assert code == "EmptyUploadException"
    registry = Registry(gate, "web")
    manifest = registry.manifest_of(registry.blob(b"{}"), [{"digest": sha256(data), "size": len(data)}])
    image = ecr.put_image(repositoryName="web", imageManifest=manifest.decode(), imageTag="v1")["image"]
    assert image["imageId"] == {"imageDigest": sha256(manifest), "imageTag": "v1"}
    assert refused(ecr.put_image, repositoryName="web", imageManifest=manifest.decode(), imageTag="v1")[0] == (
        "ImageAlreadyExistsException")
    missing = registry.manifest_of({"digest": sha256(b"no"), "size": 2}, [])
    assert refused(ecr.put_image, repositoryName="web", imageManifest=missing.decode(), imageTag="v2")[0] == (
        "LayersNotFoundException")


def test_immutable_tags(gate, registry):
    ecr = gate.client("ecr")
    ecr.put_image_tag_mutability(repositoryName="web", imageTagMutability="IMMUTABLE")
    digest = registry.tiny("v1", b"one")
    config, layer = registry.blob(b"{}"), registry.blob(b"two")
    reply = registry.put("v1", registry.manifest_of(config, [layer]))
    assert reply.status == 400 and "immutable" in reply.message
    assert registry.send("GET", "manifests/v1").headers["Docker-Content-Digest"] == digest
    # The very same image again is no change.
    assert registry.put("v1", registry.send("GET", "manifests/v1").body).status == 201


def test_uploads_in_chunks(registry):
    data = os.urandom(300_000)
    location = registry.begin()
    reply = registry.send("PATCH", location, data[:100_000], Content_Range="0-99999")
    assert reply.status == 202 and reply.headers["Range"] == "0-99999"
    reply = registry.send("PATCH", location, data[200_000:], Content_Range="200000-299999")
    assert reply.status == 416 and reply.headers["Range"] == "0-99999"
    status = registry.send("GET", location)
    assert status.status == 204 and status.headers["Range"] == "0-99999"
    assert registry.send("PATCH", location, data[100_000:], Content_Range="100000-299999").status == 202
    assert not registry.has(sha256(data))
    reply = registry.finish(location, sha256(data))
    assert reply.status == 201 and reply.headers["Docker-Content-Digest"] == sha256(data)
    assert registry.send("GET", f"blobs/{sha256(data)}").body == data
    part = registry.send("GET", f"blobs/{sha256(data)}", Range="bytes=10-19")
    assert part.status == 206 and part.body == data[10:20]
    assert part.headers["Content-Range"] == "bytes 10-19/300000"
    assert registry.send("GET", f"blobs/{sha256(data)}", Range="bytes=300000-").status == 416
    assert registry.send("GET", location).error == "BLOB_UPLOAD_UNKNOWN"
    cancelled = registry.begin()
    assert registry.send("DELETE", cancelled).status == 204
    assert registry.send("PATCH", cancelled, b"x").error == "BLOB_UPLOAD_UNKNOWN"


def test_bad_digests(registry):
    wrong = sha256(b"something else")
    location = registry.begin()
    reply = registry.finish(location, wrong, b"data")
    assert reply.status == 400 and reply.error == "DIGEST_INVALID"
    assert not registry.has(wrong) and not registry.has(sha256(b"data"))
    whole = registry.send("POST", f"blobs/uploads/?digest={wrong}", b"data")
    assert whole.status == 400 and whole.error == "DIGEST_INVALID"
    for bad in ("sha256:xyz", "md5:" + "0" * 32, "", "sha256:" + "0" * 63, "../../etc/passwd"):
        assert registry.finish(registry.begin(), bad, b"data").error == "DIGEST_INVALID", bad
        assert registry.send("GET", f"blobs/{bad}").status in (400, 404)
    manifest = registry.manifest_of(registry.blob(b"{}"), [])
    reply = registry.put(wrong, manifest)
    assert reply.status == 400 and reply.error == "DIGEST_INVALID"


def test_a_truncated_upload_can_be_resumed_and_is_never_visible(gate, registry):
    data = os.urandom(200_000)
    location = registry.begin()
    connection = registry.connect()
    # Whose a connection is, is asked at its first request: it must still be there then.
    connection.request("GET", "/health")
    connection.getresponse().read()
    connection.putrequest("PATCH", location)
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders()
    connection.send(data[:120_000])
    connection.close()

    def received():
        reply = registry.send("GET", location)
        return reply.status == 204 and int(reply.headers["Range"].split("-")[1]) + 1

    offset = wait_until(lambda: (n := received()) and n > 1 and n)
    assert not registry.has(sha256(data))
    reply = wait_until(lambda: (r := registry.send(
        "PATCH", location, data[(o := received()):], Content_Range=f"{o}-{len(data) - 1}")).status == 202 and r)
    assert reply.headers["Range"] == f"0-{len(data) - 1}" and offset <= 120_000
    assert registry.finish(location, sha256(data)).status == 201
    assert registry.send("GET", f"blobs/{sha256(data)}").body == data
    # A whole upload in one request that breaks off leaves nothing at all.
    before = sorted(p.name for p in (gate.data / "blobs/uploads").iterdir())
    connection = registry.connect()
    connection.putrequest("POST", f"/v2/web/blobs/uploads/?digest={sha256(b'x' * 100)}")
    connection.putheader("Content-Length", "100")
    connection.endheaders()
    connection.send(b"x" * 50)
    connection.close()
    wait_until(lambda: sorted(p.name for p in (gate.data / "blobs/uploads").iterdir()) == before)
    assert not registry.has(sha256(b"x" * 100))


def test_blobs_mounted_from_another_repository(gate, registry):
    layer = registry.blob(b"shared")["digest"]
    gate.client("ecr").create_repository(repositoryName="other")
    other = Registry(gate, "other")
    assert not other.has(layer)
    reply = other.send("POST", f"blobs/uploads/?mount={layer}&from=web")
    assert reply.status == 201 and reply.headers["Docker-Content-Digest"] == layer
    assert other.send("GET", f"blobs/{layer}").body == b"shared"
    # What is not there, or not in the repository named, becomes a usual upload.
    for digest, source in ((sha256(b"nope"), "web"), (layer, "nowhere"), ("junk", "web")):
        assert other.send("POST", f"blobs/uploads/?mount={digest}&from={source}").status == 202


def test_manifests_that_are_refused(registry):
    config, layer = registry.blob(b"{}"), registry.blob(b"layer")
    missing = {"digest": sha256(b"missing"), "size": 7}
    reply = registry.put("v1", registry.manifest_of(config, [layer, missing]))
    assert reply.status == 400 and reply.error == "MANIFEST_BLOB_UNKNOWN"
    assert missing["digest"] in reply.message
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": MANIFEST, **missing}]})
    reply = registry.put("v1", index.encode(), INDEX)
    assert reply.status == 400 and missing["digest"] in reply.message
    for body in (b"", b"{", b"[]", b"null", b'{"schemaVersion": 1}', b"\xff\xfe", b"{}" * 3,
                 b'{"schemaVersion": 2, "mediaType": "text/plain"}',
                 b'{"schemaVersion": 2, "config": {"digest": "../../x", "size": 1}, "layers": []}',
                 b'{"schemaVersion": 2, "config": {"digest": "sha256:' + b"0" * 64 + b'", "size": -1}, "layers": []}'):
        reply = registry.put("v1", body)
        assert reply.status == 400 and reply.error == "MANIFEST_INVALID", body
    deep = b'{"schemaVersion": 2, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert registry.put("v1", deep).status == 400
    assert registry.put("v1", b" " * ((4 << 20) + 1)).status == 413
    for tag in ("-x", "x" * 129, "a b".replace(" ", "%20"), ".x", "..", "%2e%2e%2fx"):
        assert registry.put(tag, registry.manifest_of(config, [layer])).status in (400, 404), tag
    assert registry.send("GET", "manifests/v1").error == "MANIFEST_UNKNOWN"
    assert json.loads(registry.send("GET", "tags/list").body)["tags"] in ([], None)


def test_referrers(registry):
    subject = registry.tiny("v1")
    described = {"mediaType": MANIFEST, "digest": subject, "size": 1}
    signature = registry.tiny(None, b"sig", subject=described, artifactType="application/x.signature")
    sbom = registry.tiny(None, b"sbom", subject=described, artifactType="application/x.sbom",
                         annotations={"by": "me"})
    index = json.loads(registry.send("GET", f"referrers/{subject}").body)
    assert index["mediaType"] == INDEX
    assert {m["digest"]: m["artifactType"] for m in index["manifests"]} == {
        signature: "application/x.signature", sbom: "application/x.sbom"}
    only = registry.send("GET", f"referrers/{subject}?artifactType=application/x.sbom")
    assert [m["digest"] for m in json.loads(only.body)["manifests"]] == [sbom]
    assert only.headers["OCI-Filters-Applied"] == "artifactType"
    none = registry.send("GET", f"referrers/{sha256(b'nobody')}")
    assert none.status == 200 and json.loads(none.body)["manifests"] == []


def test_tags_in_pages(registry):
    manifest = registry.send("GET", f"manifests/{registry.tiny('t00')}").body
    names = [f"t{n:02}" for n in range(25)]
    for name in names[1:]:
        assert registry.put(name, manifest).status == 201
    found, path = [], "tags/list?n=10"
    while path:
        reply = registry.send("GET", path)
        found += json.loads(reply.body)["tags"]
        link = reply.headers["Link"]
        path = link and link.split(";")[0].strip("<>")
    assert found == names
    assert registry.send("DELETE", "manifests/t00").status == 202
    assert len(json.loads(registry.send("GET", "tags/list").body)["tags"]) == 24


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../../etc/passwd", "/v2/%2e%2e/%2e%2e/manifests/x", "/v2/web/../../x/manifests/y",
        "/v2/web/blobs/..", "/v2/web/blobs/uploads/..", "/v2/web/blobs/uploads/%2e%2e%2f%2e%2e%2finstance",
        "/v2/..%2f..%2fdata/manifests/latest", "/v2/web/manifests/..%2f..%2fstore", "/v2//manifests/x",
        "/v2/" + "a" * 5000 + "/manifests/x", "/v2/web/blobs/uploads/00000000-0000-0000-0000-000000000000",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_paths_that_climb(registry, method, path):
    reply = registry.send(method, path, b"x" if method in ("PUT", "PATCH") else None)
    assert reply.status in (400, 404, 405, 414), reply.body


def test_unknown_repositories(gate, registry):
    nowhere = Registry(gate, "nowhere")
    for method, path in [("POST", "blobs/uploads/"), ("GET", "tags/list"), ("GET", "manifests/x"),
                         ("GET", f"blobs/{sha256(b'x')}"), ("PUT", "manifests/x")]:
        reply = nowhere.send(method, path, b"{}" if method == "PUT" else None)
        assert reply.status == 404 and reply.error == "NAME_UNKNOWN", (method, path)
    # An upload belongs to its repository.
    upload = registry.begin().rsplit("/", 1)[1]
    gate.client("ecr").create_repository(repositoryName="other")
    assert Registry(gate, "other").send("PATCH", f"blobs/uploads/{upload}", b"x").error == "BLOB_UPLOAD_UNKNOWN"
    assert registry.send("GET", "/v2/").status == 200
    done = subprocess.run(
        ["skopeo", "--insecure-policy", "inspect", "--tls-verify=false", f"docker://{gate.registry}/nowhere:x"],
        capture_output=True, text=True)
    assert done.returncode != 0 and "name unknown" in done.stderr


def test_awss_own_names(gate, many):
    """`--registry-domain` forms reach the same repository through the Host header."""
    images.push(gate, many, "many", "v1", all_platforms=True)
    host = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    registry = Registry(gate, "many")
    reply = registry.send("GET", "manifests/v1", Host=host)
    assert reply.status == 200 and sha256(reply.body) == digest_of(many)
    other = registry.send("GET", "manifests/v1", Host=host.replace(REGION, "eu-west-1"))
    assert other.status == 404
    assert registry.send("GET", f"/v2/{ACCOUNT}/{REGION}/many/manifests/v1").status == 200
