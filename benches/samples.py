"""The images that the benchmarks run and copy, as OCI layouts. Made on this machine: no internet."""

import concurrent.futures
import gzip
import hashlib
import json
import os
import pathlib
import stat
import tarfile

import images
from place import output

LARGEST_FILE_BYTES = 16 << 20
SOURCE = pathlib.Path(__file__).resolve().parent / "stamp.c"


def stamp_program(place):
    place.need("cc")
    program = place.path() / "stamp"
    output("cc", "-O2", "-static", "-o", program, SOURCE)
    return program.read_bytes()


def stamp_layout(place):
    """busybox and /stamp, which prints the time at which it runs."""
    place.need("skopeo")
    extra = images.layer({"stamp": (stamp_program(place), 0o755)})
    return images.busybox(place.path() / "stamp-layout", extra_layers=[extra])


def usr_files(total_bytes):
    """A sample of this machine's /usr up to a total size: the same on every run, as mixed as a
    distribution is (few large libraries, many small files), in path order."""
    paths = []
    for directory, names, files in os.walk("/usr"):
        if directory == "/usr":
            names[:] = [name for name in names if name not in ("local", "src")]
        paths += [os.path.join(directory, name) for name in files]
    paths.sort(key=lambda path: hashlib.sha256(path.encode(errors="surrogateescape")).digest())
    found, size = [], 0
    for path in paths:
        mode, file_bytes = os.lstat(path).st_mode, os.lstat(path).st_size
        if (stat.S_ISREG(mode) and file_bytes <= LARGEST_FILE_BYTES) or stat.S_ISLNK(mode):
            found.append(path)
            size += file_bytes
            if size >= total_bytes:
                break
    return sorted(found)


class BigImages:
    """`count` images of the same files, every layer different, so that no pull finds one there."""

    LAYERS = 5

    def __init__(self, place, total_bytes):
        self.place = place
        files = usr_files(total_bytes)
        self.files = len(files)
        self.raw = []
        share = sum(os.lstat(f).st_size for f in files) / self.LAYERS
        rest = iter(files)
        for i in range(self.LAYERS):
            path = place.path() / f"layer-{i}.tar"
            size = 0
            with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
                for file in rest:
                    tar.add(file, arcname=file.lstrip("/"), recursive=False)
                    size += os.lstat(file).st_size
                    if size >= share and i < self.LAYERS - 1:
                        break
            self.raw.append(path)
        self.raw_bytes = sum(p.stat().st_size for p in self.raw)
        self.packed_bytes = 0

    def layout(self, number):
        """An image layout; gzip level 6, as docker and buildkit push."""
        stamp = stamp_program(self.place)
        base = images.layer({"number-base": str(number).encode(), "stamp": (stamp, 0o755)})
        layout = images.Layout(self.place.path() / f"big-{number}")

        def packed(item):
            i, path = item
            first = images.layer({f"number-{i}": str(number).encode()})
            # A tar's end is its zero blocks: cut, another tar may follow.
            raw = first[:1024] + path.read_bytes()
            return images.sha256(raw), layout.blob(gzip.compress(raw, 6, mtime=0))

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            layers = list(pool.map(packed, enumerate(self.raw)))
        layers.insert(0, (images.sha256(base), layout.blob(gzip.compress(base, 6, mtime=0))))
        self.packed_bytes = sum(blob["size"] for _, blob in layers)
        return layout.write(image_of(layout, layers))


def random_layout(directory, layer_bytes, layers):
    """An image of incompressible layers, for copying only. Its blobs are stored, not deflated."""
    layout = images.Layout(directory)
    made = []
    for _ in range(layers):
        raw = images.layer({"random": os.urandom(layer_bytes)})
        made.append((images.sha256(raw), layout.blob(gzip.compress(raw, 1, mtime=0))))
    return layout.write(image_of(layout, made))


def image_of(layout, layers):
    """The descriptor of an image of [(diff id, blob)]."""
    config = {
        "architecture": images.ARCH, "os": "linux",
        "config": {"Cmd": ["/stamp"], "Env": ["PATH=/bin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff for diff, _ in layers]},
    }
    manifest = {
        "schemaVersion": 2, "mediaType": images.MANIFEST,
        "config": {"mediaType": images.CONFIG, **layout.blob(json.dumps(config).encode())},
        "layers": [{"mediaType": images.LAYER, **blob} for _, blob in layers],
    }
    descriptor = {"mediaType": images.MANIFEST, **layout.blob(json.dumps(manifest).encode())}
    descriptor["platform"] = {"architecture": images.ARCH, "os": "linux"}
    return descriptor
