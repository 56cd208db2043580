use super::*;

#[test]
fn records_stop_at_an_unfinished_one() {
    let bytes = b"17 o 2\nhi\n18 e 0\n\n19 o 5\nhal";
    let mut records = Records(bytes);
    let first = records.next().unwrap();
    assert_eq!(
        (first.timestamp.as_millis(), first.message),
        (17, b"hi".as_slice())
    );
    assert!(!first.stderr);
    let second = records.next().unwrap();
    assert!(second.stderr && second.message.is_empty());
    assert_eq!(first.length + second.length, 18);
    assert_eq!(records.next(), None);
}

#[test]
fn records_refuse_what_is_none() {
    for bytes in [
        &b"x o 1\na\n"[..],
        b"1 x 1\na\n",
        b"1 o 9\na\n",
        b"\0\0\0",
        b"",
    ] {
        assert_eq!(Records(bytes).next(), None);
    }
}

#[test]
fn failures_exit_as_docker_does() {
    let code = |kind| StartFailure::new(kind, "").exit_code();
    assert_eq!(code(StartFailureKind::NotFound), 127);
    assert_eq!(code(StartFailureKind::NotExecutable), 126);
}

/// A shim outlives the agent that started it: a newer agent reads what an older shim wrote.
#[test]
fn what_the_first_shims_wrote_is_still_read() {
    let started = r#"{"pid":7,"started_at":1700000000001,"start_ticks":99}"#;
    let started: Started = serde_json::from_str(started).unwrap();
    assert_eq!((started.pid, started.start_ticks), (7, 99));
    let exit = r#"{"code":137,"signal":9,"oom_killed":true,"started_at":1700000000001,"finished_at":1700000000002,"error":null}"#;
    let exit: Exit = serde_json::from_str(exit).unwrap();
    assert_eq!(
        (exit.code, exit.signal, exit.oom_killed),
        (Some(137), Some(9), true)
    );
    let failed = r#"{"code":null,"signal":null,"oom_killed":false,"started_at":null,"finished_at":2,"error":"no such file","dropped_lines":3}"#;
    let failed: Exit = serde_json::from_str(failed).unwrap();
    assert_eq!(
        (failed.error.as_deref(), failed.dropped_lines),
        (Some("no such file"), 3)
    );
}
