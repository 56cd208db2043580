//! What zones answer, in which VPCs.

use super::*;
use crate::dns::names::tests::table;
use hickory_proto::rr::Name;
use neargate_domain::dns::{RecordData, RecordSet as ToldSet, Records, Routing, Zone};
use std::collections::BTreeSet;
use std::str::FromStr as _;

const ZONE: &str = "m.local";

fn zone(id: &str, name: &str, vpc: Option<&str>) -> Zone {
    Zone {
        id: id.into(),
        name: name.into(),
        vpcs: vpc.map(|vpc| BTreeSet::from([vpc.to_owned()])),
    }
}

fn set(routing: Routing, values: &[&str]) -> ToldSet {
    ToldSet {
        routing,
        healthy: true,
        data: RecordData::Records {
            ttl: 10,
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        },
    }
}

fn records(zone_id: &str, name: &str, record_type: &str, sets: Vec<ToldSet>) -> Records {
    Records {
        zone_id: zone_id.into(),
        name: name.into(),
        record_type: record_type.into(),
        sets,
    }
}

fn one(name: &str, record_type: &str, value: &str) -> Records {
    records(
        "Z1",
        name,
        record_type,
        vec![set(Routing::Simple, &[value])],
    )
}

fn soa(zone_id: &str, name: &str) -> Records {
    let value = "ns-1.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400";
    records(zone_id, name, "SOA", vec![set(Routing::Simple, &[value])])
}

fn zones(all: Vec<Records>) -> HostedZones {
    let zones = HostedZones::new(
        LoadBalancerNames::default(),
        table(),
        Arc::new(Rng::seeded(1)),
    );
    zones.apply(ZoneChange::Snapshot {
        zones: vec![
            zone("Z1", ZONE, Some("vpc-a")),
            zone("Z2", "example.com", None),
        ],
        records: all
            .into_iter()
            .chain([soa("Z1", ZONE), soa("Z2", "example.com")])
            .collect(),
    });
    zones
}

fn ask(zones: &HostedZones, vpc: &str, text: &str, kind: RecordType) -> Option<Answer> {
    let name = Name::from_str(text).unwrap();
    zones.lookup(
        vpc,
        &Asked {
            name: &name,
            text,
            kind,
        },
    )
}

/// Values in their order, `nothing` or `no such name` with how long that holds.
fn said(zones: &HostedZones, text: &str, kind: RecordType) -> Vec<String> {
    match ask(zones, "vpc-a", text, kind) {
        Some(Answer::Records(records)) => {
            let mut values: Vec<_> = records.iter().map(|r| r.data.to_string()).collect();
            values.sort();
            values
        }
        Some(Answer::NoData(soa)) => vec![format!("nothing for {}", soa.ttl)],
        Some(Answer::NoName(soa)) => vec![format!("no such name for {}", soa.ttl)],
        None => vec!["elsewhere".into()],
    }
}

#[test]
fn a_private_zone_answers_in_its_vpcs_only() {
    let zones = zones(vec![one("api.m.local", "A", "10.0.0.1")]);
    assert_eq!(said(&zones, "api.m.local", RecordType::A), ["10.0.0.1"]);
    assert_eq!(
        said(&zones, "api.m.local", RecordType::AAAA),
        ["nothing for 10"]
    );
    assert_eq!(
        said(&zones, "x.m.local", RecordType::A),
        ["no such name for 10"]
    );
    assert_eq!(ask(&zones, "vpc-b", "api.m.local", RecordType::A), None);
    assert_eq!(said(&zones, "example.org", RecordType::A), ["elsewhere"]);
    zones.apply(ZoneChange::ZoneGone("Z1".into()));
    assert_eq!(said(&zones, "api.m.local", RecordType::A), ["elsewhere"]);
}

#[test]
fn names_of_its_own_above_others_and_by_an_asterisk() {
    let zones = zones(vec![
        one("b.a.m.local", "A", "10.0.0.1"),
        one("*.m.local", "A", "10.0.0.2"),
        one("c.m.local", "TXT", "\"words\""),
    ]);
    assert_eq!(said(&zones, "a.m.local", RecordType::A), ["nothing for 10"]);
    assert_eq!(said(&zones, "c.m.local", RecordType::A), ["nothing for 10"]);
    assert_eq!(said(&zones, "c.m.local", RecordType::TXT), ["words"]);
    assert_eq!(said(&zones, "x.y.m.local", RecordType::A), ["10.0.0.2"]);
    assert_eq!(
        said(&zones, "x.a.m.local", RecordType::A),
        ["no such name for 10"]
    );
    let gone = records("Z1", "b.a.m.local", "A", Vec::new());
    zones.apply(ZoneChange::Records(gone));
    assert_eq!(said(&zones, "a.m.local", RecordType::A), ["10.0.0.2"]);
}

#[test]
fn many_values_are_up_to_eight_healthy_ones() {
    let sets = |healthy: &dyn Fn(u8) -> bool| {
        let sets = (1..=12).map(|n| ToldSet {
            healthy: healthy(n),
            ..set(Routing::Multivalue, &[&format!("10.0.0.{n}")])
        });
        zones(vec![records("Z1", "api.m.local", "A", sets.collect())])
    };
    let all = sets(&|_| true);
    assert_eq!(said(&all, "api.m.local", RecordType::A).len(), 8);
    let two = sets(&|n| n < 3);
    assert_eq!(
        said(&two, "api.m.local", RecordType::A),
        ["10.0.0.1", "10.0.0.2"]
    );
    let none = sets(&|_| false);
    assert_eq!(
        said(&none, "api.m.local", RecordType::A).len(),
        8,
        "it fails open"
    );
}

#[test]
fn policies_choose() {
    let sets = |sets: Vec<ToldSet>| {
        let zones = zones(vec![records("Z1", "api.m.local", "A", sets)]);
        said(&zones, "api.m.local", RecordType::A)
    };
    let unhealthy = |set: ToldSet| ToldSet {
        healthy: false,
        ..set
    };
    let primary = || set(Routing::Failover { is_primary: true }, &["10.0.0.1"]);
    let secondary = || set(Routing::Failover { is_primary: false }, &["10.0.0.2"]);
    assert_eq!(sets(vec![secondary(), primary()]), ["10.0.0.1"]);
    assert_eq!(sets(vec![secondary(), unhealthy(primary())]), ["10.0.0.2"]);
    let all = vec![unhealthy(secondary()), unhealthy(primary())];
    assert_eq!(sets(all), ["10.0.0.1"]);
    let weighted = |weight, value| set(Routing::Weighted(weight), &[value]);
    assert_eq!(
        sets(vec![weighted(0, "10.0.0.1"), weighted(5, "10.0.0.2")]),
        ["10.0.0.2"]
    );
    let region = |region: &str, value| set(Routing::Latency(region.into()), &[value]);
    let all = vec![
        region("eu-west-1", "10.0.0.1"),
        region("us-east-1", "10.0.0.2"),
    ];
    assert_eq!(sets(all), ["10.0.0.2"]);
    let of = |is_default, value| set(Routing::Geolocation { is_default }, &[value]);
    assert_eq!(
        sets(vec![of(false, "10.0.0.1"), of(true, "10.0.0.2")]),
        ["10.0.0.2"]
    );
    assert_eq!(sets(vec![of(false, "10.0.0.1")]), ["nothing for 10"]);
}

#[test]
fn services_point_to_hosts() {
    let zones = zones(vec![
        one(
            "_grpc._tcp.m.local",
            "SRV",
            "1 1 32768 two._grpc._tcp.m.local.",
        ),
        one("two._grpc._tcp.m.local", "A", "10.0.0.1"),
    ]);
    let srv = said(&zones, "_grpc._tcp.m.local", RecordType::SRV);
    assert_eq!(srv, ["1 1 32768 two._grpc._tcp.m.local."]);
    assert_eq!(
        said(&zones, "two._grpc._tcp.m.local", RecordType::A),
        ["10.0.0.1"]
    );
}

#[test]
fn an_alias_means_what_its_target_has() {
    let alias = |name: &str, target: &str| {
        let data = RecordData::Alias {
            name: target.into(),
            evaluates_health: true,
        };
        let set = ToldSet {
            data,
            ..set(Routing::Simple, &[])
        };
        records("Z1", name, "A", vec![set])
    };
    let zones = zones(vec![
        one("api.m.local", "A", "10.0.0.1"),
        alias("www.m.local", "api.m.local"),
        alias("a.m.local", "b.m.local"),
        alias("b.m.local", "a.m.local"),
        alias("lb.m.local", "none-1.us-east-1.elb.amazonaws.com"),
    ]);
    assert_eq!(said(&zones, "www.m.local", RecordType::A), ["10.0.0.1"]);
    assert_eq!(
        said(&zones, "a.m.local", RecordType::A),
        ["nothing for 10"],
        "no circle"
    );
    assert_eq!(
        said(&zones, "lb.m.local", RecordType::A),
        ["nothing for 10"]
    );
    assert_eq!(
        said(&zones, "www.m.local", RecordType::CNAME),
        ["nothing for 10"]
    );
}

#[test]
fn public_zones_answer_everywhere_and_delegate() {
    let zones = zones(vec![
        records(
            "Z2",
            "www.example.com",
            "A",
            vec![set(Routing::Simple, &["192.0.2.1"])],
        ),
        records(
            "Z2",
            "dev.example.com",
            "NS",
            vec![set(Routing::Simple, &["ns.example.org."])],
        ),
    ]);
    assert_eq!(
        said(&zones, "www.example.com", RecordType::A),
        ["192.0.2.1"]
    );
    assert!(ask(&zones, "", "www.example.com", RecordType::A).is_some());
    assert_eq!(
        said(&zones, "a.dev.example.com", RecordType::A),
        ["elsewhere"]
    );
    // A private zone of the same name hides it where it is.
    zones.apply(ZoneChange::Zone(zone("Z3", "example.com", Some("vpc-a"))));
    assert_eq!(
        said(&zones, "www.example.com", RecordType::A),
        ["no such name for 900"]
    );
    assert!(ask(&zones, "vpc-b", "www.example.com", RecordType::A).is_some());
}
