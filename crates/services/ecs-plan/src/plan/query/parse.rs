//! From text to a tree of tests, by recursive descent.

use super::eval::{Field, Node, Test, Value};
use super::operator::{Compare, Operator};
use super::scan::Scan;
use super::{Invalid, MAX_CHARS};
use neargate_base::Timestamp;
use regex::{Regex, RegexBuilder};

/// How deep parentheses and negations nest: parsing, evaluation and drop recurse.
const MAX_DEPTH: u32 = 64;
/// The patterns of one expression: more are refused. AWS documents no bound of its own.
const MAX_PATTERNS: usize = 8;
/// The compiled size of one pattern, in bytes; a larger one is refused.
const MAX_PATTERN_BYTES: usize = 1 << 17;

pub(super) fn expression(source: &str) -> Result<Node, Invalid> {
    let mut scan = Scan::new(source);
    if source.chars().count() > MAX_CHARS {
        return Err(scan.invalid(format!("longer than {MAX_CHARS} characters")));
    }
    let node = or(&mut scan, 0)?;
    scan.skip_space();
    match scan.at_end() {
        true => Ok(node),
        false => Err(scan.expected("'and', 'or' or the end")),
    }
}

fn or(scan: &mut Scan<'_>, depth: u32) -> Result<Node, Invalid> {
    let mut any = vec![and(scan, depth)?];
    loop {
        scan.skip_space();
        if !(scan.symbol("||") || scan.keyword("or")) {
            break;
        }
        any.push(and(scan, depth)?);
    }
    Ok(match any.len() {
        1 => any.remove(0),
        _ => Node::Any(any),
    })
}

fn and(scan: &mut Scan<'_>, depth: u32) -> Result<Node, Invalid> {
    let mut all = vec![not(scan, depth)?];
    loop {
        scan.skip_space();
        if !(scan.symbol("&&") || scan.keyword("and")) {
            break;
        }
        all.push(not(scan, depth)?);
    }
    Ok(match all.len() {
        1 => all.remove(0),
        _ => Node::All(all),
    })
}

fn not(scan: &mut Scan<'_>, depth: u32) -> Result<Node, Invalid> {
    scan.skip_space();
    if depth > MAX_DEPTH {
        return Err(scan.invalid("nested too deep"));
    }
    if scan.symbol("!") || scan.keyword("not") {
        return Ok(Node::Not(Box::new(not(scan, depth + 1)?)));
    }
    if scan.symbol("(") {
        let inner = or(scan, depth + 1)?;
        scan.skip_space();
        return match scan.symbol(")") {
            true => Ok(inner),
            false => Err(scan.expected("')'")),
        };
    }
    test(scan).map(Node::Test)
}

fn test(scan: &mut Scan<'_>) -> Result<Test, Invalid> {
    let field = subject(scan)?;
    scan.skip_space();
    let before = scan.clone();
    let operator = Operator::read(scan)?;
    scan.skip_space();
    let unfit = |name: &str| before.invalid(format!("an operator that {name} does not take"));
    Ok(match field {
        Field::Attribute(_) | Field::TaskGroup => Test::Text(field, text(scan, operator)?),
        Field::AgentConnected | Field::Ec2InstanceId if operator.is_of_words() => {
            Test::Text(field, text(scan, operator)?)
        }
        Field::AgentConnected => return Err(unfit("agentConnected")),
        Field::Ec2InstanceId => return Err(unfit("ec2InstanceId")),
        Field::AgentVersion => {
            let compare = ordered(operator).ok_or_else(|| unfit("agentVersion"))?;
            Test::AgentVersion(compare, argument(scan, "a version", version)?)
        }
        Field::RegisteredAt => {
            let compare = ordered(operator).ok_or_else(|| unfit("registeredAt"))?;
            Test::RegisteredAt(compare, argument(scan, "a date", date)?)
        }
        Field::RunningTasksCount => {
            let compare = ordered(operator).ok_or_else(|| unfit("runningTasksCount"))?;
            let count = argument(scan, "a whole number", |v| v.parse::<i64>().ok())?;
            Test::RunningTasksCount(compare, count)
        }
    })
}

fn subject(scan: &mut Scan<'_>) -> Result<Field, Invalid> {
    let before = scan.clone();
    let name = scan.name();
    Ok(match name {
        "" => return Err(before.expected("a subject")),
        "agentConnected" => Field::AgentConnected,
        "agentVersion" => Field::AgentVersion,
        "ec2InstanceId" => Field::Ec2InstanceId,
        "registeredAt" => Field::RegisteredAt,
        "runningTasksCount" => Field::RunningTasksCount,
        "task:group" => Field::TaskGroup,
        _ => match name.strip_prefix("attribute:") {
            Some("") => return Err(scan.expected("an attribute's name")),
            Some(attribute) => Field::Attribute(attribute.to_owned()),
            None => return Err(before.invalid(format!("unknown subject '{name}'"))),
        },
    })
}

fn ordered(operator: Operator) -> Option<Compare> {
    match operator {
        Operator::Compare(compare) => Some(compare),
        Operator::Exists(_) | Operator::In(_) | Operator::Matches(_) => None,
    }
}

fn text(scan: &mut Scan<'_>, operator: Operator) -> Result<Value, Invalid> {
    Ok(match operator {
        Operator::Compare(compare) => Value::Compare(compare, scan.value()?),
        Operator::Exists(is) => Value::Exists(is),
        Operator::In(is) => Value::In(is, list(scan)?),
        Operator::Matches(is) => {
            let before = scan.clone();
            let pattern = scan.pattern()?;
            if scan.patterns() > MAX_PATTERNS {
                return Err(before.invalid(format!("more than {MAX_PATTERNS} patterns")));
            }
            Value::Matches(is, regex(&pattern).map_err(|e| before.invalid(e))?)
        }
    })
}

fn list(scan: &mut Scan<'_>) -> Result<Vec<String>, Invalid> {
    if !scan.symbol("[") {
        return Err(scan.expected("'['"));
    }
    let mut values = Vec::new();
    loop {
        scan.skip_space();
        values.push(scan.value()?);
        scan.skip_space();
        if scan.symbol("]") {
            return Ok(values);
        }
        if !scan.symbol(",") {
            return Err(scan.expected("',' or ']'"));
        }
    }
}

fn argument<T>(
    scan: &mut Scan<'_>,
    what: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, Invalid> {
    let before = scan.clone();
    let value = scan.value()?;
    read(&value).ok_or_else(|| before.invalid(format!("'{value}' is not {what}")))
}

/// AWS takes Java's patterns, matched against the whole value. What only Java has (look-around,
/// back-references) has no bound in time and is refused.
fn regex(pattern: &str) -> Result<Regex, String> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES)
            .nest_limit(MAX_DEPTH)
            .build()
    };
    // Alone first: a pattern such as `a)(b` must not close the group it is wrapped in.
    build(pattern)
        .and_then(|_| build(&format!("^(?:{pattern})$")))
        .map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => "a pattern that is too large".to_owned(),
            _ => format!("the pattern '{pattern}' is not supported or not well formed"),
        })
}

/// `1.14.5`, also with a leading `v`: its numbers.
pub(super) fn version(text: &str) -> Option<Vec<u64>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut numbers: Vec<u64> = text
        .split('.')
        .map(|n| n.parse().ok())
        .collect::<Option<_>>()?;
    // 1.2 and 1.2.0 are one version.
    while numbers.len() > 1 && numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}

/// The four documented forms; without an offset it is UTC.
fn date(text: &str) -> Option<Timestamp> {
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}
