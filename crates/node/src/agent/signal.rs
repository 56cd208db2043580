//! The signal that asks a container to end, by the name or number its image has for it.

use super::state::SIGTERM;

/// The first and last of the real-time signals that C libraries leave to programs.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// Those with names, by the kernel's `signal(7)` for the architectures we run on.
const NAMES: [(&str, i32); 35] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("UNUSED", 31),
];

/// The number of an image's `StopSignal`: `SIGQUIT`, `quit`, `3`, `SIGRTMIN+3` or `RTMAX-2`;
/// SIGTERM when it sets none or one this system does not have.
pub fn stop_signal(name: Option<&str>) -> i32 {
    name.and_then(|name| number(name.trim())).unwrap_or(SIGTERM)
}

fn number(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse() {
        return (1..=*REAL_TIME.end()).contains(&number).then_some(number);
    }
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let (first, last) = (*REAL_TIME.start(), *REAL_TIME.end());
    let real_time = match (short.strip_prefix("RTMIN"), short.strip_prefix("RTMAX")) {
        (Some(""), _) => Some(first),
        (Some(above), _) => Some(first + above.strip_prefix('+').and_then(distance)?),
        (_, Some("")) => Some(last),
        (_, Some(below)) => Some(last - below.strip_prefix('-').and_then(distance)?),
        (None, None) => None,
    };
    match real_time {
        Some(number) => REAL_TIME.contains(&number).then_some(number),
        None => NAMES.iter().find(|(n, _)| *n == short).map(|(_, n)| *n),
    }
}

/// From one end of the real-time signals.
fn distance(text: &str) -> Option<i32> {
    text.parse::<u8>().ok().map(i32::from)
}
