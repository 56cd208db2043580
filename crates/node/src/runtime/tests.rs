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
