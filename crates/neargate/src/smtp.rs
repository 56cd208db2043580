//! SES's SMTP endpoint, where the configuration has one.

use crate::config::Config;
use anyhow::{Context, Result};
use neargate_base::task;
use neargate_control::ControlPlane;
use neargate_service::Principal;
use neargate_ses::smtp::{Endpoint, Holder, Holders, Limits};
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The ports of SES's endpoint, and whether TLS begins with the connection there
/// (<https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html>).
pub const PORTS: [(u16, bool); 5] = [
    (25, false),
    (587, false),
    (2587, false),
    (465, true),
    (2465, true),
];

pub fn is_wanted(config: &Config) -> bool {
    config.smtp_listen.is_some() || config.smtps_listen.is_some()
}

/// Listens where the configuration says, with the certificate of the API's port.
///
/// # Errors
/// An address is taken.
pub async fn serve(
    config: &Config,
    control_plane: &Arc<ControlPlane>,
    tls: &Arc<ServerConfig>,
) -> Result<Endpoint> {
    let mut tls = ServerConfig::clone(tls);
    // What the port speaks is not spoken here.
    tls.alpn_protocols.clear();
    let endpoint = Endpoint::new(
        control_plane.ses.clone(),
        control_plane.house.clone(),
        holders(control_plane),
        Arc::new(tls),
        Limits::default(),
    );
    for (address, at_once) in [(config.smtp_listen, false), (config.smtps_listen, true)] {
        if let Some(address) = address {
            let listener = TcpListener::bind(address).await;
            let listener =
                listener.with_context(|| format!("cannot listen for mails on {address}"))?;
            task::spawn("smtp-endpoint", endpoint.clone().serve(listener, at_once));
        }
    }
    Ok(endpoint)
}

/// The roots of accounts, and users with an active key.
fn holders(control_plane: &Arc<ControlPlane>) -> Holders {
    let (house, roots) = (
        control_plane.house.clone(),
        control_plane.accounts.keys().clone(),
    );
    Arc::new(move |id: &str| {
        if let Some(root) = roots.get(id) {
            return Some(Holder {
                secret: root.secret.clone(),
                principal: Principal::root(&root.account, id),
                account: root.account,
            });
        }
        let key = house.identities.get().key(id).filter(|k| k.active)?;
        Some(Holder {
            secret: key.secret.clone(),
            account: key.account.clone(),
            principal: key.signer(id),
        })
    })
}
