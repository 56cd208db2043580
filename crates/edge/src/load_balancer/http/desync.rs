//! How dangerous a request is that two readers could understand in two ways, in the tiers of AWS
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#desync-mitigation-mode>;
//! their names are those of <https://github.com/aws/http-desync-guardian>).
//!
//! What is *severe* there never comes here: our reader refuses it, in every mode, and so it does with most
//! of what is ambiguous.

use super::head::Request;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    Compliant,
    Acceptable,
    Ambiguous,
}

/// A request's tier, and AWS's word for the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    pub tier: Tier,
    pub reason: &'static str,
}

impl Class {
    const COMPLIANT: Class = Class {
        tier: Tier::Compliant,
        reason: "Compliant",
    };

    const fn acceptable(reason: &'static str) -> Class {
        Class {
            tier: Tier::Acceptable,
            reason,
        }
    }

    const fn ambiguous(reason: &'static str) -> Class {
        Class {
            tier: Tier::Ambiguous,
            reason,
        }
    }

    /// Of a request that was taken, and whose body has a known end.
    pub fn of(request: &Request) -> Class {
        let mut lengths = 0;
        let mut has_length = None;
        let mut has_coding = false;
        let mut is_suspicious = false;
        for (name, value) in request.fields.iter() {
            if name.eq_ignore_ascii_case(CONTENT_LENGTH) {
                lengths += value.split(|byte| *byte == b',').count();
                has_length = Some(value.iter().any(|digit| matches!(digit, b'1'..=b'9')));
            } else if name.eq_ignore_ascii_case(TRANSFER_ENCODING) {
                has_coding = true;
            } else {
                is_suspicious |=
                    has_letters_of(name, CONTENT_LENGTH) || has_letters_of(name, TRANSFER_ENCODING);
            }
        }
        let has_no_body = matches!(request.method(), b"GET" | b"HEAD");
        match (has_length, has_coding) {
            _ if is_suspicious => Class::ambiguous("SuspiciousHeader"),
            _ if lengths > 1 => Class::ambiguous("DuplicateContentLength"),
            (Some(_), true) => Class::ambiguous("BothTeClPresent"),
            (_, true) if has_no_body => Class::ambiguous("UndefinedTransferEncodingSemantics"),
            (Some(true), _) if has_no_body => Class::ambiguous("UndefinedContentLengthSemantics"),
            (Some(false), _) if has_no_body => Class::acceptable("GetHeadZeroContentLength"),
            _ => Class::COMPLIANT,
        }
    }
}

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// Would a reader that drops or changes signs take this name for the other one?
fn has_letters_of(name: &[u8], other: &[u8]) -> bool {
    // Most names are told apart by this alone.
    if name.len() + 1 < other.len() {
        return false;
    }
    let is_sign = |byte: &&u8| !byte.is_ascii_alphanumeric();
    let letters = |text: &[u8]| -> Vec<u8> {
        let letters = text.iter().filter(|byte| !is_sign(byte));
        letters.map(u8::to_ascii_lowercase).collect()
    };
    let begins_alike =
        |at: usize| name.get(at).map(u8::to_ascii_lowercase) == other.first().copied();
    let first = name.iter().take_while(is_sign).count();
    begins_alike(first) && letters(name) == letters(other)
}
