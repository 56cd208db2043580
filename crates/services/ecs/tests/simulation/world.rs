//! One control plane without a gateway, and the calls the scenarios make.

use crate::clock::SimulatedClock;
use crate::durable::Durable;
use crate::invariants::Invariants;
use crate::nodes::Nodes;
use neargate_api_ecs::{self as api, ops};
use neargate_base::time::WatchedClock;
use neargate_base::{Clock, task};
use neargate_ecs::fleet::{self, Counts, ServiceId};
use neargate_ecs::model::Service;
use neargate_ecs::{Deletion, Deregistration, Ecs, Expire, Scheduler, lost};
use neargate_service::controller::{self, Controller};
use neargate_service::{AwsError, Component, House, Scope};
use neargate_testkit as testkit;
use neargate_wire::structure::{OperationDef, Structure, from_value};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

pub const CLUSTER: &str = "fleet";

/// The world of one run.
pub struct World {
    pub house: Arc<House>,
    pub ecs: Arc<Ecs>,
    pub scope: Scope,
    pub nodes: Arc<Nodes>,
    pub invariants: Arc<Invariants>,
    pub wall: Arc<SimulatedClock>,
    table: Arc<dyn neargate_service::Service>,
    running: Vec<JoinHandle<()>>,
    _scratch: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    /// `count` nodes in three zones, each registered as a container instance.
    pub async fn new(seed: u64, count: usize) -> World {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let wall = Arc::new(SimulatedClock::start());
        let clock: Arc<dyn Clock> = Arc::new(WatchedClock::over(wall.clone()));
        let store = Durable::open(scratch.path(), wall.clone());
        let house = testkit::house(scratch.path(), store, clock, seed, testkit::settings());
        let scope = testkit::scope();
        let ecs = Arc::new(Ecs::default());
        let nodes = Arc::new(Nodes::new(house.clone(), ecs.clone(), seed));
        let invariants = Arc::new(Invariants::new(seed));
        let mut world = World {
            table: ecs.clone().table(),
            running: Vec::new(),
            house,
            ecs,
            scope,
            nodes,
            invariants,
            wall,
            _scratch: scratch,
        };
        world.start().await;
        let cluster = api::CreateClusterInput {
            cluster_name: Some(CLUSTER.into()),
            ..Default::default()
        };
        world.call(ops::CreateCluster, cluster).await.expect("made");
        world.nodes.join(&world.scope, count).await;
        world
    }

    async fn start(&mut self) {
        let (house, ecs) = (self.house.clone(), self.ecs.clone());
        let invariants = self.invariants.clone();
        let watching = invariants.watch(house.db.clone()).await;
        self.running.push(watching);
        self.running.push(self.nodes.clone().run().await);
        let (nodes, db, rng) = (ecs.nodes.clone(), house.db.clone(), house.rng.clone());
        let following = fleet::follow(ecs.fleet.clone(), nodes, db.clone(), rng);
        self.running.push(task::spawn("fleet", following));
        let lost = lost::watch(house.clone(), ecs.clone(), lost::DEFAULT_LEASE);
        self.running.push(task::spawn("lost", lost));
        let fleet = ecs.fleet.clone();
        let clock = house.clock.clone();
        self.controller(Expire {
            db: db.clone(),
            clock,
        });
        self.controller(Deletion {
            db: db.clone(),
            fleet: fleet.clone(),
        });
        self.controller(Deregistration { db, fleet });
        self.controller(Scheduler { ecs, house });
    }

    fn controller(&mut self, controller: impl Controller) {
        let house = &self.house;
        let (db, clock, rng) = (house.db.clone(), house.clock.clone(), house.rng.clone());
        let run = controller::run(Arc::new(controller), db, clock, rng);
        self.running.push(task::spawn("controller", run));
    }

    /// Call an operation as the gateway does.
    pub async fn call<O: OperationDef>(
        &self,
        _: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        let cx = testkit::cx(&self.house, &self.scope);
        let output = self.table.call(cx, O::operation(), input.to_value());
        Ok(from_value(output.await?))
    }

    /// A definition of one container in bridge mode.
    pub async fn register(&self, family: &str) {
        let container = api::ContainerDefinition {
            name: Some("app".into()),
            image: Some("app".into()),
            cpu: Some(64),
            memory: Some(64),
            ..Default::default()
        };
        let input = api::RegisterTaskDefinitionInput {
            family: family.into(),
            container_definitions: vec![container],
            ..Default::default()
        };
        let done = self.call(ops::RegisterTaskDefinition, input).await;
        done.expect("registered");
    }

    pub async fn create(&self, name: &str, family: &str, desired: usize) {
        self.create_with(name, family, desired, |_| {}).await;
    }

    pub async fn create_with(
        &self,
        name: &str,
        family: &str,
        desired: usize,
        change: impl FnOnce(&mut api::CreateServiceInput),
    ) {
        let mut input = api::CreateServiceInput {
            cluster: Some(CLUSTER.into()),
            service_name: name.into(),
            task_definition: Some(family.into()),
            desired_count: i32::try_from(desired).ok(),
            ..Default::default()
        };
        change(&mut input);
        self.call(ops::CreateService, input).await.expect("created");
    }

    pub async fn update(&self, name: &str, change: impl FnOnce(&mut api::UpdateServiceInput)) {
        let mut input = api::UpdateServiceInput {
            cluster: Some(CLUSTER.into()),
            service: name.into(),
            ..Default::default()
        };
        change(&mut input);
        self.call(ops::UpdateService, input).await.expect("updated");
    }

    /// Run on until the service has `desired` tasks running, and nothing else.
    pub async fn steady(&self, name: &str, desired: usize) {
        let id = ServiceId::new(&self.scope, CLUSTER, name);
        for _ in 0..4_800 {
            let counts = self.counts(&id);
            let settled = counts.running == desired && counts.pending + counts.stopping == 0;
            if settled && self.rolled_out(&id).await {
                return;
            }
            self.check();
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let service = self.house.db.get_key::<Service>(&id.store_key()).await;
        panic!(
            "seed {}: {name} is not steady at {desired}: {:?}, {:#?}",
            self.invariants.seed,
            self.counts(&id),
            service.expect("read").map(|s| s.value.status)
        );
    }

    /// # Panics
    /// When an invariant did not hold, or a part of the world has ended.
    pub fn check(&self) {
        self.invariants.check();
        let ended = self.running.iter().any(JoinHandle::is_finished);
        assert!(!ended, "seed {}: a part ended", self.invariants.seed);
    }

    async fn rolled_out(&self, id: &ServiceId) -> bool {
        let key = id.store_key();
        let service = self.house.db.get_key::<Service>(&key).await;
        let service = service.expect("read").expect("exists");
        service.status.deployments.len() == 1 && service.status.steady_at.is_some()
    }

    pub fn counts(&self, id: &ServiceId) -> Counts {
        let mut counts = Counts::default();
        for row in self.ecs.fleet.of_service(id) {
            counts.add(&row);
        }
        counts
    }
}
