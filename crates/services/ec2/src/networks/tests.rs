//! What hosts are told, from records as handlers write them.

use super::Networks;
use neargate_domain::vpc::DefaultVpc;
use neargate_domain::vpc_network::{
    GroupPeer, NetworkChange, Route, Target, Traffic, VpcDns, VpcNetwork,
};
use neargate_domain::{Cidr, NetworkInterface};
use neargate_service::vpc::{
    ManagedPrefixList, PeeringConnection, PeeringSide, PeeringState, RouteTable, RouteTarget,
    RulePeer, SecurityGroup, SecurityGroupRule, StoredRoute, Subnet, Vpc, ensure_default,
};
use neargate_service::{Committed, Scope, Tx, db, eni};
use neargate_testkit::Lab;
use std::sync::Arc;
use tokio::sync::mpsc;

struct Host {
    lab: Lab,
    networks: Arc<Networks>,
    changes: mpsc::Receiver<NetworkChange>,
    following: tokio::task::JoinHandle<()>,
    vpc: DefaultVpc,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Host {
    /// One that has heard the first snapshot, in which there was nothing.
    async fn new() -> Host {
        let lab = Lab::seeded(3);
        let networks = Arc::new(Networks::default());
        let follow = networks.clone().follow(lab.house.clone());
        let following = neargate_base::task::spawn("networks", follow);
        let mut changes = networks.subscribe().await;
        let nothing = NetworkChange::Snapshot {
            vpcs: Vec::new(),
            interfaces: Vec::new(),
        };
        assert_eq!(changes.recv().await.expect("a snapshot"), nothing);
        let vpc = DefaultVpc::of(&lab.scope.account, &lab.scope.region);
        Host {
            lab,
            networks,
            changes,
            following,
            vpc,
        }
    }

    async fn next(&mut self) -> NetworkChange {
        self.changes.recv().await.expect("a change")
    }

    async fn commit(&self, tx: Tx) {
        assert!(matches!(
            tx.commit().await.expect("stored"),
            Committed::At(_)
        ));
    }

    fn key<T: neargate_service::Resource>(&self, id: &str) -> String {
        db::key::<T>(&self.lab.scope, id)
    }

    async fn interface(&self) -> NetworkInterface {
        let wanted = eni::Wanted {
            subnet_id: &self.vpc.subnets[0].id,
            security_groups: &[],
            public: true,
            owner: "arn:aws:ecs:task",
            held: &[],
        };
        let reserved = eni::reserve(&self.lab.house, &self.lab.scope, wanted).await;
        let reserved = reserved.expect("reserved");
        let tx = self.lab.house.db.tx();
        self.commit(tx.with(reserved.compares, reserved.ops)).await;
        reserved.interface
    }
}

#[tokio::test]
async fn a_default_vpc_lets_its_group_in_and_everybody_out() {
    let mut host = Host::new().await;
    ensure_default(&host.lab.house, &host.lab.scope)
        .await
        .expect("stored");
    let NetworkChange::Vpc(vpc) = host.next().await else {
        panic!("a VPC comes first");
    };
    assert!(vpc.is_default && vpc.vpc_id == host.vpc.vpc_id);
    assert_eq!(vpc.ranges, ["172.31.0.0/16".parse().expect("a range")]);
    assert_eq!(vpc.subnets.len(), 3);
    assert_eq!(vpc.dns, VpcDns::default());
    assert_eq!(vpc.resolver(), Some([172, 31, 0, 2].into()));
    let out = Route {
        to: Cidr::ANY,
        by: Target::InternetGateway,
    };
    for subnet in &vpc.subnets {
        assert_eq!((&subnet.routes, &subnet.acl), (&vec![out.clone()], &None));
    }
    let [group] = &vpc.groups[..] else {
        panic!("one group: {:?}", vpc.groups);
    };
    assert_eq!(group.group_id, vpc.default_group);
    let peers = |rules: &[neargate_domain::vpc_network::GroupRule]| -> Vec<_> {
        rules.iter().map(|r| (r.traffic, r.peer.clone())).collect()
    };
    let itself = GroupPeer::Group(group.group_id.clone());
    assert_eq!(peers(&group.ingress), [(Traffic::Any, itself)]);
    let anywhere = GroupPeer::Range(Cidr::ANY);
    assert_eq!(peers(&group.egress), [(Traffic::Any, anywhere)]);
}

#[tokio::test]
async fn interfaces_come_and_go_and_a_change_of_nothing_is_not_told() {
    let mut host = Host::new().await;
    ensure_default(&host.lab.house, &host.lab.scope)
        .await
        .expect("stored");
    assert!(matches!(host.next().await, NetworkChange::Vpc(_)));
    let made = host.interface().await;
    let NetworkChange::Interface(told) = host.next().await else {
        panic!("an interface");
    };
    assert_eq!(told.private_ipv4, made.private_ipv4);
    assert_eq!(told.public_ipv4, made.public_ipv4);
    assert!(told.public_ipv4.is_some());

    // What does not concern hosts.
    let key = host.key::<Subnet>(&host.vpc.subnets[1].id);
    let change = |s: &mut Subnet| {
        s.map_public_ip_on_launch = false;
        Ok(true)
    };
    let db = host.lab.house.db.clone();
    db.modify::<Subnet, _>(&key, change).await.expect("stored");

    let rule = SecurityGroupRule {
        is_egress: false,
        protocol: "tcp".into(),
        from_port: 80,
        to_port: 81,
        peer: RulePeer::Ipv4("10.0.0.0/8".parse().expect("a range")),
        description: None,
    };
    let key = host.key::<SecurityGroup>(&host.vpc.security_group_id);
    let change = |g: &mut SecurityGroup| {
        g.rules.insert("sgr-1".into(), rule.clone());
        Ok(true)
    };
    db.modify::<SecurityGroup, _>(&key, change)
        .await
        .expect("stored");
    let NetworkChange::Vpc(vpc) = host.next().await else {
        panic!("the group's VPC");
    };
    assert_eq!(vpc.groups[0].ingress[0].traffic, Traffic::Tcp(80, 81));

    let ops = eni::release_interface(&host.lab.scope, &made);
    host.commit(db.tx().with(Vec::new(), ops)).await;
    let gone = NetworkChange::InterfaceGone {
        vpc_id: made.vpc_id.clone(),
        interface_id: made.id.clone(),
    };
    assert_eq!(host.next().await, gone);
}

#[tokio::test]
async fn a_rule_that_names_a_prefix_list_is_about_its_ranges() {
    let mut host = Host::new().await;
    ensure_default(&host.lab.house, &host.lab.scope)
        .await
        .expect("stored");
    assert!(matches!(host.next().await, NetworkChange::Vpc(_)));
    let mut list = ManagedPrefixList {
        name: "offices".into(),
        address_family: "IPv4".into(),
        max_entries: 2,
        version: 1,
        entries: [("192.0.2.0/24".to_owned(), None)].into(),
        client_token: None,
        created_at: host.lab.house.now(),
    };
    let db = host.lab.house.db.clone();
    let list_key = host.key::<ManagedPrefixList>("pl-1");
    host.commit(db.tx().put(list_key.clone(), &list)).await;
    let change = |g: &mut SecurityGroup| {
        let rule = SecurityGroupRule {
            is_egress: false,
            protocol: "-1".into(),
            from_port: -1,
            to_port: -1,
            peer: RulePeer::PrefixList("pl-1".into()),
            description: None,
        };
        g.rules = [("sgr-1".to_owned(), rule)].into();
        Ok(true)
    };
    let key = host.key::<SecurityGroup>(&host.vpc.security_group_id);
    db.modify::<SecurityGroup, _>(&key, change)
        .await
        .expect("stored");
    let told = |change: NetworkChange| -> Vec<GroupPeer> {
        let NetworkChange::Vpc(vpc) = change else {
            panic!("the group's VPC");
        };
        vpc.groups[0]
            .ingress
            .iter()
            .map(|r| r.peer.clone())
            .collect()
    };
    let range = |text: &str| GroupPeer::Range(text.parse().expect("a range"));
    assert_eq!(told(host.next().await), [range("192.0.2.0/24")]);
    // A change of the list is a change of the groups that name it.
    list.entries.insert("198.51.100.0/24".into(), None);
    host.commit(db.tx().put(list_key, &list)).await;
    let both = [range("192.0.2.0/24"), range("198.51.100.0/24")];
    assert_eq!(told(host.next().await), both);
}

#[tokio::test]
async fn both_vpcs_are_told_of_their_peering_while_it_is_active() {
    let mut host = Host::new().await;
    ensure_default(&host.lab.house, &host.lab.scope)
        .await
        .expect("stored");
    let NetworkChange::Vpc(first) = host.next().await else {
        panic!("a VPC comes first");
    };
    let stored = host.lab.house.db.get::<Vpc>(&host.lab.scope, &first.vpc_id);
    let mut far = stored.await.expect("read").expect("a VPC").value;
    far.range = "10.1.0.0/16".parse().expect("a range");
    let elsewhere = Scope {
        account: "111111111111".parse().expect("an account"),
        region: "eu-west-1".parse().expect("a region"),
    };
    let tx = host.lab.house.db.tx();
    let far_key = db::key::<Vpc>(&elsewhere, "vpc-far");
    host.commit(tx.put(far_key, &far)).await;
    assert!(matches!(host.next().await, NetworkChange::Vpc(far) if far.peers.is_empty()));
    let to = "10.1.0.0/16".parse().expect("a range");
    let key = host.key::<RouteTable>(&host.vpc.route_table_id);
    let change = |table: &mut RouteTable| {
        let by = RouteTarget::PeeringConnection("pcx-1".into());
        table.routes.push(StoredRoute { to, by });
        Ok(true)
    };
    let db = host.lab.house.db.clone();
    db.modify::<RouteTable, _>(&key, change)
        .await
        .expect("stored");
    let leads = |vpc: &VpcNetwork| {
        let mut routes = vpc.subnets[0].routes.iter();
        routes.find(|r| r.to == to).map(|r| r.by.clone())
    };
    let NetworkChange::Vpc(routed) = host.next().await else {
        panic!("the table's VPC");
    };
    assert_eq!(leads(&routed), Some(Target::Blackhole));
    let side = |scope: &Scope, vpc_id: &str| PeeringSide {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        vpc_id: vpc_id.into(),
        ranges: Vec::new(),
        allow_dns_resolution: false,
    };
    let mut peering = PeeringConnection {
        requester: side(&host.lab.scope, &first.vpc_id),
        accepter: side(&elsewhere, "vpc-far"),
        state: PeeringState::Active,
        created_at: host.lab.house.now(),
        ended_at: None,
    };
    let by_peer = Target::Peering {
        vpc_id: "vpc-far".into(),
    };
    let (active, ended) = (PeeringState::Active, PeeringState::Deleted);
    for (state, target) in [(active, by_peer), (ended, Target::Blackhole)] {
        peering.state = state;
        let key = host.key::<PeeringConnection>("pcx-1");
        host.commit(db.tx().put(key, &peering)).await;
        for _ in 0..2 {
            let NetworkChange::Vpc(vpc) = host.next().await else {
                panic!("a VPC at either end");
            };
            assert_eq!(vpc.peers.len(), usize::from(state == active));
            if vpc.vpc_id == first.vpc_id {
                assert_eq!(leads(&vpc), Some(target.clone()));
            }
        }
    }
}

#[tokio::test]
async fn who_comes_later_hears_everything_and_a_reset_takes_it_back() {
    let mut host = Host::new().await;
    ensure_default(&host.lab.house, &host.lab.scope)
        .await
        .expect("stored");
    let made = host.interface().await;
    assert!(matches!(host.next().await, NetworkChange::Vpc(_)));
    assert!(matches!(host.next().await, NetworkChange::Interface(_)));
    let mut later = host.networks.subscribe().await;
    let Some(NetworkChange::Snapshot { vpcs, interfaces }) = later.recv().await else {
        panic!("a snapshot");
    };
    assert_eq!(
        (vpcs.len(), interfaces[0].private_ipv4),
        (1, made.private_ipv4)
    );

    host.lab.house.db.store().wipe().await.expect("wiped");
    assert!(matches!(
        host.next().await,
        NetworkChange::InterfaceGone { .. }
    ));
    let gone = NetworkChange::VpcGone(host.vpc.vpc_id.clone());
    assert_eq!(host.next().await, gone);
}
