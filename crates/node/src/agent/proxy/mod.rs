//! Envoy in a container: what it begins with ([`bootstrap`]), and its way to whoever configures it, a Unix
//! socket that only its container is shown. So a proxy cannot ask for another's configuration: the control
//! plane is told by the node whose socket it is (`docs/service-connect.md`).
//!
//! The socket is the agent's. It is bound again by an agent that comes after, in the directory that the
//! container still sees; meanwhile Envoy goes on with what it knows.

mod bootstrap;
mod drain;

pub(super) use drain::{Ending, is_ready};

use super::driver::Shared;
use crate::runtime::{Bind, ContainerConfig, ShownFile};
use neargate_base::task::spawn;
use neargate_domain::{Assignment, ContainerSpec, HealthCheck};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

/// Where a proxy finds what it needs.
const DIR: &str = "/run/neargate";
const SOCKET: &str = "ads.sock";
const BOOTSTRAP: &str = "/etc/neargate/envoy.json";
/// Among a task's containers; nobody's name can be that.
const HOST_DIR: &str = ".proxies";
/// Says that a container is a proxy, as those that ECS puts into tasks do.
const LABEL: (&str, &str) = ("neargate:proxy", "envoy");
/// By these App Mesh's image knows what it stands for.
const RESOURCE: [&str; 2] = ["APPMESH_RESOURCE_ARN", "APPMESH_VIRTUAL_NODE_NAME"];
/// How many connections a container may have; Envoy has one.
const CONNECTIONS: usize = 4;

/// The sockets that are listened at, by task.
#[derive(Debug, Default)]
pub struct Proxies(Mutex<HashMap<String, HashMap<String, AbortOnDropHandle<()>>>>);

impl Proxies {
    pub(super) fn forget(&self, task_id: &str) {
        self.0.lock().remove(task_id);
    }
}

/// Is the container a proxy that is configured from here?
pub(super) fn is_proxy(spec: &ContainerSpec) -> bool {
    let labelled = spec.labels.get(LABEL.0).is_some_and(|v| v == LABEL.1);
    let stands_for = |name: &&str| spec.environment.get(*name).is_some_and(|v| !v.is_empty());
    labelled || RESOURCE.iter().any(stands_for)
}

/// Of a proxy that ECS has put there: the node asks it itself, whose image need not have a program for that.
/// No task definition's command is this.
const CHECK: &str = "NEARGATE-PROXY";

pub(super) fn is_own_check(check: &HealthCheck) -> bool {
    check.command.first().is_some_and(|word| word == CHECK)
}

/// Shows the container its socket and what Envoy begins with.
///
/// # Errors
/// Neither can be made.
pub(super) fn share(
    shared: &Arc<Shared>,
    task: &Assignment,
    spec: &ContainerSpec,
    config: &mut ContainerConfig,
) -> Result<(), String> {
    let dir = listen(shared, &task.task_id, &spec.name)
        .map_err(|e| format!("unable to open the proxy's way to its configuration: {e}"))?;
    config.binds.push(Bind {
        source: dir,
        target: DIR.to_owned(),
        read_only: true,
        ..Bind::default()
    });
    config.files.push(ShownFile {
        target: BOOTSTRAP.to_owned(),
        text: bootstrap::bootstrap(task, spec)?,
    });
    // The image's entry point is Envoy and nothing else: what it is told, an agent beside it would tell it.
    if let [program] = config.args.as_slice()
        && Path::new(program).file_name() == Some("envoy".as_ref())
    {
        config.args.extend(bootstrap::arguments(spec, BOOTSTRAP));
    }
    Ok(())
}

/// Listens for the proxy, as an agent before did; answers where.
///
/// # Errors
/// The socket cannot be made.
pub(super) fn listen(shared: &Arc<Shared>, task_id: &str, container: &str) -> io::Result<PathBuf> {
    let dir = shared.runtime.writable_dir(task_id).join(HOST_DIR);
    let dir = dir.join(container);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755).create(&dir)?;
    // A socket's address must be short, whatever its directory's.
    let guard = File::open(&dir)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", guard.as_raw_fd()));
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    // Whoever Envoy runs as.
    fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    let accepting = accept(
        shared.clone(),
        listener,
        task_id.to_owned(),
        container.to_owned(),
    );
    let handle = AbortOnDropHandle::new(spawn("proxy-socket", accepting));
    let mut all = shared.proxies.0.lock();
    let of_task = all.entry(task_id.to_owned()).or_default();
    of_task.insert(container.to_owned(), handle);
    Ok(dir)
}

async fn accept(shared: Arc<Shared>, listener: UnixListener, task_id: String, container: String) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(task_id, container, %error, "a proxy is not let in");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                continue;
            }
        };
        let upstream = shared.upstream.clone();
        let (task_id, container) = (task_id.clone(), container.clone());
        connections.spawn(async move {
            if let Err(error) = upstream.proxy(&task_id, &container, stream).await {
                tracing::warn!(task_id, container, %error, "a proxy is not configured");
                // It comes again at once.
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            drop(place);
        });
    }
}
