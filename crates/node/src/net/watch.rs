//! What others break of the network is made again: a bridge that was deleted, tables that were
//! flushed, forwarding that was switched off, a task's interface that is gone.
//!
//! It looks every other second, which costs three questions to the kernel, and whenever an
//! attachment fails. What it does is what a start does: ensure.

use super::error::NetworkError;
use super::netlink::Netlink;
use super::overlay::Overlay;
use super::{Network, blocking, firewall, generation, host, link, neighbours, netns};
use super::{plumb, sysctl};
use neargate_base::task::spawn;
use std::collections::HashSet;
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
        let plans: Vec<plumb::Plan> = self.plans.lock().values().cloned().collect();
        let (name, known) = (
            self.bridge_name.clone(),
            self.generation.load(Ordering::Relaxed),
        );
        let (index, table) = (self.bridge.load(Ordering::Relaxed), self.table.clone());
        let gateways: Vec<_> = self.subnets.iter().map(|(gateway, _)| *gateway).collect();
        let found = blocking(move || {
            let read = || NetworkError::link("read the host's network");
            let mut nl = Netlink::open().map_err(read())?;
            let links = link::list(&mut nl).map_err(read())?;
            let names: HashSet<&str> = links.iter().map(|l| l.name.as_str()).collect();
            let bridge = links.iter().find(|l| l.name == name && l.index == index);
            let here = link::addresses(&mut nl).map_err(read())?;
            let whole = bridge.is_some_and(|b| b.up) && gateways.iter().all(|g| here.contains(g));
            let bridge = bridge.is_some();
            let lost = plans
                .into_iter()
                .filter(|p| !bridge || !names.contains(&*p.veth));
            let generation = generation::now().map_err(read())?;
            Ok((
                whole && sysctl::forwards()?,
                generation == known,
                generation == known || firewall::is_loaded(&table),
                lost.collect::<Vec<_>>(),
                generation,
            ))
        });
        let (host, same, loaded, lost, generation) = found.await?;
        if !loaded {
            tracing::warn!(
                table = self.table,
                "the firewall's rules were gone: loaded again"
            );
        }
        // Whatever was changed, and by whom: a single rule that is gone is not looked for.
        if !same {
            self.firewall.load(self.rules.clone()).await?;
        }
        if !host {
            tracing::warn!(
                bridge = self.bridge_name,
                "the host's network was changed: made again"
            );
            self.ensure_bridge().await?;
        }
        if !(loaded && host) {
            let peers = self.peers.lock().await;
            self.apply_peers(&peers).await?;
        }
        for mut plan in lost {
            // Unless it was detached meanwhile.
            if self.plans.lock().contains_key(&plan.namespace) {
                tracing::warn!(veth = plan.veth, "a task's interface was gone: made again");
                plan.bridge = self.bridge.load(Ordering::Relaxed);
                let namespace = plan.namespace.clone();
                netns::on_own_thread(move || plumb::ensure(&plan)).await?;
                if !self.plans.lock().contains_key(&namespace) {
                    blocking(move || netns::remove(&namespace)).await?;
                }
            }
        }
        // Last: what failed is looked at again. Our own loading is the next number; any other means
        // that somebody came between.
        let ours = u32::from(!same);
        let seen = generation.wrapping_add(ours);
        self.generation.store(seen, Ordering::Relaxed);
        Ok(())
    }

    async fn ensure_bridge(&self) -> Result<(), NetworkError> {
        let (name, mtu, subnets) = (self.bridge_name.clone(), self.mtu, self.subnets.clone());
        let (overlay, table) = (self.overlay_config, self.table.clone());
        let made = blocking(move || {
            sysctl::forward(true)?;
            let bridge = host::ensure(&name, mtu, &subnets)?;
            neighbours::accept(&name)?;
            let gateways: Vec<_> = subnets.iter().map(|(gateway, _)| *gateway).collect();
            let at = (name.as_str(), bridge.index);
            let ensure = |overlay| Overlay::ensure(at, &table, mtu, overlay, &gateways);
            Ok((bridge.index, overlay.map(ensure).transpose()?))
        });
        let (index, overlay) = made.await?;
        self.bridge.store(index, Ordering::Relaxed);
        *self.overlay.lock() = overlay.map(Arc::new);
        Ok(())
    }
}
