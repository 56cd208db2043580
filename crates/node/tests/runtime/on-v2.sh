#!/bin/bash
# Runs the container tests on cgroup v2 and on Debian's own kernel, in a small virtual machine
# (emulated: needs no KVM). For machines whose controllers are v1, such as our own; half a minute.
# Needs root, qemu-system-x86, busybox-static and a Debian archive.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
apt-get download -qq "$kernel"
dpkg -x "$kernel"_*.deb kernel

cd "$root"
program() { # KIND NAME
    cargo test -q -p neargate-node --test runtime --no-run --message-format=json |
        grep "\"kind\":\[\"$1\"\]" | grep "\"name\":\"$2\"" |
        grep -o '"executable":"[^"]*"' | cut -d'"' -f4 | tail -1
}
tests=$(program test runtime)
shim=$(program bin neargate-shim)

cd "$work"
mkdir -p disk/{bin,proc,sys,dev,tmp,root,lib,lib64}
cp /bin/busybox disk/bin/
cp "$(find kernel -name overlay.ko)" disk/
for file in "$tests" "$shim"; do
    mkdir -p "disk$(dirname "$file")"
    strip -o "disk$file" "$file"
    for library in $(ldd "$file" | grep -o '/lib[^ ]*'); do
        mkdir -p "disk$(dirname "$library")"
        cp -Ln "$library" "disk$library"
    done
done
cat > disk/init <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev
insmod /overlay.ko
# The root of an initramfs cannot be pivoted away from.
mkdir /new && mount -t tmpfs -o size=1500m new /new
for part in bin lib lib64 [a-z]*; do
    case $part in new|proc|sys|dev) ;; *) cp -a /$part /new/ 2>/dev/null ;; esac
done
mkdir -p /new/proc /new/sys /new/dev /new/tmp
for part in proc sys dev; do mount --move /$part /new/$part; done
exec switch_root /new /second
INIT
cat > disk/second <<SECOND
#!/bin/busybox sh
exec >/dev/console 2>&1
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
ifconfig lo up
RUST_BACKTRACE=0 $tests --test-threads=2
ls /sys/fs/cgroup | grep neargate && echo cgroups are left
poweroff -f
SECOND
chmod +x disk/init disk/second
(cd disk && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) > disk.gz
timeout 600 qemu-system-x86_64 -M q35 -cpu max -m 3000 -smp 2 -nographic -no-reboot \
    -kernel kernel/boot/vmlinuz-* -initrd disk.gz \
    -append "console=ttyS0 quiet panic=-1" | tee log
grep -q '^test result: ok' log && ! grep -q 'cgroups are left' log
