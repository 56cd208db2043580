//! TLS on the port, with a certificate of the installation's own authority.

use super::client::{Client, request};
use super::{Lab, development};
use neargate_base::task;
use neargate_control::Gateway;
use neargate_control::port_certificate::{PortCertificate, authority, server_config};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// A gateway that speaks TLS, and one of the same for strangers.
async fn listening(lab: &Lab, patience: Duration) -> [SocketAddr; 2] {
    let house = &lab.control_plane.house;
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = PortCertificate::issued(house, &names).await.unwrap();
    let region = house.settings.default_scope.region.clone();
    let gateway = Gateway::new(lab.control_plane.clone(), development(), region, None);
    let gateway = gateway
        .patience(patience)
        .tls(server_config(Arc::new(certificate)));
    let mut addresses = Vec::new();
    for gateway in [gateway.clone(), gateway.for_strangers()] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        task::spawn("gateway", gateway.serve(listener));
    }
    addresses.try_into().unwrap()
}

/// What `/health` says to who trusts this authority.
async fn health(lab: &Lab, address: SocketAddr, name: &str) -> std::io::Result<String> {
    let pem = authority(&lab.control_plane.house).await.unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    let ask = request("GET", "/health", &[("connection", "close")], b"");
    stream.write_all(&ask).await?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn who_trusts_the_authority_is_answered() {
    let lab = Lab::new().await;
    for address in listening(&lab, Duration::from_secs(30)).await {
        for name in ["localhost", "127.0.0.1"] {
            let said = health(&lab, address, name).await.unwrap();
            assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        }
        health(&lab, address, "example.com")
            .await
            .expect_err("another name");
    }
}

#[tokio::test]
async fn plain_http_is_answered_in_tasks_networks_alone() {
    let lab = Lab::new().await;
    let [own, strangers] = listening(&lab, Duration::from_secs(30)).await;
    let ask = request("GET", "/health", &[], b"");
    for (address, status) in [(own, 400), (strangers, 200)] {
        let mut client = Client::connect(address).await;
        client.send(&ask).await;
        let reply = client.reply().await.expect("answered");
        assert_eq!(reply.status, status, "{}", reply.text());
        if status == 400 {
            assert!(reply.text().contains("use https://"), "{}", reply.text());
            assert_eq!(reply.header("connection"), "close");
        }
    }
}

/// Whoever says nothing, or nothing that is TLS, is not waited for.
#[tokio::test]
async fn a_handshake_has_its_time() {
    let lab = Lab::new().await;
    let [own, _] = listening(&lab, Duration::from_millis(300)).await;
    for first in [&b""[..], &[22, 3, 1], &[22, 3, 1, 0, 3, 1, 2, 3]] {
        let mut client = Client::connect(own).await;
        client.send(first).await;
        let ended = tokio::time::timeout(Duration::from_secs(10), client.reply()).await;
        assert!(ended.expect("the end").is_none(), "{first:?}");
    }
}
