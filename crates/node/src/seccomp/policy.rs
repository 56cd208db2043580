//! Which system calls a container may make.
//!
//! The sets follow what Docker documents as its default profile
//! (docs.docker.com/engine/security/seccomp): everything ordinary programs use, without the
//! calls that reach kernel state which is not namespaced, load code into the kernel, or have
//! been ways out. `io_uring` is left out as in Docker since 2023.
//!
//! Calls go by name, so that one policy holds for every application binary interface.

use super::Capabilities;
use super::calls::Abi;
use libc::{
    AF_ALG, AF_VSOCK, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID,
    CLONE_NEWUSER, CLONE_NEWUTS, ENOSYS,
};
use std::collections::{BTreeMap, HashMap};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Allow,
    /// Refused with this error number.
    Errno(u16),
    /// Allowed when no bit of the mask is set in the first argument.
    AllowUnlessBits(u32),
    /// Allowed unless the first argument is one of these.
    AllowUnless(&'static [u32]),
    /// Allowed when the first argument is one of these.
    AllowOnly(&'static [u32]),
}

/// Everything known: calls between the lowest and the highest of these that are not listed
/// answer `EPERM`.
pub(super) type Rules = BTreeMap<u32, Rule>;

const FILES: &str = "\
    read write openat openat2 close close_range fstat newfstatat statx lseek pread64 \
    pwrite64 readv writev preadv pwritev preadv2 pwritev2 faccessat faccessat2 dup dup3 \
    fcntl flock fsync fdatasync truncate ftruncate fallocate fadvise64 readahead \
    getdents64 getcwd chdir fchdir mkdirat mknodat unlinkat symlinkat linkat renameat2 \
    readlinkat fchmod fchmodat fchown fchownat utimensat umask statfs fstatfs sync syncfs \
    sync_file_range setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr \
    llistxattr flistxattr removexattr lremovexattr fremovexattr sendfile splice tee \
    vmsplice copy_file_range ioctl pipe2 inotify_init1 inotify_add_watch inotify_rm_watch \
    fanotify_mark name_to_handle_at io_setup io_destroy io_submit io_cancel io_getevents \
    io_pgetevents";

const MEMORY: &str = "\
    brk mmap munmap mremap mprotect madvise mincore msync mlock mlock2 munlock mlockall \
    munlockall remap_file_pages membarrier memfd_create memfd_secret pkey_alloc pkey_free \
    pkey_mprotect mseal shmget shmat shmdt shmctl";

/// Tracing: within its own pid namespace and under Yama a process may trace its own kind only.
const PROCESSES: &str = "\
    execve execveat exit exit_group wait4 waitid kill tkill tgkill getpid getppid gettid \
    getpgid setpgid getsid setsid getuid geteuid getgid getegid getresuid getresgid \
    getgroups setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid \
    setgroups capget capset prctl seccomp landlock_create_ruleset landlock_add_rule \
    landlock_restrict_self set_tid_address set_robust_list get_robust_list rseq futex \
    futex_waitv pidfd_open pidfd_send_signal process_mrelease getcpu getrusage prlimit64 \
    getrlimit setrlimit getpriority setpriority ioprio_get ioprio_set sched_yield \
    sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler \
    sched_setscheduler sched_getattr sched_setattr sched_get_priority_max \
    sched_get_priority_min sched_rr_get_interval uname sysinfo getrandom restart_syscall \
    uretprobe ptrace process_vm_readv process_vm_writev";

/// The clock may be read and, by the kernel's own check of CAP_SYS_TIME, adjusted.
const SIGNALS_AND_TIME: &str = "\
    rt_sigaction rt_sigprocmask rt_sigpending rt_sigreturn rt_sigsuspend rt_sigtimedwait \
    rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack signalfd4 eventfd2 timerfd_create \
    timerfd_settime timerfd_gettime timer_create timer_settime timer_gettime \
    timer_getoverrun timer_delete getitimer setitimer nanosleep clock_nanosleep \
    clock_gettime clock_getres gettimeofday times adjtimex clock_adjtime";

const SOCKETS_AND_QUEUES: &str = "\
    socketpair bind listen accept accept4 connect shutdown getsockname getpeername \
    getsockopt setsockopt sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg pselect6 ppoll \
    epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 mq_open mq_unlink mq_timedsend \
    mq_timedreceive mq_notify mq_getsetattr msgget msgsnd msgrcv msgctl semget semop \
    semtimedop semctl";

const RECENT: &str = "\
    cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount \
    listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules setxattrat getxattrat \
    listxattrat removexattrat";

/// Calls that newer architectures no longer have.
const LEGACY: &str = "\
    open creat stat lstat access dup2 getdents mkdir mknod rmdir unlink symlink link \
    rename renameat readlink chmod chown lchown utime utimes futimesat pipe poll select \
    epoll_create epoll_wait epoll_ctl_old epoll_wait_old eventfd signalfd inotify_init \
    fork vfork getpgrp alarm pause time arch_prctl modify_ldt set_thread_area \
    get_thread_area";

/// Calls of 32-bit programs only. `socketcall` has its arguments behind a pointer, where no
/// filter can see them; it is allowed as in Docker, for programs that know no other way.
const NARROW: &str = "\
    _llseek _newselect arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush chown32 \
    clock_adjtime64 clock_getres_time64 clock_gettime64 clock_nanosleep_time64 \
    fadvise64_64 fchown32 fcntl64 fstat64 fstatat64 fstatfs64 ftruncate64 futex_time64 \
    getegid32 geteuid32 getgid32 getgroups32 getresgid32 getresuid32 getuid32 \
    io_pgetevents_time64 ipc lchown32 lstat64 mmap2 mq_timedreceive_time64 \
    mq_timedsend_time64 ppoll_time64 pselect6_time64 recv recvmmsg_time64 \
    rt_sigtimedwait_time64 sched_rr_get_interval_time64 semtimedop_time64 send sendfile64 \
    set_tls setfsgid32 setfsuid32 setgid32 setgroups32 setregid32 setresgid32 setresuid32 \
    setreuid32 setuid32 sigprocmask sigreturn socketcall stat64 statfs64 sync_file_range2 \
    timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 truncate64 \
    ugetrlimit utimensat_time64 waitpid";

const ALLOWED: [&str; 8] = [
    FILES,
    MEMORY,
    PROCESSES,
    SIGNALS_AND_TIME,
    SOCKETS_AND_QUEUES,
    RECENT,
    LEGACY,
    NARROW,
];

/// Calls opened by a capability: (its number, the calls).
const BY_CAPABILITY: [(u32, &str); 14] = [
    (2, "open_by_handle_at"),                       // CAP_DAC_READ_SEARCH
    (16, "init_module finit_module delete_module"), // CAP_SYS_MODULE
    (17, "iopl ioperm"),                            // CAP_SYS_RAWIO
    (18, "chroot"),                                 // CAP_SYS_CHROOT
    (19, "kcmp pidfd_getfd process_madvise"),       // CAP_SYS_PTRACE
    (20, "acct"),                                   // CAP_SYS_PACCT
    (CAP_SYS_ADMIN, ADMINISTRATION),
    (22, "reboot"), // CAP_SYS_BOOT
    (
        23,
        "get_mempolicy set_mempolicy mbind set_mempolicy_home_node",
    ), // CAP_SYS_NICE
    (25, "settimeofday stime clock_settime clock_settime64"), // CAP_SYS_TIME
    (26, "vhangup"), // CAP_SYS_TTY_CONFIG
    (34, "syslog"), // CAP_SYSLOG
    (38, "perf_event_open"), // CAP_PERFMON
    (39, "bpf"),    // CAP_BPF
];

const ADMINISTRATION: &str = "\
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount \
    mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname \
    sethostname setns syslog umount umount2 unshare";

const CAP_SYS_ADMIN: u32 = 21;

/// `CLONE_NEW*`: a container may not make namespaces.
const NAMESPACES: u32 = (CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET) as u32;

/// `PER_LINUX`, `PER_LINUX32`, `UNAME26` with each, and "tell me": address randomisation
/// stays on.
const PERSONALITIES: &[u32] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The kernel's cryptography (CVE-2026-31431), and the hypervisor's sockets, which network
/// namespaces do not confine.
const SOCKET_FAMILIES: &[u32] = &[AF_ALG as u32, AF_VSOCK as u32];

/// The decision for every call that is not simply refused.
pub(super) fn rules(capabilities: Capabilities, abi: Abi) -> Rules {
    let is_admin = capabilities.has(CAP_SYS_ADMIN);
    let opened = BY_CAPABILITY
        .iter()
        .filter(|(capability, _)| capabilities.has(*capability))
        .map(|(_, calls)| calls);
    let allowed = ALLOWED.iter().chain(opened);
    let allowed = allowed.flat_map(|calls| calls.split_ascii_whitespace());
    let mut decided: HashMap<&str, Rule> = allowed.map(|call| (call, Rule::Allow)).collect();
    decided.insert("personality", Rule::AllowOnly(PERSONALITIES));
    decided.insert("socket", Rule::AllowUnless(SOCKET_FAMILIES));
    if !is_admin {
        decided.insert("clone", Rule::AllowUnlessBits(NAMESPACES));
        // Its flags are behind a pointer, where no filter can see them; with ENOSYS every C
        // library uses clone instead.
        decided.insert("clone3", Rule::Errno(ENOSYS as u16));
    }
    abi.calls()
        .filter_map(|(name, number)| Some((number, *decided.get(name)?)))
        .collect()
}
