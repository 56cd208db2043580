//! `neargate events`: what happens in ECS, as EventBridge would be told.

mod line;
mod seen;
#[cfg(test)]
mod tests;

use super::tasks::known_cluster;
use crate::client::{Client, ClientError, Target};
use crate::view::{Paint, width};
use anyhow::{Context, Result};
use neargate_base::backoff::Backoff;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Rng, Timestamp};
use neargate_ecs::events::DetailType;
use neargate_wire::timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use seen::Seen;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

const PAGE: &str = "/_neargate/events";
const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(2);

/// Show ECS's events: the newest, or those to come with --follow.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate events
  neargate events --follow --cluster prod
  neargate events --follow --detail-type task --output json | jq .detail.lastStatus
  neargate events --since 10m --follow")]
pub struct Events {
    /// Go on with what comes, also across restarts of Neargate
    #[arg(long, short)]
    follow: bool,
    /// Only this cluster's [default: all]
    #[arg(long, short, value_name = "NAME")]
    cluster: Option<String>,
    /// Only these: task, instance, service, deployment, or the whole name; may be repeated
    #[arg(long = "detail-type", short = 't', value_name = "TYPE", value_parser = detail_type)]
    detail_types: Vec<DetailType>,
    /// Not older than this: a span such as 10m, or a time such as 2026-11-23T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    #[arg(long, short, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    target: Target,
}

/// How events are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A line for people.
    #[default]
    Text,
    /// The event as EventBridge has it, one a line.
    Json,
}

/// A point in time, or so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    At(Timestamp),
    Ago(Duration),
}

fn detail_type(given: &str) -> Result<DetailType, String> {
    match given {
        "task" => Ok(DetailType::Task),
        "instance" | "container-instance" => Ok(DetailType::ContainerInstance),
        "service" => Ok(DetailType::ServiceAction),
        "deployment" => Ok(DetailType::Deployment),
        other => other.parse().map_err(|e| format!("{e}")),
    }
}

fn since(given: &str) -> Result<Since, String> {
    let span = || {
        let (at, unit) = given.char_indices().next_back()?;
        let number: u64 = given[..at].parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        Some(Since::Ago(Duration::from_secs(
            number.checked_mul(seconds)?,
        )))
    };
    let time = || timestamp::parse_any(given).map(Since::At);
    span()
        .or_else(time)
        .ok_or_else(|| "not a span such as 10m nor a time such as 2026-11-23T09:00:00Z".into())
}

impl Events {
    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        if let Some(cluster) = &self.cluster {
            known_cluster(&client, cluster).await?;
        }
        let mut printer = Printer {
            form: self.output,
            paint: Paint::stdout(),
            seen: Seen::default(),
        };
        let first = self.path(None);
        match self.read(&client, &first, &mut printer).await {
            Ok(()) if !self.follow => return Ok(ExitCode::SUCCESS),
            Ok(()) => {}
            // Only a stream that ran may be taken up again.
            Err(Broken::Before(error)) => return Err(error.into()),
            Err(Broken::Printing(error)) => return closed(error),
            Err(Broken::After(error)) if !self.follow => return Err(error.into()),
            Err(Broken::After(_)) => {}
        }
        tell!("neargate: the connection is lost; waiting for Neargate to come back");
        let rng = Rng::from_entropy();
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        loop {
            tokio::time::sleep(backoff.next_delay(&rng)).await;
            let path = self.path(Some(printer.seen.last().unwrap_or_default()));
            match self.read(&client, &path, &mut printer).await {
                Err(Broken::Before(ClientError::Unreachable { .. })) => {}
                Err(Broken::Before(error)) => return Err(error.into()),
                Err(Broken::Printing(error)) => return closed(error),
                Ok(()) | Err(Broken::After(_)) => backoff.reset(),
            }
        }
    }

    /// With `after`: what follows that event, and everything kept when it is not known any more.
    fn path(&self, after: Option<&str>) -> String {
        let mut pairs = Vec::new();
        let mut add = |name: &str, value: &str| {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            pairs.push(format!("{name}={value}"));
        };
        if self.follow {
            add("follow", "true");
        }
        if let Some(cluster) = &self.cluster {
            add("cluster", cluster);
        }
        for detail_type in &self.detail_types {
            add("detail-type", detail_type.as_str());
        }
        match (after, self.since) {
            (Some(after), _) => add("after", after),
            (None, Some(Since::At(at))) => add("since", &at.rfc3339()),
            (None, Some(Since::Ago(ago))) => add("since", &(SystemClock.now() - ago).rfc3339()),
            (None, None) => {}
        }
        format!("{PAGE}?{}", pairs.join("&"))
    }

    async fn read(&self, client: &Client, path: &str, printer: &mut Printer) -> Result<(), Broken> {
        let mut lines = client.lines(path).await.map_err(Broken::Before)?;
        while let Some(line) = lines.next().await.map_err(Broken::After)? {
            printer.print(&line).map_err(Broken::Printing)?;
        }
        Ok(())
    }
}

/// Whoever reads our output has gone: that is no failure.
fn closed(error: anyhow::Error) -> Result<ExitCode> {
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<std::io::Error>().is_some_and(gone) {
        return Ok(ExitCode::SUCCESS);
    }
    Err(error)
}

/// Where the reading ended.
enum Broken {
    /// No stream was opened.
    Before(ClientError),
    After(ClientError),
    Printing(anyhow::Error),
}

struct Printer {
    form: Form,
    paint: Paint,
    seen: Seen,
}

impl Printer {
    fn print(&mut self, line: &[u8]) -> Result<()> {
        let event: Value = serde_json::from_slice(line).context("Neargate sent a bad line")?;
        if let Some(missed) = event["missed"].as_u64() {
            tell!(
                "neargate: {missed} events came faster than they could be read; they are lost here"
            );
            return Ok(());
        }
        if !self.seen.is_new(event["id"].as_str().unwrap_or_default()) {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        match self.form {
            Form::Text => writeln!(out, "{}", line::of(&event, self.paint, width()))?,
            Form::Json => {
                out.write_all(line)?;
                out.write_all(b"\n")?;
            }
        }
        out.flush()?;
        Ok(())
    }
}
