use super::lab::{Lab, eventually, process_exists};
use neargate_node::runtime::{Adopted, Container, ExecEnd, Executed, Runtime};
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

async fn exec(container: &Arc<dyn Container>, args: &[&str]) -> Executed {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    container.exec(&args, LONG).await.unwrap().expect("it runs")
}

async fn shell(container: &Arc<dyn Container>, script: &str) -> Executed {
    exec(container, &["sh", "-c", script]).await
}

fn exited(code: i32, output: &str) -> Executed {
    Executed {
        end: ExecEnd::Exited(code),
        output: output.to_owned(),
    }
}

#[tokio::test]
async fn it_is_in_the_container() {
    let lab = Lab::new();
    let mut config = lab.shell("echo here > /dev/shm/file; hostname; sleep 1000");
    config.env = vec!["COLOUR=green".into()];
    config.user = "web".into();
    config.cwd = "/srv/web".into();
    config.ulimits = vec![neargate_node::runtime::Ulimit {
        name: "nofile".into(),
        soft: 123,
        hard: 456,
    }];
    let container = lab.start(&config).await.unwrap();
    lab.line("main", "box").await;

    let script = "cat /dev/shm/file; hostname; pwd; id; echo $COLOUR $HOME; ulimit -n; umask; \
        cat; kill -0 1 && echo one; ls /proc/self/fd | wc -l;\
        echo again > /dev/stdout; echo errors >&2";
    let want = "here\nbox\n/srv/web\nuid=1000(web) gid=1001(web) groups=50(logs),1001(web)\n\
        green /srv/web\n123\n0022\none\n4\nagain\nerrors\n";
    assert_eq!(shell(&container, script).await, exited(0, want));

    // The same namespaces, for all that differ between containers.
    let script = "for ns in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$ns; done";
    let own = shell(&container, script).await.output;
    for (line, ns) in own
        .lines()
        .zip(["mnt", "pid", "net", "ipc", "uts", "cgroup"])
    {
        let first = std::fs::read_link(format!("/proc/{}/ns/{ns}", container.pid())).unwrap();
        assert_eq!(line, first.to_str().unwrap());
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn it_is_confined_as_the_container() {
    let lab = Lab::new();
    let mut config = lab.container(&["sleep", "1000"]);
    config.cap_drop = vec!["NET_RAW".into()];
    let container = lab.start(&config).await.unwrap();
    let status = "grep -E '^(Cap|Seccomp:|NoNewPrivs|SigBlk|SigIgn)' /proc/self/status; \
        cat /proc/self/oom_score_adj";
    let want = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n\
        CapInh:\t0000000000000000\nCapPrm:\t00000000a80405fb\nCapEff:\t00000000a80405fb\n\
        CapBnd:\t00000000a80405fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n500\n";
    assert_eq!(shell(&container, status).await, exited(0, want));

    let forbidden = "exec 2>/dev/null
        mount -t tmpfs none /tmp && echo mounted; unshare -U true && echo unshared
        umount /proc && echo unmounted; hostname other && echo renamed
        mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero && echo read
        echo 1 > /proc/sys/kernel/panic && echo written
        mkdir /sys/fs/cgroup/x && echo grouped; kill -9 0; echo survived";
    let done = shell(&container, forbidden).await;
    assert_eq!(done, exited(137, ""), "`kill 0` ends itself, and only that");
    assert_eq!(
        shell(&container, "echo alive").await,
        exited(0, "alive\n"),
        "neither shim nor container was hit"
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn exit_codes_and_what_cannot_be_run() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    assert_eq!(exec(&container, &["true"]).await, exited(0, ""));
    assert_eq!(shell(&container, "exit 3").await, exited(3, ""));
    assert_eq!(shell(&container, "kill -TERM $$").await, exited(143, ""));
    let not_started = |done: Executed| match done.end {
        ExecEnd::NotStarted(why) => why,
        other => panic!("{other:?}"),
    };
    let why = not_started(exec(&container, &["curl", "http://localhost"]).await);
    assert!(why.contains("executable file not found in $PATH"), "{why}");
    let why = not_started(exec(&container, &["/etc/passwd"]).await);
    assert!(why.contains("permission denied"), "{why}");
    let why = not_started(exec(&container, &[]).await);
    assert!(why.contains("no command"), "{why}");
    lab.assert_clean().await;
}

#[tokio::test]
async fn output_is_bounded() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let done = shell(&container, "head -c 3000000 /dev/zero | tr '\\0' x; exit 7").await;
    assert_eq!(done, exited(7, &"x".repeat(4096)));
    // Bytes that take most in JSON.
    let done = shell(&container, "head -c 30000 /dev/zero").await;
    assert_eq!(done.output.len(), 4096);
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_it_started() {
    let lab = Lab::new();
    let container = lab
        .start(&lab.shell("trap '' TERM; echo up; while :; do sleep 1000; done"))
        .await
        .unwrap();
    lab.line("main", "up").await;
    // Another process group, another session, ignored signals: the cgroup has all of it.
    let script = "echo begun; trap '' TERM HUP; sh -c 'sleep 777 & sleep 777' & sleep 777";
    let args = ["sh", "-c", script].map(str::to_owned);
    let watch = neargate_base::time::Stopwatch::start();
    let done = container
        .exec(&args, Duration::from_millis(500))
        .await
        .unwrap()
        .unwrap();
    assert!(watch.elapsed() >= Duration::from_millis(500));
    assert_eq!(done.end, ExecEnd::TimedOut);
    assert_eq!(done.output, "begun\n");
    let cgroup = lab.task_cgroup().child("c-main");
    eventually(|| cgroup.children().is_empty()).await;
    let left = shell(&container, "ps | grep -c 'sleep 77[7]'").await;
    assert_eq!(left, exited(1, "0\n"));
    assert!(process_exists(container.pid()));
    // No zombie of it stays with the shim.
    let shim = super::lab::shims_of(lab.dir())[0];
    eventually(|| {
        let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children"));
        children.unwrap().split_whitespace().count() == 1
    })
    .await;
    lab.assert_clean().await;
}

#[tokio::test]
async fn it_is_killed_when_nobody_waits_for_it() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let cgroup = lab.task_cgroup().child("c-main");
    let args = ["sleep", "777"].map(str::to_owned);
    let running = container.exec(&args, LONG);
    tokio::select! {
        done = running => panic!("{done:?}"),
        () = eventually(|| !cgroup.children().is_empty()) => {}
    }
    eventually(|| cgroup.children().is_empty()).await;
    lab.assert_clean().await;
}

#[tokio::test]
async fn what_it_leaves_behind_belongs_to_the_container() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let done = shell(&container, "sleep 777 & echo left").await;
    assert_eq!(done, exited(0, "left\n"));
    let cgroup = lab.task_cgroup().child("c-main");
    eventually(|| cgroup.children().is_empty()).await;
    let left = shell(&container, "ps | grep -c 'sleep 77[7]'").await;
    assert_eq!(left, exited(0, "1\n"));
    lab.assert_clean().await;
}

#[tokio::test]
async fn many_at_once_and_the_shim_still_answers() {
    let lab = Lab::new();
    let container = lab
        .start(&lab.shell("trap 'echo asked' USR1; echo up; while :; do sleep 0.01; done"))
        .await
        .unwrap();
    lab.line("main", "up").await;
    let hanging: Vec<_> = (0..16)
        .map(|_| {
            let container = Arc::clone(&container);
            neargate_base::task::spawn("hanging", async move {
                let args = ["sleep", "777"].map(str::to_owned);
                container.exec(&args, LONG).await
            })
        })
        .collect();
    let cgroup = lab.task_cgroup().child("c-main");
    eventually(|| cgroup.children().len() == 16).await;
    let error = container
        .exec(&["true".to_owned()], LONG)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("16 programs"), "{error}");
    container.signal(10).await.unwrap();
    lab.line("main", "asked").await;
    container.signal(9).await.unwrap();
    for one in hanging {
        let done = one.await.unwrap().unwrap();
        assert_eq!(done, None, "the container ended meanwhile");
    }
    assert_eq!(container.wait().await.code, Some(137));
    assert_eq!(container.exec(&["true".into()], LONG).await.unwrap(), None);
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_new_agent_runs_programs_too() {
    let lab = Lab::new();
    lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let again = lab.another_runtime();
    let Adopted::Running(container) = again.adopt(super::lab::TASK, "main").await.unwrap() else {
        panic!("it runs");
    };
    assert_eq!(shell(&container, "echo hello").await, exited(0, "hello\n"));
    lab.assert_clean().await;
}

#[tokio::test]
async fn its_limits_are_the_container_s() {
    let lab = Lab::new();
    let mut config = lab.container(&["sleep", "1000"]);
    config.limits.pids = Some(20);
    config.limits.memory_mib = Some(32);
    let container = lab.start(&config).await.unwrap();
    let fork = "for i in $(seq 40); do sleep 777 & done 2>/dev/null; true";
    let args = ["sh", "-c", fork].map(str::to_owned);
    let _ = container.exec(&args, Duration::from_secs(2)).await.unwrap();
    let hungry = "dd if=/dev/zero of=/dev/null bs=64M count=1";
    let done = shell(&container, hungry).await;
    assert_ne!(done.end, ExecEnd::Exited(0));
    assert!(process_exists(container.pid()), "only the program was hit");
    lab.assert_clean().await;
}

/// A container that may trace looks at everything that appears in it. Of what is about to
/// become the program it finds streams and the report's pipe, and never more power than its own.
#[tokio::test]
async fn nothing_of_the_host_comes_along() {
    let lab = Lab::new();
    let script = "echo up; while :; do for p in /proc/[0-9]*; do
        test $p = /proc/1 && continue
        for f in $p/fd/*; do readlink $f; done
        grep -E '^(CapEff|CapBnd|Seccomp):' $p/status
        readlink $p/cwd; readlink $p/root
        done; done 2>/dev/null";
    let mut config = lab.shell(script);
    config.cap_add = vec!["SYS_PTRACE".into()];
    let container = lab.start(&config).await.unwrap();
    lab.line("main", "up").await;
    for _ in 0..150 {
        assert_eq!(exec(&container, &["true"]).await, exited(0, ""));
    }
    container.signal(9).await.unwrap();
    container.wait().await;
    let seen: std::collections::BTreeSet<String> = lab
        .output("main")
        .lines()
        .filter(|line| !line.starts_with("pipe:") && !line.starts_with("/proc/"))
        .map(|line| line.replace('\t', " "))
        .collect();
    let known = [
        "up",
        "/",
        "/dev/null",
        "CapEff: 00000000a80c25fb",
        "CapBnd: 00000000a80c25fb",
        "Seccomp: 2",
    ];
    let strange: Vec<_> = seen
        .iter()
        .filter(|line| !known.contains(&line.as_str()))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
    lab.assert_clean().await;
}

/// The kernel lets no container end before each of its processes has been reaped, and a
/// program whose keeper was killed is the shim's to reap.
#[tokio::test]
async fn the_container_ends_whoever_of_them_is_killed() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let cgroup = lab.task_cgroup().child("c-main");
    let other = Arc::clone(&container);
    let running = neargate_base::task::spawn("running", async move {
        let args = ["sleep", "777"].map(str::to_owned);
        other.exec(&args, LONG).await
    });
    let inside = || match cgroup.children().as_slice() {
        [part] => cgroup.child(part).processes(),
        _ => Vec::new(),
    };
    let is_sleep = |pid: &i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name == "sleep\n")
    };
    eventually(|| inside().iter().any(is_sleep)).await;
    let keeper = inside().into_iter().find(|pid| !is_sleep(pid)).unwrap();
    let keeper = rustix::process::Pid::from_raw(keeper).unwrap();
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
    let done = running.await.unwrap().unwrap().unwrap();
    assert_eq!(done.end, ExecEnd::Exited(137));
    eventually(|| cgroup.children().is_empty()).await;
    container.signal(9).await.unwrap();
    assert_eq!(container.wait().await.code, Some(137));
    lab.assert_clean().await;
}

/// What forks without an end has the container's processes and no more, and goes with its time.
#[tokio::test]
async fn what_forks_without_end_is_bounded_and_ends() {
    let lab = Lab::new();
    // It forks once, before there is no room left for another process: a shell that cannot fork
    // ends.
    let mut config =
        lab.shell("trap 'echo asked' USR1; sleep 1000 & echo up; while :; do wait; done");
    config.limits.pids = Some(200);
    let container = lab.start(&config).await.unwrap();
    lab.line("main", "up").await;
    let cgroup = lab.task_cgroup().child("c-main");
    let bomb = "f() { f & f & wait; }; f 2>/dev/null; sleep 777";
    let args = ["sh", "-c", bomb].map(str::to_owned);
    let done = container.exec(&args, Duration::from_secs(1)).await.unwrap();
    let done = done.expect("it ran");
    assert_ne!(done.end, ExecEnd::Exited(0), "{done:?}");
    eventually(|| cgroup.children().is_empty()).await;
    assert_eq!(exec(&container, &["true"]).await, exited(0, ""));

    // One that has ended, and left it running: it is the container's now, within its limit, and
    // the shim neither waits for it nor fails to end it.
    let leaving = "f() { f & f & }; f 2>/dev/null; exit 0";
    let args = ["sh", "-c", leaving].map(str::to_owned);
    let left = container.exec(&args, LONG).await.unwrap();
    assert!(left.is_some(), "it is answered for");
    container.signal(10).await.unwrap();
    lab.line("main", "asked").await;
    container.signal(9).await.unwrap();
    assert_eq!(container.wait().await.code, Some(137));
    lab.assert_clean().await;
}
