//! What is told of a load balancer in the form in which requests meet it.

use crate::load_balancer::listener::{Front, LogsOf};
use crate::load_balancer::observed::counts::Table;
use crate::load_balancer::observed::files::{Destination, Logs};
use crate::load_balancer::route::Route;
use crate::load_balancer::settings::{GroupSettings, Settings};
use crate::load_balancer::target::Group;
use crate::load_balancer::tls;
use neargate_domain::load_balancer::{
    Action, Listener, LoadBalancer, LoadBalancerType, Protocol, TargetGroup,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn groups(told: &LoadBalancer, table: &Table) -> BTreeMap<String, Arc<Group>> {
    let group = |group: &TargetGroup| {
        let settings = GroupSettings::new(&group.attributes, &told.attributes);
        let zones = told.nodes.iter().map(|node| &node.availability_zone);
        let counts = |zone: &String| {
            let counts = table.of(&told.arn, Some(&group.arn), zone);
            (zone.clone(), counts)
        };
        let compiled = Group::new(
            group.arn.clone(),
            group.protocol,
            group.protocol_version,
            settings,
            zones.clone().map(counts).collect(),
        );
        (group.arn.clone(), Arc::new(compiled))
    };
    told.target_groups.iter().map(group).collect()
}

/// Keys for tokens hold until others are told: whoever tells may just have begun and know none.
pub fn keep_keys(told: &mut LoadBalancer, before: &LoadBalancer) {
    let actions = before.listeners.iter().flat_map(|l| &l.rules);
    let known = actions.flat_map(|rule| &rule.actions);
    let known: BTreeMap<&String, &String> = known
        .filter_map(|action| match action {
            Action::JwtValidation {
                jwks_endpoint,
                keys: Some(keys),
                ..
            } => Some((jwks_endpoint, keys)),
            _ => None,
        })
        .collect();
    let actions = told.listeners.iter_mut().flat_map(|l| &mut l.rules);
    for action in actions.flat_map(|rule| &mut rule.actions) {
        if let Action::JwtValidation {
            jwks_endpoint,
            keys: keys @ None,
            ..
        } = action
        {
            *keys = known.get(jwks_endpoint).map(|keys| (*keys).clone());
        }
    }
}

/// What target groups ask for that is not built, a sentence each.
pub fn not_built(told: &LoadBalancer) -> Vec<String> {
    let trouble = |group: &TargetGroup| {
        let arn = &group.arn;
        const MITIGATION: &str = "load_balancing.algorithm.anomaly_mitigation";
        let mitigates = group.attributes.get(MITIGATION);
        mitigates
            .is_some_and(|value| value == "on")
            .then(|| format!("{arn}: anomaly mitigation is not built"))
    };
    told.target_groups.iter().filter_map(trouble).collect()
}

/// A listener compiled, or a sentence about what is not built.
pub fn front(
    told: &LoadBalancer,
    listener: &Listener,
    groups: &BTreeMap<String, Arc<Group>>,
    logs: Option<&Logs>,
) -> Result<Front, String> {
    let settings = Settings::new(&told.attributes, &listener.attributes);
    let tls = match (told.load_balancer_type, listener.protocol, &listener.tls) {
        (LoadBalancerType::Application, Protocol::Http, _) => None,
        (LoadBalancerType::Application, Protocol::Https, Some(asked)) => Some(tls::server(
            asked,
            match settings.http2 {
                true => tls::Http::Both,
                false => tls::Http::One,
            },
        )?),
        (LoadBalancerType::Network, Protocol::Tcp | Protocol::Udp | Protocol::TcpUdp, _) => None,
        (LoadBalancerType::Network, Protocol::Tls, Some(asked)) => {
            Some(tls::server(asked, tls::Http::Not)?)
        }
        (_, protocol, _) => return Err(format!("{protocol:?} listeners are not built")),
    };
    let routes = listener
        .rules
        .iter()
        .map(|rule| Route::compile(rule, groups));
    Ok(Front {
        load_balancer_arn: told.arn.clone(),
        listener_arn: listener.arn.clone(),
        dns_name: told.dns_name.clone(),
        port: listener.port,
        protocol: listener.protocol,
        settings,
        tls,
        logs: LogsOf {
            logs: logs.cloned(),
            access: destination(told, "access_logs", ""),
            connections: destination(told, "connection_logs", "conn_log."),
        },
        routes: routes.collect::<Result<_, _>>()?,
    })
}

/// Where logs of a kind go, if they are to be written. Those of network load balancers are of TLS
/// connections.
fn destination(told: &LoadBalancer, logs: &str, kind: &'static str) -> Option<Arc<Destination>> {
    let value = |key: &str| told.attributes.get(&format!("{logs}.s3.{key}"));
    let is_enabled = value("enabled").is_some_and(|value| value == "true");
    is_enabled.then(|| {
        Arc::new(Destination {
            bucket: value("bucket").cloned().unwrap_or_default(),
            prefix: value("prefix").cloned().unwrap_or_default(),
            kind,
            load_balancer_arn: told.arn.clone(),
        })
    })
}
