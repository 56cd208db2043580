//! Security groups: who reaches whom, and what becomes of flows when rules change.

use super::place::*;
use super::vpc::*;
use crate::net::{Network, NetworkError};
use neargate_domain::vpc_network::*;
use std::net::Ipv4Addr;

const WEB: Traffic = Traffic::Tcp(80, 80);

/// The default VPC with groups: `sg-1` as AWS makes a default group, `sg-web` takes port 80 from
/// `sg-app`, `sg-lan` anything from the second subnet, `sg-mute` may send nothing.
fn vpc() -> VpcNetwork {
    VpcNetwork {
        groups: vec![
            group("sg-1", vec![(Traffic::Any, members("sg-1"))], everybody()),
            group("sg-web", vec![(WEB, members("sg-app"))], everybody()),
            group("sg-app", vec![], everybody()),
            group(
                "sg-lan",
                vec![(Traffic::Any, range("172.31.16.0/20"))],
                everybody(),
            ),
            group("sg-mute", everybody(), vec![]),
        ],
        ..open()
    }
}

async fn lab(dir: &std::path::Path) -> Lab {
    let network = Network::start(config(dir)).await.unwrap();
    network.apply([told(vpc())]).await.unwrap();
    Lab::of(network)
}

#[test]
fn who_reaches_whom_by_groups() {
    isolated(|dir| async move {
        let mut lab = lab(dir.path()).await;
        for (name, n, groups) in [
            ("one", 4, &["sg-1"][..]),
            ("two", 5, &["sg-1"]),
            ("web", 6, &["sg-web"]),
            ("app", 7, &["sg-app"]),
            ("both", 8, &["sg-app", "sg-1"]),
            ("lan", 9, &["sg-lan"]),
            ("mute", 10, &["sg-mute"]),
            ("none", 11, &[]),
            ("unknown", 12, &["sg-gone"]),
        ] {
            lab.task(name, in_groups(eni(0, n), groups)).await;
        }
        lab.task("far", in_groups(eni(16, 4), &["sg-app"])).await;
        let expected = [
            ("one", "two"),
            ("one", "both"),
            ("two", "one"),
            ("two", "both"),
            ("both", "one"),
            ("both", "two"),
            ("app", "web"),
            ("both", "web"),
            ("far", "web"),
            ("far", "lan"),
            ("one", "mute"),
            ("two", "mute"),
            ("web", "mute"),
            ("app", "mute"),
            ("both", "mute"),
            ("lan", "mute"),
            ("far", "mute"),
        ];
        let names = [
            "one", "two", "web", "app", "both", "lan", "mute", "none", "unknown", "far",
        ];
        let pairs = names
            .into_iter()
            .flat_map(|from| names.map(|to| (from, to)));
        let asked = pairs
            .filter(|(from, to)| from != to)
            .map(async |(from, to)| {
                let wanted = expected.contains(&(from, to));
                assert_eq!(lab.reaches(from, to).await, wanted, "{from} to {to}");
            });
        futures_util::future::join_all(asked).await;
        // The host is a member of the default group.
        for (to, reached) in [
            ("one", true),
            ("both", true),
            ("mute", true),
            ("web", false),
            ("none", false),
        ] {
            let seen = ask(None, (lab.address(to), 80)).await;
            assert_eq!(seen, reached.then_some(HOST), "host to {to}");
        }
        lab.end().await;
    });
}

#[test]
fn ports_and_protocols() {
    isolated(|dir| async move {
        let mut lab = lab(dir.path()).await;
        let mut told_of = vpc();
        told_of.groups.push(group(
            "sg-ports",
            vec![
                (Traffic::Tcp(80, 81), range("172.31.0.4/32")),
                (Traffic::Udp(9, 9), range("172.31.0.0/16")),
                (Traffic::Icmp(Some(8), None), range("0.0.0.0/0")),
            ],
            everybody(),
        ));
        lab.tell([told(told_of)]).await;
        lab.task("client", in_groups(eni(0, 4), &["sg-app"])).await;
        lab.task("other", in_groups(eni(0, 5), &["sg-app"])).await;
        lab.task("server", in_groups(eni(0, 6), &["sg-ports"]))
            .await;
        let more: Vec<Server> = vec![
            Server::at(lab.path("server"), 81).await,
            Server::at(lab.path("server"), 82).await,
        ];
        let to = lab.address("server");
        let client = Some(lab.path("client"));
        for (port, reached) in [(80, true), (81, true), (82, false)] {
            assert_eq!(ask(client, (to, port)).await.is_some(), reached, "{port}");
        }
        assert!(!lab.reaches("other", "server").await);
        let taken = udp(lab.path("server"), (to, 9)).await;
        let refused = udp(lab.path("server"), (to, 10)).await;
        refused.set_nonblocking(true).unwrap();
        let from = udp(lab.path("other"), (lab.address("other"), 0)).await;
        from.send_to(b"refused", (to, 10)).unwrap();
        // Longer than any frame: it comes in fragments, which no rule for ports sees one by one.
        from.send_to(&[b'x'; 4000], (to, 9)).unwrap();
        let mut whole = [0; 5000];
        assert_eq!(taken.recv(&mut whole).unwrap(), 4000);
        assert!(refused.recv(&mut whole).is_err());
        drop(more);
        lab.end().await;
    });
}

#[test]
fn changes_hold_at_once_and_flows_that_were_let_through_go_on() {
    isolated(|dir| async move {
        let mut lab = lab(dir.path()).await;
        let (app, web) = (
            in_groups(eni(0, 4), &["sg-app"]),
            in_groups(eni(0, 5), &["sg-web"]),
        );
        lab.task("app", app.clone()).await;
        lab.task("web", web.clone()).await;
        let mut flow = lab.flow("app", "web").await.unwrap();
        // The rule is gone: what began before it went goes on, nothing new begins.
        let mut without = vpc();
        without.groups[1].ingress.clear();
        lab.tell([told(without)]).await;
        assert!(flow.goes_on() && !lab.reaches("app", "web").await);
        lab.tell([told(vpc())]).await;
        assert!(flow.goes_on() && lab.reaches("app", "web").await);
        // The member is gone from the group, and comes back.
        lab.tell([NetworkChange::Interface(member(&app, &["sg-1"]))])
            .await;
        assert!(flow.goes_on() && !lab.reaches("app", "web").await);
        lab.tell([NetworkChange::Interface(member(&app, &["sg-app"]))])
            .await;
        assert!(lab.reaches("app", "web").await);
        // The receiver changes its groups.
        lab.tell([NetworkChange::Interface(member(&web, &["sg-1"]))])
            .await;
        assert!(flow.goes_on() && !lab.reaches("app", "web").await);
        lab.tell([NetworkChange::Interface(member(&web, &["sg-1", "sg-web"]))])
            .await;
        assert!(lab.reaches("app", "web").await);
        // What the control plane takes back does not become what the assignment said.
        lab.tell([NetworkChange::InterfaceGone {
            vpc_id: "vpc-1".into(),
            interface_id: web.id.clone(),
        }])
        .await;
        assert!(flow.goes_on() && !lab.reaches("app", "web").await);
        lab.tell([NetworkChange::Snapshot {
            vpcs: vec![vpc()],
            interfaces: vec![member(&app, &["sg-app"]), member(&web, &["sg-web"])],
        }])
        .await;
        assert!(lab.reaches("app", "web").await);
        // While rules change and change, nothing of what they always allow is lost.
        for n in 0..50u16 {
            let mut more = vpc();
            more.groups[1].ingress.push(GroupRule {
                traffic: Traffic::Tcp(n, n),
                peer: range("10.0.0.0/8"),
            });
            lab.tell([told(more)]).await;
            assert!(flow.goes_on(), "{n}");
        }
        assert!(lab.reaches("app", "web").await);
        lab.end().await;
    });
}

#[test]
fn what_nobody_told_of_is_closed() {
    isolated(|dir| async move {
        let network = Network::start(config(dir.path())).await.unwrap();
        tokio::time::pause();
        let refused = network.attach("a", &eni(0, 4)).await.unwrap_err();
        tokio::time::resume();
        assert!(matches!(&refused, NetworkError::UnknownVpc { vpc_id, .. } if vpc_id == "vpc-1"));
        assert!(!network.netns_path("a").exists());
        // It waits for who is told of a little later.
        let attach = {
            let network = network.clone();
            neargate_base::task::spawn("attach", async move {
                network.attach("a", &in_groups(eni(0, 4), &["sg-1"])).await
            })
        };
        tokio::task::yield_now().await;
        network.apply([told(vpc())]).await.unwrap();
        attach.await.unwrap().unwrap();
        network.detach("a").await.unwrap();
        let mut lab = Lab::of(network);
        lab.task("a", in_groups(eni(0, 4), &["sg-1"])).await;
        lab.task("b", in_groups(eni(0, 5), &["sg-1"])).await;
        assert!(lab.reaches("a", "b").await);
        lab.tell([NetworkChange::VpcGone("vpc-1".into())]).await;
        assert!(!lab.reaches("a", "b").await);
        assert_eq!(ask(None, (lab.address("a"), 80)).await, None);
        lab.tell([told(vpc())]).await;
        assert!(lab.reaches("a", "b").await);
        lab.end().await;
    });
}

#[test]
fn a_restart_without_a_control_plane_keeps_the_rules() {
    isolated(|dir| async move {
        let mut lab = lab(dir.path()).await;
        let app = in_groups(eni(0, 4), &["sg-1"]);
        lab.task("app", app.clone()).await;
        lab.task("web", in_groups(eni(0, 5), &["sg-web"])).await;
        lab.task("old", in_groups(eni(0, 6), &["sg-1"])).await;
        lab.tell([NetworkChange::Interface(member(&app, &["sg-app"]))])
            .await;
        let mut flow = lab.flow("app", "web").await.unwrap();
        // As after a kill in the middle of a change: it may be done or not, and holds when it is told
        // again.
        {
            let mut without = vpc();
            without.groups[1].ingress.clear();
            let network = lab.network().clone();
            let change = neargate_base::task::spawn("change", async move {
                let _ = network.apply([told(without)]).await;
            });
            tokio::task::yield_now().await;
            change.abort();
            let _ = change.await;
        }
        lab.restart(config(dir.path())).await;
        assert!(flow.goes_on());
        lab.tell([told(vpc())]).await;
        assert!(lab.reaches("app", "web").await && !lab.reaches("old", "web").await);
        // An address that is given back takes its flows along.
        lab.network().detach("app").await.unwrap();
        lab.tell([NetworkChange::InterfaceGone {
            vpc_id: "vpc-1".into(),
            interface_id: app.id,
        }])
        .await;
        let mut next = in_groups(eni(0, 4), &["sg-1"]);
        next.id = "eni-next".into();
        let path = lab.network().attach("next", &next).await.unwrap();
        assert_eq!(
            ask(Some(&path), (Ipv4Addr::new(172, 31, 0, 5), 80)).await,
            None
        );
        lab.end().await;
    });
}
