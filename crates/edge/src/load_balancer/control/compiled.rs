//! What is told of a load balancer in the form in which requests meet it.

use crate::load_balancer::listener::Front;
use crate::load_balancer::route::Route;
use crate::load_balancer::settings::{GroupSettings, Settings};
use crate::load_balancer::target::Group;
use crate::load_balancer::tls;
use neargate_domain::load_balancer::{
    Listener, LoadBalancer, LoadBalancerType, Protocol, TargetGroup,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn groups(told: &LoadBalancer) -> BTreeMap<String, Arc<Group>> {
    let group = |group: &TargetGroup| {
        let settings = GroupSettings::new(&group.attributes, &told.attributes);
        let compiled = Group::new(
            group.arn.clone(),
            group.protocol,
            group.protocol_version,
            settings,
        );
        (group.arn.clone(), Arc::new(compiled))
    };
    told.target_groups.iter().map(group).collect()
}

/// What target groups ask for that is not built, a sentence each.
pub fn not_built(told: &LoadBalancer) -> Vec<String> {
    let trouble = |group: &TargetGroup| {
        let arn = &group.arn;
        const MITIGATION: &str = "load_balancing.algorithm.anomaly_mitigation";
        let mitigates = group.attributes.get(MITIGATION);
        let is_udp = matches!(group.protocol, Protocol::Udp | Protocol::TcpUdp);
        if is_udp {
            Some(format!("{arn}: UDP to targets is not built"))
        } else if mitigates.is_some_and(|value| value == "on") {
            Some(format!("{arn}: anomaly mitigation is not built"))
        } else {
            None
        }
    };
    told.target_groups.iter().filter_map(trouble).collect()
}

/// A listener compiled, or a sentence about what is not built.
pub fn front(
    told: &LoadBalancer,
    listener: &Listener,
    groups: &BTreeMap<String, Arc<Group>>,
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
        (LoadBalancerType::Network, Protocol::Tcp, _) => None,
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
        routes: routes.collect::<Result<_, _>>()?,
    })
}
