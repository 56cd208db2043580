//! From rules to a classic BPF program: a binary search over call numbers.
//!
//! Source: the kernel's `Documentation/userspace-api/seccomp_filter.rst` and `linux/filter.h`.

use super::Capabilities;
use super::calls::Abi;
use super::policy::{Rule, Rules, rules};

/// `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub k: u32,
}

pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_AT_LEAST: u16 = 0x35;
pub(super) const JUMP_ANY_BIT: u16 = 0x45;
pub(super) const JUMP_ALWAYS: u16 = 0x05;
pub(super) const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`; of the first argument its low half (both architectures we
/// know are little endian), which is all that the filtered calls look at.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
pub(super) const FIRST_ARGUMENT: u32 = 16;

pub(super) const ALLOW: u32 = 0x7fff_0000;
pub(super) const ERRNO: u32 = 0x0005_0000;
pub(super) const KILL_PROCESS: u32 = 0x8000_0000;

/// `seccomp_data.arch` (`linux/audit.h`) and the interfaces whose calls come with it: this
/// machine's own, and that of the 32-bit programs it runs, too.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURES: [(u32, &[Abi]); 2] = [
    (0xc000_003e, &[Abi::X86_64, Abi::X32]),
    (0x4000_0003, &[Abi::X86]),
];
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURES: [(u32, &[Abi]); 2] =
    [(0xc000_00b7, &[Abi::Arm64]), (0x4000_0028, &[Abi::Arm])];

/// The bit that marks x32 calls on x86-64; no other architecture has numbers that high.
pub(super) const X32: u32 = 0x4000_0000;

/// More numbers than are ever left out in the middle of a table: beyond such a gap begins
/// another one (x32's, and the few calls of ARM's own).
const FAR: u32 = 0x1000;

const EPERM: u32 = libc::EPERM as u32;
const ENOSYS: u32 = libc::ENOSYS as u32;

fn load(offset: u32) -> Instruction {
    Instruction {
        code: LOAD_WORD,
        jump_true: 0,
        jump_false: 0,
        k: offset,
    }
}

fn jump(code: u16, k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        k,
    }
}

fn done(action: u32) -> Instruction {
    Instruction {
        code: RETURN,
        jump_true: 0,
        jump_false: 0,
        k: action,
    }
}

/// Neighbouring calls with the same decision: from `first` to the next segment's `first`.
struct Segment {
    first: u32,
    rule: Rule,
}

pub(super) fn compile(capabilities: Capabilities) -> Vec<Instruction> {
    let mut program = vec![load(ARCHITECTURE)];
    for (architecture, abis) in ARCHITECTURES {
        let rules = abis.iter().flat_map(|&abi| rules(capabilities, abi));
        let decision = search(&segments(&rules.collect()));
        program.extend([
            jump(JUMP_EQUAL, architecture, 1, 0),
            jump(JUMP_ALWAYS, decision.len() as u32 + 1, 0, 0),
            load(NUMBER),
        ]);
        program.extend(decision);
    }
    program.push(done(KILL_PROCESS));
    program
}

fn segments(rules: &Rules) -> Vec<Segment> {
    let newer = Rule::Errno(ENOSYS as u16);
    let mut segments: Vec<Segment> = Vec::new();
    let mut push = |first: u32, rule: Rule| {
        if segments.last().is_none_or(|last| last.rule != rule) {
            segments.push(Segment { first, rule });
        }
    };
    let mut next = 0;
    for (&number, &rule) in rules {
        if number - next > FAR {
            push(next, newer);
        } else if number > next {
            push(next, Rule::Errno(EPERM as u16));
        }
        push(number, rule);
        next = number + 1;
    }
    push(next, newer);
    segments
}

/// A binary search: for a number below `segments[middle].first` the left half follows at once;
/// any other jumps over it.
fn search(segments: &[Segment]) -> Vec<Instruction> {
    if let [only] = segments {
        return decide(only.rule);
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let left = search(low);
    let mut program = vec![
        jump(JUMP_AT_LEAST, high[0].first, 0, 1),
        // Conditional jumps reach 255 instructions, this one any distance.
        jump(JUMP_ALWAYS, left.len() as u32, 0, 0),
    ];
    program.extend(left);
    program.extend(search(high));
    program
}

fn decide(rule: Rule) -> Vec<Instruction> {
    let refuse = done(ERRNO | EPERM);
    match rule {
        Rule::Allow => vec![done(ALLOW)],
        Rule::Errno(number) => vec![done(ERRNO | u32::from(number))],
        Rule::AllowUnlessBits(mask) => {
            vec![
                load(FIRST_ARGUMENT),
                jump(JUMP_ANY_BIT, mask, 0, 1),
                refuse,
                done(ALLOW),
            ]
        }
        Rule::AllowUnless(values) => choose(values, refuse, done(ALLOW)),
        Rule::AllowOnly(values) => choose(values, done(ALLOW), refuse),
    }
}

/// Decides `one` where the first argument is one of `values`, else `other`.
fn choose(values: &[u32], one: Instruction, other: Instruction) -> Vec<Instruction> {
    let mut program = vec![load(FIRST_ARGUMENT)];
    for &value in values {
        program.extend([jump(JUMP_EQUAL, value, 0, 1), one]);
    }
    program.push(other);
    program
}
