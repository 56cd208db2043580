//! The kernel's numbers of system calls, which differ from one application binary interface to
//! the next. The data is in `calls.tbl`, one line a call.

const TABLE: &str = include_str!("calls.tbl");

/// A set of numbers, by its column in the table. Those of other machines are here for the tests.
#[allow(dead_code, reason = "each machine has some of them")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    X86_64,
    X86,
    X32,
    Arm64,
    Arm,
}

impl Abi {
    /// Every call that has a number here. One of x32 carries the bit that marks it as such.
    pub fn calls(self) -> impl Iterator<Item = (&'static str, u32)> {
        let mark = if self == Abi::X32 { super::bpf::X32 } else { 0 };
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(move |line| {
            let mut fields = line.split_ascii_whitespace();
            let name = fields.next()?;
            let number: u32 = fields.nth(self as usize)?.parse().ok()?;
            Some((name, number | mark))
        })
    }
}
