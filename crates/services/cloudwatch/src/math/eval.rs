//! The value of an expression.

use super::MathError;
use super::function;
use super::parse::{Expression, Operator};
use crate::series::{TimeSeries, Values, Window};

/// What an expression speaks of.
pub trait Names {
    /// What the metric or the expression of this id is.
    ///
    /// # Errors
    /// When there is none, or what is wrong with it.
    fn of_id(&mut self, id: &str) -> Result<Vec<TimeSeries>, MathError>;

    /// Is it an array, though it may have one time series only?
    fn is_array(&mut self, id: &str) -> bool;

    /// The metrics of the request whose id has this text in it.
    fn metrics(&mut self, part: &str) -> Result<Vec<TimeSeries>, MathError>;

    /// What `SEARCH` finds.
    fn search(
        &mut self,
        query: &str,
        stat: &str,
        period: Option<i64>,
    ) -> Result<Vec<TimeSeries>, MathError>;

    fn window(&self) -> Window;

    /// Of series that are made from no other.
    fn period(&self) -> i64;
}

/// Datapoints that a request may compute with.
pub const MOST: usize = 5_000_000;

pub(super) fn too_many() -> MathError {
    MathError::new("The expression has too many datapoints")
}

/// What a part of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Series(TimeSeries),
    Array(Vec<TimeSeries>),
    Text(String),
}

/// The time series that the expression stands for; whether they are an array.
///
/// # Errors
/// What is wrong with the expression.
pub fn evaluate(
    expression: &Expression,
    names: &mut dyn Names,
) -> Result<(Vec<TimeSeries>, bool), MathError> {
    match value(expression, names)? {
        Value::Series(one) => Ok((vec![one], false)),
        Value::Array(all) => Ok((all, true)),
        Value::Scalar(_) | Value::Text(_) => Err(MathError::new(
            "The expression's result is not a time series or an array of time series",
        )),
    }
}

pub(super) fn value(expression: &Expression, names: &mut dyn Names) -> Result<Value, MathError> {
    Ok(match expression {
        Expression::Number(n) => Value::Scalar(*n),
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::Name(id) => {
            let mut found = names.of_id(id)?;
            match found.len() {
                1 if !names.is_array(id) => Value::Series(found.remove(0)),
                _ => Value::Array(found),
            }
        }
        Expression::List(items) => {
            let mut all = Vec::new();
            for item in items {
                match value(item, names)? {
                    Value::Series(one) => all.push(one),
                    Value::Array(more) => all.extend(more),
                    Value::Scalar(_) | Value::Text(_) => {
                        return Err(MathError::new("An array has time series only"));
                    }
                }
            }
            let points: usize = all.iter().map(|series| series.values.len()).sum();
            if points > MOST {
                return Err(too_many());
            }
            Value::Array(all)
        }
        Expression::Negative(inner) => each(value(inner, names)?, |v| -v)?,
        Expression::Binary(operator, left, right) => {
            let (left, right) = (value(left, names)?, value(right, names)?);
            binary(*operator, left, right)?
        }
        Expression::Call(name, arguments) => function::call(name, arguments, names)?,
    })
}

/// Every value changed alike.
pub(super) fn each(value: Value, change: impl Fn(f64) -> f64) -> Result<Value, MathError> {
    let of = |mut one: TimeSeries| {
        one.values.values_mut().for_each(|v| *v = change(*v));
        one.values.retain(|_, v| v.is_finite());
        one
    };
    Ok(match value {
        Value::Scalar(n) => Value::Scalar(change(n)),
        Value::Series(one) => Value::Series(of(one)),
        Value::Array(all) => Value::Array(all.into_iter().map(of).collect()),
        Value::Text(text) => return Err(MathError::new(format!("'{text}' is not a number"))),
    })
}

/// `None` where there is no result, which drops the point.
fn apply(operator: Operator, left: f64, right: f64) -> Option<f64> {
    let truth = |is: bool| if is { 1.0 } else { 0.0 };
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Power => left.powf(right),
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::Less => truth(left < right),
        Operator::Greater => truth(left > right),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Or => truth(left != 0.0 || right != 0.0),
    };
    Some(result).filter(|n| n.is_finite())
}

fn binary(operator: Operator, left: Value, right: Value) -> Result<Value, MathError> {
    use Value::{Array, Scalar, Series};
    let with = |one: TimeSeries, f: &dyn Fn(f64) -> Option<f64>| {
        let values = one
            .values
            .iter()
            .filter_map(|(at, v)| Some((*at, f(*v)?)))
            .collect();
        TimeSeries { values, ..one }
    };
    Ok(match (left, right) {
        (Scalar(l), Scalar(r)) => {
            let result = apply(operator, l, r);
            Scalar(result.ok_or_else(|| MathError::new("A number is divided by zero"))?)
        }
        (Series(l), Scalar(r)) => Series(with(l, &|v| apply(operator, v, r))),
        (Scalar(l), Series(r)) => Series(with(r, &|v| apply(operator, l, v))),
        (Series(l), Series(r)) => Series(both(operator, l, &r)),
        (Array(l), Scalar(r)) => Array(
            l.into_iter()
                .map(|one| with(one, &|v| apply(operator, v, r)))
                .collect(),
        ),
        (Scalar(l), Array(r)) => Array(
            r.into_iter()
                .map(|one| with(one, &|v| apply(operator, l, v)))
                .collect(),
        ),
        (Array(l), Series(r)) => Array(l.into_iter().map(|one| both(operator, one, &r)).collect()),
        (Series(l), Array(r)) => {
            let with_label = |one: TimeSeries| TimeSeries {
                label: one.label.clone(),
                about: one.about.clone(),
                ..both(operator, l.clone(), &one)
            };
            Array(r.into_iter().map(with_label).collect())
        }
        (Array(_), Array(_)) => {
            return Err(MathError::new(
                "An operator takes one array of time series at the most",
            ));
        }
        (Value::Text(text), _) | (_, Value::Text(text)) => {
            return Err(MathError::new(format!("'{text}' is not a number")));
        }
    })
}

/// Where only one of two time series has a value, the other's is 0.
fn both(operator: Operator, left: TimeSeries, right: &TimeSeries) -> TimeSeries {
    let mut values = Values::new();
    for at in left.values.keys().chain(right.values.keys()) {
        let value = |of: &TimeSeries| of.values.get(at).copied().unwrap_or(0.0);
        if let Some(result) = apply(operator, value(&left), value(right)) {
            values.insert(*at, result);
        }
    }
    let period = left.period.max(right.period);
    TimeSeries {
        values,
        period,
        ..left
    }
}
