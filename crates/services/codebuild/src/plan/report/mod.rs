//! What test runners write, read as CodeBuild's test cases.

mod cucumber;
mod junit;

/// One test case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    pub suite: String,
    pub prefix: String,
    pub name: String,
    /// `SUCCEEDED`, `FAILED`, `ERROR`, `SKIPPED` or `UNKNOWN`.
    pub status: &'static str,
    pub nanos: i64,
    pub message: String,
}

pub const SUCCEEDED: &str = "SUCCEEDED";
pub const FAILED: &str = "FAILED";
pub const ERROR: &str = "ERROR";
pub const SKIPPED: &str = "SKIPPED";
pub const UNKNOWN: &str = "UNKNOWN";

/// The most that is kept of a message.
const MESSAGE_CHARS: usize = 1_000;

/// Is a file of this format read?
pub fn is_read(format: &str) -> bool {
    matches!(format, "JUNITXML" | "CUCUMBERJSON")
}

/// The cases of a file.
///
/// # Errors
/// What is wrong with it.
pub fn read(format: &str, bytes: &[u8]) -> Result<Vec<Case>, String> {
    match format {
        "JUNITXML" => junit::read(bytes),
        "CUCUMBERJSON" => cucumber::read(bytes),
        other => Err(format!("Neargate does not read reports of {other} yet")),
    }
}

fn message(text: &str) -> String {
    text.trim().chars().take(MESSAGE_CHARS).collect()
}

/// Seconds as runners write them: `1.5`, `1,234.5`.
#[allow(clippy::cast_possible_truncation, reason = "far below the largest")]
fn nanos(seconds: &str) -> i64 {
    let seconds: f64 = seconds.replace(',', "").parse().unwrap_or_default();
    if seconds.is_finite() && (0.0..1e9).contains(&seconds) {
        (seconds * 1e9) as i64
    } else {
        0
    }
}
