"""The edge beside haproxy and nginx, in turns: processor time per request and latency.

    unshare --net --mount-proc --pid --fork sh -c 'ip link set lo up; exec python benches/balancers.py EDGE [SECONDS [ROUNDS]]'

EDGE is `target/release/examples/edge` (`cargo build --release -p neargate-edge --example edge`). Needs Debian's
haproxy, nginx-light, wrk and nghttp2-client. Ratios are what counts: the machine need not be quiet.
"""

import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

EDGE = sys.argv[1]
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 4
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
BODY = "x" * 200
IDLE = 20_000
TICK = os.sysconf("SC_CLK_TCK")
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/bench/50dc6c495c0c9188"


def wait_for(port, host="127.0.0.1"):
    for _ in range(500):
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nobody listens on {port}")


def family(pid):
    """The process and those that it started."""
    pids = [pid]
    for entry in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (entry / "children").read_text().split():
            pids += family(int(child))
    return pids


def cpu(pid):
    """Seconds of processor time."""
    total = 0
    for one in family(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident(pid):
    """Mebibytes."""
    total = 0
    for one in family(pid):
        text = pathlib.Path(f"/proc/{one}/status").read_text()
        total += int(re.search(r"VmRSS:\s+(\d+)", text)[1])
    return total / 1024


class Lab:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.processes = []
        self.certificate()
        self.backend()

    def start(self, *command, **options):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        self.processes.append(process)
        return process.pid

    def end(self):
        for process in self.processes:
            process.kill()

    def certificate(self):
        self.key, self.chain = self.directory / "key.pem", self.directory / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", self.key, "-out", self.chain],
            check=True, capture_output=True,
        )
        (self.directory / "both.pem").write_text(self.chain.read_text() + self.key.read_text())

    def nginx(self, name, http, workers=1):
        path = self.directory / f"{name}.conf"
        path.write_text(
            f"worker_processes {workers}; daemon off; pid {self.directory}/{name}.pid; error_log /dev/null; worker_rlimit_nofile 60000;"
            f"events {{ worker_connections 30000; }} http {{ access_log off; keepalive_requests 100000000; {http} }}"
        )
        return self.start("nginx", "-c", str(path), "-p", str(self.directory))

    def backend(self):
        self.nginx("backend", f"server {{ listen 127.0.0.1:9000; location / {{ return 200 '{BODY}'; }} }}")
        wait_for(9000)


def haproxy(lab):
    rules = "".join(f"  acl p{n} path_beg /none{n}/\n  use_backend b if p{n}\n" for n in range(100))
    path = lab.directory / "haproxy.cfg"
    path.write_text(f"""
global
  nbthread 2
  maxconn 50000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
frontend plain
  bind 127.0.0.1:8001
  option forwardfor
  default_backend b
frontend rules
  bind 127.0.0.1:8002
  option forwardfor
  option httplog
  log 127.0.0.1:5140 local0
{rules}
  default_backend b
frontend tls
  bind 127.0.0.1:8003 ssl crt {lab.directory}/both.pem alpn h2,http/1.1
  option forwardfor
  default_backend b
frontend tcp
  mode tcp
  bind 127.0.0.1:8004
  default_backend t
backend b
  server one 127.0.0.1:9000
backend t
  mode tcp
  server one 127.0.0.1:9000
""")
    pid = lab.start("haproxy", "-f", str(path), "-db")
    wait_for(8003)
    return pid


def nginx(lab):
    rules = "".join(f"location /none{n}/ {{ proxy_pass http://b; }}" for n in range(100))
    proxy = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header X-Forwarded-For $remote_addr; proxy_pass http://b;"
    tls = f"ssl_certificate {lab.chain}; ssl_certificate_key {lab.key};"
    http = (
        "upstream b { server 127.0.0.1:9000; keepalive 256; keepalive_requests 100000000; } keepalive_timeout 600s;"
        f"server {{ listen 127.0.0.1:8101; location / {{ {proxy} }} }}"
        f"server {{ listen 127.0.0.1:8102; access_log {lab.directory}/access.log combined buffer=64k; {rules} location / {{ {proxy} }} }}"
        f"server {{ listen 127.0.0.1:8103 ssl http2; {tls} location / {{ {proxy} }} }}"
    )
    pid = lab.nginx("nginx", http, workers=2)
    wait_for(8103)
    return pid


def told(lab, arn, kind, port, protocol, rules=0, tls=None, **attributes):
    target = {"id": "127.0.0.1", "port": 9000, "address": "127.0.0.1", "availability_zone": "us-east-1a"}
    forward = {"forward": {"target_groups": [[f"{arn}/group", 1]]}}
    of = [
        {"arn": f"r{n}", "priority": n + 1, "conditions": [{"path_pattern": {"values": [f"/none{n}/*"]}}], "actions": [forward]}
        for n in range(rules)
    ]
    listener = {
        "arn": f"{arn}/listener", "port": port, "protocol": protocol, "attributes": {},
        "rules": [*of, {"arn": "default", "priority": 0, "conditions": [], "actions": [forward]}],
    }
    if tls:
        listener["tls"] = tls
    node = {"interface_id": f"eni-{port}", "private_ipv4": "127.0.0.1", "public_ipv4": None, "availability_zone": "us-east-1a"}
    group = {
        "arn": f"{arn}/group", "name": "group", "protocol": "TCP" if protocol == "TCP" else "HTTP", "protocol_version": "HTTP1",
        "vpc_id": "vpc-1", "attributes": {}, "health_check": None, "targets": [target],
    }
    return {
        "arn": arn, "load_balancer_type": kind, "dns_name": "bench", "vpc_id": "vpc-1", "internet_facing": False,
        "nodes": [node], "attributes": {"idle_timeout.timeout_seconds": "600", **attributes}, "listeners": [listener],
        "target_groups": [group],
    }


def edge(lab):
    path = lab.directory / "edge.socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    empty = lab.directory / "none"
    pid = lab.start(EDGE, "bench", str(empty), "/etc/resolv.conf", "", str(empty), str(lab.directory / "logs"), stdin=listener)
    talk = socket.socket(socket.AF_UNIX)
    talk.connect(str(path))
    tls = {
        "certificates": [{"arn": "c", "chain": lab.chain.read_text(), "private_key": lab.key.read_text()}],
        "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06", "mutual_authentication": "off",
    }
    logs = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs"}
    all_of = [
        told(lab, ARN + "1", "application", 8201, "HTTP"),
        told(lab, ARN + "2", "application", 8202, "HTTP", rules=100, **logs),
        told(lab, ARN + "3", "application", 8203, "HTTPS", tls=tls),
        told(lab, ARN + "4", "network", 8204, "TCP"),
    ]
    talk.sendall(json.dumps({"load-balancers": {"change": {"snapshot": all_of}}}).encode() + b"\n")
    lab.talk = talk
    for port in (8201, 8202, 8203, 8204):
        wait_for(port)
    return pid


def wrk(url):
    out = subprocess.run(
        ["wrk", "-t2", "-c64", f"-d{SECONDS}s", "--latency", url], capture_output=True, text=True, check=True
    ).stdout
    requests = int(re.search(r"(\d+) requests in", out)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    return requests, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def h2load(url):
    out = subprocess.run(["h2load", "-t2", "-c16", "-m16", f"-D{SECONDS}", url], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"requests: (\d+) total", out)[1])
    assert " 0 failed, 0 errored" in out, out
    return requests, 0.0


def idle(port):
    """What so many connections cost that were used once and wait; mebibytes."""
    connections = []
    for n in range(IDLE):
        one = socket.socket()
        one.bind((f"127.0.1.{1 + n % 4}", 0))
        one.connect(("127.0.0.1", port))
        connections.append(one)
    for one in connections:
        one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for one in connections:
        one.recv(4096)
    return connections


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (60_000, 60_000))
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(directory)
        try:
            contenders = {"edge": (edge(lab), 8200), "haproxy": (haproxy(lab), 8000), "nginx": (nginx(lab), 8100)}
            kinds = {
                "plain": (1, lambda port: wrk(f"http://127.0.0.1:{port}/")),
                "100 rules + access log": (2, lambda port: wrk(f"http://127.0.0.1:{port}/")),
                "TLS": (3, lambda port: wrk(f"https://127.0.0.1:{port}/")),
                "HTTP/2": (3, lambda port: h2load(f"https://127.0.0.1:{port}/")),
                "TCP": (4, lambda port: wrk(f"http://127.0.0.1:{port}/")),
            }
            print("| | | µs CPU per request | to haproxy | p99 ms |\n|---|---|---|---|---|")
            for kind, (offset, load) in kinds.items():
                found = {name: ([], []) for name in contenders if (kind, name) != ("TCP", "nginx")}
                for turn in range(ROUNDS):
                    names = list(found)
                    for name in names[turn % len(names):] + names[: turn % len(names)]:
                        pid, base = contenders[name]
                        before = cpu(pid)
                        requests, p99 = load(base + offset)
                        found[name][0].append((cpu(pid) - before) * 1e6 / requests)
                        found[name][1].append(p99)
                own = {name: statistics.median(costs) for name, (costs, _) in found.items()}
                for name, (_, p99) in found.items():
                    print(f"| {kind} | {name} | {own[name]:.1f} | {own[name] / own['haproxy']:.2f} | {statistics.median(p99):.1f} |", flush=True)
            for name, (pid, base) in contenders.items():
                before = resident(pid)
                held = idle(base + 1)
                print(f"{IDLE} idle connections, {name}: {resident(pid):.0f} MiB (before: {before:.0f})", flush=True)
                for one in held:
                    one.close()
        finally:
            lab.end()


main()
