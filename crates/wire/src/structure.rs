//! What generated structures and operations are to the rest of the house.
//!
//! A [`Structure`] is filled member by member from a [`Value`] and turns into one; it knows its
//! shape but no protocol. The functions here are what the generated code calls.

use crate::schema::{Operation, Service, Shape};
use crate::value::{FromValue, ToValue, Value};
use std::fmt::Debug;

/// A generated structure.
pub trait Structure: Default + Clone + Debug + Send + Sync + 'static {
    const SHAPE: &'static Shape;

    /// Sets the member of that index; a value of another kind leaves it as it is.
    fn set(&mut self, member: usize, value: Value);

    /// The set members, in the shape's order.
    fn to_value(&self) -> Value;
}

/// One operation that we take; a unit struct per operation implements it.
pub trait OperationDef: Send + Sync + 'static {
    type Input: Structure;
    type Output: Structure;
    const NAME: &'static str;

    fn service() -> &'static Service;

    fn operation() -> &'static Operation {
        Self::service()
            .operation(Self::NAME)
            .expect("a generated operation is in its table")
    }
}

/// Fills a structure from a decoded value. What is not a structure leaves all members unset.
pub fn from_value<T: Structure>(value: Value) -> T {
    let mut out = T::default();
    if let Value::Struct(fields) = value {
        for (member, value) in fields {
            out.set(member, value);
        }
    }
    out
}

impl<T: Structure> FromValue for T {
    fn from_value(value: Value) -> Option<Self> {
        matches!(value, Value::Struct(_)).then(|| from_value(value))
    }
}

impl<T: Structure> ToValue for T {
    fn to_value(&self) -> Value {
        Structure::to_value(self)
    }
}

/// The input or output of an operation that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unit;

static UNIT: Shape = Shape {
    name: "Unit",
    kind: crate::schema::Kind::Structure(&[]),
    ..crate::schema::SHAPE
};

impl Structure for Unit {
    const SHAPE: &'static Shape = &UNIT;

    fn set(&mut self, _: usize, _: Value) {}

    fn to_value(&self) -> Value {
        Value::Struct(Vec::new())
    }
}

/// Generated code: what sets a member, by how it is kept. A value of another kind changes nothing.
#[doc(hidden)]
pub mod set {
    use crate::value::{FromValue, Value};

    pub fn opt<T: FromValue>(slot: &mut Option<T>, value: Value) {
        if let Some(v) = T::from_value(value) {
            *slot = Some(v);
        }
    }

    pub fn req<T: FromValue>(slot: &mut T, value: Value) {
        if let Some(v) = T::from_value(value) {
            *slot = v;
        }
    }

    pub fn boxed<T: FromValue>(slot: &mut Option<Box<T>>, value: Value) {
        if let Some(v) = T::from_value(value) {
            *slot = Some(Box::new(v));
        }
    }
}

/// Generated code: collects the set members of a structure.
#[derive(Debug, Default)]
pub struct Fields(Vec<(usize, Value)>);

impl Fields {
    pub fn with_capacity(members: usize) -> Self {
        Fields(Vec::with_capacity(members))
    }

    pub fn opt<T: ToValue>(&mut self, member: usize, value: &Option<T>) {
        if let Some(v) = value {
            self.0.push((member, v.to_value()));
        }
    }

    pub fn req<T: ToValue>(&mut self, member: usize, value: &T) {
        self.0.push((member, value.to_value()));
    }

    pub fn boxed<T: ToValue>(&mut self, member: usize, value: &Option<Box<T>>) {
        if let Some(v) = value {
            self.0.push((member, v.as_ref().to_value()));
        }
    }

    pub fn done(self) -> Value {
        Value::Struct(self.0)
    }
}
