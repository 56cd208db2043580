//! Names of load balancers: those of internet-facing ones mean their public addresses wherever they
//! are asked for, those of internal ones their private addresses
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/how-elastic-load-balancing-works.html>).

use super::{Answer, Asked, Names, TTL, soa, within};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use neargate_domain::load_balancer::{LoadBalancer, LoadBalancerChange, Node};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

const ZONE: &str = "elb.amazonaws.com";
/// It stands before a name in what CloudFormation and Route 53 make of it.
const DUALSTACK: &str = "dualstack.";

/// A zone and an address of one node.
type Place = (String, Ipv4Addr);

/// Of every load balancer that this edge was told of.
#[derive(Debug, Clone, Default)]
pub struct LoadBalancerNames(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// By ARN: the name, in lower case, and where it leads.
    all: BTreeMap<String, (String, Vec<Place>)>,
    /// ARNs by name.
    by_name: BTreeMap<String, String>,
}

impl LoadBalancerNames {
    pub fn apply(&self, change: &LoadBalancerChange) {
        let mut known = self.0.write();
        match change {
            LoadBalancerChange::Snapshot(all) => {
                *known = Known::default();
                all.iter().for_each(|lb| known.put(lb));
            }
            LoadBalancerChange::LoadBalancer(lb) => known.put(lb),
            LoadBalancerChange::Gone(arn) => known.remove(arn),
        }
    }
}

impl Known {
    fn put(&mut self, lb: &LoadBalancer) {
        self.remove(&lb.arn);
        let address = |node: &Node| match lb.internet_facing {
            true => node.public_ipv4,
            false => Some(node.private_ipv4),
        };
        let place = |node: &Node| Some((node.availability_zone.clone(), address(node)?));
        let name = lb.dns_name.to_ascii_lowercase();
        self.by_name.insert(name.clone(), lb.arn.clone());
        let places = lb.nodes.iter().filter_map(place).collect();
        self.all.insert(lb.arn.clone(), (name, places));
    }

    fn remove(&mut self, arn: &str) {
        if let Some((name, _)) = self.all.remove(arn) {
            self.by_name.remove(&name);
        }
    }

    /// Where the name leads; before it may stand the zone of a node.
    fn places(&self, name: &str) -> Option<Vec<Ipv4Addr>> {
        let name = name.strip_prefix(DUALSTACK).unwrap_or(name);
        let all = |name: &str| Some(&self.all.get(self.by_name.get(name)?)?.1);
        if let Some(places) = all(name) {
            return Some(places.iter().map(|(_, address)| *address).collect());
        }
        let (zone, name) = name.split_once('.')?;
        let places = all(name)?.iter().filter(|(of, _)| of == zone);
        let places: Vec<Ipv4Addr> = places.map(|(_, address)| *address).collect();
        (!places.is_empty()).then_some(places)
    }
}

impl Names for LoadBalancerNames {
    fn lookup(&self, _: &str, asked: &Asked<'_>) -> Option<Answer> {
        within(asked.text, "amazonaws.com")?;
        let places = self.0.read().places(asked.text)?;
        if asked.kind != RecordType::A || places.is_empty() {
            return Some(Answer::NoData(soa(ZONE)));
        }
        let record = |address| {
            let data = RData::A(A::from(address));
            Record::from_rdata(asked.name.clone(), TTL, data)
        };
        Some(Answer::Records(places.into_iter().map(record).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Name;
    use neargate_domain::load_balancer::LoadBalancerType;
    use std::str::FromStr;

    fn lb(name: &str, internet_facing: bool) -> LoadBalancer {
        let node = |n: u8, zone: &str| Node {
            interface_id: format!("eni-{n}"),
            private_ipv4: Ipv4Addr::new(10, 0, 0, n),
            public_ipv4: Some(Ipv4Addr::new(198, 19, 0, n)),
            availability_zone: zone.to_owned(),
        };
        LoadBalancer {
            arn: format!("arn:{name}"),
            load_balancer_type: LoadBalancerType::Application,
            dns_name: format!("{name}-1.us-east-1.elb.amazonaws.com"),
            vpc_id: "vpc-1".into(),
            internet_facing,
            nodes: vec![node(4, "us-east-1a"), node(5, "us-east-1b")],
            attributes: BTreeMap::new(),
            listeners: Vec::new(),
            target_groups: Vec::new(),
        }
    }

    fn ask(names: &LoadBalancerNames, text: &str, kind: RecordType) -> Option<Vec<String>> {
        let name = Name::from_str(text).expect("a name");
        let asked = Asked {
            name: &name,
            text,
            kind,
        };
        Some(match names.lookup("vpc-2", &asked)? {
            Answer::Records(records) => records.iter().map(|r| r.data.to_string()).collect(),
            Answer::NoData(_) | Answer::NoName(_) => Vec::new(),
        })
    }

    #[test]
    fn names_mean_public_or_private_addresses_until_the_load_balancer_is_gone() {
        let names = LoadBalancerNames::default();
        names.apply(&LoadBalancerChange::Snapshot(vec![
            lb("Web", true),
            lb("internal-api", false),
        ]));
        let web = "web-1.us-east-1.elb.amazonaws.com";
        let of = |text: &str| ask(&names, text, RecordType::A);
        let both = Some(vec!["198.19.0.4".to_owned(), "198.19.0.5".to_owned()]);
        assert_eq!(of(web), both);
        assert_eq!(of(&format!("dualstack.{web}")), both);
        let one = Some(vec!["198.19.0.5".to_owned()]);
        assert_eq!(of(&format!("us-east-1b.{web}")), one);
        let internal = of("internal-api-1.us-east-1.elb.amazonaws.com");
        assert_eq!(internal.expect("known")[0], "10.0.0.4");
        assert_eq!(ask(&names, web, RecordType::AAAA), Some(Vec::new()));
        assert_eq!(of("other-1.us-east-1.elb.amazonaws.com"), None);
        names.apply(&LoadBalancerChange::Gone("arn:Web".into()));
        assert_eq!(of(web), None);
    }
}
