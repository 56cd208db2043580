//! Every stored form is pinned.

use neargate_service::golden::check;

#[test]
fn the_stored_form_is_pinned() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<crate::model::Target>(dir);
    check::<crate::activity::Recorded>(dir);
}
