//! The system call filter of every container.
//!
//! Owns the policy (as data, in `policy.rs`), the numbers of the calls it names (`calls.rs`) and
//! its translation to classic BPF (`bpf.rs`).
//! The policy decides as Docker's default profile does: an allow list, a few calls allowed for
//! certain arguments only, a few opened by capabilities. It is not a general seccomp compiler.
//!
//! A program takes well under a millisecond to make, so each shim makes its own, for its
//! container's capabilities; nothing is cached on disk, where it would need guarding.
//!
//! Invariants: one policy holds for a machine's own programs and the 32-bit ones it runs, too
//! (Docker's `subArchitectures`); a call of any other architecture ends the process; calls newer
//! than the policy answer `ENOSYS`, so that C libraries fall back; every other call that is not
//! allowed answers `EPERM`.

mod bpf;
mod calls;
mod policy;
#[cfg(test)]
mod tests;

pub use bpf::Instruction;

/// What the filter needs to know of the container's capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    fn has(self, number: u32) -> bool {
        self.0 & (1 << number) != 0
    }
}

/// The program for a container that may use `capabilities`.
pub fn program(capabilities: Capabilities) -> Vec<Instruction> {
    bpf::compile(capabilities)
}
