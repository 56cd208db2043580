//! What the kernel counts for flow logs.

use super::place::*;
use super::vpc::*;
use crate::net::{FlowMeter, Network};
use neargate_base::Timestamp;
use neargate_domain::flow::{Flow, FlowReport};
use neargate_domain::vpc_network::*;

fn logged(of: &neargate_domain::NetworkInterface, groups: &[&str]) -> NetworkChange {
    NetworkChange::Interface(InterfaceNetwork {
        is_logged: true,
        ..member(of, groups)
    })
}

/// Of the only VPC: what went to or came from port 80 of `172.31.0.4`.
fn to_server(reports: &[FlowReport]) -> Vec<&Flow> {
    let [report] = reports else {
        panic!("one VPC: {reports:?}");
    };
    assert!(report.is_complete);
    let flows = report.flows.iter();
    flows.filter(|f| f.between.destination_port == 80).collect()
}

#[test]
fn flows_are_counted_where_they_pass_and_where_they_are_refused() {
    isolated(|dir| async move {
        let network = Network::start(config(dir.path())).await.unwrap();
        let web = group(
            "sg-web",
            vec![(Traffic::Tcp(80, 80), members("sg-in"))],
            everybody(),
        );
        let others = ["sg-in", "sg-out"].map(|id| group(id, everybody(), everybody()));
        let vpc = |is_logged| {
            let groups = [vec![web.clone()], others.to_vec()].concat();
            told(VpcNetwork {
                groups,
                is_logged,
                ..open()
            })
        };
        network.apply([vpc(false)]).await.unwrap();
        let mut lab = Lab::of(network);
        let (server, friend, stranger) = (eni(0, 4), eni(0, 5), eni(16, 6));
        lab.tell([
            NetworkChange::Interface(member(&server, &["sg-web"])),
            NetworkChange::Interface(member(&friend, &["sg-in"])),
            NetworkChange::Interface(member(&stranger, &["sg-out"])),
        ])
        .await;
        for (name, at) in [
            ("server", &server),
            ("friend", &friend),
            ("stranger", &stranger),
        ] {
            lab.task(name, at.clone()).await;
        }
        let mut meter = FlowMeter::default();
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert!(lab.reaches("friend", "server").await);
        assert_eq!(meter.look(lab.network(), now).await, [], "nobody wants it");

        lab.tell([
            vpc(true),
            logged(&server, &["sg-web"]),
            logged(&friend, &["sg-in"]),
        ])
        .await;
        assert!(lab.reaches("friend", "server").await);
        assert!(!lab.reaches("stranger", "server").await);
        let reports = meter.look(lab.network(), now).await;
        let mut flows = to_server(&reports);
        flows.sort_by_key(|f| (f.interface(), f.is_accepted));
        let told = |f: &&Flow| (f.interface(), f.between.source, f.is_ingress, f.is_accepted);
        let (a, b, c) = (
            server.private_ipv4,
            friend.private_ipv4,
            stranger.private_ipv4,
        );
        let seen: Vec<_> = flows.iter().map(told).collect();
        assert_eq!(
            seen,
            [(a, c, true, false), (a, b, true, true), (b, b, false, true)],
            "the stranger's own interface has no log"
        );
        let [refused, taken, sent] = flows[..] else {
            panic!("three: {flows:?}");
        };
        assert_eq!(refused.tcp_flags, 2, "a SYN");
        assert!(refused.packets >= 1 && refused.bytes >= 40);
        assert_eq!(taken.tcp_flags & 3, 3, "it began and ended");
        assert!(taken.packets > 2 && taken.bytes > 100);
        assert_eq!((taken.packets, taken.bytes), (sent.packets, sent.bytes));
        assert!(taken.last_at <= now && taken.first_at <= taken.last_at);

        // What is told once is not told again.
        let later = now.shift(10_000);
        assert_eq!(
            to_server(&meter.look(lab.network(), later).await),
            Vec::<&Flow>::new()
        );
        // A task that is gone has its flows told all the same.
        assert!(lab.reaches("friend", "server").await);
        lab.network().detach("friend").await.unwrap();
        let reports = meter.look(lab.network(), later).await;
        assert_eq!(reports[0].interfaces, [a]);
        assert_eq!(to_server(&reports).len(), 2);

        lab.tell([vpc(false)]).await;
        assert_eq!(meter.look(lab.network(), later).await, []);
        lab.end().await;
    });
}
