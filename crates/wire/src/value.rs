//! The protocol-neutral value that every protocol decodes to and encodes from.
//!
//! A [`Value`] follows a [`Shape`](crate::schema::Shape): decoders build only values whose kind
//! fits, so a structure can be filled from one without checks. It does not know its shape.

use bytes::Bytes;
use neargate_base::Timestamp;
use std::collections::BTreeMap;

/// A member that may hold any JSON.
pub type Document = serde_json::Value;

/// One decoded value.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Blob(Bytes),
    Time(Timestamp),
    List(Vec<Value>),
    /// In the order of the wire.
    Map(Vec<(String, Value)>),
    /// The set members by their index in the shape.
    Struct(Vec<(usize, Value)>),
    /// JSON of any form.
    Document(Document),
}

impl Value {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// A structure's set members; empty for other values.
    pub fn fields(&self) -> &[(usize, Value)] {
        match self {
            Value::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// A structure's member by its index.
    pub fn field(&self, member: usize) -> Option<&Value> {
        self.fields()
            .iter()
            .find(|(m, _)| *m == member)
            .map(|(_, v)| v)
    }
}

/// A Rust type that a member of a generated structure has.
pub trait FromValue: Sized {
    /// `None` when the value is of another kind.
    fn from_value(value: Value) -> Option<Self>;
}

/// The way back.
pub trait ToValue {
    fn to_value(&self) -> Value;
}

macro_rules! plain {
    ($t:ty, $variant:ident) => {
        impl FromValue for $t {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(v) => Some(v),
                    _ => None,
                }
            }
        }
        impl ToValue for $t {
            fn to_value(&self) -> Value {
                Value::$variant(self.clone())
            }
        }
    };
}
plain!(bool, Bool);
plain!(i64, Int);
plain!(f64, Float);
plain!(String, Str);
plain!(Bytes, Blob);
plain!(Timestamp, Time);
plain!(Document, Document);

impl FromValue for i32 {
    fn from_value(value: Value) -> Option<Self> {
        i32::try_from(value.as_int()?).ok()
    }
}

impl ToValue for i32 {
    fn to_value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
}

impl FromValue for f32 {
    fn from_value(value: Value) -> Option<Self> {
        f64::from_value(value).map(|v| v as f32)
    }
}

impl ToValue for f32 {
    fn to_value(&self) -> Value {
        Value::Float(f64::from(*self))
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => Some(items.into_iter().filter_map(T::from_value).collect()),
            _ => None,
        }
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Map(pairs) => Some(
                pairs
                    .into_iter()
                    .filter_map(|(k, v)| Some((k, T::from_value(v)?)))
                    .collect(),
            ),
            _ => None,
        }
    }
}

impl<T: ToValue> ToValue for BTreeMap<String, T> {
    fn to_value(&self) -> Value {
        Value::Map(
            self.iter()
                .map(|(k, v)| (k.clone(), v.to_value()))
                .collect(),
        )
    }
}
