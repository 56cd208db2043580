//! TLS with clients and with targets.

use super::client_certificate::{Asked, Client, Seen, Trust, Verifier};
use neargate_base::unverified;
use neargate_domain::load_balancer::{Certificate, MutualAuthentication, Tls};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, ClientConfig, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
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
    /// That of every connection, where clients are not asked for certificates and nothing is to be said of them.
    pub config: Arc<ServerConfig>,
    basis: Basis,
}

/// What its configurations are made of.
#[derive(Debug)]
struct Basis {
    certificates: Arc<Certificates>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
    provider: Arc<CryptoProvider>,
    /// What clients are asked for.
    asked: Option<Asked>,
}

/// # Errors
/// A sentence about what is not right or not built.
pub fn server(tls: &Tls, http2: Http) -> Result<Server, String> {
    let provider = Arc::new(provider());
    let asked = match &tls.mutual_authentication {
        MutualAuthentication::Off => None,
        MutualAuthentication::Passthrough => Some(Asked::Passthrough),
        MutualAuthentication::Verify {
            authorities,
            revoked,
            ignore_expiry,
            advertise_names,
        } => {
            let (ignores, names) = (*ignore_expiry, *advertise_names);
            let trust = Trust::new(authorities, revoked, ignores, names, &provider)?;
            Some(Asked::Verify(Arc::new(trust)))
        }
    };
    // Network load balancers have a policy; without one a client is not told any protocol.
    let protocols: &[&[u8]] = match (tls.alpn_policy.as_deref(), http2) {
        (None, Http::Both) => &[b"h2", b"http/1.1"],
        (None, Http::One) | (Some("HTTP1Only"), _) => &[b"http/1.1"],
        (Some("HTTP2Only"), _) => &[b"h2"],
        (Some("HTTP2Optional"), _) => &[b"http/1.1", b"h2"],
        (Some("HTTP2Preferred"), _) => &[b"h2", b"http/1.1"],
        (Some(_), _) | (None, Http::Not) => &[],
    };
    let basis = Basis {
        certificates: Arc::new(Certificates::new(&tls.certificates)?),
        versions: versions(&tls.ssl_policy)?,
        protocols: protocols.iter().map(|name| name.to_vec()).collect(),
        provider,
        asked,
    };
    let config = basis.config(&Arc::default())?;
    Ok(Server {
        config: Arc::new(config),
        basis,
    })
}

impl Basis {
    /// A client that is asked for its certificate is so each time: what it showed once may be revoked since.
    fn config(&self, seen: &Arc<Seen>) -> Result<ServerConfig, String> {
        let clients: Arc<dyn ClientCertVerifier> = match &self.asked {
            None => Arc::new(NoClientAuth),
            Some(asked) => Arc::new(Verifier {
                asked: asked.clone(),
                provider: Arc::clone(&self.provider),
                seen: Arc::clone(seen),
            }),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions)
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(self.certificates.clone());
        config.alpn_protocols = self.protocols.clone();
        if self.asked.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
        }
        Ok(config)
    }
}

impl Server {
    /// The configuration of one connection, and what its client shows if that is not believed.
    pub fn connection(&self) -> (Arc<ServerConfig>, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        let own = match self.basis.asked {
            None => None,
            Some(_) => self.basis.config(&seen).ok(),
        };
        // What all share asks clients for the same, and says nobody why one is not believed.
        let config = own.map_or_else(|| Arc::clone(&self.config), Arc::new);
        (config, seen)
    }
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
    /// What is spoken within, where the client was told.
    pub protocol: Option<String>,
    /// What the client showed.
    pub client: Client,
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
                _ => server.basis.certificates.arn(server_name).cloned(),
            },
            protocol: session
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            client: match &server.basis.asked {
                None => Client::Unasked,
                Some(asked) => Client::of(asked, session.peer_certificates()),
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
