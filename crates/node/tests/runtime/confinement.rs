use super::lab::Lab;
use neargate_node::runtime::Bind;
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
                  mknod /srv/web/null c 1 3 && ! echo x > /srv/web/null 2> /tmp/why && echo nodev";
    let mut config = lab.shell(script);
    let mut bind = volume(&source, "/srv/web", false);
    bind.fill = true;
    config.binds = vec![bind];
    let (_, output) = lab.run(&config).await;
    assert_eq!(output, "hello\n1000:1001\nnodev\n");
    config.name = "second".into();
    config.args[2] = "cat /srv/web/index; touch /srv/web/x || echo read-only".into();
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
