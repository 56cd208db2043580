use super::*;

const HYBRID: &str = "\
34 30 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 30 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
37 30 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory
39 30 0:34 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 30 0:36 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
42 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const JOINED: &str = "\
34 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
37 30 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
";
const UNIFIED: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
";

#[test]
fn hybrid_machines_use_v1() {
    let found = Hierarchy::from_mountinfo(HYBRID).unwrap();
    assert_eq!(found.version(), Version::V1);
    let controllers: Vec<_> = found
        .mounts()
        .iter()
        .map(|m| m.controllers.as_str())
        .collect();
    assert_eq!(controllers, ["cpu", "cpuacct", "memory", "pids"]);
}

#[test]
fn joined_controllers_share_a_directory() {
    let found = Hierarchy::from_mountinfo(JOINED).unwrap();
    let group = Cgroup::at(&found, "neargate-t/a");
    assert_eq!(group.directory("cpuacct"), group.directory("cpu"));
    assert_eq!(group.directory("pids"), None);
}

#[test]
fn unified_machines_use_v2() {
    let found = Hierarchy::from_mountinfo(UNIFIED).unwrap();
    assert_eq!(found.version(), Version::V2);
    let group = Cgroup::at(&found, "neargate-t/a");
    assert_eq!(
        group.directory("memory").unwrap(),
        Path::new("/sys/fs/cgroup/neargate-t/a")
    );
    assert!(Hierarchy::from_mountinfo("22 27 0:21 / /proc rw - proc proc rw\n").is_none());
}

#[test]
#[should_panic(expected = "no group of ours")]
fn only_our_own_groups_can_be_named() {
    let found = Hierarchy::from_mountinfo(UNIFIED).unwrap();
    let _ = Cgroup::at(&found, "neargate-t/../system.slice");
}

#[test]
fn v2_files_get_what_v1_files_mean() {
    let directory = tempfile::tempdir().unwrap();
    let mountinfo = format!(
        "30 23 0:26 / {} rw - cgroup2 cgroup2 rw\n",
        directory.path().display()
    );
    let hierarchy = Hierarchy::from_mountinfo(&mountinfo).unwrap();
    let group = Cgroup::at(&hierarchy, "neargate-t/task");
    group.create().unwrap();
    let limits = GroupLimits {
        cpu_units: Some(256),
        cpu_shares: Some(1024),
        memory_bytes: Some(512 << 20),
        memory_reservation_bytes: Some(1 << 20),
        pids: Some(7),
        ..GroupLimits::default()
    };
    group.limit(&limits).unwrap();
    let read = |file: &str| group.read("memory", file).unwrap();
    assert_eq!(read("cpu.max"), "25000 100000");
    assert_eq!(read("cpu.weight"), "39");
    assert_eq!(read("memory.max"), "536870912");
    assert_eq!(read("memory.swap.max"), "0");
    assert_eq!(read("memory.low"), "1048576");
    assert_eq!(read("pids.max"), "7");
    fs::write(
        group.directory("").unwrap().join("memory.events"),
        "oom 3\noom_kill 2\n",
    )
    .unwrap();
    assert_eq!(group.oom_kills(), 2);
}

#[test]
fn weights_span_the_range() {
    assert_eq!(
        (
            limits::weight(0),
            limits::weight(2),
            limits::weight(262_144)
        ),
        (1, 1, 10_000)
    );
}

/// On whatever this machine has; the v2 interface also where only an empty v2 hierarchy is
/// mounted beside v1.
fn hierarchies() -> Vec<Hierarchy> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let unified: String = mountinfo
        .lines()
        .filter(|line| line.contains(" - cgroup2 "))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut found = vec![Hierarchy::detect().unwrap()];
    found.extend(Hierarchy::from_mountinfo(&unified).filter(|v2| *v2 != found[0]));
    found
}

#[test]
fn a_part_is_told_from_the_rest_killed_or_taken_in() {
    for hierarchy in hierarchies() {
        let name = format!("neargate-part-{}", std::process::id());
        let group = Cgroup::at(&hierarchy, &format!("{name}/c-main"));
        group.create().unwrap();
        let sleeper = |group: &Cgroup| {
            let child = std::process::Command::new("sleep")
                .arg("1000")
                .spawn()
                .unwrap();
            group
                .write("pids", "cgroup.procs", &child.id().to_string())
                .unwrap();
            child
        };
        let mut own = sleeper(&group);
        let part = group.part("x-1").unwrap();
        assert_eq!(group.part("x-1").unwrap(), part, "made twice");
        assert!(group.part_entrance(&part).is_ok());
        let mut killed = sleeper(&part);
        assert_eq!(part.processes(), [killed.id() as i32]);
        assert!(!part.remove_part(), "somebody is in it");
        assert!(!part.kill_now(), "somebody was in it");
        killed.wait().unwrap();
        while !part.kill_now() || !part.remove_part() {}
        assert_eq!(own.try_wait().unwrap(), None, "the rest lives on");

        let part = group.part("x-2").unwrap();
        let mut left = sleeper(&part);
        assert!(group.take_in(&part));
        while !part.remove_part() {}
        let mut inside = group.processes();
        inside.sort_unstable();
        let mut both = [own.id() as i32, left.id() as i32];
        both.sort_unstable();
        assert_eq!(inside, both);
        group.kill().unwrap();
        own.wait().unwrap();
        left.wait().unwrap();
        let root = Cgroup::at(&hierarchy, &name);
        root.remove().unwrap();
    }
}
