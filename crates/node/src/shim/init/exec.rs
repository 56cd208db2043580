//! A further program in a container that runs: how a fork of the shim turns into it.
//!
//! Two processes, because whoever is in the container can attack what is in there with it. The
//! *keeper* joins the container's namespaces except that of processes, where nobody inside can
//! see it, and gives up every power there; its child, the *program*, is made inside with none
//! left to take, and executes at once. The keeper waits for it and ends as it did.
//!
//! Invariants: the seccomp filter is loaded, capabilities are dropped and the user is changed
//! before anything of ours can be seen in the container; no descriptor of the host is open by
//! then; program and keeper die with the shim.

use super::super::children;
use super::user::{self, User};
use super::{
    Report, Reports, become_container, devices, environment, program, resources, setup, sys,
};
use crate::runtime::{ContainerConfig, StartFailure};
use rustix::process::Signal;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The keeper's ends.
#[derive(Debug)]
pub(in super::super) struct ExecEnds {
    pub report: OwnedFd,
    /// Stdout and stderr.
    pub output: OwnedFd,
    /// The container's first process.
    pub container: OwnedFd,
    /// The program gets a terminal of the container's, whose other end goes out by `report`, a
    /// socket; and is root, as ECS Exec's programs are
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html#ecs-exec-considerations>).
    pub on_terminal: bool,
    /// Writing `0` to each joins the program's cgroup; empty when the keeper was made inside it.
    pub cgroup: Vec<File>,
}

/// Runs in the forked keeper; answers its exit code, which is the program's.
pub(in super::super) fn run(
    config: &ContainerConfig,
    dir: &Path,
    args: &[String],
    ends: ExecEnds,
) -> i32 {
    // Cleared by the change of user later on, and set again there.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let report = match ends.report.try_clone() {
        Ok(report) => report,
        Err(_) => return 128,
    };
    let on_terminal = ends.on_terminal;
    let entered = enter(config, dir, ends);
    // The container's directories may be resolved from here on: nothing else stays open.
    let Ok(report) = sys::keep_only(report) else {
        return 128;
    };
    let mut reports = Reports(report.into());
    let ready = entered.and_then(|user| match on_terminal {
        true => become_program_on_terminal(config, args, &user, &reports),
        false => become_program(config, args, &user, &reports),
    });
    match ready {
        Ok(program) => keep(program, on_terminal, reports),
        Err(failure) => {
            let code = failure.exit_code();
            reports.send(&Report::Failed(failure));
            code
        }
    }
}

/// Everything that needs the host's files or root's power.
fn enter(config: &ContainerConfig, dir: &Path, ends: ExecEnds) -> Result<User, StartFailure> {
    for mut procs in ends.cgroup {
        procs.write_all(b"0").map_err(setup("joining the cgroup"))?;
    }
    resources::set_oom_score();
    let _ = rustix::process::setsid();
    sys::new_session_keyring();
    let user = match ends.on_terminal {
        true => User::root(),
        false => user::known(dir)?,
    };
    sys::enter_namespaces(&ends.container).map_err(setup("joining the container"))?;
    // What had to be lowered was said when the container started.
    resources::apply_ulimits(&config.ulimits, &mut Vec::new())?;
    let streams = |e: rustix::io::Errno| setup("standard streams")(e.into());
    // It may open `/dev/stdout` again.
    let owner = Some(rustix::fs::Uid::from_raw(user.uid));
    rustix::fs::fchown(&ends.output, owner, None).map_err(streams)?;
    rustix::stdio::dup2_stdout(&ends.output).map_err(streams)?;
    rustix::stdio::dup2_stderr(&ends.output).map_err(streams)?;
    Ok(user)
}

/// Gives up root's powers and finds the program.
fn become_program(
    config: &ContainerConfig,
    args: &[String],
    user: &User,
    reports: &Reports,
) -> Result<program::Program, StartFailure> {
    become_container(config, user, &reports.0)?;
    // The container's own, opened with its own powers: whatever it has put there, it could
    // open itself.
    let null = File::open("/dev/null").map_err(setup("/dev/null"))?;
    rustix::stdio::dup2_stdin(&null).map_err(|e| setup("/dev/null")(e.into()))?;
    sys::hide_memory().map_err(setup("hiding memory"))?;
    let env = environment::build(config, user)?;
    program::Program::find(args, env)
}

/// As [`become_program`], on a terminal. It is opened with the container's own powers: whatever
/// stands in for it there, the container could open itself.
fn become_program_on_terminal(
    config: &ContainerConfig,
    args: &[String],
    user: &User,
    reports: &Reports,
) -> Result<program::Program, StartFailure> {
    become_container(config, user, &reports.0)?;
    sys::hide_memory().map_err(setup("hiding memory"))?;
    let mut config = config.clone();
    // As the SSM agent of a container sets them.
    config.env.push("TERM=xterm-256color".to_owned());
    let mut known = config.env.iter();
    if !known.any(|entry| entry.starts_with("LANG=")) {
        config.env.push("LANG=C.UTF-8".to_owned());
    }
    let env = environment::build(&config, user)?;
    // Before there is a terminal: whoever waits for one learns why there is none.
    let program = program::Program::find(args, env)?;
    let terminal = devices::lend_terminal(reports.0.as_fd())?;
    let io = |e: rustix::io::Errno| setup("terminal")(e.into());
    rustix::stdio::dup2_stdin(&terminal).map_err(io)?;
    rustix::stdio::dup2_stdout(&terminal).map_err(io)?;
    rustix::stdio::dup2_stderr(&terminal).map_err(io)?;
    Ok(program)
}

fn keep(program: program::Program, on_terminal: bool, mut reports: Reports) -> i32 {
    let forked = sys::fork(|| {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        // A process group of its own: `kill 0` reaches what it started, and nothing of ours.
        let _ = rustix::process::setsid();
        if on_terminal {
            let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
        }
        sys::reset_signals();
        program.execute()
    });
    match forked {
        Ok(pid) => {
            drop(reports);
            children::wait_for(pid)
        }
        Err(e) => {
            let failure = setup("fork")(e);
            let code = failure.exit_code();
            reports.send(&Report::Failed(failure));
            code
        }
    }
}
