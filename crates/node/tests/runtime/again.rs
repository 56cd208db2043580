use super::lab::{Lab, TASK};
use neargate_node::runtime::{Adopted, ExecEnd, Runtime};
use std::fs;
use std::time::Duration;

const SCRIPT: &str = "touch /count; echo run $(cat /count | wc -l); echo x >> /count; \
    echo kept > /dev/shm/file; trap 'exit 5' TERM; while :; do sleep 0.02; done";

#[tokio::test]
async fn it_is_the_same_container() {
    let lab = Lab::new();
    let first = lab.start(&lab.shell(SCRIPT)).await.unwrap();
    lab.line("main", "run 0").await;
    let error = lab
        .runtime
        .restart(TASK, "main", Vec::new())
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("has not ended"), "{error}");
    first.signal(15).await.unwrap();
    assert_eq!(first.wait().await.code, Some(5));

    for n in 1..4 {
        let container = lab.runtime.restart(TASK, "main", Vec::new()).await.unwrap();
        lab.line("main", &format!("run {n}")).await;
        assert!(container.started_at() > first.started_at());
        let args = ["cat", "/count"].map(str::to_owned);
        let done = container
            .exec(&args, Duration::from_secs(60))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(done.end, ExecEnd::Exited(0));
        assert_eq!(done.output, "x\n".repeat(n + 1));
        let Adopted::Running(found) = lab.another_runtime().adopt(TASK, "main").await.unwrap()
        else {
            panic!("it runs");
        };
        assert_eq!(found.pid(), container.pid());
        found.signal(15).await.unwrap();
        assert_eq!(container.wait().await.code, Some(5));
    }
    assert_eq!(lab.output("main"), "run 0\nrun 1\nrun 2\nrun 3\n");
    let Adopted::Exited(exit) = lab.runtime.adopt(TASK, "main").await.unwrap() else {
        panic!("it has ended");
    };
    assert_eq!(exit.code, Some(5));
    assert!(exit.started_at.unwrap() > first.started_at());
    lab.assert_clean().await;
}

/// The agent is killed after each of the steps on the way to a further run.
#[tokio::test]
async fn it_can_be_tried_again_from_wherever_it_broke_off() {
    let lab = Lab::new();
    let container = lab
        .start(&lab.shell("echo x >> /count; wc -l < /count"))
        .await
        .unwrap();
    container.wait().await;
    let dir = lab.runtime.state_dir(TASK, "main");
    type Step = fn(&std::path::Path);
    let steps: [Step; 5] = [
        |_| {},
        |dir| fs::rename(dir.join("config.json"), dir.join("again.json")).unwrap(),
        |dir| fs::remove_file(dir.join("exit.json")).unwrap(),
        |dir| fs::remove_file(dir.join("shim.lock")).unwrap(),
        |dir| {
            fs::copy(dir.join("again.json"), dir.join("config.json"))
                .map(drop)
                .unwrap()
        },
    ];
    for broken_after in 1..=steps.len() {
        steps[..broken_after].iter().for_each(|step| step(&dir));
        let found = lab.another_runtime().adopt(TASK, "main").await.unwrap();
        match broken_after {
            1 => assert!(matches!(found, Adopted::Exited(_)), "{found:?}"),
            _ => assert!(matches!(found, Adopted::Unknown), "{found:?}"),
        }
        let container = lab
            .another_runtime()
            .restart(TASK, "main", Vec::new())
            .await
            .unwrap();
        assert_eq!(container.wait().await.code, Some(0));
    }
    assert_eq!(lab.output("main"), "1\n2\n3\n4\n5\n6\n");
    lab.assert_clean().await;
}
