//! A small document tree.

use super::super::DecodeError;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const MAX_DEPTH: usize = 100;
const MAX_ELEMENTS: usize = 200_000;

/// One element. Text between child elements is kept, joined; comments are not.
#[derive(Debug, Default, PartialEq)]
pub(in super::super) struct Element {
    /// With its prefix, as written.
    pub(in super::super) name: String,
    pub(in super::super) attributes: Vec<(String, String)>,
    pub(in super::super) children: Vec<Element>,
    pub(in super::super) text: String,
}

impl Element {
    /// The name without its prefix.
    pub(in super::super) fn local(&self) -> &str {
        self.name
            .rsplit_once(':')
            .map_or(&self.name, |(_, local)| local)
    }

    /// Whether this is the element the model means: prefixes are the client's choice.
    pub(in super::super) fn is(&self, name: &str) -> bool {
        self.name == name || self.local() == name.rsplit_once(':').map_or(name, |(_, local)| local)
    }

    pub(in super::super) fn all<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Element> + 'a {
        self.children.iter().filter(move |child| child.is(name))
    }

    pub(in super::super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(name))
    }
}

fn malformed() -> DecodeError {
    DecodeError::new(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// Parses a document to its root element.
pub(in super::super) fn parse(body: &[u8]) -> Result<Element, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|_| malformed())?;
        let empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                elements += 1;
                if elements > MAX_ELEMENTS || open.len() >= MAX_DEPTH || root.is_some() {
                    return Err(malformed());
                }
                open.push(element(&start)?);
                if empty {
                    close(&mut open, &mut root)?;
                }
            }
            Event::End(_) => close(&mut open, &mut root)?,
            Event::Text(more) => text_of(&mut open, &more.xml10_content())?,
            Event::CData(more) => text_of(&mut open, &more.xml10_content())?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|_| malformed())? {
                    Some(letter) => letter.to_string(),
                    None => predefined(&reference).ok_or_else(malformed)?.to_owned(),
                };
                text_of(&mut open, &resolved)?;
            }
            Event::DocType(_) => return Err(malformed()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    root.filter(|_| open.is_empty()).ok_or_else(malformed)
}

fn close(open: &mut Vec<Element>, root: &mut Option<Element>) -> Result<(), DecodeError> {
    let done = open.pop().ok_or_else(malformed)?;
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
    Ok(())
}

fn text_of(open: &mut [Element], text: &str) -> Result<(), DecodeError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(malformed()),
    }
    Ok(())
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return None,
    })
}

fn element(start: &BytesStart<'_>) -> Result<Element, DecodeError> {
    let mut element = Element {
        name: start.name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| malformed())?;
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|_| malformed())?;
        element
            .attributes
            .push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}
