//! The planner against a simulated node: whatever fails, arrives late, twice or in another
//! order, and whenever the agent is killed, the task ends, nothing is left, and no rule is broken on the way.

use super::super::ledger::Entry;
use super::super::observe::Event;
use super::super::plan::{Action, begin, plan};
use super::super::recover::take_in;
use super::super::seams::PulledImage;
use super::super::state::*;
use super::*;
use crate::runtime::Exit;
use neargate_base::Rng;
use neargate_domain::{HealthCheck, RestartPolicy};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// A task of one to five containers with random forward-only dependencies.
fn random_task(rng: &Rng) -> TaskState {
    let n = 1 + rng.below(5) as usize;
    let containers = (0..n).map(|i| {
        let mut spec = container(&format!("c{i}"));
        spec.essential = i == 0 || rng.below(2) == 0;
        spec.stop_timeout_secs = rng.below(3) as u32;
        spec.start_timeout_secs = rng.below(3) as u32;
        if rng.below(3) == 0 {
            spec.restart_policy = Some(RestartPolicy {
                ignored_exit_codes: vec![0],
                attempt_period_secs: 1 + rng.below(2) as u32,
            });
        }
        // One that others wait for must tell sooner or later.
        spec.health_check = Some(HealthCheck {
            command: vec!["CMD".into(), "true".into()],
            interval_secs: 1 + rng.below(2) as u32,
            timeout_secs: 1,
            retries: 1 + rng.below(3) as u32,
            start_period_secs: rng.below(4) as u32,
        });
        for on in 0..i {
            if rng.below(3) == 0 {
                let condition = ["START", "COMPLETE", "SUCCESS", "HEALTHY"][rng.below(4) as usize];
                spec.depends_on.push((format!("c{on}"), condition.into()));
            }
        }
        if rng.below(2) == 0 {
            logged(spec)
        } else {
            spec
        }
    });
    new_task(containers.collect())
}

struct World {
    rng: Rng,
    now: Timestamp,
    /// Events on their way.
    pending: Vec<Event>,
    running: Vec<bool>,
    /// When each began its newest run.
    started: Vec<Option<Timestamp>>,
    /// How each container ended, until its task is removed.
    exits: Vec<Option<Exit>>,
    /// What a restarted agent finds.
    ledger: Option<Entry>,
    last_sequence: u64,
    upstream_away: bool,
}

impl World {
    fn one_in(&self, n: u64) -> bool {
        self.rng.below(n) == 0
    }

    fn exit(&self, i: usize, code: i32) -> Exit {
        Exit {
            code: Some(code),
            signal: None,
            oom_killed: self.one_in(9),
            started_at: self.started[i],
            finished_at: self.now,
            error: None,
            dropped_lines: 0,
        }
    }

    fn start(&mut self, i: usize) -> Event {
        self.running[i] = true;
        self.started[i] = Some(self.now);
        Event::Started(i, self.now)
    }

    /// What the node would do, at once or later.
    fn carry_out(&mut self, state: &TaskState, action: &Action) {
        let soon = self.now + Duration::from_millis(200);
        let event = match action {
            Action::Save { .. } if self.one_in(5) => Event::SaveFailed {
                message: "full".into(),
                retry_at: soon,
            },
            Action::Save { version, durable } => {
                self.ledger = Some(Entry::of(state, "boot"));
                Event::Saved {
                    version: *version,
                    durable: *durable,
                }
            }
            Action::AttachNetwork if self.one_in(9) => Event::NetworkFailed {
                message: "down".into(),
                retry_at: soon,
            },
            Action::AttachNetwork => Event::NetworkReady(super::links()),
            Action::ReadSecrets if self.one_in(9) => Event::SecretsRefused("no".into()),
            Action::ReadSecrets => Event::SecretsRead(Arc::default()),
            Action::Pull(i) if self.one_in(9) => Event::PullFailed(*i, "no".into()),
            Action::Pull(i) => Event::Pulled(*i, Arc::new(PulledImage::default())),
            Action::CheckLogs(i) if self.one_in(20) => Event::LogsRefused(*i, "no".into()),
            Action::CheckLogs(i) => Event::LogsReady(*i),
            Action::Start(i) if self.one_in(9) => Event::StartFailed(*i, "no".into()),
            Action::Start(i) => {
                assert!(!state.stopping(), "started while stopping");
                assert!(state.secrets.are_ready(), "started without secrets");
                self.start(*i)
            }
            Action::Restart(i) if self.one_in(9) => Event::StartFailed(*i, "no".into()),
            Action::Restart(i) => {
                assert!(state.secrets.are_ready(), "restarted without secrets");
                assert!(!state.stopping(), "restarted while stopping");
                assert!(!self.running[*i], "restarted while running");
                self.exits[*i] = None;
                self.start(*i)
            }
            Action::Check(i) => {
                assert!(!state.stopping(), "checked while stopping");
                Event::Checked(
                    *i,
                    [None, Some(true), Some(false)][self.rng.below(3) as usize],
                )
            }
            Action::Signal(i, _) if self.one_in(2) => return self.end(*i, 143),
            Action::Kill(i) => return self.end(*i, 137),
            Action::Signal(..) => return,
            Action::GiveUp(i, _) => {
                assert!(!self.running[*i], "gave up a running container");
                return;
            }
            Action::Discard(_) if self.one_in(4) => Event::ReleaseFailed(soon),
            Action::Discard(i) => Event::Discarded(*i),
            Action::ReleaseNetwork if self.one_in(4) => Event::ReleaseFailed(soon),
            Action::ReleaseNetwork => Event::NetworkReleased,
            Action::RemoveTask => {
                assert!(self.running.iter().all(|r| !r), "removed while running");
                self.exits.iter_mut().for_each(|e| *e = None);
                Event::TaskRemoved
            }
            Action::Report(report) => {
                assert!(report.sequence > self.last_sequence);
                self.last_sequence = report.sequence;
                if report.released {
                    assert!(state.all_ended() && state.stopped.is_some());
                }
                if self.upstream_away || self.one_in(4) {
                    Event::ReportFailed { retry_at: soon }
                } else {
                    Event::Reported(report.clone())
                }
            }
            Action::Forget => Event::Forgotten,
        };
        self.pending.push(event);
    }

    fn end(&mut self, i: usize, code: i32) {
        if std::mem::take(&mut self.running[i]) {
            let exit = self.exit(i, code);
            self.exits[i] = Some(exit.clone());
            self.pending.push(Event::Exited(i, exit));
        }
    }

    /// Every line of what has ended is shipped in the end.
    fn drain(&mut self, state: &TaskState) {
        for (i, c) in state.containers.iter().enumerate() {
            let under_way = |e: &Event| matches!(e, Event::Drained(d) if *d == i);
            let ended = matches!(c.phase, Phase::Ended(_));
            if ended && !c.drained && !self.pending.iter().any(under_way) {
                self.pending.push(Event::Drained(i));
            }
        }
    }

    /// Plan and begin to the end; then there must be nothing left to do.
    fn act(&mut self, state: &mut TaskState) {
        for _ in 0..20 {
            let plan = plan(state, self.now);
            if plan.actions.is_empty() {
                self.drain(state);
                return;
            }
            for action in plan.actions {
                begin(state, &action, self.now);
                self.carry_out(state, &action);
            }
        }
        panic!("planning does not converge: {:?}", plan(state, self.now));
    }

    /// The agent is killed, and another one comes back.
    fn restart(&mut self, state: TaskState) -> TaskState {
        self.pending.clear();
        self.now = self.now + Duration::from_millis(50);
        let Some(entry) = self.ledger.clone() else {
            // Swept as unknown, and assigned anew.
            self.now = self.now + Duration::from_secs(1);
            self.running.fill(false);
            self.exits.fill(None);
            return TaskState::new(state.assignment, self.now);
        };
        let mut next = entry.into_state(self.now);
        if state.assignment.desired == DesiredState::Stopped {
            next.on(Event::Assigned(Box::new(state.assignment)), self.now);
        }
        for i in 0..next.containers.len() {
            match next.containers[i].phase {
                Phase::Ended(_) => {}
                _ if self.running[i] => {
                    let at = self.started[i].expect("it runs");
                    take_in(&mut next, i, Event::Started(i, at), self.now);
                }
                _ => match self.exits[i].clone() {
                    Some(exit) => take_in(&mut next, i, Event::Exited(i, exit), self.now),
                    None if matches!(next.containers[i].phase, Phase::Running { .. }) => {
                        take_in(&mut next, i, Event::Lost(i), self.now);
                    }
                    None => {}
                },
            }
        }
        next
    }

    /// One thing happens.
    fn tick(&mut self, state: &mut TaskState) {
        if self.pending.is_empty() || self.one_in(3) {
            self.now = self.now + Duration::from_millis(300);
        } else {
            let i = self.rng.below(self.pending.len() as u64) as usize;
            let event = self.pending.swap_remove(i);
            // A container starts before it exits; all else comes in any order, and twice.
            if let Event::Exited(c, _) = &event
                && self
                    .pending
                    .iter()
                    .any(|e| matches!(e, Event::Started(s, _) if s == c))
            {
                self.pending.push(event);
                return;
            }
            if self.one_in(4) && !matches!(event, Event::Reported(_) | Event::Saved { .. }) {
                state.on(event.clone(), self.now);
            }
            state.on(event, self.now);
        }
    }
}

fn simulate(seed: u64) {
    let rng = Rng::seeded(seed);
    let mut state = random_task(&rng);
    let n = state.containers.len();
    let mut world = World {
        now: T0,
        pending: vec![],
        running: vec![false; n],
        started: vec![None; n],
        exits: vec![None; n],
        ledger: None,
        last_sequence: 0,
        upstream_away: false,
        rng,
    };
    let stop_after = world.rng.below(120);
    let mut first_cause = None;
    for round in 0..3_000u64 {
        world.act(&mut state);
        assert!(
            plan(&state, world.now).actions.is_empty(),
            "planned after applying"
        );
        if let Some(cause) = &first_cause {
            assert_eq!(state.stopped.as_ref(), Some(cause), "the cause changed");
        }
        first_cause = first_cause.or_else(|| state.stopped.clone());
        if world.one_in(40) && !state.removed {
            state = world.restart(state);
            // A cause that was not kept yet may be found again, or another in its place.
            first_cause = state.stopped.clone();
            continue;
        }
        if state.forgetting == Once::Done {
            return;
        }
        world.upstream_away = (40..80).contains(&round);
        let acknowledged = state
            .reporting
            .acknowledged
            .as_ref()
            .is_some_and(|r| r.released);
        if round == stop_after {
            let newer = stop(&state.assignment);
            state.on(Event::Assigned(Box::new(newer)), world.now);
        } else if acknowledged && !state.removed {
            state.on(Event::Removed, world.now);
        } else if world.one_in(15) {
            let i = world.rng.below(n as u64) as usize;
            let code = world.rng.below(3) as i32;
            world.end(i, code);
        } else {
            world.tick(&mut state);
        }
    }
    panic!("not forgotten: {state:#?}\npending {:?}", world.pending);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_task_always_ends_and_leaves_nothing(seed: u64) {
        simulate(seed);
    }
}
