//! `neargate mail`: the mails that were sent here, whether or not a relay takes them further.

use crate::client::Target;
use crate::view::{Cell, Output, Paint, Table, age, bytes, plain, print_json, say};
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use http::Method;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::io::Write as _;
use std::process::ExitCode;

const PAGE: &str = "/_neargate/mail";

/// Show the mails that were sent here: by SES, by SNS to its subscribers, by the platform itself.
///
/// With a relay in the configuration (`[mail] relay = "smtp://…"`) they go to it; without one they stay in
/// the outbox, where their links can be followed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate mail                    all of them, the newest first
  neargate mail show 3f2b          one, by a part of its id: headers, text and links
  neargate mail show 3f2b --raw    the whole message, as it is sent")]
pub struct Mail {
    #[command(subcommand)]
    what: Option<What>,
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// The same as --output json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the mails, the newest first.
    List {
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        /// The same as --output json
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Show one mail: headers, text and links.
    #[command(visible_alias = "open")]
    Show {
        /// Its id, or a part of it
        id: String,
        /// The whole message, as it is sent
        #[arg(long)]
        raw: bool,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        /// The same as --output json
        #[arg(long, conflicts_with = "raw")]
        json: bool,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    from: String,
    recipients: Vec<Recipient>,
    subject: String,
    state: String,
    size_bytes: u64,
    accepted_at: f64,
    #[serde(default)]
    headers: Vec<Header>,
    text: Option<String>,
    html: Option<String>,
    #[serde(default)]
    links: Vec<String>,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    raw: String,
}

#[derive(Debug, Deserialize)]
struct Recipient {
    address: String,
    state: String,
    said: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    name: String,
    content_type: String,
}

impl Mail {
    pub async fn run(self) -> Result<ExitCode> {
        match self.what {
            None => list(&self.target, is_json(self.output, self.json)).await,
            Some(What::List {
                output,
                json,
                target,
            }) => list(&target, is_json(output, json)).await,
            Some(What::Show {
                id,
                raw,
                output,
                json,
                target,
            }) => show(&target, &id, raw, is_json(output, json)).await,
        }
    }
}

fn is_json(output: Output, json: bool) -> bool {
    json || matches!(output, Output::Json)
}

async fn list(target: &Target, json: bool) -> Result<ExitCode> {
    let page = target.client()?.page(Method::GET, PAGE, None).await?;
    if json {
        print_json(&page["mails"]);
        return Ok(ExitCode::SUCCESS);
    }
    let all: Vec<Shown> = serde_json::from_value(page["mails"].clone())?;
    if all.is_empty() {
        tell!("No mail was sent.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["ID", "STATE", "AGE", "FROM?", "TO", "SUBJECT", ">SIZE?"]);
    let now = SystemClock.now();
    for mail in &all {
        let to: Vec<&str> = mail.recipients.iter().map(|r| r.address.as_str()).collect();
        table.row(vec![
            Cell::strong(short(&mail.id)),
            Cell::state(&mail.state),
            age(Some(at(mail.accepted_at)), now).into(),
            plain(&mail.from).into(),
            plain(&to.join(", ")).into(),
            plain(&mail.subject).into(),
            bytes(mail.size_bytes).into(),
        ]);
    }
    table.print(Paint::stdout());
    let waits = all.iter().any(|m| m.state == "outbox");
    match (&page["relay"], waits) {
        (Value::Null, true) => tell!(
            "No relay is configured ([mail] relay = \"smtp://…\"): mails stay in the outbox. \
             `neargate mail show ID` reads one."
        ),
        (Value::String(relay), true) => tell!("What is in the outbox goes to {relay}."),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1_000.0) as i64)
}

/// The part of an id that tells mails apart.
fn short(id: &str) -> &str {
    id.split('-').nth(1).unwrap_or(id)
}

async fn show(target: &Target, id: &str, raw: bool, json: bool) -> Result<ExitCode> {
    let path = format!("{PAGE}/{id}");
    let page = target.client()?.page(Method::GET, &path, None).await?;
    if json {
        print_json(&page["mail"]);
        return Ok(ExitCode::SUCCESS);
    }
    let mail: Shown = serde_json::from_value(page["mail"].clone())?;
    if raw {
        let bytes = STANDARD.decode(&mail.raw).context("the message")?;
        std::io::stdout().write_all(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("Id: {}", mail.id));
    for recipient in &mail.recipients {
        let said = recipient.said.as_deref().unwrap_or_default();
        let said = if said.is_empty() {
            String::new()
        } else {
            format!(" ({})", plain(said))
        };
        say(&format!(
            "{}: {}{said}",
            recipient.state,
            plain(&recipient.address)
        ));
    }
    for header in &mail.headers {
        say(&format!(
            "{}: {}",
            plain(&header.name),
            plain(&header.value)
        ));
    }
    say("");
    let text = mail.text.or(mail.html).unwrap_or_default();
    for line in text.lines() {
        say(&plain(line));
    }
    if !mail.links.is_empty() {
        say("\nLinks:");
        mail.links
            .iter()
            .for_each(|link| say(&format!("  {}", plain(link))));
    }
    if !mail.attachments.is_empty() {
        say("\nAttached:");
        for attached in &mail.attachments {
            let (name, kind) = (plain(&attached.name), plain(&attached.content_type));
            say(&format!("  {name} ({kind})"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
