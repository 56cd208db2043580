//! Amounts as Compose writes them, and the sizes of tasks that Fargate has. Pure.

/// Bytes: `512m`, `1gb`, `1073741824`, `0.5G`.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let factor: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size that somebody wrote: small, and not negative"
    )]
    let bytes = (number * factor as f64) as u64;
    Some(bytes)
}

/// Mebibytes, rounded up.
pub fn mib(text: &str) -> Option<u64> {
    Some(bytes(text)?.div_ceil(1 << 20))
}

/// Thousandths of a second: `1m30s`, `500ms`, `1h`; a bare number is seconds.
pub fn millis(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    if let Ok(seconds) = rest.parse::<u64>() {
        return seconds.checked_mul(1_000);
    }
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "us" => 0.001,
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[end..];
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration that somebody wrote"
    )]
    let whole = (total.is_finite() && total < 1e12).then_some(total.round() as u64);
    whole
}

/// Seconds, rounded up.
pub fn seconds(text: &str) -> Option<u64> {
    Some(millis(text)?.div_ceil(1_000))
}

/// CPU units of 1/1024: `0.5`, `2`.
pub fn cpu_units(text: &str) -> Option<u64> {
    let cpus: f64 = text.trim().parse().ok()?;
    if !(0.0..=1_000.0).contains(&cpus) {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is in the range above"
    )]
    let units = (cpus * 1024.0).ceil() as u64;
    Some(units)
}

/// What Fargate has: CPU units, and the memory in MiB from, to, in steps of
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>).
const SIZES: [(u64, u64, u64, u64); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// The smallest task that has so much: CPU units and MiB.
pub fn fargate(cpu_units: u64, mib: u64) -> Option<(u64, u64)> {
    let mut fitting = SIZES.into_iter().filter_map(|(cpu, from, to, step)| {
        // The smallest has steps of its own: 512, 1024, 2048.
        let memory = match (cpu, mib) {
            (256, 1_025..=2_048) => 2_048,
            _ => from.max(mib.div_ceil(step) * step),
        };
        (cpu >= cpu_units && memory <= to).then_some((cpu, memory))
    });
    fitting.next()
}
