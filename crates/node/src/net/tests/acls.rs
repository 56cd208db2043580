//! Network ACLs: what crosses the border of a subnet.

use super::place::*;
use super::vpc::*;
use crate::net::Network;
use neargate_domain::Cidr;
use neargate_domain::vpc_network::*;

fn rule(allow: bool, traffic: Traffic, peer: Cidr) -> AclRule {
    AclRule {
        allow,
        traffic,
        peer,
    }
}

/// With an ACL at the first subnet.
fn vpc(inbound: Vec<AclRule>, outbound: Vec<AclRule>) -> NetworkChange {
    let mut vpc = open();
    vpc.subnets[0].acl = Some(AclNetwork { inbound, outbound });
    told(vpc)
}

#[test]
fn acls_decide_in_order_and_without_memory() {
    isolated(|dir| async move {
        let network = Network::start(config(dir.path())).await.unwrap();
        let all = || vec![rule(true, Traffic::Any, Cidr::ANY)];
        network.apply([vpc(all(), all())]).await.unwrap();
        let mut lab = Lab::of(network);
        lab.task("a", eni(0, 4)).await;
        lab.task("near", eni(0, 5)).await;
        lab.task("far", eni(16, 4)).await;
        lab.task("denied", eni(16, 5)).await;
        assert!(lab.reaches("far", "a").await && lab.reaches("denied", "a").await);
        let mut flow = lab.flow("far", "a").await.unwrap();
        // The first rule that fits decides.
        let host = |text: &str| cidr(text);
        let inbound = vec![
            rule(false, Traffic::Any, host("172.31.16.5/32")),
            rule(true, Traffic::Tcp(80, 80), cidr("172.31.16.0/20")),
        ];
        lab.tell([vpc(inbound.clone(), all())]).await;
        assert!(lab.reaches("far", "a").await && !lab.reaches("denied", "a").await);
        assert!(lab.reaches("near", "a").await, "it crosses no border");
        assert!(
            !lab.reaches("a", "far").await,
            "the answers are not for port 80"
        );
        assert!(flow.goes_on());
        // No memory: the answers of what may come in may not go out, whatever flows there are.
        lab.tell([vpc(
            inbound.clone(),
            vec![rule(true, Traffic::Tcp(1, 1), Cidr::ANY)],
        )])
        .await;
        assert!(!lab.reaches("far", "a").await);
        lab.tell([vpc(
            inbound,
            vec![rule(true, Traffic::Tcp(1024, 65535), Cidr::ANY)],
        )])
        .await;
        assert!(lab.reaches("far", "a").await && flow.goes_on());
        lab.tell([told(open())]).await;
        assert!(lab.reaches("a", "denied").await);
        lab.end().await;
    });
}
