//! Network ACLs as chains, asked for what crosses the border of a subnet, each packet anew
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html>). Pure. Each host asks
//! those of the subnets of its own interfaces: who sends for what leaves, who receives for what enters.

use super::super::names::VETH_PREFIX;
use super::super::table::Tables;
use super::flows;
use super::groups::{traffic, word};
use super::rules::{inet, within};
use super::view::View;
use neargate_domain::vpc_network::{AclRule, SubnetNetwork};

pub(super) fn plan(view: &View, t: &mut Tables) {
    let subnets = view.vpc.iter().flat_map(|vpc| &vpc.subnets);
    let (mut leaving, mut entering) = (Vec::new(), Vec::new());
    for subnet in subnets {
        let Some(acl) = &subnet.acl else {
            continue;
        };
        let range = subnet.range;
        let (outbound, inbound) = (name("outbound", subnet), name("inbound", subnet));
        leaving.push(format!(
            "iifname \"{VETH_PREFIX}*\" ip saddr {range} jump {outbound}"
        ));
        entering.push(format!(
            "oifname \"{VETH_PREFIX}*\" ip daddr {range} jump {inbound}"
        ));
        let denied = |direction| flows::refused(view, direction);
        let of = rules(subnet, &acl.outbound, "daddr", denied("egress"));
        t.chain(inet(&outbound), of);
        let of = rules(subnet, &acl.inbound, "saddr", denied("ingress"));
        t.chain(inet(&inbound), of);
    }
    // Who receives is asked after the groups of who sends: what those let out has left.
    t.hooked(
        inet("acls"),
        "type filter hook forward priority -1; policy accept;",
        leaving,
    );
    t.hooked(
        inet("inbound_acls"),
        "type filter hook forward priority 1; policy accept;",
        entering,
    );
}

/// `peer` is the address that is not in the subnet, `denied` what becomes of what is denied.
fn rules(subnet: &SubnetNetwork, rules: &[AclRule], peer: &str, denied: &str) -> Vec<String> {
    let mut all = vec![format!("ip {peer} {} return", subnet.range)];
    all.extend(rules.iter().filter_map(|rule| {
        let verdict = if rule.allow { "return" } else { denied };
        let who = within(peer, rule.peer);
        Some(format!("{who}{}{verdict}", traffic(rule.traffic)?))
    }));
    all.push(denied.into());
    all
}

fn name(direction: &str, subnet: &SubnetNetwork) -> String {
    format!("{direction}_{}", word(&subnet.subnet_id))
}
