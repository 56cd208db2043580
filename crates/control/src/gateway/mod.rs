//! The one port: routes every request to the AWS service, the registry or our own pages.
//!
//! It authenticates, decodes, dispatches and encodes. It knows no service's rules.
//!
//! Nobody costs more than he has shown to be worth: a connection has a [`place`](places), a body
//! that nobody signed for has little [`memory`] and time, and who does not read his answer is left.

mod auth;
mod aws;
pub(crate) mod body;
mod encoding;
mod guard;
mod link;
mod memory;
mod own;
mod owner;
mod pace;
mod places;
mod tls;
mod trust;

pub use auth::Mode;
pub use own::OWN_SIGNING_NAME;
pub use trust::Trusted;

use crate::ControlPlane;
use crate::pages::{Host, Pages};
use body::Paced;
use http::header::{CONNECTION, CONTENT_SECURITY_POLICY, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use memory::Memory;
use neargate_base::{Region, task};
use neargate_service::door::{Body, BodyError, Visitor};
use neargate_service::{House, Scope};
use neargate_wire::route::{self as wire_route, Door, Route};
use neargate_wire::schema::S3;
use owner::Owners;
use places::{Origin, Places};
use rustls::ServerConfig;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A client must send its request's head within this time; its body must move in each such time,
/// and it must take what we answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something the operator's process can do to itself, for `POST /_neargate/reset`.
pub type Reset =
    Arc<dyn Fn() -> futures_util::future::BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The listening side of one control plane.
#[derive(Clone)]
pub struct Gateway {
    pages: Pages,
    mode: Mode,
    default_scope: Scope,
    reset: Option<Reset>,
    patience: Duration,
    memory: Memory,
    tls: Option<Tls>,
    /// Connections end with the listener.
    ends_connections: bool,
}

/// Who is at the other end of a connection, as far as the connection itself tells.
#[derive(Debug, Clone, Copy)]
struct Peer {
    /// A user of this host who needs no proof.
    free: bool,
    origin: Origin,
    address: IpAddr,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// `reset` is offered in development mode only.
    pub fn new(
        control_plane: Arc<ControlPlane>,
        mode: Mode,
        region: Region,
        reset: Option<Reset>,
    ) -> Self {
        let default_scope = Scope {
            account: control_plane.account.clone(),
            region,
        };
        let reset = reset.filter(|_| mode.is_development());
        Gateway {
            pages: Pages {
                control_plane,
                host: None,
            },
            mode,
            default_scope,
            reset,
            patience: PATIENCE,
            memory: Memory::default(),
            tls: None,
            ends_connections: false,
        }
    }

    /// How long a client may take for its request's head, and keep still in its body or in taking
    /// its answer.
    pub fn patience(self, patience: Duration) -> Self {
        Gateway { patience, ..self }
    }

    /// Callers speak TLS.
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        Gateway {
            tls: Some(Tls::new(config)),
            ..self
        }
    }

    /// The host whose pages are served too.
    pub fn host(self, host: Arc<dyn Host>) -> Self {
        let host = Some(host);
        Gateway {
            pages: Pages { host, ..self.pages },
            ..self
        }
    }

    /// The same for callers who are no users of this host: all of them sign, and their connections
    /// do not keep alive the network in which they are. That network is this host's: they need not
    /// speak TLS in it.
    pub fn for_strangers(&self) -> Self {
        let tls = self.tls.clone();
        Gateway {
            tls: tls.map(|tls| Tls {
                or_plain: true,
                ..tls
            }),
            mode: self.mode.for_strangers(),
            reset: None,
            ends_connections: true,
            ..self.clone()
        }
    }

    fn house(&self) -> &Arc<House> {
        &self.pages.control_plane.house
    }

    /// Serve until the future is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let (gateway, places) = (Arc::new(self), Places::default());
        let owners = Owners::open();
        let owners = owners.inspect_err(|error| {
            tracing::warn!(%error, "the kernel does not say who calls: every caller must sign");
        });
        let owners = owners.ok();
        let mut told = BTreeSet::new();
        let (_open, listens) = watch::channel(());
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: let connections end first.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Whoever has gone already needs no answer.
            let Ok(peer) = gateway.recognise(owners.as_ref(), &stream) else {
                continue;
            };
            if let (Origin::User(user), false) = (peer.origin, peer.free)
                && gateway.mode.is_development()
                && told.insert(user)
            {
                tracing::warn!(
                    user,
                    "a user of this host calls who is not in the trusted group: he must sign with \
                     the keys that neargate env prints to root"
                );
            }
            let Some(place) = places.take(peer.origin, peer.free) else {
                tracing::debug!(?peer, "too many connections");
                continue;
            };
            let _ = stream.set_nodelay(true);
            let gateway = gateway.clone();
            let mut listens = gateway.ends_connections.then(|| listens.clone());
            task::spawn("connection", async move {
                let closed = async {
                    match &mut listens {
                        Some(listens) => drop(listens.changed().await),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = gateway.converse(peer, stream) => {}
                    () = closed => {}
                }
                drop(place);
            });
        }
    }

    /// Who is at the other end. Only the kernel is believed; when it does not say, nobody is
    /// trusted.
    fn recognise(&self, owners: Option<&Owners>, stream: &TcpStream) -> io::Result<Peer> {
        let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
        let here = peer.ip().is_loopback() || peer.ip() == local.ip();
        let user = match owners {
            Some(owners) if here || self.mode.is_development() => {
                owners.of(peer, local).unwrap_or_else(|error| {
                    tracing::warn!(%error, "the kernel does not say who calls");
                    None
                })
            }
            _ => None,
        };
        // While this end is connected, no other socket can have had the peer's address.
        stream.peer_addr()?;
        Ok(Peer {
            free: user.is_some_and(|user| self.mode.trusts(user)),
            origin: user.map_or_else(|| Origin::of(peer.ip()), Origin::User),
            address: peer.ip(),
        })
    }

    /// The answer to a request, and whether it is the connection's last. A body in chunks may
    /// have come with a length as well, which was passed over: whoever stands between may have
    /// gone by that, and seen another request behind it (RFC 9112, 6.1 asks for the end).
    async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        let chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let mut response = self.handle(peer, request).await;
        if chunked {
            close(&mut response);
        }
        response
    }

    async fn handle(&self, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        let mut peer = peer;
        let (parts, incoming) = request.into_parts();
        if let Err(refused) = guard::pass(&parts, self.mode.is_development()) {
            if !(refused == guard::Refused::Origin && self.is_followed(&parts)) {
                return peer.last(own::refused(&refused, &self.house().rng.uuid()));
            }
            // Whose page the link is on has no part in what its reader may.
            peer.free = false;
        }
        // A page in a bucket is whoever's may write there: a browser that shows it is nobody. Where it has no
        // host name of its own, it is kept from what the console keeps, too.
        let from_browser = guard::is_from_browser(&parts);
        let of_bucket = wire_route::is_bucket_host(&parts);
        let mut reader = peer;
        if from_browser && of_bucket {
            reader.free &= guard::is_navigation(&parts);
            peer.free = false;
        }
        let apart = from_browser && !of_bucket;
        let peer = &peer;
        if wire_route::needs_body(&parts) {
            return aws::handle_form(self, peer, parts, incoming).await;
        }
        let route = wire_route::route(&parts, &[], crate::services::schemas());
        // A bucket may be open to who does not sign.
        if matches!(route, Route::Unknown) && self.is_of_objects(&parts).await {
            let response = self.door(Door::Objects, &reader, parts, incoming).await;
            return sandboxed(response, apart);
        }
        let response = match route {
            Route::Aws(found) if found.service.signing_name == S3 => {
                let response = self.door(Door::Objects, &reader, parts, incoming).await;
                return sandboxed(response, apart);
            }
            Route::Aws(found) => return aws::handle(self, peer, found, parts, incoming).await,
            Route::Door(door) => return self.door(door, peer, parts, incoming).await,
            Route::Health => return own::health(self, peer),
            Route::Console => neargate_console::answer(&parts).map(body::full),
            Route::Unknown if parts.uri.path() == "/" && guard::is_navigation(&parts) => {
                own::front()
            }
            Route::Internal => return own::internal(self, peer, parts, incoming).await,
            Route::Unserved {
                name,
                protocol,
                operation,
            } => aws::unserved(self, &name, protocol, operation.as_deref()),
            Route::TaskMetadata | Route::Unknown => own::unknown(&self.house().rng.uuid()),
        };
        peer.last(response)
    }

    /// Does somebody follow a link, of a mail on a web page, to an operation that brings its own proof, or
    /// to the console?
    fn is_followed(&self, parts: &Parts) -> bool {
        if parts.uri.path().starts_with(neargate_ses::identity::LINKS) {
            return guard::is_navigation(parts);
        }
        let found = match wire_route::route(parts, &[], crate::services::schemas()) {
            Route::Aws(found) => found,
            // Its files are the same for everybody, and nothing happens because a page of it is opened.
            Route::Console => return guard::is_navigation(parts),
            _ => return false,
        };
        let service = self.house().caller.service(found.service.id);
        let named = service.zip(found.operation);
        guard::is_navigation(parts)
            && named.is_some_and(|(service, operation)| service.is_for_anybody(operation.name))
    }

    async fn is_of_objects(&self, parts: &Parts) -> bool {
        match self.pages.control_plane.door(Door::Objects) {
            Some(door) => door.claims(self.house(), parts).await,
            None => false,
        }
    }

    /// What a service answers itself.
    async fn door(
        &self,
        door: Door,
        peer: &Peer,
        parts: Parts,
        incoming: Incoming,
    ) -> Response<Body> {
        let house = self.house().clone();
        let Some(answers) = self.pages.control_plane.door(door) else {
            return peer.last(own::unknown(&house.rng.uuid()));
        };
        let visitor = Visitor {
            default_scope: self.default_scope.clone(),
            source: Some(peer.address),
            must_prove: !peer.free,
            keys: auth::keys(&self.mode, &house, peer.free, &self.default_scope),
        };
        // What comes has no size in all (a layer), and so no time in all: it must keep the pace.
        let paced = Paced::new(incoming, self.patience, None);
        let body = paced.map_err(|e| BodyError(e.into())).boxed_unsync();
        let request = Request::from_parts(parts, body);
        let response = answers.serve(house, visitor, request).await;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => peer.last(response),
            _ => response,
        }
    }
}

impl Peer {
    /// The answer to a call that showed nobody: who has not shown who he is gets one, and the
    /// connection ends.
    fn last(&self, mut response: Response<Body>) -> Response<Body> {
        if !self.free {
            close(&mut response);
        }
        response
    }
}

/// What a browser shows of a bucket has no part in the origin that it is read from.
fn sandboxed(mut response: Response<Body>, apart: bool) -> Response<Body> {
    if apart {
        let alone = HeaderValue::from_static("sandbox allow-scripts allow-downloads allow-popups");
        let headers = response.headers_mut();
        headers.append(CONTENT_SECURITY_POLICY, alone);
    }
    response
}

/// Nothing comes after this answer.
fn close(response: &mut Response<Body>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}
