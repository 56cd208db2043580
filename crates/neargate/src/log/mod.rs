//! What Neargate says of itself: sentences on standard error, and in a file under its data
//! directory, which a foreground process that nobody watches leaves behind. Under systemd the
//! journal is that file.

mod line;
mod rotated;

use line::Sentence;
use rotated::Rotated;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Where the file of a data directory is.
pub fn path(data: &Path) -> PathBuf {
    data.join("log/neargate.log")
}

/// From now on events are written: warnings to standard error, a little more to the file, or
/// what `NEARGATE_LOG` says to both. `data`: where the file is kept, for those that have one.
/// Answers, in a sentence, where they are kept.
pub fn start(data: Option<&Path>) -> String {
    let journal = is_journal();
    let file = data.filter(|_| !journal).map(path);
    let opened = file.as_deref().map(Rotated::open).transpose();
    let (opened, refused) = match opened {
        Ok(opened) => (opened, None),
        Err(error) => (None, Some(error)),
    };
    let (to_stderr, wrong) = filter("warn");
    let stderr = tracing_subscriber::fmt::layer()
        .event_format(Sentence {
            journal,
            coloured: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        })
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_filter(to_stderr);
    let place = match (&file, &opened) {
        _ if journal => "It logs to the journal.".to_owned(),
        (Some(file), Some(_)) => format!("Its log is {}.", file.display()),
        _ => "It logs to standard error only.".to_owned(),
    };
    let to_file = opened.map(|opened| {
        tracing_subscriber::fmt::layer()
            .event_format(Sentence::default())
            .log_internal_errors(false)
            .with_writer(Mutex::new(opened))
            .with_filter(filter("info").0)
    });
    tracing_subscriber::registry()
        .with(stderr)
        .with(to_file)
        .init();
    if let Some(why) = wrong {
        tracing::warn!("NEARGATE_LOG is not understood, so it changes nothing: {why}");
    }
    if let Some(error) = refused {
        tracing::warn!(%error, "there will be no log file");
    }
    place
}

/// What `NEARGATE_LOG` asks for, and what is wrong with it.
fn filter(default: &str) -> (EnvFilter, Option<String>) {
    let asked = std::env::var("NEARGATE_LOG").ok().filter(|v| !v.is_empty());
    match asked.map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (default.into(), Some(error.to_string())),
        None => (default.into(), None),
    }
}

/// Does systemd read standard error into its journal? (systemd.exec(5), `$JOURNAL_STREAM`)
fn is_journal() -> bool {
    let told = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    rustix::fs::fstat(std::io::stderr().as_fd())
        .is_ok_and(|own| told == format!("{}:{}", own.st_dev, own.st_ino))
}
