//! Mutual TLS: which clients are believed, and what targets and logs are told of them.

use super::lab::*;
use super::secure::{asked, pem};
use super::watch::{ARN, fields, logs};
use crate::load_balancer::{LoadBalancers, tls};
use neargate_base::Rng;
use neargate_domain::load_balancer::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    Authority {
        issuer: Issuer::new(params, key),
        certificate,
    }
}

impl Authority {
    fn identity(&self, serial: u64, change: impl Fn(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = now() - Duration::days(10_000);
        params.not_after = now() + Duration::days(10_000);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        let name = "one, \"two\"";
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![made.der().clone()],
            key,
        }
    }

    fn revokes(&self, serials: &[u64]) -> String {
        let entry = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now() - Duration::days(9_000),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: now() - Duration::days(9_000),
            next_update: now() - Duration::days(8_000),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        pem("X509 CRL", list.signed_by(&self.issuer).unwrap().der())
    }

    fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }
}

impl Lab {
    fn secured(&mut self, mutual: MutualAuthentication) {
        self.told.listeners[0].protocol = Protocol::Https;
        let mut tls = asked("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09");
        tls.mutual_authentication = mutual;
        self.told.listeners[0].tls = Some(tls);
    }

    /// What a client is answered that shows this; `None`: it is not let in.
    async fn shows(&self, identity: Option<&Identity>) -> Option<String> {
        let mut config = (*tls::client(b"http/1.1")).clone();
        if let Some(Identity { chain, key }) = identity {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let key = CertifiedKey::from_der(chain.clone(), key, &ring::default_provider());
            config.client_auth_cert_resolver =
                Arc::new(SingleCertAndKey::from(Arc::new(key.unwrap())));
        }
        let stream = TcpStream::connect(self.at()).await.unwrap();
        let name = ServerName::try_from("default.example").unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let mut stream = connected.await.ok()?;
        let request = b"GET / HTTP/1.1\r\nHost: default.example\r\nConnection: close\r\n\
            X-Amzn-Mtls-Clientcert-Subject: CN=forged\r\nX-Amzn-Mtls-Clientcert: forged\r\n\
            X-Own-Subject: CN=forged\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        let (_, told) = text.split_once("blue\n")?;
        let mut of_clients = told.lines().filter(|line| line.starts_with("X-Amzn-Mtls"));
        assert!(of_clients.all(|line| !line.contains("forged")), "{told}");
        Some(told.to_owned())
    }
}

fn verify(
    authority: &Authority,
    revoked: Vec<String>,
    ignore_expiry: bool,
) -> MutualAuthentication {
    MutualAuthentication::Verify {
        authorities: authority.pem(),
        revoked,
        ignore_expiry,
        advertise_names: true,
    }
}

#[tokio::test]
async fn who_is_believed_is_told_to_targets_and_nobody_else_is_let_in() {
    let (own, other) = (authority("own"), authority("other"));
    let good = own.identity(0x1F, |_| {});
    let expired = own.identity(2, |p| p.not_after = now() - Duration::days(2_000));
    let early = own.identity(3, |p| p.not_before = now() + Duration::days(2_000));
    let foreign = other.identity(4, |_| {});
    let mut lab = Lab::with(Echo("blue")).await;
    lab.secured(verify(&own, vec![], false));
    lab.start().await;
    let told = lab.shows(Some(&good)).await.expect("it is believed");
    assert_eq!(
        field(&told, "x-amzn-mtls-clientcert-serial-number"),
        Some("1F")
    );
    assert_eq!(
        field(&told, "x-amzn-mtls-clientcert-issuer"),
        Some("CN=own")
    );
    let subject = Some("CN=one\\, \\\"two\\\",C=DE");
    assert_eq!(field(&told, "x-amzn-mtls-clientcert-subject"), subject);
    let validity = field(&told, "x-amzn-mtls-clientcert-validity").unwrap();
    assert!(
        validity.starts_with("NotBefore=1999-08-30T08:00:00Z;NotAfter="),
        "{validity}"
    );
    let leaf = field(&told, "x-amzn-mtls-clientcert-leaf").unwrap();
    assert!(
        leaf.starts_with("-----BEGIN%20CERTIFICATE-----%0AMI"),
        "{leaf}"
    );
    assert!(
        leaf.ends_with("%0A-----END%20CERTIFICATE-----%0A"),
        "{leaf}"
    );
    assert_eq!(field(&told, "x-amzn-mtls-clientcert"), None);
    for refused in [None, Some(&expired), Some(&early), Some(&foreign)] {
        assert_eq!(lab.shows(refused).await, None);
    }
    // Expiry alone is passed over, and the fields have the names of the listener.
    lab.secured(verify(&own, vec![], true));
    lab.told.listeners[0].attributes.insert(
        "routing.http.request.x_amzn_mtls_clientcert_subject.header_name".into(),
        "X-Own-Subject".into(),
    );
    lab.start().await;
    let told = lab.shows(Some(&expired)).await.expect("it is believed");
    assert_eq!(told.matches("X-Own-Subject").count(), 1, "{told}");
    assert_eq!(field(&told, "x-own-subject"), subject);
    assert_eq!(lab.shows(Some(&early)).await, None);
}

#[tokio::test]
async fn every_revocation_list_holds_and_an_expired_one_does_too() {
    let own = authority("own");
    let [one, two, three] = [1, 2, 3].map(|serial| own.identity(serial, |_| {}));
    let mut lab = Lab::with(Echo("blue")).await;
    let lists = vec![
        own.revokes(&[1]),
        own.revokes(&[2]),
        authority("b").revokes(&[3]),
    ];
    lab.secured(verify(&own, lists, false));
    lab.start().await;
    assert_eq!(lab.shows(Some(&one)).await, None);
    assert_eq!(lab.shows(Some(&two)).await, None);
    assert!(lab.shows(Some(&three)).await.is_some());
}

#[tokio::test]
async fn passthrough_tells_targets_whatever_was_shown() {
    let anybody = authority("anybody").identity(1, |_| {});
    let mut lab = Lab::with(Echo("blue")).await;
    lab.secured(MutualAuthentication::Passthrough);
    lab.start().await;
    let told = lab.shows(Some(&anybody)).await.expect("it is let in");
    let chain = field(&told, "x-amzn-mtls-clientcert").unwrap();
    assert!(
        chain.starts_with("-----BEGIN%20CERTIFICATE-----%0A"),
        "{chain}"
    );
    assert_eq!(field(&told, "x-amzn-mtls-clientcert-subject"), None);
    let told = lab.shows(None).await.expect("it is let in");
    assert_eq!(field(&told, "x-amzn-mtls-clientcert"), None);
}

#[tokio::test]
async fn connection_logs_say_why_a_client_was_not_believed() {
    let (own, other) = (authority("own"), authority("other"));
    let clients = [
        (Some(own.identity(0xAB, |_| {})), "Success"),
        (Some(own.identity(1, |_| {})), "Failed:ClientCertCrlHit"),
        (
            Some(own.identity(2, |p| p.not_after = now() - Duration::days(2_000))),
            "Failed:ClientCertExpired",
        ),
        (
            Some(own.identity(3, |p| p.not_before = now() + Duration::days(2_000))),
            "Failed:ClientCertNotYetValid",
        ),
        (
            Some(other.identity(4, |_| {})),
            "Failed:ClientCertUntrusted",
        ),
        (None, "Failed:UnmappedConnectionError"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::new();
    lab.told.arn = ARN.into();
    lab.balancers = LoadBalancers::new(None, Some(dir.path().into()), Arc::new(Rng::seeded(3)));
    lab.told.target_groups = vec![group("blue", &[target(Echo("blue")).await])];
    lab.set("connection_logs.s3.enabled", "true");
    lab.set("connection_logs.s3.bucket", "logs");
    lab.secured(verify(&own, vec![own.revokes(&[1])], false));
    lab.tell();
    let mut states = lab.balancers.states();
    let listens = states.wait_for(|s| s.get(ARN).is_some_and(|s| s.is_listening));
    timeout(PATIENCE, listens).await.unwrap().unwrap();
    for (client, status) in &clients {
        let is_let_in = lab.shows(client.as_ref()).await.is_some();
        assert_eq!(is_let_in, *status == "Success", "{status}");
    }
    lab.counted(None, "ClientTLSNegotiationErrorCount", 5).await;
    drop(lab);
    let wait = async {
        loop {
            let found = logs(dir.path());
            match found
                .into_iter()
                .find(|(name, _)| !name.contains("/.open/"))
            {
                Some((_, text)) => return text,
                None => sleep(std::time::Duration::from_millis(5)).await,
            }
        }
    };
    let text = timeout(PATIENCE, wait).await.unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(fields).collect();
    for (client, status) in &clients {
        let line = lines.iter().find(|line| line[10] == *status);
        let line = line.unwrap_or_else(|| panic!("{status}: {text}"));
        match client {
            Some(_) => assert_eq!(line[7], "CN=one\\x5C, \\x5C\\x22two\\x5C\\x22,C=DE"),
            None => assert_eq!(line[7], "-"),
        }
    }
    let good = lines.iter().find(|line| line[10] == "Success").unwrap();
    assert_eq!((good[4], good[9]), ("TLSv1.3", "AB"));
    assert!(
        good[8].starts_with("NotBefore=1999-08-30T08:00:00Z;"),
        "{}",
        good[8]
    );
}
