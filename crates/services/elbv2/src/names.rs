//! How Elastic Load Balancing names what it makes: ARNs, DNS names and hosted zones.
//!
//! The last part of an ARN is the id under which its record is kept; the records of listeners lie
//! under their load balancer's, `<load balancer>/<listener>`.

use neargate_base::Arn;
use neargate_domain::load_balancer::LoadBalancerType;
use neargate_service::Scope;

/// The service's name in ARNs.
const SERVICE: &str = "elasticloadbalancing";

/// `app` or `net`, as ARNs say it.
pub(crate) fn short(kind: LoadBalancerType) -> &'static str {
    match kind {
        LoadBalancerType::Application => "app",
        LoadBalancerType::Network => "net",
    }
}

/// `application` or `network`.
pub(crate) fn long(kind: LoadBalancerType) -> &'static str {
    match kind {
        LoadBalancerType::Application => "application",
        LoadBalancerType::Network => "network",
    }
}

pub(crate) fn load_balancer_arn(
    scope: &Scope,
    kind: LoadBalancerType,
    name: &str,
    id: &str,
) -> String {
    scope.arn(SERVICE, format!("loadbalancer/{}/{name}/{id}", short(kind)))
}

pub(crate) fn target_group_arn(scope: &Scope, name: &str, id: &str) -> String {
    scope.arn(SERVICE, format!("targetgroup/{name}/{id}"))
}

pub(crate) fn trust_store_arn(scope: &Scope, name: &str, id: &str) -> String {
    scope.arn(SERVICE, format!("truststore/{name}/{id}"))
}

/// The listener's, from its load balancer's.
pub(crate) fn listener_arn(load_balancer_arn: &str, id: &str) -> String {
    let of = load_balancer_arn.replacen(":loadbalancer/", ":listener/", 1);
    format!("{of}/{id}")
}

/// The rule's, from its listener's.
pub(crate) fn rule_arn(listener_arn: &str, id: &str) -> String {
    let of = listener_arn.replacen(":listener/", ":listener-rule/", 1);
    format!("{of}/{id}")
}

/// The owner and description of a load balancer's interfaces
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html>).
pub(crate) fn interface_owner(kind: LoadBalancerType, name: &str, id: &str) -> String {
    format!("ELB {}/{name}/{id}", short(kind))
}

/// What an ARN of this service names, if it is one of the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    LoadBalancer(String),
    TargetGroup(String),
    /// Load balancer and listener.
    Listener(String, String),
    /// Load balancer, listener and rule.
    Rule(String, String, String),
    TrustStore(String),
}

impl Named {
    /// `None`: the text is no ARN of this service, or names nothing of the caller's.
    pub(crate) fn parse(scope: &Scope, text: &str) -> Option<Named> {
        let arn: Arn = text.parse().ok()?;
        if arn.service != SERVICE || !scope.holds(&arn) {
            return None;
        }
        let parts: Vec<&str> = arn.resource.split('/').collect();
        let owned = |text: &&str| (*text).to_owned();
        match parts.as_slice() {
            ["loadbalancer", "app" | "net", _, id] => Some(Named::LoadBalancer(owned(id))),
            ["targetgroup", _, id] => Some(Named::TargetGroup(owned(id))),
            ["listener", "app" | "net", _, of, id] => Some(Named::Listener(owned(of), owned(id))),
            ["listener-rule", "app" | "net", _, of, listener, id] => {
                Some(Named::Rule(owned(of), owned(listener), owned(id)))
            }
            ["truststore", _, id] => Some(Named::TrustStore(owned(id))),
            _ => None,
        }
    }
}

/// The name under which clients find a load balancer. `digits` are random.
pub(crate) fn dns_name(
    scope: &Scope,
    kind: LoadBalancerType,
    internet_facing: bool,
    name: &str,
    id: &str,
    digits: u64,
) -> String {
    let region = &scope.region;
    let domain = match region.as_str().starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    match kind {
        LoadBalancerType::Application => {
            let internal = if internet_facing { "" } else { "internal-" };
            format!("{internal}{name}-{digits}.{region}.elb.{domain}")
        }
        LoadBalancerType::Network => format!("{name}-{id}.elb.{region}.{domain}"),
    }
}

/// The hosted zones of load balancers' names: of application ones and of network ones
/// (<https://docs.aws.amazon.com/general/latest/gr/elb.html>). A region that AWS names no zone for
/// answers that of us-east-1.
pub(crate) fn hosted_zone(region: &str, kind: LoadBalancerType) -> &'static str {
    let found = ZONES.iter().find(|(name, ..)| *name == region);
    let (_, application, network) = found.unwrap_or(&ZONES[0]);
    match kind {
        LoadBalancerType::Application => application,
        LoadBalancerType::Network => network,
    }
}

const ZONES: [(&str, &str, &str); 26] = [
    ("us-east-1", "Z35SXDOTRQ7X7K", "Z26RNL4JYFTOTI"),
    ("us-east-2", "Z3AADJGX6KTTL2", "ZLMOA37VPKANP"),
    ("us-west-1", "Z368ELLRRE2KJ0", "Z24FKFUX50B4VW"),
    ("us-west-2", "Z1H1FL5HABSF5", "Z18D5FSROUN65G"),
    ("af-south-1", "Z268VQBMOI5EKX", "Z203XCE67M25HM"),
    ("ap-east-1", "Z3DQVH9N71FHZ0", "Z12Y7K3UBGUAD1"),
    ("ap-northeast-1", "Z14GRHDCWA56QT", "Z31USIVHYNEOWT"),
    ("ap-northeast-2", "ZWKZPGTI48KDX", "ZIBE1TIR4HY56"),
    ("ap-northeast-3", "Z5LXEXXYW11ES", "Z1GWIQ4HH19I5X"),
    ("ap-south-1", "ZP97RAFLXTNZK", "ZVDDRBQ08TROA"),
    ("ap-southeast-1", "Z1LMS91P8CMLE5", "ZKVM4W9LS7TM"),
    ("ap-southeast-2", "Z1GM3OXH4ZPM65", "ZCT6FZBF4DROD"),
    (
        "ap-southeast-3",
        "Z08888821HLRG5A9ZRTER",
        "Z01971771FYVNCOVWJU1G",
    ),
    ("ca-central-1", "ZQSVJUPU6J1EY", "Z2EPGBW3API2WT"),
    ("cn-north-1", "Z1GDH35T77C1KE", "Z3QFB96KMJ7ED6"),
    ("cn-northwest-1", "ZM7IZAIOVVDZF", "ZQEIKTCZ8352D"),
    ("eu-central-1", "Z215JYRZR1TBD5", "Z3F0SRJ5LGBH90"),
    ("eu-north-1", "Z23TAZ6LKFMNIO", "Z1UDT6IFJ4EJM"),
    ("eu-south-1", "Z3ULH7SSC9OV64", "Z23146JA1KNAFP"),
    ("eu-west-1", "Z32O12XQLNTSW2", "Z2IFOLAFXWLO4F"),
    ("eu-west-2", "ZHURV8PSTC4K8", "ZD4D7Y8KGAS4G"),
    ("eu-west-3", "Z3Q77PNBQS71R4", "Z1CMS0P5QUZ6D5"),
    ("me-south-1", "ZS929ML54UICD", "Z3QSRYVP46NYYV"),
    ("sa-east-1", "Z2P70J7HTTTPLU", "ZTK26PT1VY4CU"),
    ("us-gov-east-1", "Z166TLBEWOO7G0", "Z1ZSMQQ6Q24QQ8"),
    ("us-gov-west-1", "Z33AYJ8TM3BH4J", "ZMG1MZ2THAWF1"),
];
