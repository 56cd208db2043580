"""Where one benchmark runs: its directory, and the processes that end with it."""

import contextlib
import os
import shutil
import subprocess

from neargate import Neargate, wait_until

PACKAGES = {
    "dockerd": "docker.io", "containerd": "containerd", "podman": "podman", "skopeo": "skopeo",
    "docker-registry": "docker-registry", "wrk": "wrk", "runc": "runc", "cc": "build-essential",
}


class Place:
    def __init__(self, directory, stack, quick):
        self.directory = directory
        self.stack = stack
        self.quick = quick
        # The cgroup parent of every peer's containers; benches/run removes what they leave.
        self.cgroup = directory.parent.name

    def count(self, full, quick):
        return quick if self.quick else full

    def path(self, *parts):
        path = self.directory.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def need(self, *commands):
        missing = [c for c in commands if shutil.which(c) is None]
        if missing:
            packages = " ".join(PACKAGES.get(c, c) for c in missing)
            raise RuntimeError(f"{', '.join(missing)} not found: run tools/setup bench ({packages})")

    def daemon(self, name, command, ready):
        """Starts a process that ends with this place, and waits until `ready()`."""
        log = open(self.path() / f"{name}.log", "ab")
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        self.stack.callback(end, process)

        def up():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: " + (self.path() / f"{name}.log").read_text()[-2000:])
            return ready()

        wait_until(up, 60, f"{name} is ready")
        return process

    def neargate(self, name="neargate", *flags):
        """A started Neargate that is emptied and stopped at the end."""
        gate = Neargate(self.path(name), *flags)
        gate.start()
        self.stack.callback(destroy, gate)
        return gate


def environment():
    # Debian's own programs first: what else is installed is not the named peer.
    path = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
    return {**os.environ, "PATH": path, "LC_ALL": "C"}


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def destroy(gate):
    # The process namespace ends whatever this cannot.
    with contextlib.suppress(Exception):
        gate.destroy()


def output(*command, check=True):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment())
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-2000:]}")
    return done.stdout
