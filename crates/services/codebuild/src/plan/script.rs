//! A buildspec as a POSIX shell script that the build's container runs by itself, whatever becomes of the
//! control plane meanwhile.
//!
//! The script is a list of steps. Commands of version 0.2 are evaluated in one shell, by the step's number; a
//! command that ends this shell (`exit`, `set -e`) has it replaced by a new one that goes on behind that
//! command, with the same directory and exported variables. What happens is told by lines of a file
//! ([`super::progress`]); what commands say goes to another.
//!
//! It knows AWS's phase rules: a failed command skips the rest of its phase, `finally` runs in any case, after
//! a failed install or pre_build nothing more runs, after a failed build post_build does.

use crate::buildspec::{Buildspec, Files, OnFailure, Phase, Version};
use std::fmt::Write as _;

/// What a build's container has, and where.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The directory of scripts, events and log.
    pub run: &'a str,
    /// Where the source is.
    pub source: &'a str,
}

/// The scripts of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// Sets the environment and keeps the other one going.
    pub outer: String,
    pub inner: String,
}

/// In single quotes, as every shell reads them.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The scripts that carry out `spec`. `environment` are the variables of the build.
pub fn compile(spec: &Buildspec, place: Place<'_>, environment: &[(String, String)]) -> Scripts {
    Scripts {
        outer: outer(spec, place, environment),
        inner: inner(spec, place),
    }
}

/// May a shell have a variable of this name?
pub fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn outer(spec: &Buildspec, place: Place<'_>, environment: &[(String, String)]) -> String {
    let mut text = String::from("export HOME=/root\n");
    for (name, value) in environment.iter().filter(|(name, _)| is_name(name)) {
        let _ = writeln!(text, "export {name}={}", quoted(value));
    }
    let run = quoted(place.run);
    let shell = quoted(&spec.shell);
    let missing = quoted(&format!("The image has no shell {}", spec.shell));
    let _ = write!(
        text,
        "mkdir -p \"$HOME\" 2>/dev/null
cd {source} || exit 1
if command -v {shell} >/dev/null 2>&1; then
  {shell} {run}/inner start >>{run}/log 2>&1 </dev/null
  __ng_rc=$? __ng_n=0
  while [ ! -e {run}/done ] && [ -e {run}/state ] && [ $__ng_n -lt 20 ]; do
    {shell} {run}/inner resume $__ng_rc >>{run}/log 2>&1 </dev/null
    __ng_rc=$? __ng_n=$((__ng_n + 1))
  done
  [ -e {run}/done ] || printf 'X %s\\n' 'The shell of the build ended' >>{run}/events
else
  printf 'X %s\\n' {missing} >>{run}/events
fi
: >{run}/done
",
        source = quoted(place.source),
    );
    text
}

/// One phase as it is laid out.
struct Laid<'a> {
    name: &'static str,
    phase: &'a Phase,
    /// What comes after it when it failed.
    failed: Next,
}

#[derive(Clone, Copy)]
enum Next {
    Phase,
    End,
}

const PRELUDE: &str = r#"
__ng_say() { printf '[Container] %s %s\n' "$(date '+%Y/%m/%d %H:%M:%S')" "$*"; }
__ng_event() { printf '%s\n' "$*" >>"$__ng_run/events"; }
__ng_keep() { printf '%s %s %s\n' "$__ng_i" "$__ng_st" "$__ng_try" >"$__ng_run/state"; }
__ng_begin() {
  __ng_st=0
  __ng_event "B $1 $(date +%s)"
  __ng_say "Entering phase $1"
}
__ng_failed() {
  __ng_st=1
  export CODEBUILD_BUILD_SUCCEEDING=0
}
__ng_after() {
  if [ "$__ng_rc" = 0 ]; then
    __ng_i=$((__ng_i + 1))
  else
    __ng_say "Command did not exit successfully $__ng_cmd exit status $__ng_rc"
    __ng_event "F $__ng_ph $__ng_rc $__ng_txt"
    __ng_failed
    __ng_i=$__ng_to
  fi
}
__ng_end() {
  if [ "$__ng_st" = 0 ]; then __ng_s=SUCCEEDED; else __ng_s=FAILED; fi
  __ng_event "E $1 $(date +%s) $__ng_s"
  __ng_say "Phase complete: $1 State: $__ng_s"
}
__ng_ended() {
  if [ "$__ng_busy" = 1 ]; then
    __ng_busy=0
    exec "$__ng_shell" "$__ng_run/inner" resume "$__ng_rc"
  fi
}
__ng_before() {
  __ng_keep
  __ng_say "Running command $__ng_cmd"
  __ng_set=
  case "$__ng_o" in *e*) __ng_set=e ;; esac
  case "$__ng_o" in *u*) __ng_set=${__ng_set}u ;; esac
  case "$__ng_o" in *f*) __ng_set=${__ng_set}f ;; esac
  case "$__ng_o" in *x*) __ng_set=${__ng_set}x ;; esac
  __ng_busy=1
}
"#;

fn inner(spec: &Buildspec, place: Place<'_>) -> String {
    let laid = [
        ("INSTALL", &spec.install, Next::End),
        ("PRE_BUILD", &spec.pre_build, Next::End),
        ("BUILD", &spec.build, Next::Phase),
        ("POST_BUILD", &spec.post_build, Next::End),
    ];
    let mut steps = Steps::default();
    let end = laid.iter().map(|(_, phase, _)| length(phase)).sum();
    for (name, phase, failed) in laid {
        let failed = match phase.on_failure {
            OnFailure::Abort => Next::End,
            OnFailure::Continue => Next::Phase,
            OnFailure::Default | OnFailure::Retry(_) => failed,
        };
        let laid = Laid {
            name,
            phase,
            failed,
        };
        steps.phase(spec, &laid, place, end);
    }
    let mut text = format!(
        "__ng_run={} __ng_src={} __ng_shell={}\n",
        quoted(place.run),
        quoted(place.source),
        quoted(&spec.shell)
    );
    text += "__ng_i=0 __ng_st=0 __ng_try=- __ng_rc=0 __ng_busy=0 __ng_o= __ng_set= __ng_cmd= __ng_txt= __ng_ph= __ng_to=0\n";
    text += PRELUDE;
    text += "trap '{ __ng_rc=$?; set +eufx; } 2>/dev/null; __ng_ended' EXIT\n";
    text += "__ng_resumed=0\n";
    text += "if [ \"$1\" = resume ]; then\n  read -r __ng_i __ng_st __ng_try <\"$__ng_run/state\"\n  \
             __ng_rc=$2 __ng_resumed=1\nelse\n  export CODEBUILD_BUILD_SUCCEEDING=1\nfi\nset --\n";
    text += "while :; do\ncase \"$__ng_i\" in\n";
    text += &steps.text;
    let _ = writeln!(text, "{end}) break ;;\nesac");
    // A step that is a command has said so.
    text += "if [ -n \"$__ng_cmd\" ]; then
  if [ \"$__ng_resumed\" = 0 ]; then
    __ng_before
    [ -z \"$__ng_set\" ] || set -\"$__ng_set\"
    eval \"$__ng_run_it\"
    { __ng_rc=$? __ng_o=$-; set +eufx; } 2>/dev/null
    __ng_busy=0
  fi
  __ng_resumed=0
  __ng_after
  __ng_cmd=
fi
done
";
    text += &last(spec);
    text
}

/// How many steps a phase has.
fn length(phase: &Phase) -> usize {
    phase.commands.len() + phase.finally.len() + 2
}

#[derive(Default)]
struct Steps {
    text: String,
    next: usize,
}

impl Steps {
    fn push(&mut self, body: &str) {
        let _ = writeln!(self.text, "{}) {body} ;;", self.next);
        self.next += 1;
    }

    fn phase(&mut self, spec: &Buildspec, laid: &Laid<'_>, place: Place<'_>, end: usize) {
        let Laid {
            name,
            phase,
            failed,
        } = laid;
        let first = self.next;
        let finally = first + 1 + phase.commands.len();
        let close = finally + phase.finally.len();
        let mut begin = format!("__ng_begin {name}; __ng_i={}", first + 1);
        for (runtime, version) in &phase.runtimes {
            let told = format!(
                "The image has no commands of its own for the runtime {runtime}:{version}; what it has is used"
            );
            begin += &format!("; __ng_say {}", quoted(&told));
        }
        self.push(&begin);
        let user = phase.run_as.as_ref().or(spec.run_as.as_ref());
        for command in &phase.commands {
            self.command(spec, name, command, user, finally, place);
        }
        for command in &phase.finally {
            self.command(spec, name, command, user, close, place);
        }
        let after = close + 1;
        let failed = match failed {
            Next::Phase => after,
            Next::End => end,
        };
        // Exported variables hold to the end of post_build, and when that is not reached, as they are then.
        let body = match phase.on_failure {
            OnFailure::Retry(tries) => format!(
                "[ \"$__ng_try\" != - ] || __ng_try={tries}
if [ \"$__ng_st\" = 1 ] && [ \"$__ng_try\" -gt 0 ]; then
  __ng_try=$((__ng_try - 1)) __ng_i={first}
  export CODEBUILD_BUILD_SUCCEEDING=1
  __ng_event 'R {name}'
  __ng_say 'Phase {name} failed, and is tried again'
else
  __ng_try=-
  __ng_end {name}
  if [ \"$__ng_st\" = 0 ]; then __ng_i={after}; else __ng_i={failed}; fi
fi"
            ),
            _ => format!(
                "__ng_end {name}; if [ \"$__ng_st\" = 0 ]; then __ng_i={after}; else __ng_i={failed}; fi"
            ),
        };
        self.push(&body);
    }

    fn command(
        &mut self,
        spec: &Buildspec,
        phase: &str,
        command: &str,
        user: Option<&String>,
        to: usize,
        place: Place<'_>,
    ) {
        let inside = format!("cd {} && {command}", quoted(place.source));
        let run = match (spec.version, user) {
            (Version::V02, None) => command.to_owned(),
            (Version::V01, None) => format!("{} -c {}", spec.shell, quoted(&inside)),
            (Version::V02, Some(user)) => {
                format!("su -s /bin/sh {} -c {}", quoted(user), quoted(command))
            }
            (Version::V01, Some(user)) => {
                format!("su -s /bin/sh {} -c {}", quoted(user), quoted(&inside))
            }
        };
        // The command as one line of events.
        let told = serde_json::to_string(command).unwrap_or_default();
        let run_it = match run == command {
            true => "$__ng_cmd".to_owned(),
            false => run,
        };
        let run_it = match &*run_it {
            "$__ng_cmd" => "__ng_run_it=$__ng_cmd".to_owned(),
            other => format!("__ng_run_it={}", quoted(other)),
        };
        let body = format!(
            "__ng_ph={phase} __ng_to={to} __ng_txt={}\n__ng_cmd={}\n{run_it}",
            quoted(&told),
            quoted(command)
        );
        self.push(&body);
    }
}

/// What is written down of the shell at its end.
fn last(spec: &Buildspec) -> String {
    let mut text = String::from(
        "mkdir -p \"$__ng_run/exports\" \"$__ng_run/names\" \"$__ng_run/bases\"\ncd \"$__ng_src\"\n",
    );
    for name in spec.exported.iter().filter(|name| is_name(name)) {
        let _ = writeln!(
            text,
            "[ -z \"${{{name}+x}}\" ] || printf '%s' \"${name}\" >\"$__ng_run/exports/{name}\""
        );
    }
    let primary = spec.artifacts.iter().map(|files| (0, files));
    let secondary = spec.secondary_artifacts.iter().map(|(_, files)| files);
    let secondary = secondary.enumerate().map(|(at, files)| (at + 1, files));
    for (at, files) in primary.chain(secondary) {
        text += &evaluated(&at.to_string(), files);
    }
    for (at, (_, report)) in spec.reports.iter().enumerate() {
        text += &evaluated(&format!("r{at}"), &report.files);
    }
    text += "__ng_busy=0\nrm -f \"$__ng_run/state\"\n: >\"$__ng_run/done\"\nexit 0\n";
    text
}

/// A name and a base directory are evaluated by the shell; each in one of its own, which it may end.
fn evaluated(at: &str, files: &Files) -> String {
    let mut text = String::new();
    if let Some(name) = &files.name {
        let print = format!("printf '%s' \"{}\"", name.replace('"', "\\\""));
        let _ = writeln!(
            text,
            "( trap - EXIT; eval {} ) >\"$__ng_run/names/{at}\" 2>/dev/null",
            quoted(&print)
        );
    }
    let base = files.base_directory.as_deref().unwrap_or(".");
    // It may be a pattern, of which the first match counts.
    let enter = format!("for __ng_b in {base}; do cd \"$__ng_b\" && pwd; break; done");
    let _ = writeln!(
        text,
        "( trap - EXIT; eval {} ) >\"$__ng_run/bases/{at}\" 2>/dev/null",
        quoted(&enter)
    );
    text
}
