//! Tells proxies of virtual nodes and gateways what they are to do.
//!
//! What is known of a mesh is read once for each change, however many proxies ask: the objects, Cloud Map's
//! instances, ACM's certificates. Only the compiler runs for each proxy by itself.

mod known;

use crate::model::{At, VirtualGateway, VirtualNode};
use crate::plan::compile::{Who, compile};
use async_trait::async_trait;
use known::Known;
use neargate_base::backoff::Backoff;
use neargate_base::{Arn, task};
use neargate_service::{AwsError, Caller, House, Scope};
use neargate_xds::{Proxy, Refusal, Rejected, Snapshot, Source};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// Whatever is written below these may change what a proxy is told.
const CHANGES: [&str; 3] = ["appmesh/changes/", "servicediscovery/", "acm/certificate/"];
const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);

/// A mesh in an account and region.
type Place = (Scope, String);
/// What was known of one, and at which change.
type Slot = Arc<Mutex<Option<(u64, Arc<Known>)>>>;

/// The source of App Mesh. Dropping it ends its watches.
#[derive(Debug)]
pub struct MeshSource {
    house: Arc<House>,
    changed: Arc<watch::Sender<u64>>,
    known: Mutex<HashMap<Place, Slot>>,
    follows: Vec<JoinHandle<()>>,
}

impl MeshSource {
    pub fn new(house: &Arc<House>) -> MeshSource {
        let changed = Arc::new(watch::Sender::new(0));
        let follows = CHANGES.map(|prefix| {
            let work = follow(house.clone(), prefix, changed.clone());
            task::spawn("app-mesh-changes", work)
        });
        MeshSource {
            house: house.clone(),
            changed,
            known: Mutex::default(),
            follows: follows.into(),
        }
    }

    async fn known(&self, scope: &Scope, mesh: &str) -> Result<Option<Arc<Known>>, AwsError> {
        let place = (scope.clone(), mesh.to_owned());
        let slot = self
            .known
            .lock()
            .await
            .entry(place.clone())
            .or_default()
            .clone();
        let mut slot = slot.lock().await;
        // Before anything is read: what changes meanwhile is read again.
        let at = *self.changed.borrow();
        if let Some((then, known)) = &*slot
            && *then == at
        {
            return Ok(Some(known.clone()));
        }
        let Some(known) = known::read(&self.house, scope, mesh).await? else {
            *slot = None;
            self.known.lock().await.remove(&place);
            return Ok(None);
        };
        let known = Arc::new(known);
        *slot = Some((at, known.clone()));
        Ok(Some(known))
    }
}

impl Drop for MeshSource {
    fn drop(&mut self) {
        self.follows.iter().for_each(JoinHandle::abort);
    }
}

/// Counts what changes below a prefix.
async fn follow(house: Arc<House>, prefix: &'static str, changed: Arc<watch::Sender<u64>>) {
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
    loop {
        let Err(error) = once(&house, prefix, &changed, &mut backoff).await;
        tracing::warn!(%error, prefix, "the changes of meshes are watched again");
        tokio::time::sleep(backoff.next_delay(&house.rng)).await;
    }
}

async fn once(
    house: &House,
    prefix: &str,
    changed: &watch::Sender<u64>,
    backoff: &mut Backoff,
) -> Result<Infallible, AwsError> {
    let store = house.db.store();
    let revision = store.revision().await?;
    let mut watch = store.watch(prefix, Some(revision + 1)).await?;
    // What happened before it was watched is not counted by itself.
    changed.send_modify(|count| *count += 1);
    loop {
        watch.next().await?;
        backoff.reset();
        changed.send_modify(|count| *count += 1);
    }
}

/// What a proxy says that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    mesh: String,
    who: Who,
    /// `None`: it is not said, and so it is the task's.
    scope: Option<Scope>,
}

impl Claim {
    /// An ARN, or `mesh/NAME/virtualNode/NAME` as older proxies say it.
    fn read(resource: &str) -> Option<Claim> {
        let arn: Option<Arn> = resource.parse().ok();
        let (path, scope) = match &arn {
            Some(arn) if arn.service == "appmesh" => {
                (arn.resource.as_str(), Scope::of_arn(resource))
            }
            Some(_) => return None,
            None => (resource, None),
        };
        let parts: Vec<&str> = path.split('/').collect();
        let ["mesh", mesh, kind, name] = parts.as_slice() else {
            return None;
        };
        let who = match *kind {
            "virtualNode" => Who::Node((*name).to_owned()),
            "virtualGateway" => Who::Gateway((*name).to_owned()),
            _ => return None,
        };
        Some(Claim {
            mesh: (*mesh).to_owned(),
            who,
            scope,
        })
    }

    fn arn(&self, scope: &Scope) -> String {
        let at = |name: &str| At {
            name: name.to_owned(),
            ..At::mesh(&self.mesh)
        };
        match &self.who {
            Who::Node(name) => at(name).arn::<VirtualNode>(scope),
            Who::Gateway(name) => at(name).arn::<VirtualGateway>(scope),
        }
    }
}

fn failed(error: &AwsError) -> Refusal {
    tracing::warn!(%error, "a proxy cannot be told what it is to do");
    Refusal::Failed(error.to_string())
}

#[async_trait]
impl Source for MeshSource {
    fn knows(&self, proxy: &Proxy) -> bool {
        Claim::read(&proxy.resource).is_some()
    }

    async fn changes(&self, _: &Proxy) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn snapshot(&self, proxy: &Proxy) -> Result<Arc<Snapshot>, Refusal> {
        let scope = Scope {
            account: proxy.account.clone(),
            region: proxy.region.clone(),
        };
        let claim = Claim::read(&proxy.resource);
        let claim = claim.filter(|claim| claim.scope.as_ref().is_none_or(|of| *of == scope));
        let Some(claim) = claim else {
            return Err(Refusal::Denied(format!(
                "{} is nothing that a task of account {} in {} may stand for",
                proxy.resource, scope.account, scope.region
            )));
        };
        let arn = claim.arn(&scope);
        // AWS's words, as its troubleshooting guide shows them.
        let unauthorized = || {
            Refusal::Denied(format!(
                "Unauthorized to perform appmesh:StreamAggregatedResources for {arn}."
            ))
        };
        match &proxy.task_role_arn {
            Some(role) => {
                let action = "appmesh:StreamAggregatedResources";
                let may = Caller::may(&self.house, &scope, role, action, &arn).await;
                may.map_err(|_| unauthorized())?;
            }
            None if self.house.settings.enforced => return Err(unauthorized()),
            None => {}
        }
        let known = self
            .known(&scope, &claim.mesh)
            .await
            .map_err(|e| failed(&e))?;
        let told = known.and_then(|known| compile(&known.world, &claim.who, &known.around));
        told.map(Arc::new)
            .ok_or_else(|| Refusal::Absent(format!("{arn} is not present")))
    }

    fn taken(&self, proxy: &Proxy, rejected: Option<&Rejected>) {
        if let Some(Rejected { kind, message }) = rejected {
            tracing::warn!(
                resource = proxy.resource,
                task = proxy.task_arn,
                ?kind,
                message,
                "a proxy of a mesh refused what it was told, and goes on with what it had"
            );
        }
    }
}

#[cfg(test)]
mod tests;
