//! Codes that a device shows one after the other, each for half a minute (RFC 6238, over HMAC-SHA-1,
//! six digits), as virtual MFA devices have them.

use neargate_base::Timestamp;
use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;

/// So far from ours may a device's clock be when it is enabled or brought in step: a day.
const FAR: i64 = 24 * 60 * 60 / STEP_SECONDS;
/// And so many codes away may one be that is shown later.
const NEAR: i64 = 1;

/// Which half minute it is.
pub fn step(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(STEP_SECONDS * 1_000)
}

/// The code of a half minute.
pub fn code(seed: &[u8], step: i64) -> String {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = sign(&key, &step.to_be_bytes());
    let digest = tag.as_ref();
    // The last four bits say where the code is taken from (RFC 4226, section 5.3).
    let at = usize::from(digest[digest.len() - 1] & 0xf);
    let bytes = [
        digest[at] & 0x7f,
        digest[at + 1],
        digest[at + 2],
        digest[at + 3],
    ];
    let number = u32::from_be_bytes(bytes) % 10u32.pow(6);
    format!("{number:0DIGITS$}")
}

/// How far ahead of ours the device's clock is that showed these two codes, one after the other.
pub fn ahead(seed: &[u8], (first, second): (&str, &str), now: Timestamp) -> Option<i64> {
    let now = step(now);
    // The second of them is shown now, the first half a minute ago; the nearest clock is meant.
    let mut steps = (0..=FAR).flat_map(|far| [far, -far]);
    steps.find(|ahead| code(seed, now + ahead) == second && code(seed, now + ahead - 1) == first)
}

/// The half minute of the device whose code this is, if it may be shown now.
pub fn shown(seed: &[u8], given: &str, ahead: i64, now: Timestamp) -> Option<i64> {
    let middle = step(now) + ahead;
    (middle - NEAR..=middle + NEAR).find(|step| code(seed, *step) == given)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn the_codes_of_the_rfc() {
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let at = step(Timestamp::from_millis(seconds * 1_000));
            assert_eq!(code(SEED, at), expected, "{seconds}");
        }
    }

    #[test]
    fn clocks_may_differ() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let two = (code(SEED, step(now) + 9), code(SEED, step(now) + 10));
        assert_eq!(ahead(SEED, (&two.0, &two.1), now), Some(10));
        assert_eq!(ahead(SEED, (&two.1, &two.0), now), None);
        let given = code(SEED, step(now) + 11);
        assert_eq!(shown(SEED, &given, 10, now), Some(step(now) + 11));
        assert_eq!(shown(SEED, &given, 0, now), None);
    }
}
