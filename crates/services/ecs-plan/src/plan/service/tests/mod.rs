//! The planner on a world of its own: tasks that run, fail, fall ill, are protected or lost with
//! their node; counts that change; deployments that come on top of each other.

mod alarms;
mod crashes;
mod properties;
mod tables;

use super::{Known, SETTLE, Settling, Step, View, desired, plan, replica};
use crate::id::ServiceId;
use crate::model::{
    CircuitBreaker, Demand, DeploymentController, DeploymentRules, DeploymentStatus, PropagateTags,
    Protection, Scheduling, Service, ServiceDeployment, ServiceLink, ServiceSpec, ServiceStatus,
    Target,
};
use crate::row::{Row, Turns};
use neargate_base::{AccountId, Region, Timestamp};
use neargate_domain::{DesiredState, Health, LaunchType, TaskStatus};
use neargate_service::Scope;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A service, its tasks and the time.
#[derive(Debug)]
pub(super) struct World {
    pub(super) view: View,
    pub(super) now: Timestamp,
    revision: u64,
    made: u64,
    /// `service_settle`.
    pub(super) settle: Duration,
    pub(super) events: Vec<String>,
}

pub(super) fn rules(minimum: u32, maximum: u32) -> DeploymentRules {
    DeploymentRules {
        minimum_healthy_percent: minimum,
        maximum_percent: maximum,
        circuit_breaker: None,
        alarms: None,
        strategy: "ROLLING".into(),
        bake_time_minutes: None,
        shift: None,
    }
}

pub(super) fn breaker() -> CircuitBreaker {
    CircuitBreaker {
        enable: true,
        rollback: true,
        reset_on_healthy_task: None,
        threshold: None,
    }
}

impl World {
    pub(super) fn new(desired_count: i32, deployment: DeploymentRules) -> World {
        let scope = Scope {
            account: AccountId::default(),
            region: Region::default(),
        };
        let spec = ServiceSpec {
            name: "web".into(),
            arn: "arn".into(),
            cluster: "c".into(),
            cluster_arn: "arn".into(),
            created_at: Timestamp::default(),
            created_by: None,
            deleted_at: None,
            request: String::new(),
            desired_count,
            scheduling: Scheduling::Replica,
            controller: DeploymentController::Ecs,
            target: None,
            deployment,
            placement_constraints: Vec::new(),
            placement_strategy: Vec::new(),
            health_check_grace_period_seconds: None,
            az_rebalancing: false,
            enable_ecs_managed_tags: false,
            propagate_tags: PropagateTags::None,
            enable_execute_command: false,
            role: None,
            tags: Default::default(),
        };
        let view = View {
            look_at: None,
            id: ServiceId::new(&scope, "c", "web"),
            service: Service {
                spec,
                status: ServiceStatus::default(),
            },
            rows: Vec::new(),
            settling: Settling::default(),
            records: Vec::new(),
            draining: BTreeSet::new(),
            busy: BTreeSet::new(),
            seats: BTreeSet::new(),
            zones: BTreeSet::new(),
            alarms: None,
        };
        let mut world = World {
            view,
            now: Timestamp::from_millis(1_000),
            revision: 1,
            made: 0,
            settle: SETTLE,
            events: Vec::new(),
        };
        world.deploy();
        world
    }

    /// Another revision.
    pub(super) fn deploy(&mut self) {
        self.made += 1;
        let n = self.made;
        let target = Target {
            deployment: format!("ecs-svc/{n}"),
            revision: n.to_string(),
            service_deployment: format!("d{n}"),
            at: self.now,
        };
        self.view.records.push(ServiceDeployment {
            id: target.service_deployment.clone(),
            arn: String::new(),
            service_arn: String::new(),
            cluster_arn: String::new(),
            created_at: self.now,
            deployment: target.deployment.clone(),
            sources: Vec::new(),
            target: target.revision.clone(),
            rules: self.view.service.spec.deployment.clone(),
            answers: Vec::new(),
            stop: None,
            status: DeploymentStatus::default(),
        });
        self.view.service.spec.target = Some(target);
    }

    /// Tasks count as soon as they run: for what is not about that.
    pub(super) fn at_once(mut self) -> World {
        self.settle = Duration::ZERO;
        self
    }

    pub(super) fn settling(&self) -> Settling {
        let known = Known {
            began_at: 0,
            up: Duration::ZERO,
        };
        let ran = |row: &Row| {
            row.running_at
                .map_or(Duration::ZERO, |at| self.now.since(at))
        };
        Settling::of(&self.view.rows, self.settle, known, ran)
    }

    pub(super) fn plan(&mut self) -> Step {
        self.view.settling = self.settling();
        let scale_in = |rows: &[Arc<Row>], n: usize| replica::balanced(rows, n);
        plan(&self.view, self.now, &scale_in)
    }

    /// Plan, check what may never happen, and do it.
    pub(super) fn step(&mut self) -> Step {
        let step = self.plan();
        self.check(&step);
        if let Some(status) = &step.status {
            self.view.service.status = status.clone();
        }
        for changed in &step.records {
            let record = self.view.records.iter_mut().find(|r| r.id == changed.id);
            *record.expect("known") = changed.clone();
        }
        self.events.extend(step.events.clone());
        for stopping in &step.stop {
            self.change(&stopping.row.key, |row| {
                row.desired = DesiredState::Stopped;
                row.last_status = TaskStatus::Stopping;
                row.stop_code
                    .get_or_insert("ServiceSchedulerInitiated".into());
            });
        }
        let forgotten = |row: &Arc<Row>| step.forget.iter().any(|f| f.key == row.key);
        self.view.rows.retain(|row| !forgotten(row));
        if let Some(start) = &step.start {
            let count = start.count.max(start.on.len());
            for n in 0..count {
                self.start(&start.deployment, &start.revision, start.on.get(n).cloned());
            }
        }
        step
    }

    fn check(&self, step: &Step) {
        let limits = replica::Limits::of(&self.view.service.spec.deployment, desired(&self.view));
        let live = self.live();
        // A DAEMON service may have a task too many: one that is about to leave its instance.
        let starts = step.start.as_ref().filter(|s| s.on.is_empty());
        let starts = starts.map_or(0, |s| s.count);
        assert!(
            starts == 0 || live.len() + starts <= limits.maximum,
            "{} and {starts} more are above {limits:?}",
            live.len()
        );
        if self.view.service.spec.deleted_at.is_some() {
            return;
        }
        type Of<'a> = (&'a str, &'a dyn Fn(&Row) -> bool);
        let counts: Of<'_> = ("healthy", &|row| self.view.settling.counts(row));
        let well: Of<'_> = ("well", &|row| row.is_well());
        for (what, of) in [counts, well] {
            let all = live.iter().filter(|row| of(row)).count();
            let stopped = step.stop.iter().filter(|s| of(&s.row)).count();
            assert!(
                stopped == 0 || all - stopped >= limits.minimum,
                "{all} that are {what} less {stopped} are below {limits:?}"
            );
        }
        for stopping in &step.stop {
            assert!(stopping.row.is_live(), "stopped twice");
            let protected = replica::is_protected(&stopping.row, self.now);
            assert!(!protected || stopping.row.is_unhealthy(), "protected");
        }
    }

    pub(super) fn live(&self) -> Vec<Arc<Row>> {
        let live = self.view.rows.iter().filter(|row| row.is_live());
        live.cloned().collect()
    }

    /// Change a task as the index would see it.
    pub(super) fn change(&mut self, key: &str, change: impl FnOnce(&mut Row)) {
        self.revision += 1;
        let at = self.view.rows.iter().position(|row| row.key == key);
        let at = at.expect("a task of the world");
        let mut row = Row::clone(&self.view.rows[at]);
        change(&mut row);
        row.revision = self.revision;
        row.was_healthy |= row.checked && row.health == Health::Healthy;
        if !row.is_live() {
            row.turns.ended.get_or_insert(self.revision);
        }
        if row.is_unhealthy() {
            row.turns.unhealthy.get_or_insert(self.revision);
        }
        if row.is_stopped() {
            row.turns.stopped.get_or_insert(self.revision);
        }
        self.view.rows[at] = Arc::new(row);
    }

    fn start(&mut self, deployment: &str, revision: &str, on: Option<String>) {
        self.made += 1;
        self.revision += 1;
        let zone = ["a", "b"].into_iter().min_by_key(|zone| {
            let of = self.live();
            of.iter()
                .filter(|row| row.availability_zone == *zone)
                .count()
        });
        let row = Row {
            key: format!("task/{:08}", self.made),
            revision: self.revision,
            cluster: self.view.id.cluster.clone(),
            task_id: format!("{:08}", self.made),
            family: "web".into(),
            revision_number: 1,
            group: "service:web".into(),
            started_by: Some(deployment.to_owned()),
            service: Some(ServiceLink {
                service: "web".into(),
                deployment: deployment.to_owned(),
                revision: revision.to_owned(),
            }),
            node: "n".into(),
            container_instance: on,
            availability_zone: zone.unwrap_or_default().into(),
            capacity_provider: None,
            launch_type: LaunchType::Fargate,
            demand: Demand::default(),
            last_status: TaskStatus::Provisioning,
            desired: DesiredState::Running,
            health: Health::Unknown,
            protection: None,
            created_at: self.now,
            started_at: None,
            running_at: None,
            seen_running: None,
            stopping_at: None,
            stopped_at: None,
            stop_code: None,
            checked: false,
            was_healthy: false,
            target_groups: 0,
            targets: Vec::new(),
            registries: 0,
            instances: 0,
            held: false,
            failing: None,
            turns: Turns::default(),
        };
        self.view.rows.push(Arc::new(row));
    }

    pub(super) fn runs(&mut self, key: &str) {
        let now = self.now;
        self.change(key, |row| {
            if row.last_status < TaskStatus::Running {
                row.last_status = TaskStatus::Running;
                row.started_at = Some(now);
                row.running_at = Some(now);
            }
        });
    }

    pub(super) fn ends(&mut self, key: &str, code: &str) {
        let now = self.now;
        self.change(key, |row| {
            row.last_status = TaskStatus::Stopped;
            row.desired = DesiredState::Stopped;
            row.stopping_at.get_or_insert(now);
            row.stopped_at.get_or_insert(now);
            row.stop_code.get_or_insert(code.into());
        });
    }

    pub(super) fn falls_ill(&mut self, key: &str) {
        self.change(key, |row| {
            row.checked = true;
            row.health = Health::Unhealthy;
        });
    }

    /// Its health checks pass.
    pub(super) fn is_well(&mut self, key: &str) {
        self.change(key, |row| {
            row.checked = true;
            row.health = Health::Healthy;
        });
    }

    pub(super) fn protect(&mut self, key: &str, until: Timestamp) {
        self.change(key, |row| row.protection = Some(Protection { until }));
    }

    /// The nodes do what they are told; tasks of `bad` deployments never run.
    pub(super) fn obey(&mut self, bad: &[&str]) {
        let rows: Vec<Arc<Row>> = self.view.rows.clone();
        for row in rows.iter().filter(|row| !row.is_stopped()) {
            let of = row.service.as_ref().map(|link| link.deployment.as_str());
            if row.is_stopping() {
                self.ends(&row.key, "ServiceSchedulerInitiated");
            } else if row.last_status == TaskStatus::Running {
            } else if of.is_some_and(|of| bad.contains(&of)) {
                self.ends(&row.key, "TaskFailedToStart");
            } else {
                self.runs(&row.key);
            }
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Rounds until nothing is left to do.
    pub(super) fn rest(&mut self, bad: &[&str]) {
        for _ in 0..400 {
            let before = self.revision;
            let step = self.step();
            self.obey(bad);
            if step.is_idle() && self.revision == before {
                match step
                    .wake_at
                    .filter(|at| at.since(self.now) < Duration::from_secs(7_200))
                {
                    Some(at) => self.now = at,
                    None => return,
                }
            }
        }
        panic!("no rest: {:#?}", self.view.service.status);
    }
}
