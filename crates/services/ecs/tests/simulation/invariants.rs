//! What must hold after every single change of the store, told from the stored records alone:
//! a second opinion that shares no code with the scheduler.

use crate::follow::Follow;
use neargate_base::{Timestamp, task};
use neargate_domain::{DesiredState, Protocol, TaskStatus};
use neargate_ecs::model::{ContainerInstance, Service, Task};
use neargate_service::{Db, Resource, db};
use neargate_store::{Batch, Event};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The records as of the last change, and what was wrong with any of them.
pub struct Invariants {
    pub seed: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: HashMap<String, Seen>,
    services: HashMap<String, Limits>,
    instances: HashMap<String, (u32, u32)>,
    used: HashMap<String, Used>,
    changes: u64,
    broken: Vec<String>,
}

/// What of a task the invariants are about.
#[derive(Clone)]
struct Seen {
    service: Option<String>,
    instance: Option<String>,
    cpu: u32,
    memory: u32,
    ports: Vec<(Protocol, u16)>,
    running: bool,
    running_at: Option<Timestamp>,
    /// When it was asked to stop.
    stop_at: Option<Timestamp>,
    /// Meant to go on: not asked to stop, not stopping by itself.
    wanted: bool,
    stopped: bool,
    /// The scheduler asked it to stop.
    by_scheduler: bool,
}

#[derive(Default)]
struct Used {
    cpu: u32,
    memory: u32,
    ports: BTreeMap<(Protocol, u16), u32>,
}

#[derive(Clone, Default)]
struct Limits {
    least: usize,
    most: usize,
    distinct: bool,
    running: usize,
    /// Running or on the way there.
    wanted: BTreeSet<String>,
}

impl Seen {
    fn of(task: &Task) -> Seen {
        let assignment = &task.spec.assignment;
        let last = task.status.last_status;
        let asked = task.spec.stop.is_some() || assignment.desired == DesiredState::Stopped;
        let wanted = !asked && last <= TaskStatus::Running;
        let stop = task.spec.stop.as_ref();
        Seen {
            service: task.spec.service.as_ref().map(|s| s.service.clone()),
            instance: task.spec.container_instance.clone(),
            cpu: task.spec.demand.cpu_units,
            memory: task.spec.demand.memory_mib,
            ports: task.spec.demand.ports.clone(),
            running: wanted && last == TaskStatus::Running,
            running_at: task.status.running_at,
            stop_at: stop.map(|s| s.at),
            wanted,
            stopped: last == TaskStatus::Stopped,
            by_scheduler: stop.is_some_and(|s| s.code == "ServiceSchedulerInitiated"),
        }
    }
}

impl Seen {
    /// Does it run, and has it for so long? (A time to come is one from before the clock was set
    /// back.)
    fn ran(&self, at: Timestamp, long: Duration) -> bool {
        let since = self.running_at.filter(|_| self.running);
        since.is_some_and(|since| since > at || since + long <= at)
    }
}

impl Invariants {
    pub fn new(seed: u64) -> Invariants {
        Invariants {
            seed,
            state: Mutex::default(),
        }
    }

    /// Look at every change until the run ends.
    pub async fn watch(self: Arc<Self>, db: Db) -> JoinHandle<()> {
        let mut watch = Follow::start(&db, "ecs/").await;
        task::spawn("invariants", async move {
            loop {
                let batch = watch.next().await;
                self.state.lock().take(&batch);
            }
        })
    }

    /// # Panics
    /// When something did not hold.
    pub fn check(&self) {
        let state = self.state.lock();
        let broken = state.broken.iter().take(5).cloned().collect::<Vec<_>>();
        assert!(
            broken.is_empty(),
            "seed {} after {} changes: {broken:#?}",
            self.seed,
            state.changes
        );
    }

    pub fn changes(&self) -> u64 {
        self.state.lock().changes
    }
}

impl State {
    fn take(&mut self, batch: &Batch) {
        self.changes += 1;
        let mut stopped_running = BTreeSet::new();
        let mut stopped_healthy = BTreeMap::new();
        for event in &batch.events {
            match event {
                Event::Put(entry) if is::<Task>(&entry.key) => {
                    let task = db::decode::<Task>(entry).expect("a task");
                    let seen = Seen::of(&task);
                    stopped_healthy.extend(self.stops_healthy(&entry.key, &seen));
                    if let Some(service) = self.put(&entry.key, seen) {
                        stopped_running.insert(service);
                    }
                }
                Event::Put(entry) if is::<Service>(&entry.key) => {
                    let service = db::decode::<Service>(entry).expect("a service");
                    self.limits(&service.value);
                }
                Event::Put(entry) if is::<ContainerInstance>(&entry.key) => {
                    let i = db::decode::<ContainerInstance>(entry).expect("an instance");
                    let size = (i.registered.cpu_units, i.registered.memory_mib);
                    self.instances.insert(i.id.clone(), size);
                }
                Event::Delete { key, .. } if is::<Task>(key) => self.delete(key),
                Event::Put(_) | Event::Delete { .. } => {}
            }
        }
        for service in stopped_running {
            self.enough(&service, batch.revision);
        }
        for (service, at) in stopped_healthy {
            self.enough_healthy(&service, at, batch.revision);
        }
    }

    fn limits(&mut self, service: &Service) {
        let spec = &service.spec;
        let desired = usize::try_from(spec.desired_count).unwrap_or(0);
        let percent = |p: u32| desired * usize::try_from(p).expect("small");
        let limits = self.services.entry(spec.name.clone()).or_default();
        limits.least = percent(spec.deployment.minimum_healthy_percent).div_ceil(100);
        limits.most = percent(spec.deployment.maximum_percent) / 100;
        let constraints = spec.placement_constraints.iter();
        for c in constraints {
            limits.distinct |= c.0.r#type.as_deref() == Some("distinctInstance");
        }
    }

    /// Answers the service of a running task that the scheduler just asked to stop.
    fn put(&mut self, key: &str, seen: Seen) -> Option<String> {
        let old = self.tasks.insert(key.to_owned(), seen.clone());
        self.account(key, old.as_ref(), false);
        self.account(key, Some(&seen), true);
        if old.is_none() {
            self.placed(key, &seen);
        }
        let was_running = old.is_some_and(|o| o.running);
        (was_running && !seen.wanted && seen.by_scheduler)
            .then_some(seen.service)
            .flatten()
    }

    /// The service of a task that counted as healthy when the scheduler asked it to stop, and when
    /// that was. One that came to count between plan and deed is left out.
    fn stops_healthy(&self, key: &str, seen: &Seen) -> Option<(String, Timestamp)> {
        let old = self.tasks.get(key)?;
        let at = seen.stop_at.filter(|_| seen.by_scheduler)?;
        let counted = old.ran(at, SETTLE + Duration::from_secs(1)) && !seen.wanted;
        counted.then(|| Some((seen.service.clone()?, at))).flatten()
    }

    fn delete(&mut self, key: &str) {
        let old = self.tasks.remove(key);
        self.account(key, old.as_ref(), false);
        if old.is_some_and(|o| !o.stopped) {
            self.broken
                .push(format!("{key} was deleted before it stopped"));
        }
    }

    fn account(&mut self, key: &str, seen: Option<&Seen>, add: bool) {
        let Some(seen) = seen else { return };
        let change = |n: &mut u32, by: u32| *n = if add { *n + by } else { *n - by };
        if let Some(instance) = seen.instance.as_ref().filter(|_| !seen.stopped) {
            let used = self.used.entry(instance.clone()).or_default();
            change(&mut used.cpu, seen.cpu);
            change(&mut used.memory, seen.memory);
            for port in &seen.ports {
                change(used.ports.entry(*port).or_default(), 1);
            }
        }
        let Some(limits) = seen.service.as_ref().and_then(|s| self.services.get_mut(s)) else {
            return;
        };
        if seen.running {
            limits.running = if add {
                limits.running + 1
            } else {
                limits.running - 1
            };
        }
        if seen.wanted && add {
            limits.wanted.insert(key.to_owned());
        } else if !add {
            limits.wanted.remove(key);
        }
    }

    /// A new task: it fits, its constraints hold, and the service has no more than it may.
    fn placed(&mut self, key: &str, seen: &Seen) {
        let Some(instance) = &seen.instance else {
            return;
        };
        let (used, size) = (&self.used[instance], self.instances.get(instance));
        if size.is_none_or(|(cpu, memory)| used.cpu > *cpu || used.memory > *memory) {
            self.broken.push(format!("{key}: {instance} is overdrawn"));
        }
        if used.ports.values().any(|n| *n > 1) {
            self.broken
                .push(format!("{key}: a port of {instance} is given twice"));
        }
        let Some(limits) = seen.service.as_ref().and_then(|s| self.services.get(s)) else {
            return;
        };
        if limits.wanted.len() > limits.most {
            let (n, most) = (limits.wanted.len(), limits.most);
            self.broken
                .push(format!("{key}: {n} tasks, at most {most} allowed"));
        }
        let there = |other: &&String| {
            **other != key && self.tasks[*other].instance.as_ref() == Some(instance)
        };
        if limits.distinct && limits.wanted.iter().any(|o| there(&o)) {
            self.broken
                .push(format!("{key}: not the only one on {instance}"));
        }
    }

    /// The scheduler has stopped running tasks: enough others run.
    fn enough(&mut self, service: &str, revision: u64) {
        let Some(limits) = self.services.get(service) else {
            return;
        };
        if limits.running < limits.least {
            let (running, least) = (limits.running, limits.least);
            self.broken.push(format!(
                "revision {revision}: {service} was brought down to {running}, {least} must run"
            ));
        }
    }
}

/// As long as a task runs before it counts.
const SETTLE: Duration = Duration::from_secs(40);

impl State {
    /// The scheduler has stopped tasks that counted as healthy: enough others do.
    fn enough_healthy(&mut self, service: &str, at: Timestamp, revision: u64) {
        let Some(limits) = self.services.get(service) else {
            return;
        };
        let counted = limits
            .wanted
            .iter()
            .filter(|key| self.tasks[*key].ran(at, SETTLE));
        let (counted, least) = (counted.count(), limits.least);
        if counted < least {
            self.broken.push(format!(
                "revision {revision}: {service} was brought down to {counted} that count as \
                 healthy, {least} must"
            ));
        }
    }
}

fn is<T: Resource>(key: &str) -> bool {
    key.strip_prefix(T::KIND)
        .is_some_and(|rest| rest.starts_with('/'))
}
