//! The instance metadata service's HTTP: in every VPC of this host, for the instances there.

use crate::edge::{self, Serving};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::task;
use neargate_control::instance_metadata::{HOP_LIMIT, InstanceMetadata};
use neargate_node::net::INSTANCE_METADATA_PORT;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A connection that asks nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(15);
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How many connections a VPC's instances may have.
const CONNECTIONS: usize = 256;
/// When descriptors are short.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Has instances told what they are, while what is returned is there.
pub fn serve(metadata: InstanceMetadata, run_dir: &Path) -> Serving {
    let open = move |vpc: &str, listener: std::net::TcpListener| {
        let listener = TcpListener::from_std(listener)?;
        let accept = accept(listener, vpc.into(), metadata.clone());
        Ok(Serving::of(task::spawn("instance-metadata", accept)))
    };
    edge::serve_in_vpcs(run_dir, INSTANCE_METADATA_PORT, open)
}

async fn accept(listener: TcpListener, vpc: Arc<str>, metadata: InstanceMetadata) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        // One that finds no place is closed at once.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (vpc, metadata) = (Arc::clone(&vpc), metadata.clone());
        task::spawn("instance-metadata-connection", async move {
            let _place = place;
            // Whatever a client does wrong concerns it alone.
            let _ = converse(stream, from, &vpc, &metadata).await;
        });
    }
}

async fn converse(
    stream: TcpStream,
    from: SocketAddr,
    vpc: &str,
    metadata: &InstanceMetadata,
) -> io::Result<()> {
    let IpAddr::V4(address) = from.ip() else {
        return Ok(());
    };
    stream.set_ttl(HOP_LIMIT)?;
    let answer = service_fn(|request: Request<Incoming>| async move {
        let (method, path) = (request.method(), request.uri().path());
        let of = (vpc, address);
        let answered = metadata.answer(of, method, path, request.headers()).await;
        let Some(answer) = answered else {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        };
        let mut response = Response::new(Full::new(Bytes::from(answer.body)));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
        headers.insert("server", HeaderValue::from_static("EC2ws"));
        if let Some(ttl) = answer.ttl_seconds {
            headers.insert("x-aws-ec2-metadata-token-ttl-seconds", ttl.into());
        }
        Ok(response)
    });
    let mut http = http1::Builder::new();
    // What a shell pipes into `nc` ends before it is answered.
    http.half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD_BYTES);
    let served = http.serve_connection(TokioIo::new(stream), answer).await;
    served.map_err(io::Error::other)
}
