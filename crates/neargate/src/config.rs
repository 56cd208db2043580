//! The configuration: one TOML file, then `NEARGATE_*`, then flags; validated at start.

use crate::span::Span;
use anyhow::{Context, Result, anyhow, bail};
use clap::builder::{OsStringValueParser, TypedValueParser};
use neargate_base::{AccountId, Region};
use neargate_domain::Cidr;
use neargate_domain::vpc::VpcRange;
use neargate_edge::place::LINK_LOCAL_RESOLVER;
use neargate_node::capability::Allowed;
use neargate_node::volume::FileSystems;
use neargate_service::outbound::Reach;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `neargate up` and their environment variables.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// Address and port of the API and the registry [default: 127.0.0.1:4566]
    #[arg(long, env = "NEARGATE_LISTEN", value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Where state, images and logs are kept [default: /var/lib/neargate]
    #[arg(long, env = "NEARGATE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The account that unsigned calls and most access keys belong to [default: 000000000000]
    #[arg(long, env = "NEARGATE_ACCOUNT", value_name = "ID")]
    pub account: Option<AccountId>,
    /// The region of calls that name none [default: us-east-1]
    #[arg(long, env = "NEARGATE_REGION", value_name = "REGION")]
    pub region: Option<Region>,
    /// Answer AWS's own registry names (`amazonaws.com`) instead of this host's
    #[arg(long, env = "NEARGATE_REGISTRY_DOMAIN", value_name = "DOMAIN")]
    pub registry_domain: Option<String>,
    /// Demand valid signatures also on loopback
    #[arg(long, env = "NEARGATE_ENFORCE")]
    pub enforce: bool,
    /// Speak TLS on that port, with a certificate of the authority that `neargate authority` prints
    #[arg(long, env = "NEARGATE_TLS")]
    pub tls: bool,
    /// ... with the certificate of this file, in PEM, and those that vouch for it
    #[arg(
        long,
        env = "NEARGATE_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(
        long,
        env = "NEARGATE_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// The group whose members call without proof on loopback, as root does [default: neargate]
    #[arg(long, env = "NEARGATE_TRUSTED_GROUP", value_name = "GROUP")]
    pub trusted_group: Option<String>,
    /// Address and port for nodes on other hosts (mutual TLS); without it there are none
    #[arg(long, env = "NEARGATE_NODE_LISTEN", value_name = "ADDR")]
    pub node_listen: Option<SocketAddr>,
    /// A node that is away for longer is lost: its tasks are replaced [default: 60s]
    #[arg(long, env = "NEARGATE_NODE_LEASE", value_name = "TIME")]
    pub node_lease: Option<Span>,
    /// The addresses of tasks and instances, a /16 that this host does not use itself [default:
    /// 172.31.0.0/16 as AWS has it, or another that is free; kept from the first start on]
    #[arg(long, env = "NEARGATE_VPC_CIDR", value_name = "CIDR")]
    pub vpc_cidr: Option<VpcRange>,
    /// Where public addresses come from: a range that nobody else has, or a part of this host's LAN
    /// that its router does not give out [default: 198.19.0.0/16, which this host alone reaches]
    #[arg(long, env = "NEARGATE_PUBLIC_POOL", value_name = "CIDR")]
    pub public_pool: Option<Cidr>,
    /// Whether the names of AWS's own hosts (`ecs.us-east-1.amazonaws.com`) lead tasks to this
    /// Neargate instead of the internet [default: true]
    #[arg(long, env = "NEARGATE_AWS_NAMES", value_name = "BOOL")]
    pub aws_names: Option<bool>,
    /// How containers find AWS's services with nothing configured: `http`, at this Neargate by
    /// AWS_ENDPOINT_URL; `off`, where AWS's names lead [default: http]
    #[arg(long, env = "NEARGATE_TASK_ENDPOINT", value_name = "HOW")]
    pub task_endpoint: Option<TaskEndpoint>,
    /// The file that names the servers which know all other names [default: /etc/resolv.conf]
    #[arg(long, env = "NEARGATE_RESOLV_CONF", value_name = "FILE")]
    pub resolv_conf: Option<PathBuf>,
    /// Where this host's own programs ask for names: those of public hosted zones and of load
    /// balancers, and what the servers of resolv_conf know [default: nowhere]
    #[arg(long, env = "NEARGATE_DNS_LISTEN", value_name = "ADDR")]
    pub dns_listen: Option<SocketAddr>,
    /// Where SES's SMTP endpoint takes mails, by STARTTLS [default: nowhere]
    #[arg(long, env = "NEARGATE_SMTP_LISTEN", value_name = "ADDR", value_parser = address)]
    pub smtp_listen: Option<SocketAddr>,
    /// ... with TLS from the first byte [default: nowhere]
    #[arg(long, env = "NEARGATE_SMTPS_LISTEN", value_name = "ADDR", value_parser = address)]
    pub smtps_listen: Option<SocketAddr>,
    /// Where the names of load balancers are written for this host's own programs; empty: nowhere
    /// [default: /etc/hosts]
    #[arg(long, env = "NEARGATE_HOSTS_FILE", value_name = "FILE", value_parser = maybe_a_path())]
    pub hosts_file: Option<PathBuf>,
    /// When the state is lost or damaged, begin with none: tasks that go on running are stopped
    #[arg(long)]
    pub new_state: bool,
    #[command(flatten)]
    pub root: RootFlags,
    /// How long a service's task without a container health check runs before it counts as healthy
    /// [default: 40s, as AWS has it]
    #[arg(long, env = "NEARGATE_SERVICE_SETTLE", value_name = "TIME")]
    pub service_settle: Option<Span>,
    /// How long the group of an ECS capacity provider must be too large before it shrinks [default:
    /// 15m, as AWS has it]
    #[arg(long, env = "NEARGATE_SCALE_IN_AFTER", value_name = "TIME")]
    pub scale_in_after: Option<Span>,
    /// Capabilities that reach the host and that tasks on its slices may have all the same, or ALL
    /// [default: none]
    #[arg(
        long,
        env = "NEARGATE_INSTANCE_ALLOW",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub instance_allow: Option<Vec<String>>,
    /// Whether tasks on its slices may be privileged, and have files and devices of the host
    /// [default: on loopback, unless every call is signed or --instance-allow says what they may]
    #[arg(long, env = "NEARGATE_ALLOW_PRIVILEGED", value_name = "BOOL")]
    pub allow_privileged: Option<bool>,
    /// Whether messages and events are sent to endpoints on this host and in private networks: the
    /// webhooks of whoever may call [default: on loopback, unless every call is signed]
    #[arg(long, env = "NEARGATE_ALLOW_PRIVATE_ENDPOINTS", value_name = "BOOL")]
    pub allow_private_endpoints: Option<bool>,
    /// The configuration file (`neargate config` prints one) [default: none]
    #[arg(long, env = "NEARGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where the root key comes from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RootFlags {
    /// The file with the root key that secrets are sealed under: 64 hexadecimal digits [default: the
    /// systemd credential neargate.root-key, else root.key in the data directory, made when missing]
    #[arg(long, env = "NEARGATE_ROOT_KEY", value_name = "FILE")]
    pub root_key: Option<PathBuf>,
    /// The file with a passphrase that the root key is made of [default: the systemd credential
    /// neargate.root-passphrase, else none]
    #[arg(
        long,
        env = "NEARGATE_ROOT_PASSPHRASE",
        value_name = "FILE",
        conflicts_with = "root_key"
    )]
    pub root_passphrase: Option<PathBuf>,
}

impl RootFlags {
    /// What they say holds before what the file says.
    pub fn apply(&self, config: &mut Config) {
        if self.root_key.is_some() || self.root_passphrase.is_some() {
            config.root_key.clone_from(&self.root_key);
            config.root_passphrase.clone_from(&self.root_passphrase);
        }
    }
}

/// A path, which may be empty: clap's own parser takes none that is.
fn maybe_a_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// An address to listen on: `127.0.0.1:4566`, `[::1]:4566`, `localhost:4566`, or only a port.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let loopback = |port: &str| {
        let port = port.parse().ok()?;
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let short = text.strip_prefix("localhost:").or(text.strip_prefix(':'));
    text.parse()
        .ok()
        .or_else(|| loopback(short.unwrap_or(text)))
        .ok_or_else(|| format!("{text:?} is no address such as 127.0.0.1:4566 or 0.0.0.0:4566"))
}

/// What the operator chose. Every field can stand in the TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub account: AccountId,
    pub region: Region,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_domain: Option<String>,
    /// Signatures are always demanded off loopback.
    pub enforce: bool,
    /// The port speaks TLS.
    pub tls: bool,
    /// The certificate of the port, and its key; issued by the installation's own authority unless
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// What clients trust the port by, for `neargate env` and the commands: a file with the
    /// certificate of an authority. That of the installation's own, where it issues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_authority: Option<PathBuf>,
    /// On loopback, root and this group's members call without proof; everybody else signs with
    /// the keys under `data`. Its members are root of the host: whoever starts tasks is.
    pub trusted_group: String,
    /// Where nodes on other hosts connect; off unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_listen: Option<SocketAddr>,
    /// A node that is away for longer is lost.
    pub node_lease: Span,
    /// The range of the default VPC; one that is free unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_cidr: Option<VpcRange>,
    /// Where public addresses come from.
    pub public_pool: Cidr,
    /// The names of AWS's own hosts lead tasks here.
    pub aws_names: bool,
    /// How containers find AWS's services.
    pub task_endpoint: TaskEndpoint,
    /// Names the servers that are asked for names which nobody here knows.
    pub resolv_conf: PathBuf,
    /// Where names are answered for this host's own programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_listen: Option<SocketAddr>,
    /// Where SES's SMTP endpoint takes mails, by STARTTLS. `None`: nowhere.
    pub smtp_listen: Option<SocketAddr>,
    /// The same, with TLS from the first byte.
    pub smtps_listen: Option<SocketAddr>,
    /// Gets a block with the names of load balancers; nothing does when it is empty.
    pub hosts_file: PathBuf,
    /// Begin with no state when it is lost or damaged: said at each start, never kept in a file.
    #[serde(skip)]
    pub new_state: bool,
    /// The file with the root key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_key: Option<PathBuf>,
    /// The file with the passphrase that the root key is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_passphrase: Option<PathBuf>,
    /// How long a service's task without a container health check runs before it counts as
    /// healthy.
    pub service_settle: Span,
    /// How long the group of a capacity provider must be too large before it shrinks.
    pub scale_in_after: Span,
    /// Capabilities that reach this host and that tasks of its container instances may have; unset,
    /// none on slices, and all where the machine itself is the instance (`neargate node`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_allow: Option<Vec<String>>,
    /// Whether tasks of its container instances may be `privileged`, and have volumes, devices and
    /// namespaces of this host: who may run such a task is root here. Unset, where they are the
    /// machine's own anyway (`neargate node`), and where only trusted callers are (loopback).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_privileged: Option<bool>,
    /// Whether callers' webhooks (SNS's HTTP subscriptions, API destinations) may be on this host and in
    /// private networks. Unset, where only trusted callers are (loopback). This Neargate's own ports and
    /// link-local addresses, where clouds keep instances' keys, never are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_private_endpoints: Option<bool>,
    /// What elastic file systems are, by their id: a directory of this host, or `server:/path` of an NFS
    /// server. Any other is a directory of the installation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub file_systems: BTreeMap<String, String>,
    /// Where the keys of identity providers are, by their URL without `https://`: a file with a set of
    /// keys (JWKS), or its address. `AssumeRoleWithWebIdentity` takes tokens of no others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub oidc_keys: BTreeMap<String, String>,
    /// What AWS's own build images are here, by their name (`aws/codebuild/standard:7.0`); `*` stands for all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub build_images: BTreeMap<String, String>,
    /// The images of database engines, by engine (`postgres`) or by engine and version (`postgres:16`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rds_images: BTreeMap<String, String>,
    /// Other registries to pull from.
    pub registries: Registries,
    /// Where mails go.
    pub mail: Mail,
}

/// How containers find AWS's services with nothing configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TaskEndpoint {
    /// At this Neargate, by `AWS_ENDPOINT_URL`.
    Http,
    /// Where AWS's names lead.
    Off,
}

/// Where mails go. Without a relay they stay in the outbox, which `neargate mail` shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mail {
    /// `smtp://host:587`, with STARTTLS where the relay offers it, and always where a password is sent
    /// to another host; `smtps://host:465`, with TLS from the first byte.
    pub relay: Option<String>,
    pub user: Option<String>,
    /// The file with the password.
    pub password: Option<PathBuf>,
    /// The file with who vouches for the relay, in PEM [default: this host's authorities]
    pub authority: Option<PathBuf>,
}

/// How other registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registries {
    /// Registry host to the mirrors tried before it.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Hosts spoken to in plain HTTP. Loopback always is.
    pub insecure: Vec<String>,
}

impl Flags {
    /// What a node on another host takes of them.
    pub fn of_node(data: Option<PathBuf>, config: Option<PathBuf>) -> Flags {
        Flags {
            data,
            config,
            ..Flags::default()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 4566)),
            data: "/var/lib/neargate".into(),
            account: AccountId::default(),
            region: Region::default(),
            registry_domain: None,
            enforce: false,
            tls: false,
            tls_cert: None,
            tls_key: None,
            tls_authority: None,
            oidc_keys: BTreeMap::new(),
            build_images: BTreeMap::new(),
            rds_images: BTreeMap::new(),
            file_systems: BTreeMap::new(),
            trusted_group: "neargate".into(),
            node_listen: None,
            node_lease: Span::from(neargate_ecs::lost::DEFAULT_LEASE),
            vpc_cidr: None,
            public_pool: Cidr::PUBLIC_POOL,
            aws_names: true,
            task_endpoint: TaskEndpoint::Http,
            resolv_conf: "/etc/resolv.conf".into(),
            dns_listen: None,
            smtp_listen: None,
            smtps_listen: None,
            hosts_file: "/etc/hosts".into(),
            new_state: false,
            root_key: None,
            root_passphrase: None,
            service_settle: Span::from(neargate_ecs::Times::default().settle),
            scale_in_after: Span::from(neargate_ecs::SCALE_IN_AFTER),
            instance_allow: None,
            allow_privileged: None,
            allow_private_endpoints: None,
            registries: Registries::default(),
            mail: Mail::default(),
        }
    }
}

/// Tasks that end just after they counted are not held back: a loop of them starts twice a second
/// at the most.
const SHORTEST_SETTLE: Duration = Duration::from_millis(500);
const LONGEST_SETTLE: Duration = Duration::from_secs(3_600);

const KEYS: [&str; 35] = [
    "listen",
    "data",
    "account",
    "region",
    "registry_domain",
    "enforce",
    "tls",
    "tls_cert",
    "tls_key",
    "tls_authority",
    "oidc_keys",
    "build_images",
    "rds_images",
    "file_systems",
    "trusted_group",
    "node_listen",
    "node_lease",
    "vpc_cidr",
    "public_pool",
    "aws_names",
    "task_endpoint",
    "resolv_conf",
    "dns_listen",
    "smtp_listen",
    "smtps_listen",
    "hosts_file",
    "root_key",
    "root_passphrase",
    "service_settle",
    "scale_in_after",
    "instance_allow",
    "allow_privileged",
    "allow_private_endpoints",
    "registries",
    "mail",
];
const REGISTRIES_KEYS: [&str; 2] = ["mirrors", "insecure"];

const MAIL_KEYS: [&str; 4] = ["relay", "user", "password", "authority"];

/// The configuration cannot be used: what is wrong, and where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

impl Config {
    /// # Errors
    /// [`Wrong`]: what is wrong, where, and for an unknown key the nearest known one.
    pub fn load(flags: &Flags) -> Result<Config> {
        Config::read(flags).map_err(|why| Wrong(format!("{why:#}")).into())
    }

    fn read(flags: &Flags) -> Result<Config> {
        let mut config = match &flags.config {
            None => Config::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                Config::parse(&text)
                    .with_context(|| format!("in the configuration {}", path.display()))?
            }
        };
        if let Some(listen) = flags.listen {
            config.listen = listen;
        }
        if let Some(data) = &flags.data {
            config.data.clone_from(data);
        }
        if let Some(account) = &flags.account {
            config.account.clone_from(account);
        }
        if let Some(region) = &flags.region {
            config.region.clone_from(region);
        }
        if let Some(domain) = &flags.registry_domain {
            config.registry_domain = Some(domain.clone());
        }
        config.enforce |= flags.enforce;
        config.tls |= flags.tls;
        if flags.tls_cert.is_some() {
            config.tls_cert.clone_from(&flags.tls_cert);
            config.tls_key.clone_from(&flags.tls_key);
        }
        if let Some(group) = &flags.trusted_group {
            config.trusted_group.clone_from(group);
        }
        config.node_listen = flags.node_listen.or(config.node_listen);
        config.vpc_cidr = flags.vpc_cidr.or(config.vpc_cidr);
        config.public_pool = flags.public_pool.unwrap_or(config.public_pool);
        config.aws_names = flags.aws_names.unwrap_or(config.aws_names);
        config.task_endpoint = flags.task_endpoint.unwrap_or(config.task_endpoint);
        if let Some(file) = &flags.resolv_conf {
            config.resolv_conf.clone_from(file);
        }
        config.dns_listen = flags.dns_listen.or(config.dns_listen);
        config.smtp_listen = flags.smtp_listen.or(config.smtp_listen);
        config.smtps_listen = flags.smtps_listen.or(config.smtps_listen);
        if let Some(file) = &flags.hosts_file {
            config.hosts_file.clone_from(file);
        }
        config.node_lease = flags.node_lease.unwrap_or(config.node_lease);
        config.new_state = flags.new_state;
        flags.root.apply(&mut config);
        config.service_settle = flags.service_settle.unwrap_or(config.service_settle);
        config.scale_in_after = flags.scale_in_after.unwrap_or(config.scale_in_after);
        if let Some(names) = &flags.instance_allow {
            config.instance_allow = Some(names.clone());
        }
        config.allow_privileged = flags.allow_privileged.or(config.allow_privileged);
        let endpoints = flags.allow_private_endpoints;
        config.allow_private_endpoints = endpoints.or(config.allow_private_endpoints);
        config.validate()
    }

    fn parse(text: &str) -> Result<Config> {
        let table: toml::Table = text.parse()?;
        known_keys(&table, &KEYS)?;
        if let Some(toml::Value::Table(registries)) = table.get("registries") {
            known_keys(registries, &REGISTRIES_KEYS)?;
        }
        if let Some(toml::Value::Table(mail)) = table.get("mail") {
            known_keys(mail, &MAIL_KEYS)?;
        }
        Ok(table.try_into()?)
    }

    fn validate(mut self) -> Result<Config> {
        self.data = std::path::absolute(&self.data).context("the data directory")?;
        self.check_tls()?;
        self.resolv_conf = std::path::absolute(&self.resolv_conf).context("resolv_conf")?;
        if !self.hosts_file.as_os_str().is_empty() {
            self.hosts_file = std::path::absolute(&self.hosts_file).context("hosts_file")?;
        }
        let files = [&mut self.root_key, &mut self.root_passphrase];
        for file in files.into_iter().flatten() {
            *file = std::path::absolute(&*file).context("the root key's file")?;
        }
        if self.root_key.is_some() && self.root_passphrase.is_some() {
            bail!("root_key and root_passphrase are two roots: name one of them");
        }
        for file in [&mut self.mail.password, &mut self.mail.authority]
            .into_iter()
            .flatten()
        {
            *file = std::path::absolute(&*file).context("a file for mail")?;
        }
        crate::mail_relay::place(&self.mail)?;
        let settle = Duration::from(self.service_settle);
        if !(SHORTEST_SETTLE..=LONGEST_SETTLE).contains(&settle) {
            bail!(
                "service_settle {} must be between 500ms and 1h",
                self.service_settle
            );
        }
        self.allowed_or(Allowed::default())?;
        self.file_systems()?;
        if !(8..=29).contains(&self.public_pool.prefix_len()) {
            bail!("public_pool {} must be a /8 to /29", self.public_pool);
        }
        match self.registry_domain.as_deref() {
            None | Some("amazonaws.com" | "amazonaws.com.cn") => Ok(self),
            Some(other) => {
                bail!("registry_domain {other:?} must be amazonaws.com or amazonaws.com.cn")
            }
        }
    }

    /// What container instances of this host let tasks reach of it; `unset`: when it is not said.
    ///
    /// # Errors
    /// A name that is no capability.
    pub fn allowed_or(&self, unset: Allowed) -> Result<Allowed> {
        let Some(names) = &self.instance_allow else {
            return Ok(match self.allow_privileged {
                // Whoever is root there has every capability.
                Some(true) => Allowed::everything(),
                Some(false) => Allowed::default(),
                None => unset,
            });
        };
        let named = Allowed::default().and(names);
        let named = named.map_err(|why| anyhow!("instance_allow: {why}"))?;
        Ok(match self.allow_privileged {
            Some(true) => Allowed::everything(),
            _ => named,
        })
    }

    /// The elastic file systems of this host.
    ///
    /// # Errors
    /// One that is neither a directory nor on a server.
    pub fn file_systems(&self) -> Result<FileSystems> {
        let named = FileSystems::new(self.data.join("efs"), self.file_systems.clone());
        named.map_err(|why| anyhow!("file_systems: {why}"))
    }

    /// As [`Config::allowed_or`], on slices: everything where nobody but root and those whom it trusts
    /// can call, nothing elsewhere.
    ///
    /// # Errors
    /// A name that is no capability.
    pub fn allowed_on_slices(&self) -> Result<Allowed> {
        let is_trusted = self.listen.ip().is_loopback() && !self.enforce;
        self.allowed_or(match is_trusted {
            true => Allowed::everything(),
            false => Allowed::default(),
        })
    }

    /// Which endpoints of callers are called; `port` is what the API listens on.
    pub fn reach(&self, port: u16) -> Reach {
        let others = [self.node_listen, self.dns_listen];
        let ports = others.iter().flatten().map(SocketAddr::port);
        Reach {
            allow_private: self
                .allow_private_endpoints
                .unwrap_or_else(|| self.is_development()),
            own_ports: ports.chain([port]).collect(),
        }
    }

    /// What containers get as `AWS_ENDPOINT_URL`: the port in their VPC, unless they are to call AWS
    /// itself.
    pub fn api_url_of_tasks(&self) -> Option<String> {
        match self.task_endpoint {
            TaskEndpoint::Http if self.aws_names => {
                let port = self.listen.port();
                Some(format!("http://{LINK_LOCAL_RESOLVER}:{port}"))
            }
            TaskEndpoint::Http | TaskEndpoint::Off => None,
        }
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("the configuration has a TOML form")
    }

    fn check_tls(&mut self) -> Result<()> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            bail!("tls_cert and tls_key go together: a certificate, and its key");
        }
        self.tls |= self.tls_cert.is_some();
        for file in [
            &mut self.tls_cert,
            &mut self.tls_key,
            &mut self.tls_authority,
        ]
        .into_iter()
        .flatten()
        {
            *file = std::path::absolute(&*file).context("a file for TLS")?;
        }
        Ok(())
    }

    /// May some users of this host call without proof?
    pub fn is_development(&self) -> bool {
        self.listen.ip().is_loopback() && !self.enforce
    }
}

fn known_keys(table: &toml::Table, known: &[&str]) -> Result<()> {
    for key in table.keys() {
        if !known.contains(&key.as_str()) {
            let distance = |k: &&&str| strsim::levenshtein(k, key);
            let nearest = known.iter().min_by_key(distance).expect("not empty");
            bail!("unknown key {key:?}; did you mean {nearest:?}?");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `neargate up` with these flags.
    #[derive(Debug, clap::Parser)]
    struct Up {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn no_hosts_file_is_an_empty_one() {
        let read = |words: &[&str]| {
            let up = <Up as clap::Parser>::try_parse_from([&["up"], words].concat());
            Config::load(&up.expect("flags").flags).expect("valid")
        };
        assert_eq!(read(&[]).hosts_file, PathBuf::from("/etc/hosts"));
        let none = read(&["--hosts-file", ""]).hosts_file;
        assert!(none.as_os_str().is_empty());
    }

    #[test]
    fn its_own_print_reads_back() {
        let config = Config::default();
        assert_eq!(Config::parse(&config.to_toml()).expect("parses"), config);
    }

    #[test]
    fn the_settle_time_is_within_bounds() {
        let settle = |text: &str| {
            let flags = Flags {
                service_settle: Some(text.parse().expect("a time")),
                ..Flags::default()
            };
            Config::load(&flags).map(|config| config.service_settle.to_string())
        };
        assert_eq!(settle("1s").expect("taken"), "1s");
        assert!(settle("499ms").is_err() && settle("61m").is_err());
        assert_eq!(Config::default().service_settle.to_string(), "40s");
    }

    #[test]
    fn an_unknown_key_suggests_the_nearest() {
        let error = Config::parse("lisen = \"127.0.0.1:1\"")
            .expect_err("unknown")
            .to_string();
        assert_eq!(error, "unknown key \"lisen\"; did you mean \"listen\"?");
        assert!(Config::parse("[registries]\nmirror = {}").is_err());
        assert!(Config::parse("account = \"12\"").is_err());
    }

    #[test]
    fn addresses_as_people_write_them() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 4566));
        for text in ["127.0.0.1:4566", "localhost:4566", ":4566", "4566"] {
            assert_eq!(address(text), Ok(loopback), "{text}");
        }
        assert_eq!(address("[::1]:80").expect("IPv6").to_string(), "[::1]:80");
        for bad in [
            "somewhere",
            "localhost",
            "host.example:80",
            "127.0.0.1",
            "70000",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_capabilities_are_allowed() {
        let parsed = |line: &str| Config::parse(line).expect("parses").validate();
        let config = parsed("instance_allow = [\"DAC_READ_SEARCH\"]").expect("valid");
        let allowed = config.allowed_or(Allowed::everything()).expect("valid");
        assert_ne!(allowed, Allowed::default());
        assert_ne!(allowed, Allowed::everything());
        let error = parsed("instance_allow = [\"DAC\"]")
            .expect_err("none")
            .to_string();
        assert_eq!(error, "instance_allow: invalid capability: DAC");
        let unset = Config::default().allowed_or(Allowed::everything());
        assert_eq!(unset.expect("valid"), Allowed::everything());
    }

    #[test]
    fn slices_let_trusted_callers_have_the_host() {
        for (text, host) in [
            ("", true),
            ("enforce = true", false),
            ("listen = \"0.0.0.0:4566\"\ntls = true", false),
            ("allow_privileged = false", false),
            ("instance_allow = [\"NET_ADMIN\"]", false),
            ("enforce = true\nallow_privileged = true", true),
        ] {
            let config = Config::parse(text)
                .and_then(Config::validate)
                .expect("valid");
            let allowed = config.allowed_on_slices().expect("valid");
            assert_eq!(allowed == Allowed::everything(), host, "{text}");
        }
    }
}
