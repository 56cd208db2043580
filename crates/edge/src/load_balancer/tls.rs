//! TLS with clients and with targets.

use neargate_base::unverified;
use neargate_domain::load_balancer::{Certificate, MutualAuthentication, Tls};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion,
};
use std::sync::Arc;

/// Which HTTP a listener understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1 alone.
    One,
    /// HTTP/2 beside it.
    Both,
    /// None: bytes are bytes.
    Not,
}

/// A listener's way to speak TLS.
#[derive(Debug)]
pub struct Server {
    pub config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

/// # Errors
/// A sentence about what is not right or not built.
pub fn server(tls: &Tls, http2: Http) -> Result<Server, String> {
    let certificates = Arc::new(Certificates::new(&tls.certificates)?);
    let versions = versions(&tls.ssl_policy)?;
    let provider = Arc::new(provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| error.to_string())?;
    let builder = match &tls.mutual_authentication {
        MutualAuthentication::Off => builder.with_no_client_auth(),
        MutualAuthentication::Passthrough => {
            return Err("mutual TLS in passthrough mode is not built".into());
        }
        MutualAuthentication::Verify {
            ignore_expiry: true,
            ..
        } => return Err("mutual TLS that ignores expiry is not built".into()),
        MutualAuthentication::Verify {
            authorities,
            revoked,
            advertise_names,
            ..
        } => {
            let mut roots = RootCertStore::empty();
            for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
                let authority = authority.map_err(|error| error.to_string())?;
                roots.add(authority).map_err(|error| error.to_string())?;
            }
            let lists = revoked
                .iter()
                .map(|list| CertificateRevocationListDer::from_pem_slice(list.as_bytes()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| error.to_string())?;
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .with_crls(lists)
                    .allow_unknown_revocation_status();
            if !advertise_names {
                verifier = verifier.clear_root_hint_subjects();
            }
            let verifier = verifier.build().map_err(|error| error.to_string())?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(certificates.clone());
    config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
    // Network load balancers have a policy; without one a client is not told any protocol.
    let protocols: &[&[u8]] = match (tls.alpn_policy.as_deref(), http2) {
        (None, Http::Both) => &[b"h2", b"http/1.1"],
        (None, Http::One) | (Some("HTTP1Only"), _) => &[b"http/1.1"],
        (Some("HTTP2Only"), _) => &[b"h2"],
        (Some("HTTP2Optional"), _) => &[b"http/1.1", b"h2"],
        (Some("HTTP2Preferred"), _) => &[b"h2", b"http/1.1"],
        (Some(_), _) | (None, Http::Not) => &[],
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Server {
        config: Arc::new(config),
        certificates,
    })
}

/// Without what load balancers do not offer.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let is_offered = |suite: CipherSuite| {
        !matches!(
            suite,
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        )
    };
    provider
        .cipher_suites
        .retain(|suite| is_offered(suite.suite()));
    provider
}

/// The versions of a security policy, of those that are safe: TLS 1.2 and 1.3
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>).
fn versions(policy: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    if !policy.starts_with("ELBSecurityPolicy-") {
        return Err(format!("{policy} is no security policy"));
    }
    Ok(if policy.contains("TLS13-1-3") {
        vec![&TLS13]
    } else if policy.contains("TLS13-") {
        vec![&TLS13, &TLS12]
    } else {
        vec![&TLS12]
    })
}

/// The certificates of a listener, of which a client gets the one that suits it.
#[derive(Debug)]
struct Certificates {
    /// With the names that each is for; the default one first.
    all: Vec<(Vec<String>, Arc<CertifiedKey>)>,
    arns: Vec<String>,
}

impl Certificates {
    fn new(certificates: &[Certificate]) -> Result<Certificates, String> {
        let all = certificates.iter().map(|certificate| {
            let key = certified(certificate).map_err(|e| format!("{}: {e}", certificate.arn))?;
            let leaf = key.cert.first().ok_or("there is no certificate")?;
            let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|e| e.to_string())?;
            let names = leaf
                .valid_dns_names()
                .map(str::to_ascii_lowercase)
                .collect();
            Ok::<_, String>((names, Arc::new(key)))
        });
        let all = all.collect::<Result<Vec<_>, _>>()?;
        match all.is_empty() {
            true => Err("there is no certificate".into()),
            false => Ok(Certificates {
                all,
                arns: certificates.iter().map(|c| c.arn.clone()).collect(),
            }),
        }
    }
}

fn certified(certificate: &Certificate) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(certificate.private_key.as_bytes());
    let key = key.map_err(|error| error.to_string())?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|e| e.to_string())
}

impl Certificates {
    /// Of the certificate for this name.
    fn arn(&self, name: Option<&str>) -> Option<&String> {
        let name = name.map(str::to_ascii_lowercase);
        let named = name.and_then(|name| {
            let mut all = self.all.iter();
            all.position(|(names, _)| is_among(names, &name))
        });
        self.arns.get(named.unwrap_or(0))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let suits = |key: &CertifiedKey| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = name.and_then(|name| {
            let mut named = self.all.iter().filter(|(names, _)| is_among(names, &name));
            named.find(|(_, key)| suits(key))
        });
        let (_, key) = named.or_else(|| self.all.first())?;
        Some(Arc::clone(key))
    }
}

/// Is a certificate with these names for this one?
fn is_among(names: &[String], name: &str) -> bool {
    let parent = name.split_once('.').map(|(_, parent)| parent);
    names.iter().any(|own| match own.strip_prefix("*.") {
        Some(own) => parent == Some(own),
        None => own == name,
    })
}

/// The way to speak TLS with targets, whose certificates are not looked at, as on AWS
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html>).
pub fn client(alpn: &[u8]) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of these versions")
        .dangerous()
        .with_custom_certificate_verifier(unverified::anybody(provider))
        .with_no_client_auth();
    if !alpn.is_empty() {
        config.alpn_protocols = vec![alpn.to_vec()];
    }
    config.enable_sni = false;
    Arc::new(config)
}

/// What was agreed on with a client, in OpenSSL's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    pub version: &'static str,
    pub cipher: String,
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// Of the certificate that it was shown; `session-reused`: none.
    pub certificate_arn: Option<String>,
}

impl Agreed {
    pub fn of(server: &Server, session: &ServerConnection) -> Agreed {
        let version = session.protocol_version();
        let suite = session.negotiated_cipher_suite();
        let suite = suite.map(|suite| suite.suite());
        let server_name = session.server_name();
        let name = suite.and_then(|suite| suite.as_str()).unwrap_or("-");
        Agreed {
            version: match version {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "-",
            },
            server_name: server_name.map(str::to_owned),
            certificate_arn: match session.handshake_kind() {
                Some(HandshakeKind::Resumed) => Some("session-reused".into()),
                _ => server.certificates.arn(server_name).cloned(),
            },
            cipher: match name.strip_prefix("TLS13_") {
                Some(rest) => format!("TLS_{rest}"),
                None => name
                    .replace("TLS_", "")
                    .replace("_WITH_AES_128_", "-AES128-")
                    .replace("_WITH_AES_256_", "-AES256-")
                    .replace('_', "-"),
            },
        }
    }
}
