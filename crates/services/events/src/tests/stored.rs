//! Stored forms are pinned.

use crate::api_destination::ApiDestination;
use crate::archive::{Archive, Archived};
use crate::connection::Connection;
use crate::model::{Bus, Fired, Rule};
use crate::replay::Replay;
use neargate_service::golden::check;

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Bus>(dir);
    check::<Rule>(dir);
    check::<Fired>(dir);
    check::<Archive>(dir);
    check::<Archived>(dir);
    check::<Replay>(dir);
    check::<Connection>(dir);
    check::<ApiDestination>(dir);
}
