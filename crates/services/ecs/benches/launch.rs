//! Tasks placed durably, per second: `ecs::launch` on the embedded store, and the memory that
//! 100,000 of them take.
//!
//! `cargo bench -p neargate-ecs --bench launch [-- instances tasks]`

use neargate_api_ecs as api;
use neargate_base::time::{Stopwatch, SystemClock};
use neargate_base::{Clock, task};
use neargate_domain::{LaunchType, NodeKind, Resources};
use neargate_ecs::Ecs;
use neargate_ecs::fleet::{self, ClusterId};
use neargate_ecs::instances::{self, Registration, Versions};
use neargate_ecs::launch::{Capacity, Instances, Launch, launch};
use neargate_ecs::model::Cluster;
use neargate_ecs::plan::placement::Strategy;
use neargate_service::{Component, House, Scope};
use neargate_store::embedded::EmbeddedStore;
use neargate_testkit as testkit;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CALLERS: usize = 8;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let runs = match numbers[..] {
        [instances, tasks] => vec![(instances, tasks)],
        _ => vec![(1_000, 100_000), (10_000, 20_000)],
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for (instances, tasks) in runs {
        runtime.block_on(run(instances, tasks));
    }
}

async fn run(instances: usize, tasks: usize) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = EmbeddedStore::open(&scratch.path().join("state.redb"), clock.clone());
    let store = store.expect("a store");
    let house = testkit::house(scratch.path(), store, clock, 1, testkit::settings());
    let (scope, rng) = (testkit::scope(), house.rng.clone());
    let ecs = Arc::new(Ecs::default());
    let (nodes, db) = (ecs.nodes.clone(), house.db.clone());
    let following = fleet::follow(ecs.fleet.clone(), nodes, db, rng);
    let following = task::spawn("fleet", following);
    let launch_of = prepare(&house, &ecs, &scope, instances).await;
    let before = resident_mib();

    let left = Arc::new(AtomicUsize::new(tasks));
    let started = Stopwatch::start();
    let callers = (0..CALLERS).map(|_| {
        let (ecs, house, left) = (ecs.clone(), house.clone(), left.clone());
        let what = launch_of.clone();
        task::spawn("caller", async move {
            let take = |n: usize| Some(n.saturating_sub(what.batch())).filter(|_| n > 0);
            while let Ok(n) = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
                let count = n.min(what.batch());
                let mut placed = 0;
                while placed < count {
                    let done = launch(&ecs, &house, &what, count - placed, &|tx, _| tx).await;
                    let done = done.expect("launched");
                    placed += done.map_or(0, |l| l.tasks.len());
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("a caller ends well");
    }
    let seconds = started.elapsed().as_secs_f64();
    ecs.fleet.current(&house.db).await.expect("current");
    let cluster = ClusterId::new(&scope, "default");
    assert_eq!(ecs.fleet.of_cluster(&cluster).len(), tasks);
    println!(
        "{instances} instances: {tasks} tasks in {seconds:.2} s, {:.0} durable placements/s; \
         resident {before} MiB before, {} MiB after",
        tasks as f64 / seconds,
        resident_mib()
    );
    following.abort();
}

/// A cluster of `instances` connected container instances, and what is started there.
async fn prepare(house: &Arc<House>, ecs: &Arc<Ecs>, scope: &Scope, instances: usize) -> Launch {
    for n in 0..instances {
        let id = format!("i-{n:017x}");
        let zone = ["us-east-1a", "us-east-1b", "us-east-1c"][n % 3].to_owned();
        let registration = Registration {
            scope: scope.clone(),
            cluster: "default".into(),
            node: Some(id.clone()),
            ec2_instance_id: id.clone(),
            launch_type: LaunchType::Ec2,
            resources: Resources {
                cpu_units: 65_536,
                memory_mib: 262_144,
                eni_slots: 3,
                ..Resources::default()
            },
            attributes: BTreeMap::from([
                ("ecs.availability-zone".to_owned(), Some(zone)),
                (
                    "com.amazonaws.ecs.capability.docker-remote-api.1.18".to_owned(),
                    None,
                ),
            ]),
            versions: Versions::of_neargate("1.0.0"),
            tags: Default::default(),
            capacity_provider: None,
        };
        let done = instances::register(house, registration).await;
        done.expect("registered");
        ecs.nodes.connect(&id, NodeKind::Ec2);
    }
    ecs.fleet.current(&house.db).await.expect("current");
    let cluster = house.db.get::<Cluster>(scope, "default").await;
    Launch {
        scope: scope.clone(),
        cluster: cluster.expect("read").expect("made by the registration"),
        definition: Arc::new(definition(house, ecs, scope).await),
        overrides: api::TaskOverride::default(),
        cpu_units: None,
        memory_mib: None,
        capacity: Capacity::Instances(Instances {
            strategies: Strategy::service_default(),
            ..Instances::default()
        }),
        network: None,
        group: "service:bench".into(),
        started_by: None,
        platform_version: None,
        enable_execute_command: false,
        blocking_logs: false,
        tags: Default::default(),
        service: None,
        target_groups: Vec::new(),
        volumes: Vec::new(),
        registries: Vec::new(),
        connect: None,
    }
}

async fn definition(house: &Arc<House>, ecs: &Arc<Ecs>, scope: &Scope) -> api::TaskDefinition {
    let input = api::RegisterTaskDefinitionInput {
        family: "bench".into(),
        container_definitions: vec![api::ContainerDefinition {
            name: Some("app".into()),
            image: Some("app".into()),
            cpu: Some(64),
            memory: Some(64),
            ..Default::default()
        }],
        ..Default::default()
    };
    let table = ecs.clone().table();
    let cx = testkit::cx(house, scope);
    let output = testkit::call(&*table, cx, api::ops::RegisterTaskDefinition, input).await;
    let output = output.expect("registered");
    output.task_definition.expect("described")
}

/// The memory that this process holds.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
