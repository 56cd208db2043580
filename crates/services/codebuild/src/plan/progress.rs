//! What a build's script tells of itself, read. The build's own commands could write such lines, too, so that
//! nothing is believed that would not fit.

use neargate_base::Timestamp;

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Began(String, Timestamp),
    /// A command failed: the phase, and the sentence of its context.
    Failed(String, String),
    Retried(String),
    Ended(String, Timestamp, bool),
    /// The script could not go on.
    Broken(String),
}

const PHASES: [&str; 4] = ["INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"];

/// The events of whole lines.
pub fn read(text: &str) -> Vec<Told> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Told> {
    let (kind, rest) = line.split_once(' ')?;
    if kind == "X" {
        return Some(Told::Broken(rest.to_owned()));
    }
    let (phase, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    PHASES.contains(&phase).then_some(())?;
    let phase = phase.to_owned();
    let at = |text: &str| {
        let seconds: i64 = text.parse().ok()?;
        Some(Timestamp::from_millis(seconds.checked_mul(1000)?))
    };
    Some(match kind {
        "B" => Told::Began(phase, at(rest)?),
        "R" => Told::Retried(phase),
        "E" => {
            let (time, state) = rest.split_once(' ')?;
            Told::Ended(phase, at(time)?, state == "SUCCEEDED")
        }
        "F" => {
            let (code, command) = rest.split_once(' ')?;
            let code: u8 = code.parse().ok()?;
            let command: String = serde_json::from_str(command).ok()?;
            let why =
                format!("Error while executing command: {command}. Reason: exit status {code}");
            Told::Failed(phase, why)
        }
        _ => return None,
    })
}
