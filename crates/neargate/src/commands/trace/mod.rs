//! `neargate trace`: the last requests that X-Ray knows, and where the time of one went.

mod waterfall;

use crate::client::{Client, Target};
use crate::view::{Cell, Output, Paint, Table, age, plain, print_json, say, width};
use anyhow::{Context, Result, bail};
use neargate_api_xray as api;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Timestamp};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// The last traces, or one of them in full.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate trace                                    the traces of the last hour, the newest first
  neargate trace --filter 'service(\"web\") { fault }'
  neargate trace 1-58406520-a006649127e371903a2de979  where its time went")]
pub struct Trace {
    /// Its id, or the end of it
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Only those that X-Ray's filter expression takes
    #[arg(long, short, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// How far back: 90s, 10m, 3h (24h at the most)
    #[arg(long, default_value = "1h", value_name = "AGE", value_parser = super::logs::since)]
    since: Duration,
    /// The most that are shown
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
    most: usize,
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// The same as --output json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// The longest time that is asked for.
const DAY: Duration = Duration::from_secs(86_400);

impl Trace {
    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let is_json = self.json || self.output == Output::Json;
        match &self.id {
            Some(id) => self.one(&client, id, is_json).await?,
            None => self.list(&client, is_json).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The newest that are wanted.
    async fn summaries(&self, client: &Client, most: usize) -> Result<Vec<api::TraceSummary>> {
        let now = SystemClock.now();
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let input = api::GetTraceSummariesInput {
                start_time: now.shift(1_000) - self.since.min(DAY),
                end_time: now.shift(1_000),
                filter_expression: self.filter.clone(),
                next_token: token,
                ..Default::default()
            };
            let page = client.rest(api::ops::GetTraceSummaries, &input).await?;
            all.extend(page.trace_summaries.unwrap_or_default());
            token = page.next_token;
            if token.is_none() || all.len() >= most {
                all.truncate(most);
                return Ok(all);
            }
        }
    }

    async fn list(&self, client: &Client, is_json: bool) -> Result<()> {
        let all = self.summaries(client, self.most).await?;
        if is_json {
            let shown: Vec<Value> = all.iter().map(summary_json).collect();
            print_json(&json!({ "traces": shown }));
            return Ok(());
        }
        if all.is_empty() {
            tell!("No traces came in this time. Applications send them by X-Ray's daemon or SDK.");
            return Ok(());
        }
        let mut table = Table::new(&[
            "ID",
            "AGE",
            "STATE",
            ">TIME",
            "SERVICE",
            "REQUEST",
            ">SERVICES?",
        ]);
        let now = SystemClock.now();
        for one in &all {
            table.row(vec![
                Cell::strong(one.id.as_deref().unwrap_or_default()),
                age(one.start_time, now).into(),
                Cell::state(state(one)),
                waterfall::time(one.response_time.or(one.duration).unwrap_or(0.0)).into(),
                plain(&entry(one)).into(),
                plain(&request(one)).into(),
                one.service_ids
                    .as_ref()
                    .map_or(0, Vec::len)
                    .to_string()
                    .into(),
            ]);
        }
        table.print(Paint::stdout());
        Ok(())
    }

    async fn one(&self, client: &Client, id: &str, is_json: bool) -> Result<()> {
        let id = match id.starts_with("1-") && id.len() == 35 {
            true => id.to_owned(),
            false => self.ending(client, id).await?,
        };
        let input = api::BatchGetTracesInput {
            trace_ids: vec![id.clone()],
            ..Default::default()
        };
        let answer = client.rest(api::ops::BatchGetTraces, &input).await?;
        let trace = answer.traces.unwrap_or_default().into_iter().next();
        let trace = trace.with_context(|| format!("there is no trace {id}"))?;
        let segments = trace.segments.unwrap_or_default();
        let documents: Vec<Value> = segments
            .iter()
            .filter_map(|s| serde_json::from_str(s.document.as_deref()?).ok())
            .collect();
        if is_json {
            print_json(&json!({ "id": id, "duration": trace.duration, "segments": documents }));
            return Ok(());
        }
        let duration = waterfall::time(trace.duration.unwrap_or(0.0));
        say(&format!("{id}  {duration}"));
        let rows = waterfall::rows(&documents);
        for line in waterfall::lines(&rows, width().unwrap_or(100), Paint::stdout()) {
            say(&line);
        }
        if trace.limit_exceeded == Some(true) {
            tell!("More segments came than a trace has room for; they are not shown.");
        }
        Ok(())
    }

    /// The one trace whose id ends so.
    async fn ending(&self, client: &Client, end: &str) -> Result<String> {
        let all = self.summaries(client, 10_000).await?;
        let ids = all.iter().filter_map(|one| one.id.as_deref());
        let found: Vec<&str> = ids.filter(|id| id.ends_with(end)).collect();
        match found[..] {
            [one] => Ok(one.to_owned()),
            [] => bail!("no trace of this time has an id that ends with {end}"),
            _ => bail!("{} traces have an id that ends with {end}", found.len()),
        }
    }
}

fn state(one: &api::TraceSummary) -> &'static str {
    let is = |flag: Option<bool>| flag == Some(true);
    if is(one.has_fault) {
        "FAULT"
    } else if is(one.has_throttle) {
        "THROTTLE"
    } else if is(one.has_error) {
        "ERROR"
    } else if is(one.is_partial) {
        "PARTIAL"
    } else {
        "OK"
    }
}

fn entry(one: &api::TraceSummary) -> String {
    let name = one
        .entry_point
        .as_ref()
        .and_then(|service| service.name.clone());
    name.unwrap_or_else(|| "-".into())
}

fn request(one: &api::TraceSummary) -> String {
    let http = one.http.clone().unwrap_or_default();
    let status = http.http_status.map(|status| status.to_string());
    let parts = [http.http_method, http.http_url, status];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => "-".into(),
        false => parts.join(" "),
    }
}

fn summary_json(one: &api::TraceSummary) -> Value {
    json!({
        "id": one.id,
        "startTime": one.start_time.map(Timestamp::rfc3339),
        "state": state(one),
        "responseTime": one.response_time,
        "duration": one.duration,
        "service": entry(one),
        "request": request(one),
    })
}
