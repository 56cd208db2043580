//! What others break of the network is made again: tables that were flushed or changed, forwarding
//! that was switched off, a VPC's namespace, uplink or routes, a task's interface that is gone.
//!
//! It looks every other second, which costs some questions to the kernel, and whenever an
//! attachment fails. What it does is what a start does: ensure.

use super::error::NetworkError;
use super::{Network, blocking, firewall, generation, neighbours, sysctl};
use neargate_base::task::spawn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(super) fn start(network: &Arc<Network>) {
    let network = Arc::downgrade(network);
    spawn("network-watch", look(network));
}

async fn look(network: Weak<Network>) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let Some(network) = network.upgrade() else {
            return;
        };
        if let Err(error) = network.mend().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the task network is not as it should be");
        }
    }
}

impl Network {
    /// Makes again what is missing.
    pub(super) async fn mend(&self) -> Result<(), NetworkError> {
        // One at a time, and none after the end.
        let ended = self.mending.lock().await;
        if *ended {
            return Ok(());
        }
        self.mend_host().await?;
        self.vpcs.tidy().await?;
        let lost = self.vpcs.look().await?;
        self.reconnect(lost).await
    }

    async fn mend_host(&self) -> Result<(), NetworkError> {
        let known = self.generation.load(Ordering::Relaxed);
        let ask = || {
            let read = NetworkError::link("ask for nftables' generation");
            generation::now().map_err(read)
        };
        let look = blocking(move || Ok((sysctl::forwards()?, ask()?)));
        let (forwards, now) = look.await?;
        if forwards && now == known {
            return Ok(());
        }
        if !forwards {
            tracing::warn!("the host's routing was switched off: switched on again");
        }
        // Whatever was changed, and by whom: a single rule that is gone is not looked for.
        let rules = self.rules.clone();
        blocking(move || {
            sysctl::forward(true)?;
            neighbours::accept(neighbours::UPLINKS)?;
            firewall::run(&rules)
        })
        .await?;
        self.load_peers().await?;
        // What failed is looked at again. Our own loading is the next number, or the next but one;
        // any other means that somebody came between.
        let ours = 1 + u32::from(self.overlay.is_some());
        let seen = now.wrapping_add(ours);
        self.generation.store(seen, Ordering::Relaxed);
        Ok(())
    }
}
