//! Handing out addresses: never twice, never one that AWS keeps, none lost.
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked as tests for tests"
)]

use neargate_base::time::ManualClock;
use neargate_base::{AccountId, Clock, Region, Rng};
use neargate_blob::Blobs;
use neargate_domain::vpc::{DefaultVpc, Subnet};
use neargate_domain::{Assignment, DesiredState, LaunchType, NetworkInterface, TaskNetwork};
use neargate_service::certificate;
use neargate_service::eni::{self, Cursors, Interface, Wanted};
use neargate_service::events;
use neargate_service::identity::Seat;
use neargate_service::mail;
use neargate_service::metrics;
use neargate_service::outbound::Outbound;
use neargate_service::sealing::RootKey;
use neargate_service::session::Sessions;
use neargate_service::vpc::Subnet as StoredSubnet;
use neargate_service::{AwsError, Caller, Committed, Ctx, Db, House, Principal, Scope, Settings};
use neargate_store::Op;
use neargate_store::memory::MemoryStore;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn context(dir: &tempfile::TempDir, seed: u64) -> Ctx {
    with_blobs(Blobs::open(dir.path()).unwrap(), seed)
}

fn with_blobs(blobs: Arc<Blobs>, seed: u64) -> Ctx {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let rng = Arc::new(Rng::seeded(seed));
    let house = House {
        db: Db::new(MemoryStore::new(clock.clone())),
        clock,
        addresses: Cursors::new(&rng),
        rng,
        blobs,
        caller: Caller::default(),
        settings: Settings::new(
            "",
            Scope {
                account: AccountId::default(),
                region: Region::default(),
            },
        ),
        root_key: RootKey::new([7; 32]),
        identities: Seat::default(),
        metrics: metrics::Seat::default(),
        mail: mail::Seat::default(),
        events: events::Seat::default(),
        sessions: Sessions::default(),
        outbound: Outbound::default(),
        authority: certificate::Seat::default(),
    };
    let scope = Scope {
        account: AccountId::default(),
        region: Region::default(),
    };
    Ctx {
        request_id: String::new(),
        scope,
        principal: Principal::root(&AccountId::default(), ""),
        reached_at: None,
        house: Arc::new(house),
    }
}

fn vpc(cx: &Ctx) -> DefaultVpc {
    DefaultVpc::of(&cx.scope.account, &cx.scope.region)
}

fn wanted<'a>(subnet_id: &'a str, security_groups: &'a [String]) -> Wanted<'a> {
    Wanted {
        subnet_id,
        security_groups,
        public: false,
        owner: "arn",
        held: &[],
    }
}

/// As `RunTask` does: until nobody interferes.
async fn take(cx: &Ctx, subnet: usize) -> Result<NetworkInterface, AwsError> {
    let id = vpc(cx).subnets[subnet].id.clone();
    loop {
        let reserved = eni::reserve(&cx.house, &cx.scope, wanted(&id, &[])).await?;
        let tx = cx.db().tx().with(reserved.compares, reserved.ops);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(reserved.interface);
        }
    }
}

async fn give_back(cx: &Ctx, network: NetworkInterface) {
    let assignment = Assignment {
        task_id: String::new(),
        task_arn: String::new(),
        account: cx.scope.account.clone(),
        region: cx.scope.region.clone(),
        cluster: String::new(),
        family: String::new(),
        revision: 1,
        generation: 1,
        desired: DesiredState::Stopped,
        cpu_units: None,
        memory_mib: None,
        ephemeral_storage_gib: None,
        network: TaskNetwork::Awsvpc(network),
        launch_type: LaunchType::Fargate,
        container_instance_arn: None,
        task_role_arn: None,
        execution_role_arn: None,
        service_name: None,
        containers: vec![],
        volumes: Vec::new(),
        pid_mode: None,
        ipc_mode: None,
        proxy: None,
        fault_injection: false,
    };
    let tx = cx.db().tx().with(vec![], eni::release(&assignment));
    assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
}

fn elsewhere(cx: &Ctx) -> Ctx {
    let region = "eu-west-1".parse().unwrap();
    Ctx {
        scope: Scope {
            region,
            ..cx.scope.clone()
        },
        ..cx.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_never_share_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir, 1);
    let other = elsewhere(&cx);
    let tasks: Vec<_> = (0..600usize)
        .map(|n| {
            let cx = if n % 2 == 0 {
                cx.clone()
            } else {
                other.clone()
            };
            neargate_base::task::spawn("take", async move { take(&cx, n % 3).await.unwrap() })
        })
        .collect();
    let (mut addresses, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for task in tasks {
        let eni = task.await.unwrap();
        addresses.insert(eni.private_ipv4);
        ids.insert(eni.id);
    }
    assert_eq!((addresses.len(), ids.len()), (600, 600));
    assert_eq!(
        cx.db().list::<Interface>(&cx.scope).await.unwrap().len(),
        300
    );
}

#[tokio::test]
async fn a_full_subnet_says_so_and_goes_on_after_a_release() {
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir, 2);
    let subnet = vpc(&cx).subnets[0].clone();
    let taken: Vec<Op> = (1..Subnet::usable())
        .map(|n| Op::Put {
            key: format!("ec2/address/{}", subnet.address(n)),
            value: "eni-0".into(),
            lease: None,
        })
        .collect();
    for ops in taken.chunks(100) {
        let tx = cx.db().tx().with(vec![], ops.to_vec());
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
    }
    let last = take(&cx, 0).await.unwrap();
    assert_eq!(last.private_ipv4, subnet.address(0), "the only one left");
    let full = take(&cx, 0).await.unwrap_err();
    assert_eq!(full.code, "InsufficientFreeAddressesInSubnet");
    take(&cx, 1).await.expect("the other subnets are free");
    give_back(&cx, last.clone()).await;
    assert_eq!(take(&cx, 0).await.unwrap().private_ipv4, last.private_ipv4);
}

#[tokio::test]
async fn a_released_address_is_not_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir, 3);
    let mut recent = Vec::new();
    for _ in 0..1000 {
        let eni = take(&cx, 0).await.unwrap();
        assert!(!recent.contains(&eni.private_ipv4));
        recent.push(eni.private_ipv4);
        give_back(&cx, eni).await;
    }
    assert_eq!(cx.db().list::<Interface>(&cx.scope).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_does_not_exist_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir, 4);
    let subnet = &vpc(&cx).subnets[0].id;
    for (subnet, group, code) in [
        ("subnet-1", None, "InvalidSubnetID.NotFound"),
        (
            subnet.as_str(),
            Some("sg-1".to_owned()),
            "InvalidGroup.NotFound",
        ),
    ] {
        let groups: Vec<String> = group.into_iter().collect();
        let e = eni::reserve(&cx.house, &cx.scope, wanted(subnet, &groups))
            .await
            .unwrap_err();
        assert_eq!(AwsError::from(e).code, code);
    }
    let foreign = eni::reserve(&cx.house, &elsewhere(&cx).scope, wanted(subnet, &[]))
        .await
        .unwrap_err();
    assert_eq!(AwsError::from(foreign).code, "InvalidSubnetID.NotFound");
}

#[tokio::test]
async fn a_public_address_is_given_out_once_and_goes_back_with_its_interface() {
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir, 5);
    let subnet = vpc(&cx).subnets[0].id.clone();
    let public = Wanted {
        public: true,
        ..wanted(&subnet, &[])
    };
    let mut held = Vec::new();
    for _ in 0..50 {
        let reserved = eni::reserve(&cx.house, &cx.scope, public).await.unwrap();
        let tx = cx.db().tx().with(reserved.compares, reserved.ops);
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
        held.push(reserved.interface);
    }
    let pool = cx.house.settings.public_pool;
    let addresses: BTreeSet<_> = held.iter().filter_map(|i| i.public_ipv4).collect();
    assert_eq!(addresses.len(), 50);
    assert!(addresses.iter().all(|a| pool.contains(*a)));
    for interface in held {
        give_back(&cx, interface).await;
    }
    let left = cx.db().store().range("ec2/public-address/", None, 10, None);
    assert!(left.await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn what_changed_meanwhile_is_not_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let cx = context(&dir, 6);
    let subnet = vpc(&cx).subnets[0].id.clone();
    let reserved = eni::reserve(&cx.house, &cx.scope, wanted(&subnet, &[]))
        .await
        .unwrap();
    let key = neargate_service::db::key::<StoredSubnet>(&cx.scope, &subnet);
    let mark = |s: &mut StoredSubnet| {
        s.deleting = true;
        Ok(true)
    };
    let marked = cx.db().modify::<StoredSubnet, _>(&key, mark).await.unwrap();
    let tx = cx.db().tx().with(reserved.compares, reserved.ops);
    assert_eq!(tx.commit().await.unwrap(), Committed::Conflict);
    // The next one takes the mark away, and whoever marked it does not delete it unseen.
    let again = eni::reserve(&cx.house, &cx.scope, wanted(&subnet, &[])).await;
    let again = again.unwrap();
    let delete = cx.db().tx().delete(&marked.unwrap());
    assert_eq!(delete.commit().await.unwrap(), Committed::Conflict);
    let tx = cx.db().tx().with(again.compares, again.ops);
    assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
}

/// Whatever is taken and given back in whatever order, what is held is distinct and usable.
#[test]
fn held_addresses_are_distinct_and_usable() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let step = (0..3usize, any::<bool>(), any::<prop::sample::Index>());
    let few = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(few, |(seed in any::<u64>(), steps in prop::collection::vec(step, 1..80))| {
        runtime.block_on(async {
            let cx = with_blobs(blobs.clone(), seed);
            let mut held: Vec<NetworkInterface> = Vec::new();
            for (subnet, release, which) in steps {
                if release && !held.is_empty() {
                    let eni = held.swap_remove(which.index(held.len()));
                    give_back(&cx, eni).await;
                    continue;
                }
                let eni = take(&cx, subnet).await.unwrap();
                let base = u32::from(eni.gateway) - 1;
                let offset = u32::from(eni.private_ipv4) - base;
                assert!((4..=4094).contains(&offset), "{}", eni.private_ipv4);
                held.push(eni);
            }
            let distinct: BTreeSet<_> = held.iter().map(|e| e.private_ipv4).collect();
            assert_eq!(distinct.len(), held.len());
            let stored = cx.db().list::<Interface>(&cx.scope).await.unwrap();
            assert_eq!(stored.len(), held.len());
        });
    });
}
