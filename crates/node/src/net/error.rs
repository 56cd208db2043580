//! What can go wrong with the network, each with its remedy where the user has one.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error(
        "the task network needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN): start neargate with sudo"
    )]
    NotRoot,
    #[error("nft is not installed: install it with 'apt-get install nftables'")]
    NftMissing,
    #[error("nft: {0}")]
    Nft(String),
    #[error("tc is not installed: install it with 'apt-get install iproute2'")]
    TcMissing,
    #[error("tc: {0}")]
    Tc(String),
    #[error("another neargate{} already runs on this host: stop it first, only one can own the task network", pid.map(|p| format!(" (pid {p})")).unwrap_or_default())]
    Owned { pid: Option<i32> },
    #[error(
        "another neargate instance has the task network of this host: start that instance again (same data directory) and stop its tasks, or cut them off with 'ip link del {links}'"
    )]
    OtherInstance { links: String },
    #[error(
        "{tasks} task(s) still use the network as an earlier version of neargate made it: stop them with that version, or cut them off with 'ip link del {bridge}'"
    )]
    EarlierVersion { bridge: String, tasks: usize },
    #[error(
        "nobody has told this host of {vpc_id} with {subnet_id}, so nothing can be attached to it"
    )]
    UnknownVpc { vpc_id: String, subnet_id: String },
    #[error("the network of {vpc_id} cannot be made: {why}")]
    Vpc { vpc_id: String, why: String },
    #[error(
        "this host already routes {route} (interface {interface}), which overlaps the task network {vpc_cidr}: remove that network, or choose another range with `neargate up --vpc-cidr` (once no task or instance has an address in this one)"
    )]
    Overlap {
        route: String,
        interface: String,
        vpc_cidr: String,
    },
    #[error(
        "this host uses all of 172.17.0.0/16 to 172.30.0.0/16: the container instance's bridge needs one of them"
    )]
    Full,
    #[error("{0:?} cannot name a task")]
    TaskId(String),
    #[error("{0:?} is not a network the node can build")]
    Invalid(String),
    /// A request to the kernel's routing tables failed.
    #[error("cannot {action}")]
    Link { action: String, source: io::Error },
    #[error("cannot {action} {}", path.display())]
    Path {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot lock the host's task network under /run/neargate")]
    Lock(#[source] io::Error),
    #[error("a network thread ended early")]
    Thread,
}

impl NetworkError {
    pub(super) fn link(action: impl Into<String>) -> impl FnOnce(io::Error) -> NetworkError {
        let action = action.into();
        move |source| NetworkError::Link { action, source }
    }

    pub(super) fn path(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> NetworkError {
        let path = path.into();
        move |source| NetworkError::Path {
            action,
            path,
            source,
        }
    }
}
