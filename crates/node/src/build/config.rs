//! Instructions that change what an image says, and none of its files.

use super::error::wrong;
use super::state::State;
use neargate_build::Located;
use neargate_build::dockerfile::{Command, Instruction, Kind, pairs};
use serde_json::{Map, Value, json};

/// Carries one out.
pub(super) fn apply(
    state: &mut State,
    instruction: &Instruction,
    escape: char,
) -> Result<(), Located> {
    let name = instruction.kind.name();
    match instruction.kind {
        Kind::Env => {
            let mut set = Vec::new();
            for (name, value) in pairs(&instruction.rest, escape, name).map_err(wrong)? {
                let name = state.word(&name, escape).map_err(wrong)?;
                // All of one line see what was before it.
                set.push((name, state.word(&value, escape).map_err(wrong)?));
            }
            for (name, value) in set {
                state.config.set_variable(&name, &value);
            }
        }
        Kind::Label => {
            for (name, value) in pairs(&instruction.rest, escape, name).map_err(wrong)? {
                let name = state.word(&name, escape).map_err(wrong)?;
                let value = state.word(&value, escape).map_err(wrong)?;
                state.config.labels.insert(name, value);
            }
        }
        Kind::Expose => {
            for port in state.words(&instruction.rest, escape).map_err(wrong)? {
                expose(&mut state.config.exposed_ports, &port)?;
            }
        }
        Kind::Volume => {
            for path in instruction.list(escape) {
                let path = state.word(&path, escape).map_err(wrong)?;
                if path.is_empty() {
                    return Err(wrong("VOLUME specified can not be an empty string"));
                }
                state.config.volumes.insert(path, json!({}));
            }
        }
        Kind::User => state.config.user = state.word(&instruction.rest, escape).map_err(wrong)?,
        Kind::Stopsignal => {
            state.config.stop_signal = state.word(&instruction.rest, escape).map_err(wrong)?;
        }
        Kind::Maintainer => {
            state.author = Some(instruction.rest.clone());
        }
        Kind::Shell => match instruction.command() {
            Command::Exec(shell) if !shell.is_empty() => state.config.shell = Some(shell),
            _ => return Err(wrong("SHELL requires the arguments to be in JSON form")),
        },
        Kind::Cmd => {
            state.config.cmd = Some(command(state, instruction));
            state.has_command = true;
        }
        Kind::Entrypoint => {
            state.config.entrypoint = Some(command(state, instruction));
            if !state.has_command {
                state.config.cmd = None;
            }
        }
        Kind::Healthcheck => state.config.healthcheck = Some(health_check(instruction)?),
        Kind::Onbuild => {
            // Here-documents would be lost: a trigger is one line of an image's configuration.
            if !instruction.heredocs.is_empty() {
                return Err(wrong("ONBUILD with a here-document is not supported"));
            }
            state.config.on_build.push(instruction.rest.clone());
        }
        Kind::Add | Kind::Arg | Kind::Copy | Kind::From | Kind::Run | Kind::Workdir => {
            return Err(wrong(format!("{name} cannot stand here")));
        }
    }
    state.note(instruction.text.clone(), true);
    Ok(())
}

fn command(state: &State, instruction: &Instruction) -> Vec<String> {
    match instruction.command() {
        Command::Exec(args) => args,
        Command::Shell(line) if line.is_empty() => Vec::new(),
        Command::Shell(line) => {
            let mut args = state.config.shell();
            args.push(line);
            args
        }
    }
}

/// `80`, `80/udp`, `8000-8010/tcp`
fn expose(ports: &mut Map<String, Value>, text: &str) -> Result<(), Located> {
    let invalid = || wrong(format!("invalid containerPort: {text}"));
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(wrong(format!("invalid proto: {protocol}")));
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let first: u16 = first.parse().map_err(|_| invalid())?;
    let last: u16 = last.parse().map_err(|_| invalid())?;
    if first > last {
        return Err(invalid());
    }
    for port in first..=last {
        ports.insert(format!("{port}/{protocol}"), json!({}));
    }
    Ok(())
}

/// Docker's `Healthcheck`: times in nanoseconds.
fn health_check(instruction: &Instruction) -> Result<Value, Located> {
    let text = instruction.rest.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if word.eq_ignore_ascii_case("none") {
        return match rest.trim() {
            "" => Ok(json!({"Test": ["NONE"]})),
            _ => Err(wrong("HEALTHCHECK NONE takes no arguments")),
        };
    }
    if !word.eq_ignore_ascii_case("cmd") {
        return Err(wrong(format!(
            "unknown type {word:?} in HEALTHCHECK (try CMD)"
        )));
    }
    let inner = Instruction {
        rest: rest.trim().to_owned(),
        ..instruction.clone()
    };
    let test = match inner.command() {
        Command::Exec(args) if !args.is_empty() => {
            let mut test = vec!["CMD".to_owned()];
            test.extend(args);
            test
        }
        Command::Shell(line) if !line.is_empty() => vec!["CMD-SHELL".to_owned(), line],
        _ => return Err(wrong("missing command after HEALTHCHECK CMD")),
    };
    let mut check = json!({"Test": test});
    let times = [
        ("interval", "Interval"),
        ("timeout", "Timeout"),
        ("start-period", "StartPeriod"),
        ("start-interval", "StartInterval"),
    ];
    for (flag, name) in times {
        if let Some(value) = instruction.flag(flag) {
            check[name] = json!(
                nanoseconds(value)
                    .ok_or_else(|| { wrong(format!("time: invalid duration {value:?}")) })?
            );
        }
    }
    if let Some(retries) = instruction.flag("retries") {
        let number: u32 = retries
            .parse()
            .map_err(|_| wrong(format!("invalid value {retries:?} for retries")))?;
        check["Retries"] = json!(number);
    }
    Ok(check)
}

/// Go's durations: `1m30s`, `500ms`.
pub(super) fn nanoseconds(text: &str) -> Option<u64> {
    let (mut total, mut rest) = (0_f64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[end..];
    }
    (!text.is_empty() && total.is_finite()).then_some(total as u64)
}
