use super::*;
use neargate_domain::{ContainerSpec, EbsVolume, EfsVolume, Mount, Volume, VolumesFrom};

fn lab() -> (tempfile::TempDir, Volumes) {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes_in(dir.path(), Allowed::everything());
    (dir, volumes)
}

fn volumes_in(dir: &Path, allowed: Allowed) -> Volumes {
    let named = [("fs-named".to_owned(), dir.to_str().unwrap().to_owned())];
    let file_systems = FileSystems::new(dir.join("efs"), named.into()).unwrap();
    Volumes::new(dir.join("shared"), dir.join("ebs"), allowed, file_systems)
}

/// Why a container does not start.
fn refusal(refused: Result<Vec<Bind>, Unready>) -> String {
    match refused {
        Err(Unready::Container(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn mounting(name: &str, mounts: &[(&str, &str)]) -> ContainerSpec {
    let mount = |(volume, path): &(&str, &str)| Mount {
        volume: (*volume).into(),
        container_path: (*path).into(),
        read_only: false,
    };
    ContainerSpec {
        name: name.into(),
        mounts: mounts.iter().map(mount).collect(),
        ..ContainerSpec::default()
    }
}

fn with_volumes_of(mut spec: ContainerSpec, other: &str, read_only: bool) -> ContainerSpec {
    spec.volumes_from.push(VolumesFrom {
        container: other.into(),
        read_only,
    });
    spec
}

fn task(containers: Vec<ContainerSpec>, volumes: &[(&str, VolumeSource)]) -> Assignment {
    let volume = |(name, source): &(&str, VolumeSource)| Volume {
        name: (*name).into(),
        source: source.clone(),
    };
    Assignment {
        volumes: volumes.iter().map(volume).collect(),
        ..crate::agent::tests::assignment(containers)
    }
}

fn shared(autoprovision: bool, options: &[(&str, &str)]) -> VolumeSource {
    let options = options.iter();
    VolumeSource::Docker(DockerVolume {
        shared: true,
        autoprovision,
        driver: "local".into(),
        options: options
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect(),
        labels: [].into(),
    })
}

const TMPFS: [(&str, &str); 3] = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")];

fn targets(binds: &[Bind]) -> Vec<&str> {
    binds.iter().map(|b| b.target.as_str()).collect()
}

#[test]
fn a_tasks_volume_is_one_directory_for_all_its_containers() {
    let (dir, volumes) = lab();
    let containers = vec![
        mounting("a", &[("v", "/x")]),
        mounting("b", &[("v", "/y/")]),
    ];
    let task = task(containers, &[("v", VolumeSource::Task)]);
    let a = volumes.binds(dir.path(), &task, 0, &[]).unwrap();
    let b = volumes
        .binds(dir.path(), &task, 1, &["/y".to_owned()])
        .unwrap();
    assert_eq!(a[0].source, b[0].source);
    assert!(a[0].source.starts_with(dir.path()) && a[0].source.is_dir());
    // Fargate fills where the image has a `VOLUME`, Docker always.
    assert_eq!((a[0].fill, b[0].fill), (false, true));
    let on_instance = Assignment {
        launch_type: LaunchType::Ec2,
        ..task
    };
    let a = volumes.binds(dir.path(), &on_instance, 0, &[]).unwrap();
    assert!(a[0].fill);
}

#[test]
fn volumes_from_has_what_the_other_has() {
    let (dir, volumes) = lab();
    let data = mounting("data", &[("v", "/x")]);
    let web = with_volumes_of(mounting("web", &[]), "data", true);
    let log = with_volumes_of(mounting("log", &[("v", "/site")]), "web", false);
    let task = task(vec![data, web, log], &[("v", VolumeSource::Task)]);
    let declared = ["/site/".to_owned(), "/x".to_owned()];
    let of = |i: usize, declared: &[String]| volumes.binds(dir.path(), &task, i, declared).unwrap();
    let data = of(0, &declared);
    assert_eq!(targets(&data), ["/x", "/site"]);
    assert!(data[1].fill && !data[1].read_only);
    let web = of(1, &[]);
    assert_eq!(targets(&web), ["/x", "/site"]);
    assert_eq!(web[1].source, data[1].source);
    assert!(web.iter().all(|b| b.read_only && !b.fill));
    // Its own come first.
    let log = of(2, &[]);
    assert_eq!(targets(&log), ["/site", "/x"]);
    assert!(!log[0].read_only && log[1].read_only);
}

#[test]
fn what_reaches_the_host_needs_its_operators_word() {
    let (dir, _) = lab();
    let volumes = volumes_in(dir.path(), Allowed::default());
    let path = dir.path().join("made/here");
    let host = VolumeSource::Host {
        path: path.to_str().unwrap().into(),
    };
    let bind = [("type", "none"), ("o", "bind"), ("device", "/")];
    let containers = vec![mounting("a", &[("h", "/h")]), mounting("b", &[("d", "/d")])];
    let task = task(containers, &[("h", host), ("d", shared(true, &bind))]);
    for i in 0..2 {
        let why = refusal(volumes.binds(dir.path(), &task, i, &[]));
        assert!(why.contains("allow_privileged"), "{why}");
    }
    assert!(!path.exists());
    let volumes = volumes_in(dir.path(), Allowed::everything());
    let binds = volumes.binds(dir.path(), &task, 0, &[]).unwrap();
    assert_eq!(binds[0].source, path);
    // As Docker on ECS.
    assert!(path.is_dir() && !binds[0].fill);
    assert_eq!(
        volumes.binds(dir.path(), &task, 1, &[]).unwrap()[0].source,
        Path::new("/")
    );
}

#[test]
fn a_shared_volume_is_mounted_while_it_has_users() {
    let (dir, volumes) = lab();
    let mount = |id: &str| Assignment {
        task_id: id.into(),
        ..task(
            vec![mounting("a", &[("v", "/v")])],
            &[("v", shared(true, &TMPFS))],
        )
    };
    let (one, two) = (mount("1"), mount("2"));
    let source = volumes
        .binds(dir.path(), &one, 0, &[])
        .unwrap()
        .remove(0)
        .source;
    for _ in 0..2 {
        volumes.binds(dir.path(), &two, 0, &[]).unwrap();
    }
    fs::write(source.join("kept"), "").unwrap();
    assert!(is_mounted(&source));
    volumes.release("1").unwrap();
    assert!(source.join("kept").exists());
    volumes.sweep(&HashSet::from(["1".to_owned()])).unwrap();
    assert!(!is_mounted(&source) && !source.join("kept").exists());
    let other = task(
        vec![mounting("a", &[("v", "/v")])],
        &[("v", shared(true, &[]))],
    );
    let why = refusal(volumes.binds(dir.path(), &other, 0, &[]));
    assert!(
        why.contains("does not match existing volume options"),
        "{why}"
    );
    let missing = task(
        vec![mounting("a", &[("w", "/w")])],
        &[("w", shared(false, &[]))],
    );
    let why = refusal(volumes.binds(dir.path(), &missing, 0, &[]));
    assert!(
        why.contains("'w' does not exist and autoprovision is set to false"),
        "{why}"
    );
}

#[test]
fn what_is_mounted_for_a_task_is_off_before_its_files_go() {
    let (dir, volumes) = lab();
    let VolumeSource::Docker(docker) = shared(false, &TMPFS) else {
        unreachable!()
    };
    let own = VolumeSource::Docker(DockerVolume {
        shared: false,
        ..docker
    });
    let task = task(vec![mounting("a", &[("v", "/v")])], &[("v", own)]);
    let source = volumes
        .binds(dir.path(), &task, 0, &[])
        .unwrap()
        .remove(0)
        .source;
    assert!(is_mounted(&source));
    unmount_below(dir.path()).unwrap();
    assert!(!is_mounted(&source) && source.is_dir());
    unmount_below(&dir.path().join("missing")).unwrap();
}

#[test]
fn what_docker_refuses_is_refused() {
    let (dir, volumes) = lab();
    let VolumeSource::Docker(docker) = shared(false, &[]) else {
        unreachable!()
    };
    let rexray = VolumeSource::Docker(DockerVolume {
        driver: "rexray/ebs".into(),
        ..docker
    });
    for (mounts, why) in [
        (&[("v", "x")][..], "mount path must be absolute"),
        (&[("v", "/a/..")], "destination can't be '/'"),
        (&[("v", "/a"), ("v", "/a/")], "Duplicate mount point: /a/"),
        (&[("r", "/r")], "plugin \"rexray/ebs\" not found"),
        (&[("none", "/r")], "the task has no volume none"),
    ] {
        let volumes_of = [("v", VolumeSource::Task), ("r", rexray.clone())];
        let task = task(vec![mounting("a", mounts)], &volumes_of);
        let refused = refusal(volumes.binds(dir.path(), &task, 0, &[]));
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn a_file_system_is_its_accounts_directory() {
    let (dir, volumes) = lab();
    let efs = |id: &str, root: &str, point: Option<&str>| {
        VolumeSource::Efs(EfsVolume {
            file_system_id: id.into(),
            root_directory: root.into(),
            access_point_id: point.map(str::to_owned),
        })
    };
    let bind = |source: VolumeSource| {
        let task = task(vec![mounting("a", &[("v", "/v")])], &[("v", source)]);
        let binds = volumes.binds(dir.path(), &task, 0, &["/v".to_owned()]);
        binds.map(|mut binds| binds.remove(0))
    };
    let all = bind(efs("fs-1", "/", None)).unwrap();
    assert!(all.source.is_dir() && all.beneath.is_empty() && !all.fill);
    let by_arn = "arn:aws:elasticfilesystem:us-east-1:000000000000:file-system/fs-1";
    assert_eq!(bind(efs(by_arn, "", None)).unwrap(), all);
    // As AWS: a directory that is not there is not made.
    let why = bind(efs("fs-1", "/a/b", None)).unwrap_err();
    let Unready::Task(why) = why else {
        panic!("{why:?}")
    };
    assert!(
        why.contains("fs-1.efs.us-east-1.amazonaws.com:/a/b failed"),
        "{why}"
    );
    fs::create_dir_all(all.source.join("a/b")).unwrap();
    let part = bind(efs("fs-1", "/a/b", None)).unwrap();
    assert_eq!((&part.source, part.beneath.as_str()), (&all.source, "a/b"));
    std::os::unix::fs::symlink("/", all.source.join("out")).unwrap();
    for path in ["/out", "/out/etc", "/../..", "/a/../../.."] {
        assert!(bind(efs("fs-1", path, None)).is_err(), "{path}");
    }
    let point = bind(efs("fs-1", "/", Some("fsap-1"))).unwrap();
    assert_eq!(point.beneath, "access-points/fsap-1");
    assert!(point.source.join(&point.beneath).is_dir());
    assert_eq!(bind(efs("fs-named", "", None)).unwrap().source, dir.path());
    for id in ["..", "fs-1/../..", ""] {
        assert!(bind(efs(id, "", None)).is_err(), "{id}");
    }
}

#[test]
fn a_block_volume_is_as_large_as_was_asked_and_goes_with_its_task() {
    // Loop devices want a file system that is no tmpfs.
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let volumes = volumes_in(dir.path(), Allowed::default());
    let ebs = VolumeSource::Ebs(EbsVolume {
        volume_id: "vol-0123".into(),
        attachment_id: "id".into(),
        role_arn: "role".into(),
        size_gib: 1,
        file_system: Some("ext4".into()),
        delete_on_termination: true,
    });
    let task = task(vec![mounting("a", &[("v", "/v")])], &[("v", ebs)]);
    let bind = || volumes.binds(dir.path(), &task, 0, &[]).unwrap().remove(0);
    let source = bind().source;
    assert_eq!(bind().source, source);
    let of = rustix::fs::statvfs(&source).unwrap();
    let gib = (of.f_blocks * of.f_frsize) as f64 / f64::from(1 << 30);
    assert!((0.9..=1.0).contains(&gib), "{gib}");
    fs::write(source.join("file"), "kept").unwrap();
    let image = dir.path().join("ebs").join(&task.task_id).join("vol-0123");
    assert!(image.exists());
    unmount_below(dir.path()).unwrap();
    // As after a restart of the host: it is mounted again, and is as it was.
    assert!(!is_mounted(&source));
    assert_eq!(
        fs::read_to_string(bind().source.join("file")).unwrap(),
        "kept"
    );
    unmount_below(dir.path()).unwrap();
    volumes
        .sweep(&HashSet::from([task.task_id.clone()]))
        .unwrap();
    assert!(image.exists());
    volumes.release(&task.task_id).unwrap();
    assert!(!image.exists());
}
