//! Whom the client trusts, where the other end speaks TLS.

use anyhow::{Context, Result, bail};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Trusts what the certificates of these files vouch for, and without any nobody: a Neargate has no
/// other authority than its own or its operator's.
pub(super) fn config(authorities: &[&Path]) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for file in authorities {
        let shown = file.display();
        let read = CertificateDer::pem_file_iter(file);
        let read = read.with_context(|| format!("cannot read {shown}"))?;
        let all: Vec<_> = read
            .collect::<Result<_, _>>()
            .with_context(|| format!("in {shown}"))?;
        if all.is_empty() {
            bail!("{shown} holds no certificate");
        }
        let (_, _) = roots.add_parsable_certificates(all);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .context("TLS")?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
