//! `neargate authority`: the authority of this installation, which issues ACM's certificates.

use crate::client::{Client, Target};
use crate::view::{say, say_all};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use http::Method;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

const PAGE: &str = "/_neargate/authority";
/// Where Debian and those like it look for authorities of this machine, and what takes them up.
const DIRECTORY: &str = "/usr/local/share/ca-certificates";
const FILE: &str = "neargate.crt";
const UPDATE: &str = "update-ca-certificates";

/// The authority that issues the certificates which `aws acm request-certificate` asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate authority print > ca.pem        curl --cacert ca.pem https://shop.example.com/
  neargate authority install               every program of this machine that trusts Debian's list
  neargate authority remove")]
pub struct Authority {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print its certificate, in PEM.
    Print {
        #[command(flatten)]
        target: Target,
    },
    /// Have this machine trust it, as root.
    Install {
        #[command(flatten)]
        target: Target,
    },
    /// Have this machine trust it no longer, as root.
    Remove,
}

impl Authority {
    pub async fn run(self) -> Result<ExitCode> {
        let file = Path::new(DIRECTORY).join(FILE);
        match self.what {
            What::Print { target } => say_all(&certificate(&target.client()?).await?),
            What::Install { target } => {
                let certificate = certificate(&target.client()?).await?;
                fs::create_dir_all(DIRECTORY)
                    .with_context(|| format!("cannot make {DIRECTORY}"))?;
                let written = fs::write(&file, certificate);
                written.with_context(|| format!("cannot write {}", file.display()))?;
                update()?;
                say("This machine trusts the authority of this Neargate.");
            }
            What::Remove => {
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error)
                            .with_context(|| format!("cannot remove {}", file.display()));
                    }
                    _ => {}
                }
                update()?;
                say("This machine does not trust the authority of this Neargate.");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn certificate(client: &Client) -> Result<String> {
    let page = client.page(Method::GET, PAGE, None).await?;
    let certificate = page["certificate"].as_str();
    Ok(certificate
        .context("the answer has no certificate")?
        .to_owned())
}

fn update() -> Result<()> {
    let done = Command::new(UPDATE).arg("--fresh").output();
    let done = done.with_context(|| format!("cannot run {UPDATE} (package ca-certificates)"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{UPDATE} failed: {}", said.trim());
    }
    Ok(())
}
