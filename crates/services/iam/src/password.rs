//! Passwords: which ones the account takes, and how they are kept
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html>).

use crate::model::PasswordPolicy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_base::Rng;
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA512};
use std::num::NonZeroU32;

/// OWASP's number for PBKDF2 with HMAC-SHA512. A hash says how many it took, and tests take few.
const ROUNDS: NonZeroU32 =
    NonZeroU32::new(if cfg!(test) { 1_000 } else { 210_000 }).expect("more than none");
const HASH_BYTES: usize = 64;
const SALT_BYTES: usize = 16;
/// What the text of a hash begins with.
const FORM: &str = "pbkdf2-sha512";

/// What AWS takes where the account says nothing: eight characters of three kinds.
const DEFAULT_KINDS: usize = 3;
const DEFAULT_LENGTH: usize = 8;
pub const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// `pbkdf2-sha512$ROUNDS$SALT$HASH` of a password.
pub fn hash(password: &str, rng: &Rng) -> String {
    let mut salt = [0; SALT_BYTES];
    rng.fill(&mut salt);
    let mut hash = [0; HASH_BYTES];
    pbkdf2::derive(
        PBKDF2_HMAC_SHA512,
        ROUNDS,
        &salt,
        password.as_bytes(),
        &mut hash,
    );
    let (salt, hash) = (STANDARD.encode(salt), STANDARD.encode(hash));
    format!("{FORM}${ROUNDS}${salt}${hash}")
}

/// Is it the password of this hash?
pub fn is(password: &str, hash: &str) -> bool {
    let mut parts = hash.split('$');
    let known = parts.next() == Some(FORM);
    let rounds = parts.next().and_then(|r| r.parse().ok());
    let salt = parts.next().and_then(|s| STANDARD.decode(s).ok());
    let wanted = parts.next().and_then(|h| STANDARD.decode(h).ok());
    match (known, rounds, salt, wanted) {
        (true, Some(rounds), Some(salt), Some(wanted)) => {
            let bytes = password.as_bytes();
            pbkdf2::verify(PBKDF2_HMAC_SHA512, rounds, &salt, bytes, &wanted).is_ok()
        }
        _ => false,
    }
}

/// Does the account take it?
pub fn conforms(password: &str, user: &str, policy: Option<&PasswordPolicy>) -> bool {
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let (lower, upper) = (
        has(|c| c.is_ascii_lowercase()),
        has(|c| c.is_ascii_uppercase()),
    );
    let (digit, symbol) = (has(|c| c.is_ascii_digit()), has(|c| SYMBOLS.contains(c)));
    let length = password.chars().count();
    match policy {
        Some(policy) => {
            let long = usize::try_from(policy.minimum_length).is_ok_and(|least| length >= least);
            long && (lower || !policy.lowercase)
                && (upper || !policy.uppercase)
                && (digit || !policy.numbers)
                && (symbol || !policy.symbols)
        }
        None => {
            let kinds = [lower, upper, digit, symbol];
            length >= DEFAULT_LENGTH
                && kinds.iter().filter(|k| **k).count() >= DEFAULT_KINDS
                && !password.eq_ignore_ascii_case(user)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password() {
        let rng = Rng::seeded(1);
        let kept = hash("Correct-Horse-1", &rng);
        assert!(is("Correct-Horse-1", &kept));
        assert!(!is("correct-horse-1", &kept));
        assert!(!is("", "pbkdf2-sha512$x") && !is("a", ""));
        assert_ne!(kept, hash("Correct-Horse-1", &rng), "salted");
    }

    #[test]
    fn accounts_take_what_their_policy_says() {
        assert!(conforms("Abcdefg1", "ann", None));
        for bad in ["Abcdef1", "abcdefgh", "abcdefg1", ""] {
            assert!(!conforms(bad, "ann", None), "{bad}");
        }
        assert!(!conforms("Ann12345", "ann12345", None));
        let policy = PasswordPolicy {
            minimum_length: 10,
            symbols: true,
            numbers: false,
            uppercase: false,
            lowercase: true,
            users_may_change: false,
            max_age_days: None,
            remembered: None,
            hard_expiry: None,
        };
        assert!(conforms("abcdefghi!", "ann", Some(&policy)));
        assert!(!conforms("abcdefghij", "ann", Some(&policy)));
        assert!(!conforms("abcdefg!", "ann", Some(&policy)));
    }
}
