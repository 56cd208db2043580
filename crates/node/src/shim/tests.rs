use super::lines::{Batch, LONGEST, Splitter, Stream};
use super::log::Log;
use super::state::cgroup_path;
use crate::runtime::{Records, discard_before};
use neargate_base::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);

fn split(chunks: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
    let mut splitter = Splitter::new(Stream::Stderr);
    let mut batch = Batch::default();
    for chunk in chunks {
        splitter.feed(chunk, NOW, &mut batch);
    }
    splitter.finish(NOW, &mut batch);
    let read: Vec<_> = Records(&batch.bytes)
        .map(|r| (r.stderr, r.message.to_vec()))
        .collect();
    assert_eq!(read.len() as u64, batch.records);
    read
}

#[test]
fn records_have_the_agreed_bytes() {
    let mut batch = Batch::default();
    Splitter::new(Stream::Stdout).feed(b"hello\n", NOW, &mut batch);
    assert_eq!(batch.bytes, b"1700000000123 o 5\nhello\n");
}

#[test]
fn lines_end_where_their_newline_is() {
    let lines = split(&[b"a", b"b\n\nc\0d\r\n", b"rest"]);
    let texts: Vec<&[u8]> = lines.iter().map(|(_, text)| text.as_slice()).collect();
    assert_eq!(texts, [b"ab".as_slice(), b"", b"c\0d\r", b"rest"]);
}

#[test]
fn long_lines_are_cut() {
    let mut input = vec![b'x'; LONGEST + 10];
    input.push(b'\n');
    let sizes: Vec<usize> = split(&[&input])
        .iter()
        .map(|(_, text)| text.len())
        .collect();
    assert_eq!(sizes, [LONGEST, 10]);
    let mut exact = vec![b'x'; LONGEST];
    exact.push(b'\n');
    assert_eq!(split(&[&exact]).len(), 1);
}

/// Wherever a long line is cut and however it is read: characters stay whole, and bytes that are
/// none stay as they are.
#[test]
fn long_lines_are_cut_between_characters() {
    for character in ["é", "€", "𝄞"] {
        for shift in 0..4 {
            let line = "x".repeat(shift) + &character.repeat(2 * LONGEST / character.len());
            for reads in [vec![line.len()], vec![LONGEST - 1, 2, 1]] {
                let (mut rest, mut chunks) = (line.as_bytes(), Vec::new());
                for size in reads {
                    let (chunk, behind) = rest.split_at(size.min(rest.len()));
                    chunks.push(chunk);
                    rest = behind;
                }
                chunks.push(rest);
                let texts = split(&chunks).into_iter().map(|(_, text)| text);
                let texts: Vec<String> = texts.map(|t| String::from_utf8(t).unwrap()).collect();
                assert!(texts.iter().all(|t| t.len() <= LONGEST));
                assert!(texts.concat() == line, "{character} {shift}");
            }
        }
    }
    let bytes = [0xe9; LONGEST + 5];
    let joined: Vec<u8> = split(&[&bytes]).into_iter().flat_map(|(_, t)| t).collect();
    assert!(joined == bytes);
}

proptest! {
    #[test]
    fn no_byte_is_lost(chunks in prop::collection::vec(prop::collection::vec(
        prop_oneof![Just(b'\n'), any::<u8>()], 0..40), 0..40)) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let mut joined = Vec::new();
        for (_, text) in split(&chunks) {
            joined.extend(text);
            joined.push(b'\n');
        }
        let mut whole: Vec<u8> = chunks.concat();
        if !whole.is_empty() && !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
        prop_assert_eq!(joined, whole);
    }
}

#[test]
fn a_full_log_drops_whole_lines_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = Log::open(Some(&path), Some(64 * 1024), false).unwrap();
    let write = |log: &mut Log, count: usize| {
        let mut batch = Batch::default();
        for _ in 0..count {
            batch.push(NOW, Stream::Stdout, &[b'y'; 1000], &[]);
        }
        log.write(&mut batch, NOW);
    };
    write(&mut log, 60);
    write(&mut log, 60);
    assert_eq!(log.dropped, 60);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(Records(&bytes).count(), 60);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    discard_before(&file, bytes.len() as u64).unwrap();
    write(&mut log, 1);
    let before = bytes.len();
    let bytes = std::fs::read(&path).unwrap();
    let tail: Vec<_> = Records(&bytes[before..])
        .map(|r| r.message.to_vec())
        .collect();
    assert_eq!(tail[0], b"neargate: 60 lines of output were lost: no space");
    assert_eq!(tail.len(), 2);
}

#[test]
fn a_log_that_blocks_says_when_it_is_full_and_drops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = Log::open(Some(&path), Some(64 * 1024), true).unwrap();
    let mut batch = Batch::default();
    for _ in 0..200 {
        batch.push(NOW, Stream::Stdout, &[b'y'; 1000], &[]);
    }
    assert!(!log.is_full());
    log.write(&mut batch, NOW);
    assert!(log.is_full() && log.dropped == 0);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(Records(&bytes).count(), 200);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    discard_before(&file, bytes.len() as u64).unwrap();
    assert!(!log.is_full());
}

#[test]
fn cgroup_names_are_short_and_distinct() {
    assert_eq!(
        cgroup_path("main", "t1", "tasks"),
        "neargate-main/t1/c-tasks"
    );
    let (long, other) = ("a".repeat(255), format!("{}b", "a".repeat(254)));
    let (long, other) = (cgroup_path("i", "t", &long), cgroup_path("i", "t", &other));
    assert_ne!(long, other);
    assert!(long.rsplit('/').next().unwrap().len() <= 255);
}

/// Needs root and a v2 hierarchy, which also machines on v1 controllers have.
#[test]
fn on_v2_a_process_is_made_inside_its_group() {
    use crate::cgroup::{Cgroup, Entrance, Hierarchy};
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let v2 = mountinfo
        .lines()
        .filter(|line| line.contains(" - cgroup2 "))
        .collect::<String>();
    let hierarchy = Hierarchy::from_mountinfo(&v2).expect("a v2 hierarchy");
    let group = Cgroup::at(
        &hierarchy,
        &format!("neargate-test-{}/inside", std::process::id()),
    );
    group.create().unwrap();
    let Entrance::CloneInto(directory) = group.entrance().unwrap() else {
        panic!("v2")
    };
    let directory = std::os::fd::OwnedFd::from(directory);
    let new = super::sys::Namespaces {
        processes: true,
        ipc: true,
    };
    let (pid, pidfd) = super::sys::clone_container(new, Some(&directory), || {
        // Until killed: nothing here may allocate, since the test process has threads.
        loop {
            rustix::thread::sched_yield();
        }
    })
    .unwrap();
    let listed = group.processes();
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    group.kill().unwrap();
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    waitid(
        WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)),
        WaitIdOptions::EXITED,
    )
    .unwrap();
    group.remove().unwrap();
    Cgroup::at(&hierarchy, group.path().rsplit_once('/').unwrap().0)
        .remove()
        .unwrap();
    assert_eq!(listed, [pid]);
    assert!(text.contains(&format!("0::/{}\n", group.path())), "{text}");
}
