//! Every stored form is pinned.

use crate::model;
use neargate_service::golden::check;

#[test]
fn the_stored_form_is_pinned() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<model::LoadBalancer>(dir);
    check::<model::LoadBalancerName>(dir);
    check::<model::Listener>(dir);
    check::<model::TargetGroup>(dir);
    check::<model::TargetGroupName>(dir);
    check::<model::Target>(dir);
    check::<model::TrustStore>(dir);
    check::<model::TrustStoreName>(dir);
}
