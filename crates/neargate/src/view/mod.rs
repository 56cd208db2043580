//! How the commands for people look: tables, colours, ages and sizes. Colours and progress go
//! to terminals only; `--output json` is for machines.

mod keys;
mod live;
mod paint;
mod table;

pub use keys::Keys;
pub use live::{Live, cut, size, width, wrapped};
pub use paint::{Paint, Tone, tone};
pub use table::{Cell, Table};

use neargate_base::Timestamp;
use std::io::Write;
use std::time::Duration;

/// What a command prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For machines.
    Json,
}

/// Prints a line. When nobody reads any more (`| head`), the command has done its work.
pub fn say(line: &str) {
    say_all(&format!("{line}\n"));
}

/// Prints text as it is; as [`say`].
pub fn say_all(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => {
            tell(&format!("neargate: cannot write what was asked for: {e}"));
            std::process::exit(1)
        }
    }
}

/// A line for people, on standard error. Whether anybody reads it changes nothing: `eprintln!`
/// would panic where the pipe is closed.
macro_rules! tell {
    ($($said:tt)*) => {
        $crate::view::tell(&format!($($said)*))
    };
}

/// What [`tell!`] does.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints JSON as every command does.
pub fn print_json(value: &serde_json::Value) {
    say(&format!("{value:#}"));
}

/// How long ago: `42s`, `7m`, `3h12m`, `5d4h`.
pub fn age(then: Option<Timestamp>, now: Timestamp) -> String {
    then.map_or_else(|| "-".into(), |then| span(now.since(then)))
}

/// A duration in its two largest units.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..600 => format!("{minutes}m{:02}s", seconds % 60),
        600..3_600 => format!("{minutes}m"),
        3_600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

/// A size in binary units, three digits or so: `512B`, `1.5KiB`, `12.3MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n}B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1}{}", UNITS[unit])
}

/// The last part of an ARN, or of whatever has slashes.
pub fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The first eight digits of an id: enough to name a task by.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Text from elsewhere, made safe for a terminal: colours pass, and whatever else could move its
/// cursor or change its state is shown, not done.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            out.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        match c {
            '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    if text.contains('\x1b') {
        out.push_str("\x1b[0m");
    }
    out
}

/// A leading `ESC [ digits m`.
fn colour(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("\x1b[")?;
    let digits = inner.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    (inner.as_bytes()[digits] == b'm').then(|| &text[..digits + 3])
}

#[cfg(test)]
mod tests;
