//! Colours, where they are wanted.

use std::io::IsTerminal;

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Waiting,
    Bad,
    Quiet,
    Strong,
    /// One of several things to tell apart.
    Nth(usize),
}

/// Puts colours around text, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    coloured: bool,
}

/// Those that are read well on light and dark backgrounds.
const NTH: [u8; 6] = [36, 33, 35, 32, 34, 31];

impl Paint {
    #[cfg(test)]
    pub const NONE: Paint = Paint { coloured: false };
    #[cfg(test)]
    pub const COLOURS: Paint = Paint { coloured: true };

    /// Colours on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    pub fn stdout() -> Paint {
        Paint::of(std::io::stdout().is_terminal())
    }

    /// As [`Paint::stdout`], of standard error.
    pub fn stderr() -> Paint {
        Paint::of(std::io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Paint {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Paint {
            coloured: is_terminal && !unwanted,
        }
    }

    pub fn is_coloured(self) -> bool {
        self.coloured
    }

    pub fn text(self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => 32,
            Tone::Waiting => 33,
            Tone::Bad => 31,
            Tone::Quiet => 2,
            Tone::Strong => 1,
            Tone::Nth(n) => NTH[n % NTH.len()],
        };
        if self.coloured && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// The tone of a state, AWS's or ours.
pub fn tone(state: &str) -> Tone {
    match state {
        "RUNNING" | "HEALTHY" | "COMPLETED" | "ACTIVE" => Tone::Good,
        "UNHEALTHY" | "FAILED" | "STOPPED" | "INACTIVE" => Tone::Bad,
        "UNKNOWN" | "-" => Tone::Quiet,
        _ => Tone::Waiting,
    }
}
