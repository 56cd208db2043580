//! "ECS Task State Change"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>).
//!
//! A change of the task's last or desired status, its connectivity, or of a container's status
//! or health makes an event; a report that says anything else does not.

use super::event::{detail_of, iso};
use crate::describe;
use crate::model::Task;
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_domain::{ContainerStatus, Health, TaskStatus};
use neargate_service::{AwsError, Resource, db};
use neargate_store::Entry;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is remembered of a task between two of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// A hash of everything whose change makes an event.
    print: u64,
    /// The newest time the task told.
    newest: Timestamp,
    /// It takes room on its instance.
    pub holds: bool,
}

/// A task as this module reads it: a part of [`Task`], which takes a fraction of the time.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Glance {
    spec: SpecGlance,
    status: StatusGlance,
}

#[derive(Debug, PartialEq, Deserialize)]
struct SpecGlance {
    created_at: Timestamp,
    #[serde(default)]
    group: String,
    stop: Option<IgnoredAny>,
    #[serde(default)]
    container_instance: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct StatusGlance {
    last_status: TaskStatus,
    connectivity_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    stopping_at: Option<Timestamp>,
    execution_stopped_at: Option<Timestamp>,
    stopped_at: Option<Timestamp>,
    report: Option<ReportGlance>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct ReportGlance {
    pull_started_at: Option<Timestamp>,
    pull_stopped_at: Option<Timestamp>,
    containers: Vec<ContainerGlance>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct ContainerGlance {
    name: String,
    status: ContainerStatus,
    #[serde(default)]
    health: Health,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

/// What a change of a task means.
#[derive(Debug, PartialEq, Eq)]
pub struct Look {
    pub trace: Trace,
    /// When to say the event happened; `None`: no event is due.
    pub due: Option<Timestamp>,
    /// The id of the container instance whose free resources changed.
    pub instance: Option<String>,
    /// The task's group.
    pub group: String,
}

/// Compare a stored task with what is remembered of it (`None`: it is new).
///
/// # Errors
/// When the entry is no task.
pub fn look(before: Option<Trace>, entry: &Entry, now: Timestamp) -> Result<Look, AwsError> {
    let glance = glance(entry)?;
    let trace = glance.trace();
    let moved = before.is_none_or(|b| trace.newest > b.newest);
    let due = before.is_none_or(|b| b.print != trace.print);
    let freed = before.is_none_or(|b| b.holds != trace.holds);
    // A task that is first seen stopped takes nothing.
    let freed = freed && (before.is_some() || trace.holds);
    Ok(Look {
        trace,
        // A time that only now appears is the change's own; the clock may not run behind it.
        due: due.then(|| if moved { trace.newest.min(now) } else { now }),
        instance: glance.spec.container_instance.filter(|_| freed),
        group: glance.spec.group,
    })
}

/// Reads the part that matters; an older stored form takes the whole way.
pub(super) fn glance(entry: &Entry) -> Result<Glance, AwsError> {
    #[derive(Deserialize)]
    struct Envelope {
        v: u32,
        r: Glance,
    }
    match serde_json::from_slice::<Envelope>(&entry.value) {
        Ok(envelope) if envelope.v == Task::VERSION => Ok(envelope.r),
        _ => Ok(Glance::of(&db::decode::<Task>(entry)?.value)),
    }
}

impl Glance {
    pub(super) fn of(task: &Task) -> Glance {
        let Task { spec, status } = task;
        Glance {
            spec: SpecGlance {
                created_at: spec.created_at,
                group: spec.group.clone(),
                stop: spec.stop.as_ref().map(|_| IgnoredAny),
                container_instance: spec.container_instance.clone(),
            },
            status: StatusGlance {
                last_status: status.last_status,
                connectivity_at: status.connectivity_at,
                started_at: status.started_at,
                stopping_at: status.stopping_at,
                execution_stopped_at: status.execution_stopped_at,
                stopped_at: status.stopped_at,
                report: status.report.as_ref().map(|r| ReportGlance {
                    pull_started_at: r.pull_started_at,
                    pull_stopped_at: r.pull_stopped_at,
                    containers: r
                        .containers
                        .iter()
                        .map(|c| ContainerGlance {
                            name: c.name.clone(),
                            status: c.status,
                            health: c.health,
                            started_at: c.started_at,
                            finished_at: c.finished_at,
                        })
                        .collect(),
                }),
            },
        }
    }

    fn trace(&self) -> Trace {
        let status = &self.status;
        let stopping = self.spec.stop.is_some() || status.last_status > TaskStatus::Running;
        let mut hasher = DefaultHasher::new();
        (
            status.last_status,
            stopping,
            status.connectivity_at.is_some(),
        )
            .hash(&mut hasher);
        let containers = status.report.iter().flat_map(|r| &r.containers);
        // A container that waits is no news: it did so before there was a report.
        let waits = |c: &&ContainerGlance| {
            c.status == ContainerStatus::Pending && c.health == Health::Unknown
        };
        for c in containers.filter(|c| !waits(c)) {
            (&c.name, c.status as u8, c.health as u8).hash(&mut hasher);
        }
        Trace {
            print: hasher.finish(),
            newest: self.newest(),
            holds: status.last_status != TaskStatus::Stopped,
        }
    }

    fn newest(&self) -> Timestamp {
        let status = &self.status;
        let own = [
            status.connectivity_at,
            status.started_at,
            status.stopping_at,
            status.execution_stopped_at,
            status.stopped_at,
        ];
        let reported = status.report.iter().flat_map(|r| {
            let containers = r.containers.iter();
            let containers = containers.flat_map(|c| [c.started_at, c.finished_at]);
            containers.chain([r.pull_started_at, r.pull_stopped_at])
        });
        let times = own.into_iter().chain(reported).flatten();
        times.fold(self.spec.created_at, Timestamp::max)
    }
}

/// The event's `resources` and `detail`: the task as `DescribeTasks` shows it, and `updatedAt`.
pub(super) fn detail(entry: &Entry, updated_at: Timestamp) -> (Vec<String>, Value) {
    let task = match db::decode::<Task>(entry) {
        Ok(task) => task.value,
        // It was read once already.
        Err(error) => {
            tracing::error!(%error, key = entry.key, "a task cannot be read again");
            return (Vec::new(), Value::Null);
        }
    };
    let mut described = describe::task(&task, false);
    // Not among the members of AWS's events.
    described.tags = None;
    described.inference_accelerators = None;
    for attachment in described.attachments.iter_mut().flatten() {
        if attachment.r#type.as_deref() == Some("ElasticNetworkInterface") {
            attachment.r#type = Some("eni".into());
        }
    }
    let overrides = described.overrides.get_or_insert_default();
    overrides.inference_accelerator_overrides = None;
    let listed = overrides.container_overrides.get_or_insert_default();
    for container in &task.spec.containers {
        let name = Some(container.name.clone());
        if !listed.iter().any(|o| o.name == name) {
            listed.push(api::ContainerOverride {
                name,
                ..Default::default()
            });
        }
    }
    let mut detail = detail_of(&described);
    detail.insert("updatedAt".into(), iso(updated_at).into());
    (vec![task.spec.arn], Value::Object(detail))
}
