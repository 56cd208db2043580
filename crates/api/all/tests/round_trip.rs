//! Every operation that we take: a value made from its schema survives awsJson, the stored
//! form and its Rust structure.

use neargate_api::SERVICES;
use neargate_base::Rng;
use neargate_wire::json::{self, Form, Json};
use neargate_wire::protocol::{Request, aws_json};
use neargate_wire::sample::sample;
use neargate_wire::schema::{Kind, Operation, Protocol, Service, Shape};
use neargate_wire::structure::{OperationDef, Structure, from_value};
use neargate_wire::validate::validate;
use neargate_wire::value::Value;
use std::collections::BTreeSet;

/// Samples for each shape; the seeds are fixed.
const ROUNDS: u64 = 8;

fn taken() -> impl Iterator<Item = (&'static Service, &'static Operation)> {
    let all = SERVICES
        .iter()
        .flat_map(|s| s.operations.iter().map(move |op| (*s, op)));
    all.filter(|(_, op)| op.taken)
}

#[test]
fn names_are_sorted_and_found() {
    assert_eq!(SERVICES.len(), 32);
    for service in SERVICES {
        assert!(
            !service.operations.is_empty() && !service.protocols.is_empty(),
            "{}",
            service.id
        );
        assert!(
            service.operations.windows(2).all(|w| w[0].name < w[1].name),
            "{}",
            service.id
        );
        for op in service.operations {
            assert!(std::ptr::eq(service.operation(op.name).unwrap(), op));
            assert!(op.taken || (op.input.is_none() && op.errors.is_empty()));
        }
    }
    assert!(taken().count() > 200);
}

/// Looks ahead, which our expressions cannot (ACM and Cloud Map check such names themselves), or has halves of
/// characters, as Auto Scaling's patterns do, which all text fits.
fn is_known_not_to_compile(pattern: &str) -> bool {
    pattern.contains("(?!") || pattern.contains("(?=") || pattern.contains("\\uD800")
}

/// A pattern that does not compile would silently not be enforced.
#[test]
fn every_pattern_compiles() {
    fn check(shape: &'static Shape, seen: &mut BTreeSet<*const Shape>) {
        if !seen.insert(shape) {
            return;
        }
        assert!(
            shape.pattern.is_none_or(|p| p.regex().is_some())
                || shape
                    .pattern
                    .is_some_and(|p| is_known_not_to_compile(p.source)),
            "{}",
            shape.name
        );
        match shape.kind {
            Kind::Structure(members) => members.iter().for_each(|m| check(m.shape.get(), seen)),
            Kind::List(of) => check(of.shape.get(), seen),
            Kind::Map { key, value } => {
                check(key.shape.get(), seen);
                check(value.shape.get(), seen);
            }
            _ => {}
        }
    }
    let mut seen = BTreeSet::new();
    for (_, op) in taken() {
        op.input
            .iter()
            .chain(&op.output)
            .for_each(|t| check(t.get(), &mut seen));
    }
    assert!(seen.len() > 1000);
}

#[test]
fn aws_json_round_trips() {
    // Times of REST's XML have other forms, in headers too.
    let json = taken().filter(|(service, _)| !service.protocols.contains(&Protocol::RestXml));
    for (service, op) in json {
        for seed in 0..ROUNDS {
            if let Some(shape) = op.input {
                let value = sample(&shape, &Rng::seeded(seed));
                let body = json::write(&shape, &value, Form::WIRE).to_string();
                let request = Request::new(body.into());
                assert_eq!(
                    aws_json::decode(service, op, &request),
                    Ok(value),
                    "{}",
                    op.name
                );
            }
            if let Some(shape) = op.output {
                let value = sample(&shape, &Rng::seeded(seed));
                let reply = aws_json::encode(service, Protocol::AwsJson11, op, &value, "id");
                assert_eq!(
                    json::parse(&shape, reply.body(), Form::WIRE),
                    Ok(value),
                    "{}",
                    op.name
                );
            }
        }
    }
}

/// Samples respect everything but patterns, so nothing else may be found.
#[test]
fn samples_break_patterns_only() {
    for (_, op) in taken() {
        for (shape, seed) in op
            .input
            .iter()
            .flat_map(|shape| (0..ROUNDS).map(move |s| (shape, s)))
        {
            let value = sample(shape, &Rng::seeded(seed));
            let Err(invalid) = validate(shape, &value) else {
                continue;
            };
            for violation in invalid.violations {
                let text = violation.constraint.to_string();
                assert!(
                    text.contains("regular expression"),
                    "{}: {violation}",
                    op.name
                );
            }
        }
    }
}

/// One operation's JSON given to another: an error or a value, never a panic.
#[test]
fn foreign_json_is_refused_or_read() {
    let all: Vec<_> = taken().filter_map(|(_, op)| op.input).collect();
    for (seed, pair) in all.windows(2).enumerate() {
        let value = sample(&pair[0], &Rng::seeded(seed as u64));
        let text = json::write(&pair[0], &value, Form::WIRE).to_string();
        if let Ok(value) = json::parse(&pair[1], text.as_bytes(), Form::WIRE) {
            let _ = validate(&pair[1], &value).map_err(|invalid| invalid.to_string());
        }
        let cut = text.floor_char_boundary(text.len() / 2);
        assert!(json::parse(&pair[0], &text.as_bytes()[..cut], Form::WIRE).is_err());
    }
}

fn through_structure<T: Structure + PartialEq>(operation: &str) {
    for seed in 0..ROUNDS {
        let value = sample(T::SHAPE, &Rng::seeded(seed));
        let structure: T = from_value(value.clone());
        assert_eq!(structure.to_value(), value, "{operation}");
        let stored = serde_json::to_string(&Json(structure.clone())).expect("JSON");
        let read: Json<T> = serde_json::from_str(&stored).expect("stored form");
        assert_eq!(read.0, structure, "{operation}");
    }
    let empty = T::default();
    assert!(matches!(empty.to_value(), Value::Struct(_)));
}

fn both_ends<O: OperationDef>()
where
    O::Input: PartialEq,
    O::Output: PartialEq,
{
    assert_eq!(O::operation().name, O::NAME);
    through_structure::<O::Input>(O::NAME);
    through_structure::<O::Output>(O::NAME);
}

#[test]
fn every_structure_round_trips() {
    macro_rules! both_ends {
        ($($op:path),* $(,)?) => { $( both_ends::<$op>(); )* };
    }
    neargate_api::every_operation!(both_ends);
}
