//! The kernel calls that safe crates do not offer, each in one small function. The only unsafe
//! code of the shim; everything here assumes a single-threaded process.

use crate::seccomp::Instruction;
use rustix::process::Signal;
use std::ffi::{CStr, CString, c_char, c_int, c_long, c_ulong};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Signals that end a process by default and are sent to groups or by mistake.
const IGNORED: [c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE];

/// The shim ends when its container ends; an exec'd container gets the defaults back.
pub(super) fn ignore_signals() -> io::Result<()> {
    for signal in IGNORED {
        set_disposition(signal, libc::SIG_IGN)?;
    }
    Ok(())
}

fn set_disposition(signal: c_int, disposition: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: SIG_IGN and SIG_DFL are the only dispositions passed, so no handler runs.
    let previous = unsafe { libc::signal(signal, disposition) };
    if previous == libc::SIG_ERR {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Every signal back to its default action, none blocked.
pub(super) fn reset_signals() {
    // The kernel's `struct sigaction`, all zero: the default action. Not through the C library,
    // which keeps two signals to itself, though a parent may have left them ignored.
    let default = [0_u64; 4];
    for signal in 1..=64 as c_long {
        // SAFETY: the kernel reads one sigaction and, told so, an 8 byte mask in it; KILL and
        // STOP are refused.
        unsafe {
            let none = std::ptr::null_mut::<u64>();
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                none,
                8_usize,
            );
        }
    }
    // SAFETY: the set is initialised by sigemptyset before it is read.
    unsafe {
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Blocks every signal, so that [`next_signal`] can take them one by one.
pub(super) fn block_signals() {
    // SAFETY: the set is initialised by sigfillset before it is read.
    unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

/// The next blocked signal.
pub(super) fn next_signal() -> c_int {
    // SAFETY: the set is initialised by sigfillset before it is read; no siginfo is asked for.
    unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigwaitinfo(all.as_ptr(), std::ptr::null_mut())
    }
}

pub(super) fn signal(number: i32) -> Option<Signal> {
    // SAFETY: numbers 1–64 are the signals Linux has; 32 and 33 belong to the C library of the
    // sender only, not of the receiver's process.
    (1..=64)
        .contains(&number)
        .then(|| unsafe { Signal::from_raw_unchecked(number) })
}

/// Which of a container's namespaces are new, beside those that always are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namespaces {
    pub processes: bool,
    pub ipc: bool,
}

/// Forks the container's first process into new mount and UTS namespaces, and others as said; it runs
/// `child` and never returns. Answers its pid and a pidfd. `cgroup`: the v2 group it is made in.
pub(super) fn clone_container(
    new: Namespaces,
    cgroup: Option<&OwnedFd>,
    child: impl FnOnce() -> i32,
) -> io::Result<(i32, OwnedFd)> {
    let mut namespaces = libc::CLONE_NEWNS | libc::CLONE_NEWUTS;
    if new.processes {
        namespaces |= libc::CLONE_NEWPID;
    }
    if new.ipc {
        namespaces |= libc::CLONE_NEWIPC;
    }
    clone(namespaces, cgroup, || {
        allow_huge_pages();
        child()
    })
}

/// Forks, as [`clone_container`], into the namespaces of this process.
pub(super) fn clone_here(
    cgroup: Option<&OwnedFd>,
    child: impl FnOnce() -> i32,
) -> io::Result<(i32, OwnedFd)> {
    clone(0, cgroup, || {
        allow_huge_pages();
        child()
    })
}

/// Forks a shim, a child not of this process but of its parent, the agent.
pub(super) fn clone_shim(child: impl FnOnce() -> i32) -> io::Result<(i32, OwnedFd)> {
    clone(libc::CLONE_PARENT, None, child)
}

fn clone(
    flags: c_int,
    cgroup: Option<&OwnedFd>,
    child: impl FnOnce() -> i32,
) -> io::Result<(i32, OwnedFd)> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is the documented default of clone_args.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (libc::CLONE_PIDFD | flags) as u64;
    args.pidfd = (&raw mut pidfd) as u64;
    // With CLONE_PARENT it is this process's own, and may not be given.
    if flags & libc::CLONE_PARENT == 0 {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = cgroup {
        // linux/sched.h; the libc crate's constant is too narrow to hold it.
        const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM this is fork: the child gets a copy of everything. The process
    // has one thread, so no lock is held by a thread that the child lacks.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            if let Some(cgroup) = cgroup {
                // A directory of the host must not be open while paths of the image and of the
                // task are resolved: /proc/self/fd would lead to it.
                // SAFETY: the child never returns to the owner of this copy.
                unsafe { libc::close(cgroup.as_raw_fd()) };
            }
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            exit(code.unwrap_or(128))
        }
        // SAFETY: the kernel stored a new descriptor, owned by nobody else.
        pid => Ok((pid as i32, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// Huge pages as the host's policy gives them, to this process and what it will execute: a
/// shim has none (`runtime::zygote`), but that is not the container's business.
fn allow_huge_pages() {
    // SAFETY: PR_SET_THP_DISABLE takes numbers only. A kernel without it gave none to take back.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 0, 0, 0, 0) };
}

/// Forks; `child` never returns. Answers the child's pid, what `child` owned dropped here.
pub(super) fn fork(child: impl FnOnce() -> i32) -> io::Result<i32> {
    // SAFETY: the process has one thread; see `clone_container`.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => exit(child()),
        pid => Ok(pid),
    }
}

/// Ends the process at once: no destructor, no exit handler of the parent's copy runs.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: _exit has no precondition.
    unsafe { libc::_exit(code) }
}

/// Tells a terminal its size, and its foreground processes of the change.
pub(crate) fn set_window_size(terminal: &impl AsRawFd, columns: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the kernel reads one winsize, which lives until the call returns.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) })
}

/// Joins every namespace of the process but the user's; its pid namespace is that of the
/// children made from now on. Kernel 5.8.
pub(super) fn enter_namespaces(process: &OwnedFd) -> io::Result<()> {
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWCGROUP;
    // SAFETY: takes numbers only; no file table or memory is changed.
    check(unsafe { libc::setns(process.as_raw_fd(), namespaces) })
}

/// Nobody without CAP_SYS_PTRACE may look into this process and its forks, until they execute.
pub(super) fn hide_memory() -> io::Result<()> {
    // SAFETY: PR_SET_DUMPABLE takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })
}

/// Takes [`hide_memory`] back, and what a change of user does of itself.
pub(super) fn show_memory() -> io::Result<()> {
    // SAFETY: PR_SET_DUMPABLE takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) })
}

/// New namespaces for the calling process.
pub(super) fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: callers pass CLONE_NEW* flags only; no file table or memory is unshared.
    check(unsafe { libc::unshare(flags) })
}

/// Flags of a detached mount and of all below it, which are also made private: nothing that is mounted
/// on the host later shows there, nor the other way round.
pub(super) fn change_mount(tree: &OwnedFd, flags: MountAttributes) -> io::Result<()> {
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let attributes = MountAttr {
        set: flags.0,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        user_namespace: 0,
    };
    // SAFETY: the path is empty and ends in a zero byte; the kernel reads as much of the structure as
    // it is told, and keeps no pointer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `MOUNT_ATTR_*` of `linux/mount.h`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MountAttributes(u64);

impl MountAttributes {
    pub const RDONLY: MountAttributes = MountAttributes(1);
    pub const NODEV: MountAttributes = MountAttributes(4);

    pub fn and(self, other: MountAttributes) -> MountAttributes {
        MountAttributes(self.0 | other.0)
    }
}

/// A session keyring of its own: the host's keys are not inherited.
pub(super) fn new_session_keyring() {
    const JOIN_SESSION_KEYRING: c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring; nothing is written to our memory.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<c_char>(),
        );
    }
}

/// Closes whatever the agent's process leaked into this one, or its zygote left it. The caller
/// owns no descriptor above 2 that it will use or drop.
pub(super) fn close_from_3() -> io::Result<()> {
    // SAFETY: by contract nobody uses the descriptors that this closes.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if closed < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Makes `fd` descriptor 3 and closes everything above it. The caller owns no other
/// descriptor above 2 that it will use or drop.
pub(super) fn keep_only(fd: OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::IntoRawFd;
    let raw = fd.into_raw_fd();
    if raw != 3 {
        // SAFETY: duplicates onto 3, whatever it was; by contract nobody uses that any more.
        check(unsafe { libc::dup3(raw, 3, libc::O_CLOEXEC) })?;
    }
    // SAFETY: by contract nobody uses the descriptors that this closes.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 4_u32, u32::MAX, 0_u32) };
    if closed < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: 3 is open and owned by nobody else since dup3.
    Ok(unsafe { OwnedFd::from_raw_fd(3) })
}

/// Installs the filter for this process and what it will execute.
pub(super) fn load_seccomp(program: &[Instruction]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const Instruction,
    }
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = Program {
        length,
        instructions: program.as_ptr(),
    };
    // SAFETY: `program` is a sock_fprog over instructions that live until the call returns.
    let set = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0 as c_ulong,
            &raw const program,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

/// Effective, permitted, inheritable; low halves first.
type CapabilityData = [[u32; 3]; 2];

/// The capabilities this process may use.
pub(super) fn permitted_capabilities() -> io::Result<u64> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data: CapabilityData = [[0; 3]; 2];
    // SAFETY: version 3 writes exactly two data elements.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut data) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::from(data[0][1]) | u64::from(data[1][1]) << 32)
}

/// Removes everything outside `keep` from what any later program can get.
pub(super) fn bound_capabilities(keep: u64) -> io::Result<()> {
    for number in 0..64 {
        if keep & (1 << number) != 0 {
            continue;
        }
        // SAFETY: PR_CAPBSET_DROP takes numbers only.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number as c_ulong, 0, 0, 0) } < 0 {
            let e = io::Error::last_os_error();
            // The first number that the kernel does not know ends the list.
            return if e.raw_os_error() == Some(libc::EINVAL) {
                Ok(())
            } else {
                Err(e)
            };
        }
    }
    Ok(())
}

/// Sets effective and permitted capabilities; none is inheritable.
pub(super) fn set_capabilities(set: u64) -> io::Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let (low, high) = (set as u32, (set >> 32) as u32);
    let data: CapabilityData = [[low, low, 0], [high, high, 0]];
    // SAFETY: version 3 reads exactly two data elements.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const data) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Empties the inheritable set, which no change of user does: a file's inheritable capabilities
/// would come back with it (CVE-2022-24769).
pub(super) fn inherit_no_capabilities() -> io::Result<()> {
    set_capabilities(permitted_capabilities()?)
}

/// Becomes the user for good: real, effective and saved ids.
pub(super) fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer and the count describe `groups`.
    check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    // SAFETY: these take numbers only.
    unsafe {
        check(libc::setresgid(gid, gid, gid))?;
        check(libc::setresuid(uid, uid, uid))
    }
}

/// Executes `program`; returns only on failure.
pub(super) fn execute(program: &CStr, args: &[CString], env: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings
            .iter()
            .map(|s| s.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both lists end with a null pointer and point to strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Waits for any child to end: its pid and its exit code, 128 + the signal for a killed one.
/// `None` when no child has ended now.
pub(super) fn reap() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: status is a valid place for an int.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    let code = if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    };
    (pid > 0).then_some((pid, code))
}

pub(super) fn kill(pid: i32, signal: c_int) {
    // SAFETY: kill takes numbers only. A pid that is gone is no error here.
    unsafe { libc::kill(pid, signal) };
}

/// Brings up `lo` in this process's network namespace.
pub(super) fn loopback_up() -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketType, socket};
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as c_char;
    request.ifr_name[1] = b'o' as c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    check(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    })
}

/// Field 22 of `/proc/<pid>/stat`; the second field may contain spaces and parentheses.
pub(crate) fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

pub(super) fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
