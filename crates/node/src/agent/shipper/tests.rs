use super::{Batch, first_line};
use neargate_base::Timestamp;
use neargate_domain::Multiline;

fn record(line: &str) -> Vec<u8> {
    format!("5 o {}\n{line}\n", line.len()).into_bytes()
}

#[test]
fn a_batch_holds_whole_lines_only() {
    let mut bytes = record("one");
    bytes.extend(record(""));
    bytes.extend(record("two\nlines"));
    let whole = bytes.len() as u64;
    bytes.extend_from_slice(b"6 e 100\nhalf");
    let batch = Batch::parse(&bytes, false);
    let messages: Vec<_> = batch.lines.iter().map(|l| l.message.as_str()).collect();
    assert_eq!(messages, ["one", "two\nlines"]);
    assert_eq!(batch.lines[0].timestamp, Timestamp::from_millis(5));
    assert_eq!((batch.consumed, batch.remaining), (whole, 12));
}

#[test]
fn a_batch_stays_within_cloudwatchs_limits() {
    let many: Vec<u8> = record("x").repeat(10_001);
    let batch = Batch::parse(&many, false);
    assert_eq!(batch.lines.len(), 10_000);
    assert_eq!(batch.remaining, record("x").len() as u64);

    let big = record(&"é".repeat(131_059));
    let batch = Batch::parse(&big.repeat(8), false);
    let cost: usize = batch.lines.iter().map(|l| l.message.len() + 26).sum();
    assert!(batch.lines[0].message.len() == 262_118 && cost <= 1_048_576);
    assert_eq!(batch.lines.len(), 4);
}

/// What is no UTF-8 grows when it becomes text; nothing of it is lost
/// (<https://github.com/moby/moby/issues/37747>).
#[test]
fn a_line_that_grows_becomes_several_events() {
    let mut line = vec![0xe9; 262_117];
    line.push(b'!');
    let mut bytes = format!("5 o {}\n", line.len()).into_bytes();
    bytes.extend(&line);
    bytes.push(b'\n');
    bytes.extend(record("next"));
    let batch = Batch::parse(&bytes, false);
    assert_eq!(batch.remaining, 0);
    let cost: usize = batch.lines.iter().map(|l| l.message.len() + 26).sum();
    assert!(batch.lines.iter().all(|l| l.message.len() <= 262_118) && cost <= 1_048_576);
    let (last, grown) = batch.lines.split_last().expect("lines");
    assert_eq!(last.message, "next");
    let joined: String = grown.iter().map(|l| l.message.as_str()).collect();
    assert!(joined == "\u{fffd}".repeat(262_117) + "!");
    // A whole one goes into the next batch when it does not fit any more.
    let batch = Batch::parse(&bytes.repeat(2), false);
    assert_eq!(
        (batch.consumed, batch.remaining),
        (bytes.len() as u64, bytes.len() as u64)
    );
}

#[test]
fn damage_does_not_stop_a_stream() {
    let batch = Batch::parse(&[b'?'; 100], true);
    assert_eq!((batch.consumed, batch.lines.len()), (100, 0));
    assert_eq!(Batch::parse(&[b'?'; 100], false).consumed, 0);
}

fn messages(batch: &Batch) -> Vec<&str> {
    batch.lines.iter().map(|l| l.message.as_str()).collect()
}

#[test]
fn lines_are_put_together_to_events() {
    let begins = first_line(&Multiline::Pattern("^[A-Z]".into())).unwrap();
    let bytes: Vec<u8> = ["  before", "One", " at a", "Two", " at b"]
        .iter()
        .flat_map(|line| record(line))
        .collect();
    let last = record("Two").len() + record(" at b").len();
    let batch = Batch::gather(&bytes, false, &begins, false);
    assert_eq!(messages(&batch), ["  before\n", "One\n at a\n"]);
    assert_eq!((batch.remaining, batch.is_open), (last as u64, true));
    // It goes on where that ended: with the event that may have grown.
    let rest = &bytes[bytes.len() - last..];
    let batch = Batch::gather(rest, false, &begins, false);
    assert_eq!((batch.consumed, batch.is_open), (0, true));
    let batch = Batch::gather(rest, false, &begins, true);
    assert_eq!(messages(&batch), ["Two\n at b\n"]);
    assert_eq!((batch.remaining, batch.is_open), (0, false));
}

#[test]
fn an_event_ends_at_its_limit_and_a_batch_at_its_own() {
    let never = first_line(&Multiline::Pattern("^never".into())).unwrap();
    let line = record(&"x".repeat(100_000));
    let batch = Batch::gather(&line.repeat(5), false, &never, false);
    assert_eq!(batch.lines.len(), 2);
    assert!(batch.lines.iter().all(|l| l.message.len() == 200_002));
    assert_eq!(batch.remaining, line.len() as u64);

    let each = first_line(&Multiline::Pattern("^x".into())).unwrap();
    let many: Vec<u8> = record("x").repeat(10_002);
    let batch = Batch::gather(&many, false, &each, true);
    assert_eq!(batch.lines.len(), 10_000);
    assert_eq!(batch.remaining, 2 * record("x").len() as u64);
    let batch = Batch::gather(&[b'?'; 100], true, &each, false);
    assert_eq!((batch.consumed, batch.lines.len()), (100, 0));
}
