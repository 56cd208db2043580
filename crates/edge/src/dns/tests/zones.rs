//! Names of hosted zones, as clients meet them.

use super::*;
use crate::dns::names::{HostedZones, LoadBalancerNames};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::CNAME;
use neargate_domain::dns::{RecordData, RecordSet, Records, Routing, Zone, ZoneChange};

fn zones(records: &[(&str, &str, Vec<String>)]) -> Box<dyn Names> {
    let records = records.iter().map(|(name, record_type, values)| Records {
        zone_id: "Z1".into(),
        name: (*name).into(),
        record_type: (*record_type).into(),
        sets: vec![RecordSet {
            routing: Routing::Simple,
            healthy: true,
            data: RecordData::Records {
                ttl: 10,
                values: values.clone(),
            },
        }],
    });
    let zones = HostedZones::new(
        LoadBalancerNames::default(),
        table(),
        Arc::new(Rng::seeded(1)),
    );
    zones.apply(ZoneChange::Snapshot {
        zones: vec![Zone {
            id: "Z1".into(),
            name: "m.local".into(),
            vpcs: Some(["vpc-a".to_owned()].into()),
        }],
        records: records.collect(),
    });
    Box::new(zones)
}

fn elsewhere(asked: &Message, _: bool) -> Vec<Vec<u8>> {
    let mut reply = reply_to(asked);
    reply.add_answer(address(asked, 300, [192, 0, 2, 1]));
    vec![reply.to_vec().unwrap()]
}

fn one(name: &'static str, target: &str) -> (&'static str, &'static str, Vec<String>) {
    (name, "CNAME", vec![target.to_owned()])
}

#[tokio::test]
async fn an_alias_of_the_dns_is_followed_here_and_elsewhere() {
    let server = Server::new(1, 0, elsewhere);
    let SocketAddr::V4(at) = server.at else {
        panic!("IPv4");
    };
    let zones = zones(&[
        one("www.m.local", "api.m.local."),
        ("api.m.local", "A", vec!["10.0.0.1".into()]),
        one("out.m.local", "www.example.org."),
        one("a.m.local", "b.m.local."),
        one("b.m.local", "a.m.local."),
    ]);
    let lab = Lab::knowing(vec![zones], &[*at.ip()], at.port());
    let here = lab.ask_for("www.m.local.", RecordType::A).await;
    let data: Vec<_> = here.answers.iter().map(|r| r.data.to_string()).collect();
    assert_eq!(data, ["api.m.local.", "10.0.0.1"]);
    assert_eq!(server.asked(), 0);

    let out = lab.ask_for("out.m.local.", RecordType::A).await;
    let target = Name::from_str("www.example.org.").unwrap();
    assert_eq!(out.answers[0].data, RData::CNAME(CNAME(target.clone())));
    assert_eq!((&out.answers[1].name, out.answers.len()), (&target, 2));
    assert_eq!(server.heard.lock()[0].queries[0].name, target);
    // The alias alone is asked of nobody.
    let alone = lab.ask_for("out.m.local.", RecordType::CNAME).await;
    assert_eq!((alone.answers.len(), server.asked()), (1, 1));

    let circle = lab.ask_for("a.m.local.", RecordType::A).await;
    assert_eq!(circle.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn what_does_not_fit_is_asked_by_tcp() {
    let many = (0..200).map(|n| format!("10.0.{}.{}", n / 100, n % 100));
    let lab = Lab::knowing(
        vec![zones(&[("api.m.local", "A", many.collect())])],
        &[],
        53,
    );
    let udp = lab.ask_for("api.m.local.", RecordType::A).await;
    assert!(udp.truncation && udp.answers.len() < 40);
    let asked = question("api.m.local.", RecordType::A).to_vec().unwrap();
    let tcp = Message::from_vec(&lab.tcp(&asked).await.unwrap()).unwrap();
    assert_eq!((tcp.truncation, tcp.answers.len()), (false, 200));
}
