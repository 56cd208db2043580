//! A task's own disk: what is beyond it is refused in the task, and nothing of it is left.

use super::lab::{Lab, TASK};
use neargate_node::runtime::{Adopted, ExecEnd, Runtime, TaskLimits};
use std::fs;
use std::time::Duration;

async fn prepare(lab: &Lab, gib: u32) {
    let limits = TaskLimits {
        disk_gib: Some(gib),
        ..TaskLimits::default()
    };
    lab.runtime.prepare_task(TASK, &limits).await.unwrap();
}

/// Loop devices that show files below the lab's directory.
fn devices_of(lab: &Lab) -> usize {
    let dir = lab.dir().to_str().unwrap();
    let blocks = fs::read_dir("/sys/block").unwrap().flatten();
    let backing =
        blocks.filter_map(|block| fs::read_to_string(block.path().join("loop/backing_file")).ok());
    backing.filter(|file| file.starts_with(dir)).count()
}

#[tokio::test]
async fn a_task_that_fills_its_disk_is_told_so_and_its_host_is_not() {
    let lab = Lab::new();
    prepare(&lab, 1).await;
    assert_eq!(devices_of(&lab), 1);
    let mut config = lab.shell(
        "df -k / | tail -1 | awk '{print $2}'; fallocate -l 900000000 /one && echo one; \
         fallocate -l 900000000 /var/two 2>&1; rm /one; echo more > /three && cat /three; \
         seq 1 70000 | sed s-^-/many- | xargs touch 2>&1 | head -1 | sed s/.*:.//; \
         echo x > /last || echo last; ls / | grep -c many",
    );
    config.volumes = vec!["/var".into()];
    let (exit, output) = lab.run(&config).await;
    assert_eq!(exit.code, Some(0), "{output}");
    let lines: Vec<&str> = output.lines().collect();
    let size: u64 = lines[0].parse().unwrap();
    assert!((900_000..1 << 20).contains(&size), "{output}");
    assert_eq!(lines[1], "one");
    assert!(lines[2].ends_with("No space left on device"), "{output}");
    assert_eq!((lines[3], lines[4]), ("more", "No space left on device"));
    // Its file system is out of inodes, long before the host's is.
    let made: u32 = lines.last().and_then(|n| n.parse().ok()).unwrap();
    assert!((65_000..65_536).contains(&made), "{output}");
    let files = lab.runtime.files(TASK).await.unwrap();
    assert!(files.bounded && files.bytes < 1 << 30, "{files:?}");
    let (used, of) = lab.runtime.room(TASK).await.unwrap().unwrap();
    assert!(used < of && of <= 1 << 30, "{used} of {of}");
    lab.assert_clean().await;
}

#[tokio::test]
async fn it_outlives_the_agent_and_goes_with_its_task() {
    let lab = Lab::new();
    prepare(&lab, 1).await;
    let script =
        "echo x >> /count; wc -l < /count; test -e /ready || { touch /ready; exec sleep 1000; }";
    let container = lab.runtime.start(&lab.shell(script)).await.unwrap();
    lab.line("main", "1").await;
    let again = lab.another_runtime();
    let limits = TaskLimits {
        disk_gib: Some(1),
        ..TaskLimits::default()
    };
    again.prepare_task(TASK, &limits).await.unwrap();
    assert_eq!(devices_of(&lab), 1);
    let Adopted::Running(found) = again.adopt(TASK, "main").await.unwrap() else {
        panic!("it runs");
    };
    found.signal(9).await.unwrap();
    container.wait().await;
    // A further run finds what the first wrote.
    again
        .restart(TASK, "main", Vec::new())
        .await
        .unwrap()
        .wait()
        .await;
    assert_eq!(lab.output("main"), "1\n2\n");
    again.remove_task(TASK).await.unwrap();
    assert_eq!(devices_of(&lab), 0);
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_task_without_one_writes_to_the_hosts() {
    let lab = Lab::new();
    let (exit, _) = lab.run(&lab.shell("echo x > /file")).await;
    assert_eq!(exit.code, Some(0));
    // It began so: it does not change under its containers.
    prepare(&lab, 1).await;
    assert_eq!(devices_of(&lab), 0);
    assert!(!lab.runtime.files(TASK).await.unwrap().bounded);
    lab.assert_clean().await;
}

#[tokio::test]
async fn it_is_full_as_soon_as_its_host_is() {
    let lab = Lab::new();
    prepare(&lab, 1).await;
    let container = lab
        .runtime
        .start(&lab.container(&["sleep", "1000"]))
        .await
        .unwrap();
    let write = async |name: &str, mib: u32| {
        let script = format!("dd if=/dev/zero of=/{name} bs=1M count={mib} 2>&1");
        let args = ["sh", "-c", &script].map(str::to_owned);
        let done = container.exec(&args, Duration::from_secs(60)).await;
        done.unwrap().unwrap()
    };
    lab.runtime.allow_growth(0).await;
    let refused = write("one", 1).await;
    assert!(
        refused.output.contains("No space left on device"),
        "{refused:?}"
    );
    // Who comes back finds it so, and may give room again.
    let again = lab.another_runtime();
    prepare(&lab, 1).await;
    let limits = TaskLimits {
        disk_gib: Some(1),
        ..TaskLimits::default()
    };
    again.prepare_task(TASK, &limits).await.unwrap();
    again.allow_growth(20 << 20).await;
    assert_eq!(write("two", 10).await.end, ExecEnd::Exited(0));
    let refused = write("three", 15).await;
    assert_eq!(refused.end, ExecEnd::Exited(1), "{refused:?}");
    container.signal(9).await.unwrap();
    container.wait().await;
    lab.assert_clean().await;
}
