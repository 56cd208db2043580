//! [`Registry`]: an HTTP client for the OCI distribution API, as far as pulling goes.
//!
//! It knows mirrors, plain-HTTP hosts, anonymous tokens, retries, and the words containerd uses
//! when it fails. Bodies are bounded, so that no registry can fill the node's memory.

mod auth;
mod failure;
mod place;
mod push;
mod reach;
mod stream;

pub(in crate::image) use place::Place;

use super::error::{PullError, PullErrorKind};
use super::manifest;
use super::name::Reference;
use super::options::{PullOptions, RegistryConfig, Retry};
use super::source::MAX_DOCUMENT_BYTES;
use auth::{Proof, Tokens};
use bytes::{Bytes, BytesMut};
use failure::Failure;
use neargate_base::Rng;
use neargate_base::backoff::Backoff;
use neargate_blob::Digest;
use neargate_domain::RegistryLogin;
use place::Login;
use reach::Names;
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, header};
use std::sync::OnceLock;
use std::time::Duration;

/// The client. One for all registries; tokens and connections are kept.
#[derive(Debug)]
pub(in crate::image) struct Registry {
    config: RegistryConfig,
    /// Uses the proxy of the environment. Made when first needed: it reads the host's
    /// certificates.
    proxied: OnceLock<Client>,
    /// For loopback, which is never proxied.
    direct: OnceLock<Client>,
    connect_timeout: Duration,
    idle_timeout: Duration,
    tokens: Tokens,
    retry: Retry,
    document_timeout: Duration,
    rng: Rng,
}

impl Registry {
    pub(in crate::image) fn new(config: RegistryConfig, options: &PullOptions) -> Self {
        // Does nothing when the binary has done it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Registry {
            config,
            proxied: OnceLock::new(),
            direct: OnceLock::new(),
            connect_timeout: options.connect_timeout,
            idle_timeout: options.idle_timeout,
            tokens: Tokens::default(),
            retry: options.retry,
            document_timeout: options.idle_timeout * 2,
            rng: Rng::from_entropy(),
        }
    }

    fn client(&self, place: &Place) -> &Client {
        match place.loopback {
            true => self
                .direct
                .get_or_init(|| self.build(ClientBuilder::no_proxy)),
            false => self.proxied.get_or_init(|| {
                let names = std::sync::Arc::new(Names::new(&self.config));
                self.build(|builder| builder.dns_resolver(names.clone()))
            }),
        }
    }

    fn build(&self, with: impl Fn(ClientBuilder) -> ClientBuilder) -> Client {
        let builder = || {
            let agent = concat!("neargate/", env!("CARGO_PKG_VERSION"));
            let builder = Client::builder()
                .user_agent(agent)
                .redirect(reach::redirects())
                .connect_timeout(self.connect_timeout);
            with(builder.read_timeout(self.idle_timeout))
        };
        builder().build().unwrap_or_else(|e| {
            // A host without ca-certificates: plain HTTP works, and TLS is told what it lacks.
            let error = failure::innermost(&e);
            tracing::warn!(error, "no certificates to verify registries with");
            let bare = builder().tls_certs_only([]).build();
            bare.expect("a client without certificates needs nothing of the host")
        })
    }

    /// What `reference` leads to: the place that answered, the digest of the manifest or index,
    /// and its bytes if they came along. Mirrors are asked once each; then the registry itself,
    /// patiently, and by `login`, which is for it alone.
    pub(in crate::image) async fn resolve(
        &self,
        reference: &Reference,
        login: Option<&RegistryLogin>,
    ) -> Result<(Place, Digest, Option<Bytes>), PullError> {
        let (mirrors, itself) = Place::of(reference, &self.config);
        let itself = itself.asked_as(login);
        for mirror in mirrors {
            match self.look_up(&mirror, reference).await {
                Ok((digest, bytes)) => return Ok((mirror, digest, bytes)),
                Err(Failure { message: error, .. }) => {
                    tracing::info!(mirror = mirror.base, image = %reference, error, "mirror passed over");
                }
            }
        }
        let asked = self.patiently(|| self.look_up(&itself, reference)).await;
        let (digest, bytes) = asked.map_err(|(failure, tries)| {
            let cause = match failure.kind {
                PullErrorKind::NotFound => format!("failed to resolve ref {reference}: not found"),
                _ => format!("failed to resolve ref {reference}: {}", failure.message),
            };
            PullError::resolving(failure.kind, tries, &cause)
        })?;
        Ok((itself, digest, bytes))
    }

    /// A tag is looked up by HEAD, which registries do not count as a pull.
    async fn look_up(
        &self,
        place: &Place,
        reference: &Reference,
    ) -> Result<(Digest, Option<Bytes>), Failure> {
        let url = place.url("manifests", &reference.target());
        if reference.digest.is_none() {
            let asked = self.send(place, Method::HEAD, &url, None);
            let asked = tokio::time::timeout(self.document_timeout, asked).await;
            match asked.unwrap_or_else(|_| Err(Failure::timeout(&url))) {
                Ok(response) => {
                    if let Some(digest) = stated_digest(&response) {
                        return Ok((digest, None));
                    }
                }
                // Some do not know HEAD.
                Err(failure) if failure.kind == PullErrorKind::Unsupported => {}
                Err(failure) => return Err(failure),
            }
        }
        let (digest, bytes) = self.small(place, &url, reference.digest.as_ref()).await?;
        Ok((digest, Some(bytes)))
    }

    /// A manifest (`kind` is `manifests`) or configuration (`blobs`) by digest, verified.
    pub(in crate::image) async fn document(
        &self,
        place: &Place,
        kind: &str,
        digest: &Digest,
    ) -> Result<Bytes, PullError> {
        let url = place.url(kind, &digest.to_string());
        let ask = || async {
            self.small(place, &url, Some(digest))
                .await
                .map(|(_, bytes)| bytes)
        };
        self.patiently(ask).await.map_err(|(failure, tries)| {
            let cause = format!(
                "failed to copy: httpReadSeeker: failed open: {}",
                failure.message
            );
            PullError::resolving(failure.kind, tries, &cause)
        })
    }

    /// A bounded body with its digest, which is `expected` if that is given.
    async fn small(
        &self,
        place: &Place,
        url: &str,
        expected: Option<&Digest>,
    ) -> Result<(Digest, Bytes), Failure> {
        let fetch = async {
            let response = self.send(place, Method::GET, url, None).await?;
            let stated = stated_digest(&response);
            let bytes = body(response, url).await?;
            let actual = Digest::of(&bytes);
            match expected.copied().or(stated).filter(|e| *e != actual) {
                Some(expected) => Err(Failure::wrong_digest(&actual, &expected)),
                None => Ok((actual, bytes)),
            }
        };
        let timed = tokio::time::timeout(self.document_timeout, fetch).await;
        timed.unwrap_or_else(|_| Err(Failure::timeout(url)))
    }

    /// Try, and try again where that may help.
    async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T, (Failure, u32)>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut backoff = self.backoff();
        let mut tries = 1;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.again && tries < self.retry.tries => {
                    tries += 1;
                    tokio::time::sleep(backoff.next_delay(&self.rng)).await;
                }
                Err(failure) => return Err((failure, tries)),
            }
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(self.retry.first_delay, self.retry.max_delay)
    }

    /// A successful response, from `offset` on if that is given; a token is fetched when the
    /// registry asks for one.
    async fn send(
        &self,
        place: &Place,
        method: Method,
        url: &str,
        offset: Option<u64>,
    ) -> Result<Response, Failure> {
        let client = self.client(place);
        let mut token = self.tokens.get(place);
        let mut renewed = false;
        loop {
            let mut request = client
                .request(method.clone(), url)
                .header(header::ACCEPT, manifest::ACCEPT);
            request = match (&token, &place.login) {
                (Some(Proof::Token(token)), _) => request.bearer_auth(token),
                (Some(Proof::Password), Some(Login(login))) => {
                    request.basic_auth(&login.username, Some(login.password.expose()))
                }
                _ => request,
            };
            if let Some(offset) = offset {
                request = request.header(header::RANGE, format!("bytes={offset}-"));
            }
            let response = request
                .send()
                .await
                .map_err(|e| Failure::transport(&e, url))?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => return Ok(response),
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    token = Some(self.tokens.renew(client, place, response.headers()).await?);
                }
                status if method == Method::HEAD => return Err(Failure::head(status, url)),
                status => return Err(refused(status, response, url).await),
            }
        }
    }
}

/// `Docker-Content-Digest`, OCI distribution spec, "Pulling manifests".
fn stated_digest(response: &Response) -> Option<Digest> {
    response
        .headers()
        .get("docker-content-digest")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The whole body, bounded.
async fn body(mut response: Response, url: &str) -> Result<Bytes, Failure> {
    let mut all = BytesMut::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|e| Failure::transport(&e, url))?
    {
        if all.len() as u64 + piece.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(Failure::too_large(url));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

async fn refused(status: StatusCode, response: Response, url: &str) -> Failure {
    let bytes = body(response, url).await.unwrap_or_default();
    Failure::status(status, &bytes, url)
}
