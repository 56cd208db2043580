//! The operator's door: a socket in a directory of root's, for what no AWS operation is. Whoever
//! can open the socket may use it.
//!
//! ```text
//! POST   /v1/node-tokens   TokenRequest -> Token
//! GET    /v1/nodes         -> NodeList
//! DELETE /v1/nodes/<id>    -> {}
//! POST   /v1/accounts      AccountRequest -> Keys
//! GET    /v1/accounts      -> AccountList
//! POST   /v1/users         UserRequest -> Keys
//! GET    /v1/root-keys     -> Keys
//! ```

use crate::ControlPlane;
use crate::error::refused;
use crate::gateway::body::{self, Paced, full};
use crate::node_api::{NodeApi, Wanted};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::{AccountId, Arn, Timestamp, task};
use neargate_domain::NodeKind;
use neargate_domain::link::Refusal;
use neargate_service::door::Body;
use neargate_service::{AwsError, Fault, Scope};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;

const PATIENCE: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 64 << 10;

/// What a token is to be good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    pub kind: NodeKind,
    /// Name or ARN.
    pub cluster: Option<String>,
    pub ttl_millis: u64,
}

/// A join token as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub token: String,
    pub expires_at: Timestamp,
}

/// One node of another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    pub id: String,
    pub kind: NodeKind,
    pub cluster: Option<String>,
    pub connected: bool,
    pub address: Option<IpAddr>,
    pub hostname: String,
    pub version: String,
    pub joined_at: Timestamp,
}

/// All nodes of other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeList {
    pub nodes: Vec<NodeLine>,
}

/// An account that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRequest {
    pub name: String,
    /// Any, unless it is said.
    pub id: Option<AccountId>,
}

/// A user that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRequest {
    pub name: String,
    /// The configured one, unless it is said.
    pub account: Option<AccountId>,
    /// The user may do everything in the account.
    pub admin: bool,
}

/// Access keys, shown once.
#[derive(Clone, Serialize, Deserialize)]
pub struct Keys {
    /// Whose they are.
    pub arn: String,
    pub account: AccountId,
    pub access_key: String,
    pub secret_key: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys = f.debug_struct("Keys");
        keys.field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    pub id: AccountId,
    /// The configured account has none.
    pub name: Option<String>,
    pub created_at: Option<Timestamp>,
}

/// All accounts, the configured one first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountList {
    pub accounts: Vec<AccountLine>,
}

/// What the door opens to.
#[derive(Debug, Clone)]
pub struct Operator {
    pub control_plane: Arc<ControlPlane>,
    /// The id of the key of the configured account's root.
    pub root_key_id: String,
    /// `None`: no nodes of other hosts are served.
    pub nodes: Option<Arc<NodeApi>>,
    pub default_scope: Scope,
}

impl Operator {
    /// Listen at `path`, for root only. An old socket there is replaced.
    pub fn listen(path: &Path) -> io::Result<UnixListener> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    }

    /// Serve until the future is dropped.
    pub async fn serve(self, listener: UnixListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let operator = self.clone();
            task::spawn("operator", async move {
                let service = hyper::service::service_fn(move |request| {
                    let operator = operator.clone();
                    async move { Ok::<_, Infallible>(operator.answer(request).await) }
                });
                let mut server = http1::Builder::new();
                server
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE);
                // The other end has what it wanted, or has gone.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match self.handle(request).await {
            Ok(bytes) => Response::new(full(bytes)),
            Err(error) => {
                let status = match error.fault {
                    Fault::Client => StatusCode::BAD_REQUEST,
                    Fault::Server => StatusCode::INTERNAL_SERVER_ERROR,
                };
                let message = error.message;
                let mut response = Response::new(full(json(&Refusal { message })));
                *response.status_mut() = status;
                response
            }
        }
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Vec<u8>, AwsError> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        // All of it, in any case: the other end writes before it reads.
        let paced = Paced::new(request.into_body(), PATIENCE, Some(PATIENCE));
        let bytes = body::read(paced, MAX_BYTES, None).await;
        let bytes = bytes.map_err(|_| refused("The request broke off."))?;
        match (&method, path.as_str()) {
            (&Method::POST, "/v1/accounts") => self.create_account(read(&bytes)?).await,
            (&Method::GET, "/v1/accounts") => self.accounts().await,
            (&Method::POST, "/v1/users") => self.create_user(read(&bytes)?).await,
            (&Method::GET, "/v1/root-keys") => self.root_keys(),
            _ => self.of_nodes(&method, &path, &bytes).await,
        }
    }

    async fn create_account(&self, asked: AccountRequest) -> Result<Vec<u8>, AwsError> {
        let accounts = &self.control_plane.accounts;
        let made = accounts.create(&asked.name, asked.id).await?;
        Ok(json(&Keys {
            arn: format!("arn:aws:iam::{}:root", made.id),
            account: made.id,
            access_key: made.access_key,
            secret_key: made.secret_key.expose().clone(),
        }))
    }

    async fn accounts(&self) -> Result<Vec<u8>, AwsError> {
        let configured = AccountLine {
            id: self.default_scope.account.clone(),
            name: None,
            created_at: None,
        };
        let made = self.control_plane.accounts.all().await?.into_iter();
        let made = made.map(|(id, account)| AccountLine {
            id,
            name: Some(account.name),
            created_at: Some(account.created_at),
        });
        let accounts = std::iter::once(configured).chain(made).collect();
        Ok(json(&AccountList { accounts }))
    }

    fn root_keys(&self) -> Result<Vec<u8>, AwsError> {
        let key = self.control_plane.accounts.keys().get(&self.root_key_id);
        let key = key.ok_or_else(|| refused("The root has no key."))?;
        Ok(json(&Keys {
            arn: format!("arn:aws:iam::{}:root", key.account),
            account: key.account,
            access_key: self.root_key_id.clone(),
            secret_key: key.secret.expose().clone(),
        }))
    }

    /// By IAM's own operations, as the root of the account.
    async fn create_user(&self, asked: UserRequest) -> Result<Vec<u8>, AwsError> {
        let own = &self.default_scope.account;
        let account = asked.account.unwrap_or_else(|| own.clone());
        let known = self.control_plane.accounts.all().await?;
        if account != *own && !known.iter().any(|(id, _)| *id == account) {
            return Err(refused(format!(
                "There is no account {account}: make it with neargate account create."
            )));
        }
        crate::people::create_user(&self.control_plane.house, account, &asked.name, asked.admin)
            .await
            .map(|keys| json(&keys))
    }

    async fn of_nodes(
        &self,
        method: &Method,
        path: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, AwsError> {
        let nodes = self.nodes.as_ref().ok_or_else(|| {
            refused(
                "No nodes of other hosts are served: start neargate up with --node-listen ADDR.",
            )
        })?;
        match (method, path) {
            (&Method::POST, "/v1/node-tokens") => {
                let asked: TokenRequest = read(bytes)?;
                let wanted = Wanted {
                    kind: asked.kind,
                    cluster: asked.cluster.as_deref().map(|c| self.cluster(c)),
                    ttl: Duration::from_millis(asked.ttl_millis),
                };
                let (token, expires_at) = nodes.token(wanted).await?;
                let token = token.to_string();
                Ok(json(&Token { token, expires_at }))
            }
            (&Method::GET, "/v1/nodes") => {
                let all = nodes.nodes().await?.into_iter();
                let nodes = all.map(|(n, connected)| NodeLine {
                    id: n.id,
                    kind: n.kind,
                    cluster: n.cluster,
                    connected,
                    address: n.address,
                    hostname: n.about.hostname,
                    version: n.about.version,
                    joined_at: n.joined_at,
                });
                let nodes = nodes.collect();
                Ok(json(&NodeList { nodes }))
            }
            (&Method::DELETE, path) if path.starts_with("/v1/nodes/") => {
                let id = path.trim_start_matches("/v1/nodes/");
                if nodes.remove(id).await? {
                    Ok(b"{}".to_vec())
                } else {
                    Err(refused(format!("There is no node {id}.")))
                }
            }
            _ => Err(refused("There is no such request.")),
        }
    }

    /// A cluster by name, or by ARN in any account and region.
    fn cluster(&self, name: &str) -> (Scope, String) {
        let by_arn = || {
            let arn: Arn = name.parse().ok()?;
            let cluster = arn.resource.strip_prefix("cluster/")?.to_owned();
            let scope = Scope {
                account: arn.account.parse().ok()?,
                region: arn.region.parse().ok()?,
            };
            Some((scope, cluster))
        };
        by_arn().unwrap_or_else(|| (self.default_scope.clone(), name.to_owned()))
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AwsError> {
    serde_json::from_slice(bytes).map_err(|e| refused(e.to_string()))
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("answers have string keys only")
}
