//! Every stored form is pinned.

use crate::model::{Happening, Instance, ParameterGroup, Snapshot, SubnetGroup};
use neargate_service::golden;

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    golden::check::<Instance>(dir);
    golden::check::<Snapshot>(dir);
    golden::check::<SubnetGroup>(dir);
    golden::check::<ParameterGroup>(dir);
    golden::check::<Happening>(dir);
}
