//! Waits for a deployment, showing what happens: counts, events, and why tasks fail.

use super::Ended;
use super::apply::{Applied, describe};
use super::progress::{self, Verdict};
use crate::client::{Client, ClientError};
use crate::commands::logs::{last_lines, streams_of};
use crate::commands::tasks::{self, Selection};
use crate::view::{Live, Paint, Tone, last_part, plain, short, span};
use anyhow::Result;
use neargate_api_ecs as ecs;
use neargate_base::time::Stopwatch;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(300);
/// How long a task runs before ECS counts it is the operator's choice, and may be next to nothing.
/// Tasks that end a moment later are no success: the same ones must go on for this long.
const SETTLED: Duration = Duration::from_secs(2);
/// So many tasks that fail after the deployment was complete are enough to see the pattern.
const TOO_MANY_FAILURES: usize = 3;
/// Failures that are shown with the task's last lines; more are only counted.
const SHOWN_FAILURES: usize = 3;
const SHOWN_LINES: i32 = 5;

pub async fn wait(client: &Client, applied: &Applied, timeout: Duration) -> Result<Ended> {
    let started = Stopwatch::start();
    let mut watch = Watch {
        client,
        applied,
        paint: Paint::stderr(),
        live: Live::new(),
        seen_event: applied.seen_event.clone(),
        failed: HashSet::new(),
        last_failure: None,
        causes: BTreeSet::new(),
        counted_only: false,
        throttled: false,
        running: BTreeSet::new(),
        unchanged: Stopwatch::start(),
        told: false,
    };
    let mut failed_before_steady = None;
    loop {
        let Some(service) = describe(client, &applied.cluster, &applied.service).await? else {
            return Ok(Ended::NotSteady("the service is gone".into(), None));
        };
        watch.show(&service).await?;
        let verdict = progress::verdict(&service, &applied.deployment);
        let failed = watch.failed.len();
        if verdict == Verdict::Steady {
            failed_before_steady.get_or_insert(failed);
        }
        if watch.throttled && !progress::has_circuit_breaker(&service) {
            let why = "its tasks fail one after the other, and ECS starts them ever more slowly";
            return Ok(Ended::NotSteady(why.into(), watch.last_failure));
        }
        if failed_before_steady.is_some_and(|before| failed >= before + TOO_MANY_FAILURES) {
            let why = "its tasks start, and then end one after the other";
            return Ok(Ended::NotSteady(why.into(), watch.last_failure));
        }
        match verdict {
            Verdict::Steady if applied.changed && !watch.has_settled(&service) => {
                if started.elapsed() >= timeout {
                    let why = format!("its tasks come and go, after {}", span(timeout));
                    return Ok(Ended::NotSteady(why, watch.last_failure));
                }
                tokio::time::sleep(POLL).await;
            }
            Verdict::Steady => {
                let paint = watch.paint;
                let after = span(started.elapsed());
                let steady = paint.text("steady", Tone::Good);
                tell!("{} is {steady} after {after}", applied.service);
                return Ok(Ended::Steady);
            }
            Verdict::Failed(why) => return Ok(Ended::NotSteady(why, watch.last_failure)),
            Verdict::Going if started.elapsed() >= timeout => {
                let (running, desired) = (service.running_count, service.desired_count);
                let why = format!(
                    "{} of {} tasks run after {}",
                    running.unwrap_or(0),
                    desired.unwrap_or(0),
                    span(timeout)
                );
                return Ok(Ended::NotSteady(why, watch.last_failure));
            }
            Verdict::Going => tokio::time::sleep(POLL).await,
        }
    }
}

struct Watch<'a> {
    client: &'a Client,
    applied: &'a Applied,
    paint: Paint,
    live: Live,
    seen_event: Option<String>,
    /// ARNs of the tasks whose failure is known.
    failed: HashSet<String>,
    last_failure: Option<String>,
    /// The failures that were shown.
    causes: BTreeSet<String>,
    /// It was said that more are not.
    counted_only: bool,
    /// ECS has said that it cannot start the tasks.
    throttled: bool,
    /// ARNs of the service's running tasks, and since when they are these.
    running: BTreeSet<String>,
    unchanged: Stopwatch,
    /// It was said what is waited for although all tasks run.
    told: bool,
}

impl Watch<'_> {
    async fn show(&mut self, service: &ecs::Service) -> Result<()> {
        for event in progress::new_events(service, self.seen_event.as_deref()) {
            let message = plain(event.message.as_deref().unwrap_or_default());
            self.live.say(&self.paint.text(&message, Tone::Quiet));
            self.throttled |= message.contains("unable to consistently start tasks");
            if message.contains("unable to place a task") {
                self.last_failure = Some(message);
            }
        }
        let newest = service.events.iter().flatten().next();
        self.seen_event = newest.and_then(|e| e.id.clone()).or(self.seen_event.take());
        self.look_at_tasks().await?;
        if !self.told && progress::counts_down(service, &self.applied.deployment) {
            self.told = true;
            let why = "all tasks run; ECS counts each once its health checks pass or, without any, \
                       once it has run for 40 s, or as long as `neargate up --service-settle` says";
            self.live.say(&self.paint.text(why, Tone::Quiet));
        }
        self.live.show(progress::lines(service, self.paint));
        Ok(())
    }

    /// Which tasks run, and those of this deployment that ended badly.
    async fn look_at_tasks(&mut self) -> Result<()> {
        let which = Selection {
            service: Some(self.applied.service.clone()),
            with_stopped: true,
        };
        let mut all = tasks::tasks(self.client, &self.applied.cluster, &which).await?;
        all.reverse();
        let runs = |t: &&ecs::Task| t.last_status.as_deref() == Some("RUNNING");
        let running = all.iter().filter(runs).filter_map(|t| t.task_arn.clone());
        let running: BTreeSet<String> = running.collect();
        if running != self.running {
            self.running = running;
            self.unchanged = Stopwatch::start();
        }
        for task in all {
            let ours = task.started_by.as_deref() == Some(&self.applied.deployment);
            let stopped = task.last_status.as_deref() == Some("STOPPED");
            let arn = task.task_arn.clone().unwrap_or_default();
            if !(ours && stopped) || self.failed.contains(&arn) {
                continue;
            }
            let Some(why) = progress::failure(&task) else {
                continue;
            };
            let why = plain(&why);
            self.failed.insert(arn);
            self.unchanged = Stopwatch::start();
            self.last_failure = Some(why.clone());
            // Each cause is said once.
            let is_new = !self.causes.contains(&why);
            if is_new && self.causes.len() < SHOWN_FAILURES {
                self.show_failure(&task, &why).await?;
                self.causes.insert(why);
            } else if !std::mem::replace(&mut self.counted_only, true) {
                self.live
                    .say("more tasks fail, in the same way or another; they are counted only");
            }
        }
        Ok(())
    }

    async fn show_failure(&mut self, task: &ecs::Task, why: &str) -> Result<(), ClientError> {
        let id = last_part(task.task_arn.as_deref().unwrap_or_default());
        let text = format!("task {} stopped: {why}", short(id));
        self.live.say(&self.paint.text(&text, Tone::Bad));
        let arn = task.task_definition_arn.clone();
        for definition in tasks::definitions(self.client, arn).await? {
            for (container, stream) in streams_of(&definition, task, self.client.region()) {
                let Some(stream) = stream else { continue };
                for line in last_lines(self.client, &stream, SHOWN_LINES).await? {
                    let name = self.paint.text(&container, Tone::Quiet);
                    self.live
                        .say(&format!("    {name} {}", plain(&line.message)));
                }
            }
        }
        Ok(())
    }

    /// Have the tasks that are wanted been running for a while, and none failed?
    fn has_settled(&self, service: &ecs::Service) -> bool {
        let wanted = usize::try_from(service.desired_count.unwrap_or(0));
        wanted == Ok(self.running.len()) && self.unchanged.elapsed() >= SETTLED
    }
}
