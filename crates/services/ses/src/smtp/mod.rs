//! The SMTP endpoint: mails come in as SES's endpoint takes them, over TLS and with its credentials
//! (<https://docs.aws.amazon.com/ses/latest/dg/send-email-smtp.html>).
//!
//! Who has not shown who he is may send nothing but short lines, and has little time; connections are
//! counted, in all and of each address, and so is the memory of mails that are coming in.

mod credentials;
mod lines;
mod session;

#[cfg(test)]
mod tests;

pub use credentials::password;

use crate::Ses;
use neargate_base::{AccountId, Secret, task};
use neargate_service::{House, Principal};
use parking_lot::Mutex;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Whoever has an access key.
#[derive(Debug, Clone)]
pub struct Holder {
    pub secret: Secret<String>,
    pub account: AccountId,
    pub principal: Principal,
}

/// Who has this access key.
pub type Holders = Arc<dyn Fn(&str) -> Option<Holder> + Send + Sync>;

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    pub of_one_address: usize,
    /// For each command, and for the next part of a mail.
    pub patience: Duration,
    /// For all of a mail.
    pub mail: Duration,
    /// How much of mails may be in memory, in MiB.
    pub memory_mib: usize,
    pub most_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 256,
            of_one_address: 64,
            patience: Duration::from_secs(30),
            mail: Duration::from_secs(10 * 60),
            memory_mib: 256,
            most_bytes: neargate_service::mail::MOST_BYTES,
        }
    }
}

/// The endpoint.
#[derive(Clone)]
pub struct Endpoint {
    ses: Arc<Ses>,
    house: Arc<House>,
    holders: Holders,
    tls: TlsAcceptor,
    limits: Limits,
    memory: Arc<Semaphore>,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A connection's place; dropping it gives it back.
struct Place {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

impl Endpoint {
    pub fn new(
        ses: Arc<Ses>,
        house: Arc<House>,
        holders: Holders,
        tls: Arc<ServerConfig>,
        limits: Limits,
    ) -> Endpoint {
        Endpoint {
            ses,
            house,
            holders,
            tls: TlsAcceptor::from(tls),
            limits,
            memory: Arc::new(Semaphore::new(limits.memory_mib)),
            open: Arc::default(),
        }
    }

    /// Serves until the future is dropped; `at_once`: TLS begins with the connection.
    pub async fn serve(self, listener: TcpListener, at_once: bool) {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(place) = self.place(peer.ip()) else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let endpoint = self.clone();
            task::spawn("smtp", async move {
                // The client has gone, or was sent away.
                let _ = session::run(&endpoint, stream, at_once).await;
                drop(place);
            });
        }
    }

    fn place(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.open.lock();
        let all: usize = open.values().sum();
        let count = open.entry(address).or_default();
        if all >= self.limits.connections || *count >= self.limits.of_one_address {
            if *count == 0 {
                open.remove(&address);
            }
            return None;
        }
        *count += 1;
        let open = self.open.clone();
        Some(Place { open, address })
    }
}
