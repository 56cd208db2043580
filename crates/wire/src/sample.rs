//! Values made from a schema, for round-trip tests and benchmarks.
//!
//! The same seed gives the same value. Lengths, ranges and enums are respected, patterns are
//! not. Lists, maps and structures are not empty (the query protocols cannot tell empty from
//! absent), and times have milliseconds.

use crate::schema::{Kind, Shape};
use crate::value::Value;
use neargate_base::{Rng, Timestamp};

/// Deeper optional members are left out.
const MAX_DEPTH: usize = 7;

/// A value of that shape.
pub fn sample(shape: &Shape, rng: &Rng) -> Value {
    at_depth(shape, rng, 0)
}

fn at_depth(shape: &Shape, rng: &Rng, depth: usize) -> Value {
    match shape.kind {
        Kind::Structure(members) => {
            let mut fields = Vec::new();
            for (at, member) in members.iter().enumerate() {
                let wanted = if shape.union {
                    at == 0
                } else {
                    member.required || (depth < MAX_DEPTH && (depth < 2 || rng.below(3) > 0))
                };
                if wanted {
                    fields.push((at, at_depth(&member.shape, rng, depth + 1)));
                }
            }
            if let (true, Some(first)) =
                (fields.is_empty() && depth < 2 * MAX_DEPTH, members.first())
            {
                fields.push((0, at_depth(&first.shape, rng, depth + 1)));
            }
            Value::Struct(fields)
        }
        Kind::List(of) => Value::List(
            (0..count(shape, rng))
                .map(|_| at_depth(&of.shape, rng, depth + 1))
                .collect(),
        ),
        Kind::Map { key, value } => {
            let keys = match key.shape.values {
                [] => (0..count(shape, rng)).map(|i| format!("key {i}")).collect(),
                [first, ..] => vec![(*first).to_owned()],
            };
            let pair = |k| (k, at_depth(&value.shape, rng, depth + 1));
            Value::Map(keys.into_iter().map(pair).collect())
        }
        Kind::String => Value::Str(text(shape, rng)),
        Kind::Blob => {
            let mut bytes = vec![0; length(shape, rng)];
            rng.fill(&mut bytes);
            Value::Blob(bytes.into())
        }
        Kind::Boolean => Value::Bool(rng.below(2) == 0),
        Kind::Integer => Value::Int(whole(shape, rng, i32::MIN.into(), i32::MAX.into())),
        Kind::Long => Value::Int(whole(shape, rng, -(1 << 60), 1 << 60)),
        Kind::Float | Kind::Double => {
            let low = shape.min.unwrap_or(-8.0);
            let high = shape.max.unwrap_or(low + 1024.0);
            Value::Float((low + rng.below(64) as f64 / 4.0).min(high)) // quarters are exact
        }
        Kind::Timestamp(_) => Value::Time(Timestamp::from_millis(
            1_700_000_000_000 + rng.below(1 << 36) as i64,
        )),
        Kind::Document => Value::Document(serde_json::json!({"any": [rng.below(9), "text"]})),
    }
}

/// How many elements: few, but as many as the shape wants.
fn count(shape: &Shape, rng: &Rng) -> usize {
    let least = shape.min.map_or(1, |min| min as usize).max(1);
    let most = shape
        .max
        .map_or(least + 2, |max| max as usize)
        .clamp(least, least + 2);
    least + rng.below((most - least + 1) as u64) as usize
}

fn length(shape: &Shape, rng: &Rng) -> usize {
    let least = shape.min.map_or(1, |min| min as usize).max(1);
    let most = shape
        .max
        .map_or(least + 12, |max| max as usize)
        .clamp(least, least + 12);
    least + rng.below((most - least + 1) as u64) as usize
}

fn whole(shape: &Shape, rng: &Rng, low: i64, high: i64) -> i64 {
    let low = shape.min.map_or(low, |min| (min as i64).max(low));
    let high = shape.max.map_or(high, |max| (max as i64).min(high));
    low + rng.below((high - low) as u64 + 1) as i64
}

fn text(shape: &Shape, rng: &Rng) -> String {
    if !shape.values.is_empty() {
        return shape.values[rng.below(shape.values.len() as u64) as usize].to_owned();
    }
    const LETTERS: [char; 12] = [
        'a', 'Z', '0', '-', '/', ' ', '&', '<', '"', 'é', '\u{2603}', '😀',
    ];
    let letter = |at: usize, n: usize| {
        // Spaces at an end would be lost in headers.
        let inner = at > 0 && at + 1 < n;
        LETTERS[rng.below(if inner { 12 } else { 3 }) as usize]
    };
    let n = length(shape, rng);
    (0..n).map(|at| letter(at, n)).collect()
}
