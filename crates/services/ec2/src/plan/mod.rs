//! Pure decisions: what a range, a rule or a route may be.

pub(super) mod acl_entries;
pub(super) mod endpoint_services;
pub(super) mod permissions;
pub(super) mod ranges;
pub(super) mod routes;
pub(super) mod ssh_keys;
pub(super) mod user_data;
