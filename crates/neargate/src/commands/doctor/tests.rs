//! Hosts that nobody has at hand.

use super::checks::{Level, all};
use super::facts::{Cgroup, Disk, Facts, Version};

/// A host on which all is well.
fn healthy() -> Facts {
    Facts {
        is_root: true,
        kernel: "6.1.0-18-amd64".into(),
        architecture: "x86_64".into(),
        capabilities: u64::MAX,
        cgroup: Cgroup {
            version: Version::Two,
            controllers: ["cpu", "memory", "pids", "io"].map(str::to_owned).into(),
            writable: true,
        },
        overlay: true,
        max_user_namespaces: Some(31_000),
        ip_forward: Some(true),
        range: Some(Ok("172.31.0.0/16".into())),
        port: 4566,
        disk: Some(Disk {
            path: "/var/lib/neargate".into(),
            free_bytes: 50 << 30,
            size_bytes: 100 << 30,
            free_inodes: 5_000_000,
            inodes: 6_000_000,
        }),
        open_files: Some(1 << 20),
        now: 1_800_000_000,
        loop_devices: true,
        kvm: true,
        memory_mib: Some(8_000),
        ..Facts::default()
    }
}

/// What is not good of a host that differs so.
fn said(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Level)> {
    let mut facts = healthy();
    change(&mut facts);
    let findings = all(&facts).into_iter().filter(|f| f.level != Level::Good);
    findings.map(|f| (f.check, f.level)).collect()
}

#[test]
fn a_healthy_host_has_nothing() {
    assert_eq!(said(|_| {}), []);
}

#[test]
fn each_fault_is_one_finding() {
    use Level::{Note, Warning, Wrong};
    let gone = |f: &mut Facts, name: &str| _ = f.cgroup.controllers.remove(name);
    assert_eq!(said(|f| f.is_root = false), [("root", Wrong)]);
    assert_eq!(
        said(|f| f.kernel = "4.19.0-27-amd64".into()),
        [("kernel", Wrong)]
    );
    assert_eq!(
        said(|f| f.kernel = "5.15.153.1-microsoft-standard-WSL2".into()),
        [("kernel", Note)]
    );
    assert_eq!(
        said(|f| f.kernel = "4.4.0-19041-Microsoft".into()),
        [("kernel", Wrong)]
    );
    assert_eq!(
        said(|f| f.container = Some("docker".into())),
        [("container", Note)]
    );
    assert_eq!(
        said(|f| f.capabilities = 0xa80425fb),
        [("container", Wrong)]
    );
    assert_eq!(said(|f| f.cgroup = Cgroup::default()), [("cgroups", Wrong)]);
    assert_eq!(said(|f| gone(f, "memory")), [("cgroups", Wrong)]);
    assert_eq!(said(|f| f.cgroup.writable = false), [("cgroups", Wrong)]);
    assert_eq!(said(|f| f.overlay = false), [("overlay", Wrong)]);
    assert_eq!(said(|f| f.nft = Some(String::new())), [("nftables", Wrong)]);
    assert_eq!(
        said(|f| f.max_user_namespaces = Some(0)),
        [("user namespaces", Warning)]
    );
    assert_eq!(
        said(|f| f.selinux = Some("enforcing".into())),
        [("security modules", Warning)]
    );
    assert_eq!(said(|f| f.ip_forward = Some(false)), [("forwarding", Note)]);
    assert_eq!(
        said(|f| f.range = Some(Err("all are used".into()))),
        [("address range", Wrong)]
    );
    assert_eq!(
        said(|f| f.port_taken = Some("Address already in use".into())),
        [("port", Wrong)]
    );
    assert_eq!(
        said(|f| f.disk.as_mut().unwrap().free_bytes = 1 << 20),
        [("disk", Wrong)]
    );
    assert_eq!(
        said(|f| f.disk.as_mut().unwrap().free_inodes = 9),
        [("inodes", Wrong)]
    );
    assert_eq!(said(|f| f.memory_mib = Some(200)), [("memory", Warning)]);
    assert_eq!(
        said(|f| f.open_files = Some(1_024)),
        [("open files", Warning)]
    );
    assert_eq!(said(|f| f.now = 0), [("clock", Wrong)]);
    assert_eq!(
        said(|f| f.written = Some(1_800_009_000)),
        [("clock", Warning)]
    );
    assert_eq!(
        said(|f| f.loop_devices = false),
        [("devices and programs", Note)]
    );
    assert_eq!(
        said(|f| f.leftovers = vec!["/run/neargate/0123abcd".into()]),
        [("leftovers", Warning)]
    );
}

#[test]
fn what_is_wrong_has_a_remedy() {
    let findings = all(&Facts::default());
    let wrong: Vec<_> = findings
        .iter()
        .filter(|f| f.level == Level::Wrong)
        .collect();
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
    assert!(wrong.iter().all(|f| f.remedy.is_some()), "{wrong:#?}");
}
