//! Reads filter policies, within AWS's limits
//! (<https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>). The
//! sentences are AWS's, without the place in the text that its parser adds.

use super::matcher::{Comparison, Matcher, wildcard_parts};
use super::{All, On, Term};
use serde_json::{Map, Value};

const MOST_KEYS: usize = 5;
const MOST_COMBINATIONS: usize = 150;
/// AWS's own.
const MOST_BYTES: usize = 256 << 10;
/// Objects within objects: deeper is too complex in any case, each level multiplies.
const DEEPEST: usize = MOST_COMBINATIONS;

pub(super) fn policy(text: &str, on: On) -> Result<All, String> {
    let unreadable = "FilterPolicy: failed to parse JSON.";
    if text.len() > MOST_BYTES {
        return Err("FilterPolicy: Filter policy is too complex".into());
    }
    let value: Value = serde_json::from_str(text).map_err(|_| unreadable.to_owned())?;
    let Value::Object(object) = value else {
        return Err(unreadable.into());
    };
    if object.len() > MOST_KEYS {
        return Err("FilterPolicy: Filter policy can not have more than 5 keys".into());
    }
    let mut reader = Reader { on };
    let mut combinations = 1;
    let all = reader.all(object, 1, &mut combinations)?;
    if combinations > MOST_COMBINATIONS {
        return Err("FilterPolicy: Filter policy is too complex".into());
    }
    Ok(all)
}

struct Reader {
    on: On,
}

impl Reader {
    fn all(
        &mut self,
        object: Map<String, Value>,
        depth: usize,
        combinations: &mut usize,
    ) -> Result<All, String> {
        if self.on == On::Attributes && depth > 1 {
            return Err(
                "Filter policy scope MessageAttributes does not support nested filter policy"
                    .into(),
            );
        }
        if depth > DEEPEST {
            return Err("FilterPolicy: Filter policy is too complex".into());
        }
        let mut terms = Vec::new();
        for (key, value) in object {
            terms.push(match value {
                Value::Object(within) => {
                    Term::Within(key, self.all(within, depth + 1, combinations)?)
                }
                Value::Array(all) if all.is_empty() => {
                    return Err("FilterPolicy: Empty arrays are not allowed".into());
                }
                Value::Array(all) if key == "$or" && all.len() > 1 && is_of_objects(&all) => {
                    let (before, mut together) = (*combinations, 0usize);
                    let mut either = Vec::new();
                    for one in all {
                        let Value::Object(one) = one else { continue };
                        let mut own = before;
                        either.push(self.all(one, depth, &mut own)?);
                        together = together.saturating_add(own);
                    }
                    *combinations = together;
                    Term::Either(either)
                }
                Value::Array(all) => {
                    let factor = all.len().saturating_mul(depth);
                    *combinations = combinations.saturating_mul(factor);
                    let matchers: Result<_, String> = all.into_iter().map(matcher).collect();
                    Term::Field(key, matchers?)
                }
                _ => {
                    return Err(format!(
                        "FilterPolicy: \"{key}\" must be an object or an array"
                    ));
                }
            });
        }
        Ok(All(terms))
    }
}

fn is_of_objects(all: &[Value]) -> bool {
    all.iter().all(Value::is_object)
}

fn matcher(value: Value) -> Result<Matcher, String> {
    match simple(&value) {
        Some(matcher) => return Ok(matcher),
        None if !value.is_object() => {
            return Err(
                "FilterPolicy: Match value must be String, number, true, false, or null".into(),
            );
        }
        None => {}
    }
    let (operator, operand) = only(&value)
        .ok_or_else(|| "FilterPolicy: Only one key allowed in match expression".to_owned())?;
    match operator {
        "exists" => operand.as_bool().map(Matcher::Exists).ok_or_else(|| {
            "FilterPolicy: exists match pattern must be either true or false.".into()
        }),
        "numeric" => numeric(operand),
        "cidr" => cidr(operand),
        "anything-but" => anything_but(operand),
        _ => textual(operator, operand)
            .unwrap_or_else(|| Err(format!("FilterPolicy: Unrecognized match type {operator}"))),
    }
}

fn simple(value: &Value) -> Option<Matcher> {
    Some(match value {
        Value::Null => Matcher::Null,
        Value::Bool(is) => Matcher::Bool(*is),
        Value::String(text) => Matcher::Text(text.clone()),
        Value::Number(number) => Matcher::Number(number.as_f64()?),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

fn only(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|o| o.len() == 1)?;
    object.iter().next().map(|(k, v)| (k.as_str(), v))
}

/// What compares texts; `None`: another operator.
fn textual(operator: &str, operand: &Value) -> Option<Result<Matcher, String>> {
    let make: fn(String) -> Matcher = match operator {
        "prefix" => Matcher::Prefix,
        "suffix" => Matcher::Suffix,
        "wildcard" => Matcher::Wildcard,
        "equals-ignore-case" => |text| Matcher::IgnoringCase(text.to_lowercase()),
        _ => return None,
    };
    let Some(text) = operand.as_str() else {
        let why = format!("FilterPolicy: {operator} match pattern must be a string");
        return Some(Err(why));
    };
    if operator == "wildcard" {
        if wildcard_parts(text).is_none() {
            return Some(Err("FilterPolicy: Invalid escape character".into()));
        }
        if text.contains("**") {
            let why = "FilterPolicy: Consecutive wildcard characters are not allowed";
            return Some(Err(why.into()));
        }
    }
    Some(Ok(make(text.to_owned())))
}

fn anything_but(operand: &Value) -> Result<Matcher, String> {
    let none = match operand {
        Value::Array(all) if all.is_empty() => {
            return Err("FilterPolicy: Empty arrays are not allowed".into());
        }
        Value::Array(all) => {
            let all: Option<Vec<Matcher>> = all.iter().map(simple).collect();
            all.ok_or_else(|| {
                "FilterPolicy: Inside anything-but list, start|null|boolean is not supported."
                    .to_owned()
            })?
        }
        Value::Object(_) => {
            let (operator, operand) = only(operand).ok_or_else(|| {
                "FilterPolicy: Only one key allowed in match expression".to_owned()
            })?;
            let operands = match operand {
                Value::Array(all) if !all.is_empty() => all.iter().collect(),
                one => vec![one],
            };
            let unsupported =
                || format!("FilterPolicy: Unsupported anything-but pattern: {operator}");
            let read = operands
                .into_iter()
                .map(|operand| textual(operator, operand).ok_or_else(unsupported)?);
            read.collect::<Result<Vec<Matcher>, String>>()?
        }
        one => vec![simple(one).ok_or("FilterPolicy: Unsupported anything-but pattern")?],
    };
    Ok(Matcher::AnythingBut(none))
}

fn numeric(operand: &Value) -> Result<Matcher, String> {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let terms = operand.as_array().map_or(&[][..], Vec::as_slice);
    let Some((first, rest)) = terms.split_first() else {
        return Err("FilterPolicy: Invalid member in numeric match: ]".into());
    };
    let Some(operator) = first.as_str() else {
        let why = format!(
            "FilterPolicy: Invalid member in numeric match: {}",
            shown(first)
        );
        return Err(why);
    };
    let Some(comparison) = Comparison::of(operator) else {
        let why = format!("FilterPolicy: Unrecognized numeric range operator: {operator}");
        return Err(why);
    };
    let bound = |operator: &str, value: Option<&Value>| {
        value.and_then(Value::as_f64).ok_or_else(|| {
            let called = if operator == "=" { "equals" } else { operator };
            format!("FilterPolicy: Value of {called} must be numeric")
        })
    };
    let low = bound(operator, rest.first())?;
    let mut all = vec![(comparison, low)];
    let Some(second) = rest.get(1) else {
        return Ok(Matcher::Numeric(all));
    };
    if !matches!(comparison, Comparison::More | Comparison::MoreOrEqual) {
        return Err("FilterPolicy: Too many elements in numeric expression".into());
    }
    let Some(operator) = second.as_str() else {
        let why = format!(
            "FilterPolicy: Bad value in numeric range: {}",
            shown(second)
        );
        return Err(why);
    };
    let comparison = Comparison::of(operator)
        .filter(|c| matches!(c, Comparison::Less | Comparison::LessOrEqual))
        .ok_or_else(|| format!("FilterPolicy: Bad numeric range operator: {operator}"))?;
    let high = bound(operator, rest.get(2))?;
    if high <= low {
        return Err("FilterPolicy: Bottom must be less than top".into());
    }
    if rest.len() > 3 {
        return Err("FilterPolicy: Too many terms in numeric range expression".into());
    }
    all.push((comparison, high));
    Ok(Matcher::Numeric(all))
}

fn cidr(operand: &Value) -> Result<Matcher, String> {
    let Some(text) = operand.as_str() else {
        return Err("FilterPolicy: prefix match pattern must be a string".into());
    };
    let parts: Vec<&str> = text.split('/').collect();
    let [address, bits] = parts[..] else {
        return Err("FilterPolicy: Malformed CIDR, one '/' required".into());
    };
    let bits: i64 = bits
        .parse()
        .map_err(|_| "FilterPolicy: Malformed CIDR, mask bits must be an integer".to_owned())?;
    let nonstandard = || format!("FilterPolicy: Nonstandard IP address: {address}");
    let network: std::net::IpAddr = address.parse().map_err(|_| nonstandard())?;
    let most = if network.is_ipv4() { 32 } else { 128 };
    match u8::try_from(bits) {
        Ok(bits) if bits <= most => Ok(Matcher::Cidr(network, bits)),
        _ => Err(format!(
            "FilterPolicy: Malformed CIDR, mask bits must be between 0 and {most}"
        )),
    }
}
