//! YAML as a tree whose every node knows its line. Reading is bounded: in size, in depth, and in what
//! anchors stand for, so that nothing small can stand for something huge.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;
/// Nodes that all aliases of a file together may stand for.
const MAX_ALIASED: usize = 50_000;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct FileError {
    pub line: usize,
    pub message: String,
}

pub fn wrong<T>(line: usize, message: impl Into<String>) -> Result<T, FileError> {
    Err(FileError {
        line,
        message: message.into(),
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `quoted` ones are text, whatever they look like.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub line: usize,
    pub name: String,
}

impl Node {
    /// Nothing was written, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, quoted: false }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// It and all in it.
    fn nodes(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Node::nodes).sum(),
            Kind::Map(entries) => entries.iter().map(|(_, node)| node.nodes()).sum(),
        }
    }

    /// What it is, for messages.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// The one document of a file. Anchors and aliases are refused.
///
/// # Errors
/// Whatever is no YAML, or goes beyond the bounds above.
pub fn parse(text: &str) -> Result<Node, FileError> {
    read(text, None)
}

/// The one document of a file in which anchors stand for what they name.
///
/// # Errors
/// Whatever is no YAML, or goes beyond the bounds above.
pub fn parse_with_anchors(text: &str) -> Result<Node, FileError> {
    read(text, Some(Anchors::default()))
}

fn read(text: &str, anchors: Option<Anchors>) -> Result<Node, FileError> {
    if text.len() > MAX_BYTES {
        return wrong(1, format!("the file is larger than {MAX_BYTES} bytes"));
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors,
    };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        let line = span.start.line();
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::DocumentStart(_) if root.is_some() => {
                return wrong(line, "a second document; a file holds one");
            }
            Event::DocumentStart(_) => {}
            event => root = Some(reader.node(event, span, 0)?),
        }
    }
    match root {
        Some(root) if !root.is_null() => Ok(root),
        _ => wrong(1, "the file is empty"),
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// `None`: none are taken.
    anchors: Option<Anchors>,
}

/// What was named so far.
#[derive(Default)]
struct Anchors {
    named: HashMap<usize, Node>,
    /// So many nodes were written by aliases.
    aliased: usize,
}

impl Anchors {
    fn take(&mut self, anchor: usize, line: usize) -> Result<Node, FileError> {
        let Some(node) = self.named.get(&anchor) else {
            return wrong(line, "an alias of what is not complete yet");
        };
        self.aliased += node.nodes();
        if self.aliased > MAX_ALIASED {
            return wrong(
                line,
                format!("aliases stand for more than {MAX_ALIASED} values"),
            );
        }
        Ok(node.clone())
    }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), FileError> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => wrong(error.marker().line(), error.info()),
            None => wrong(1, "the file ends too early"),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, FileError> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return wrong(line, format!("nested more than {MAX_DEPTH} deep"));
        }
        let (anchor, tag) = match &event {
            Event::Alias(anchor) => (*anchor, None),
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.as_deref()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.as_deref())
            }
            _ => (0, None),
        };
        if let (Some(anchors), Event::Alias(anchor)) = (&mut self.anchors, &event) {
            return anchors.take(*anchor, line);
        }
        if self.anchors.is_none() && (anchor != 0 || matches!(event, Event::Alias(_))) {
            return wrong(
                line,
                "anchors and aliases (& and *) are not taken: write it out",
            );
        }
        if let Some(tag) = tag {
            return wrong(line, format!("the tag !{} is not taken", tag.suffix));
        }
        let kind = match event {
            Event::Scalar(text, style, ..) => Kind::Scalar {
                quoted: style != ScalarStyle::Plain,
                text: text.into_owned(),
            },
            Event::SequenceStart(..) => Kind::List(self.list(depth)?),
            Event::MappingStart(..) => Kind::Map(self.map(depth)?),
            other => return wrong(line, format!("unexpected {other:?}")),
        };
        let node = Node { line, kind };
        if let (Some(anchors), true) = (&mut self.anchors, anchor != 0) {
            anchors.named.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, FileError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, FileError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(event, span, depth + 1)?;
            let Kind::Scalar { text: name, .. } = key.kind else {
                return wrong(
                    key.line,
                    format!("a key must be a name, not {}", key.what()),
                );
            };
            let line = key.line;
            if let Some((first, _)) = entries.iter().find(|(k, _)| k.name == name) {
                let first = first.line;
                return wrong(
                    line,
                    format!("{name:?} is given twice, first on line {first}"),
                );
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push((Key { line, name }, value));
        }
    }
}
