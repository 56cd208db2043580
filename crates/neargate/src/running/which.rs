//! Which Neargate a command is about: the one that is named, else the one that runs here.

use super::{Record, Records};
use crate::config::{Config, Flags};
use anyhow::{Result, anyhow, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The flags that name a Neargate of this host.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which Neargate")]
pub struct Which {
    /// The one that keeps its state there [default: the one that runs here]
    #[arg(long, env = "NEARGATE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The one at this address
    #[arg(long, env = "NEARGATE_LISTEN", value_name = "ADDR", value_parser = crate::config::address)]
    listen: Option<SocketAddr>,
    /// The one with this configuration file
    #[arg(long, env = "NEARGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What is known of the one that is meant.
#[derive(Debug, Clone)]
pub struct Found {
    /// What it was started with; where none is known, what it would be started with.
    pub config: Config,
    /// The process that runs it.
    pub process: Option<u32>,
    /// Do the flags say where it is?
    pub is_named: bool,
}

impl Which {
    /// # Errors
    /// The configuration file is wrong.
    pub fn find(&self) -> Result<Found> {
        self.among(&Records::of_this_host().all())
    }

    pub(crate) fn among(&self, all: &[Record]) -> Result<Found> {
        let given = self.configuration()?;
        let record = if self.is_by_data() {
            all.iter()
                .find(|r| is_same(&r.config.data, &given.data))
                .filter(|r| r.runs || self.listen.is_none())
        } else {
            let running = all.iter().filter(|r| r.runs && r.is_here());
            let wanted = |r: &&Record| self.listen.is_none_or(|at| at == r.config.listen);
            running.clone().find(wanted)
        };
        Ok(Found {
            process: record.filter(|r| r.runs).map(|r| r.process),
            is_named: self.listen.is_some() || self.config.is_some(),
            config: match record {
                Some(record) => Config {
                    listen: self.listen.unwrap_or(record.config.listen),
                    ..record.config.clone()
                },
                None => given,
            },
        })
    }

    /// The one that ran here and left tasks behind; the configuration's where none is known.
    ///
    /// # Errors
    /// There are several, or it still runs.
    pub fn find_ended(&self) -> Result<Found> {
        let all = Records::of_this_host().all();
        let found = self.among(&all)?;
        if let Some(process) = found.process {
            bail!(
                "Neargate still runs at {}: end it first, with Ctrl-C in its terminal or `kill \
                 {process}`; then `neargate down` stops its tasks",
                crate::environment::endpoint(&found.config)
            );
        }
        if self.is_by_data() {
            return Ok(found);
        }
        let ended: Vec<&Record> = all.iter().filter(|r| !r.runs && r.is_here()).collect();
        match &*ended {
            [] => Ok(found),
            [one] => Ok(Found {
                config: one.config.clone(),
                ..found
            }),
            several => bail!(
                "several have run here: name one with --data {}",
                data_of(several)
            ),
        }
    }

    /// What to say, and to do, where the one that is meant does not run.
    pub fn nothing_runs(&self, found: &Found) -> anyhow::Error {
        let data = found.config.data.display();
        if self.is_by_data() {
            return anyhow!(
                "no Neargate runs with --data {data}: start it with `neargate up --data {data}`"
            );
        }
        let all = Records::of_this_host().all();
        let running: Vec<&Record> = all.iter().filter(|r| r.runs).collect();
        if running.is_empty() {
            return anyhow!(
                "no Neargate runs on this host: start it with `neargate up`, or say where it is \
                 with --listen ADDR"
            );
        }
        anyhow!(
            "no Neargate runs in this network namespace: start one with `neargate up`; those of \
             others are named with --data {}",
            data_of(&running)
        )
    }

    /// Do the flags say whose state is meant?
    pub fn is_by_data(&self) -> bool {
        self.data.is_some() || self.config.is_some()
    }

    /// Do the flags say what the address is, or whose?
    pub fn is_given(&self) -> bool {
        self.is_by_data() || self.listen.is_some()
    }

    /// What the flags say, and the defaults.
    fn configuration(&self) -> Result<Config> {
        Config::load(&Flags {
            data: self.data.clone(),
            listen: self.listen,
            config: self.config.clone(),
            ..Flags::default()
        })
    }
}

/// Their directories, to choose from.
fn data_of(records: &[&Record]) -> String {
    let data = records.iter().map(|r| r.config.data.display().to_string());
    data.collect::<Vec<_>>().join(" or ")
}

/// The same directory, whatever links lead to it?
pub fn is_same(a: &Path, b: &Path) -> bool {
    let real = |p: &Path| std::fs::canonicalize(p).unwrap_or_else(|_| p.to_owned());
    a == b || real(a) == real(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::own_network;

    fn record(data: &str, port: u16, runs: bool, network: &str) -> Record {
        let config = Config {
            data: data.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], port)),
            enforce: true,
            ..Config::default()
        };
        let network = network.to_owned();
        Record {
            config,
            process: u32::from(port),
            start_ticks: None,
            network,
            runs,
        }
    }

    #[test]
    fn flags_come_before_what_runs_here_before_the_defaults() {
        let here = own_network();
        let all = [
            record("/ended", 1, false, &here),
            record("/elsewhere", 2, true, "net:[1]"),
            record("/here", 3, true, &here),
        ];
        let find = |data: Option<&str>, port: Option<u16>| {
            let which = Which {
                data: data.map(Into::into),
                listen: port.map(|p| SocketAddr::from(([127, 0, 0, 1], p))),
                config: None,
            };
            let found = which.among(&all).expect("found");
            let config = found.config;
            let data = config.data.display().to_string();
            (data, config.listen.port(), config.enforce, found.process)
        };
        assert_eq!(find(None, None), ("/here".into(), 3, true, Some(3)));
        assert_eq!(find(None, Some(3)), ("/here".into(), 3, true, Some(3)));
        let default = "/var/lib/neargate".to_owned();
        assert_eq!(find(None, Some(9)), (default, 9, false, None));
        let elsewhere = ("/elsewhere".into(), 2, true, Some(2));
        assert_eq!(find(Some("/elsewhere"), None), elsewhere);
        assert_eq!(find(Some("/ended"), None), ("/ended".into(), 1, true, None));
        assert_eq!(find(Some("/new"), None), ("/new".into(), 4566, false, None));
        let both = find(Some("/here"), Some(9));
        assert_eq!(both, ("/here".into(), 9, true, Some(3)));
    }
}
