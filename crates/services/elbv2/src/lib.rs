//! Elastic Load Balancing v2: application and network load balancers, their listeners and rules,
//! target groups and targets.
//!
//! Nothing here carries traffic: edges do, which are told what the records mean ([`edges`]) and say
//! how targets are.

mod admit;
mod api;
mod attributes;
mod change;
pub mod edges;
mod error;
mod log_delivery;
mod model;
mod names;
mod plan;
mod registration;
#[cfg(test)]
mod tests;

use edges::LoadBalancers;
use neargate_api_elbv2::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Elastic Load Balancing: its handlers share nothing but the house, and edges are told of its load
/// balancers.
#[derive(Debug, Default)]
pub struct Elbv2 {
    pub load_balancers: Arc<LoadBalancers>,
}

impl Component for Elbv2 {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        let follow = self.load_balancers.clone().follow(house.clone());
        background.spawn("load-balancers", follow);
        let fetch = self.load_balancers.clone().fetch_keys(house.clone());
        background.spawn("keys-for-tokens", fetch);
        let end = self.load_balancers.clone().end_registrations(house);
        background.spawn("ended-targets", end);
    }
}

const ADDRESSES: &str = "IPv4 only; gateway load balancers, IPAM pools and Outposts are refused";
const ACTIONS: &str = "actions that authenticate by OIDC or Cognito are refused";
const LISTENERS: &str = "actions that authenticate by OIDC or Cognito, and QUIC are refused; security policies are told apart by their TLS versions, \
    of which 1.2 and 1.3 are served";
const GROUPS: &str = "functions, IPv6, GENEVE, QUIC and the target optimizer are refused";
const OF_LOAD_BALANCERS: &str = "health check logs, zonal shift, client routing policies, secondary addresses and what concerns WAF and IPv6 keep their defaults: other values are refused";
const OF_GROUPS: &str = "anomaly mitigation and DNS failover keep their \
    defaults: other values are refused; client IP preservation is kept and not acted on yet";
const LOCATIONS: &str = "the location is that of the object in its own bucket, and none is answered once that was \
    changed or deleted";

/// Which operations are served, and how completely.
fn table(elbv2: Arc<Elbv2>) -> OperationTable<Elbv2> {
    use api::{
        attributes, certificates, limits, listeners, load_balancers, networking, revocations,
        rules, ssl_policies, tags, target_groups, target_health, targets, trust_stores,
    };
    OperationTable::new(&SERVICE, elbv2)
        .wording(error::invalid)
        .admitting(admit::admit)
        .on(
            ops::AddListenerCertificates,
            certificates::add_listener_certificates,
        )
        .on(ops::AddTags, tags::add_tags)
        .partly(
            ops::AddTrustStoreRevocations,
            revocations::add_trust_store_revocations,
            "a file has at most 2 MiB, and all of a trust store 4",
        )
        .partly(ops::CreateListener, listeners::create_listener, LISTENERS)
        .partly(
            ops::CreateLoadBalancer,
            load_balancers::create_load_balancer,
            ADDRESSES,
        )
        .partly(ops::CreateRule, rules::create_rule, ACTIONS)
        .partly(
            ops::CreateTargetGroup,
            target_groups::create_target_group,
            GROUPS,
        )
        .on(ops::CreateTrustStore, trust_stores::create_trust_store)
        .on(ops::DeleteListener, listeners::delete_listener)
        .on(
            ops::DeleteLoadBalancer,
            load_balancers::delete_load_balancer,
        )
        .on(ops::DeleteRule, rules::delete_rule)
        .partly(
            ops::DeleteSharedTrustStoreAssociation,
            trust_stores::delete_shared_trust_store_association,
            "trust stores are not shared, so that there is none to delete",
        )
        .on(ops::DeleteTargetGroup, target_groups::delete_target_group)
        .on(ops::DeleteTrustStore, trust_stores::delete_trust_store)
        .on(ops::DeregisterTargets, targets::deregister_targets)
        .on(ops::DescribeAccountLimits, limits::describe_account_limits)
        .partly(
            ops::DescribeCapacityReservation,
            limits::describe_capacity_reservation,
            "nothing is ever reserved",
        )
        .on(
            ops::DescribeListenerAttributes,
            attributes::describe_listener_attributes,
        )
        .on(
            ops::DescribeListenerCertificates,
            certificates::describe_listener_certificates,
        )
        .on(ops::DescribeListeners, listeners::describe_listeners)
        .on(
            ops::DescribeLoadBalancerAttributes,
            attributes::describe_load_balancer_attributes,
        )
        .on(
            ops::DescribeLoadBalancers,
            load_balancers::describe_load_balancers,
        )
        .on(ops::DescribeRules, rules::describe_rules)
        .partly(
            ops::DescribeSSLPolicies,
            ssl_policies::describe_ssl_policies,
            "without the policies of FIPS",
        )
        .on(ops::DescribeTags, tags::describe_tags)
        .on(
            ops::DescribeTargetGroupAttributes,
            attributes::describe_target_group_attributes,
        )
        .on(
            ops::DescribeTargetGroups,
            target_groups::describe_target_groups,
        )
        .partly(
            ops::DescribeTargetHealth,
            target_health::describe_target_health,
            "anomalies are not detected",
        )
        .on(
            ops::DescribeTrustStoreAssociations,
            trust_stores::describe_trust_store_associations,
        )
        .on(
            ops::DescribeTrustStoreRevocations,
            revocations::describe_trust_store_revocations,
        )
        .on(
            ops::DescribeTrustStores,
            trust_stores::describe_trust_stores,
        )
        .partly(
            ops::GetResourcePolicy,
            trust_stores::get_resource_policy,
            "trust stores are not shared, so that none has a policy",
        )
        .partly(
            ops::GetTrustStoreCaCertificatesBundle,
            trust_stores::get_trust_store_ca_certificates_bundle,
            LOCATIONS,
        )
        .partly(
            ops::GetTrustStoreRevocationContent,
            revocations::get_trust_store_revocation_content,
            LOCATIONS,
        )
        .partly(ops::ModifyListener, listeners::modify_listener, LISTENERS)
        .on(
            ops::ModifyListenerAttributes,
            attributes::modify_listener_attributes,
        )
        .partly(
            ops::ModifyLoadBalancerAttributes,
            attributes::modify_load_balancer_attributes,
            OF_LOAD_BALANCERS,
        )
        .partly(ops::ModifyRule, rules::modify_rule, ACTIONS)
        .on(ops::ModifyTargetGroup, target_groups::modify_target_group)
        .partly(
            ops::ModifyTargetGroupAttributes,
            attributes::modify_target_group_attributes,
            OF_GROUPS,
        )
        .on(ops::ModifyTrustStore, trust_stores::modify_trust_store)
        .on(ops::RegisterTargets, targets::register_targets)
        .on(
            ops::RemoveListenerCertificates,
            certificates::remove_listener_certificates,
        )
        .on(ops::RemoveTags, tags::remove_tags)
        .on(
            ops::RemoveTrustStoreRevocations,
            revocations::remove_trust_store_revocations,
        )
        .partly(
            ops::SetIpAddressType,
            networking::set_ip_address_type,
            "IPv4 only",
        )
        .on(ops::SetRulePriorities, rules::set_rule_priorities)
        .on(ops::SetSecurityGroups, networking::set_security_groups)
        .partly(ops::SetSubnets, networking::set_subnets, "IPv4 only")
}
