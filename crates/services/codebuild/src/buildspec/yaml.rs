//! YAML as a tree of text: a buildspec's numbers and truths are what was written, as AWS takes them.
//!
//! Reading is bounded in size, in depth and in how many nodes there are once aliases are written out, so that
//! nothing small can stand for something huge.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The largest buildspec that is read.
pub const MAX_BYTES: usize = 256 << 10;
const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 50_000;

/// The one document of the text. What is empty is `null`, every other scalar a string.
///
/// # Errors
/// What is wrong, and in which line.
pub fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("the buildspec is larger than {MAX_BYTES} bytes"));
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        line: 1,
        nodes: 0,
        anchors: HashMap::new(),
    };
    let mut root = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::DocumentStart(_) if root.is_some() => {
                return Err(format!("a second document at line {}", reader.line));
            }
            Event::DocumentStart(_) => {}
            event => root = Some(reader.node(event, 0)?),
        }
    }
    Ok(root.unwrap_or(Value::Null))
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    line: usize,
    nodes: usize,
    anchors: HashMap<usize, (Value, usize)>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => Err(format!(
                "{} at line {}",
                error.info(),
                error.marker().line()
            )),
            None => Err("the file ends too early".into()),
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(format!("more than {MAX_NODES} values"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "nested more than {MAX_DEPTH} deep at line {}",
                self.line
            ));
        }
        let before = self.nodes;
        self.count(1)?;
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (value, nodes) =
                    known.ok_or_else(|| format!("unknown anchor at line {}", self.line))?;
                self.count(nodes)?;
                (0, value)
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let empty = matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = match plain && empty {
                    true => Value::Null,
                    false => Value::String(text.into_owned()),
                };
                (anchor, value)
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            other => return Err(format!("unexpected {other:?} at line {}", self.line)),
        };
        if anchor != 0 {
            let nodes = self.nodes - before;
            self.anchors.insert(anchor, (value.clone(), nodes));
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        let mut entries = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(entries)),
                event => self.node(event, depth + 1)?,
            };
            let Value::String(key) = key else {
                return Err(format!("a key is no name at line {}", self.line));
            };
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            match value {
                Value::Object(merged) if key == "<<" => {
                    for (key, value) in merged {
                        entries.entry(key).or_insert(value);
                    }
                }
                value => {
                    entries.insert(key, value);
                }
            }
        }
    }
}
