//! The relay of mails, as the configuration names it.

use crate::config::Mail;
use anyhow::{Context, Result, anyhow, bail};
use neargate_base::Secret;
use neargate_ses::relay::{Relay, Times, Tls};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// A relay's host and port, and how TLS begins. `None`: there is none.
///
/// # Errors
/// The configuration names no server, or half of a user.
pub fn place(mail: &Mail) -> Result<Option<(String, u16, Tls)>> {
    if mail.user.is_some() != mail.password.is_some() {
        bail!("mail.user and mail.password go together: a name, and the file with its password");
    }
    let Some(relay) = &mail.relay else {
        if mail.user.is_some() {
            bail!("mail.user is of a relay: name it in mail.relay");
        }
        return Ok(None);
    };
    let wrong = || anyhow!("mail.relay {relay:?} is no server such as smtp://mail.example.com:587");
    let (scheme, authority) = relay.split_once("://").ok_or_else(wrong)?;
    let authority = authority.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ']) {
        return Err(wrong());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, Some(port.parse().map_err(|_| wrong())?))
        }
        _ => (authority, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback());
    let (tls, port) = match scheme {
        "smtps" => (Tls::AtOnce, port.unwrap_or(465)),
        // A password crosses no network in the clear.
        "smtp" if mail.user.is_some() && !is_here => (Tls::Demanded, port.unwrap_or(587)),
        "smtp" => (Tls::Offered, port.unwrap_or(25)),
        _ => return Err(wrong()),
    };
    Ok(Some((host.to_owned(), port, tls)))
}

/// The relay, ready to be used.
///
/// # Errors
/// A file cannot be read.
pub fn relay(mail: &Mail) -> Result<Option<Relay>> {
    let Some((host, port, tls)) = place(mail)? else {
        return Ok(None);
    };
    let user = match (&mail.user, &mail.password) {
        (Some(user), Some(file)) => {
            let password = std::fs::read_to_string(file);
            let password = password.with_context(|| format!("cannot read {}", file.display()))?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            Some((user.clone(), Secret::new(password)))
        }
        _ => None,
    };
    Ok(Some(Relay {
        host,
        port,
        tls,
        user,
        trust: Arc::new(trust(mail.authority.as_deref())?),
        times: Times::default(),
    }))
}

fn trust(authority: Option<&Path>) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .context("TLS")?;
    let Some(file) = authority else {
        let builder = builder.with_platform_verifier();
        return Ok(builder
            .context("this host's authorities")?
            .with_no_client_auth());
    };
    let shown = file.display();
    let read = CertificateDer::pem_file_iter(file);
    let read = read.with_context(|| format!("cannot read {shown}"))?;
    let all: Vec<_> = read
        .collect::<Result<_, _>>()
        .with_context(|| format!("in {shown}"))?;
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(all);
    if added == 0 {
        bail!("{shown} holds no certificate");
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(relay: &str, user: bool) -> Option<(String, u16, Tls)> {
        let mail = Mail {
            relay: Some(relay.into()),
            user: user.then(|| "me".into()),
            password: user.then(|| "/secret".into()),
            ..Mail::default()
        };
        place(&mail).ok().flatten()
    }

    #[test]
    fn relays_as_people_write_them() {
        let at = |host: &str, port, tls| Some((host.to_owned(), port, tls));
        assert_eq!(
            read("smtp://a.example", false),
            at("a.example", 25, Tls::Offered)
        );
        assert_eq!(
            read("smtp://a.example", true),
            at("a.example", 587, Tls::Demanded)
        );
        assert_eq!(
            read("smtp://127.0.0.1:25", true),
            at("127.0.0.1", 25, Tls::Offered)
        );
        assert_eq!(
            read("smtps://a.example/", true),
            at("a.example", 465, Tls::AtOnce)
        );
        assert_eq!(
            read("smtp://[::1]:2525", false),
            at("::1", 2525, Tls::Offered)
        );
        for wrong in [
            "a.example",
            "http://a",
            "smtp://",
            "smtp://u@a",
            "smtp://a:b",
        ] {
            assert_eq!(read(wrong, false), None, "{wrong}");
        }
    }
}
