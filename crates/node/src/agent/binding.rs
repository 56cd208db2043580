//! Binds the node's real network and images to the agent's seams.

use super::seams::{Plumb, Pull, PulledImage};
use crate::image::Images;
use crate::net::Network;
use crate::upstream::ImageSource;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_domain::NetworkInterface;
use std::collections::HashSet;
use std::path::PathBuf;

#[async_trait]
impl Plumb for Network {
    async fn attach(&self, task_id: &str, eni: &NetworkInterface) -> Result<PathBuf, String> {
        Network::attach(self, task_id, eni).await.map_err(|e| super::operation::chain(&e))
    }

    async fn detach(&self, task_id: &str) -> Result<(), String> {
        Network::detach(self, task_id).await;
        Ok(())
    }

    async fn sweep(&self, keep: &HashSet<String>) -> Result<(), String> {
        Network::sweep(self, keep).await;
        Ok(())
    }

    fn resolv_conf(&self) -> String {
        Network::resolv_conf(self)
    }
}
