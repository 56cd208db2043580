//! Keeps one HTTP/2 connection to the control plane: dials, waits for its end, dials again with
//! growing patience. Renews the node's certificate in time; one that has ended is not shown any
//! more, for only a new token makes this host a node again. A node that was removed for good
//! connects no more either.

use super::call::{Caller, Link};
use super::identity::{Identity, IdentityError, Key};
use super::{RemoteConfig, tls};
use bytes::Bytes;
use http::uri::Authority;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::backoff::Backoff;
use neargate_base::{Clock, Rng, task};
use neargate_domain::link::{Certificate, RenewRequest};
use rustls::ClientConfig;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

const DIAL: Duration = Duration::from_secs(5);
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(3);
/// A connection that does not answer a ping for this long is dead.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(6);
/// What may be unread of one stream, and of all: a blob nobody reads must not hold up reports.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
/// How often the certificate's age is looked at.
const LOOK: Duration = Duration::from_secs(60 * 60);
const RENEW: Duration = Duration::from_secs(30);
/// A certificate that has ended is looked at again after this: the clock may have been wrong.
const ENDED: Duration = Duration::from_secs(60);

/// What is asked: a text, or what flows until either side ends.
pub(super) type Question = UnsyncBoxBody<Bytes, std::convert::Infallible>;
pub(super) type Requests = SendRequest<Question>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("{0:?} is not an address such as https://10.0.0.1:4567")]
    Url(String),
    #[error("{address} does not answer: {source}")]
    Tcp {
        address: String,
        source: std::io::Error,
    },
    #[error("TLS with {address}: {source}")]
    Tls {
        address: String,
        source: std::io::Error,
    },
    #[error("HTTP/2 with {address}: {source}")]
    Http {
        address: String,
        source: hyper::Error,
    },
    #[error("{0} takes too long to answer")]
    Late(String),
}

/// `host:port` of a control plane's URL; `https://` may be left out.
pub(super) fn address(url: &str) -> Result<String, DialError> {
    let bad = || DialError::Url(url.to_owned());
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let authority: Authority = rest.trim_end_matches('/').parse().map_err(|_| bad())?;
    if authority.port_u16().is_none() || authority.as_str().contains('@') {
        return Err(bad());
    }
    Ok(authority.as_str().to_owned())
}

/// A new connection, and the task that ends with it; its answer is why, if it was no good end.
pub(super) async fn dial(
    url: &str,
    config: Arc<ClientConfig>,
) -> Result<(Requests, JoinHandle<Option<String>>), DialError> {
    let address = address(url)?;
    let dialled = tokio::time::timeout(DIAL, async {
        let tcp = |source| DialError::Tcp {
            address: address.clone(),
            source,
        };
        let stream = TcpStream::connect(&address).await.map_err(tcp)?;
        stream.set_nodelay(true).map_err(tcp)?;
        let connected = TlsConnector::from(config).connect(tls::server_name(), stream);
        let stream = connected.await.map_err(|source| DialError::Tls {
            address: address.clone(),
            source,
        })?;
        let mut client = http2::Builder::new(Spawn);
        client
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            // Until the other side has said how many it takes.
            .initial_max_send_streams(1)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let shaken = client.handshake(TokioIo::new(stream)).await;
        shaken.map_err(|source| DialError::Http {
            address: address.clone(),
            source,
        })
    });
    let (requests, connection) = dialled
        .await
        .map_err(|_| DialError::Late(address.clone()))??;
    let running = task::spawn("control-plane-connection", async move {
        let error = connection.await.err()?;
        tracing::debug!(%error, "the connection to the control plane ended");
        Some(chain(&error))
    });
    Ok((requests, running))
}

/// The error and all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let why = cause.to_string();
        if !said.ends_with(&why) {
            said = format!("{said}: {why}");
        }
        source = cause.source();
    }
    said
}

/// How a connection ended, or why there was none.
enum Over {
    /// After a while.
    WasThere,
    /// This side ended it, or it ended in good order.
    Replaced,
    /// It was not made, or ended at once.
    Refused(String),
    /// Only a new token helps.
    CertificateEnded,
}

/// The keeper of the connection.
pub(super) struct Connection {
    identity: Identity,
    config: Arc<ClientConfig>,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
    current: watch::Sender<Option<Link>>,
    dismissed: CancellationToken,
}

impl Connection {
    /// The keeper, and where the connection is found while there is one.
    pub(super) fn new(
        config: RemoteConfig,
        dismissed: CancellationToken,
    ) -> Result<(Connection, watch::Receiver<Option<Link>>), IdentityError> {
        let (current, found) = watch::channel(None);
        let connection = Connection {
            config: tls::as_node(&config.identity)?,
            identity: config.identity,
            path: config.path,
            clock: config.clock,
            rng: config.rng,
            current,
            dismissed,
        };
        Ok((connection, found))
    }

    /// Ends when the node was removed for good.
    pub(super) async fn keep(mut self, caller: Arc<Caller>) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        // Once in the open, then quietly.
        let mut told = false;
        while !self.dismissed.is_cancelled() {
            let pause = match self.once(&caller).await {
                Over::WasThere => {
                    backoff.reset();
                    told = false;
                    backoff.next_delay(&self.rng)
                }
                Over::Replaced => backoff.next_delay(&self.rng),
                Over::Refused(why) if told => {
                    tracing::debug!(why, "no control plane");
                    backoff.next_delay(&self.rng)
                }
                Over::Refused(why) => {
                    tracing::warn!(why, "no control plane; tasks go on");
                    told = true;
                    backoff.next_delay(&self.rng)
                }
                Over::CertificateEnded => {
                    if !told {
                        self.tell_of_the_end();
                    }
                    told = true;
                    ENDED
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.dismissed.cancelled() => {}
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn once(&mut self, caller: &Caller) -> Over {
        if self.identity.has_ended(self.clock.now()) {
            return Over::CertificateEnded;
        }
        let dialled = dial(&self.identity.url, self.config.clone()).await;
        let (requests, mut running) = match dialled {
            Ok(connected) => connected,
            Err(error) => return Over::Refused(chain(&error)),
        };
        tracing::info!(url = self.identity.url, "connected to the control plane");
        let started = neargate_base::time::Stopwatch::start();
        self.current.send_replace(Some(Link {
            requests,
            node: self.identity.node_id.clone(),
        }));
        let why = self.until_over(caller, &mut running).await;
        self.current.send_replace(None);
        running.abort();
        match why {
            // With TLS 1.3 a certificate is refused only after the connection stands.
            Some(why) if why.contains("CertificateExpired") => Over::CertificateEnded,
            _ if started.elapsed() > AGAIN_MAX => Over::WasThere,
            Some(why) => Over::Refused(why),
            None => Over::Replaced,
        }
    }

    fn tell_of_the_end(&self) {
        let (id, url) = (&self.identity.node_id, &self.identity.url);
        tracing::error!(
            "the certificate of this node has ended (or the clock is wrong), so the control plane \
             takes it no more; its tasks go on. To make it a node again: `neargate node rm {id}` \
             and `neargate node token` on the control plane's host, then here \
             `neargate node join {url} --token TOKEN`"
        );
    }

    /// Waits until the connection has ended, is to be replaced by one with a newer certificate, or
    /// the node was removed. Answers why it ended by itself.
    async fn until_over(
        &mut self,
        caller: &Caller,
        running: &mut JoinHandle<Option<String>>,
    ) -> Option<String> {
        loop {
            let due = self.identity.renew_at() <= self.clock.now();
            if due && self.renew(caller).await {
                return None;
            }
            tokio::select! {
                ended = &mut *running => return ended.ok().flatten(),
                () = tokio::time::sleep(LOOK) => {}
                () = self.dismissed.cancelled() => return None,
            }
        }
    }

    /// Ask for a certificate for a new key; it counts once it is on disk.
    async fn renew(&mut self, caller: &Caller) -> bool {
        let renewed = async {
            let key = Key::generate().map_err(|e| e.to_string())?;
            let request = RenewRequest {
                public_key: key.public().map_err(|e| e.to_string())?,
            };
            let answer = caller.post::<_, Certificate>("/v1/renew", &request, RENEW);
            let identity = Identity {
                key,
                certificate: answer.await.map_err(|e| e.to_string())?,
                since: self.clock.now(),
                ..self.identity.clone()
            };
            let config = tls::as_node(&identity).map_err(|e| e.to_string())?;
            identity.save(&self.path).map_err(|e| e.to_string())?;
            Ok::<_, String>((identity, config))
        };
        match renewed.await {
            Ok((identity, config)) => {
                (self.identity, self.config) = (identity, config);
                tracing::info!("the node's certificate is renewed");
                true
            }
            Err(error) => {
                tracing::warn!(error, "the node's certificate is not renewed yet");
                false
            }
        }
    }
}

/// Runs what HTTP/2 wants run beside it.
#[derive(Debug, Clone, Copy)]
struct Spawn;

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        task::spawn("control-plane-request", future);
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn urls() {
        for good in ["https://10.0.0.1:4567", "10.0.0.1:4567/", "10.0.0.1:4567"] {
            assert_eq!(address(good).unwrap(), "10.0.0.1:4567");
        }
        assert_eq!(address("https://[fd00::1]:1").unwrap(), "[fd00::1]:1");
        for bad in [
            "",
            "http://10.0.0.1:4567",
            "10.0.0.1",
            "https://",
            "u@h:1",
            "h:x",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
