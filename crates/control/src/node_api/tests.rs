use super::StoredToken;
use neargate_service::golden::check;

#[test]
fn stored_forms() {
    check::<StoredToken>(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"));
}
