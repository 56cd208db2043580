use super::lab::{Lab, TASK};
use neargate_node::runtime::{Record, Records, Runtime};
use std::fs;

#[tokio::test]
async fn records_hold_the_exact_bytes() {
    let lab = Lab::new();
    let script = "printf 'one\\n\\ntwo\\r\\n\\000\\377 end'; printf 'oops\\n' >&2";
    let (exit, _) = {
        let container = lab.start(&lab.shell(script)).await.unwrap();
        (container.wait().await, ())
    };
    assert_eq!(exit.code, Some(0));
    let bytes = fs::read(lab.runtime.state_dir(TASK, "main").join("log")).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for record in Records(&bytes) {
        assert!(
            record.timestamp >= exit.started_at.unwrap() && record.timestamp <= exit.finished_at
        );
        if record.stderr { &mut err } else { &mut out }.push(record.message);
    }
    assert_eq!(out, [&b"one"[..], b"", b"two\r", b"\0\xff end"]);
    assert_eq!(err, [&b"oops"[..]]);
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_hundred_thousand_lines_are_kept() {
    let lab = Lab::new();
    let container = lab.start(&lab.container(&["seq", "100000"])).await.unwrap();
    assert_eq!(container.wait().await.dropped_lines, 0);
    let want: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert!(lab.output("main") == want, "lines were lost or changed");
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_full_log_does_not_stop_the_container() {
    let lab = Lab::new();
    let mut config = lab.shell("yes neargate | head -n 200000; echo done");
    config.log_limit_bytes = Some(256 * 1024);
    let container = lab.start(&config).await.unwrap();
    let exit = container.wait().await;
    assert_eq!(exit.code, Some(0));
    let bytes = fs::read(lab.runtime.state_dir(TASK, "main").join("log")).unwrap();
    assert!(bytes.len() <= 256 * 1024);
    let kept = lines(&bytes);
    assert_eq!(
        Records(&bytes).map(|r| r.length).sum::<usize>(),
        bytes.len()
    );
    assert_eq!(kept + exit.dropped_lines, 200_001);
    lab.assert_clean().await;
}

#[tokio::test]
async fn without_a_log_output_goes_nowhere() {
    let lab = Lab::new();
    let mut config = lab.container(&["seq", "100000"]);
    config.log = false;
    let container = lab.start(&config).await.unwrap();
    assert_eq!(container.wait().await.code, Some(0));
    assert!(!lab.runtime.state_dir(TASK, "main").join("log").exists());
    lab.assert_clean().await;
}

#[tokio::test]
async fn an_ordinary_user_may_reopen_its_output() {
    let lab = Lab::new();
    let mut config = lab.shell("echo via-path > /dev/stdout; echo err > /dev/stderr");
    config.user = "web".into();
    let (exit, output) = lab.run(&config).await;
    assert_eq!(
        (
            exit.code,
            output.contains("via-path"),
            output.contains("err")
        ),
        (Some(0), true, true)
    );
    lab.assert_clean().await;
}

#[tokio::test]
async fn a_full_disk_costs_lines_but_not_the_exit_code() {
    let lab = Lab::with_disk(8);
    let config = lab.shell("yes neargate | head -n 1000000; exit 5");
    let container = lab.start(&config).await.unwrap();
    let exit = container.wait().await;
    assert_eq!(exit.code, Some(5), "{exit:?}");
    let bytes = fs::read(lab.runtime.state_dir(TASK, "main").join("log")).unwrap();
    assert_eq!(
        Records(&bytes).map(|r| r.length).sum::<usize>(),
        bytes.len()
    );
    let kept = lines(&bytes);
    assert_eq!(kept + exit.dropped_lines, 1_000_000);
    assert!(exit.dropped_lines > 0);
    lab.assert_clean().await;
}

/// The container's own lines: when a little fits again, one of ours says what was lost before.
fn lines(log: &[u8]) -> u64 {
    let own = |r: &Record<'_>| r.stderr && r.message.starts_with(b"neargate: ");
    Records(log).filter(|r| !own(r)).count() as u64
}
