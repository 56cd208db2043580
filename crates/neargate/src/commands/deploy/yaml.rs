//! YAML as a tree whose every node knows its line. Reading is bounded: in size, in depth, and
//! anchors are refused, so that nothing small can stand for something huge.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;

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

/// The one document of a file.
///
/// # Errors
/// Whatever is no YAML, or goes beyond the bounds above.
pub fn parse(text: &str) -> Result<Node, FileError> {
    if text.len() > MAX_BYTES {
        return wrong(1, format!("the file is larger than {MAX_BYTES} bytes"));
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
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
        if anchor != 0 || matches!(event, Event::Alias(_)) {
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
        Ok(Node { line, kind })
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
