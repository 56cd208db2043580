//! What an expression makes of a record.

use super::functions::finite;
use super::record::Record;
use super::syntax::{Arithmetic, Comparison, Expr, Parse};
use super::value::Value;
use std::borrow::Cow;

/// The value of an expression; `aggregates` are those of a row of stats.
pub fn evaluate(expr: &Expr, record: &Record<'_>, aggregates: &[Value]) -> Value {
    let value = |e: &Expr| evaluate(e, record, aggregates);
    match expr {
        Expr::Literal(literal) => literal.clone(),
        Expr::Field(name) => record.get(name),
        Expr::Aggregate(number) => aggregates.get(*number).cloned().unwrap_or(Value::Null),
        Expr::Not(inner) => Value::Bool(!value(inner).holds()),
        Expr::Negative(inner) => value(inner).number().map_or(Value::Null, |n| finite(-n)),
        Expr::All(list) => Value::Bool(list.iter().all(|e| value(e).holds())),
        Expr::Any(list) => Value::Bool(list.iter().any(|e| value(e).holds())),
        Expr::Compare(left, comparison, right) => {
            Value::Bool(compare(&value(left), *comparison, &value(right)))
        }
        Expr::Arithmetic(left, operator, right) => {
            match (value(left).number(), value(right).number()) {
                (Some(left), Some(right)) => finite(calculate(left, *operator, right)),
                _ => Value::Null,
            }
        }
        Expr::Contains(inner, part) => {
            let text = text(inner, record, aggregates);
            Value::Bool(text.is_some_and(|t| t.contains(&**part)))
        }
        Expr::Matches(inner, regex) => {
            let text = text(inner, record, aggregates);
            Value::Bool(text.is_some_and(|t| regex.is_match(&t)))
        }
        Expr::In(inner, list) => {
            let inner = value(inner);
            let same = |e: &Expr| compare(&inner, Comparison::Equal, &value(e));
            Value::Bool(list.iter().any(same))
        }
        Expr::Call(function, arguments) => {
            let arguments: Vec<Value> = arguments.iter().map(value).collect();
            function.apply(&arguments)
        }
        Expr::Floor(inner, period) => {
            moment(&value(inner)).map_or(Value::Null, |m| Value::Moment(period.floor(m)))
        }
        Expr::Ceil(inner, period) => {
            moment(&value(inner)).map_or(Value::Null, |m| Value::Moment(period.ceil(m)))
        }
    }
}

/// Milliseconds since 1970.
fn moment(value: &Value) -> Option<i64> {
    value.number().filter(|n| n.abs() < 1e15).map(|n| n as i64)
}

/// The text of an expression's value, without a copy where that is possible.
fn text<'e>(expr: &Expr, record: &Record<'e>, aggregates: &[Value]) -> Option<Cow<'e, str>> {
    match expr {
        Expr::Field(name) => record.text(name),
        other => match evaluate(other, record, aggregates) {
            Value::Null => None,
            value => Some(Cow::Owned(value.to_string())),
        },
    }
}

/// Nothing is unequal to everything, and neither below nor above it.
fn compare(left: &Value, comparison: Comparison, right: &Value) -> bool {
    let order = left.compare(right);
    match comparison {
        Comparison::Equal => order.is_some_and(|o| o.is_eq()),
        Comparison::NotEqual => order.is_none_or(|o| o.is_ne()),
        Comparison::Less => order.is_some_and(|o| o.is_lt()),
        Comparison::LessOrEqual => order.is_some_and(|o| o.is_le()),
        Comparison::Greater => order.is_some_and(|o| o.is_gt()),
        Comparison::GreaterOrEqual => order.is_some_and(|o| o.is_ge()),
    }
}

fn calculate(left: f64, operator: Arithmetic, right: f64) -> f64 {
    match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Power => left.powf(right),
        Arithmetic::Remainder => left % right,
    }
}

/// Add what is found in the text to a record; nothing, where it does not match.
pub fn extract(parse: &Parse, record: &mut Record<'_>) {
    let Some(text) = text(&parse.source, record, &[]) else {
        return;
    };
    let Some(found) = parse.regex.captures(&text) else {
        return;
    };
    for (group, name) in &parse.names {
        if let Some(part) = found.get(*group) {
            record.set(name, Value::text(part.as_str()));
        }
    }
}
