//! What SDKs ask the daemon on TCP: rules and targets of sampling, which it asks the API for in the task's name.

use super::credentials::Api;
use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::task;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What is brought to the API.
const PATHS: [&str; 2] = ["/GetSamplingRules", "/SamplingTargets"];
const MOST_BYTES: usize = 1 << 20;
const MOST_HEAD_BYTES: usize = 16 << 10;
/// Connections at the same time.
const MOST: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn serve(listener: TcpListener, api: Arc<Api>) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let api = api.clone();
        task::spawn("question", async move {
            converse(stream, api).await;
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, api: Arc<Api>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let api = api.clone();
        async move {
            let answered = tokio::time::timeout(PATIENCE, answer(&api, request)).await;
            let (status, body) = match answered {
                Ok(Ok((status, body))) => {
                    if !status.is_success() {
                        let said = String::from_utf8_lossy(&body[..body.len().min(500)]);
                        tracing::warn!(%status, said = %said, "the API refuses a question about sampling");
                    }
                    (status, body)
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = format!("{error:#}"), "sampling cannot be asked for");
                    (StatusCode::BAD_GATEWAY, Bytes::new())
                }
                Err(_) => (StatusCode::GATEWAY_TIMEOUT, Bytes::new()),
            };
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = status;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert("content-type", json);
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MOST_HEAD_BYTES);
    // Whoever asked may be gone; that changes nothing.
    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(api: &Api, request: Request<Incoming>) -> Result<(StatusCode, Bytes)> {
    let path = request.uri().path().to_owned();
    if !PATHS.contains(&path.as_str()) {
        return Ok((StatusCode::NOT_FOUND, Bytes::new()));
    }
    if request.method() != Method::POST {
        return Ok((StatusCode::METHOD_NOT_ALLOWED, Bytes::new()));
    }
    let body = Limited::new(request.into_body(), MOST_BYTES)
        .collect()
        .await;
    let Ok(body) = body else {
        return Ok((StatusCode::PAYLOAD_TOO_LARGE, Bytes::new()));
    };
    let client = api.client().await?;
    let body = body.to_bytes();
    Ok(client.post(&path, "application/json", "xray", body).await?)
}
