use super::bpf::*;
use super::*;

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
        THIS_ARCHITECTURE,
        number as u32,
        argument,
    )
}

const EPERM: u32 = ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = ERRNO | libc::ENOSYS as u32;

#[test]
fn every_number_gets_its_rule() {
    use super::policy::{Rule, rules};
    let rules = rules(DEFAULT);
    let newest = *rules.keys().next_back().unwrap();
    let program = program(DEFAULT);
    assert!(program.len() < 4096, "the kernel's limit");
    for number in 0..newest + 100 {
        let got = run(&program, THIS_ARCHITECTURE, number, 0);
        let want = match rules.get(&number) {
            Some(Rule::Errno(e)) => ERRNO | u32::from(*e),
            Some(_) => ALLOW, // every argument rule of ours allows 0
            None if number > newest => ENOSYS,
            None => EPERM,
        };
        assert_eq!(got, want, "call {number}");
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
    assert_eq!(
        decision(DEFAULT, libc::SYS_socket, libc::AF_VSOCK as u32),
        EPERM
    );
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
fn other_architectures_and_x32() {
    let program = program(DEFAULT);
    assert_eq!(run(&program, 0x4000_0003, 1, 0), KILL_PROCESS, "32-bit x86");
    assert_eq!(run(&program, THIS_ARCHITECTURE, X32 | 1, 0), ENOSYS);
}
