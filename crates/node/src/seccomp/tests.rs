use super::bpf::*;
use super::calls::Abi;
use super::policy::{Rule, rules};
use super::*;
use std::collections::BTreeSet;

const DEFAULT: Capabilities = Capabilities(0xa804_25fb);

/// Runs the program as the kernel would.
fn run(program: &[Instruction], arch: u32, number: u32, argument: u32) -> u32 {
    let (mut at, mut word) = (0, 0);
    loop {
        let i = program[at];
        at += 1;
        let skip = |taken: bool| usize::from(if taken { i.jump_true } else { i.jump_false });
        match i.code {
            LOAD_WORD => {
                word = match i.k {
                    NUMBER => number,
                    ARCHITECTURE => arch,
                    FIRST_ARGUMENT => argument,
                    other => panic!("offset {other}"),
                }
            }
            JUMP_ALWAYS => at += i.k as usize,
            JUMP_EQUAL => at += skip(word == i.k),
            JUMP_AT_LEAST => at += skip(word >= i.k),
            JUMP_ANY_BIT => at += skip(word & i.k != 0),
            RETURN => return i.k,
            other => panic!("code {other:#x}"),
        }
    }
}

fn decision(capabilities: Capabilities, number: libc::c_long, argument: u32) -> u32 {
    run(
        &program(capabilities),
        ARCHITECTURES[0].0,
        number as u32,
        argument,
    )
}

const EPERM: u32 = ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = ERRNO | libc::ENOSYS as u32;

#[test]
fn every_number_gets_its_rule() {
    let program = program(DEFAULT);
    assert!(program.len() < 4096, "the kernel's limit");
    for (architecture, abis) in ARCHITECTURES {
        for &abi in abis {
            let rules = rules(DEFAULT, abi);
            let base = rules.keys().next().copied().unwrap() & X32;
            let newest = *rules.keys().rfind(|n| **n < base + 0x1000).unwrap();
            for number in base..newest + 100 {
                let got = run(&program, architecture, number, 0);
                let want = match rules.get(&number) {
                    Some(Rule::Errno(e)) => ERRNO | u32::from(*e),
                    Some(_) => ALLOW, // every argument rule of ours allows 0
                    None if number > newest => ENOSYS,
                    None => EPERM,
                };
                assert_eq!(got, want, "call {number} of {abi:?}");
            }
        }
    }
}

#[test]
fn numbers_are_the_kernel_s() {
    let number = |abi: Abi, name: &str| abi.calls().find(|(n, _)| *n == name).map(|(_, n)| n);
    let own = ARCHITECTURES[0].1[0];
    for (name, call) in [
        ("read", libc::SYS_read),
        ("execve", libc::SYS_execve),
        ("clone", libc::SYS_clone),
        ("socket", libc::SYS_socket),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("landlock_add_rule", libc::SYS_landlock_add_rule),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("mseal", libc::SYS_mseal),
    ] {
        assert_eq!(number(own, name), Some(call as u32), "{name}");
    }
    let of =
        |name| [Abi::X86_64, Abi::X86, Abi::X32, Abi::Arm64, Abi::Arm].map(|abi| number(abi, name));
    assert_eq!(
        of("execve"),
        [Some(59), Some(11), Some(X32 | 520), Some(221), Some(11)]
    );
    assert_eq!(of("socketcall"), [None, Some(102), None, None, None]);
    assert_eq!(of("set_tls"), [None, None, None, None, Some(0xf_0005)]);
    for abi in [Abi::X86_64, Abi::X86, Abi::X32, Abi::Arm64, Abi::Arm] {
        let numbers: Vec<u32> = abi.calls().map(|(_, number)| number).collect();
        let different: BTreeSet<u32> = numbers.iter().copied().collect();
        // ARM has two names for one call.
        let doubled = usize::from(abi == Abi::Arm);
        assert_eq!(numbers.len(), different.len() + doubled, "{abi:?}");
    }
}

#[test]
fn ways_out_are_refused() {
    for call in [
        libc::SYS_mount,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_reboot,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_open_by_handle_at,
        libc::SYS_userfaultfd,
        libc::SYS_perf_event_open,
        libc::SYS_pivot_root,
        libc::SYS_swapon,
        libc::SYS_io_uring_setup,
        libc::SYS_syslog,
    ] {
        assert_eq!(decision(DEFAULT, call, 0), EPERM, "call {call}");
    }
}

#[test]
fn arguments_count() {
    let clone = libc::SYS_clone;
    assert_eq!(decision(DEFAULT, clone, libc::SIGCHLD as u32), ALLOW);
    assert_eq!(decision(DEFAULT, clone, libc::CLONE_NEWUSER as u32), EPERM);
    assert_eq!(decision(DEFAULT, libc::SYS_clone3, 0), ENOSYS);
    assert_eq!(
        decision(DEFAULT, libc::SYS_socket, libc::AF_INET as u32),
        ALLOW
    );
    for family in [libc::AF_VSOCK, libc::AF_ALG] {
        assert_eq!(decision(DEFAULT, libc::SYS_socket, family as u32), EPERM);
    }
    assert_eq!(decision(DEFAULT, libc::SYS_personality, 0x8), ALLOW);
    assert_eq!(decision(DEFAULT, libc::SYS_personality, 0x0004_0000), EPERM);
}

#[test]
fn capabilities_open_calls() {
    let admin = Capabilities(DEFAULT.0 | 1 << 21);
    assert_eq!(decision(admin, libc::SYS_mount, 0), ALLOW);
    assert_eq!(
        decision(admin, libc::SYS_clone, libc::CLONE_NEWUSER as u32),
        ALLOW
    );
    assert_eq!(decision(admin, libc::SYS_clone3, 0), ALLOW);
    assert_eq!(
        decision(DEFAULT, libc::SYS_chroot, 0),
        ALLOW,
        "CAP_SYS_CHROOT is a default"
    );
    assert_eq!(decision(Capabilities(0), libc::SYS_chroot, 0), EPERM);
}

#[test]
fn programs_of_32_bits_are_as_confined() {
    let program = program(DEFAULT);
    let narrow = ARCHITECTURES[1];
    let decision = |name: &str, argument| {
        let mut calls = narrow.1[0].calls();
        let number = calls.find(|(call, _)| *call == name).unwrap().1;
        run(&program, narrow.0, number, argument)
    };
    for call in [
        "read",
        "execve",
        "_llseek",
        "fstat64",
        "setuid32",
        "clock_gettime64",
    ] {
        assert_eq!(decision(call, 0), ALLOW, "{call}");
    }
    for call in [
        "mount",
        "unshare",
        "setns",
        "open_by_handle_at",
        "bpf",
        "syslog",
    ] {
        assert_eq!(decision(call, 0), EPERM, "{call}");
    }
    assert_eq!(decision("clone3", 0), ENOSYS);
    assert_eq!(decision("clone", libc::CLONE_NEWNS as u32), EPERM);
    assert_eq!(decision("socket", libc::AF_VSOCK as u32), EPERM);
}

#[test]
fn other_architectures_end_the_process() {
    let s390x = 0x8000_0016;
    assert_eq!(run(&program(DEFAULT), s390x, 1, 0), KILL_PROCESS);
}
