//! JSON: the reader and writer that awsJson and restJson share, and the stored form.
//!
//! The stored form is what resources keep of a model's structure: members by their model names,
//! timestamps as integer milliseconds. Members unknown to the model are dropped on reading, so
//! a newer model reads older state.

mod mended;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use mended::mended;
pub use read::{MAX_DEPTH, parse, read};
pub use write::write;

use crate::schema::{Member, TimestampFormat};
use crate::structure::{Structure, from_value};
use crate::validate::Invalid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Tree;

/// How a JSON dialect names members and writes times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub names: Names,
    pub times: Times,
}

/// Which name of a member is the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The model's member name.
    Model,
    /// Its `locationName`, if it has one.
    Wire,
}

/// How a time is written when the model does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Format(TimestampFormat),
    /// Integer milliseconds, whatever the model says.
    Millis,
}

impl Form {
    /// awsJson and restJson.
    pub const WIRE: Form = Form {
        names: Names::Wire,
        times: Times::Format(TimestampFormat::EpochSeconds),
    };

    /// What the store keeps.
    pub const STORED: Form = Form {
        names: Names::Model,
        times: Times::Millis,
    };

    fn name(self, member: &Member) -> &'static str {
        match self.names {
            Names::Model => member.name,
            Names::Wire => member.wire_name(),
        }
    }

    /// `None`: milliseconds.
    fn time_format(self, of_model: Option<TimestampFormat>) -> Option<TimestampFormat> {
        match self.times {
            Times::Millis => None,
            Times::Format(default) => Some(of_model.unwrap_or(default)),
        }
    }
}

/// The stored form of a structure.
pub fn to_json<T: Structure>(structure: &T) -> Tree {
    write(T::SHAPE, &structure.to_value(), Form::STORED)
}

/// Reads the stored form. Types must fit; the model's constraints are not checked again.
pub fn from_json<T: Structure>(json: &Tree) -> Result<T, Invalid> {
    match read(T::SHAPE, json.clone(), Form::STORED) {
        Ok(value) => Ok(from_value(value)),
        Err(error) => Err(Invalid::stored(T::SHAPE.name, error.message)),
    }
}

/// A structure that serialises in its stored form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Json<T>(pub T);

impl<T> std::ops::Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::ops::DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(structure: T) -> Self {
        Json(structure)
    }
}

impl<T: Structure> Serialize for Json<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_json(&self.0).serialize(serializer)
    }
}

impl<'de, T: Structure> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Tree::deserialize(deserializer)?;
        from_json(&json).map(Json).map_err(serde::de::Error::custom)
    }
}
