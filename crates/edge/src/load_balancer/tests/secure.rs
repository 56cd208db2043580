//! TLS and HTTP/2 with clients and targets, and gRPC.

use super::lab::*;
use crate::load_balancer::tls;
use base64::Engine as _;
use bytes::Bytes;
use neargate_base::task::spawn;
use neargate_domain::load_balancer::*;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

fn certificate(name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    Certificate {
        arn: format!("arn:certificate/{name}"),
        chain: pem("CERTIFICATE", made.cert.der()),
        private_key: pem("PRIVATE KEY", &made.signing_key.serialize_der()),
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

pub fn asked(policy: &str) -> Tls {
    Tls {
        certificates: vec![
            certificate("default.example"),
            certificate("*.shop.example"),
        ],
        ssl_policy: policy.into(),
        alpn_policy: None,
        mutual_authentication: MutualAuthentication::Off,
    }
}

async fn secure(mut lab: Lab) -> Lab {
    lab.told.listeners[0].protocol = Protocol::Https;
    lab.told.listeners[0].tls = Some(asked("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"));
    lab.start().await;
    lab
}

pub async fn encrypted(lab: &Lab, name: &str, alpn: &[u8]) -> TlsStream<TcpStream> {
    let mut config = (*tls::client(alpn)).clone();
    config.enable_sni = true;
    let stream = TcpStream::connect(lab.at()).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connected.await.unwrap()
}

#[tokio::test]
async fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let mut lab = Lab::with(Echo("blue")).await;
    lab.set(
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
        "true",
    );
    let lab = secure(lab).await;
    for (name, expected) in [
        ("a.shop.example", "*.shop.example"),
        ("a.b.shop.example", "default.example"),
        ("other.example", "default.example"),
    ] {
        let stream = encrypted(&lab, name, b"http/1.1").await;
        let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        let leaf = webpki::EndEntityCert::try_from(&leaf).unwrap();
        assert_eq!(leaf.valid_dns_names().next(), Some(expected), "{name}");
    }
    let mut stream = encrypted(&lab, "a.shop.example", b"http/1.1").await;
    let request = b"GET / HTTP/1.1\r\nHost: a.shop.example\r\nX-Amzn-Tls-Version: x\r\n\
                    Connection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let inner = text.split("blue\n").nth(1).unwrap();
    assert_eq!(field(inner, "x-forwarded-proto"), Some("https"));
    assert_eq!(field(inner, "x-amzn-tls-version"), Some("TLSv1.3"));
    assert_eq!(
        field(inner, "x-amzn-tls-cipher-suite"),
        Some("TLS_AES_256_GCM_SHA384")
    );
    // HTTP where TLS is spoken is told so; nonsense is not answered.
    assert_eq!(lab.get("/").await.status(), 400);
}

#[tokio::test]
async fn a_policy_decides_on_versions() {
    let mut lab = Lab::with(Echo("blue")).await;
    for (policy, version) in [
        (
            "ELBSecurityPolicy-TLS13-1-3-2021-06",
            rustls::ProtocolVersion::TLSv1_3,
        ),
        (
            "ELBSecurityPolicy-2016-08",
            rustls::ProtocolVersion::TLSv1_2,
        ),
    ] {
        lab.told.listeners[0].protocol = Protocol::Https;
        lab.told.listeners[0].tls = Some(asked(policy));
        lab.start().await;
        let stream = encrypted(&lab, "a.example", b"http/1.1").await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version));
    }
    lab.told.listeners[0].tls = Some(asked("Nonsense"));
    lab.tell();
    lab.until("it is said", |state| {
        state.problems.iter().any(|p| p.contains("Nonsense"))
    })
    .await;
}

/// A way to send requests by HTTP/2.
async fn http2(lab: &Lab) -> h2::client::SendRequest<Bytes> {
    let stream = encrypted(lab, "a.example", b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    spawn("connection", async move {
        let _ = connection.await;
    });
    requests.ready().await.unwrap()
}

/// The status, the body and the trailers of an answer.
async fn answer(
    response: h2::client::ResponseFuture,
) -> (http::response::Parts, String, http::HeaderMap) {
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    (head, String::from_utf8_lossy(&text).into_owned(), trailers)
}

fn request(method: &str, uri: &str) -> http::request::Builder {
    http::Request::builder().method(method).uri(uri)
}

#[tokio::test]
async fn http2_requests_reach_targets_that_speak_http1() {
    let lab = secure(Lab::with(Echo("blue")).await).await;
    let mut requests = http2(&lab).await;
    let mut waiting = Vec::new();
    for number in 0..50 {
        let head = request("POST", &format!("https://a.example/{number}"))
            .header("cookie", "a=b")
            .header("cookie", "c=d")
            .body(())
            .unwrap();
        requests = requests.ready().await.unwrap();
        let (response, mut body) = requests.send_request(head, false).unwrap();
        body.send_data(Bytes::from(format!("{number}")), true)
            .unwrap();
        waiting.push((number, response));
    }
    for (number, response) in waiting {
        let (head, text, _) = answer(response).await;
        assert_eq!(head.status, 200);
        assert!(
            text.starts_with(&format!("blue\nPOST /{number} HTTP/1.1\r\n")),
            "{text}"
        );
        assert!(text.ends_with(&format!("\n{number}")), "{text}");
        assert_eq!(field(&text, "host"), Some("a.example:8080"));
        assert_eq!(field(&text, "cookie"), Some("a=b; c=d"));
    }
    let large = Bytes::from(vec![b'x'; 2_000_000]);
    let head = request("PUT", "https://a.example/").body(()).unwrap();
    let (response, mut body) = requests.send_request(head, false).unwrap();
    body.send_data(large.clone(), true).unwrap();
    let (_, text, _) = answer(response).await;
    assert!(text.len() > large.len() && text.ends_with("xxx"));
    let head = request("HEAD", "https://a.example/").body(()).unwrap();
    let (response, _) = requests.send_request(head, true).unwrap();
    let (head, text, _) = answer(response).await;
    assert_eq!((head.status.as_u16(), text.as_str()), (200, ""));
}

#[tokio::test]
async fn http2_brings_nothing_in_that_http1_would_refuse() {
    let lab = secure(Lab::with(Echo("blue")).await).await;
    for (head, expected) in [
        (
            request("GET", "https://a.example/").header("host", "b.example"),
            400,
        ),
        (
            request("GET", "https://a.example/").header("host", "a.example"),
            200,
        ),
        (request("TRACE", "https://a.example/"), 405),
        (
            request("GET", "https://a.example/").header("content-length", "5"),
            400,
        ),
        (
            request("GET", "https://a.example/").header("x-forwarded-for", vec!["1"; 31].join(",")),
            463,
        ),
    ] {
        let mut requests = http2(&lab).await;
        let (response, _) = requests.send_request(head.body(()).unwrap(), true).unwrap();
        match response.await {
            Ok(response) => assert_eq!(response.status(), expected),
            Err(error) => assert!(expected == 400 && error.is_reset(), "{error}"),
        }
    }
    // What frames HTTP/1 is no field of HTTP/2 (RFC 9113 section 8.2.2).
    for name in ["transfer-encoding", "connection", "upgrade", "keep-alive"] {
        let mut requests = http2(&lab).await;
        let head = request("GET", "https://a.example/").header(name, "chunked");
        let sent = requests.send_request(head.body(()).unwrap(), true);
        let is_refused = match sent {
            Err(_) => true,
            Ok((response, _)) => response.await.is_err(),
        };
        assert!(is_refused, "{name}");
    }
}

/// A target that speaks HTTP/2: it sends back what it gets, and its head's fields in trailers.
async fn http2_target(encrypts: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let own = tls::server(
        &asked("ELBSecurityPolicy-TLS13-1-2-2021-06"),
        tls::Http::Both,
    )
    .unwrap();
    spawn("target", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let own = Arc::clone(&own.config);
            spawn("target", async move {
                match encrypts {
                    true => echo2(TlsAcceptor::from(own).accept(stream).await.unwrap()).await,
                    false => echo2(stream).await,
                }
            });
        }
    });
    at
}

async fn echo2(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        spawn("request", async move {
            let (head, mut body) = request.into_parts();
            let mut response = http::Response::new(());
            let mut trailers = http::HeaderMap::new();
            let is_check = head.uri.path() == "/AWS.ALB/healthcheck";
            trailers.insert("grpc-status", if is_check { 12 } else { 0 }.into());
            if let Some(te) = head.headers.get("te") {
                trailers.insert("x-te", te.clone());
            }
            response
                .headers_mut()
                .insert("content-type", "application/grpc".parse().unwrap());
            let mut out = respond.send_response(response, false).unwrap();
            while let Some(data) = body.data().await {
                let data = data.unwrap();
                body.flow_control().release_capacity(data.len()).unwrap();
                out.send_data(data, false).unwrap();
            }
            out.send_trailers(trailers).unwrap();
        });
    }
}

#[tokio::test]
async fn grpc_passes_with_its_trailers_and_is_checked_in_its_own_way() {
    for encrypts in [false, true] {
        let mut lab = Lab::new();
        let mut blue = group("blue", &[http2_target(encrypts).await]);
        blue.protocol_version = ProtocolVersion::Grpc;
        blue.protocol = match encrypts {
            true => Protocol::Https,
            false => Protocol::Http,
        };
        blue.health_check = Some(HealthCheck {
            protocol: blue.protocol,
            port: None,
            path: "/AWS.ALB/healthcheck".into(),
            interval_seconds: 5,
            timeout_seconds: 5,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: "12".into(),
        });
        lab.told.target_groups = vec![blue];
        let lab = secure(lab).await;
        lab.until("it is healthy", |state| {
            state.targets[0].state == TargetState::Healthy
        })
        .await;
        let mut requests = http2(&lab).await;
        let head = request("POST", "https://a.example/pkg.Service/Method")
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        let (response, mut body) = requests
            .send_request(head.body(()).unwrap(), false)
            .unwrap();
        let (head, mut back) = response.await.unwrap().into_parts();
        assert_eq!(head.headers["content-type"], "application/grpc");
        // Messages go both ways while the call lasts.
        for message in ["one", "two"] {
            body.send_data(Bytes::from(message), false).unwrap();
            let data = back.data().await.unwrap().unwrap();
            back.flow_control().release_capacity(data.len()).unwrap();
            assert_eq!(data, message);
        }
        body.send_data(Bytes::new(), true).unwrap();
        assert!(
            back.data()
                .await
                .is_none_or(|data| data.unwrap().is_empty())
        );
        let trailers = back.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["x-te"], "trailers");
        // What is no gRPC is not for this group.
        let head = request("GET", "https://a.example/").body(()).unwrap();
        let (response, _) = requests
            .ready()
            .await
            .unwrap()
            .send_request(head, true)
            .unwrap();
        assert_eq!(response.await.unwrap().status(), 464);
    }
}
