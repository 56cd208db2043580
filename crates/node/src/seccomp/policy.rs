//! Which system calls a container may make.
//!
//! The sets follow what Docker documents as its default profile
//! (docs.docker.com/engine/security/seccomp): everything ordinary programs use, without the
//! calls that reach kernel state which is not namespaced, load code into the kernel, or have
//! been ways out. `io_uring` is left out as in Docker since 2023.

use super::Capabilities;
use libc::{c_long, *};
use std::collections::BTreeMap;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Allow,
    /// Refused with this error number.
    Errno(u16),
    /// Allowed when no bit of the mask is set in the first argument.
    AllowUnlessBits(u32),
    /// Allowed unless the first argument is this.
    AllowUnless(u32),
    /// Allowed when the first argument is one of these.
    AllowOnly(&'static [u32]),
}

/// Everything known: calls between the lowest and the highest of these that are not listed
/// answer `EPERM`.
pub(super) type Rules = BTreeMap<u32, Rule>;

/// `io_pgetevents`, which the libc crate does not know everywhere.
#[cfg(target_arch = "x86_64")]
const IO_PGETEVENTS: c_long = 333;
#[cfg(not(target_arch = "x86_64"))]
const IO_PGETEVENTS: c_long = 292;

const FILES: &[c_long] = &[
    SYS_read,
    SYS_write,
    SYS_openat,
    SYS_openat2,
    SYS_close,
    SYS_close_range,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_lseek,
    SYS_pread64,
    SYS_pwrite64,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_dup,
    SYS_dup3,
    SYS_fcntl,
    SYS_flock,
    SYS_fsync,
    SYS_fdatasync,
    SYS_truncate,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_readahead,
    SYS_getdents64,
    SYS_getcwd,
    SYS_chdir,
    SYS_fchdir,
    SYS_mkdirat,
    SYS_mknodat,
    SYS_unlinkat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_renameat2,
    SYS_readlinkat,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_utimensat,
    SYS_umask,
    SYS_statfs,
    SYS_fstatfs,
    SYS_sync,
    SYS_syncfs,
    SYS_sync_file_range,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_fgetxattr,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_flistxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_sendfile,
    SYS_splice,
    SYS_tee,
    SYS_vmsplice,
    SYS_copy_file_range,
    SYS_ioctl,
    SYS_pipe2,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_fanotify_mark,
    SYS_name_to_handle_at,
    SYS_io_setup,
    SYS_io_destroy,
    SYS_io_submit,
    SYS_io_cancel,
    SYS_io_getevents,
    IO_PGETEVENTS,
];

const MEMORY: &[c_long] = &[
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_mincore,
    SYS_msync,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_mlockall,
    SYS_munlockall,
    SYS_remap_file_pages,
    SYS_membarrier,
    SYS_memfd_create,
    SYS_memfd_secret,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_pkey_mprotect,
    SYS_mseal,
    SYS_shmget,
    SYS_shmat,
    SYS_shmdt,
    SYS_shmctl,
];

const PROCESSES: &[c_long] = &[
    SYS_execve,
    SYS_execveat,
    SYS_exit,
    SYS_exit_group,
    SYS_wait4,
    SYS_waitid,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getpgid,
    SYS_setpgid,
    SYS_getsid,
    SYS_setsid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_capget,
    SYS_capset,
    SYS_prctl,
    SYS_seccomp,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_futex,
    SYS_futex_waitv,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_process_mrelease,
    SYS_getcpu,
    SYS_getrusage,
    SYS_prlimit64,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_getpriority,
    SYS_setpriority,
    SYS_ioprio_get,
    SYS_ioprio_set,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getparam,
    SYS_sched_setparam,
    SYS_sched_getscheduler,
    SYS_sched_setscheduler,
    SYS_sched_getattr,
    SYS_sched_setattr,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_rr_get_interval,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrandom,
    SYS_restart_syscall,
    // Within its own pid namespace and under Yama a process may trace its own kind only.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
];

const SIGNALS_AND_TIME: &[c_long] = &[
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigpending,
    SYS_rt_sigreturn,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_sigaltstack,
    SYS_signalfd4,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_timer_create,
    SYS_timer_settime,
    SYS_timer_gettime,
    SYS_timer_getoverrun,
    SYS_timer_delete,
    SYS_getitimer,
    SYS_setitimer,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_times,
    // Reading only: setting needs CAP_SYS_TIME, which the kernel checks itself.
    SYS_adjtimex,
    SYS_clock_adjtime,
];

const SOCKETS_AND_QUEUES: &[c_long] = &[
    SYS_socketpair,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_connect,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_pselect6,
    SYS_ppoll,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_mq_open,
    SYS_mq_unlink,
    SYS_mq_timedsend,
    SYS_mq_timedreceive,
    SYS_mq_notify,
    SYS_mq_getsetattr,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_semget,
    SYS_semop,
    SYS_semtimedop,
    SYS_semctl,
];

/// Newer calls, by the number that all architectures share.
const RECENT: &[c_long] = &[
    451, // cachestat
    452, // fchmodat2
    453, // map_shadow_stack
    454, // futex_wake
    455, // futex_wait
    456, // futex_requeue
    457, // statmount
    458, // listmount
    459, // lsm_get_self_attr
    460, // lsm_set_self_attr
    461, // lsm_list_modules
    463, // setxattrat
    464, // getxattrat
    465, // listxattrat
    466, // removexattrat
];

/// Calls that newer architectures no longer have.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[c_long] = &[
    SYS_open,
    SYS_creat,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_dup2,
    SYS_getdents,
    SYS_mkdir,
    SYS_mknod,
    SYS_rmdir,
    SYS_unlink,
    SYS_symlink,
    SYS_link,
    SYS_rename,
    SYS_renameat,
    SYS_readlink,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_epoll_ctl_old,
    SYS_epoll_wait_old,
    SYS_eventfd,
    SYS_signalfd,
    SYS_inotify_init,
    SYS_fork,
    SYS_vfork,
    SYS_getpgrp,
    SYS_alarm,
    SYS_pause,
    SYS_time,
    SYS_arch_prctl,
    SYS_modify_ldt,
    SYS_set_thread_area,
    SYS_get_thread_area,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[c_long] = &[SYS_renameat];

/// Calls opened by a capability: (its number, the calls).
const BY_CAPABILITY: &[(u32, &[c_long])] = &[
    (2, &[SYS_open_by_handle_at]), // CAP_DAC_READ_SEARCH
    (16, &[SYS_init_module, SYS_finit_module, SYS_delete_module]), // CAP_SYS_MODULE
    (18, &[SYS_chroot]),           // CAP_SYS_CHROOT
    (19, &[SYS_kcmp, SYS_pidfd_getfd, SYS_process_madvise]), // CAP_SYS_PTRACE
    (20, &[SYS_acct]),             // CAP_SYS_PACCT
    (
        21, // CAP_SYS_ADMIN
        &[
            SYS_bpf,
            SYS_clone,
            SYS_clone3,
            SYS_fanotify_init,
            SYS_fsconfig,
            SYS_fsmount,
            SYS_fsopen,
            SYS_fspick,
            SYS_mount,
            SYS_mount_setattr,
            SYS_move_mount,
            SYS_open_tree,
            SYS_perf_event_open,
            SYS_quotactl,
            SYS_setdomainname,
            SYS_sethostname,
            SYS_setns,
            SYS_syslog,
            SYS_umount2,
            SYS_unshare,
        ],
    ),
    (22, &[SYS_reboot]),                                      // CAP_SYS_BOOT
    (23, &[SYS_get_mempolicy, SYS_set_mempolicy, SYS_mbind]), // CAP_SYS_NICE
    (25, &[SYS_settimeofday, SYS_clock_settime]),             // CAP_SYS_TIME
    (26, &[SYS_vhangup]),                                     // CAP_SYS_TTY_CONFIG
    (34, &[SYS_syslog]),                                      // CAP_SYSLOG
    (38, &[SYS_perf_event_open]),                             // CAP_PERFMON
    (39, &[SYS_bpf]),                                         // CAP_BPF
];

const CAP_SYS_ADMIN: u32 = 21;

/// `CLONE_NEW*`: a container may not make namespaces.
const NAMESPACES: u32 = (CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET) as u32;

/// `PER_LINUX`, `PER_LINUX32`, `UNAME26` with each, and "tell me" — address randomisation
/// stays on.
const PERSONALITIES: &[u32] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The decision for every call that is not simply refused.
pub(super) fn rules(capabilities: Capabilities) -> Rules {
    let mut rules = Rules::new();
    for set in [
        FILES,
        MEMORY,
        PROCESSES,
        SIGNALS_AND_TIME,
        SOCKETS_AND_QUEUES,
        RECENT,
        LEGACY,
    ] {
        rules.extend(set.iter().map(|&call| (call as u32, Rule::Allow)));
    }
    rules.insert(SYS_personality as u32, Rule::AllowOnly(PERSONALITIES));
    // The hypervisor's sockets are not confined by network namespaces.
    rules.insert(SYS_socket as u32, Rule::AllowUnless(AF_VSOCK as u32));
    if !capabilities.has(CAP_SYS_ADMIN) {
        rules.insert(SYS_clone as u32, Rule::AllowUnlessBits(NAMESPACES));
        // Its flags are behind a pointer, where no filter can see them; with ENOSYS every C
        // library uses clone instead.
        rules.insert(SYS_clone3 as u32, Rule::Errno(ENOSYS as u16));
    }
    for (capability, calls) in BY_CAPABILITY {
        if capabilities.has(*capability) {
            rules.extend(calls.iter().map(|&call| (call as u32, Rule::Allow)));
        }
    }
    rules
}
