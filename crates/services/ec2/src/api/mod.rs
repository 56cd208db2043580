//! One file per resource.

pub(super) mod account;
pub(super) mod acls;
pub(super) mod interfaces;
pub(super) mod places;
pub(super) mod routing;
pub(super) mod security_groups;
pub(super) mod subnets;
pub(super) mod tags;
pub(super) mod vpcs;

/// `Some` of an owned string: AWS shapes are full of them.
fn text(s: impl Into<String>) -> Option<String> {
    Some(s.into())
}
