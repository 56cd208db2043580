//! A message that patterns are tried on, and what they let be read from it.

use super::json::{self, Selector};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;

/// A message. It is read as JSON at most once, however many patterns ask.
#[derive(Debug)]
pub struct Message<'m> {
    text: &'m str,
    document: OnceCell<Option<Value>>,
}

impl<'m> Message<'m> {
    pub fn new(text: &'m str) -> Self {
        let document = OnceCell::new();
        Message { text, document }
    }

    pub fn text(&self) -> &'m str {
        self.text
    }

    /// `None` when it is no JSON array or object.
    pub fn document(&self) -> Option<&Value> {
        let read = || json::document(self.text);
        self.document.get_or_init(read).as_ref()
    }
}

/// What a pattern's match is read from.
#[derive(Debug, Clone)]
pub enum Matched<'a> {
    /// Terms name no values.
    Terms,
    Document(&'a Value),
    /// Names, empty where a field has none, and texts.
    Fields(Vec<(&'a str, &'a str)>),
}

/// What names a value of a message: `$.selector` in a JSON document, `$name` or `$1` among fields.
#[derive(Debug, Clone)]
pub enum Reference {
    Selector(Selector),
    Field(String),
}

impl Reference {
    /// `None` when it is neither.
    pub fn parse(text: &str) -> Option<Reference> {
        if text.starts_with("$.") || text.starts_with("$[") {
            return Selector::parse(text).map(Reference::Selector);
        }
        let name = text.strip_prefix('$').filter(|name| !name.is_empty())?;
        Some(Reference::Field(name.to_owned()))
    }
}

impl Matched<'_> {
    /// The text, number or boolean that is there; an array, an object or null is no value.
    pub fn value(&self, reference: &Reference) -> Option<Cow<'_, str>> {
        match (self, reference) {
            (Matched::Document(document), Reference::Selector(selector)) => {
                match selector.first(document)? {
                    Value::String(text) => Some(Cow::Borrowed(text)),
                    Value::Number(number) => Some(Cow::Owned(number.to_string())),
                    Value::Bool(flag) => Some(Cow::Owned(flag.to_string())),
                    Value::Null | Value::Array(_) | Value::Object(_) => None,
                }
            }
            (Matched::Fields(fields), Reference::Field(name)) => {
                let named = fields.iter().find(|(field, _)| field == name);
                let place = || name.parse::<usize>().ok()?.checked_sub(1);
                let numbered = || fields.get(place()?).filter(|(field, _)| field.is_empty());
                let (_, text) = named.or_else(numbered)?;
                Some(Cow::Borrowed(text))
            }
            _ => None,
        }
    }
}
