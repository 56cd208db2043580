//! What trust stores are made of: bundles of authorities and revocation lists. Pure.
//!
//! They are read as edges read them, so that none is taken which no edge could use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Authorities of a trust store
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
pub(crate) const MAX_AUTHORITIES: usize = 25;

/// Authorities, in PEM, and how many they are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bundle {
    pub(crate) authorities: String,
    pub(crate) count: usize,
}

/// Revocation lists of a file, each in PEM, and how many certificates all of them revoke.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lists {
    pub(crate) lists: Vec<String>,
    pub(crate) entries: i64,
}

/// `None`: this is no bundle of authorities.
pub(crate) fn bundle(file: &[u8]) -> Option<Bundle> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(file).collect();
    let all = all
        .ok()
        .filter(|all| (1..=MAX_AUTHORITIES).contains(&all.len()))?;
    all.iter().all(is_authority).then(|| Bundle {
        authorities: all.iter().map(|one| pem("CERTIFICATE", one)).collect(),
        count: all.len(),
    })
}

/// A certificate without the extension that says so may be one: there were such roots.
fn is_authority(der: &CertificateDer<'static>) -> bool {
    let Ok((_, read)) = X509Certificate::from_der(der) else {
        return false;
    };
    let says_no = match read.basic_constraints() {
        Ok(said) => said.is_some_and(|said| !said.value.ca),
        Err(_) => true,
    };
    !says_no && webpki::anchor_from_trusted_cert(der).is_ok()
}

/// `None`: these are no revocation lists. A file holds some in PEM, or one in DER.
pub(crate) fn revocation_lists(file: &[u8]) -> Option<Lists> {
    let all: Vec<CertificateRevocationListDer<'_>> = match file.first() {
        Some(0x30) => vec![file.into()],
        _ => CertificateRevocationListDer::pem_slice_iter(file)
            .collect::<Result<_, _>>()
            .ok()?,
    };
    let mut found = Lists {
        lists: Vec::new(),
        entries: 0,
    };
    for der in &all {
        webpki::OwnedCertRevocationList::from_der(der).ok()?;
        let (_, read) = x509_parser::parse_x509_crl(der).ok()?;
        let entries = read.iter_revoked_certificates().count();
        found.entries += i64::try_from(entries).ok()?;
        found.lists.push(pem("X509 CRL", der));
    }
    (!all.is_empty()).then_some(found)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut block = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(64));
        block.push_str(line);
        block.push('\n');
        rest = behind;
    }
    block + &format!("-----END {label}-----\n")
}
