//! What each source says, as a table.

use super::*;
use hickory_proto::rr::RData;
use neargate_domain::Cidr;
use neargate_domain::vpc_network::{InterfaceNetwork, NetworkChange, VpcDns, VpcNetwork};
use std::sync::Arc;

/// Three VPCs with the same range; two of us-east-1, of which the second has no names of public
/// addresses, and one of eu-west-1.
pub(crate) fn table() -> SharedTable {
    let vpcs = [
        ("vpc-a", "us-east-1", true),
        ("vpc-b", "us-east-1", false),
        ("vpc-eu", "eu-west-1", true),
    ];
    let table = SharedTable::default();
    let vpcs = vpcs.map(|(id, region, hostnames)| VpcNetwork {
        is_logged: false,
        vpc_id: id.to_owned(),
        ranges: ["10.0.0.0/16", "100.64.0.0/16"]
            .map(|range| range.parse::<Cidr>().expect("a range"))
            .to_vec(),
        is_default: false,
        default_group: String::new(),
        subnets: Vec::new(),
        peers: Default::default(),
        groups: Vec::new(),
        dns: VpcDns {
            hostnames,
            region: region.parse().expect("a region"),
            ..VpcDns::default()
        },
    });
    let interfaces = [
        ("eni-a5", "vpc-a", [10, 0, 0, 5], Some([198, 19, 0, 5])),
        ("eni-a6", "vpc-a", [100, 64, 0, 6], None),
        ("eni-b7", "vpc-b", [10, 0, 0, 7], Some([198, 19, 0, 7])),
        ("eni-eu8", "vpc-eu", [10, 0, 0, 8], Some([198, 19, 0, 8])),
    ];
    let interfaces = interfaces.map(|(id, vpc, private, public)| InterfaceNetwork {
        interface_id: id.to_owned(),
        vpc_id: vpc.to_owned(),
        private_ipv4: private.into(),
        security_groups: Vec::new(),
        public_ipv4: public.map(Into::into),
        is_logged: false,
    });
    table.write().apply(NetworkChange::Snapshot {
        vpcs: vpcs.to_vec(),
        interfaces: interfaces.to_vec(),
    });
    table
}

pub(crate) fn sources(table: &SharedTable) -> Vec<Box<dyn Names>> {
    let prefixes = ["ecs", "api.ecr", "s3", "sts", "servicediscovery"].map(str::to_owned);
    table.write().set_aws_hosts(prefixes.into());
    vec![
        Box::new(Localhost),
        Box::new(Interfaces(Arc::clone(table))),
        Box::new(Reverse(Arc::clone(table))),
        Box::new(AwsHosts(Arc::clone(table))),
    ]
}

/// What a VPC is told of a name: data, `NODATA zone`, `NXDOMAIN zone`, or nothing.
fn say(table: &SharedTable, vpc: &str, name: &str, kind: RecordType) -> String {
    let (name, text) = (absolute(name), name.to_ascii_lowercase());
    let asked = Asked {
        name: &name,
        text: &text,
        kind,
    };
    let sources = sources(table);
    let answer = sources.iter().find_map(|s| s.lookup(vpc, &asked));
    match answer {
        None => String::new(),
        Some(Answer::Records(records)) => {
            assert!(records.iter().all(|r| r.name.eq_case(&name)));
            let data = records.into_iter().map(|r| match r.data {
                RData::SOA(soa) => format!("SOA {}", soa.mname),
                data => data.to_string(),
            });
            data.collect::<Vec<_>>().join(" ")
        }
        Some(Answer::NoData(soa)) => format!("NODATA {}", soa.name),
        Some(Answer::NoName(soa)) => format!("NXDOMAIN {}", soa.name),
    }
}

#[test]
fn names_mean_what_aws_says() {
    use RecordType::{A, AAAA, PTR, SOA, TXT};
    let table = table();
    for (vpc, name, kind, expected) in [
        ("vpc-a", "ip-10-0-0-5.ec2.internal", A, "10.0.0.5"),
        ("vpc-a", "IP-10-0-0-5.EC2.Internal", A, "10.0.0.5"),
        ("vpc-a", "ip-100-64-0-6.ec2.internal", A, "100.64.0.6"),
        (
            "vpc-a",
            "ip-10-0-0-5.ec2.internal",
            AAAA,
            "NODATA ec2.internal.",
        ),
        (
            "vpc-a",
            "ip-10-0-0-5.ec2.internal",
            TXT,
            "NODATA ec2.internal.",
        ),
        // Of another VPC, of none, and what is no address.
        (
            "vpc-b",
            "ip-10-0-0-5.ec2.internal",
            A,
            "NXDOMAIN ec2.internal.",
        ),
        (
            "vpc-a",
            "ip-10-0-0-9.ec2.internal",
            AAAA,
            "NXDOMAIN ec2.internal.",
        ),
        (
            "vpc-a",
            "ip-10-0-0-05.ec2.internal",
            A,
            "NXDOMAIN ec2.internal.",
        ),
        (
            "vpc-a",
            "ip-10.0.0.5.ec2.internal",
            A,
            "NXDOMAIN ec2.internal.",
        ),
        (
            "vpc-a",
            "x.ip-10-0-0-5.ec2.internal",
            A,
            "NXDOMAIN ec2.internal.",
        ),
        ("vpc-a", "web.ec2.internal", A, "NXDOMAIN ec2.internal."),
        ("vpc-a", "ec2.internal", A, "NODATA ec2.internal."),
        ("vpc-a", "ec2.internal", SOA, "SOA ns0.ec2.internal."),
        ("vpc-a", "notec2.internal", A, ""),
        (
            "vpc-eu",
            "ip-10-0-0-8.eu-west-1.compute.internal",
            A,
            "10.0.0.8",
        ),
        (
            "vpc-eu",
            "ip-10-0-0-8.ec2.internal",
            A,
            "NXDOMAIN ec2.internal.",
        ),
        ("vpc-eu", "compute.internal", A, "NODATA compute.internal."),
        (
            "vpc-a",
            "ip-10-0-0-8.eu-west-1.compute.internal",
            A,
            "NXDOMAIN compute.internal.",
        ),
        // The private address inside the VPC, the public one elsewhere.
        (
            "vpc-a",
            "ec2-198-19-0-5.compute-1.amazonaws.com",
            A,
            "10.0.0.5",
        ),
        (
            "vpc-eu",
            "ec2-198-19-0-5.compute-1.amazonaws.com",
            A,
            "198.19.0.5",
        ),
        (
            "vpc-a",
            "ec2-198-19-0-8.eu-west-1.compute.amazonaws.com",
            A,
            "198.19.0.8",
        ),
        ("vpc-a", "ec2-198-19-0-8.compute-1.amazonaws.com", A, ""),
        ("vpc-b", "ec2-198-19-0-7.compute-1.amazonaws.com", A, ""),
        ("vpc-a", "ec2-54-0-0-1.compute-1.amazonaws.com", A, ""),
        (
            "vpc-a",
            "5.0.0.10.in-addr.arpa",
            PTR,
            "ip-10-0-0-5.ec2.internal.",
        ),
        (
            "vpc-eu",
            "8.0.0.10.in-addr.arpa",
            PTR,
            "ip-10-0-0-8.eu-west-1.compute.internal.",
        ),
        (
            "vpc-b",
            "5.0.0.10.in-addr.arpa",
            PTR,
            "NXDOMAIN 10.in-addr.arpa.",
        ),
        (
            "vpc-a",
            "5.0.0.10.in-addr.arpa",
            A,
            "NODATA 10.in-addr.arpa.",
        ),
        ("vpc-a", "0.10.in-addr.arpa", PTR, "NODATA 10.in-addr.arpa."),
        ("vpc-a", "10.in-addr.arpa", SOA, "SOA ns0.10.in-addr.arpa."),
        (
            "vpc-a",
            "1.5.0.0.10.in-addr.arpa",
            PTR,
            "NXDOMAIN 10.in-addr.arpa.",
        ),
        (
            "vpc-a",
            "9.0.64.100.in-addr.arpa",
            PTR,
            "NXDOMAIN 64.100.in-addr.arpa.",
        ),
        (
            "vpc-a",
            "1.0.20.172.in-addr.arpa",
            PTR,
            "NXDOMAIN 20.172.in-addr.arpa.",
        ),
        ("vpc-a", "1.0.32.172.in-addr.arpa", PTR, ""),
        (
            "vpc-a",
            "8.0.19.198.in-addr.arpa",
            PTR,
            "ec2-198-19-0-8.eu-west-1.compute.amazonaws.com.",
        ),
        ("vpc-a", "7.0.19.198.in-addr.arpa", PTR, ""),
        ("vpc-a", "1.0.0.127.in-addr.arpa", PTR, "localhost."),
        ("vpc-a", "05.0.0.10.in-addr.arpa", PTR, ""),
        ("vpc-a", "localhost", A, "127.0.0.1"),
        ("vpc-a", "a.LocalHost", AAAA, "::1"),
        ("vpc-a", "localhost", TXT, "NODATA localhost."),
        ("vpc-a", "ecs.us-east-1.amazonaws.com", A, "10.0.0.2"),
        (
            "vpc-a",
            "ecs.us-east-1.amazonaws.com",
            AAAA,
            "NODATA amazonaws.com.",
        ),
        ("vpc-a", "ecs-fips.us-east-1.amazonaws.com", A, "10.0.0.2"),
        ("vpc-a", "ecs.us-east-1.api.aws", A, "10.0.0.2"),
        ("vpc-a", "ecs.cn-north-1.amazonaws.com.cn", A, "10.0.0.2"),
        ("vpc-a", "api.ecr.eu-west-1.amazonaws.com", A, "10.0.0.2"),
        (
            "vpc-a",
            "000000000000.dkr.ecr.eu-west-1.amazonaws.com",
            A,
            "10.0.0.2",
        ),
        (
            "vpc-a",
            "data-servicediscovery.us-east-1.amazonaws.com",
            A,
            "10.0.0.2",
        ),
        ("vpc-a", "sts.amazonaws.com", A, "10.0.0.2"),
        ("vpc-a", "s3.amazonaws.com", A, "10.0.0.2"),
        (
            "vpc-a",
            "s3.dualstack.us-east-1.amazonaws.com",
            A,
            "10.0.0.2",
        ),
        (
            "vpc-a",
            "my.bucket.s3.us-east-1.amazonaws.com",
            A,
            "10.0.0.2",
        ),
        ("vpc-a", "b.s3-us-west-2.amazonaws.com", A, "10.0.0.2"),
        ("vpc-a", "b.s3.amazonaws.com", A, "10.0.0.2"),
        // Not ours: unknown services, no region, and names that only look like it.
        ("vpc-a", "sqs.us-east-1.amazonaws.com", A, ""),
        ("vpc-a", "iam.amazonaws.com", A, ""),
        ("vpc-a", "ecs.amazonaws.com", A, ""),
        ("vpc-a", "ecs.x.amazonaws.com", A, ""),
        ("vpc-a", "b.s3.us-east-1.evil.amazonaws.com", A, ""),
        ("vpc-a", "s3stuff.us-east-1.amazonaws.com", A, ""),
        ("vpc-a", "x.dkr.ecr.us-east-1.amazonaws.com", A, ""),
        ("vpc-a", "ecs.us-east-1.amazonaws.com.example", A, ""),
        ("vpc-a", "amazonaws.com", A, ""),
        ("vpc-a", "example.com", A, ""),
    ] {
        assert_eq!(
            say(&table, vpc, name, kind),
            expected,
            "{vpc}: {name} {kind}"
        );
    }
}

#[test]
fn without_prefixes_all_of_aws_is_the_internets() {
    let hosts = AwsHosts(table());
    for text in [
        "ecs.us-east-1.amazonaws.com",
        "s3.amazonaws.com",
        "b.s3.amazonaws.com",
    ] {
        let name = absolute(text);
        let asked = Asked {
            name: &name,
            text,
            kind: RecordType::A,
        };
        assert_eq!(hosts.lookup("vpc-a", &asked), None, "{text}");
    }
}

#[test]
fn an_address_that_another_has_by_now_stays_his() {
    let table = table();
    let of = |id: &str, private: [u8; 4]| InterfaceNetwork {
        interface_id: id.to_owned(),
        vpc_id: "vpc-a".to_owned(),
        private_ipv4: private.into(),
        security_groups: Vec::new(),
        public_ipv4: Some([198, 19, 0, 5].into()),
        is_logged: false,
    };
    let name = "ip-10-0-0-5.ec2.internal";
    let public = "ec2-198-19-0-5.compute-1.amazonaws.com";
    let ask = |name| say(&table, "vpc-a", name, RecordType::A);
    table
        .write()
        .apply(NetworkChange::Interface(of("eni-new", [10, 0, 0, 5])));
    let gone = NetworkChange::InterfaceGone {
        vpc_id: "vpc-a".into(),
        interface_id: "eni-a5".into(),
    };
    table.write().apply(gone);
    assert_eq!(
        (ask(name).as_str(), ask(public).as_str()),
        ("10.0.0.5", "10.0.0.5")
    );
    table
        .write()
        .apply(NetworkChange::Interface(of("eni-new", [10, 0, 0, 50])));
    assert_eq!(ask(name), "NXDOMAIN ec2.internal.");
    assert_eq!(ask(public), "10.0.0.50");
    table.write().apply(NetworkChange::VpcGone("vpc-a".into()));
    assert_eq!(ask(name), "");
}
