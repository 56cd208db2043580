//! What this host knows, for the gateway's own pages.

use crate::slices::Running;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use neargate_base::AccountId;
use neargate_control::ControlPlane;
use neargate_control::pages::{self, TaskUsage};
use neargate_domain::{NetworkInterface, Resources, instance_type};
use neargate_ecs::fleet::Row;
use neargate_node::about;
use neargate_node::runtime::{Runtime, ShimRuntime};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

/// Readings under way at the same time.
const PARALLEL: usize = 16;

/// Reads from this process's runtimes.
pub struct HostPages {
    pub control_plane: Arc<ControlPlane>,
    /// The host's own node.
    pub node: &'static str,
    pub runtime: Arc<ShimRuntime>,
    pub slices: Running,
}

impl pages::Host for HostPages {
    fn usage(&self, account: &AccountId) -> BoxFuture<'_, Vec<TaskUsage>> {
        let mut places = vec![(self.node.to_owned(), self.runtime.clone(), None)];
        for (id, containers) in self.slices.containers() {
            places.push((id, containers.runtime, Some(containers.namespace)));
        }
        let mut readings = Vec::new();
        for (node, runtime, shared) in places {
            let rows = self.control_plane.ecs.fleet.of_node(&node);
            let theirs = |row: &Arc<Row>| row.is_running() && row.cluster.scope.account == *account;
            for row in rows.into_iter().filter(theirs) {
                let task_id = row.key.rsplit('/').next().unwrap_or_default().to_owned();
                readings.push(self.read(task_id, runtime.clone(), shared.clone()));
            }
        }
        let readings = stream::iter(readings).buffer_unordered(PARALLEL);
        Box::pin(readings.filter_map(std::future::ready).collect())
    }

    fn instance_resources(&self, name: &str) -> Result<Resources, String> {
        let Some(kind) = instance_type::find(name) else {
            let names = instance_type::names();
            let distance = |other: &&String| strsim::levenshtein(other, name);
            let nearest = names.iter().min_by_key(distance).expect("there are types");
            return Err(format!(
                "There is no instance type {name:?} here; did you mean {nearest:?}?"
            ));
        };
        Ok(about::slice(&kind, &nowhere())?.resources)
    }
}

impl HostPages {
    /// `None`: it has just ended.
    async fn read(
        &self,
        task_id: String,
        runtime: Arc<ShimRuntime>,
        shared: Option<PathBuf>,
    ) -> Option<TaskUsage> {
        let at_millis = self.control_plane.house.now().as_millis();
        let used = runtime.usage(&task_id).await.ok()?;
        let traffic = runtime.traffic(&task_id, shared).await.ok()?;
        Some(TaskUsage {
            task_id,
            at_millis,
            cpu_nanos: used.cpu_nanos,
            memory_bytes: used.working_set_bytes,
            memory_limit_bytes: used.memory_limit_bytes,
            processes: used.pids,
            network: traffic.map(|t| pages::Traffic {
                received_bytes: t.received_bytes,
                sent_bytes: t.sent_bytes,
            }),
        })
    }
}

/// Resources do not depend on the interface; attributes, which do, are not asked for.
fn nowhere() -> NetworkInterface {
    NetworkInterface {
        id: String::new(),
        mac: String::new(),
        private_ipv4: Ipv4Addr::UNSPECIFIED,
        prefix_len: 0,
        gateway: Ipv4Addr::UNSPECIFIED,
        vpc_cidr: String::new(),
        subnet_id: String::new(),
        vpc_id: String::new(),
        security_groups: Vec::new(),
        private_dns_name: String::new(),
        domain_name: None,
        availability_zone: String::new(),
        in_default_vpc: true,
        public_ipv4: None,
    }
}
