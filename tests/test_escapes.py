"""Ways out of a container, each tried from within one as root with Docker's default powers, and what the
kernel answered. None gets out: not by system calls, not by the kernel's files, not by an image's links, not
by what became known as CVEs of other runtimes."""

import errno
import os
import pathlib
import platform
import struct

import pytest

import images
import tasks
from neargate import wait_until
from tasks import container

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the program that calls is for x86-64")
GROUP = "/ecs/escapes"

# sys NUMBER [ARGUMENT ...] makes a system call and ends with its error, or 0. An argument is a number, text,
# or z, which is room of zeroes. Of these instructions:
#
#   _start: lea r12,[rsp+16]; sub rsp,64; xor ebx,ebx
#   next:   xor eax,eax; mov rsi,[r12]; test rsi,rsi; jz store; add r12,8; movzx ecx,byte ptr [rsi]
#           cmp ecx,'z'; jne notz; cmp byte ptr [rsi+1],0; jne notz; lea rax,[rsp-4096]; jmp store
#   notz:   lea edx,[rcx-'0']; cmp edx,9; ja string
#   digit:  movzx ecx,byte ptr [rsi]; sub ecx,'0'; jb store; imul rax,rax,10; add rax,rcx; inc rsi; jmp digit
#   string: mov rax,rsi
#   store:  mov [rsp+rbx*8],rax; inc ebx; cmp ebx,7; jne next
#           mov rax,[rsp]; mov rdi,[rsp+8]; mov rsi,[rsp+16]; mov rdx,[rsp+24]; mov r10,[rsp+32]
#           mov r8,[rsp+40]; mov r9,[rsp+48]; syscall; xor edi,edi; cmp rax,-4095; jb done; mov edi,eax; neg edi
#   done:   mov eax,60; syscall
CODE = bytes.fromhex(
    "4c8d6424104883ec4031db31c0498b34244885f6743b4983c4080fb60e83f97a7510807e0100750a488d842400f0ffffeb1f8d51"
    "d083fa0977140fb60e83e930720f486bc00a4801c848ffc6ebec4889f0488904dcffc383fb0775af488b0424488b7c2408488b74"
    "2410488b5424184c8b5424204c8b4424284c8b4c24300f0531ff483d01f0ffff720489c7f7dfb83c0000000f05"
)


def program():
    """The instructions as an ELF file without any library."""
    base, head = 0x400000, 64 + 56
    elf = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 2, 62, 1, base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, head + len(CODE), head + len(CODE), 0x1000)
    return elf + load + CODE


MINUS_ONE = 2**64 - 1
NEWNS, NEWUSER, NEWCGROUP, NEWNET, NEWPID = 0x20000, 0x10000000, 0x2000000, 0x40000000, 0x20000000
#: What is tried: the call's number and arguments, and the error.
CALLS = {
    "keyctl": ("250 1 stolen", errno.EPERM),
    "add_key": ("248 user name data 4 4294967293", errno.EPERM),
    "request_key": ("249 user name z 0", errno.EPERM),
    "io_uring_setup": ("425 4 z", errno.EPERM),
    "io_uring_enter": ("426 3 1 0 0 0 0", errno.EPERM),
    "io_uring_register": ("427 3 0 0 0", errno.EPERM),
    "userfaultfd": ("323 0", errno.EPERM),
    "bpf": ("321 0 z 64", errno.EPERM),
    "perf_event_open": (f"298 z 0 {MINUS_ONE} {MINUS_ONE} 0", errno.EPERM),
    "kexec_load": ("246 0 0 0 0", errno.EPERM),
    "kexec_file_load": ("320 0 0 0 z 0", errno.EPERM),
    "init_module": ("175 z 4096 z", errno.EPERM),
    "finit_module": ("313 0 z 0", errno.EPERM),
    "delete_module": ("176 overlay 0", errno.EPERM),
    "setns": ("308 0 0", errno.EPERM),
    "unshare a mount namespace": (f"272 {NEWNS}", errno.EPERM),
    "unshare a user namespace": (f"272 {NEWUSER}", errno.EPERM),
    "unshare a cgroup namespace": (f"272 {NEWCGROUP}", errno.EPERM),
    "unshare a network": (f"272 {NEWNET}", errno.EPERM),
    "clone a user namespace": (f"56 {NEWUSER | 17} 0 0 0 0", errno.EPERM),
    "clone a process namespace": (f"56 {NEWPID | 17} 0 0 0 0", errno.EPERM),
    "clone3": ("435 z 88", errno.ENOSYS),
    "mount": ("165 none /tmp tmpfs 0 0", errno.EPERM),
    "mount procfs anew": ("165 proc /tmp proc 0 0", errno.EPERM),
    "mount cgroup for release_agent": ("165 cgroup /tmp cgroup 0 memory", errno.EPERM),
    "remount the root": ("165 none / none 4128 0", errno.EPERM),
    "umount what hides the kernel's files": ("166 /proc/kcore 0", errno.EPERM),
    "pivot_root": ("155 / /", errno.EPERM),
    "fsopen": ("430 proc 0", errno.EPERM),
    "fsconfig": ("431 0 0 0 0 0", errno.EPERM),
    "fsmount": ("432 0 0 0", errno.EPERM),
    "fspick": ("433 4294967196 / 0", errno.EPERM),
    "open_tree": ("428 4294967196 / 1", errno.EPERM),
    "move_mount": ("429 0 z 0 z 0", errno.EPERM),
    "mount_setattr": ("442 4294967196 / 0 z 32", errno.EPERM),
    "open_by_handle_at": ("304 0 z 0", errno.EPERM),
    "swapon": ("167 /etc 0", errno.EPERM),
    "reboot": ("169 4276215469 672274793 19088743 0", errno.EPERM),
    "settimeofday": ("164 z 0", errno.EPERM),
    "clock_settime": ("227 0 z", errno.EPERM),
    "iopl": ("172 3", errno.EPERM),
    "ioperm": ("173 0 1 1", errno.EPERM),
    "acct": ("163 0", errno.EPERM),
    "quotactl": ("179 0 z 0 0", errno.EPERM),
    "syslog": ("103 3 z 4096", errno.EPERM),
    "vhangup": ("153", errno.EPERM),
    "personality": ("135 4194304", errno.EPERM),
    "fanotify_init": ("300 0 0", errno.EPERM),
    "lookup_dcookie": ("212 0 z 0", errno.EPERM),
    "move_pages of pid 1": ("279 1 0 0 0 0 0", errno.EPERM),
    "set_mempolicy": ("238 0 0 0", errno.EPERM),
    "mknod of the host's disk, and open it": ("2 /tmp/disk 0", errno.EACCES),
    "TIOCSTI": ("16 0 21522 z", errno.ENOTTY),
    "ptrace of a process outside": ("101 16 4194303 0 0", errno.ESRCH),
    "a socket of another family": ("41 40 1 0", errno.EPERM),
    "a raw netlink change": ("41 16 3 12", 0),
    "setting the project of a file": ("16 0 1075599392 z", errno.ENOTTY),
}

#: Files of the kernel, and what is written there.
WRITES = {
    "/proc/sys/kernel/core_pattern": "|/tmp/evil",
    "/proc/sys/kernel/modprobe": "/tmp/evil",
    "/proc/sys/kernel/hotplug": "/tmp/evil",
    "/proc/sys/fs/binfmt_misc/register": ":x:M::x::/tmp/evil:",
    "/proc/sys/vm/overcommit_memory": "1",
    "/proc/sys/kernel/unprivileged_bpf_disabled": "0",
    "/proc/sysrq-trigger": "c",
    "/proc/irq/0/smp_affinity": "1",
    "/proc/bus/pci/00/00.0": "x",
    "/sys/kernel/uevent_helper": "/tmp/evil",
    "/sys/power/state": "mem",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "1",
    "/sys/fs/cgroup/release_agent": "/tmp/evil",
    "/sys/fs/cgroup/memory/release_agent": "/tmp/evil",
    "/sys/fs/cgroup/memory/notify_on_release": "1",
    "/sys/fs/cgroup/cgroup.procs": "1",
    "/proc/1/oom_score_adj": "-1000",
}

#: Files that show the host, and are empty or not there.
READS = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats",
         "/sys/firmware/acpi/tables/DSDT", "/proc/scsi/scsi", "/dev/mem", "/dev/vda", "/dev/sda",
         "/proc/1/root/etc/shadow", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"]


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    layer = images.layer({"bin/sys": (program(), 0o755)})
    return images.busybox(tmp_path_factory.mktemp("layout") / "escapes", extra_layers=[layer])


def said(gate, layout, script, **more):
    """What a task said that ran it, line by line."""
    images.push(gate, layout, "escapes")
    tasks.register(gate, container(image=images.aws_name("escapes"), command=["sh", "-c", script], group=GROUP, **more))
    arn = tasks.run(gate)
    tasks.ended(gate, arn)
    return tasks.messages(gate, GROUP, f"ecs/app/{arn.rsplit('/', 1)[1]}")


def test_system_calls(gate, layout):
    before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    lines = ["exec 2>/dev/null", "mknod /tmp/disk b 254 0"]
    lines += [f"sys {call}; echo $?" for call, _ in CALLS.values()]
    answers = said(gate, layout, "; ".join(lines))
    found = {name: int(answer) for name, answer in zip(CALLS, answers, strict=True)}
    names = {name: errno.errorcode.get(number, "none") for name, number in found.items()}
    wanted = {name: errno.errorcode.get(number, "none") for name, (_, number) in CALLS.items()}
    assert names == wanted
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_files_of_the_kernel(gate, layout):
    lines = [f"(printf '%s' '{text}' > {path}) 2>/dev/null && echo written {path}" for path, text in WRITES.items()]
    lines += [f"head -c 16 {path} 2>/dev/null | wc -c | sed 's#^#{path} #'" for path in READS]
    lines += ["echo end"]
    before = {path: content(path) for path in WRITES}
    answers = said(gate, layout, "; ".join(lines))
    assert answers == [f"{path} 0" for path in READS] + ["end"]
    assert {path: content(path) for path in WRITES if path.startswith("/proc/sys/")} == {
        path: text for path, text in before.items() if path.startswith("/proc/sys/")}


def content(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        return error.errno


def test_the_program_that_starts_it_cannot_be_replaced(gate, layout):
    """CVE-2019-5736: who is executed as /proc/self/exe leads to what started him."""
    layer = images.layer({"bin/again": (b"#!/proc/self/exe\n", 0o755)})
    script = (
        "exec 2>/dev/null; for p in /proc/[0-9]*; do (echo '#!/bin/sh' > $p/exe) && echo wrote $p; "
        "readlink $p/exe; done | sort -u; again; echo end"
    )
    answers = said(gate, layout, script)
    assert layer and "end" in answers and not [line for line in answers if line.startswith("wrote")], answers
    assert set(answers) <= {"/bin/busybox", "end"}, answers


@pytest.mark.parametrize("number", range(3, 13))
def test_no_descriptor_of_the_host_is_left_open(gate, layout, number):
    """CVE-2024-21626: a working directory that is a descriptor of the runtime's."""
    images.push(gate, layout, "escapes")
    tasks.register(gate, container(
        image=images.aws_name("escapes"), group=GROUP, workingDirectory=f"/proc/self/fd/{number}",
        command=["sh", "-c", "cat ../../../../../../etc/shadow ../../../etc/hostname; ls ../../.."]))
    arn = tasks.run(gate)
    task = tasks.wait_for(gate, arn, "STOPPED")
    # Either there is no such directory, or it is the container's own.
    lines = tasks.messages(gate, GROUP, f"ecs/app/{arn.rsplit('/', 1)[1]}") if task.get("executionStoppedAt") else []
    assert not [line for line in lines if ":" in line and "No such file" not in line and "can't open" not in line], lines
    assert not {"boot", "lost+found", "vmlinuz"} & set(lines), lines


@pytest.mark.parametrize("path", ["dev/null", "dev/console", "dev/pts", "dev/ptmx", "proc", "sys", "dev", "dev/shm", "dev/mqueue"])
def test_links_of_an_image_are_followed_by_nobody(gate, tmp_path, path):
    """CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881: what the runtime mounts over, or writes to, is an image's link."""
    target = pathlib.Path("/proc/sys/kernel/core_pattern")
    before = target.read_text()
    outside = tmp_path / "outside"
    outside.mkdir()
    to = str(outside) if path in ("proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue") else str(target)
    layout = images.busybox(tmp_path / "links", extra_layers=[images.layer({}, links=[(path, to)])])
    images.push(gate, layout, "links")
    tasks.register(gate, container(
        image=images.aws_name("links"), pseudoTerminal=True,
        command=["sh", "-c", "echo '|/tmp/evil' > /dev/null; echo '|/tmp/evil' > /dev/console; echo x > /proc/sys/kernel/core_pattern; true"]))
    arn = tasks.run(gate)
    wait_until(lambda: tasks.describe(gate, arn)["lastStatus"] == "STOPPED", what="it ends")
    assert target.read_text() == before
    assert os.listdir(outside) == []


def test_a_task_of_fargate_has_no_file_of_the_host(gate, layout):
    """The socket of Docker, and the host's root."""
    images.push(gate, layout, "escapes")
    for path in ("/var/run/docker.sock", "/", "/proc"):
        app = container(image=images.aws_name("escapes"), command=["true"],
                        mountPoints=[{"sourceVolume": "host", "containerPath": "/host"}])
        with pytest.raises(Exception, match="host|sourcePath|Fargate"):
            tasks.register(gate, app, volumes=[{"name": "host", "host": {"sourcePath": path}}])
