"""The peers: Debian's docker, containerd, podman and docker-registry, each with its own state
below the benchmark's directory. Containers get one CPU and 2 GiB, like the task they stand beside."""

import itertools
import json
import urllib.request

from neargate import free_port
from place import output

ids = itertools.count()


class Docker:
    """dockerd with its default bridge network, so that a start includes a veth, as a task's does."""

    name = "docker"

    def __init__(self, place):
        place.need("dockerd", "docker", "runc")
        state = place.path("docker")
        self.socket = state / "sock"
        config = {
            "data-root": str(place.path("docker/data")),
            "exec-root": str(place.path("docker/exec")),
            "pidfile": str(state / "pid"),
            "hosts": [f"unix://{self.socket}"],
            "storage-driver": "overlay2",
            "cgroup-parent": f"/{place.cgroup}",
            "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 4096}},
        }
        (state / "daemon.json").write_text(json.dumps(config))
        command = ["dockerd", "--config-file", str(state / "daemon.json")]
        self.process = place.daemon("dockerd", command, self.ready)

    def cli(self, *args, check=True):
        return output("docker", "-H", f"unix://{self.socket}", *args, check=check)

    def ready(self):
        return self.socket.exists() and self.cli("version", "-f", "{{.Server.Version}}", check=False).strip()

    def version(self):
        return "docker " + self.cli("version", "-f", "{{.Server.Version}}").strip()

    def pull(self, image):
        self.cli("pull", "--quiet", image)

    def run(self, image, *command):
        return self.cli("run", "--rm", "--cpus", "1", "--memory", "2g", image, *command)


class Containerd:
    """containerd and `ctr run`, which gives a container no network but loopback."""

    name = "ctr"

    def __init__(self, place):
        place.need("containerd", "ctr", "runc")
        state = place.path("containerd")
        self.socket = state / "sock"
        self.namespace = place.cgroup  # also its containers' cgroup
        (state / "config.toml").write_text(
            f'version = 2\nroot = "{place.path("containerd/root")}"\n'
            f'state = "{place.path("containerd/state")}"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self.socket}"\n'
        )
        command = ["containerd", "-c", str(state / "config.toml")]
        self.process = place.daemon("containerd", command, self.ready)

    def cli(self, *args, check=True):
        return output("ctr", "-a", self.socket, "-n", self.namespace, *args, check=check)

    def ready(self):
        return self.socket.exists() and "Server:" in self.cli("version", check=False)

    def version(self):
        return "containerd " + output("containerd", "--version").split()[2]

    def pull(self, image):
        self.cli("images", "pull", "--plain-http", image)

    def run(self, image, *command):
        limits = ["--cpus", "1", "--memory-limit", str(2 << 30)]
        return self.cli("run", "--rm", *limits, image, f"c{next(ids)}", *command)


class Podman:
    """podman with its default bridge network. Its runtime is runc, like the others': Debian's crun
    refuses hosts with hybrid cgroups."""

    name = "podman"

    def __init__(self, place):
        place.need("podman", "runc")
        self.command = [
            "podman", "--root", place.path("podman/root"), "--runroot", place.path("podman/run"),
            "--tmpdir", place.path("podman/tmp"), "--storage-driver", "overlay",
            "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc",
        ]
        self.parent = f"/{place.cgroup}"

    def cli(self, *args):
        return output(*self.command, *args)

    def version(self):
        return "podman " + output("podman", "--version").split()[-1]

    def pull(self, image):
        self.cli("pull", "--quiet", "--tls-verify=false", image)

    def run(self, image, *command):
        limits = ["--cgroup-parent", self.parent, "--cpus", "1", "--memory", "2g"]
        return self.cli("run", "--rm", *limits, image, *command)


class Registry:
    """Debian's docker-registry on loopback."""

    name = "docker-registry"

    def __init__(self, place):
        place.need("docker-registry")
        self.port = free_port()
        config = place.path() / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {place.path('registry')}}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}'}}\n"
        )
        place.daemon("docker-registry", ["docker-registry", "serve", str(config)], self.ready)

    @property
    def host(self):
        return f"localhost:{self.port}"

    def ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v2/", timeout=5).status == 200
        except OSError:
            return False

    def version(self):
        text = output("dpkg-query", "-W", "-f", "${Version}", "docker-registry", check=False)
        return "docker-registry " + text
