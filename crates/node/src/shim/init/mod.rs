//! The container's first process, from the fork to its program: the order in which a fork of
//! the shim turns into the container.
//!
//! Runs as root with every capability until `become_container`, and from `rootfs::enter` on
//! sees only the container's files. Invariants: nothing of the host stays open or mounted when
//! the program is executed; every failure is reported before anything of the image ran.

mod devices;
mod environment;
pub(super) mod exec;
mod files;
mod fill;
mod mounts;
mod place;
mod program;
mod reaper;
mod resources;
mod rootfs;
#[cfg(test)]
mod tests;
mod user;
mod volumes;

use super::launch::ChildEnds;
use super::title::Title;
use super::{setup, sys};
use crate::capability;
use crate::runtime::{ContainerConfig, Namespace, StartFailure, StartFailureKind};
use crate::seccomp;
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use user::{Identity, User};

/// What the first process tells the shim, one JSON line each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Report {
    /// Something was not done as asked, and the container runs all the same.
    Warning(String),
    /// It does not run.
    Failed(StartFailure),
    /// The program is executed next.
    Executing,
}

/// Where reports go; closed by the kernel when the program is executed.
struct Reports(File);

impl Reports {
    fn send(&mut self, report: &Report) {
        let mut line = serde_json::to_vec(report).expect("plain data always serialises");
        line.push(b'\n');
        // With the shim gone nobody is to be told; the death signal ends us.
        let _ = self.0.write_all(&line);
    }
}

/// Runs in the forked process; answers its exit code if the program could not be executed.
pub(super) fn run(config: &ContainerConfig, dir: &Path, ends: ChildEnds) -> i32 {
    // Cleared by the change of user later on, and set again there.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let report = match ends.report.try_clone() {
        Ok(report) => report,
        Err(_) => return 128,
    };
    let mut warnings = Vec::new();
    match enter(config, dir, ends, &mut warnings) {
        Ok(user) => match sys::keep_only(report) {
            Ok(report) => execute(config, &user, warnings, report),
            Err(_) => 128,
        },
        Err(failure) => {
            let code = failure.exit_code();
            Reports(report.into()).send(&Report::Failed(failure));
            code
        }
    }
}

/// Everything that needs the host's files or root's power over the container's.
fn enter(
    config: &ContainerConfig,
    dir: &Path,
    ends: ChildEnds,
    warnings: &mut Vec<String>,
) -> Result<User, StartFailure> {
    for mut procs in ends.cgroup {
        procs.write_all(b"0").map_err(setup("joining the cgroup"))?;
    }
    sys::unshare(libc::CLONE_NEWCGROUP).map_err(setup("cgroup namespace"))?;
    match &config.netns {
        Some(path) => {
            let namespace = File::open(path).map_err(setup(path.display()))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|e| setup("joining the network namespace")(e.into()))?;
        }
        None => {
            sys::unshare(libc::CLONE_NEWNET).map_err(setup("network namespace"))?;
            sys::loopback_up().map_err(setup("lo"))?;
        }
    }
    if let (Namespace::Of(_), Some(of)) = (&config.ipc, config.joined) {
        let path = format!("/proc/{of}/ns/ipc");
        let namespace = File::open(&path).map_err(setup(&path))?;
        let kind = LinkNameSpaceType::InterProcessCommunication;
        move_into_link_name_space(namespace.as_fd(), Some(kind))
            .map_err(|e| setup("joining the IPC namespace")(e.into()))?;
    }
    let _ = rustix::process::setsid();
    sys::new_session_keyring();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));

    // Before there is a container whose files could stand in for the kernel's.
    resources::set_oom_score();
    let host = mounts::HostMounts::take(config, &ends.cgroup_directories)?;
    let identity = Identity::look(dir)?;
    rootfs::enter(config, dir)?;
    let user = identity.resolve(&config.user)?;
    mounts::mount_all(config, host)?;
    if !config.hostname.is_empty() {
        rustix::system::sethostname(config.hostname.as_bytes())
            .map_err(|e| setup(format!("hostname {}", config.hostname))(e.into()))?;
    }
    resources::apply_sysctls(&config.sysctls)?;
    resources::apply_ulimits(&config.ulimits, warnings)?;
    standard_streams(
        config,
        &ends.stdin,
        &ends.stdout,
        &ends.stderr,
        &ends.terminal,
        &user,
    )?;
    if !config.cwd.is_empty() {
        place::directory(&config.cwd).map_err(|e| bad_cwd(&config.cwd, &e))?;
    }
    mounts::close_off(config)?;
    Ok(user)
}

fn bad_cwd(cwd: &str, e: &std::io::Error) -> StartFailure {
    StartFailure::new(
        StartFailureKind::Config,
        format!("unable to start container process: chdir to cwd (\"{cwd}\"): {e}"),
    )
}

/// Descriptors 0 to 2 as the program will have them, owned by its user so that it may open
/// `/dev/stdout` again.
fn standard_streams(
    config: &ContainerConfig,
    stdin: &Option<OwnedFd>,
    stdout: &Option<OwnedFd>,
    stderr: &Option<OwnedFd>,
    terminal: &Option<OwnedFd>,
    user: &User,
) -> Result<(), StartFailure> {
    let io = |e: rustix::io::Errno| setup("standard streams")(e.into());
    let opened;
    let (input, output, errors) = match (terminal, stdin, stdout, stderr) {
        (Some(socket), ..) => {
            opened = devices::open_terminal(socket)?;
            (&opened, &opened, &opened)
        }
        (None, stdin, Some(stdout), Some(stderr)) => {
            // The container's own /dev/null: the host's would stay reachable through it.
            opened = File::open("/dev/null").map_err(setup("/dev/null"))?.into();
            (stdin.as_ref().unwrap_or(&opened), stdout, stderr)
        }
        _ => {
            return Err(setup("standard streams")(
                std::io::ErrorKind::NotFound.into(),
            ));
        }
    };
    rustix::stdio::dup2_stdin(input).map_err(io)?;
    rustix::stdio::dup2_stdout(output).map_err(io)?;
    rustix::stdio::dup2_stderr(errors).map_err(io)?;
    if config.terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).map_err(io)?;
    }
    let owner = Some(rustix::fs::Uid::from_raw(user.uid));
    for stream in [input, output, errors] {
        let is_null = rustix::fs::fstat(stream).is_ok_and(|stat| {
            rustix::fs::FileType::from_raw_mode(stat.st_mode)
                == rustix::fs::FileType::CharacterDevice
                && !config.terminal
        });
        if !is_null {
            rustix::fs::fchown(stream, owner, None).map_err(io)?;
        }
    }
    Ok(())
}

/// Gives up root's powers and executes the program. Answers an exit code if that fails.
fn execute(config: &ContainerConfig, user: &User, warnings: Vec<String>, report: OwnedFd) -> i32 {
    let mut reports = Reports(report.into());
    for warning in warnings {
        reports.send(&Report::Warning(warning));
    }
    if config.pause {
        return match become_container(config, user, &reports.0) {
            Ok(()) => {
                Title::of_this_process().write(&[b"pause"]);
                reaper::pause(move || reports.send(&Report::Executing))
            }
            Err(failure) => {
                let code = failure.exit_code();
                reports.send(&Report::Failed(failure));
                code
            }
        };
    }
    let ready = become_container(config, user, &reports.0)
        .and_then(|()| environment::build(config, user))
        .and_then(|env| program::Program::find(&config.args, env));
    let program = match ready {
        Ok(program) => program,
        Err(failure) => {
            let code = failure.exit_code();
            reports.send(&Report::Failed(failure));
            return code;
        }
    };
    if config.init_process {
        // As after an execution: what belongs to this process belongs to the container's user,
        // whose programs may open /proc/1/fd/1. Nothing in its memory is but the container's.
        if let Err(e) = sys::show_memory() {
            let failure = setup("showing memory")(e);
            let code = failure.exit_code();
            reports.send(&Report::Failed(failure));
            return code;
        }
        show_title(&config.args);
        return reaper::run(move || {
            reports.send(&Report::Executing);
            sys::reset_signals();
            program.execute()
        });
    }
    reports.send(&Report::Executing);
    sys::reset_signals();
    program.execute()
}

/// Shows what Docker's init shows: itself and what it looks after, nothing of the shim that it is a
/// fork of.
fn show_title(args: &[String]) {
    let mut words: Vec<&[u8]> = vec![b"/sbin/docker-init", b"--"];
    words.extend(args.iter().map(String::as_bytes));
    Title::of_this_process().write(&words);
    let _ = rustix::thread::set_name(c"docker-init");
}

fn become_container(
    config: &ContainerConfig,
    user: &User,
    report: &File,
) -> Result<(), StartFailure> {
    let wanted = match config.privileged {
        true => capability::ALL,
        false => capability::set(&config.cap_add, &config.cap_drop)
            .map_err(|why| StartFailure::new(StartFailureKind::Config, why))?,
    };
    let keep = wanted & sys::permitted_capabilities().map_err(setup("capabilities"))?;
    // Loading a filter needs CAP_SYS_ADMIN or no_new_privs. Docker and ECS leave the latter
    // unset (set-user-ID programs work), so the filter comes before the capabilities go.
    if !config.privileged && !config.seccomp_unconfined {
        let filter = seccomp::program(seccomp::Capabilities(keep));
        sys::load_seccomp(&filter).map_err(setup("seccomp"))?;
    }
    sys::bound_capabilities(keep).map_err(setup("capabilities"))?;
    sys::inherit_no_capabilities().map_err(setup("capabilities"))?;
    sys::become_user(user.uid, user.gid, &user.groups).map_err(setup("user"))?;
    // Any other user has lost all of them by the change of user.
    if user.uid == 0 {
        sys::set_capabilities(keep).map_err(setup("capabilities"))?;
    }
    if config.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(|e| setup("no_new_privs")(e.into()))?;
    }
    // After the change of user, which clears it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| setup("death signal")(e.into()))?;
    die_with_shim(report);
    let cwd = if config.cwd.is_empty() {
        "/"
    } else {
        &config.cwd
    };
    rustix::process::chdir(cwd).map_err(|e| bad_cwd(cwd, &e.into()))?;
    // A working directory outside the root (a leaked descriptor's) has no path in it.
    match rustix::process::getcwd(Vec::new()) {
        Ok(path) if path.to_bytes().starts_with(b"/") => {}
        _ => return Err(bad_cwd(cwd, &std::io::ErrorKind::NotFound.into())),
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

/// The shim may have died before the death signal was set; then nobody reads the reports.
fn die_with_shim(report: &File) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(report, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if poll(&mut fds, Some(&now)).is_ok()
        && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    {
        sys::exit(128);
    }
}
