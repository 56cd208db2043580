"""Images that mean harm, pushed and run: the task ends STOPPED in AWS's words, and nothing outside is touched."""

import gzip
import io
import json
import os
import tarfile

import pytest

import images
import tasks
from images import CONFIG, LAYER, MANIFEST, sha256
from neargate import wait_until
from registry import Registry
from tasks import container


def tar_of(*entries):
    """A tar of (name, type, link target or content)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


FILE, LINK, HARD, DIR = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@pytest.fixture
def hostile(gate, tmp_path):
    """Pushes layers (tar bytes) as an image and runs it; answers the stopped task."""

    def run(*layers, config=None, name="hostile"):
        layout = images.Layout(tmp_path / name)
        images.push(gate, layout.write(layout.image([images.busybox_layer(), *layers], config)), name)
        return finish(gate, name)

    return run


def finish(gate, name, **more):
    tasks.register(gate, container(image=images.aws_name(name), command=["true"], **more))
    return tasks.wait_for(gate, tasks.run(gate), "STOPPED")


def assert_not_pulled(gate, task):
    assert task["stopCode"] == "TaskFailedToStart", task
    assert task["stoppedReason"].startswith("CannotPullContainerError: "), task["stoppedReason"]
    assert task["containers"][0]["reason"].startswith("CannotPullContainerError: ")
    assert "exitCode" not in task["containers"][0]
    assert str(gate.data) not in task["stoppedReason"]
    # No half-unpacked layer stays.
    wait_until(lambda: not os.listdir(gate.data / "images/tmp") and not os.listdir(gate.data / "images/trash"))


@pytest.mark.parametrize("place", ["../{}", "a/../../../{}", "/../../../../{}", "./../{}"])
def test_names_that_climb(gate, hostile, tmp_path, place):
    mark = tmp_path / "mark"
    task = hostile(tar_of((place.format(str(mark).lstrip("/")), FILE, b"escaped")))
    assert_not_pulled(gate, task)
    assert not mark.exists()


def test_symlinks_that_lead_out(gate, hostile, tmp_path):
    (tmp_path / "outside").mkdir()
    task = hostile(tar_of(("link", LINK, str(tmp_path / "outside")), ("link/file", FILE, b"escaped")))
    assert_not_pulled(gate, task)
    assert os.listdir(tmp_path / "outside") == []


def test_symlinks_that_lead_out_through_two_layers(gate, hostile, tmp_path):
    (tmp_path / "outside").mkdir()
    hostile(tar_of(("link", LINK, str(tmp_path / "outside"))), tar_of(("link/file", FILE, b"escaped")))
    assert os.listdir(tmp_path / "outside") == []


def test_hard_links_that_lead_out(gate, hostile, tmp_path):
    (tmp_path / "secret").write_text("secret")
    task = hostile(tar_of(("stolen", HARD, "../" * 12 + str(tmp_path / "secret").lstrip("/"))))
    assert_not_pulled(gate, task)
    task = hostile(tar_of(("link", LINK, str(tmp_path)), ("stolen", HARD, "link/secret")), name="second")
    assert_not_pulled(gate, task)
    assert (tmp_path / "secret").stat().st_nlink == 1


def test_whiteouts_that_climb(gate, hostile, tmp_path):
    (tmp_path / "kept").write_text("kept")
    hostile(tar_of(("../" * 12 + str(tmp_path).lstrip("/") + "/.wh.kept", FILE, b"")))
    hostile(tar_of(("dir", LINK, str(tmp_path)), ("dir/.wh.kept", FILE, b"")), name="second")
    hostile(tar_of((".wh...", FILE, b"")), name="third")
    assert (tmp_path / "kept").read_text() == "kept"


def test_a_root_that_is_a_link(gate, hostile, tmp_path):
    (tmp_path / "outside").mkdir()
    hostile(tar_of(("etc", LINK, str(tmp_path / "outside")), ("proc", LINK, str(tmp_path / "outside")),
                   ("dev", LINK, str(tmp_path / "outside"))))
    assert os.listdir(tmp_path / "outside") == []


def test_a_working_directory_that_leads_out(gate, hostile, tmp_path):
    (tmp_path / "outside").mkdir()
    config = {"Cmd": ["true"], "Env": ["PATH=/bin"], "WorkingDir": "/link/made"}
    hostile(tar_of(("link", LINK, str(tmp_path / "outside"))), config=config)
    assert os.listdir(tmp_path / "outside") == []


def push_by_hand(gate, name, layer_blob, diff_ids, media_type=LAYER, config=None, size=None):
    gate.client("ecr").create_repository(repositoryName=name)
    registry = Registry(gate, name)
    config = config if config is not None else json.dumps({
        "architecture": images.ARCH, "os": "linux", "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    layer = registry.blob(layer_blob)
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": CONFIG, **registry.blob(config)},
        "layers": [{"mediaType": media_type, **layer, "size": size or layer["size"]}]}).encode()
    return registry.put("latest", manifest)


#: Nobody has unpacked it before.
RAW = images.layer({"bin/true": os.urandom(100_000)})
PACKED = gzip.compress(RAW, 1, mtime=0)


@pytest.mark.parametrize(
    "case",
    {
        "a wrong diff id": dict(diff_ids=[sha256(b"other")]),
        "not gzip": dict(layer_blob=b"this is no gzip"),
        "half a gzip": dict(layer_blob=PACKED[: len(PACKED) // 2]),
        "gzip of no tar": dict(layer_blob=gzip.compress(bytes(range(256)) * 20)),
        "too few diff ids": dict(diff_ids=[]),
        "too many diff ids": dict(diff_ids=[sha256(RAW)] * 2),
        "a configuration that is no JSON": dict(config=b"\xff{"),
        "a wrong size": dict(size=5),
    }.items(),
    ids=lambda case: case[0],
)
def test_contents_that_are_not_what_they_say(gate, case):
    reply = push_by_hand(gate, "liar", **{"layer_blob": PACKED, "diff_ids": [sha256(RAW)], **case[1]})
    if reply.status == 201:
        assert_not_pulled(gate, finish(gate, "liar"))
    else:
        assert reply.status == 400, reply.body


def test_files_the_container_must_not_get(gate, hostile):
    """Device nodes in a layer give no access to the host's disks."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        info = tarfile.TarInfo("disk")
        info.type, info.devmajor, info.devminor, info.mode = tarfile.BLKTYPE, *root_device(), 0o666
        tar.addfile(info)
    layout_task = hostile(raw.getvalue())
    if layout_task["stopCode"] == "TaskFailedToStart":
        return
    tasks.register(gate, container(image=images.aws_name("hostile"), command=["sh", "-c", "head -c 1 /disk && exit 42"]))
    task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
    assert task["containers"][0]["exitCode"] == 1


def root_device():
    device = os.stat("/").st_dev
    return os.major(device), os.minor(device)
