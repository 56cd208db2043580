//! Reading and writing, and the words for what does not fit.

use super::*;
use crate::model;
use crate::schema::Shape;
use crate::value::Value;
use bytes::Bytes;
use neargate_base::Timestamp;
use serde_json::json;

fn shape() -> &'static Shape {
    let model = json!({
        "metadata": {"protocol": "json", "jsonVersion": "1.1"},
        "operations": {"Op": {"name": "Op", "input": {"shape": "In"}}},
        "shapes": {
            "In": {"type": "structure", "members": {
                "s": {"shape": "S"}, "b": {"shape": "B"}, "i": {"shape": "I"}, "l": {"shape": "L"},
                "f": {"shape": "F"}, "d": {"shape": "D"}, "t": {"shape": "T"}, "blob": {"shape": "Blob"},
                "list": {"shape": "List"}, "map": {"shape": "Map"}, "in": {"shape": "In"},
                "doc": {"shape": "Doc"}, "iso": {"shape": "Iso"},
                "named": {"shape": "S", "locationName": "Wire"}}},
            "S": {"type": "string"}, "B": {"type": "boolean"}, "I": {"type": "integer"},
            "L": {"type": "long"}, "F": {"type": "float"}, "D": {"type": "double"},
            "T": {"type": "timestamp"}, "Iso": {"type": "timestamp", "timestampFormat": "iso8601"},
            "Blob": {"type": "blob"}, "Doc": {"type": "structure", "document": true, "members": {}},
            "List": {"type": "list", "member": {"shape": "S"}},
            "Map": {"type": "map", "key": {"shape": "S"}, "value": {"shape": "T"}}
        }
    });
    let service = model::load("test", &model, |_| true).unwrap();
    service.operation("Op").unwrap().input.unwrap().get()
}

#[test]
fn both_forms_round_trip() {
    let wire = json!({
        "s": "x", "b": true, "i": -5, "l": 9007199254740993_i64, "f": 0.1, "d": 1e-7,
        "t": 1700000000.123, "blob": "AAEC", "list": ["a", ""], "map": {"k": 1},
        "in": {"in": {}}, "doc": {"any": [1, null]}, "iso": "2014-04-29T18:30:38Z", "Wire": "n"
    });
    let value = read(shape(), wire.clone(), Form::WIRE).unwrap();
    assert_eq!(write(shape(), &value, Form::WIRE), wire);
    let stored = write(shape(), &value, Form::STORED);
    assert_eq!(stored["t"], json!(1700000000123_i64));
    assert_eq!(stored["iso"], json!(1398796238000_i64));
    assert_eq!(stored["named"], json!("n"));
    assert_eq!(read(shape(), stored, Form::STORED).unwrap(), value);
}

#[test]
fn unknown_members_and_nulls_are_dropped() {
    let value = read(
        shape(),
        json!({"what": 1, "s": null, "list": ["a", null], "map": {"k": null}}),
        Form::WIRE,
    );
    let list = Value::List(vec![Value::Str("a".into())]);
    assert_eq!(
        value,
        Ok(Value::Struct(vec![(8, list), (9, Value::Map(vec![]))]))
    );
    assert_eq!(parse(shape(), b" ", Form::WIRE), Ok(Value::Struct(vec![])));
}

#[test]
fn special_numbers_are_strings() {
    for (text, f) in [
        ("NaN", f64::NAN),
        ("Infinity", f64::INFINITY),
        ("-Infinity", -f64::INFINITY),
    ] {
        let Value::Struct(fields) = read(shape(), json!({"d": text}), Form::WIRE).unwrap() else {
            panic!("not a structure")
        };
        assert!(matches!(fields[0].1, Value::Float(g) if g.to_bits() == f.to_bits() || g == f));
        assert_eq!(
            write(shape(), &Value::Struct(fields), Form::WIRE),
            json!({"d": text})
        );
    }
    let value = read(shape(), json!({"i": 34.9, "l": 2e3}), Form::WIRE).unwrap();
    assert_eq!(
        value,
        Value::Struct(vec![(2, Value::Int(34)), (3, Value::Int(2000))])
    );
}

#[test]
fn wrong_types_are_refused_in_awss_words() {
    let cases = [
        (
            json!({"i": "23"}),
            "STRING_VALUE cannot be converted to Integer",
        ),
        (
            json!({"i": true}),
            "TRUE_VALUE cannot be converted to Integer",
        ),
        (
            json!({"i": 2147483648_i64}),
            "NUMBER_VALUE cannot be converted to Integer",
        ),
        (
            json!({"l": 1e30}),
            "DECIMAL_VALUE cannot be converted to Long",
        ),
        (
            json!({"s": 23}),
            "NUMBER_VALUE cannot be converted to String",
        ),
        (
            json!({"s": 2.5}),
            "DECIMAL_VALUE cannot be converted to String",
        ),
        (
            json!({"s": {}}),
            "Start of structure or map found where not expected",
        ),
        (json!({"s": []}), "Start of list found where not expected"),
        (json!({"b": "x"}), "Unexpected token received from parser"),
        (
            json!({"b": 1}),
            "NUMBER_VALUE cannot be converted to Boolean",
        ),
        (
            json!({"d": "x"}),
            "STRING_VALUE cannot be converted to Double",
        ),
        (json!({"list": "x"}), "Unexpected field type"),
        (
            json!({"list": {}}),
            "Start of structure or map found where not expected",
        ),
        (
            json!({"list": [1]}),
            "NUMBER_VALUE cannot be converted to String",
        ),
        (json!({"in": 1}), "Unexpected field type"),
        (json!({"in": []}), "Start of list found where not expected"),
        (json!({"map": []}), "Start of list found where not expected"),
        (
            json!({"t": "now"}),
            "STRING_VALUE cannot be converted to milliseconds since epoch",
        ),
        (
            json!({"blob": 1}),
            "only base-64-encoded strings are convertible to bytes",
        ),
        (
            json!({"blob": "23456"}),
            "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
        ),
    ];
    for (input, message) in cases {
        let error = parse(shape(), input.to_string().as_bytes(), Form::WIRE).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("SerializationException", message),
            "{input}"
        );
    }
}

#[test]
fn malformed_bodies_are_refused() {
    let deep = format!("{}{}", "{\"in\":".repeat(200), "}".repeat(200));
    let doc = format!(
        "{{\"doc\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for body in [
        "{",
        "{\"s\":\"\\ud800\"}",
        "[]",
        "null",
        "1",
        "{} {}",
        "\u{feff}{}",
        &deep,
        &doc,
    ] {
        assert!(
            parse(shape(), body.as_bytes(), Form::WIRE).is_err(),
            "{body:.20}"
        );
    }
    assert!(parse(shape(), b"{\"s\":\"\xff\"}", Form::WIRE).is_err());
}

#[test]
fn values_are_bytes_and_times() {
    let value = read(shape(), json!({"t": 1.5, "blob": "AAE="}), Form::WIRE).unwrap();
    let (t, blob) = (Timestamp::from_millis(1500), Bytes::from_static(&[0, 1]));
    assert_eq!(
        value,
        Value::Struct(vec![(6, Value::Time(t)), (7, Value::Blob(blob))])
    );
}
