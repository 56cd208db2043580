//! One instruction: its name, its flags, and the rest of its line.

use super::heredoc::Heredoc;
use super::lines::Logical;
use super::words::words;
use crate::Located;
use std::ops::RangeInclusive;

/// What an instruction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
}

const NAMES: [(&str, Kind); 18] = [
    ("ADD", Kind::Add),
    ("ARG", Kind::Arg),
    ("CMD", Kind::Cmd),
    ("COPY", Kind::Copy),
    ("ENTRYPOINT", Kind::Entrypoint),
    ("ENV", Kind::Env),
    ("EXPOSE", Kind::Expose),
    ("FROM", Kind::From),
    ("HEALTHCHECK", Kind::Healthcheck),
    ("LABEL", Kind::Label),
    ("MAINTAINER", Kind::Maintainer),
    ("ONBUILD", Kind::Onbuild),
    ("RUN", Kind::Run),
    ("SHELL", Kind::Shell),
    ("STOPSIGNAL", Kind::Stopsignal),
    ("USER", Kind::User),
    ("VOLUME", Kind::Volume),
    ("WORKDIR", Kind::Workdir),
];

impl Kind {
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }

    /// Flags that it takes; those of `RUN --mount` and the like are read by who executes it.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Kind::From => &["platform"],
            Kind::Run => &["mount", "network", "security"],
            Kind::Copy => &["from", "chown", "chmod", "link", "parents", "exclude"],
            Kind::Add => &[
                "chown",
                "chmod",
                "link",
                "exclude",
                "checksum",
                "keep-git-dir",
                "unpack",
            ],
            Kind::Healthcheck => &[
                "interval",
                "timeout",
                "start-period",
                "start-interval",
                "retries",
            ],
            _ => &[],
        }
    }
}

/// `--name=value`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    pub name: String,
    pub value: Option<String>,
}

/// An instruction, not yet expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    pub kind: Kind,
    pub flags: Vec<Flag>,
    /// What follows its name and flags.
    pub rest: String,
    pub heredocs: Vec<Heredoc>,
    pub lines: RangeInclusive<usize>,
    /// The whole, as it is shown.
    pub text: String,
}

/// `["program", "argument"]`, or a line for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Exec(Vec<String>),
    Shell(String),
}

impl Instruction {
    pub(super) fn read(line: Logical, escape: char) -> Result<Instruction, Located> {
        let Logical {
            text,
            heredocs,
            lines,
        } = line;
        let start = *lines.start();
        let trimmed = text.trim();
        let (word, rest) = trimmed
            .split_once(char::is_whitespace)
            .unwrap_or((trimmed, ""));
        let found = NAMES
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name));
        let Some(&(name, kind)) = found else {
            let what = format!("unknown instruction: {word}");
            return Err(Located::parse(start, what));
        };
        let (flags, rest) = match kind.flags().is_empty() {
            true => (Vec::new(), rest.trim()),
            false => flags(rest.trim_start(), escape),
        };
        for flag in &flags {
            if !kind.flags().contains(&flag.name.as_str()) {
                let what = format!("unknown flag: --{}", flag.name);
                return Err(Located::parse(start, what));
            }
        }
        if rest.trim().is_empty() && kind != Kind::Cmd && kind != Kind::Entrypoint {
            let what = match kind {
                Kind::From => "FROM requires either one or three arguments".to_owned(),
                Kind::Workdir | Kind::User | Kind::Stopsignal | Kind::Maintainer => {
                    format!("{name} requires exactly one argument")
                }
                Kind::Add | Kind::Copy => {
                    format!("{name} requires at least two arguments, but only 0 were provided")
                }
                _ => format!("{name} requires at least one argument"),
            };
            return Err(Located::parse(start, what));
        }
        let instruction = Instruction {
            kind,
            flags,
            rest: rest.trim_end().to_owned(),
            heredocs,
            text: format!("{name} {}", trimmed[word.len()..].trim()),
            lines,
        };
        if kind == Kind::Onbuild {
            instruction.of_onbuild(escape)?;
        }
        Ok(instruction)
    }

    /// The instruction that an `ONBUILD` holds back.
    ///
    /// # Errors
    /// One that it may not hold back.
    pub fn of_onbuild(&self, escape: char) -> Result<Instruction, Located> {
        let inner = Logical {
            text: self.rest.clone(),
            heredocs: self.heredocs.clone(),
            lines: self.lines.clone(),
        };
        let inner = Instruction::read(inner, escape)?;
        match inner.kind {
            Kind::From | Kind::Maintainer => Err(Located::parse(
                *self.lines.start(),
                format!("{} isn't allowed as an ONBUILD trigger", inner.kind.name()),
            )),
            Kind::Onbuild => Err(Located::parse(
                *self.lines.start(),
                "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
            )),
            _ => Ok(inner),
        }
    }

    /// An instruction that an image's `OnBuild` holds.
    ///
    /// # Errors
    /// As of any other.
    pub fn of_trigger(text: &str) -> Result<Instruction, Located> {
        let line = Logical {
            text: text.to_owned(),
            heredocs: Vec::new(),
            lines: 1..=1,
        };
        Instruction::read(line, '\\')
    }

    /// The value of a flag that counts once; the last one does.
    pub fn flag(&self, name: &str) -> Option<&str> {
        let found = self.flags.iter().rev().find(|flag| flag.name == name);
        found.map(|flag| flag.value.as_deref().unwrap_or("true"))
    }

    /// Every value of a flag.
    pub fn all_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.flags.iter().filter(move |flag| flag.name == name);
        named.filter_map(|flag| flag.value.as_deref())
    }

    /// The rest as a command. What looks like JSON and is none is a line for the shell.
    pub fn command(&self) -> Command {
        command(&self.rest)
    }

    /// The rest as words of JSON or between spaces (`ADD`, `COPY`, `VOLUME`).
    pub fn list(&self, escape: char) -> Vec<String> {
        match self.command() {
            Command::Exec(list) => list,
            Command::Shell(text) => words(&text, escape),
        }
    }
}

/// See [`Instruction::command`].
pub(super) fn command(text: &str) -> Command {
    let text = text.trim();
    match text
        .starts_with('[')
        .then(|| serde_json::from_str::<Vec<String>>(text))
    {
        Some(Ok(list)) => Command::Exec(list),
        _ => Command::Shell(text.to_owned()),
    }
}

/// The flags that a line begins with, and the rest of it.
fn flags(text: &str, escape: char) -> (Vec<Flag>, &str) {
    let (mut all, mut rest) = (Vec::new(), text);
    while rest.starts_with("--") {
        let Some(word) = words(rest, escape).into_iter().next() else {
            break;
        };
        let after = rest[word.len()..].trim_start();
        if word == "--" {
            return (all, after);
        }
        let bare: String = bare(&word, escape);
        let flag = match bare[2..].split_once('=') {
            Some((name, value)) => Flag {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            },
            None => Flag {
                name: bare[2..].to_owned(),
                value: None,
            },
        };
        all.push(flag);
        rest = after;
    }
    (all, rest)
}

/// A flag's word without its quotes.
fn bare(word: &str, escape: char) -> String {
    let (mut out, mut quote) = (String::new(), None);
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match quote {
            _ if c == escape && quote != Some('\'') => out.extend(chars.next()),
            Some(q) if c == q => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            _ => out.push(c),
        }
    }
    out
}
