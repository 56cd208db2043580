//! What a driver does next: a pure function of what it knows and the time. Doubled planning is
//! harmless, because [`begin`] marks each action before it is carried out.

use super::health::Due;
use super::order::{self, Start};
use super::state::{ContainerState, Network, Once, Phase, Secrets, TaskState};
use neargate_base::Timestamp;
use neargate_domain::TaskReport;
use std::time::Duration;

/// SIGKILL is sent again when a container has not gone after this long.
const KILL_AGAIN: Duration = Duration::from_secs(10);
/// What a container wrote goes with its task; when that has not come about so soon, it goes first.
const DISCARD_AFTER: Duration = Duration::from_millis(500);
/// Longer than whoever retries waits.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// One step; containers by their index in the assignment.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write the facts of this version to the ledger; `durable`: to disk, too.
    Save {
        version: u64,
        durable: bool,
    },
    /// Network interface and cgroup.
    AttachNetwork,
    /// What its definition names as secret.
    ReadSecrets,
    Pull(usize),
    /// See that the log stream can be written.
    CheckLogs(usize),
    Start(usize),
    /// Run an ended container again.
    Restart(usize),
    /// Run the container's health check.
    Check(usize),
    /// End a container that was never started; the reason, when it is its own failure.
    GiveUp(usize, Option<String>),
    Signal(usize, i32),
    Kill(usize),
    /// Free what an ended container wrote.
    Discard(usize),
    ReleaseNetwork,
    /// Remove cgroup and state directories.
    RemoveTask,
    Report(Box<TaskReport>),
    /// Delete the ledger entry and end the driver.
    Forget,
}

/// What to do now, and when to think again if nothing happens before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub wake_at: Option<Timestamp>,
}

impl Plan {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |w| w.min(at)));
    }

    /// True when a retry is due; else be woken for it.
    fn due(&mut self, retry_at: Option<Timestamp>, now: Timestamp) -> bool {
        // Further away than it can be: the clock was set back while nobody looked.
        match retry_at {
            Some(at) if at > now && at <= now + LONGEST_RETRY => {
                self.wake(at);
                false
            }
            _ => true,
        }
    }
}

/// The next steps of a task.
pub fn plan(state: &TaskState, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if state.forgetting == Once::Done {
        return plan;
    }
    save(state, now, &mut plan);
    if state.stopping() {
        read_secrets(state, &mut plan);
        stop(state, now, &mut plan);
    } else {
        run(state, now, &mut plan);
        // Giving one up may end the task.
        let gives_up = |action: &Action| matches!(action, Action::GiveUp(..));
        if !plan.actions.iter().any(gives_up) {
            check(state, now, &mut plan);
        }
    }
    if state.all_ended() {
        release(state, now, &mut plan);
    }
    discard(state, now, &mut plan);
    report(state, now, &mut plan);
    plan
}

fn save(state: &TaskState, now: Timestamp, plan: &mut Plan) {
    let s = &state.saving;
    let worth = !(state.removed && state.released());
    let behind = s.written < s.version || !s.is_safe();
    if worth && behind && !s.in_flight && plan.due(s.retry_at, now) {
        plan.act(Action::Save {
            version: s.version,
            durable: !s.is_safe(),
        });
    }
}

/// Secrets are for what is to start, which is nothing in a task that stops, and for log drivers:
/// those go on when an agent has come that does not have them.
fn read_secrets(state: &TaskState, plan: &mut Plan) {
    let starts = |c: &ContainerState| !matches!(c.phase, Phase::Running { .. } | Phase::Ended(_));
    let to_start = !state.stopping() && state.containers.iter().any(starts);
    let mut containers = state.assignment.containers.iter().zip(&state.containers);
    let to_log = containers.any(|(spec, c)| {
        let ran = match &c.phase {
            Phase::Running { .. } | Phase::Restarting { .. } => true,
            Phase::Ended(ended) => ended.started_at.is_some(),
            _ => false,
        };
        ran && !c.drained && spec.has_secret_route()
    });
    if state.secrets == Secrets::Absent && (to_start || to_log) {
        plan.act(Action::ReadSecrets);
    }
}

/// Towards running: network, images and log streams side by side, then the containers in order.
fn run(state: &TaskState, now: Timestamp, plan: &mut Plan) {
    if state.network == Network::Absent && plan.due(state.network_retry_at, now) {
        plan.act(Action::AttachNetwork);
    }
    read_secrets(state, plan);
    let ended = |i: usize| matches!(state.containers[i].phase, Phase::Ended(_));
    for (i, c) in state.containers.iter().enumerate() {
        let has_login = || {
            state.assignment.containers[i]
                .repository_credentials
                .is_some()
        };
        if c.phase == Phase::Waiting && (state.secrets.are_ready() || !has_login()) {
            plan.act(Action::Pull(i));
        }
        if c.log_ready == Once::ToDo && !ended(i) {
            plan.act(Action::CheckLogs(i));
        }
    }
    // No container starts before the whole task can: a task that fails to start never ran.
    let ready = matches!(state.network, Network::Ready(_))
        && state.secrets.are_ready()
        && state.saving.written > 0
        && state.containers.iter().enumerate().all(|(i, c)| {
            let pulled = !matches!(c.phase, Phase::Waiting | Phase::Pulling);
            ended(i) || (pulled && c.log_ready == Once::Done)
        });
    if !ready {
        return;
    }
    let mut starts = Vec::new();
    let mut given_up = false;
    for (i, c) in state.containers.iter().enumerate() {
        if let Phase::Restarting {
            under_way: false, ..
        } = c.phase
        {
            starts.push(Action::Restart(i));
        }
        if c.phase != Phase::Pulled {
            continue;
        }
        match order::start(state, i, now) {
            Start::Now => starts.push(Action::Start(i)),
            Start::Later(wake_at) => wake_at.into_iter().for_each(|at| plan.wake(at)),
            Start::Never(reason) => {
                plan.act(Action::GiveUp(i, Some(reason)));
                given_up = true;
            }
        }
    }
    // Giving one up may end the task: then no other is to start.
    if !given_up {
        plan.actions.append(&mut starts);
    }
}

/// The health checks that are due.
fn check(state: &TaskState, now: Timestamp, plan: &mut Plan) {
    for (i, c) in state.containers.iter().enumerate() {
        let spec = &state.assignment.containers[i];
        if let (Phase::Running { .. }, Some(check)) = (&c.phase, &spec.health_check) {
            match c.health.due(check, now) {
                Due::Now => plan.act(Action::Check(i)),
                Due::At(at) => plan.wake(at),
                Due::No => {}
            }
        }
    }
}

/// Towards stopped: the stop signal in reverse `dependsOn` order, SIGKILL after `stopTimeout`.
fn stop(state: &TaskState, now: Timestamp, plan: &mut Plan) {
    for (i, c) in state.containers.iter().enumerate() {
        match c.phase {
            Phase::Waiting
            | Phase::Pulling
            | Phase::Pulled
            | Phase::Restarting {
                under_way: false, ..
            } => plan.act(Action::GiveUp(i, None)),
            // Its start is under way and cannot be taken back; it is stopped once it runs.
            Phase::Starting | Phase::Restarting { .. } | Phase::Ended(_) => {}
            Phase::Running { .. } => stop_container(state, i, now, plan),
        }
    }
}

fn stop_container(state: &TaskState, i: usize, now: Timestamp, plan: &mut Plan) {
    let c = &state.containers[i];
    if let Some(killed_at) = c.killed_at {
        let again = killed_at + KILL_AGAIN;
        if again <= now || killed_at > now {
            plan.act(Action::Kill(i))
        } else {
            plan.wake(again)
        }
        return;
    }
    if state.removed || state.overfull {
        plan.act(Action::Kill(i));
        return;
    }
    // One that is yet to come was sent before the clock was set back, and the agent away.
    let Some(signalled_at) = c.signalled_at.filter(|at| *at <= now) else {
        if order::may_stop(state, i) {
            plan.act(Action::Signal(i, c.stop_signal));
        }
        return;
    };
    let timeout = Duration::from_secs(state.assignment.containers[i].stop_timeout_secs.into());
    let kill_at = signalled_at + timeout;
    if kill_at <= now {
        plan.act(Action::Kill(i))
    } else {
        plan.wake(kill_at)
    }
}

/// Every container has ended: give everything back.
fn release(state: &TaskState, now: Timestamp, plan: &mut Plan) {
    if !plan.due(state.release_retry_at, now) {
        return;
    }
    // Log drivers may reach their receivers through it.
    let mut containers = state.assignment.containers.iter().zip(&state.containers);
    let is_unused = containers.all(|(spec, c)| spec.log_route.is_none() || c.drained);
    let is_held = matches!(
        state.network,
        Network::Absent | Network::Ready(_) | Network::Failed
    );
    if is_held && (is_unused || state.removed) {
        plan.act(Action::ReleaseNetwork);
    }
    // State directories hold exit codes and unshipped lines: they go once both are kept elsewhere.
    // With a ledger that cannot be written the control plane is such a place: the disk may be full
    // of just these directories.
    let reported = state.reporting.acknowledged.as_ref().is_some_and(|r| {
        r.containers
            .iter()
            .all(|c| c.status == neargate_domain::ContainerStatus::Stopped)
    });
    let failing = state.saving.retry_at.is_some();
    let exits_kept = state.saving.is_safe() || (failing && reported);
    let kept = state.removed || (exits_kept && state.containers.iter().all(|c| c.drained));
    let discarding = state.containers.iter().any(|c| c.freed == Once::Doing);
    if state.removal == Once::ToDo && kept && !discarding && state.network != Network::Attaching {
        plan.act(Action::RemoveTask);
    }
    let quiet = !state.saving.in_flight;
    if state.removed && state.released() && quiet && state.forgetting == Once::ToDo {
        plan.act(Action::Forget);
    }
}

/// What ended containers wrote, when something still keeps the task from being removed: it runs
/// on, or the disk is full.
fn discard(state: &TaskState, now: Timestamp, plan: &mut Plan) {
    let removing = |a: &Action| matches!(a, Action::RemoveTask);
    if state.removal != Once::ToDo || plan.actions.iter().any(removing) {
        return;
    }
    let failing = state.saving.retry_at.is_some();
    for (i, c) in state.containers.iter().enumerate() {
        let Phase::Ended(ended) = &c.phase else {
            continue;
        };
        // One that never ran wrote nothing.
        let ran = ended.started_at.is_some();
        if !ran || c.freed != Once::ToDo || !plan.due(state.release_retry_at, now) {
            continue;
        }
        match ended.finished_at.map(|at| at + DISCARD_AFTER) {
            Some(at) if now < at && !failing => plan.wake(at),
            _ => plan.act(Action::Discard(i)),
        }
    }
}

fn report(state: &TaskState, now: Timestamp, plan: &mut Plan) {
    let r = &state.reporting;
    // What is reported is not unsaid after a power cut, unless the ledger cannot be written.
    let safe = state.saving.is_safe() || state.saving.retry_at.is_some();
    if state.removed || r.in_flight || !safe {
        return;
    }
    let mut report = state.report();
    if r.acknowledged.as_ref() != Some(&report) && plan.due(r.retry_at, now) {
        report.sequence = r.sequence + 1;
        plan.act(Action::Report(Box::new(report)));
    }
}

/// Mark `action` as begun, so that it is not planned again.
pub fn begin(state: &mut TaskState, action: &Action, now: Timestamp) {
    match action {
        Action::Save { .. } => state.saving.in_flight = true,
        Action::AttachNetwork => state.network = Network::Attaching,
        Action::ReadSecrets => state.secrets = Secrets::Reading,
        Action::Pull(i) => {
            state.containers[*i].phase = Phase::Pulling;
            state.pull_started_at.get_or_insert(now);
        }
        Action::CheckLogs(i) => state.containers[*i].log_ready = Once::Doing,
        Action::Start(i) => state.containers[*i].phase = Phase::Starting,
        Action::Restart(i) => {
            if let Phase::Restarting { under_way, .. } = &mut state.containers[*i].phase {
                *under_way = true;
            }
        }
        Action::Check(i) => state.containers[*i].health.begin(now),
        Action::GiveUp(i, reason) => state.give_up(*i, reason.as_deref(), now),
        Action::Signal(i, _) => {
            state.containers[*i].signalled_at = Some(now);
            state.touch();
        }
        Action::Kill(i) => state.containers[*i].killed_at = Some(now),
        Action::Discard(i) => state.containers[*i].freed = Once::Doing,
        Action::ReleaseNetwork => {
            state.network = Network::Releasing;
            state.release_retry_at = None;
        }
        Action::RemoveTask => {
            state.removal = Once::Doing;
            state.release_retry_at = None;
        }
        Action::Report(report) => {
            state.reporting.in_flight = true;
            state.reporting.sequence = report.sequence;
        }
        Action::Forget => state.forgetting = Once::Doing,
    }
}
