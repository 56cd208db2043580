//! How an event reads: `18:04:05Z warning: output is dropped (source 1dc5/web): no such group`.

use neargate_base::Clock;
use neargate_base::time::SystemClock;
use std::error::Error;
use std::fmt::{self, Debug, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// One line an event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sentence {
    /// The journal knows the time, and takes the level from a prefix (sd-daemon(3)).
    pub journal: bool,
    pub coloured: bool,
}

impl<S, N> FormatEvent<S, N> for Sentence
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let (number, word, colour) = match *event.metadata().level() {
            Level::ERROR => (3, "error", 31),
            Level::WARN => (4, "warning", 33),
            Level::INFO => (6, "info", 32),
            Level::DEBUG => (7, "debug", 2),
            Level::TRACE => (7, "trace", 2),
        };
        if self.journal {
            return writeln!(out, "<{number}>{}", said.sentence());
        }
        let now = SystemClock.now().rfc3339();
        let sentence = said.sentence();
        if self.coloured {
            writeln!(out, "{now} \x1b[{colour}m{word}\x1b[0m: {sentence}")
        } else {
            writeln!(out, "{now} {word}: {sentence}")
        }
    }
}

/// The parts of an event.
#[derive(Debug, Default)]
pub(super) struct Said {
    message: String,
    /// What it is about, in brackets.
    details: String,
    /// Why, after a colon.
    cause: String,
}

impl Said {
    /// In one line, whatever is in it: what others say must not move a terminal's cursor.
    pub(super) fn sentence(&self) -> String {
        let mut text = self.message.clone();
        if !self.details.is_empty() {
            let _ = write!(text, " ({})", self.details);
        }
        if !self.cause.is_empty() {
            let _ = write!(text, ": {}", self.cause);
        }
        let mut line = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\n' => line.push_str("; "),
                c if c.is_control() => line.extend(c.escape_default()),
                c => line.push(c),
            }
        }
        line
    }

    fn add(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "error" | "why" => value.clone_into(&mut self.cause),
            name => {
                let gap = if self.details.is_empty() { "" } else { ", " };
                let name = name.replace('_', " ");
                let _ = write!(self.details, "{gap}{name} {value}");
            }
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        self.add(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_words_only() {
        let said = Said {
            message: "cannot pull\nthis".into(),
            details: "image caf\u{e9}".into(),
            cause: "\x1b[2J\rall is well\u{9b}1m\x07".into(),
        };
        assert_eq!(
            said.sentence(),
            "cannot pull; this (image caf\u{e9}): \\u{1b}[2J\\rall is well\\u{9b}1m\\u{7}"
        );
    }
}
