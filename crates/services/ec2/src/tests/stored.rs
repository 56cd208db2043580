//! Every stored form is pinned.

use neargate_service::golden::check;

#[test]
fn the_stored_form_is_pinned() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<crate::model::Tagged>(dir);
    check::<crate::model::LaunchTemplate>(dir);
    check::<crate::model::KeyPair>(dir);
    check::<crate::model::KeyName>(dir);
    check::<crate::model::FlowLog>(dir);
}
