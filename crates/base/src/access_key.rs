//! Ids of access keys: `AKIA` (long-term) or `ASIA` (temporary) and 16 characters of base32, which
//! hold the number of the account: 40 bits behind the first
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).

use crate::{AccountId, Rng};
use data_encoding::BASE32;

/// Bits behind the account's number in the first six bytes.
const BELOW: u32 = 7;
/// No account's number is longer.
const ACCOUNT: u64 = (1 << 40) - 1;

/// The id of a new long-term key of the account.
pub fn issue(account: &AccountId, rng: &Rng) -> String {
    id("AKIA", account, rng)
}

/// The id of a new temporary key of the account.
pub fn issue_temporary(account: &AccountId, rng: &Rng) -> String {
    id("ASIA", account, rng)
}

fn id(kind: &str, account: &AccountId, rng: &Rng) -> String {
    let number: u64 = account.as_str().parse().unwrap_or_default();
    let head = (rng.u64() >> 16) & !(ACCOUNT << BELOW) | number << BELOW;
    let mut bytes = [0; 10];
    rng.fill(&mut bytes);
    bytes[..6].copy_from_slice(&head.to_be_bytes()[2..]);
    format!("{kind}{}", BASE32.encode(&bytes))
}

/// The account of a key with this id. `None`: AWS issues no such ids.
pub fn account(id: &str) -> Option<AccountId> {
    let rest = id
        .strip_prefix("AKIA")
        .or_else(|| id.strip_prefix("ASIA"))?;
    let bytes = BASE32.decode(rest.as_bytes()).ok()?;
    let head: [u8; 6] = bytes.get(..6)?.try_into().ok()?;
    let head = head.iter().fold(0, |head, b| head << 8 | u64::from(*b));
    format!("{:012}", head >> BELOW & ACCOUNT).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_their_account() {
        // The first is the documentation's example, the others have been published with theirs.
        let known = [
            ("AKIAIOSFODNN7EXAMPLE", "581039954779"),
            ("ASIAY34FZKBOKMUTVV7A", "609629065308"),
            ("ASIAQNZGKIQY56JQ7WML", "029608264753"),
        ];
        for (id, number) in known {
            assert_eq!(account(id).expect(id).as_str(), number);
        }
        for bad in [
            "",
            "AKIA",
            "AKIA0123456789ABCDEF",
            "AIDAIOSFODNN7EXAMPLE",
            "AKIAIOSFODNN7EXAMPL",
        ] {
            assert_eq!(account(bad), None, "{bad}");
        }
        let rng = Rng::seeded(1);
        for number in ["000000000000", "123456789012", "999999999999"] {
            let wanted: AccountId = number.parse().expect("an account");
            let id = issue(&wanted, &rng);
            assert_eq!((id.len(), account(&id)), (20, Some(wanted)));
        }
    }
}
