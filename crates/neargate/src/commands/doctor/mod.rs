//! `neargate doctor`: what of this host is missing or odd for Neargate, and how to mend it.
//!
//! `facts` looks, `checks` says what it means: pure, so that every host can be had in a test.

mod checks;
mod facts;

use crate::running::Which;
use crate::view::{Paint, Tone, print_json, say};
use anyhow::Result;
use checks::{Finding, Level};
use facts::Facts;
use serde_json::json;
use std::process::ExitCode;

/// Say what of this host is missing or odd, and how to mend it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo neargate doctor
  neargate doctor --json | jq '.findings[] | select(.level != \"good\")'

Nothing is changed. Exit codes: 0 Neargate can run here, 1 it cannot.")]
pub struct Doctor {
    /// Print the findings and the facts they are made from as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl Doctor {
    pub async fn run(self) -> Result<ExitCode> {
        let found = self.which.find()?;
        let facts = Facts::observe(&found.config).await;
        let findings = checks::all(&facts);
        let worst = findings.iter().map(|f| f.level).max();
        match self.json {
            true => print_json(&json!({"worst": worst, "findings": findings, "facts": facts})),
            false => print(&findings),
        }
        let wrong = worst == Some(Level::Wrong);
        Ok(ExitCode::from(u8::from(wrong)))
    }
}

fn print(findings: &[Finding]) {
    let paint = Paint::stdout();
    for finding in findings {
        let (word, tone) = match finding.level {
            Level::Good => ("good", Tone::Good),
            Level::Note => ("note", Tone::Quiet),
            Level::Warning => ("odd", Tone::Waiting),
            Level::Wrong => ("wrong", Tone::Bad),
        };
        let word = paint.text(&format!("{word:<6}"), tone);
        say(&format!("{word} {:<21} {}", finding.check, finding.found));
        if let Some(remedy) = &finding.remedy {
            say(&format!("       {:<21} {remedy}", ""));
        }
    }
    let count = |level| findings.iter().filter(|f| f.level == level).count();
    match (count(Level::Wrong), count(Level::Warning)) {
        (0, 0) => say("Neargate can run here."),
        (0, odd) => say(&format!("Neargate can run here; {odd} thing(s) are odd.")),
        (wrong, _) => say(&format!(
            "Neargate cannot run here: {wrong} thing(s) are wrong."
        )),
    }
}

#[cfg(test)]
mod tests;
