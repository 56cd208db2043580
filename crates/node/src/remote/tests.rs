//! When there is no use in knocking at the control plane's door.

use super::call::Caller;
use super::connection::Connection;
use super::{Identity, Key, RemoteConfig};
use neargate_base::time::ManualClock;
use neargate_base::{AccountId, Region, Rng, Timestamp, task};
use neargate_domain::link::{Certificate, SERVER_NAME};
use neargate_domain::{NodeAbout, NodeKind, Resources};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const LIFE: Duration = Duration::from_secs(300);
/// A wait on tokio's clock, which jumps when nothing else happens.
const LONG: Duration = Duration::from_secs(600);

struct Lab {
    clock: Arc<ManualClock>,
    listener: TcpListener,
    dismissed: CancellationToken,
    keeping: AbortOnDropHandle<()>,
    _dir: tempfile::TempDir,
}

/// A node whose certificate is good from [`NOW`] for [`LIFE`] by its own account.
async fn lab(authority: &Authority) -> Lab {
    let (own, key) = authority.certificate(CertificateParams::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key: Key = serde_json::from_value(hex::encode(key.serialize_der()).into()).unwrap();
    let identity = Identity {
        vpc: Default::default(),
        url: format!("https://{}", listener.local_addr().unwrap()),
        node_id: "i-1".into(),
        kind: NodeKind::Ec2,
        account: AccountId::default(),
        region: Region::default(),
        cluster: None,
        key,
        certificate: Certificate {
            authority: hex::encode(authority.der()),
            der: hex::encode(own),
            not_after: NOW + LIFE,
        },
        since: NOW,
    };
    let clock = Arc::new(ManualClock::at(NOW));
    let rng = Arc::new(Rng::seeded(1));
    let config = RemoteConfig {
        identity,
        path: dir.path().join("identity.json"),
        about: NodeAbout {
            id: String::new(),
            kind: NodeKind::Ec2,
            resources: Resources::default(),
            attributes: Default::default(),
            version: "1".into(),
            address: None,
            hostname: "host".into(),
        },
        clock: clock.clone(),
        rng: rng.clone(),
    };
    let dismissed = CancellationToken::new();
    let (connection, current) = Connection::new(config, dismissed.clone()).unwrap();
    let keeping = connection.keep(Arc::new(Caller::new(current, rng)));
    Lab {
        clock,
        listener,
        dismissed,
        keeping: AbortOnDropHandle::new(task::spawn("keeping", keeping)),
        _dir: dir,
    }
}

/// Signs certificates that have ended long ago.
struct Authority(rcgen::Certificate, Issuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority(certificate, Issuer::new(params, key))
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn certificate(&self, params: CertificateParams) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = params;
        if params.subject_alt_names.is_empty() {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        (params.signed_by(&key, &self.1).unwrap().der().clone(), key)
    }

    /// A control plane of this authority, as far as TLS goes.
    fn acceptor(&self) -> TlsAcceptor {
        let named = CertificateParams::new([SERVER_NAME.to_owned()]).unwrap();
        let (own, key) = self.certificate(named);
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(
                vec![own],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config).into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_has_ended_is_not_shown() {
    let lab = lab(&Authority::new()).await;
    // Before it has, the node knocks; nobody answers, and it knocks again.
    for _ in 0..3 {
        let knock = timeout(LONG, lab.listener.accept()).await;
        drop(knock.expect("it knocks").unwrap());
    }
    lab.clock.advance(LIFE);
    // One may be under way.
    let _ = timeout(LONG, lab.listener.accept()).await;
    let knock = timeout(LONG, lab.listener.accept()).await;
    assert!(knock.is_err(), "it does not knock in vain");
    assert!(!lab.keeping.is_finished(), "the clock may have been wrong");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_removed_does_not_come_back() {
    let lab = lab(&Authority::new()).await;
    let knock = timeout(LONG, lab.listener.accept()).await;
    drop(knock.expect("it knocks"));
    lab.dismissed.cancel();
    let ended = timeout(LONG, lab.keeping).await;
    ended.expect("it gives up").unwrap();
}

/// The control plane's clock decides.
#[tokio::test(start_paused = true)]
async fn a_certificate_that_has_ended_elsewhere_is_shown_seldom() {
    let authority = Authority::new();
    let (lab, acceptor) = (lab(&authority).await, authority.acceptor());
    let mut knocks = 0;
    let knocking = async {
        loop {
            let (stream, _) = lab.listener.accept().await.unwrap();
            let refused = acceptor.accept(stream).await.map(drop).unwrap_err();
            assert!(
                refused.to_string().contains("certificate expired"),
                "{refused}"
            );
            knocks += 1;
        }
    };
    let _: Result<std::convert::Infallible, _> = timeout(LONG, knocking).await;
    assert!((2..=10).contains(&knocks), "{knocks} in ten minutes");
}
