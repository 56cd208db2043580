//! The certificate that the port shows, and how it speaks TLS.

use neargate_service::{AwsError, House};
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificate that is shown now; one that replaces it is shown to the next who connects.
#[derive(Debug)]
pub struct PortCertificate(RwLock<Arc<CertifiedKey>>);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("it is not in PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("it holds no certificate")]
    Empty,
    #[error("it cannot be used with its key")]
    Unusable(#[from] rustls::Error),
    #[error("the authority of this installation does not issue it")]
    Authority(#[from] AwsError),
}

impl PortCertificate {
    /// A certificate with those that vouch for it, and its key, in PEM.
    ///
    /// # Errors
    /// They cannot be read, or do not fit each other.
    pub fn of_pem(certificate: &[u8], key: &[u8]) -> Result<PortCertificate, CertificateError> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>()?;
        if chain.is_empty() {
            return Err(CertificateError::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key)?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider())?;
        Ok(PortCertificate(RwLock::new(Arc::new(certified))))
    }

    /// One that the installation's own authority issues for these names and addresses. Its key is
    /// nowhere but in memory.
    ///
    /// # Errors
    /// The store's, and those of names that no certificate can have.
    pub async fn issued(
        house: &House,
        names: &[String],
    ) -> Result<PortCertificate, CertificateError> {
        let issued = neargate_acm::authority::issue(house, names).await?;
        PortCertificate::of_pem(
            issued.chain.as_bytes(),
            issued.private_key.expose().as_bytes(),
        )
    }

    pub fn replace(&self, new: &PortCertificate) {
        let new = new.0.read().clone();
        *self.0.write() = new;
    }
}

impl ResolvesServerCert for PortCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

/// The certificate of the installation's own authority, in PEM.
///
/// # Errors
/// The store's.
pub async fn authority(house: &House) -> Result<String, AwsError> {
    neargate_acm::authority::certificate(house).await
}

/// TLS 1.2 and 1.3, and HTTP/1.1 above it.
pub fn server_config(certificate: Arc<PortCertificate>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .expect("the provider knows both");
    let mut config = builder
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_certificate_of_our_own_is_taken_and_nonsense_is_not() {
        let lab = neargate_testkit::Lab::default();
        let names = [
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "*.example.com".to_owned(),
        ];
        let issued = PortCertificate::issued(&lab.house, &names)
            .await
            .expect("issued");
        let chain = issued.0.read().cert.len();
        assert_eq!(chain, 2, "the authority comes along");
        server_config(Arc::new(issued));
        assert!(PortCertificate::of_pem(b"", b"").is_err());
        assert!(PortCertificate::of_pem(b"nonsense", b"nonsense").is_err());
    }
}
