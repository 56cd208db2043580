//! Binds the node's real network and images to the agent's seams.

use super::operation::chain;
use super::seams::{Joined, LogReach, Plumb, Pull, PulledImage, TaskLinks};
use crate::image::{CollectPolicy, Images};
use crate::net::{Network, redirect, resolv_conf_in_vpc};
use crate::upstream::ImageSource;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_blob::Digest;
use neargate_domain::{Assignment, NetworkInterface, RegistryLogin, TaskNetwork};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

#[async_trait]
impl Pull for Arc<Images> {
    async fn pull(
        &self,
        name: &str,
        source: ImageSource,
        login: Option<RegistryLogin>,
    ) -> Result<PulledImage, String> {
        let image = Images::pull_as(self, name, source, login)
            .await
            .map_err(|e| e.to_string())?;
        let config = image.config;
        Ok(PulledImage {
            digest: image.digest.to_string(),
            layers: image.layers,
            env: config.env,
            entrypoint: config.entrypoint,
            cmd: config.cmd,
            working_dir: config.working_dir,
            user: config.user,
            stop_signal: config.stop_signal,
            volumes: config.volumes,
        })
    }

    fn hold(&self, task_id: &str, digests: &[String]) {
        let digests = digests.iter().filter_map(|d| d.parse().ok()).collect();
        Images::hold(self, task_id, digests);
    }

    async fn collect(&self, in_use: &HashSet<String>, now: Timestamp) {
        let mut in_use: HashSet<Digest> = in_use.iter().filter_map(|d| d.parse().ok()).collect();
        in_use.extend(self.held());
        match Images::collect(self, &in_use, now, CollectPolicy::default()).await {
            Ok(gone) if gone.images > 0 => {
                let (images, layers, bytes) = (gone.images, gone.layers, gone.bytes);
                tracing::info!(images, layers, bytes, "unused images removed");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "unused images not removed"),
        }
    }
}

#[async_trait]
impl Plumb for Network {
    async fn attach(&self, task: &Assignment) -> Result<TaskLinks, String> {
        match &task.network {
            TaskNetwork::Awsvpc(eni) => {
                let netns = Network::attach(self, &task.task_id, eni).await;
                proxied(task, eni, netns.map_err(|e| chain(&e))?).await
            }
            TaskNetwork::Instance(_) => Err(format!(
                "network mode {} needs a container instance, and this node is none",
                task.network.mode()
            )),
        }
    }

    async fn detach(&self, task_id: &str) -> Result<(), String> {
        Network::detach(self, task_id).await.map_err(|e| chain(&e))
    }

    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), String> {
        Network::sweep(self, keep).await.map_err(|e| chain(&e))
    }

    fn log_reach(&self, task_id: &str) -> LogReach {
        LogReach {
            netns: Some(self.netns_path(task_id)),
            has_files: false,
        }
    }

    fn resolv_conf(&self, network: &TaskNetwork) -> String {
        let interface = network.interface();
        interface.map_or_else(|| Network::resolv_conf(self), resolv_conf_in_vpc)
    }
}

/// `awsvpc`: the containers of a task share its interface, and what they send and get goes through the
/// task's proxy where it has one.
pub async fn proxied(
    task: &Assignment,
    eni: &NetworkInterface,
    netns: PathBuf,
) -> Result<TaskLinks, String> {
    if let Some(proxy) = &task.proxy {
        let redirected = redirect(netns.clone(), proxy).await;
        redirected.map_err(|e| chain(&e))?;
    }
    Ok(shared_by_all(task, eni, netns))
}

fn shared_by_all(task: &Assignment, eni: &NetworkInterface, netns: PathBuf) -> TaskLinks {
    let joined = Joined {
        netns: Some(netns),
        address: Some(eni.private_ipv4),
        hostname: Some(eni.private_dns_name.clone()),
        ..Joined::default()
    };
    vec![Ok(joined); task.containers.len()]
}
