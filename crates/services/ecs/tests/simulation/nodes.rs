//! Nodes that pretend: a task starts some time after it is assigned and stops some time after it
//! is asked to, as the seed has it; some never come up, some end by themselves.

use crate::follow::Follow;
use crate::world::CLUSTER;
use neargate_base::{Rng, task};
use neargate_domain::{
    ContainerReport, ContainerStatus, DesiredState, Health, LaunchType, NodeAbout, NodeKind,
    Resources, TaskReport, TaskStatus, TaskStopped,
};
use neargate_ecs::instances::{self, Registration, Versions};
use neargate_ecs::model::{KnownNode, Task};
use neargate_ecs::{Ecs, observe};
use neargate_service::{House, Resource, Scope, db};
use neargate_store::Event;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];
/// What every definition asks of an instance.
const CAPABILITY: &str = "com.amazonaws.ecs.capability.docker-remote-api.1.18";
const CPU_UNITS: u32 = 16_384;
const MEMORY_MIB: u32 = 16_384;

/// All nodes of a run.
pub struct Nodes {
    house: Arc<House>,
    ecs: Arc<Ecs>,
    rng: Rng,
    names: Mutex<Vec<String>>,
    /// They hear and say nothing.
    away: Mutex<BTreeSet<String>>,
    /// Families whose tasks never start.
    broken: Mutex<BTreeSet<String>>,
    /// Families whose tasks end by themselves within half a minute.
    brittle: Mutex<BTreeSet<String>>,
    /// Newest generation acted on, by store key.
    known: Mutex<HashMap<String, u64>>,
    /// Counts all of them: a later one outranks an earlier one.
    reports: AtomicU64,
}

impl Nodes {
    pub fn new(house: Arc<House>, ecs: Arc<Ecs>, seed: u64) -> Nodes {
        Nodes {
            house,
            ecs,
            rng: Rng::seeded(seed ^ 0x6e6f_6465),
            names: Mutex::default(),
            away: Mutex::default(),
            broken: Mutex::default(),
            brittle: Mutex::default(),
            known: Mutex::default(),
            reports: AtomicU64::new(0),
        }
    }

    /// `count` new nodes, connected and registered.
    pub async fn join(&self, scope: &Scope, count: usize) {
        let first = self.names.lock().len();
        for n in first..first + count {
            let name = format!("i-{n:017x}");
            let resources = Resources {
                cpu_units: CPU_UNITS,
                memory_mib: MEMORY_MIB,
                eni_slots: 3,
                ..Resources::default()
            };
            let zone = ZONES[n % ZONES.len()].to_owned();
            let attributes = BTreeMap::from([
                ("ecs.availability-zone".to_owned(), Some(zone)),
                ("ecs.instance-type".to_owned(), Some("m5.xlarge".to_owned())),
                ("rack".to_owned(), Some(format!("r{}", n % 7))),
                (CAPABILITY.to_owned(), None),
            ]);
            let registration = Registration {
                scope: scope.clone(),
                cluster: CLUSTER.into(),
                node: Some(name.clone()),
                ec2_instance_id: name.clone(),
                launch_type: LaunchType::Ec2,
                resources: resources.clone(),
                attributes,
                versions: Versions::of_neargate("1.0.0"),
                tags: Default::default(),
                capacity_provider: None,
            };
            let registered = instances::register(&self.house, registration).await;
            let instance = registered.expect("registered").id.clone();
            let known = KnownNode {
                id: name.clone(),
                kind: NodeKind::Ec2,
                account: scope.account.clone(),
                region: scope.region.clone(),
                cluster: Some(CLUSTER.into()),
                certificates: Vec::new(),
                about: NodeAbout {
                    id: name.clone(),
                    kind: NodeKind::Ec2,
                    resources,
                    attributes: BTreeMap::new(),
                    version: "1.0.0".into(),
                    address: None,
                    hostname: name.clone(),
                },
                instance: Some(instance),
                address: None,
                joined_at: self.house.now(),
                dismissed: false,
            };
            let tx = self.house.db.tx().put(KnownNode::key(&name), &known);
            let _ = tx.commit().await.expect("kept");
            self.ecs.nodes.connect(&name, NodeKind::Ec2);
            self.names.lock().push(name);
            // Who watches gets a turn.
            tokio::task::yield_now().await;
        }
    }

    /// `percent` of the nodes are cut off; answers which.
    pub fn lose(&self, percent: usize) -> Vec<String> {
        let names = self.names.lock().clone();
        let count = (names.len() * percent).div_ceil(100);
        let mut lost = BTreeSet::new();
        while lost.len() < count {
            let n = usize::try_from(self.rng.below(names.len() as u64)).expect("small");
            lost.insert(names[n].clone());
        }
        for name in &lost {
            self.away.lock().insert(name.clone());
            self.ecs.nodes.disconnect(name);
        }
        lost.into_iter().collect()
    }

    /// They are back, and hear what they missed.
    pub async fn find(self: &Arc<Self>, names: &[String]) {
        for name in names {
            self.away.lock().remove(name);
            self.ecs.nodes.connect(name, NodeKind::Ec2);
            for row in self.ecs.fleet.of_node(name) {
                let read = self.house.db.get_key::<Task>(&row.key).await;
                if let Some(task) = read.expect("read") {
                    self.known.lock().remove(&row.key);
                    self.assigned(row.key.clone(), task.value);
                }
            }
        }
    }

    /// From now on they start again.
    pub fn mend_family(&self, family: &str) {
        self.broken.lock().remove(family);
    }

    /// From now on tasks of the family fail to start.
    pub fn break_family(&self, family: &str) {
        self.broken.lock().insert(family.to_owned());
    }

    /// From now on tasks of the family crash soon after they run.
    pub fn make_brittle(&self, family: &str) {
        self.brittle.lock().insert(family.to_owned());
    }

    /// End a running task, as a crash would.
    pub async fn crash(&self, key: &str) {
        let read = self.house.db.get_key::<Task>(key).await.expect("read");
        if let Some(task) = read {
            let why = stopped_as(
                "EssentialContainerExited",
                "Essential container in task exited",
                &self.house,
            );
            self.report(key, &task, ContainerStatus::Stopped, Some(why), true)
                .await;
        }
    }

    /// Hear of every assignment until the run ends.
    pub async fn run(self: Arc<Self>) -> JoinHandle<()> {
        let prefix = format!("{}/", Task::KIND);
        let mut watch = Follow::start(&self.house.db, &prefix).await;
        task::spawn("nodes", async move {
            loop {
                let batch = watch.next().await;
                for event in batch.events {
                    match event {
                        Event::Put(entry) => {
                            let task = db::decode::<Task>(&entry).expect("a task");
                            self.assigned(entry.key, task.value);
                        }
                        Event::Delete { key, .. } => {
                            self.known.lock().remove(&key);
                        }
                    }
                }
            }
        })
    }

    fn assigned(self: &Arc<Self>, key: String, task: Task) {
        let generation = task.spec.assignment.generation;
        let stopped = task.status.last_status == TaskStatus::Stopped;
        if stopped || self.away.lock().contains(&task.spec.node) {
            return;
        }
        if self.known.lock().insert(key.clone(), generation) == Some(generation) {
            return;
        }
        let nodes = self.clone();
        let delay = Duration::from_millis(20 + self.rng.below(3_000));
        let life = Duration::from_millis(self.rng.below(30_000));
        task::spawn("pretend", async move {
            tokio::time::sleep(delay).await;
            if nodes.away.lock().contains(&task.spec.node) {
                return;
            }
            if task.spec.assignment.desired == DesiredState::Stopped {
                let why = stopped_by(&task, &nodes.house);
                let end = ContainerStatus::Stopped;
                nodes.report(&key, &task, end, Some(why), true).await;
            } else if nodes.broken.lock().contains(&task.spec.assignment.family) {
                let text = "CannotPullContainerError: no such image";
                let why = stopped_as("TaskFailedToStart", text, &nodes.house);
                let end = ContainerStatus::Stopped;
                nodes.report(&key, &task, end, Some(why), true).await;
            } else {
                let up = ContainerStatus::Running;
                nodes.report(&key, &task, up, None, false).await;
                if nodes.brittle.lock().contains(&task.spec.assignment.family) {
                    tokio::time::sleep(life).await;
                    nodes.crash(&key).await;
                }
            }
        });
    }

    async fn report(
        &self,
        key: &str,
        task: &Task,
        status: ContainerStatus,
        stopped: Option<TaskStopped>,
        released: bool,
    ) {
        let now = self.house.now();
        let failed = stopped
            .as_ref()
            .is_some_and(|s| s.stop_code == "TaskFailedToStart");
        let started_at = (!failed).then(|| task.status.started_at.unwrap_or(now));
        let containers = task.spec.containers.iter().map(|c| ContainerReport {
            name: c.name.clone(),
            status,
            runtime_id: None,
            image_digest: None,
            started_at,
            finished_at: released.then_some(now),
            exit_code: released.then_some(0),
            reason: None,
            network_bindings: Vec::new(),
            health: Health::Unknown,
        });
        let report = TaskReport {
            task_id: task.spec.assignment.task_id.clone(),
            sequence: self.reports.fetch_add(1, Ordering::SeqCst) + 1,
            observed_generation: task.spec.assignment.generation,
            network_ready: true,
            pull_started_at: None,
            pull_stopped_at: None,
            containers: containers.collect(),
            stopped,
            released,
        };
        observe::report(&self.house, key, &report)
            .await
            .expect("reported");
    }
}

fn stopped_as(code: &str, reason: &str, house: &House) -> TaskStopped {
    TaskStopped {
        stop_code: code.into(),
        reason: reason.into(),
        at: house.now(),
    }
}

fn stopped_by(task: &Task, house: &House) -> TaskStopped {
    let stop = task.spec.stop.as_ref();
    let (code, reason) = stop.map_or(("UserInitiated", ""), |s| (&*s.code, &*s.reason));
    stopped_as(code, reason, house)
}
