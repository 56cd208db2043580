use super::lab::Lab;
use neargate_node::runtime::{Bind, Device, Namespace, PAUSE};
use std::fs;

#[tokio::test]
async fn capabilities_and_seccomp() {
    let lab = Lab::new();
    let status =
        "grep -E '^(Cap|Seccomp:|NoNewPrivs|SigBlk|SigIgn)' /proc/self/status | tr '\\t' ' '";
    let mut config = lab.shell(status);
    let (_, output) = lab.run(&config).await;
    let want = "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n\
        CapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\n\
        CapBnd: 00000000a80425fb\nCapAmb: 0000000000000000\nNoNewPrivs: 0\nSeccomp: 2\n";
    assert_eq!(output, want);

    config.name = "user".into();
    config.user = "web".into();
    config.cap_add = vec!["SYS_PTRACE".into()];
    config.cap_drop = vec!["NET_RAW".into()];
    let (_, output) = lab.run(&config).await;
    assert!(
        output.contains("CapEff: 0000000000000000\nCapBnd: 00000000a80c05fb"),
        "{output}"
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn forbidden_calls_are_refused() {
    let lab = Lab::new();
    let script = "mount -t tmpfs none /tmp && echo mounted; unshare -U true && echo unshared; \
        umount /proc && echo unmounted; ip link set lo down && echo downed; \
        hostname other && echo renamed; echo 1 > /proc/sys/kernel/panic && echo written; \
        echo x > /proc/sysrq-trigger && echo triggered; mount -o remount,rw /sys && echo remounted; \
        touch /sys/fs/cgroup/x && echo touched; echo end";
    let (_, output) = lab
        .run(&lab.shell(&format!("exec 2>/dev/null; {script}")))
        .await;
    assert_eq!(output, "end\n");
    lab.assert_clean().await;
}

#[tokio::test]
async fn device_nodes_of_its_own_making_do_not_work() {
    let lab = Lab::new();
    let script = "exec 2>/dev/null
        for dir in / /dev /dev/shm /tmp /scratch; do
            mknod $dir/zero-too c 1 5 && head -c 1 $dir/zero-too && echo read in $dir
        done
        head -c 4 /dev/zero | wc -c; echo x > /dev/null && head -c 3 /dev/urandom | wc -c
        echo x > /dev/full || echo full; chmod 600 /dev/null; stat -c %a /dev/null";
    let mut config = lab.shell(script);
    config.tmpfs = vec![neargate_node::runtime::Tmpfs {
        path: "/scratch".into(),
        size_bytes: 1 << 20,
        options: vec!["dev".into()],
    }];
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, "4\n3\nfull\n600\n");
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata("/dev/null").unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o666, "the host's own node is another one");
    lab.assert_clean().await;
}

#[tokio::test]
async fn the_host_is_out_of_sight() {
    let lab = Lab::new();
    let script = "exec 2>/dev/null; echo $$; ps -o pid | awk '$1 + 0 > 50' | wc -l; cat /proc/kcore | wc -c; \
        cat /proc/timer_list /proc/keys | wc -c; ls /sys/firmware | wc -l; \
        cat /proc/self/cgroup | grep -c neargate; grep -c layer /proc/self/mountinfo; \
        ls /proc/self/fd | wc -l; ls / | tr '\\n' ' '; ip -o link | wc -l; readlink /proc/1/cwd";
    let (_, output) = lab.run(&lab.shell(script)).await;
    let want = "1\n0\n0\n0\n0\n0\n0\n4\nbin dev etc proc root srv sys tmp 1\n/\n";
    assert_eq!(output, want);
    lab.assert_clean().await;
}

#[tokio::test]
async fn the_shim_s_program_cannot_be_written() {
    let lab = Lab::new();
    // The way of CVE-2019-5736 is to write to what /proc/<pid>/exe leads to.
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let shim = super::lab::shims_of(lab.dir())[0];
    let flags = rustix::fs::statvfs(format!("/proc/{shim}/exe"))
        .unwrap()
        .f_flag;
    assert!(
        flags.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        "{flags:?}"
    );
    container.signal(9).await.unwrap();
    container.wait().await;
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_read_only_root_is_one() {
    let lab = Lab::new();
    let mut config = lab.shell(
        "exec 2>/dev/null; touch /x && echo root; touch /dev/shm/x && echo shm; \
         touch /scratch/x && echo scratch; mkdir /made && echo made; pwd",
    );
    config.read_only_root = true;
    config.cwd = "/work/dir".into();
    config.tmpfs = vec![neargate_node::runtime::Tmpfs {
        path: "/scratch".into(),
        size_bytes: 1 << 20,
        options: vec![],
    }];
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, "shm\nscratch\n/work/dir\n");
    lab.assert_clean().await;
}

#[tokio::test]
async fn links_in_the_image_lead_nowhere() {
    let lab = Lab::new();
    let outside = lab.dir().join("outside");
    fs::create_dir(&outside).unwrap();
    let layer = lab.dir().join("hostile");
    fs::create_dir_all(layer.join("srv")).unwrap();
    std::os::unix::fs::symlink(&outside, layer.join("srv/out")).unwrap();
    let mut config = lab.shell("touch file; pwd");
    config.layers.push(layer);
    config.cwd = "/srv/out/deep".into();
    let (exit, _) = match lab.start(&config).await {
        Ok(container) => (Some(container.wait().await), ()),
        Err(_) => (None, ()),
    };
    assert!(exit.is_none_or(|exit| exit.code == Some(0)));
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "the host's directory was reached"
    );

    let layer = lab.dir().join("hostile-proc");
    fs::create_dir(&layer).unwrap();
    std::os::unix::fs::symlink("/tmp", layer.join("proc")).unwrap();
    let mut config = lab.container(&["true"]);
    config.name = "proc".into();
    config.layers.push(layer);
    let error = lab.start(&config).await.unwrap_err().to_string();
    assert_eq!(error, "the image's /proc is not a directory");
    lab.assert_clean().await;
}

fn volume(source: &std::path::Path, target: &str, read_only: bool) -> Bind {
    Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
        fill: false,
        ..Bind::default()
    }
}

#[tokio::test]
async fn a_volume_is_filled_from_the_image_once() {
    let lab = Lab::new();
    let site = lab.layer.join("srv/web");
    fs::write(site.join("index"), "hello\n").unwrap();
    std::os::unix::fs::chown(&site, Some(1000), Some(1001)).unwrap();
    let source = lab.dir().join("volume");
    fs::create_dir(&source).unwrap();
    let script = "cat /srv/web/index; stat -c %u:%g /srv/web; echo more >> /srv/web/index; \
                  mknod /srv/web/null c 1 3; (echo x > /srv/web/null) 2> /tmp/why || echo nodev";
    let mut config = lab.shell(script);
    let mut bind = volume(&source, "/srv/web", false);
    bind.fill = true;
    config.binds = vec![bind];
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, "hello\n1000:1001\nnodev\n");
    config.name = "second".into();
    config.args[2] = "cat /srv/web/index; touch /srv/web/x 2> /tmp/why || echo read-only".into();
    config.binds[0].read_only = true;
    let (_, output) = lab.run(&config).await;
    assert!(
        output.starts_with("hello\nmore\n") && output.ends_with("read-only\n"),
        "{output}"
    );
    assert!(!site.join("null").exists(), "the image is as it was");
    lab.assert_clean().await;
}

#[tokio::test]
async fn links_of_an_image_or_a_volume_lead_no_mount_outside() {
    let lab = Lab::new();
    let (host, inner) = (lab.dir().join("host"), lab.dir().join("inner"));
    for dir in [&host, &inner] {
        fs::create_dir(dir).unwrap();
    }
    let outside = lab.dir().join("outside");
    fs::create_dir(&outside).unwrap();
    // Both in the image and in a volume that somebody else writes to.
    std::os::unix::fs::symlink(&outside, lab.layer.join("leads")).unwrap();
    std::os::unix::fs::symlink("../../../../../..", host.join("up")).unwrap();
    std::os::unix::fs::symlink("/proc/self/fd/3", lab.layer.join("fd")).unwrap();
    let mut config = lab.shell("cat /leads/mark; cat /etc/inner/mark; ls /");
    fs::write(inner.join("mark"), "inner\n").unwrap();
    config.binds = vec![
        volume(&host, "/host", false),
        volume(&inner, "/host/up/etc/inner", false),
        volume(&inner, "/leads", true),
        // It leads to what its text says, in the container.
        volume(&inner, "/fd", true),
    ];
    let (_, output) = lab.run(&config).await;
    assert!(output.starts_with("inner\ninner\n"), "{output}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    for target in ["/proc/self/attr", "/host/up/proc/self"] {
        config.name = format!("bad{}", target.len());
        config.binds = vec![volume(&host, "/host", false), volume(&inner, target, false)];
        let why = lab.start(&config).await.unwrap_err().to_string();
        assert!(
            why.contains("cannot be mounted because it is inside /proc"),
            "{target}: {why}"
        );
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_privileged_container_has_the_host() {
    let lab = Lab::new();
    let script = "grep -E '^(CapEff|Seccomp:)' /proc/self/status | tr '\\t' ' '; \
                  test -w /proc/sys/kernel && test -w /sys && echo open; \
                  mknod /tmp/null c 1 3 && echo x > /tmp/null && echo devices; \
                  mount -t tmpfs none /srv/web && echo mounts";
    let mut config = lab.shell(script);
    config.privileged = true;
    let (_, output) = lab.run(&config).await;
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let ours = own.lines().find(|line| line.starts_with("CapPrm")).unwrap();
    let ours = ours.split_whitespace().last().unwrap();
    let want = format!("CapEff: {ours}\nSeccomp: 0\nopen\ndevices\nmounts\n");
    assert_eq!(output, want);
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_device_is_given_alone() {
    let lab = Lab::new();
    let device = |source: &str, target: &str| Device {
        source: source.into(),
        target: target.into(),
    };
    let script = "head -c 3 /dev/sub/other | wc -c; ls /dev/loop-control 2> /tmp/why || echo none";
    let mut config = lab.shell(script);
    config.devices = vec![device("/dev/zero", "/dev/sub/other")];
    config.no_new_privileges = true;
    let (_, output) = lab.run(&config).await;
    assert!(
        output.starts_with("3\n") && output.ends_with("none\n"),
        "{output}"
    );
    for (source, target, why) in [
        ("/dev/nothing", "/dev/x", "no such file or directory"),
        ("/etc/passwd", "/dev/x", "not a device node"),
        ("/dev/zero", "/dev/../etc/x", "not beneath /dev"),
    ] {
        config.name = format!("bad{}", why.len());
        config.devices = vec![device(source, target)];
        let refused = lab.start(&config).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn containers_share_namespaces_of_a_pause() {
    let lab = Lab::new();
    let mut pause = lab.container(&[]);
    pause.name = PAUSE.into();
    pause.layers.clear();
    pause.pause = true;
    let holder = lab.start(&pause).await.unwrap();
    let shared = |name: &str, script: &str| {
        let mut config = lab.shell(script);
        config.name = name.into();
        config.processes = Namespace::Of(PAUSE.into());
        config.ipc = Namespace::Of(PAUSE.into());
        config
    };
    let first = "echo 1 > /dev/shm/mark; echo up; exec sleep 1234";
    let first = lab.start(&shared("first", first)).await.unwrap();
    lab.line("first", "up").await;
    let script = "ps | grep -c 'sleep 123[4]'; cat /dev/shm/mark; sleep 4321 & echo left";
    let (exit, output) = lab.run(&shared("second", script)).await;
    assert_eq!(output, "1\n1\nleft\n");
    assert_eq!(exit.code, Some(0));
    // What a container leaves behind goes with it, though it is not the first process here.
    let script = "ps | grep -c 'sleep 432[1]'; ps | grep -c 'sleep 123[4]'";
    let (_, output) = lab.run(&shared("third", script)).await;
    assert_eq!(output, "0\n1\n");
    let probe = ["sh", "-c", "ps | grep -c 'sleep 123[4]'"].map(str::to_owned);
    let executed = first.exec(&probe, std::time::Duration::from_secs(10)).await;
    assert_eq!(executed.unwrap().unwrap().output, "1\n");
    first.signal(15).await.unwrap();
    assert_eq!(first.wait().await.code, Some(143));
    assert!(fs::metadata(format!("/proc/{}", holder.pid())).is_ok());
    lab.assert_clean().await;
}

#[tokio::test]
async fn the_hosts_processes_are_seen_where_it_is_said() {
    let lab = Lab::new();
    let own = std::process::id();
    let mut config = lab.shell(&format!("test -d /proc/{own} && echo seen; (sleep 9876 &)"));
    config.processes = Namespace::Host;
    config.ipc = Namespace::Host;
    let (exit, output) = lab.run(&config).await;
    assert_eq!((output.as_str(), exit.code), ("seen\n", Some(0)));
    config.name = "without".into();
    config.processes = Namespace::Own;
    config.ipc = Namespace::Own;
    config.without_shm = true;
    config.args[2] = "test -e /dev/shm || echo none".into();
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, "none\n");
    lab.assert_clean().await;
}
