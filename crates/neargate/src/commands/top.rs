//! `neargate top`: what the tasks use now. All numbers are the kernel's; rates are the difference
//! of two readings.

use super::ps::usage;
use super::tasks::{self, Selection};
use crate::client::{Client, Target};
use crate::view::{
    Cell, Keys, Output, Paint, Table, bytes, cut, last_part, print_json, say, short, size,
};
use anyhow::Result;
use neargate_control::pages::TaskUsage;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Show what the tasks use: processor, memory, network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate top                       until q or Ctrl-C, the busiest task first
  neargate top --cluster prod --interval 5
  neargate top --once --output json

CPU is the share of one processor, as `docker stats` has it. Tasks on other machines are not
shown: their numbers are not sent here.")]
pub struct Top {
    /// Only this cluster [default: all]
    #[arg(long, short, value_name = "NAME")]
    cluster: Option<String>,
    /// One table, from two readings, and no more
    #[arg(long)]
    once: bool,
    /// Seconds between two readings
    #[arg(long, short = 'i', value_name = "SECONDS", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    interval: u32,
    /// json goes with --once
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// A task and what it uses.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    task_id: String,
    cluster: String,
    group: String,
    /// 100 is one processor.
    cpu_percent: f64,
    memory_bytes: u64,
    memory_limit_bytes: Option<u64>,
    received_bytes_per_second: Option<f64>,
    sent_bytes_per_second: Option<f64>,
    processes: u64,
}

impl Top {
    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let interval = Duration::from_secs(u64::from(self.interval));
        let once = self.once || self.output == Output::Json || !std::io::stdout().is_terminal();
        let mut before = usage(&client).await?;
        let mut keys = (!once).then(Keys::listen).transpose()?;
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = ended(keys.as_mut()) => {
                    say("");
                    return Ok(ExitCode::SUCCESS);
                }
            }
            let now = usage(&client).await?;
            let rows = self.rows(&client, &before, &now).await?;
            match self.output {
                Output::Json => print_json(&serde_json::to_value(&rows)?),
                Output::Table if once && rows.is_empty() => {
                    say("There are no running tasks on this machine.");
                }
                Output::Table if once => table(&rows).print(Paint::stdout()),
                Output::Table => draw(&table(&rows), rows.len()),
            }
            if once {
                return Ok(ExitCode::SUCCESS);
            }
            before = now;
        }
    }

    async fn rows(
        &self,
        client: &Client,
        before: &HashMap<String, TaskUsage>,
        now: &HashMap<String, TaskUsage>,
    ) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for cluster in tasks::clusters(client, self.cluster.as_deref()).await? {
            for task in tasks::tasks(client, &cluster, &Selection::default()).await? {
                let id = last_part(task.task_arn.as_deref().unwrap_or_default());
                // A task that has just begun has one reading, and so no rates yet.
                if let (Some(before), Some(now)) = (before.get(id), now.get(id)) {
                    let group = task.group.as_deref().unwrap_or_default();
                    rows.push(row(&cluster, group, before, now));
                }
            }
        }
        rows.sort_by(|a, b| {
            let busier = b.cpu_percent.total_cmp(&a.cpu_percent);
            busier.then(b.memory_bytes.cmp(&a.memory_bytes))
        });
        Ok(rows)
    }
}

/// Somebody has seen enough.
async fn ended(keys: Option<&mut Keys>) {
    match keys {
        Some(keys) => keys.end().await,
        None => std::future::pending().await,
    }
}

fn row(cluster: &str, group: &str, before: &TaskUsage, now: &TaskUsage) -> Row {
    let millis = (now.at_millis - before.at_millis).max(1) as f64;
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / millis;
    let traffic = before.network.zip(now.network);
    Row {
        task_id: now.task_id.clone(),
        cluster: cluster.to_owned(),
        group: group.to_owned(),
        // Nanoseconds in a millisecond, in percent.
        cpu_percent: rate(before.cpu_nanos, now.cpu_nanos) / 10_000.0,
        memory_bytes: now.memory_bytes,
        memory_limit_bytes: now.memory_limit_bytes,
        received_bytes_per_second: traffic
            .map(|(b, n)| rate(b.received_bytes, n.received_bytes) * 1_000.0),
        sent_bytes_per_second: traffic.map(|(b, n)| rate(b.sent_bytes, n.sent_bytes) * 1_000.0),
        processes: now.processes,
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "TASK", "CLUSTER", "GROUP", ">CPU %", ">MEMORY", ">LIMIT", ">IN/S", ">OUT/S", ">PROCS",
    ]);
    let rate = |r: Option<f64>| r.map_or_else(|| "-".to_owned(), |r| bytes(r as u64));
    for row in rows {
        let group = row.group.strip_prefix("service:").unwrap_or(&row.group);
        table.row(vec![
            Cell::strong(short(&row.task_id)),
            row.cluster.as_str().into(),
            group.into(),
            format!("{:.1}", row.cpu_percent).into(),
            bytes(row.memory_bytes).into(),
            row.memory_limit_bytes
                .map_or_else(|| "-".to_owned(), bytes)
                .into(),
            rate(row.received_bytes_per_second).into(),
            rate(row.sent_bytes_per_second).into(),
            row.processes.to_string().into(),
        ]);
    }
    table
}

/// Redraws the screen; what does not fit is left out, the least busy first.
fn draw(table: &Table, tasks: usize) {
    let (rows, columns) = size().unwrap_or((24, 80));
    let mut text = String::from("\x1b[H\x1b[J");
    let lines = table.lines(Paint::stdout(), Some(columns));
    for line in lines.iter().take(rows.saturating_sub(2)) {
        text.push_str(&cut(line, columns));
        text.push_str("\r\n");
    }
    text.push_str(&format!("{tasks} task(s), q to end"));
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_control::pages::Traffic;

    fn reading(at_millis: i64, cpu_nanos: u64, received_bytes: u64) -> TaskUsage {
        TaskUsage {
            task_id: "0123456789abcdef".into(),
            at_millis,
            cpu_nanos,
            memory_bytes: 10 << 20,
            memory_limit_bytes: Some(512 << 20),
            processes: 3,
            network: Some(Traffic {
                received_bytes,
                sent_bytes: 0,
            }),
        }
    }

    #[test]
    fn rates_are_differences_over_the_time_between_readings() {
        let (before, now) = (reading(1_000, 0, 0), reading(3_000, 1_000_000_000, 4_096));
        let row = row("c", "service:web", &before, &now);
        assert_eq!(row.cpu_percent, 50.0, "one second of processor in two");
        assert_eq!(row.received_bytes_per_second, Some(2_048.0));
        let line = table(&[row]).lines(Paint::NONE, None).pop().expect("a row");
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            [
                "01234567", "c", "web", "50.0", "10.0MiB", "512.0MiB", "2.0KiB", "0B", "3"
            ]
        );
    }

    #[test]
    fn two_readings_at_once_do_not_divide_by_zero() {
        let row = row("c", "g", &reading(5, 7, 9), &reading(5, 7, 9));
        assert_eq!(row.cpu_percent, 0.0);
    }
}
