//! Certificates of clients: which are believed, and what targets and logs are told of them
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html>).
//!
//! What a client showed is read to be told, and decides nothing here: whether it is believed is
//! webpki's to say, and that the client has the key rustls'.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_base::time::Timestamp;
use parking_lot::Mutex;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate, X509Name};

/// What a listener asks of clients.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Certificates are passed on to targets, whoever made them.
    Passthrough,
    Verify(Arc<Trust>),
}

/// Whom a listener believes.
#[derive(Debug)]
pub struct Trust {
    /// All of them must believe a certificate: each holds one revocation list of an authority at most, for
    /// webpki looks into one.
    verifiers: Vec<Arc<dyn ClientCertVerifier>>,
    ignores_expiry: bool,
}

impl Trust {
    /// # Errors
    /// A sentence about what cannot be read.
    pub fn new(
        authorities: &str,
        revoked: &[String],
        ignores_expiry: bool,
        names: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Trust, String> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            let authority = authority.map_err(|error| error.to_string())?;
            roots.add(authority).map_err(|error| error.to_string())?;
        }
        let roots = Arc::new(roots);
        let verifiers = rounds(revoked)?.into_iter().map(|lists| {
            let provider = Arc::clone(provider);
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider)
                    .with_crls(lists)
                    .allow_unknown_revocation_status();
            let verifier = match names {
                true => verifier,
                false => verifier.clear_root_hint_subjects(),
            };
            verifier.build().map_err(|error| error.to_string())
        });
        Ok(Trust {
            verifiers: verifiers.collect::<Result<_, _>>()?,
            ignores_expiry,
        })
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let expiry = || {
            let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
            let seconds = u64::try_from(leaf.validity().not_after.timestamp()).ok()?;
            Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        };
        let now = match self.ignores_expiry.then(expiry).flatten() {
            Some(expiry) if expiry.as_secs() < now.as_secs() => expiry,
            _ => now,
        };
        for verifier in &self.verifiers {
            verifier.verify_client_cert(leaf, others, now)?;
        }
        Ok(ClientCertVerified::assertion())
    }
}

/// Revocation lists so that no authority has two in one round; there is one round at least.
fn rounds(revoked: &[String]) -> Result<Vec<Vec<CertificateRevocationListDer<'static>>>, String> {
    let mut rounds = vec![Vec::new()];
    let mut of_issuer = BTreeMap::<Vec<u8>, usize>::new();
    for list in revoked {
        let list = CertificateRevocationListDer::from_pem_slice(list.as_bytes());
        let list = list.map_err(|error| error.to_string())?;
        let (_, read) = x509_parser::parse_x509_crl(&list).map_err(|error| error.to_string())?;
        let count = of_issuer
            .entry(read.issuer().as_raw().to_vec())
            .or_default();
        if rounds.len() == *count {
            rounds.push(Vec::new());
        }
        rounds[*count].push(list);
        *count += 1;
    }
    Ok(rounds)
}

/// Asks one client for its certificate, and notes what it showed where it is not believed.
#[derive(Debug)]
pub struct Verifier {
    pub asked: Asked,
    pub provider: Arc<CryptoProvider>,
    pub seen: Arc<Seen>,
}

/// Why a client was not believed: `None`, while it was not found so.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Option<Refused>>);

#[derive(Debug)]
pub struct Refused {
    /// AWS's code.
    pub reason: &'static str,
    pub certificate: Option<ClientCertificate>,
}

impl Seen {
    pub fn take(&self) -> Option<Refused> {
        self.0.lock().take()
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        matches!(self.asked, Asked::Verify(_))
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.asked {
            Asked::Passthrough => &[],
            Asked::Verify(trust) => match trust.verifiers.first() {
                Some(first) => first.root_hint_subjects(),
                None => &[],
            },
        }
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Asked::Verify(trust) = &self.asked else {
            return Ok(ClientCertVerified::assertion());
        };
        trust.verify(leaf, others, now).inspect_err(|error| {
            *self.seen.0.lock() = Some(Refused {
                reason: reason(error),
                certificate: ClientCertificate::read(leaf),
            });
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// AWS's reason codes
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html#error-reason-codes>).
fn reason(error: &Error) -> &'static str {
    use CertificateError as Certificate;
    match error {
        Error::InvalidCertificate(error) => match error {
            Certificate::Expired | Certificate::ExpiredContext { .. } => "ClientCertExpired",
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "ClientCertNotYetValid"
            }
            Certificate::Revoked => "ClientCertCrlHit",
            Certificate::UnknownIssuer | Certificate::BadSignature => "ClientCertUntrusted",
            Certificate::UnknownRevocationStatus
            | Certificate::ExpiredRevocationList
            | Certificate::ExpiredRevocationListContext { .. } => "ClientCertCrlProcessingError",
            Certificate::BadEncoding | Certificate::UnhandledCriticalExtension => {
                "ClientCertInvalid"
            }
            Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                "ClientCertTypeUnsupported"
            }
            Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
                "ClientCertPurposeInvalid"
            }
            Certificate::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
                Some(webpki::Error::MaximumPathDepthExceeded) => "ClientCertMaxChainDepthExceeded",
                Some(webpki::Error::UnsupportedCertVersion) => "ClientCertTypeUnsupported",
                Some(webpki::Error::CaUsedAsEndEntity) => "ClientCertInvalid",
                _ => "ClientCertRejected",
            },
            _ => "ClientCertRejected",
        },
        Error::InvalidCertRevocationList(_) => "ClientCertCrlProcessingError",
        _ => "ClientCertRejected",
    }
}

/// What a client showed, as targets are told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Client {
    /// It was not asked.
    #[default]
    Unasked,
    /// Its certificates, URL-encoded; `None`: it showed none.
    Passthrough(Option<String>),
    /// It was believed; `None`: what it showed cannot be told.
    Verified(Option<Box<ClientCertificate>>),
}

impl Client {
    pub fn of(asked: &Asked, shown: Option<&[CertificateDer<'_>]>) -> Client {
        let shown = shown.unwrap_or_default();
        match asked {
            Asked::Passthrough => {
                let chain: String = shown.iter().map(|one| encoded(one)).collect();
                Client::Passthrough((!chain.is_empty()).then_some(chain))
            }
            Asked::Verify(_) => {
                let leaf = shown.first().and_then(|leaf| ClientCertificate::read(leaf));
                Client::Verified(leaf.map(Box::new))
            }
        }
    }
}

/// A leaf, in the words of AWS's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Hexadecimal.
    pub serial_number: String,
    /// Names are as RFC 2253 writes them.
    pub issuer: String,
    pub subject: String,
    /// `NotBefore=…;NotAfter=…`.
    pub validity: String,
    /// URL-encoded PEM.
    pub leaf: String,
}

impl ClientCertificate {
    /// `None`: it cannot be read.
    fn read(der: &CertificateDer<'_>) -> Option<ClientCertificate> {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let serial = read.raw_serial();
        let zeros = serial.iter().take_while(|byte| **byte == 0).count();
        let serial = &serial[zeros.min(serial.len().saturating_sub(1))..];
        let mut serial_number = String::new();
        for byte in serial {
            let _ = write!(serial_number, "{byte:02X}");
        }
        let validity = read.validity();
        Some(ClientCertificate {
            serial_number,
            issuer: name(read.issuer()),
            subject: name(read.subject()),
            validity: format!(
                "NotBefore={};NotAfter={}",
                instant(validity.not_before),
                instant(validity.not_after)
            ),
            leaf: encoded(der),
        })
    }
}

/// To the second.
fn instant(at: ASN1Time) -> String {
    let text = Timestamp::from_millis(at.timestamp().saturating_mul(1_000)).rfc3339();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}

/// PEM with everything encoded that a URL would not hold but `+`, `=` and `/`.
fn encoded(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push_str("%0A");
        rest = behind;
    }
    out + "-----END%20CERTIFICATE-----%0A"
}

/// A distinguished name as RFC 2253 writes it: the last part first. No byte of it ends a field of HTTP.
fn name(of: &X509Name<'_>) -> String {
    let parts = of.iter_rdn().map(|part| {
        let pairs = part.iter().map(|pair| {
            let kind = pair.attr_type().to_id_string();
            format!("{}={}", short(&kind), escaped(pair.as_slice()))
        });
        pairs.collect::<Vec<_>>().join("+")
    });
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    parts.join(",")
}

fn short(kind: &str) -> &str {
    match kind {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => other,
    }
}

fn escaped(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for (at, byte) in value.iter().enumerate() {
        let is_edge = at == 0 || at + 1 == value.len();
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b'#' if at == 0 => text.push_str("\\#"),
            b' ' if is_edge => text.push_str("\\ "),
            ..=0x1f | 0x7f.. => {
                let _ = write!(text, "\\{byte:02X}");
            }
            byte => text.push(char::from(*byte)),
        }
    }
    text
}
