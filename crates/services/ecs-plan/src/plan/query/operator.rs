//! The operators, their spellings, and which subject takes which.

use super::Invalid;
use super::scan::Scan;

/// A comparison of two values that have an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What stands between subject and argument. The flag is true for the positive form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Compare(Compare),
    Exists(bool),
    In(bool),
    Matches(bool),
}

/// Longer spellings before their prefixes.
const SYMBOLS: &[(&str, Operator)] = &[
    ("==", Operator::Compare(Compare::Equal)),
    ("=~", Operator::Matches(true)),
    ("!=", Operator::Compare(Compare::NotEqual)),
    ("!~", Operator::Matches(false)),
    (">=", Operator::Compare(Compare::GreaterOrEqual)),
    (">", Operator::Compare(Compare::Greater)),
    ("<=", Operator::Compare(Compare::LessOrEqual)),
    ("<", Operator::Compare(Compare::Less)),
];

const WORDS: &[(&str, Operator)] = &[
    ("equals", Operator::Compare(Compare::Equal)),
    ("not_equals", Operator::Compare(Compare::NotEqual)),
    ("greater_than", Operator::Compare(Compare::Greater)),
    (
        "greater_than_equal",
        Operator::Compare(Compare::GreaterOrEqual),
    ),
    ("less_than", Operator::Compare(Compare::Less)),
    ("less_than_equal", Operator::Compare(Compare::LessOrEqual)),
    ("exists", Operator::Exists(true)),
    ("not_exists", Operator::Exists(false)),
    ("in", Operator::In(true)),
    ("not_in", Operator::In(false)),
    ("matches", Operator::Matches(true)),
    ("not_matches", Operator::Matches(false)),
];

impl Operator {
    pub(super) fn read(scan: &mut Scan<'_>) -> Result<Operator, Invalid> {
        for (symbol, operator) in SYMBOLS {
            if scan.symbol(symbol) {
                return Ok(*operator);
            }
        }
        let negated = scan.rest().starts_with('!');
        let mut word = scan.clone();
        if negated {
            word.advance(1);
        }
        let spelled = word.peek_word();
        let found = WORDS.iter().find(|(w, _)| *w == spelled).map(|(_, o)| *o);
        let operator = match (negated, found) {
            (false, Some(operator)) => operator,
            (true, Some(Operator::Exists(true))) => Operator::Exists(false),
            (true, Some(Operator::In(true))) => Operator::In(false),
            _ if spelled.is_empty() => return Err(scan.expected("an operator")),
            _ => return Err(scan.invalid(format!("unknown operator '{spelled}'"))),
        };
        scan.advance(spelled.len() + usize::from(negated));
        Ok(operator)
    }

    /// The operators of `agentConnected` and `ec2InstanceId`.
    pub(super) fn is_of_words(self) -> bool {
        match self {
            Operator::Compare(c) => matches!(c, Compare::Equal | Compare::NotEqual),
            Operator::In(_) | Operator::Matches(_) => true,
            Operator::Exists(_) => false,
        }
    }
}

impl Compare {
    pub(super) fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Compare::Equal => left == right,
            Compare::NotEqual => left != right,
            Compare::Greater => left > right,
            Compare::GreaterOrEqual => left >= right,
            Compare::Less => left < right,
            Compare::LessOrEqual => left <= right,
        }
    }
}
