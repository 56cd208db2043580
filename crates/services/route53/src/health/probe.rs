//! One look at an endpoint
//! (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>).

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use neargate_api_route53::HealthCheckConfig;
use neargate_base::unverified;
use neargate_service::outbound;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// "within four seconds", or ten where the connection is all.
const CONNECT: Duration = Duration::from_secs(4);
const CONNECT_ONLY: Duration = Duration::from_secs(10);
/// "within two seconds after connecting".
const ANSWER: Duration = Duration::from_secs(2);
/// "must appear entirely in the first 5,120 bytes of the response body".
const SEARCHED_BYTES: usize = 5_120;

type Failure = Box<dyn Error + Send + Sync>;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What it says of itself, or why it fails.
pub(super) async fn ask(config: &HealthCheckConfig) -> Result<String, String> {
    let is_tcp = config.r#type == "TCP";
    let patience = if is_tcp { CONNECT_ONLY } else { CONNECT };
    let stream = match timeout(patience, connect(config)).await {
        Err(_) => {
            return Err("Failure: The health checker could not establish a connection within the timeout limit.".into());
        }
        Ok(Err(error)) => return Err(format!("Failure: {error}")),
        Ok(Ok(stream)) => stream,
    };
    if is_tcp {
        return Ok("Success: TCP connection established".into());
    }
    match timeout(ANSWER, get(stream, config)).await {
        Err(_) => Err(
            "Failure: The endpoint did not respond to the health check request within the specified timeout."
                .into(),
        ),
        Ok(Err(error)) => Err(format!("Failure: {error}")),
        Ok(Ok((status, body))) => judge(config, status, &body),
    }
}

async fn connect(config: &HealthCheckConfig) -> Result<Box<dyn Duplex>, Failure> {
    let port = config.port.and_then(|port| u16::try_from(port).ok());
    let port = port.unwrap_or(80);
    let address = config.ip_address.as_ref().and_then(|ip| ip.parse().ok());
    let at = match (address, &config.fully_qualified_domain_name) {
        (Some(address), _) => SocketAddr::new(address, port),
        (None, Some(name)) => {
            let mut found = lookup_host((name.as_str(), port)).await?;
            found
                .find(|at| outbound::is_public(at.ip()))
                .ok_or("DNS resolution failed")?
        }
        (None, None) => return Err(io::Error::from(io::ErrorKind::InvalidInput).into()),
    };
    let stream = TcpStream::connect(at).await?;
    if !config.r#type.starts_with("HTTPS") {
        return Ok(Box::new(stream));
    }
    let provider = Arc::new(ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        // "Route 53 health checkers don't validate SSL/TLS certificates".
        .with_custom_certificate_verifier(unverified::anybody(provider))
        .with_no_client_auth();
    let name = config.fully_qualified_domain_name.clone();
    tls.enable_sni = config.enable_sni == Some(true) && name.is_some();
    let name = match name {
        Some(name) => ServerName::try_from(name)?,
        None => ServerName::from(at.ip()),
    };
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream);
    Ok(Box::new(stream.await?))
}

/// The status and the beginning of the body, where a string is searched in it.
async fn get(
    stream: Box<dyn Duplex>,
    config: &HealthCheckConfig,
) -> Result<(StatusCode, Bytes), Failure> {
    let path = config.resource_path.as_deref().unwrap_or_default();
    let uri: Uri = match path.starts_with('/') {
        true => path.parse()?,
        false => format!("/{path}").parse()?,
    };
    let host = config.fully_qualified_domain_name.clone();
    let host = host.or_else(|| config.ip_address.clone());
    let request = Request::get(uri)
        .header(HOST, host.unwrap_or_default())
        .header(CONNECTION, "close")
        .header(USER_AGENT, "Amazon-Route53-Health-Check-Service (Neargate)")
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if !config.r#type.ends_with("STR_MATCH") {
            return Ok((status, Bytes::new()));
        }
        let mut body = response.into_body();
        let mut begin = Vec::new();
        while begin.len() < SEARCHED_BYTES
            && let Some(frame) = body.frame().await
        {
            begin.extend_from_slice(&frame?.into_data().unwrap_or_default());
        }
        begin.truncate(SEARCHED_BYTES);
        Ok((status, Bytes::from(begin)))
    };
    tokio::pin!(connection, exchange);
    loop {
        tokio::select! {
            done = &mut exchange => return done,
            // What it ended with is what the exchange says.
            _ = &mut connection => {}
        }
    }
}

fn judge(config: &HealthCheckConfig, status: StatusCode, body: &[u8]) -> Result<String, String> {
    let said = format!("HTTP Status Code {}", status.as_u16());
    if !(status.is_success() || status.is_redirection()) {
        return Err(format!("Failure: {said}"));
    }
    let searched = config.search_string.as_ref();
    let Some(wanted) = searched.filter(|_| config.r#type.ends_with("STR_MATCH")) else {
        return Ok(format!("Success: {said}"));
    };
    let mut parts = body.windows(wanted.len().max(1));
    match parts.any(|part| part == wanted.as_bytes()) {
        true => Ok(format!("Success: {said}, string matched")),
        false => Err(format!("Failure: {said}, string not found")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn answered(kind: &str, answer: &'static [u8]) -> Result<String, String> {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let server = async move {
            let mut asked = [0; 1024];
            let read = theirs.read(&mut asked).await.unwrap();
            assert!(asked[..read].starts_with(b"GET /up HTTP/1.1\r\n"));
            theirs.write_all(answer).await.unwrap();
            // It stays open, as a server that keeps connections does.
            theirs
        };
        let config = HealthCheckConfig {
            r#type: kind.into(),
            ip_address: Some("198.19.0.5".into()),
            resource_path: Some("up".into()),
            search_string: kind.ends_with("STR_MATCH").then(|| "all well".into()),
            ..Default::default()
        };
        let (got, _theirs) = tokio::join!(get(Box::new(ours), &config), server);
        let (status, body) = got.map_err(|error| error.to_string())?;
        judge(&config, status, &body)
    }

    #[tokio::test]
    async fn answers_are_judged() {
        let ok = |said: Result<String, String>| said.is_ok();
        assert!(ok(answered(
            "HTTP",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        )
        .await));
        assert!(ok(answered(
            "HTTP",
            b"HTTP/1.1 302 Found\r\ncontent-length: 9\r\n\r\n"
        )
        .await));
        assert!(!ok(answered(
            "HTTP",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
        )
        .await));
        assert!(!ok(answered(
            "HTTP",
            b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\r\n"
        )
        .await));
        let found = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nand all well";
        assert!(ok(answered("HTTP_STR_MATCH", found).await));
        let other = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nall bad!";
        assert!(!ok(answered("HTTP_STR_MATCH", other).await));
    }
}
