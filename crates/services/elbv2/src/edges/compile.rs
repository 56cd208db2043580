//! From records to load balancers as edges carry them: pure.

use super::records::Records;
use crate::attributes;
use crate::model::{self, Listener, TargetGroup, TargetType};
use crate::names::{self, Named};
use crate::plan::health::{self, Surroundings};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::{
    self as domain, Action, Certificate, Condition, HealthCheck, JwtClaim, LoadBalancer,
    MutualAuthentication, Node, Patterns, Rule, Target, TargetKey, Tls, Transform,
};
use neargate_service::Scope;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// `None`: there is no such load balancer.
pub(super) fn load_balancer(records: &Records, id: &str) -> Option<LoadBalancer> {
    let (scope, of) = records.load_balancers.get(id)?;
    let listeners: Vec<_> = records.listeners_of(id).collect();
    let groups: BTreeSet<_> = listeners.iter().flat_map(|l| l.target_groups()).collect();
    let zones: Vec<_> = of
        .nodes
        .iter()
        .map(|n| n.availability_zone.as_str())
        .collect();
    Some(LoadBalancer {
        arn: names::load_balancer_arn(scope, of.load_balancer_type, &of.name, id),
        load_balancer_type: of.load_balancer_type,
        dns_name: of.dns_name.clone(),
        vpc_id: of.vpc_id.clone(),
        internet_facing: of.internet_facing,
        nodes: of.nodes.iter().map(node).collect(),
        attributes: attributes::load_balancer::owner(of).complete(&of.attributes),
        listeners: listeners.iter().map(|l| listener(records, l)).collect(),
        target_groups: groups
            .into_iter()
            .filter_map(|arn| group(records, scope, arn, &zones))
            .collect(),
    })
}

fn node(node: &model::Node) -> Node {
    Node {
        interface_id: node.interface_id.clone(),
        private_ipv4: node.private_ipv4,
        public_ipv4: node.public_ipv4,
        availability_zone: node.availability_zone.clone(),
    }
}

fn listener(records: &Records, of: &Listener) -> domain::Listener {
    let rule = |rule: &model::Rule| Rule {
        arn: names::rule_arn(&of.arn, &rule.id),
        priority: u16::try_from(rule.priority).unwrap_or(u16::MAX),
        conditions: rule
            .conditions
            .iter()
            .filter_map(|c| condition(c))
            .collect(),
        actions: rule.actions.iter().filter_map(|a| action(a)).collect(),
        transforms: rule
            .transforms
            .iter()
            .filter_map(|t| transform(t))
            .collect(),
    };
    let default = Rule {
        arn: names::rule_arn(&of.arn, &of.default_rule),
        priority: 0,
        conditions: Vec::new(),
        actions: of
            .default_actions
            .iter()
            .filter_map(|a| action(a))
            .collect(),
        transforms: Vec::new(),
    };
    domain::Listener {
        arn: of.arn.clone(),
        port: of.port,
        protocol: of.protocol,
        attributes: attributes::listener::owner(of.protocol).complete(&of.attributes),
        tls: of.tls.as_ref().map(|t| tls(records, t)),
        rules: of.rules.iter().map(rule).chain([default]).collect(),
    }
}

fn tls(records: &Records, of: &model::Tls) -> Tls {
    let mut arns = vec![&of.default_certificate];
    arns.extend(
        of.certificates
            .iter()
            .filter(|c| **c != of.default_certificate),
    );
    let certificate = |arn: &String| {
        let kept = records.certificates.get(arn)?;
        Some(Certificate {
            arn: arn.clone(),
            chain: kept.chain.clone(),
            private_key: kept.private_key.expose().clone(),
        })
    };
    Tls {
        certificates: arns.into_iter().filter_map(certificate).collect(),
        ssl_policy: of.ssl_policy.clone(),
        alpn_policy: of.alpn_policy.clone(),
        mutual_authentication: match of.mutual_authentication.as_str() {
            "passthrough" => MutualAuthentication::Passthrough,
            "verify" => verify(records, of.verify.as_ref()),
            _ => MutualAuthentication::Off,
        },
    }
}

/// Without its trust store a listener believes nobody: it has no authorities.
fn verify(records: &Records, of: Option<&model::Verify>) -> MutualAuthentication {
    let id = of.and_then(|of| of.trust_store.rsplit('/').next());
    let store = id.and_then(|id| records.trust_stores.get(id));
    let revocations = store.iter().flat_map(|store| &store.revocations);
    MutualAuthentication::Verify {
        authorities: store.map_or_else(String::new, |store| store.authorities.clone()),
        revoked: revocations.flat_map(|r| r.lists.clone()).collect(),
        ignore_expiry: of.is_some_and(|of| of.ignore_expiry),
        advertise_names: of.is_some_and(|of| of.advertise_names),
    }
}

fn condition(of: &api::RuleCondition) -> Option<Condition> {
    let patterns = |values: &Option<Vec<String>>, regexes: &Option<Vec<String>>| Patterns {
        values: values.clone().unwrap_or_default(),
        regex_values: regexes.clone().unwrap_or_default(),
    };
    if let Some(c) = &of.host_header_config {
        return Some(Condition::HostHeader(patterns(&c.values, &c.regex_values)));
    }
    if let Some(c) = &of.path_pattern_config {
        return Some(Condition::PathPattern(patterns(&c.values, &c.regex_values)));
    }
    if let Some(c) = &of.http_header_config {
        return Some(Condition::HttpHeader {
            name: c.http_header_name.clone()?,
            patterns: patterns(&c.values, &c.regex_values),
        });
    }
    if let Some(c) = &of.http_request_method_config {
        return Some(Condition::HttpRequestMethod(c.values.clone()?));
    }
    if let Some(c) = &of.query_string_config {
        let pairs = c.values.iter().flatten();
        let pairs = pairs.map(|p| (p.key.clone(), p.value.clone().unwrap_or_default()));
        return Some(Condition::QueryString(pairs.collect()));
    }
    let c = of.source_ip_config.as_ref()?;
    Some(Condition::SourceIp(c.values.clone()?))
}

fn action(of: &api::Action) -> Option<Action> {
    if let Some(c) = &of.forward_config {
        let stickiness = c.target_group_stickiness_config.as_ref();
        let stickiness = stickiness.filter(|s| s.enabled == Some(true));
        let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
        let groups = c.target_groups.iter().flatten();
        let groups = groups.filter_map(|g| {
            let weight = number(g.weight).unwrap_or(1);
            Some((g.target_group_arn.clone()?, weight))
        });
        return Some(Action::Forward {
            target_groups: groups.collect(),
            stickiness_seconds: stickiness.and_then(|s| number(s.duration_seconds)),
        });
    }
    if let Some(c) = &of.redirect_config {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        return Some(Action::Redirect {
            protocol: part(&c.protocol),
            host: part(&c.host),
            port: part(&c.port),
            path: part(&c.path),
            query: part(&c.query),
            status_code: if c.status_code == "HTTP_301" {
                301
            } else {
                302
            },
        });
    }
    if let Some(c) = &of.fixed_response_config {
        return Some(Action::FixedResponse {
            status_code: c.status_code.parse().ok()?,
            content_type: c.content_type.clone().filter(|t| !t.is_empty()),
            message_body: c.message_body.clone(),
        });
    }
    let c = of.jwt_validation_config.as_ref()?;
    let claims = c.additional_claims.iter().flatten();
    let claim = |c: &api::JwtValidationActionAdditionalClaim| JwtClaim {
        name: c.name.clone(),
        format: c.format.clone(),
        values: c.values.clone(),
    };
    Some(Action::JwtValidation {
        jwks_endpoint: c.jwks_endpoint.clone(),
        issuer: c.issuer.clone(),
        additional_claims: claims.map(claim).collect(),
        keys: None,
    })
}

fn transform(of: &api::RuleTransform) -> Option<Transform> {
    if let Some(c) = &of.host_header_rewrite_config {
        let rewrite = c.rewrites.as_ref()?.first()?;
        return Some(Transform::HostHeaderRewrite {
            regex: rewrite.regex.clone(),
            replace: rewrite.replace.clone(),
        });
    }
    let rewrite = of.url_rewrite_config.as_ref()?.rewrites.as_ref()?.first()?;
    Some(Transform::UrlRewrite {
        regex: rewrite.regex.clone(),
        replace: rewrite.replace.clone(),
    })
}

fn group(
    records: &Records,
    scope: &Scope,
    arn: &str,
    zones: &[&str],
) -> Option<domain::TargetGroup> {
    let Some(Named::TargetGroup(id)) = Named::parse(scope, arn) else {
        return None;
    };
    let (_, of) = records.groups.get(&id)?;
    let check = &of.health_check;
    let targets = records.targets_of(&id);
    Some(domain::TargetGroup {
        arn: arn.to_owned(),
        name: of.name.clone(),
        protocol: of.protocol,
        protocol_version: of
            .protocol_version
            .unwrap_or(domain::ProtocolVersion::Http1),
        vpc_id: of.vpc_id.clone(),
        attributes: attributes::target_group::owner(of).complete(&of.attributes),
        health_check: Some(HealthCheck {
            protocol: check.protocol,
            port: check.port,
            path: check.path.clone().unwrap_or_default(),
            interval_seconds: check.interval_seconds,
            timeout_seconds: check.timeout_seconds,
            healthy_threshold: check.healthy_threshold,
            unhealthy_threshold: check.unhealthy_threshold,
            matcher: check.matcher.clone().unwrap_or_default(),
        }),
        targets: targets
            .filter_map(|target| self::target(records, scope, of, target, zones))
            .collect(),
    })
}

/// `None`: it gets no requests, whatever its health is. One that drains finishes those it has.
fn target(
    records: &Records,
    scope: &Scope,
    group: &TargetGroup,
    of: &model::Target,
    zones: &[&str],
) -> Option<Target> {
    let draining = of.draining_until.is_some();
    let around = Surroundings {
        zones: Some(zones),
        instance: records.instances.get(&of.id),
        reserved: of
            .address
            .is_some_and(|a| is_reserved(records, &group.vpc_id, a)),
    };
    if !draining && health::unused(group.target_type, of, around).is_some() {
        return None;
    }
    let address = match group.target_type {
        TargetType::Alb => node_of(records, scope, &of.id, zones)?,
        TargetType::Instance | TargetType::Ip => of.address?,
    };
    Some(Target {
        key: TargetKey {
            id: of.id.clone(),
            port: of.port,
        },
        address,
        availability_zone: of.availability_zone.clone(),
        draining,
    })
}

/// The address of a load balancer that is a target: in a zone of the one that leads to it, where it
/// has one.
fn node_of(records: &Records, scope: &Scope, arn: &str, zones: &[&str]) -> Option<Ipv4Addr> {
    let Some(Named::LoadBalancer(id)) = Named::parse(scope, arn) else {
        return None;
    };
    let (_, of) = records.load_balancers.get(&id)?;
    let near = |n: &&model::Node| zones.contains(&n.availability_zone.as_str());
    let node = of.nodes.iter().find(near).or(of.nodes.first())?;
    Some(node.private_ipv4)
}

/// The address is a load balancer's.
fn is_reserved(records: &Records, vpc_id: &str, address: Ipv4Addr) -> bool {
    let of_vpc = records
        .load_balancers
        .values()
        .filter(|(_, l)| l.vpc_id == vpc_id);
    of_vpc
        .flat_map(|(_, l)| &l.nodes)
        .any(|n| n.private_ipv4 == address)
}
