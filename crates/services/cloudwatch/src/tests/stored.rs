//! Stored forms are pinned.

use crate::model::{Alarm, Dashboard, HistoryItem, MuteRule, PendingAction};
use neargate_service::golden::check;

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Alarm>(dir);
    check::<Dashboard>(dir);
    check::<HistoryItem>(dir);
    check::<MuteRule>(dir);
    check::<PendingAction>(dir);
}
