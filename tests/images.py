"""Makes OCI images out of Debian's static busybox: no registry, no internet."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import subprocess
import tarfile

BUSYBOX = pathlib.Path("/bin/busybox")
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files, links=(), directories=()):
    """A tar of {path: bytes or (bytes, mode)}, symlinks [(path, target)] and [(directory, mode)]."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, content in files.items():
            content, mode = content if isinstance(content, tuple) else (content, 0o644)
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
        for path, mode in directories:
            info = tarfile.TarInfo(path)
            info.type, info.mode = tarfile.DIRTYPE, mode
            tar.addfile(info)
        for path, target in links:
            info = tarfile.TarInfo(path)
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(info)
    return raw.getvalue()


def busybox_layer():
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    links = [(f"bin/{name}", "/bin/busybox") for name in applets.stdout.split() if name != "busybox"]
    files = {
        "bin/busybox": (BUSYBOX.read_bytes(), 0o755),
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/home/web:/bin/sh\n",
        "etc/group": b"root:x:0:\nweb:x:1000:\nextra:x:2000:web\n",
    }
    return layer(files, links, [("tmp", 0o1777), ("home/web", 0o755)])


class Layout:
    """An OCI image layout in a directory."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        (self.directory / "blobs/sha256").mkdir(parents=True)
        (self.directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests = []

    def blob(self, data):
        digest = sha256(data)
        (self.directory / "blobs/sha256" / digest.removeprefix("sha256:")).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    def image(self, layers, config=None, architecture=ARCH):
        """Adds an image; returns its descriptor."""
        packed = [gzip.compress(raw, 1, mtime=0) for raw in layers]
        image_config = {
            "architecture": architecture,
            "os": "linux",
            "config": config or {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [sha256(raw) for raw in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **self.blob(json.dumps(image_config).encode())},
            "layers": [{"mediaType": LAYER, **self.blob(data)} for data in packed],
        }
        descriptor = {"mediaType": MANIFEST, **self.blob(json.dumps(manifest).encode())}
        descriptor["platform"] = {"architecture": architecture, "os": "linux"}
        return descriptor

    def write(self, *descriptors):
        """Ends the layout with these images as its index."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors)}
        (self.directory / "index.json").write_text(json.dumps(index))
        return self.directory

    def multi(self, *descriptors):
        """An index of several platforms, as one entry."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors)}
        return {"mediaType": INDEX, **self.blob(json.dumps(index).encode())}


def busybox(directory, config=None, extra_layers=()):
    layout = Layout(directory)
    return layout.write(layout.image([busybox_layer(), *extra_layers], config))


def skopeo(*args):
    done = subprocess.run(["skopeo", "--insecure-policy", *args], capture_output=True, text=True)
    assert done.returncode == 0, f"skopeo {' '.join(map(str, args))}: {done.stderr}"
    return done.stdout


def push(gate, layout, repository, tag="latest", all_platforms=False):
    """Pushes a layout with skopeo to the repository's own `repositoryUri`."""
    ecr = gate.client("ecr")
    try:
        uri = ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    except ecr.exceptions.RepositoryAlreadyExistsException:
        found = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
        uri = found["repositoryUri"]
    more = ["--all"] if all_platforms else []
    if "--enforce" in gate.flags:
        more += ["--dest-creds", f"AWS:{gate.aws('ecr', 'get-login-password').strip()}"]
    skopeo("copy", *more, "--dest-tls-verify=false", f"oci:{layout}", f"docker://{uri}:{tag}")
    return uri


def aws_name(repository, tag="latest", account="000000000000", region="us-east-1"):
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{repository}:{tag}"
