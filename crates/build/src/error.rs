//! Errors of a Dockerfile, with the line that they are about, shown as BuildKit shows them.

use std::fmt::Write;
use std::ops::RangeInclusive;

/// What is wrong, and where: lines of the Dockerfile, the first being 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Located {
    pub message: String,
    pub lines: Option<RangeInclusive<usize>>,
}

impl Located {
    pub fn new(message: impl Into<String>) -> Located {
        let (message, lines) = (message.into(), None);
        Located { message, lines }
    }

    /// `message` about these lines, where none are named yet.
    #[must_use]
    pub fn at(mut self, lines: &RangeInclusive<usize>) -> Located {
        self.lines.get_or_insert_with(|| lines.clone());
        self
    }

    /// BuildKit's words for a file that cannot be read as a Dockerfile.
    pub(crate) fn parse(line: usize, what: impl std::fmt::Display) -> Located {
        Located {
            message: format!("dockerfile parse error on line {line}: {what}"),
            lines: Some(line..=line),
        }
    }
}

/// How many lines are shown around those in question.
const AROUND: usize = 2;

/// The lines in question among their neighbours, each with its number and those meant marked, between
/// rules of dashes. Empty where no line is named.
pub fn shown(error: &Located, name: &str, text: &str) -> String {
    let Some(lines) = &error.lines else {
        return String::new();
    };
    let (start, end) = (*lines.start(), *lines.end());
    let mut out = format!("{name}:{start}\n--------------------\n");
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if number + AROUND < start || number > end + AROUND {
            continue;
        }
        let mark = match lines.contains(&number) {
            true => ">>>",
            false => "   ",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, " {number:>3} | {mark} {}", line.trim_end_matches('\r'));
    }
    out.push_str("--------------------\n");
    out
}
