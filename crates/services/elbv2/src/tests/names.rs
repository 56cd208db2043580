//! ARNs and names.

use crate::names::{Named, dns_name, hosted_zone};
use neargate_domain::load_balancer::LoadBalancerType::{Application, Network};
use neargate_testkit::scope;

#[test]
fn arns_are_read() {
    let scope = scope();
    let start = "arn:aws:elasticloadbalancing:us-east-1:000000000000:";
    let parse = |resource: &str| Named::parse(&scope, &format!("{start}{resource}"));
    assert_eq!(
        parse("loadbalancer/app/web/1a"),
        Some(Named::LoadBalancer("1a".into()))
    );
    assert_eq!(
        parse("targetgroup/web/2b"),
        Some(Named::TargetGroup("2b".into()))
    );
    assert_eq!(
        parse("listener/net/web/1a/3c"),
        Some(Named::Listener("1a".into(), "3c".into()))
    );
    assert_eq!(
        parse("listener-rule/app/web/1a/3c/4d"),
        Some(Named::Rule("1a".into(), "3c".into(), "4d".into()))
    );
    for other in [
        "loadbalancer/web",
        "loadbalancer/gwy/web/1a",
        "listener/app/web/1a",
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
    let elsewhere = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/web/2b";
    assert_eq!(Named::parse(&scope, elsewhere), None);
}

#[test]
fn dns_names() {
    let scope = scope();
    let name = |kind, public| dns_name(&scope, kind, public, "web", "1a", 42);
    assert_eq!(
        name(Application, true),
        "web-42.us-east-1.elb.amazonaws.com"
    );
    assert_eq!(
        name(Application, false),
        "internal-web-42.us-east-1.elb.amazonaws.com"
    );
    assert_eq!(name(Network, false), "web-1a.elb.us-east-1.amazonaws.com");
    assert_eq!(hosted_zone("eu-central-1", Network), "Z3F0SRJ5LGBH90");
}
