use super::lab::{Lab, TASK, eventually, process_exists, runs, shims_of};
use neargate_node::runtime::{Adopted, Runtime, TaskLimits};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;

#[tokio::test]
async fn a_new_agent_adopts_what_runs() {
    let lab = Lab::new();
    let script = "trap 'echo last; exit 9' TERM; echo first; while :; do sleep 0.05; done";
    let container = lab.start(&lab.shell(script)).await.unwrap();
    let pid = container.pid();
    lab.line("main", "first").await;
    drop(container);
    let second = lab.another_runtime();
    let Adopted::Running(container) = second.adopt(TASK, "main").await.unwrap() else {
        panic!("it runs");
    };
    assert_eq!(container.pid(), pid);
    container.signal(15).await.unwrap();
    assert_eq!(container.wait().await.code, Some(9));
    assert_eq!(lab.output("main"), "first\nlast\n");
    // It ended before the next agent came.
    let Adopted::Exited(exit) = lab.another_runtime().adopt(TASK, "main").await.unwrap() else {
        panic!("it has ended");
    };
    assert_eq!(exit.code, Some(9));
    assert!(matches!(
        lab.runtime.adopt(TASK, "other").await.unwrap(),
        Adopted::Unknown
    ));
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_killed_shim_takes_its_container_along() {
    let lab = Lab::new();
    let container = lab
        .start(&lab.shell("sleep 1000 & sleep 1000"))
        .await
        .unwrap();
    let pid = container.pid();
    let shim = shims_of(lab.dir())[0];
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(shim).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let exit = container.wait().await;
    assert_eq!((exit.code, exit.signal, exit.error), (None, None, None));
    eventually(|| !process_exists(pid)).await;
    assert!(matches!(
        lab.runtime.adopt(TASK, "main").await.unwrap(),
        Adopted::Lost
    ));
    assert_eq!(lab.task_cgroup().children(), Vec::<String>::new());
    lab.assert_clean().await;
}

#[tokio::test]
async fn sweeping_removes_what_is_not_kept() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let pid = container.pid();
    lab.runtime
        .sweep(&HashSet::from([TASK.to_owned()]))
        .await
        .unwrap();
    assert!(process_exists(pid));
    lab.runtime.sweep(&HashSet::new()).await.unwrap();
    assert!(!process_exists(pid));
    let code = container.wait().await.code;
    assert!(
        matches!(code, Some(137) | None),
        "{code:?}: its state may be gone already"
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn tasks_are_removed_twice_and_limits_set_twice() {
    let lab = Lab::new();
    for _ in 0..2 {
        lab.runtime
            .prepare_task(
                TASK,
                &TaskLimits {
                    cpu_units: Some(256),
                    memory_mib: Some(128),
                    ..TaskLimits::default()
                },
            )
            .await
            .unwrap();
    }
    for _ in 0..2 {
        lab.runtime.remove_task(TASK).await.unwrap();
    }
    lab.assert_clean().await;
}

#[tokio::test]
async fn eight_at_a_time_leave_nothing() {
    let lab = std::sync::Arc::new(Lab::new());
    lab.runtime
        .prepare_task(TASK, &TaskLimits::default())
        .await
        .unwrap();
    let runs = (0..32).map(|index| {
        let lab = lab.clone();
        async move {
            let mut config = lab.container(&["true"]);
            config.name = format!("c{index}");
            lab.runtime.start(&config).await.unwrap().wait().await.code
        }
    });
    use futures_util::StreamExt;
    let codes: Vec<_> = futures_util::stream::iter(runs)
        .buffer_unordered(8)
        .collect()
        .await;
    assert_eq!(codes, vec![Some(0); 32]);
    std::sync::Arc::into_inner(lab)
        .unwrap()
        .assert_clean()
        .await;
}

#[tokio::test]
async fn a_shim_killed_at_any_moment_leaves_nothing() {
    let lab = std::sync::Arc::new(Lab::new());
    for moment in 0..40 {
        lab.runtime
            .prepare_task(TASK, &TaskLimits::default())
            .await
            .unwrap();
        let starting = {
            let lab = lab.clone();
            neargate_base::task::spawn("start", async move {
                lab.runtime.start(&lab.container(&["sleep", "1000"])).await
            })
        };
        eventually(|| starting.is_finished() || !shims_of(lab.dir()).is_empty()).await;
        for _ in 0..moment * 40 {
            tokio::task::yield_now().await;
        }
        for shim in shims_of(lab.dir())
            .into_iter()
            .filter_map(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(shim, rustix::process::Signal::KILL);
        }
        let started = starting.await.unwrap();
        if let Ok(container) = &started {
            container.wait().await;
            eventually(|| !process_exists(container.pid())).await;
        }
        // The forked first process counts as a shim too, until it executes its program: when it
        // is killed first, the shim may still write that down. A shim killed before it came to
        // life has never started anything.
        let found = lab.runtime.adopt(TASK, "main").await.unwrap();
        assert!(
            !matches!(found, Adopted::Running(_)),
            "{found:?} {started:?}"
        );
        lab.runtime.remove_task(TASK).await.unwrap();
        assert!(!lab.task_cgroup().exists());
    }
    std::sync::Arc::into_inner(lab)
        .unwrap()
        .assert_clean()
        .await;
}

#[tokio::test]
async fn a_task_removed_while_it_starts_is_gone() {
    let lab = std::sync::Arc::new(Lab::new());
    lab.runtime
        .prepare_task(TASK, &TaskLimits::default())
        .await
        .unwrap();
    let starting = {
        let lab = lab.clone();
        neargate_base::task::spawn("start", async move {
            lab.runtime.start(&lab.container(&["sleep", "1000"])).await
        })
    };
    eventually(|| !shims_of(lab.dir()).is_empty()).await;
    // The task goes while its container is being made.
    lab.runtime.remove_task(TASK).await.unwrap();
    if let Ok(container) = starting.await.unwrap() {
        assert!(matches!(container.wait().await.code, Some(137) | None));
    }
    std::sync::Arc::into_inner(lab)
        .unwrap()
        .assert_clean()
        .await;
}

#[tokio::test]
async fn a_killed_zygote_costs_no_container() {
    let lab = Lab::new();
    assert_eq!(lab.runtime.zygote(), None, "none before the first start");
    let first = lab.start(&lab.shell("echo up; sleep 1000")).await.unwrap();
    lab.line("main", "up").await;
    let zygote = lab.runtime.zygote().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(zygote).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let mut second = lab.container(&["true"]);
    second.name = "second".into();
    let second = lab.runtime.start(&second).await.unwrap();
    assert_eq!(second.wait().await.code, Some(0));
    assert_ne!(lab.runtime.zygote(), Some(zygote));
    assert!(process_exists(first.pid()));
    first.signal(9).await.unwrap();
    assert_eq!(first.wait().await.code, Some(137));
    lab.assert_clean().await;
}

#[tokio::test]
async fn no_ended_shim_stays_a_zombie() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    let shim = shims_of(lab.dir())[0];
    container.signal(9).await.unwrap();
    // Nobody waits for it.
    drop(container);
    eventually(|| !process_exists(shim)).await;
    lab.assert_clean().await;
}

fn stop(pid: i32) {
    send(pid, Signal::STOP);
}

fn send(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn a_stopped_shim_saves_no_container_from_its_end() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["sleep", "1000"])).await.unwrap();
    stop(shims_of(lab.dir())[0]);
    // It runs on for a new agent, which does not wait for the shim.
    let begun = std::time::Duration::from_secs(5);
    let second = lab.another_runtime();
    let adopting = tokio::time::timeout(begun, second.adopt(TASK, "main"));
    let Adopted::Running(adopted) = adopting.await.unwrap().unwrap() else {
        panic!("it runs");
    };
    assert_eq!(adopted.pid(), container.pid());
    adopted.signal(9).await.unwrap();
    let exit = tokio::time::timeout(begun, adopted.wait()).await.unwrap();
    assert_eq!(exit.code, None, "nobody saw it");
    assert!(!runs(container.pid()));
    // What it would be killed for at the removal, later.
    send(shims_of(lab.dir())[0], Signal::CONT);
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_stopped_zygote_is_replaced() {
    let lab = Lab::new();
    lab.start(&lab.container(&["true"])).await.unwrap();
    stop(i32::try_from(lab.runtime.zygote().unwrap()).unwrap());
    let mut second = lab.container(&["true"]);
    second.name = "second".into();
    let starting = lab.runtime.start(&second);
    let limit = std::time::Duration::from_secs(10);
    let started = tokio::time::timeout(limit, starting).await.unwrap();
    assert_eq!(started.unwrap().wait().await.code, Some(0));
    lab.assert_clean().await;
}
