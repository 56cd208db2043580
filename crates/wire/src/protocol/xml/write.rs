//! From a value to a document.

use super::super::{ErrorReply, text};
use crate::json::{self, Form};
use crate::schema::{
    self, ErrorShape, Kind, Location, Member, Shape, TimestampFormat, XmlNamespace,
};
use crate::value::Value;
use std::fmt::Write;

/// Builds a document; the caller keeps `open` and `close` in pairs.
#[derive(Debug)]
pub(in super::super) struct Writer {
    text: String,
    /// Members are called as awsQuery calls them.
    query: bool,
}

impl Writer {
    pub(in super::super) fn new() -> Self {
        Writer {
            text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
            query: false,
        }
    }

    /// For awsQuery, whose members may have names of their own.
    pub(in super::super) fn of_query() -> Self {
        Writer {
            query: true,
            ..Writer::new()
        }
    }

    pub(in super::super) fn finish(self) -> String {
        self.text
    }

    /// `<name>`, with a default namespace if there is one.
    pub(in super::super) fn open(&mut self, name: &str, namespace: Option<&str>) {
        let namespace = namespace.map(|uri| ("xmlns".to_owned(), uri.to_owned()));
        self.open_with(name, namespace.as_slice());
    }

    fn open_with(&mut self, name: &str, attributes: &[(String, String)]) {
        self.text.push('<');
        self.text.push_str(name);
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
        }
        self.text.push('>');
    }

    pub(in super::super) fn close(&mut self, name: &str) {
        let _ = write!(self.text, "</{name}>");
    }

    pub(in super::super) fn text_element(&mut self, name: &str, text: &str) {
        self.open(name, None);
        escape(&mut self.text, text, false);
        self.close(name);
    }
}

/// Escapes what XML reserves, and line ends as numbers, since parsers normalise raw ones.
/// Characters that XML 1.0 cannot hold at all become U+FFFD.
fn escape(out: &mut String, text: &str, attribute: bool) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\t' | '\n' if !attribute => out.push(letter),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            '\u{85}' => out.push_str("&#x85;"),
            '\u{2028}' => out.push_str("&#x2028;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}

fn namespace_attribute(namespace: XmlNamespace) -> (String, String) {
    let key = namespace
        .prefix
        .map_or("xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
    (key, namespace.uri.to_owned())
}

/// Writes `value` as the element `name`: a payload or a document's root.
pub(in super::super) fn write_root(
    out: &mut Writer,
    name: &str,
    shape: &Shape,
    namespace: Option<XmlNamespace>,
    default: Option<&str>,
    value: &Value,
    wanted: &dyn Fn(&Member) -> bool,
) {
    let namespace = namespace
        .or(shape.xml_namespace)
        .map(namespace_attribute)
        .or_else(|| default.map(|uri| ("xmlns".to_owned(), uri.to_owned())));
    let mut attributes: Vec<_> = namespace.into_iter().collect();
    attributes.extend(xml_attributes(shape, value));
    out.open_with(name, &attributes);
    write_members(out, shape, value, wanted);
    out.close(name);
}

fn xml_attributes(shape: &Shape, value: &Value) -> Vec<(String, String)> {
    let members = shape.members();
    let of = |(index, value): &(usize, Value)| {
        let member = members.get(*index).filter(|m| m.xml_attribute)?;
        let format = member
            .timestamp_format()
            .unwrap_or(TimestampFormat::DateTime);
        Some((
            member.wire_name().to_owned(),
            text::write(&member.shape, format, value),
        ))
    };
    value.fields().iter().filter_map(of).collect()
}

/// Writes the members of a structure that `wanted` lets through, as elements.
pub(in super::super) fn write_members(
    out: &mut Writer,
    shape: &Shape,
    value: &Value,
    wanted: &dyn Fn(&Member) -> bool,
) {
    for (index, value) in value.fields() {
        let Some(member) = shape.members().get(*index) else {
            continue;
        };
        if member.xml_attribute || matches!(value, Value::Null) || !wanted(member) {
            continue;
        }
        let flattened = member.is_flattened();
        let of_query = member.query_name.filter(|_| out.query);
        // Models older than Smithy flatten the list's shape, and name its element there.
        let name = match (member.location_name, member.shape.kind) {
            _ if of_query.is_some() => of_query.unwrap_or_default(),
            (None, Kind::List(inner)) if member.shape.flattened && !member.flattened => {
                inner.location_name.unwrap_or(member.name)
            }
            _ => member.wire_name(),
        };
        let traits = Traits {
            name,
            timestamp: member.timestamp_format(),
            namespace: member.xml_namespace.or(member.shape.xml_namespace),
            flattened,
        };
        write_value(out, &traits, &member.shape, value);
    }
}

struct Traits<'a> {
    name: &'a str,
    timestamp: Option<TimestampFormat>,
    namespace: Option<XmlNamespace>,
    flattened: bool,
}

impl<'a> Traits<'a> {
    fn of(element: &schema::Element, name: &'a str) -> Self {
        let of_shape = match element.shape.kind {
            Kind::Timestamp(format) => format,
            _ => None,
        };
        Traits {
            name,
            timestamp: element.timestamp.or(of_shape),
            namespace: element.xml_namespace.or(element.shape.xml_namespace),
            flattened: element.shape.flattened,
        }
    }
}

fn write_value(out: &mut Writer, traits: &Traits<'_>, shape: &Shape, value: &Value) {
    let mut attributes: Vec<_> = traits
        .namespace
        .map(namespace_attribute)
        .into_iter()
        .collect();
    match (value, shape.kind) {
        (Value::Null, _) => {}
        (Value::List(items), Kind::List(inner)) if traits.flattened => {
            for item in items {
                write_value(out, &Traits::of(&inner, traits.name), &inner.shape, item);
            }
        }
        (Value::List(items), Kind::List(inner)) => {
            out.open_with(traits.name, &attributes);
            let name = inner.location_name.unwrap_or("member");
            for item in items {
                write_value(out, &Traits::of(&inner, name), &inner.shape, item);
            }
            out.close(traits.name);
        }
        (Value::Map(pairs), Kind::Map { key, value }) if traits.flattened => {
            for (name, item) in pairs {
                out.open_with(traits.name, &attributes);
                write_entry(out, &key, &value, name, item);
                out.close(traits.name);
            }
        }
        (Value::Map(pairs), Kind::Map { key, value }) => {
            out.open_with(traits.name, &attributes);
            for (name, item) in pairs {
                out.open("entry", None);
                write_entry(out, &key, &value, name, item);
                out.close("entry");
            }
            out.close(traits.name);
        }
        (Value::Struct(_), Kind::Structure(_)) => {
            attributes.extend(xml_attributes(shape, value));
            out.open_with(traits.name, &attributes);
            write_members(out, shape, value, &|_| true);
            out.close(traits.name);
        }
        _ => {
            let format = traits.timestamp.unwrap_or(TimestampFormat::DateTime);
            out.open_with(traits.name, &attributes);
            escape(&mut out.text, &text::write(shape, format, value), false);
            out.close(traits.name);
        }
    }
}

fn write_entry(
    out: &mut Writer,
    key: &schema::Element,
    value: &schema::Element,
    name: &str,
    item: &Value,
) {
    let traits = Traits::of(key, key.location_name.unwrap_or("key"));
    write_value(out, &traits, &key.shape, &Value::Str(name.to_owned()));
    let traits = Traits::of(value, value.location_name.unwrap_or("value"));
    write_value(out, &traits, &value.shape, item);
}

/// Writes an error's further members: by the model where it has them, else as plain elements.
/// The message is already there.
pub(in super::super) fn write_error_members(
    out: &mut Writer,
    modelled: Option<&ErrorShape>,
    error: &ErrorReply,
) {
    let is_message = |name: &str| name.eq_ignore_ascii_case("message");
    let Some(shape) = modelled.map(|e| e.shape.get()) else {
        for (name, value) in &error.fields {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            out.text_element(name, &text);
        }
        return;
    };
    let tree = serde_json::Value::Object(error.fields.iter().cloned().collect());
    if let Ok(value) = json::read(shape, tree, Form::WIRE) {
        write_members(out, shape, &value, &|m| {
            m.location == Location::Body && !is_message(m.name)
        });
    }
}
