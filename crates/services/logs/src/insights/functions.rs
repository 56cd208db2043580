//! The functions of expressions
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html>).

use super::value::Value;
use serde_json::Value as Json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A function, and how it is called.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    pub name: &'static str,
    /// Arguments, at least and at most.
    pub arity: (usize, usize),
    apply: fn(&[Value]) -> Value,
}

impl Function {
    pub fn named(name: &str) -> Option<Function> {
        let same = |f: &&Function| f.name.eq_ignore_ascii_case(name);
        FUNCTIONS.iter().find(same).copied()
    }

    pub fn apply(&self, arguments: &[Value]) -> Value {
        (self.apply)(arguments)
    }
}

const ANY: usize = 64;
/// The longest text that a function makes; what would be longer is nothing.
const MAX_TEXT_BYTES: usize = 1 << 20;

const fn function(
    name: &'static str,
    least: usize,
    most: usize,
    apply: fn(&[Value]) -> Value,
) -> Function {
    Function {
        name,
        arity: (least, most),
        apply,
    }
}

static FUNCTIONS: [Function; 44] = [
    function("abs", 1, 1, |a| number(a, f64::abs)),
    function("ceil", 1, 1, |a| number(a, f64::ceil)),
    function("floor", 1, 1, |a| number(a, f64::floor)),
    function("log", 1, 1, |a| number(a, f64::ln)),
    function("sqrt", 1, 1, |a| number(a, f64::sqrt)),
    function("greatest", 1, ANY, |a| extreme(a, f64::max)),
    function("least", 1, ANY, |a| extreme(a, f64::min)),
    function("toMillis", 1, 1, |a| number(a, |n| n)),
    function("fromMillis", 1, 1, |a| {
        a[0].number()
            .map_or(Value::Null, |n| Value::Moment(n as i64))
    }),
    function("if", 3, 3, |a| {
        if a[0].holds() {
            a[1].clone()
        } else {
            a[2].clone()
        }
    }),
    function("case", 2, ANY, |a| {
        let (pairs, rest) = a.as_chunks::<2>();
        let met = pairs.iter().find(|[condition, _]| condition.holds());
        let met = met.map(|[_, value]| value.clone());
        met.or_else(|| rest.first().cloned()).unwrap_or(Value::Null)
    }),
    function("round", 1, 2, |a| {
        let places = a.get(1).and_then(Value::number).unwrap_or(0.0);
        let scale = 10_f64.powf(places.clamp(-15.0, 15.0).trunc());
        number(a, |n| (n * scale).round() / scale)
    }),
    function("toNumber", 1, 1, |a| number(a, |n| n)),
    function("toDouble", 1, 1, |a| number(a, |n| n)),
    function("toInt", 1, 1, |a| number(a, f64::trunc)),
    function("toLong", 1, 1, |a| number(a, f64::trunc)),
    function("isPrivateIp", 1, 1, |a| {
        flag(matches!(address(&a[0]), Some(IpAddr::V4(ip)) if ip.is_private()))
    }),
    function("isPresent", 1, 1, |a| Value::Bool(!a[0].is_null())),
    function("coalesce", 1, ANY, |a| {
        a.iter()
            .find(|v| !v.is_null())
            .cloned()
            .unwrap_or(Value::Null)
    }),
    function("jsonParse", 1, 1, json_parse),
    function("jsonStringify", 1, 1, |a| match &a[0] {
        Value::Null => Value::Null,
        value => Value::text(&value.to_json().to_string()),
    }),
    function("isValidIp", 1, 1, |a| flag(address(&a[0]).is_some())),
    function("isValidIpv4", 1, 1, |a| {
        flag(matches!(address(&a[0]), Some(IpAddr::V4(_))))
    }),
    function("isValidIpv6", 1, 1, |a| {
        flag(matches!(address(&a[0]), Some(IpAddr::V6(_))))
    }),
    function("isIpInSubnet", 2, 2, |a| flag(in_subnet(&a[0], &a[1]))),
    function("isIpv4InSubnet", 2, 2, |a| {
        flag(matches!(address(&a[0]), Some(IpAddr::V4(_))) && in_subnet(&a[0], &a[1]))
    }),
    function("isIpv6InSubnet", 2, 2, |a| {
        flag(matches!(address(&a[0]), Some(IpAddr::V6(_))) && in_subnet(&a[0], &a[1]))
    }),
    function("isEmpty", 1, 1, |a| flag(a[0].to_string().is_empty())),
    function("isBlank", 1, 1, |a| {
        flag(a[0].to_string().trim().is_empty())
    }),
    function("concat", 1, ANY, |a| {
        let whole: String = a.iter().map(Value::to_string).collect();
        if whole.len() > MAX_TEXT_BYTES {
            Value::Null
        } else {
            Value::text(&whole)
        }
    }),
    function("trim", 1, 2, |a| trimmed(a, true, true)),
    function("ltrim", 1, 2, |a| trimmed(a, true, false)),
    function("rtrim", 1, 2, |a| trimmed(a, false, true)),
    function("strlen", 1, 1, |a| match &a[0] {
        Value::Null => Value::Null,
        value => Value::Number(value.to_string().chars().count() as f64),
    }),
    function("toupper", 1, 1, |a| text(a, |t| t.to_uppercase())),
    function("tolower", 1, 1, |a| text(a, |t| t.to_lowercase())),
    function("upper", 1, 1, |a| text(a, |t| t.to_uppercase())),
    function("lower", 1, 1, |a| text(a, |t| t.to_lowercase())),
    function("substr", 2, 3, substr),
    function("replace", 3, 3, |a| {
        let (search, by) = (a[1].to_string(), a[2].to_string());
        let whole = a[0].to_string();
        let count = match search.as_str() {
            "" => 0,
            search => whole.matches(search).count(),
        };
        match count {
            0 => a[0].clone(),
            n if whole.len() + n * by.len() > MAX_TEXT_BYTES => Value::Null,
            _ => Value::text(&whole.replace(&search, &by)),
        }
    }),
    // AWS takes a third argument, which changes nothing there, either.
    function("strcontains", 2, 3, |a| {
        flag(!a[0].is_null() && a[0].to_string().contains(&a[1].to_string()))
    }),
    function("startsWith", 2, 2, |a| {
        flag(!a[0].is_null() && a[0].to_string().starts_with(&a[1].to_string()))
    }),
    function("endsWith", 2, 2, |a| {
        flag(!a[0].is_null() && a[0].to_string().ends_with(&a[1].to_string()))
    }),
    // The parser puts the query's own time there.
    function("now", 1, 1, |a| a[0].clone()),
];

fn flag(flag: bool) -> Value {
    Value::Bool(flag)
}

/// A number, if it is one: a root of a negative number is none.
pub(super) fn finite(number: f64) -> Value {
    if number.is_finite() {
        Value::Number(number)
    } else {
        Value::Null
    }
}

fn number(a: &[Value], apply: impl Fn(f64) -> f64) -> Value {
    a[0].number().map_or(Value::Null, |n| finite(apply(n)))
}

fn extreme(a: &[Value], choose: fn(f64, f64) -> f64) -> Value {
    let numbers = a.iter().filter_map(Value::number);
    numbers.reduce(choose).map_or(Value::Null, Value::Number)
}

fn text(a: &[Value], apply: impl Fn(&str) -> String) -> Value {
    match &a[0] {
        Value::Null => Value::Null,
        value => Value::text(&apply(&value.to_string())),
    }
}

/// Of what stands at the beginning or the end: space, or the characters of the second argument.
fn trimmed(a: &[Value], left: bool, right: bool) -> Value {
    let characters = a.get(1).map(Value::to_string);
    let goes = |c: char| match &characters {
        Some(characters) => characters.contains(c),
        None => c.is_whitespace(),
    };
    text(a, |text| {
        let text = if left {
            text.trim_start_matches(goes)
        } else {
            text
        };
        let text = if right {
            text.trim_end_matches(goes)
        } else {
            text
        };
        text.to_owned()
    })
}

/// From a place that counts from 0, of a length.
fn substr(a: &[Value]) -> Value {
    let place = |value: &Value| value.number().map(|n| n.max(0.0) as usize);
    let Some(start) = place(&a[1]) else {
        return Value::Null;
    };
    let length = match a.get(2) {
        None => usize::MAX,
        Some(length) => match place(length) {
            Some(length) => length,
            None => return Value::Null,
        },
    };
    text(a, |text| text.chars().skip(start).take(length).collect())
}

fn json_parse(a: &[Value]) -> Value {
    match &a[0] {
        Value::Text(text) => match serde_json::from_str::<Json>(text) {
            Ok(json @ (Json::Array(_) | Json::Object(_))) => Value::Structure(Arc::new(json)),
            Ok(json) => Value::of_json(&json),
            Err(_) => Value::Null,
        },
        value => value.clone(),
    }
}

fn address(value: &Value) -> Option<IpAddr> {
    value.to_string().trim().parse().ok()
}

/// `192.0.2.0/24`, or a single address.
fn in_subnet(value: &Value, subnet: &Value) -> bool {
    let subnet = subnet.to_string();
    let (network, bits) = match subnet.split_once('/') {
        Some((network, bits)) => (network, bits.parse().ok()),
        None => (subnet.as_str(), Some(128)),
    };
    let (Some(address), Ok(network), Some(bits)) = (address(value), network.parse(), bits) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let bits: u32 = u32::min(bits, 32);
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let number = |a: Ipv4Addr| u32::from(a) & mask;
            number(one) == number(other)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let bits: u32 = u32::min(bits, 128);
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            let number = |a: Ipv6Addr| u128::from(a) & mask;
            number(one) == number(other)
        }
        _ => false,
    }
}
