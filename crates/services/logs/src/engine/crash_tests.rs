//! Damage of every kind: nothing acknowledged is lost by a torn write, nothing panics.

use super::tests::{SMALL, T0, all, event, open};
use super::*;
use neargate_base::Rng;
use neargate_base::time::ManualClock;

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in from.read_dir().expect("lists") {
        let entry = entry.expect("reads");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}

fn file_ending(dir: &Path, extension: &str) -> PathBuf {
    let mut found = dir
        .read_dir()
        .expect("lists")
        .map(|e| e.expect("reads").path());
    found
        .find(|p| p.extension().is_some_and(|e| e == extension))
        .expect("is there")
}

fn try_open(dir: &Path) -> Result<Arc<LogEngine>, EngineError> {
    LogEngine::open_with(
        dir,
        Arc::new(ManualClock::at(Timestamp::from_millis(T0))),
        SMALL,
    )
}

async fn five_appends(dir: &Path) -> Vec<u64> {
    let engine = open(dir, SMALL);
    let mut lengths = Vec::new();
    for n in 0..5 {
        let events = vec![event(T0 + n, format!("event {n}"))];
        engine
            .append(
                "g",
                "s",
                true,
                Some(Source::upto("src", n as u64 + 1)),
                events,
            )
            .await
            .expect("appends");
        lengths.push(
            std::fs::metadata(file_ending(dir, "wal"))
                .expect("is there")
                .len(),
        );
    }
    lengths
}

#[tokio::test]
async fn a_log_cut_at_any_byte_keeps_every_whole_frame() {
    let dir = tempfile::tempdir().expect("temp");
    let lengths = five_appends(dir.path()).await;
    for cut in lengths[3]..=lengths[4] {
        let torn = tempfile::tempdir().expect("temp");
        copy(dir.path(), torn.path());
        let wal = file_ending(torn.path(), "wal");
        std::fs::File::options()
            .write(true)
            .open(&wal)
            .and_then(|f| f.set_len(cut))
            .expect("cuts");
        let engine = open(torn.path(), SMALL);
        let whole = if cut == lengths[4] { 5 } else { 4 };
        assert_eq!(all(&engine, "g").len(), whole, "cut at {cut}");
        assert_eq!(engine.source_offset("g", "s", "src"), Some(whole as u64));
        // And it goes on from there.
        let again = vec![event(T0 + 9, "again")];
        engine
            .append("g", "s", false, Some(Source::upto("src", 9)), again)
            .await
            .expect("appends");
        drop(engine);
        assert_eq!(
            all(&open(torn.path(), SMALL), "g").len(),
            whole + 1,
            "cut at {cut}"
        );
    }
}

#[tokio::test]
async fn damage_inside_the_log_costs_only_the_frame_it_hits() {
    let dir = tempfile::tempdir().expect("temp");
    let lengths = five_appends(dir.path()).await;
    for at in lengths[1]..lengths[2] {
        let hurt = tempfile::tempdir().expect("temp");
        copy(dir.path(), hurt.path());
        let wal = file_ending(hurt.path(), "wal");
        let mut bytes = std::fs::read(&wal).expect("reads");
        bytes[at as usize] ^= 0x41;
        std::fs::write(&wal, bytes).expect("writes");
        let left = all(&open(hurt.path(), SMALL), "g");
        assert_eq!(
            left,
            ["event 0", "event 1", "event 3", "event 4"],
            "byte {at}"
        );
    }
}

#[tokio::test]
async fn a_log_line_that_contains_a_frame_is_not_taken_for_one() {
    let dir = tempfile::tempdir().expect("temp");
    five_appends(dir.path()).await;
    let engine = open(dir.path(), SMALL);
    let line = "NGfr\u{1}\0\0\0\u{7f}\0\0\0\0\0\0\0aaaab".repeat(50);
    engine
        .append("g", "s", false, None, vec![event(T0 + 9, line)])
        .await
        .expect("appends");
    drop(engine);
    let wal = file_ending(dir.path(), "wal");
    let len = std::fs::metadata(&wal).expect("is there").len();
    std::fs::File::options()
        .write(true)
        .open(&wal)
        .and_then(|f| f.set_len(len - 1))
        .expect("cuts");
    assert_eq!(all(&open(dir.path(), SMALL), "g").len(), 5);
}

#[tokio::test]
async fn random_damage_never_panics() {
    let dir = tempfile::tempdir().expect("temp");
    {
        let engine = open(dir.path(), SMALL);
        for n in 0..300 {
            let line = format!("line {n} {}", "x".repeat(n % 90));
            let stream = format!("s{}", n % 3);
            engine
                .append("g", &stream, true, None, vec![event(T0 + n as i64, line)])
                .await
                .expect("appends");
        }
    }
    let seed = 20_231_114;
    let rng = Rng::seeded(seed);
    for round in 0..300 {
        let hurt = tempfile::tempdir().expect("temp");
        copy(dir.path(), hurt.path());
        let target = match rng.below(3) {
            0 => file_ending(hurt.path(), "wal"),
            1 => file_ending(&hurt.path().join("segments"), "seg"),
            _ => hurt.path().join("CATALOG"),
        };
        let mut bytes = std::fs::read(&target).expect("reads");
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[at] = rng.u64() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes[at..].fill(0),
            }
        }
        std::fs::write(&target, bytes).expect("writes");
        match try_open(hurt.path()) {
            Ok(engine) => {
                let left = all(&engine, "g").len();
                assert!(left <= 300, "seed {seed} round {round}");
                engine
                    .append("g", "new", true, None, vec![event(T0, "x")])
                    .await
                    .expect("appends");
                engine.seal().await.expect("seals");
                assert_eq!(
                    all(&engine, "g").len(),
                    left + 1,
                    "seed {seed} round {round}"
                );
            }
            Err(e) => assert!(
                matches!(
                    e,
                    EngineError::Corrupt { .. }
                        | EngineError::Newer { .. }
                        | EngineError::Io { .. }
                ),
                "seed {seed} round {round}: {e}"
            ),
        }
    }
}

#[tokio::test]
async fn the_rests_of_an_interrupted_seal_are_removed() {
    let dir = tempfile::tempdir().expect("temp");
    five_appends(dir.path()).await;
    std::fs::write(dir.path().join("0000000000000002.wal"), b"half").expect("writes");
    std::fs::write(dir.path().join("segments/0000000000000001.seg"), b"half").expect("writes");
    std::fs::write(dir.path().join("CATALOG.new"), b"half").expect("writes");
    let engine = open(dir.path(), SMALL);
    assert_eq!(all(&engine, "g").len(), 5);
    engine.seal().await.expect("seals");
    assert_eq!(all(&engine, "g").len(), 5);
}

#[tokio::test]
async fn a_failed_seal_keeps_everything() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    // A directory where the next log would be: the seal cannot create it.
    let in_the_way = dir.path().join("0000000000000002.wal");
    std::fs::create_dir(&in_the_way).expect("creates");
    for n in 0..300 {
        let line = vec![event(T0 + n, format!("{n} {}", "y".repeat(100)))];
        engine
            .append("g", "s", true, None, line)
            .await
            .expect("appends");
    }
    assert_eq!(all(&engine, "g").len(), 300);
    assert!(engine.seal().await.is_err());
    std::fs::remove_dir(&in_the_way).expect("removes");
    engine.seal().await.expect("seals");
    assert_eq!(all(&engine, "g").len(), 300);
    drop(engine);
    assert_eq!(all(&open(dir.path(), SMALL), "g").len(), 300);
}

#[tokio::test]
async fn lost_segment_files_cost_only_their_events() {
    let dir = tempfile::tempdir().expect("temp");
    {
        let engine = open(dir.path(), SMALL);
        engine
            .append("g", "s", true, None, vec![event(T0, "sealed")])
            .await
            .expect("appends");
        engine.seal().await.expect("seals");
        engine
            .append("g", "s", true, None, vec![event(T0 + 1, "recent")])
            .await
            .expect("appends");
    }
    std::fs::remove_file(file_ending(&dir.path().join("segments"), "seg")).expect("removes");
    assert_eq!(all(&open(dir.path(), SMALL), "g"), ["recent"]);
}
