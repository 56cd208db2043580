//! Where an event stands in its log group.

use super::codec::{Input, Malformed, put_number, put_signed};

/// An event's place in its group: by time, then by arrival. Unique, and stable for ever:
/// event ids and paging tokens are made of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub millis: i64,
    pub ordinal: u64,
}

impl Position {
    pub const MIN: Position = Position {
        millis: 0,
        ordinal: 0,
    };
    pub const MAX: Position = Position {
        millis: i64::MAX,
        ordinal: u64::MAX,
    };

    /// Before every event of this millisecond; negative times count as the epoch.
    pub fn at(millis: i64) -> Position {
        Position {
            millis: millis.max(0),
            ordinal: 0,
        }
    }

    /// The place directly behind this one.
    pub fn next(self) -> Position {
        match self.ordinal.checked_add(1) {
            Some(ordinal) => Position { ordinal, ..self },
            None => Position {
                millis: self.millis.saturating_add(1),
                ordinal: 0,
            },
        }
    }

    /// 56 decimal digits, the form AWS's event ids have.
    pub fn digits(self) -> String {
        format!("3{:055}", self.bits())
    }

    /// The position that [`Position::digits`] wrote.
    pub fn parse(digits: &str) -> Option<Position> {
        let number = digits.strip_prefix('3').filter(|d| d.len() == 55)?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let bits: u128 = number.parse().ok()?;
        let millis = i64::try_from(bits >> 64).ok()?;
        Some(Position {
            millis,
            ordinal: bits as u64,
        })
    }

    /// One number in the same order.
    pub(super) fn bits(self) -> u128 {
        (self.millis.max(0) as u128) << 64 | u128::from(self.ordinal)
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        put_signed(out, self.millis);
        put_number(out, self.ordinal);
    }

    pub(super) fn get(input: &mut Input<'_>) -> Result<Position, Malformed> {
        Ok(Position {
            millis: input.signed()?,
            ordinal: input.number()?,
        })
    }
}
