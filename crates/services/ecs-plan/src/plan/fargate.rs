//! Fargate's task sizes
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size>).

/// CPU units, the least and most memory in MiB, and the step between.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// Is this pair of CPU units and MiB one that Fargate offers?
pub fn offers(cpu_units: u32, memory_mib: u32) -> bool {
    SIZES.iter().any(|&(cpu, least, most, step)| {
        cpu == cpu_units
            && (least..=most).contains(&memory_mib)
            && (memory_mib - least).is_multiple_of(step)
            // 0.25 vCPU goes 512, 1024, 2048.
            && (cpu, memory_mib) != (256, 1_536)
    })
}

/// Whether Fargate offers the size for Windows, which has one, two or four vCPUs
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/windows-considerations.html>).
pub fn offers_windows(cpu_units: u32, memory_mib: u32) -> bool {
    (1_024..=4_096).contains(&cpu_units) && offers(cpu_units, memory_mib)
}

/// CPU units from `256`, `.25 vCPU` or `1vcpu`.
pub fn cpu_units(s: &str) -> Option<u32> {
    quantity(s, "vcpu")
}

/// MiB from `512`, `0.5GB` or `1 gb`.
pub fn memory_mib(s: &str) -> Option<u32> {
    quantity(s, "gb")
}

/// A whole number of units, or a decimal number of 1024 units with its suffix.
fn quantity(s: &str, suffix: &str) -> Option<u32> {
    let s = s.trim().to_ascii_lowercase();
    let Some(number) = s.strip_suffix(suffix) else {
        return s
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| s.parse().ok())
            .flatten();
    };
    let number = number.trim();
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = plain.then(|| number.parse().ok()).flatten()?;
    let units = value * 1024.0;
    (units <= f64::from(u32::MAX)).then_some(units.round() as u32)
}
