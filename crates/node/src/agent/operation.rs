//! Carrying out one action: the I/O, and which event tells of its outcome. Each is idempotent
//! and decides nothing but to try again while the control plane is away.

use super::builder;
use super::command;
use super::driver::{Message, Sender, Shared};
use super::firelens;
use super::ledger::Entry;
use super::observe::{Event, stream_failure};
use super::plan::Action;
use super::proxy;
use super::route::{self, About, Outlet, Reach};
use super::seams::{Joined, Linked, PulledImage};
use super::shipper::first_line;
use super::state::{Network, Secrets, TaskState};
use crate::runtime::{Adopted, Bind, Container, ContainerConfig, ExecEnd};
use crate::upstream::{ImageSource, UpstreamError};
use crate::volume::Unready;
use neargate_base::backoff::Backoff;
use neargate_base::{Secret, task};
use neargate_domain::{
    Assignment, ContainerSecrets, ContainerSpec, HealthCheck, TaskReport, TaskSecrets,
};
use std::error::Error;
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What failed is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A start that takes longer has failed.
const START_LIMIT: Duration = Duration::from_secs(180);

/// The ECS agent's words for one.
const TOO_SLOW: &str = "Could not transition to running; timed out after waiting 3m";

/// What an operation on one container takes from the state, taken before it is begun.
#[derive(Debug, Default)]
pub struct Prepared {
    assignment: Option<Box<Assignment>>,
    image: Option<Arc<PulledImage>>,
    link: Option<Result<Joined, String>>,
    /// What is known of the containers that it is linked to.
    linked: Vec<Linked>,
    secrets: Option<ContainerSecrets>,
    /// Those of all containers: a log router has secret options of the others.
    all_secrets: Option<Arc<TaskSecrets>>,
    /// The log router's address.
    router_address: Option<Ipv4Addr>,
}

/// Collect what `action` will need.
pub fn prepare(state: &TaskState, action: &Action) -> Prepared {
    match action {
        Action::CheckLogs(_) => Prepared {
            assignment: Some(Box::new(state.assignment.clone())),
            ..Prepared::default()
        },
        Action::Pull(i) | Action::Restart(i) => Prepared {
            assignment: Some(Box::new(state.assignment.clone())),
            secrets: secrets_of(state, *i),
            all_secrets: all_secrets(state),
            ..Prepared::default()
        },
        Action::Start(i) => Prepared {
            assignment: Some(Box::new(state.assignment.clone())),
            secrets: secrets_of(state, *i),
            image: state.containers[*i].image.clone(),
            link: link_of(state, *i),
            linked: match &state.network {
                Network::Ready(links) => command::linked(&state.assignment, *i, links),
                _ => Vec::new(),
            },
            all_secrets: all_secrets(state),
            router_address: router_address(state),
        },
        _ => Prepared::default(),
    }
}

fn secrets_of(state: &TaskState, i: usize) -> Option<ContainerSecrets> {
    let name = &state.assignment.containers[i].name;
    state.secrets.of(name).cloned()
}

fn all_secrets(state: &TaskState) -> Option<Arc<TaskSecrets>> {
    match &state.secrets {
        Secrets::Ready(all) => Some(Arc::clone(all)),
        _ => None,
    }
}

fn link_of(state: &TaskState, i: usize) -> Option<Result<Joined, String>> {
    match &state.network {
        Network::Ready(links) => links.get(i).cloned(),
        _ => None,
    }
}

fn router_address(state: &TaskState) -> Option<Ipv4Addr> {
    let mut containers = state.assignment.containers.iter();
    let router = containers.position(|spec| spec.firelens.is_some())?;
    link_of(state, router)?.ok()?.address
}

/// `NAME=value` of the container's secrets.
fn secret_env(
    task: &Assignment,
    spec: &ContainerSpec,
    all: Option<&TaskSecrets>,
) -> Vec<Secret<String>> {
    let Some(all) = all else {
        return Vec::new();
    };
    let own = all.0.get(&spec.name).into_iter();
    let variables = own.flat_map(|secrets| &secrets.environment);
    let mut env: Vec<Secret<String>> = variables
        .map(|v| Secret::new(format!("{}={}", v.name, v.value.expose())))
        .collect();
    env.extend(firelens::secrets(task, spec, all));
    env
}

/// Where the container's output goes by another driver than `awslogs`; `None`: nowhere.
pub fn outlet(
    shared: &Shared,
    task: &Assignment,
    spec: &ContainerSpec,
    image_digest: Option<&str>,
    secrets: Option<&ContainerSecrets>,
) -> Option<Result<Outlet, String>> {
    let log_route = spec.log_route.as_ref()?;
    let from = shared.network.log_reach(&task.task_id);
    let reach = Reach {
        netns: from.netns,
        has_files: from.has_files,
        router: router_dir(shared, &task.task_id),
    };
    let about = About::of(task, spec, image_digest);
    let secrets = secrets.map_or(&[][..], |secrets| &secrets.log_options);
    Some(route::outlet(log_route, secrets, &about, reach))
}

/// The directory that the node shares with a task's log router.
fn router_dir(shared: &Shared, task_id: &str) -> PathBuf {
    let dir = shared.runtime.writable_dir(task_id);
    dir.join(firelens::DIR).join("socket")
}

/// What Docker's daemon does before it starts a container: the driver's options are looked at, and
/// most drivers look for their receiver.
async fn probe(outlet: Option<Result<Outlet, String>>) -> Result<(), String> {
    let failed = |why: String| {
        format!("failed to create task for container: failed to initialize logging driver: {why}")
    };
    match outlet.transpose().map_err(failed)? {
        None | Some(Outlet::Kept(_)) => Ok(()),
        Some(Outlet::Sent(mut sink)) => sink.probe().await.map_err(|e| failed(e.to_string())),
    }
}

/// Everything an error has to say, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Ask the control plane until it answers.
async fn until_answered<T, F, Fut>(shared: &Shared, ask: F) -> Result<T, String>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, UpstreamError>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(UpstreamError::Refused(why)) => return Err(why),
            Err(UpstreamError::Unavailable(_)) => {
                tokio::time::sleep(backoff.next_delay(&shared.rng)).await;
            }
        }
    }
}

pub async fn save(
    shared: Arc<Shared>,
    driver: Sender,
    entry: Entry,
    (version, durable): (u64, bool),
    retry: Duration,
) -> Option<Message> {
    let saving = Arc::clone(&shared);
    // A driver that is gone needs no telling.
    let written = move || drop(driver.send(Event::Written(version).into()));
    let saved = task::spawn_blocking(move || saving.ledger.save(&entry, durable, written)).await;
    let message = match saved {
        Ok(Ok(())) => return Some(Event::Saved { version, durable }.into()),
        Ok(Err(error)) => chain(&error),
        Err(error) => error.to_string(),
    };
    tracing::error!(message, "ledger not written");
    let retry_at = shared.clock.now() + retry;
    Some(Event::SaveFailed { message, retry_at }.into())
}

/// The assignment with the host ports that were picked before in place of those to be picked.
pub fn with_kept_ports(state: &TaskState) -> Assignment {
    let mut task = state.assignment.clone();
    for (spec, c) in task.containers.iter_mut().zip(&state.containers) {
        let ranges = &mut spec.network.port_ranges;
        if spec.port_mappings.len() + ranges.len() == c.bindings.len() {
            let mut kept = c.bindings.iter().map(|kept| kept.host_port);
            for (mapping, kept) in spec.port_mappings.iter_mut().zip(&mut kept) {
                mapping.host_port = Some(kept);
            }
            for (range, kept) in ranges.iter_mut().zip(kept) {
                range.host_first = Some(kept);
            }
        }
    }
    task
}

/// Network and cgroup.
pub async fn attach(shared: Arc<Shared>, task: Assignment) -> Option<Message> {
    let network = shared.network.attach(&task);
    let limits = command::task_limits(&task);
    let cgroup = shared.runtime.prepare_task(&task.task_id, &limits);
    let (network, cgroup) = tokio::join!(network, cgroup);
    let message = match (network, cgroup) {
        (Ok(links), Ok(())) => {
            for why in links.iter().filter_map(|link| link.as_ref().err()) {
                tracing::warn!(task_id = task.task_id, why, "a container has no network");
            }
            return Some(Event::NetworkReady(Arc::new(links)).into());
        }
        (Err(message), _) => message,
        (Ok(_), Err(error)) => chain(&error),
    };
    tracing::warn!(task_id = task.task_id, message, "network not attached");
    let retry_at = shared.clock.now() + TRY_AGAIN;
    Some(Event::NetworkFailed { message, retry_at }.into())
}

/// Until somebody says what they are, or that there are none.
pub async fn secrets(shared: Arc<Shared>, task_id: String) -> Option<Message> {
    let ask = || shared.upstream.secrets(&task_id);
    Some(match until_answered(&shared, ask).await {
        Ok(secrets) => Event::SecretsRead(Arc::new(secrets)).into(),
        Err(message) => Event::SecretsRefused(message).into(),
    })
}

pub async fn pull(shared: Arc<Shared>, prepared: Prepared, i: usize) -> Option<Message> {
    let task = prepared.assignment.expect("prepared for a pull");
    let name = &task.containers[i].image.name;
    let resolve = || {
        shared
            .upstream
            .resolve_image(&task.account, &task.region, name)
    };
    let pulled = match until_answered(&shared, resolve).await {
        Err(message) | Ok(ImageSource::Missing { message }) => Err(message),
        Ok(source) => {
            let _permit = shared.pulls.acquire().await.expect("never closed");
            let login = prepared.secrets.and_then(|secrets| secrets.registry);
            shared.images.pull(name, source, login).await
        }
    };
    Some(match pulled {
        Ok(image) => Event::Pulled(i, Arc::new(image)).into(),
        Err(message) => Event::PullFailed(i, message).into(),
    })
}

pub async fn check_logs(shared: Arc<Shared>, prepared: Prepared, i: usize) -> Option<Message> {
    let task = prepared.assignment.expect("prepared for a log check");
    let Some(target) = &task.containers[i].log else {
        return Some(Event::LogsReady(i).into());
    };
    if let Some(Err(message)) = target.multiline.as_ref().map(first_line) {
        return Some(Event::LogsRefused(i, message).into());
    }
    let source = format!("{}/{}", task.task_id, task.containers[i].name);
    let ask = || shared.upstream.put_logs(target, &source, 0..0, Vec::new());
    Some(match until_answered(&shared, ask).await {
        Ok(_) => Event::LogsReady(i).into(),
        Err(message) => Event::LogsRefused(i, stream_failure(&message)).into(),
    })
}

pub async fn start(shared: Arc<Shared>, prepared: Prepared, i: usize) -> Option<Message> {
    let task = prepared.assignment.expect("prepared for a start");
    let image = prepared.image.expect("a pulled container has its image");
    let joined = match prepared.link.expect("planned with a network") {
        Ok(joined) => joined,
        Err(message) => return Some(Event::StartFailed(i, message).into()),
    };
    let task = Arc::<Assignment>::from(task);
    let spec = &task.containers[i];
    let digest = Some(image.digest.as_str());
    let outlet = outlet(&shared, &task, spec, digest, prepared.secrets.as_ref());
    if let Err(message) = probe(outlet).await {
        return Some(Event::StartFailed(i, message).into());
    }
    let given = command::Given {
        router_address: prepared.router_address.map(|address| address.to_string()),
        endpoint_id: shared.endpoint.id(&task.task_id, &spec.name),
        api_url: shared.api_url.clone(),
        credentials_id: task
            .task_role_arn
            .as_ref()
            .map(|_| shared.endpoint.credentials_id(&task.task_id)),
    };
    let joined = Joined {
        linked: prepared.linked,
        ..joined
    };
    let configured = command::configure(&task, spec, &image, &joined, &given);
    let allowed = |config: ContainerConfig| shared.allowed.check(&config).map(|()| config);
    let mut config = match configured.and_then(allowed) {
        Ok(config) => config,
        Err(message) => return Some(Event::StartFailed(i, message).into()),
    };
    config.binds = match binds(&shared, &task, i, &image).await {
        Ok(binds) => binds,
        Err(Unready::Container(message)) => return Some(Event::StartFailed(i, message).into()),
        Err(Unready::Task(message)) => return Some(Event::ResourceFailed(i, message).into()),
    };
    if let Some(pause) = command::pause(&task)
        && let Err(message) = hold_namespaces(&shared, &pause).await
    {
        return Some(Event::StartFailed(i, message).into());
    }
    config.secret_env = secret_env(&task, spec, prepared.all_secrets.as_deref());
    config.secret_files = command::secret_files(spec);
    let resolv_conf = shared.network.resolv_conf(&task.network);
    let resolv_conf = command::resolv_conf(&spec.network, resolv_conf);
    config.files = command::etc_files(&task, spec, &joined, &resolv_conf);
    if spec.firelens.is_some() {
        let included = prepared.secrets.and_then(|secrets| secrets.router_config);
        let instance = Some(&*shared.node).filter(|id| id.starts_with("i-"));
        let files = firelens::files(&task, spec, instance, included.as_deref());
        let dir = router_dir(&shared, &task.task_id);
        let bind = firelens::share_socket(&dir, spec);
        let bind = bind.map_err(|e| {
            format!(
                "unable to initialize resource directory {}: {e}",
                dir.display()
            )
        });
        match files.and_then(|files| Ok((files, bind?))) {
            Ok((files, bind)) => {
                config.files.extend(files);
                config.binds.push(bind);
            }
            Err(message) => return Some(Event::StartFailed(i, message).into()),
        }
    }
    if builder::is_wanted(spec)
        && let Err(message) = builder::share(&shared, &task, &joined, &mut config).await
    {
        return Some(Event::StartFailed(i, message).into());
    }
    if proxy::is_proxy(spec)
        && let Err(message) = proxy::share(&shared, &task, spec, &mut config)
    {
        return Some(Event::StartFailed(i, message).into());
    }
    let _permit = shared.starts.acquire().await.expect("never closed");
    let started = tokio::time::timeout(START_LIMIT, shared.runtime.start(&config)).await;
    Some(match started {
        Ok(Ok(container)) => Message::Live(i, container),
        Ok(Err(error)) => Event::StartFailed(i, chain(&error)).into(),
        // What there may be of it goes with the task.
        Err(_) => Event::StartFailed(i, TOO_SLOW.into()).into(),
    })
}

/// Starts what holds the task's namespaces, unless it runs.
async fn hold_namespaces(shared: &Shared, pause: &ContainerConfig) -> Result<(), String> {
    // Containers that start at once wait for one.
    let _turn = shared.pauses.lock().await;
    match shared.runtime.adopt(&pause.task_id, &pause.name).await {
        Ok(Adopted::Running(_)) => Ok(()),
        Ok(Adopted::Unknown) => {
            let started = shared.runtime.start(pause).await;
            started.map(drop).map_err(|e| chain(&e))
        }
        // The containers that had them are gone, too.
        Ok(Adopted::Exited(_) | Adopted::Lost) => {
            Err("the namespaces that the task's containers share are gone".to_owned())
        }
        Err(error) => Err(chain(&error)),
    }
}

/// What it mounts, made ready.
async fn binds(
    shared: &Shared,
    task: &Arc<Assignment>,
    i: usize,
    image: &PulledImage,
) -> Result<Vec<Bind>, Unready> {
    let inherits = task.containers.iter().any(|c| !c.volumes_from.is_empty());
    if task.volumes.is_empty() && !inherits {
        return Ok(Vec::new());
    }
    let name = &task.containers[i].name;
    let mut dir = shared.runtime.state_dir(&task.task_id, name);
    dir.pop();
    let (volumes, task) = (shared.volumes.clone(), Arc::clone(task));
    let declared = image.volumes.clone();
    let ready = move || volumes.binds(&dir, &task, i, &declared);
    // A server may take its time.
    match tokio::time::timeout(START_LIMIT, task::spawn_blocking(ready)).await {
        Ok(Ok(ready)) => ready,
        Ok(Err(e)) => Err(Unready::Container(e.to_string())),
        Err(_) => Err(Unready::Container(TOO_SLOW.into())),
    }
}

/// Run an ended container again.
pub async fn restart(shared: Arc<Shared>, prepared: Prepared, i: usize) -> Option<Message> {
    let task = prepared.assignment.expect("prepared for a restart");
    let (task_id, name) = (&task.task_id, &task.containers[i].name);
    let secrets = secret_env(&task, &task.containers[i], prepared.all_secrets.as_deref());
    let _permit = shared.starts.acquire().await.expect("never closed");
    let again = shared.runtime.restart(task_id, name, secrets);
    Some(match tokio::time::timeout(START_LIMIT, again).await {
        Ok(Ok(container)) => Message::Live(i, container),
        Ok(Err(error)) => Event::StartFailed(i, chain(&error)).into(),
        Err(_) => Event::StartFailed(i, TOO_SLOW.into()).into(),
    })
}

/// Run a health check in container `i`; `what` names it in the log. A check that cannot be run
/// has failed, as with Docker: the container may be out of processes.
pub async fn check(
    container: Arc<dyn Container>,
    check: HealthCheck,
    i: usize,
    what: String,
) -> Option<Message> {
    let timeout = Duration::from_secs(check.timeout_secs.into());
    let args = command::health_check(&check);
    let passed = match container.exec(&args, timeout).await {
        Ok(None) => None,
        Ok(Some(done)) => {
            let passed = done.end == ExecEnd::Exited(0);
            if !passed {
                tracing::debug!(what, end = ?done.end, output = done.output, "health check failed");
            }
            Some(passed)
        }
        Err(error) => {
            tracing::warn!(what, error = chain(&error), "health check not carried out");
            Some(false)
        }
    };
    Some(Event::Checked(i, passed).into())
}

pub async fn release_network(shared: Arc<Shared>, task_id: String) -> Option<Message> {
    match shared.network.detach(&task_id).await {
        Ok(()) => Some(Event::NetworkReleased.into()),
        Err(message) => again(&shared, &task_id, &message),
    }
}

pub async fn discard(
    shared: Arc<Shared>,
    task_id: String,
    name: String,
    i: usize,
) -> Option<Message> {
    match shared.runtime.discard(&task_id, &name).await {
        Ok(()) => Some(Event::Discarded(i).into()),
        Err(error) => again(&shared, &task_id, &chain(&error)),
    }
}

pub async fn remove_task(shared: Arc<Shared>, task_id: String) -> Option<Message> {
    shared.proxies.forget(&task_id);
    if let Err(error) = shared.runtime.remove_task(&task_id).await {
        return again(&shared, &task_id, &chain(&error));
    }
    let (volumes, id) = (shared.volumes.clone(), task_id.clone());
    match task::spawn_blocking(move || volumes.release(&id)).await {
        Ok(Err(error)) => again(&shared, &task_id, &chain(&error)),
        _ => Some(Event::TaskRemoved.into()),
    }
}

pub async fn forget(shared: Arc<Shared>, task_id: String) -> Option<Message> {
    let (forgetting, id) = (Arc::clone(&shared), task_id.clone());
    match task::spawn_blocking(move || forgetting.ledger.remove(&id)).await {
        Ok(Err(error)) => again(&shared, &task_id, &chain(&error)),
        _ => Some(Event::Forgotten.into()),
    }
}

fn again(shared: &Shared, task_id: &str, message: &str) -> Option<Message> {
    tracing::warn!(task_id, message, "not released, trying again");
    Some(Event::ReleaseFailed(shared.clock.now() + TRY_AGAIN).into())
}

pub async fn report(
    shared: Arc<Shared>,
    report: Box<TaskReport>,
    retry: Duration,
) -> Option<Message> {
    Some(match shared.upstream.report((*report).clone()).await {
        Ok(()) => Event::Reported(report).into(),
        Err(UpstreamError::Refused(why)) => {
            tracing::warn!(task_id = report.task_id, why, "report refused");
            Event::Reported(report).into()
        }
        Err(UpstreamError::Unavailable(_)) => Event::ReportFailed {
            retry_at: shared.clock.now() + retry,
        }
        .into(),
    })
}
