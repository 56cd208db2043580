//! Bodies in the two languages.

use super::super::{DecodeError, xml};
use crate::json::{self, Form};
use crate::schema::{Kind, Location, Member, Shape, XmlNamespace};
use crate::value::Value;
use serde_json::Value as Tree;

/// What a document in the body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Json,
    Xml,
}

impl Language {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Language::Json => "application/json",
            Language::Xml => "application/xml",
        }
    }

    /// Reads the members that the body holds.
    pub(super) fn read_members(
        self,
        shape: &Shape,
        body: &[u8],
    ) -> Result<Vec<(usize, Value)>, DecodeError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        let in_body = |member: &Member| member.location == Location::Body;
        match self {
            Language::Xml => xml::read_members(shape, &xml::parse(body)?, &in_body),
            Language::Json => {
                let mut tree = parse(body)?;
                if let Tree::Object(object) = &mut tree {
                    // A key that is a header's or label's member says nothing here.
                    object.retain(|key, _| {
                        shape
                            .members()
                            .iter()
                            .any(|m| in_body(m) && m.wire_name() == key)
                    });
                }
                match json::read(shape, tree, Form::WIRE)? {
                    Value::Struct(mut fields) => {
                        fields.retain(|(at, _)| in_body(&shape.members()[*at]));
                        Ok(fields)
                    }
                    _ => Ok(Vec::new()),
                }
            }
        }
    }

    /// Reads the member that is the whole body; `None` when there is none.
    pub(super) fn read_payload(
        self,
        member: &Member,
        body: &[u8],
    ) -> Result<Option<Value>, DecodeError> {
        if body.is_empty() {
            return Ok(None);
        }
        let value = match (member.shape.kind, self) {
            (Kind::Blob, _) => Value::Blob(body.to_vec().into()),
            (Kind::String, _) => Value::Str(
                String::from_utf8(body.to_vec())
                    .map_err(|_| DecodeError::serialization("The body is not valid UTF-8."))?,
            ),
            (Kind::Document, _) => Value::Document(parse(body)?),
            (_, Language::Json) => json::read(&member.shape, parse(body)?, Form::WIRE)?,
            (_, Language::Xml) => xml::read_payload(&member.shape, &xml::parse(body)?)?,
        };
        Ok(Some(value))
    }

    /// Writes the members that the body holds; empty for XML when the model has none.
    pub(super) fn write_members(
        self,
        shape: &Shape,
        value: &Value,
        namespace: Option<&str>,
        in_body: &dyn Fn(&Member) -> bool,
    ) -> String {
        match self {
            Language::Json => {
                let fields = value.fields().iter();
                let fields = fields.filter(|(at, _)| shape.members().get(*at).is_some_and(in_body));
                let value = Value::Struct(fields.cloned().collect());
                json::write(shape, &value, Form::WIRE).to_string()
            }
            Language::Xml if shape.members().iter().any(in_body) => {
                let name = shape.location_name.unwrap_or(shape.name);
                document(name, shape, None, namespace, value, in_body)
            }
            Language::Xml => String::new(),
        }
    }

    /// Writes the member that is the whole body, with its content type.
    pub(super) fn write_payload(
        self,
        member: &Member,
        value: &Value,
        namespace: Option<&str>,
    ) -> (&'static str, Vec<u8>) {
        match (value, self) {
            (Value::Blob(bytes), _) => ("application/octet-stream", bytes.to_vec()),
            (Value::Str(text), _) => ("text/plain", text.clone().into_bytes()),
            (Value::Document(tree), _) => ("application/json", tree.to_string().into_bytes()),
            (_, Language::Json) => {
                let tree = json::write(&member.shape, value, Form::WIRE);
                (self.content_type(), tree.to_string().into_bytes())
            }
            (_, Language::Xml) => {
                let own = member.location_name.filter(|name| *name != member.name);
                let name = own
                    .or(member.shape.location_name)
                    .unwrap_or(member.shape.name);
                let text = document(
                    name,
                    &member.shape,
                    member.xml_namespace,
                    namespace,
                    value,
                    &|_| true,
                );
                (self.content_type(), text.into_bytes())
            }
        }
    }
}

fn document(
    name: &str,
    shape: &Shape,
    own: Option<XmlNamespace>,
    default: Option<&str>,
    value: &Value,
    wanted: &dyn Fn(&Member) -> bool,
) -> String {
    let mut out = xml::Writer::new();
    xml::write_root(&mut out, name, shape, own, default, value, wanted);
    out.finish()
}

fn parse(body: &[u8]) -> Result<Tree, DecodeError> {
    serde_json::from_slice(body)
        .map_err(|e| DecodeError::serialization(format!("The body is not valid JSON: {e}")))
}
