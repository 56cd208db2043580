//! The shapes of a model: built on demand, from the operations down.
//!
//! A shape that is asked for gets a cell at once and its content at [`Shapes::finish`], which is
//! what lets shapes refer to themselves.

use super::{ModelError, leak};
use crate::schema::{
    Element, Kind, Location, Member, Pattern, Shape, Target, TimestampFormat, XmlNamespace, member,
};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

type Cell = &'static OnceLock<&'static Shape>;

/// The shapes asked for so far.
pub(super) struct Shapes<'a> {
    json: &'a Map<String, Json>,
    cells: BTreeMap<String, Cell>,
    pending: Vec<String>,
}

impl<'a> Shapes<'a> {
    pub(super) fn new(json: &'a Map<String, Json>) -> Self {
        Shapes {
            json,
            cells: BTreeMap::new(),
            pending: Vec::new(),
        }
    }

    /// The model's own text of that shape.
    pub(super) fn json(&self, name: &str) -> Result<&'a Json, ModelError> {
        self.json
            .get(name)
            .ok_or_else(|| ModelError::Undefined(name.into()))
    }

    /// A reference to that shape, whose content follows.
    pub(super) fn target(&mut self, name: &str) -> Result<Target, ModelError> {
        self.json(name)?;
        if let Some(cell) = self.cells.get(name) {
            return Ok(Target::Later(cell));
        }
        let cell: Cell = Box::leak(Box::new(OnceLock::new()));
        self.cells.insert(name.to_owned(), cell);
        self.pending.push(name.to_owned());
        Ok(Target::Later(cell))
    }

    /// Builds all shapes that were asked for, and those they ask for.
    pub(super) fn finish(&mut self) -> Result<(), ModelError> {
        while let Some(name) = self.pending.pop() {
            let shape = self.build(&name)?;
            let _ = self.cells[&name].set(Box::leak(Box::new(shape)));
        }
        Ok(())
    }

    fn build(&mut self, name: &str) -> Result<Shape, ModelError> {
        let json = self.json(name)?;
        let values: Vec<&'static str> = strings(&json["enum"]).map(leak).collect();
        let kind = self.kind(name, json)?;
        let payload = match (json["payload"].as_str(), kind) {
            (Some(payload), Kind::Structure(members)) => {
                members.iter().position(|m| m.name == payload)
            }
            _ => None,
        };
        Ok(Shape {
            name: leak(name),
            kind,
            min: json["min"].as_f64(),
            max: json["max"].as_f64(),
            pattern: json["pattern"].as_str().map(|p| {
                let pattern: &'static Pattern = Box::leak(Box::new(Pattern::new(leak(p))));
                pattern
            }),
            values: Box::leak(values.into_boxed_slice()),
            union: flag(json, "union"),
            event_stream: flag(json, "eventstream"),
            payload,
            flattened: flag(json, "flattened"),
            sensitive: flag(json, "sensitive"),
            location_name: json["locationName"].as_str().map(leak),
            xml_namespace: namespace(&json["xmlNamespace"]),
        })
    }

    fn kind(&mut self, name: &str, json: &Json) -> Result<Kind, ModelError> {
        if flag(json, "document") {
            return Ok(Kind::Document);
        }
        Ok(match json["type"].as_str().unwrap_or_default() {
            "structure" => Kind::Structure(self.members(json)?),
            "list" => Kind::List(self.element(name, &json["member"])?),
            "map" => Kind::Map {
                key: self.element(name, &json["key"])?,
                value: self.element(name, &json["value"])?,
            },
            "string" | "character" => Kind::String,
            "blob" => Kind::Blob,
            "boolean" => Kind::Boolean,
            "integer" | "byte" | "short" => Kind::Integer,
            "long" | "bigInteger" => Kind::Long,
            "float" => Kind::Float,
            "double" | "bigDecimal" => Kind::Double,
            "timestamp" => Kind::Timestamp(format(&json["timestampFormat"])),
            other => return Err(ModelError::Type(name.into(), other.into())),
        })
    }

    fn members(&mut self, json: &Json) -> Result<&'static [Member], ModelError> {
        let required: Vec<&str> = strings(&json["required"]).collect();
        let mut members = Vec::new();
        for (name, json) in json["members"].as_object().into_iter().flatten() {
            let shape = json["shape"]
                .as_str()
                .ok_or_else(|| ModelError::Missing(name.clone(), "shape of a member"))?;
            let shape = self.target(shape)?;
            members.push(Member {
                required: required.contains(&name.as_str()),
                location: location(&json["location"]),
                location_name: json["locationName"].as_str().map(leak),
                query_name: json["queryName"].as_str().map(leak),
                timestamp: format(&json["timestampFormat"]),
                flattened: flag(json, "flattened"),
                xml_attribute: flag(json, "xmlAttribute"),
                xml_namespace: namespace(&json["xmlNamespace"]),
                streaming: flag(json, "streaming"),
                idempotency_token: flag(json, "idempotencyToken"),
                host_label: flag(json, "hostLabel"),
                json_value: flag(json, "jsonvalue"),
                boxed: flag(json, "box"),
                event_payload: flag(json, "eventpayload"),
                event_header: flag(json, "eventheader"),
                ..member(leak(name), shape)
            });
        }
        Ok(Box::leak(members.into_boxed_slice()))
    }

    fn element(&mut self, of: &str, json: &Json) -> Result<Element, ModelError> {
        let shape = json["shape"]
            .as_str()
            .ok_or_else(|| ModelError::Missing(of.into(), "shape of its element"))?;
        Ok(Element {
            shape: self.target(shape)?,
            location_name: json["locationName"].as_str().map(leak),
            timestamp: format(&json["timestampFormat"]),
            xml_namespace: namespace(&json["xmlNamespace"]),
        })
    }
}

fn strings(json: &Json) -> impl Iterator<Item = &str> {
    json.as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

fn flag(json: &Json, key: &str) -> bool {
    json[key].as_bool().unwrap_or(false)
}

fn location(json: &Json) -> Location {
    match json.as_str() {
        Some("uri") => Location::Uri,
        Some("querystring") => Location::QueryString,
        Some("header") => Location::Header,
        Some("headers") => Location::Headers,
        Some("statusCode") => Location::StatusCode,
        _ => Location::Body,
    }
}

fn format(json: &Json) -> Option<TimestampFormat> {
    match json.as_str()? {
        "iso8601" => Some(TimestampFormat::DateTime),
        "rfc822" => Some(TimestampFormat::HttpDate),
        "unixTimestamp" => Some(TimestampFormat::EpochSeconds),
        _ => None,
    }
}

/// botocore writes a namespace as a string or as `{uri, prefix}`.
pub(super) fn namespace(json: &Json) -> Option<XmlNamespace> {
    let uri = json.as_str().or_else(|| json["uri"].as_str())?;
    Some(XmlNamespace {
        prefix: json["prefix"].as_str().map(leak),
        uri: leak(uri),
    })
}
