//! Amazon SES, and the outbox that every mail of this installation lies in.
//!
//! `outbox` keeps mails, `delivery` brings them to the relay that the operator named; both serve whoever
//! takes the seat ([`neargate_service::mail`]).

mod address;
mod api;
mod delivery;
mod error;
pub mod identity;
pub mod message;
mod model;
mod notify;
mod operations;
mod outbox;
pub mod relay;
mod sending;
pub mod smtp;
mod template;
mod version_2;

#[cfg(test)]
mod tests;

pub use model::{Letter, Recipient, State};
pub use outbox::Outbox;
pub use version_2::SesV2;

use async_trait::async_trait;
use delivery::Delivery;
use neargate_blob::Extents;
use neargate_service::{AfterReset, AwsError, Background, Component, House, Service};
use relay::Relay;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// SES's API of 2010, and mail itself.
#[derive(Debug)]
pub struct Ses {
    extents: Arc<Extents>,
    relay: Option<Arc<Relay>>,
    outbox: OnceLock<Arc<Outbox>>,
}

impl Ses {
    /// Mails lie in these extents, which nobody else uses; without a relay they stay there.
    pub fn new(extents: Arc<Extents>, relay: Option<Relay>) -> Ses {
        Ses {
            extents,
            relay: relay.map(Arc::new),
            outbox: OnceLock::new(),
        }
    }

    pub fn outbox(&self, house: &House) -> &Arc<Outbox> {
        let new = || Outbox::new(house, self.extents.clone(), self.relay.is_some());
        self.outbox.get_or_init(|| Arc::new(new()))
    }

    /// Where mails go; `None`: they stay here.
    pub fn relay(&self) -> Option<&Relay> {
        self.relay.as_deref()
    }
}

/// The first sweep waits, so that a start is not slowed.
const FIRST_SWEEP: Duration = Duration::from_secs(60);
const SWEEP: Duration = Duration::from_secs(6 * 60 * 60);

async fn sweep(outbox: Arc<Outbox>) {
    let mut wait = FIRST_SWEEP;
    loop {
        tokio::time::sleep(wait).await;
        wait = SWEEP;
        match outbox.sweep().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "bytes that no mail has were removed"),
            Err(error) => tracing::warn!(%error, "cannot look for bytes that no mail has"),
        }
    }
}

#[async_trait]
impl Component for Ses {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(operations::table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        let outbox = self.outbox(&house).clone();
        house.mail.take(outbox.clone());
        background.control(Delivery {
            house: house.clone(),
            db: house.db.clone(),
            clock: house.clock.clone(),
            outbox: outbox.clone(),
            relay: self.relay.clone(),
        });
        background.spawn("mail-sweep", sweep(outbox));
    }

    async fn ready(&self) {
        if let Some(outbox) = self.outbox.get()
            && let Err(error) = outbox.load().await
        {
            tracing::error!(%error, "cannot read the outbox: it is not bounded until the next start");
        }
    }

    async fn reset(self: Arc<Self>, house: &Arc<House>) -> Result<AfterReset, AwsError> {
        let outbox = self.outbox(house).clone();
        Ok(AfterReset::new(async move || outbox.wipe().await))
    }
}
