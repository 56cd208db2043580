//! The certificate of the API's port: given in files, which are read again when they change, or
//! issued by the installation's own authority for the names of this host.

use crate::config::Config;
use crate::up::Host;
use anyhow::{Context, Result};
use neargate_base::{Rng, task};
use neargate_control::port_certificate::{PortCertificate, server_config};
use neargate_service::House;
use rustls::ServerConfig;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often files are looked at, and a certificate of our own authority is issued anew.
const LOOK: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How the port speaks TLS. Where the installation's own authority issues, the configuration gets
/// to know the file that clients trust it by.
///
/// # Errors
/// The certificate cannot be read, does not fit its key, or cannot be issued.
pub async fn config(config: &mut Config, host: &Host) -> Result<Arc<ServerConfig>> {
    if let (Some(certificate), Some(key)) = (&config.tls_cert, &config.tls_key) {
        let files = [certificate.clone(), key.clone()];
        let served = Arc::new(read(&files)?);
        task::spawn("port-certificate", follow(files, served.clone()));
        return Ok(server_config(served));
    }
    let house = host.control_plane.house.clone();
    let names = names(config);
    let served = Arc::new(issued(&house, &names).await?);
    let authority = neargate_control::port_certificate::authority(&house).await?;
    let file = Path::new(crate::machine::RUN_DIR).join(format!("{}.pem", host.installation));
    publish(&file, &authority, &host.rng)
        .with_context(|| format!("cannot write {}", file.display()))?;
    config.tls_authority = Some(file);
    task::spawn("port-certificate", renew(house, names, served.clone()));
    Ok(server_config(served))
}

fn read(files: &[PathBuf; 2]) -> Result<PortCertificate> {
    let text = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let [certificate, key] = files;
    PortCertificate::of_pem(&text(certificate)?, &text(key)?)
        .with_context(|| format!("the certificate of {}", certificate.display()))
}

/// Whoever renews a certificate writes its files, one after the other: until they fit each other the
/// old one is served.
async fn follow(files: [PathBuf; 2], served: Arc<PortCertificate>) {
    let changed = |files: &[PathBuf; 2]| -> Vec<Option<SystemTime>> {
        let times = files.iter().map(|f| std::fs::metadata(f)?.modified());
        times.map(Result::ok).collect()
    };
    let mut known = changed(&files);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = changed(&files);
        if now == known {
            continue;
        }
        match read(&files) {
            Ok(new) => {
                served.replace(&new);
                known = now;
                tracing::info!("the port shows the new certificate");
            }
            Err(error) => tracing::warn!("the port keeps its certificate: {error:#}"),
        }
    }
}

async fn issued(house: &Arc<House>, names: &[String]) -> Result<PortCertificate> {
    let issued = PortCertificate::issued(house, names).await;
    issued.context("cannot issue a certificate for the port")
}

async fn renew(house: Arc<House>, names: Vec<String>, served: Arc<PortCertificate>) {
    loop {
        tokio::time::sleep(RENEW).await;
        match issued(&house, &names).await {
            Ok(new) => served.replace(&new),
            Err(error) => tracing::warn!("the port keeps its certificate: {error:#}"),
        }
    }
}

/// The names under which clients reach the port: of this host, and AWS's own, which lead tasks here.
fn names(config: &Config) -> Vec<String> {
    let mut names = BTreeSet::from(["localhost".to_owned()]);
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().to_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    if !host.is_empty() && host.chars().all(fits) {
        names.insert(host);
    }
    names.extend(["127.0.0.1", "::1"].map(str::to_owned));
    let listen = config.listen.ip();
    let own = match listen.is_unspecified() {
        true => own_addresses(),
        false => vec![listen],
    };
    names.extend(own.iter().map(IpAddr::to_string));
    if config.aws_names {
        let region = &config.region;
        for name in ["", ".dkr.ecr", ".s3"] {
            names.insert(format!("*{name}.{region}.amazonaws.com"));
        }
        names.insert("*.amazonaws.com".to_owned());
        names.insert(format!("api.ecr.{region}.amazonaws.com"));
    }
    names.into_iter().collect()
}

/// Every address of this host in this network namespace.
fn own_addresses() -> Vec<IpAddr> {
    let read = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    // A leaf's address stands in the line above that says that it is this host's.
    let mut last = None;
    let mut all = BTreeSet::new();
    for line in read.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<IpAddr>().ok();
        } else if line == "/32 host LOCAL" {
            all.extend(last);
        }
    }
    all.into_iter().collect()
}

/// Everybody may read it: it is what they are to trust.
fn publish(file: &Path, certificate: &str, rng: &Rng) -> std::io::Result<()> {
    let new = file.with_extension(format!("{}.tmp", rng.hex(8)));
    std::fs::write(&new, certificate)?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o644))?;
    std::fs::rename(&new, file)
}
