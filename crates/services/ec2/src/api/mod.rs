//! One file per resource.

pub(super) mod account;
pub(super) mod acls;
pub(super) mod addresses;
pub(super) mod dhcp_options;
pub(super) mod egress_only;
pub(super) mod endpoint_services;
pub(super) mod endpoints;
pub(super) mod flow_logs;
pub(super) mod group_rules;
pub(super) mod images;
pub(super) mod instance_types;
pub(super) mod instances;
pub(super) mod interfaces;
pub(super) mod internet_gateways;
pub(super) mod key_pairs;
pub(super) mod launch_templates;
pub(super) mod nat_gateways;
pub(super) mod peering;
pub(super) mod places;
pub(super) mod prefix_lists;
pub(super) mod route_tables;
pub(super) mod routes;
pub(super) mod security_groups;
pub(super) mod subnets;
pub(super) mod tags;
pub(super) mod vpcs;
pub(super) mod vpn;

/// `Some` of an owned string: AWS shapes are full of them.
fn text(s: impl Into<String>) -> Option<String> {
    Some(s.into())
}

/// Refuses the first parameter that was given, of those that are not supported.
fn refuse(given: &[(&str, bool)]) -> Result<(), neargate_service::AwsError> {
    match given.iter().find(|(_, given)| *given) {
        Some((parameter, _)) => Err(crate::error::unsupported(parameter)),
        None => Ok(()),
    }
}
