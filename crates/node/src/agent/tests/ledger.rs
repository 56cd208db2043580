use super::super::ledger::*;
use super::super::observe::Event;
use super::super::seams::PulledImage;
use super::super::state::*;
use super::{T0, at, container, logged, new_task};
use std::sync::Arc;

fn running() -> TaskState {
    let mut state = new_task(vec![logged(container("web"))]);
    state.containers[0].phase = Phase::Pulling;
    let image = PulledImage {
        digest: "sha256:1".into(),
        stop_signal: Some("SIGQUIT".into()),
        ..PulledImage::default()
    };
    state.on(Event::Pulled(0, Arc::new(image)), at(5));
    state.containers[0].phase = Phase::Starting;
    state.on(Event::Started(0, at(10)), at(11));
    state
}

#[test]
fn an_entry_survives_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let entry = Entry::of(&running(), "boot");
    ledger.save(&entry, true, || ()).unwrap();
    ledger.save(&entry, false, || ()).unwrap();
    assert_eq!(
        Ledger::open(dir.path()).unwrap().load().unwrap(),
        std::slice::from_ref(&entry)
    );
    let again = entry.clone().into_state(T0);
    assert_eq!(
        again.containers[0].phase,
        Phase::Running { started_at: at(10) }
    );
    assert_eq!(again.containers[0].stop_signal, 3);
    assert_eq!(
        again.containers[0].image_digest.as_deref(),
        Some("sha256:1")
    );
    assert!(again.reporting.sequence > entry.sequence);
    assert!(!again.containers[0].drained);
    ledger.remove(&entry.assignment.task_id).unwrap();
    ledger.remove(&entry.assignment.task_id).unwrap();
    assert!(ledger.load().unwrap().is_empty());
}

#[test]
fn damage_is_set_aside_and_half_writes_vanish() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let path = dir.path().join("ledger");
    std::fs::write(path.join("a.json"), "{").unwrap();
    std::fs::write(path.join("b.tmp"), "{").unwrap();
    std::fs::write(path.join("c.json"), "").unwrap();
    assert!(ledger.load().unwrap().is_empty());
    assert!(!path.join("c.json").exists() && !path.join("c.unreadable").exists());
    assert!(path.join("a.unreadable").exists());
    assert!(!path.join("a.json").exists() && !path.join("b.tmp").exists());
}

/// What a version wrote must be read by every later one. A change of what is written fails here
/// until the schema's number is raised and its form pinned by a file of its own.
#[test]
fn the_form_is_read_and_written_as_pinned() {
    let golden = include_str!("ledger_v2.json");
    let entry: Entry = serde_json::from_str(golden).unwrap();
    assert_eq!(entry, Entry::of(&running(), "boot"));
    // The second has everything set that the first leaves out.
    for golden in [golden, include_str!("ledger_ended_v2.json")] {
        let entry: Entry = serde_json::from_str(golden).unwrap();
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        assert_eq!(serde_json::to_value(&entry).unwrap(), golden);
    }
}

#[test]
fn the_first_form_is_still_read() {
    let first: Entry = serde_json::from_str(include_str!("ledger_v1.json")).unwrap();
    let same = Entry {
        schema: 1,
        ..Entry::of(&running(), "boot")
    };
    assert_eq!(first, same);
    let ended: Entry = serde_json::from_str(include_str!("ledger_ended_v1.json")).unwrap();
    assert!(ended.containers.iter().all(|c| c.bindings.is_empty()));
}
