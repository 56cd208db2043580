//! What is told without `nft` is what `nft` would have told.

use super::place::{isolated, open};
use super::vpc::{everybody, group, members};
use crate::net::table::Tables;
use crate::net::vpc::rules;
use crate::net::vpc::view::{Member, Port, View};
use crate::net::{firewall, generation};
use neargate_domain::vpc_network::{Traffic, VpcNetwork};
use std::net::Ipv4Addr;
use std::sync::Arc;

fn with(count: u8) -> View {
    let port = |n: u8| Port {
        veth: format!("ngv{n}"),
        mac: format!("02:00:00:00:00:{n:02x}"),
        address: Ipv4Addr::new(172, 31, 0, n),
        gateway: Ipv4Addr::new(172, 31, 0, 1),
        groups: [format!("sg-{}", n % 2)].into(),
        public: (n.is_multiple_of(2)).then(|| Ipv4Addr::new(198, 19, 0, n)),
        is_instance: n.is_multiple_of(3),
        is_logged: n.is_multiple_of(4),
    };
    let ports: Vec<Port> = (4..4 + count).map(port).collect();
    let ingress = || vec![(Traffic::Any, members("sg-0"))];
    let groups = ["sg-0", "sg-1"].map(|id| group(id, ingress(), everybody()));
    View {
        vpc: Some(Arc::new(VpcNetwork {
            groups: groups.to_vec(),
            is_logged: true,
            ..open()
        })),
        members: ports
            .iter()
            .map(|port| Member {
                address: port.address,
                groups: port.groups.iter().cloned().collect(),
            })
            .collect(),
        ports,
        ..View::default()
    }
}

fn listed() -> Vec<String> {
    let text = firewall::nft(&["-nn", "list", "ruleset"], "").unwrap();
    // Elements and chains may come in another order.
    let words = text.replace("elements = {", "").replace(['}', ','], "\n");
    let mut words: Vec<String> = words.lines().map(|l| l.trim().to_owned()).collect();
    words.retain(|word| !word.is_empty());
    words.sort();
    words
}

fn whole(tables: &Tables) -> Vec<String> {
    firewall::run(&tables.whole(&rules::TABLES)).unwrap();
    listed()
}

#[test]
fn interfaces_come_and_go_without_nft() {
    isolated(|_| async {
        let counts = [0_u8, 1, 2, 9, 3, 0];
        let texts = counts.map(|count| whole(&rules::plan(&with(count))));
        whole(&rules::plan(&with(0)));
        for step in 1..counts.len() {
            let [before, after] = [step - 1, step].map(|at| rules::plan(&with(counts[at])));
            let now = generation::now().unwrap();
            let batch = || after.batch_since(&before).unwrap();
            let late = batch().send(now.wrapping_sub(1)).unwrap_err();
            assert_eq!(late.raw_os_error(), Some(libc::ERESTART));
            assert_eq!(listed(), texts[step - 1]);
            let next = batch().send(now).unwrap();
            assert_eq!(next, generation::now().unwrap());
            assert_eq!(listed(), texts[step]);
        }
    });
}

#[test]
fn what_a_batch_cannot_do_is_not_done() {
    isolated(|_| async {
        let (before, after) = (rules::plan(&with(1)), rules::plan(&with(2)));
        let texts = whole(&before);
        firewall::run("delete element inet neargate here { 172.31.0.4 }\n").unwrap();
        let now = generation::now().unwrap();
        let back = before.batch_since(&after).unwrap().send(now).unwrap_err();
        assert_eq!(back.raw_os_error(), Some(libc::ENOENT));
        firewall::run("add element inet neargate here { 172.31.0.4 }\n").unwrap();
        assert_eq!(listed(), texts, "all or nothing");
    });
}

#[test]
fn what_only_nft_can_say_is_left_to_it() {
    let plain = rules::plan(&with(1));
    assert!(plain.batch_since(&plain).is_none(), "nothing changes");
    let mut others = with(1);
    others.vpc = Some(Arc::new(VpcNetwork {
        groups: vec![group(
            "sg-0",
            vec![(Traffic::Tcp(1, 9), members("sg-9"))],
            vec![],
        )],
        ..open()
    }));
    assert!(rules::plan(&others).batch_since(&plain).is_none());
}
