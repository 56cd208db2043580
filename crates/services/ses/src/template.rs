//! Templates: SES's part of Handlebars
//! (<https://docs.aws.amazon.com/ses/latest/dg/send-personalized-email-advanced.html>).
//!
//! Values, `#if`, `#unless`, `#each`, `#with`, `else`, comments and inline partials. Nothing is escaped,
//! as SES does not. How deep, how long and how often is bounded. Pure.

use serde_json::Value;
use std::collections::BTreeMap;

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("Attribute '{0}' is not present in the rendering data.")]
    Missing(String),
    #[error("{0}")]
    Malformed(String),
    #[error("The rendered template is too large.")]
    TooLarge,
}

const DEEPEST: usize = 32;
const MOST_STEPS: usize = 200_000;
const MOST_BYTES: usize = 10 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    Value(String),
    Partial(String),
    Block(Box<Block>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    If,
    Unless,
    Each,
    With,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    kind: Kind,
    path: String,
    then: Vec<Node>,
    otherwise: Vec<Node>,
}

/// A text that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    nodes: Vec<Node>,
    partials: BTreeMap<String, Vec<Node>>,
}

/// Reads a template's text.
///
/// # Errors
/// [`Failure::Malformed`].
pub fn parse(text: &str) -> Result<Parsed, Failure> {
    let mut reader = Reader {
        rest: text,
        partials: BTreeMap::new(),
    };
    let (nodes, end) = reader.nodes(0)?;
    match end {
        End::Text => Ok(Parsed {
            nodes,
            partials: reader.partials,
        }),
        End::Else => Err(malformed("else outside of a block")),
        End::Close(name) => Err(malformed(&format!("/{name} closes no block"))),
    }
}

/// What the text is with this data.
///
/// # Errors
/// [`Failure`].
pub fn render(parsed: &Parsed, data: &Value) -> Result<String, Failure> {
    let mut writer = Writer {
        parsed,
        out: String::new(),
        steps: 0,
    };
    let frame = Frame {
        value: data,
        at: None,
        above: None,
    };
    writer.nodes(&parsed.nodes, &frame, 0)?;
    Ok(writer.out)
}

fn malformed(why: &str) -> Failure {
    Failure::Malformed(format!("The template is malformed: {why}."))
}

/// What a sequence of nodes ended with.
enum End {
    Text,
    Else,
    Close(String),
}

struct Reader<'a> {
    rest: &'a str,
    partials: BTreeMap<String, Vec<Node>>,
}

impl Reader<'_> {
    fn nodes(&mut self, depth: usize) -> Result<(Vec<Node>, End), Failure> {
        if depth > DEEPEST {
            return Err(malformed("blocks are nested too deeply"));
        }
        let mut nodes = Vec::new();
        loop {
            let Some(at) = self.rest.find("{{") else {
                push_text(&mut nodes, self.rest);
                self.rest = "";
                return Ok((nodes, End::Text));
            };
            push_text(&mut nodes, &self.rest[..at]);
            let tag = self.tag(at)?;
            if tag.starts_with('!') {
                continue;
            }
            if tag == "else" || tag == "^" {
                return Ok((nodes, End::Else));
            }
            if let Some(name) = tag.strip_prefix('/') {
                return Ok((nodes, End::Close(name.trim().to_owned())));
            }
            if let Some(name) = tag.strip_prefix('>') {
                nodes.push(Node::Partial(name.trim().to_owned()));
            } else if let Some(opened) = tag.strip_prefix('#') {
                if let Some(node) = self.block(opened.trim(), depth)? {
                    nodes.push(node);
                }
            } else {
                let path = tag
                    .trim_start_matches(['{', '&'])
                    .trim_end_matches('}')
                    .trim();
                if path.is_empty() || path.contains(char::is_whitespace) {
                    return Err(malformed(&format!("{path:?} is no attribute")));
                }
                nodes.push(Node::Value(path.to_owned()));
            }
        }
    }

    /// What is between the braces that begin at `at`.
    fn tag(&mut self, at: usize) -> Result<String, Failure> {
        let inside = &self.rest[at + 2..];
        let close = match inside {
            _ if inside.starts_with("!--") => "--}}",
            _ if inside.starts_with('{') => "}}}",
            _ => "}}",
        };
        let end = inside
            .find(close)
            .ok_or_else(|| malformed("a tag is not closed"))?;
        self.rest = &inside[end + close.len()..];
        let tag = inside[..end].trim_matches('~').trim();
        Ok(tag.to_owned())
    }

    fn block(&mut self, opened: &str, depth: usize) -> Result<Option<Node>, Failure> {
        let (word, path) = opened
            .split_once(char::is_whitespace)
            .unwrap_or((opened, ""));
        let path = path.trim();
        if word == "*" || word == "*inline" {
            let name = path
                .trim_start_matches("inline")
                .trim()
                .trim_matches(['"', '\'']);
            let (nodes, _) = self.body("inline", depth)?;
            self.partials.insert(name.to_owned(), nodes);
            return Ok(None);
        }
        let kind = match word {
            "if" => Kind::If,
            "unless" => Kind::Unless,
            "each" => Kind::Each,
            "with" => Kind::With,
            other => return Err(malformed(&format!("there is no block {other:?}"))),
        };
        let path = path.split(" as |").next().unwrap_or_default().trim();
        if path.is_empty() {
            return Err(malformed(&format!("#{word} needs an attribute")));
        }
        let (then, otherwise) = self.body(word, depth)?;
        Ok(Some(Node::Block(Box::new(Block {
            kind,
            path: path.to_owned(),
            then,
            otherwise,
        }))))
    }

    fn body(&mut self, word: &str, depth: usize) -> Result<(Vec<Node>, Vec<Node>), Failure> {
        let (then, end) = self.nodes(depth + 1)?;
        let (otherwise, end) = match end {
            End::Else => self.nodes(depth + 1)?,
            end => (Vec::new(), end),
        };
        match end {
            End::Close(name) if name == word => Ok((then, otherwise)),
            _ => Err(malformed(&format!("#{word} is not closed"))),
        }
    }
}

fn push_text(nodes: &mut Vec<Node>, text: &str) {
    if !text.is_empty() {
        nodes.push(Node::Text(text.to_owned()));
    }
}

/// What a name means at a place: the value there, its place in the list that it is of, what is around.
struct Frame<'a> {
    value: &'a Value,
    at: Option<At>,
    above: Option<&'a Frame<'a>>,
}

#[derive(Clone)]
struct At {
    index: usize,
    count: usize,
    key: Option<String>,
}

struct Writer<'a> {
    parsed: &'a Parsed,
    out: String,
    steps: usize,
}

impl Writer<'_> {
    fn nodes(&mut self, nodes: &[Node], frame: &Frame<'_>, depth: usize) -> Result<(), Failure> {
        if depth > DEEPEST {
            return Err(malformed("partials are nested too deeply"));
        }
        for node in nodes {
            self.steps += 1;
            if self.steps > MOST_STEPS || self.out.len() > MOST_BYTES {
                return Err(Failure::TooLarge);
            }
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Value(path) => {
                    let value = frame.find(path);
                    let value = value.ok_or_else(|| Failure::Missing(path.clone()))?;
                    write(&mut self.out, &value);
                }
                Node::Partial(name) => {
                    let nodes = self.parsed.partials.get(name);
                    let nodes =
                        nodes.ok_or_else(|| malformed(&format!("there is no partial {name:?}")))?;
                    self.nodes(nodes, frame, depth + 1)?;
                }
                Node::Block(block) => self.block(block, frame, depth)?,
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &Block, frame: &Frame<'_>, depth: usize) -> Result<(), Failure> {
        let value = frame.find(&block.path).unwrap_or(Value::Null);
        let holds = is_true(&value);
        let within = |value, at| Frame {
            value,
            at,
            above: Some(frame),
        };
        match block.kind {
            Kind::If if holds => self.nodes(&block.then, frame, depth + 1),
            Kind::Unless if !holds => self.nodes(&block.then, frame, depth + 1),
            Kind::With if holds => self.nodes(&block.then, &within(&value, None), depth + 1),
            Kind::Each if holds => {
                let each: Vec<(Option<String>, &Value)> = match &value {
                    Value::Array(all) => all.iter().map(|v| (None, v)).collect(),
                    Value::Object(all) => all.iter().map(|(k, v)| (Some(k.clone()), v)).collect(),
                    _ => Vec::new(),
                };
                let count = each.len();
                for (index, (key, value)) in each.into_iter().enumerate() {
                    let at = At { index, count, key };
                    self.nodes(&block.then, &within(value, Some(at)), depth + 1)?;
                }
                Ok(())
            }
            _ => self.nodes(&block.otherwise, frame, depth + 1),
        }
    }
}

impl Frame<'_> {
    /// What a path leads to from here.
    fn find(&self, path: &str) -> Option<Value> {
        if let Some(above) = path.strip_prefix("../") {
            return self.above?.find(above);
        }
        if let Some(rest) = path.strip_prefix("@root.") {
            let mut top = self;
            while let Some(above) = top.above {
                top = above;
            }
            return top.find(rest);
        }
        if path.starts_with('@') {
            return self.about(path);
        }
        let path = path
            .strip_prefix("this.")
            .or(path.strip_prefix("this/"))
            .unwrap_or(path);
        if path == "this" || path == "." {
            return Some(self.value.clone());
        }
        let mut value = self.value;
        for part in path.split(['.', '/']) {
            let part = part.trim_matches(['[', ']']);
            value = match value {
                Value::Object(all) => all.get(part)?,
                Value::Array(all) => all.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value.clone())
    }

    fn about(&self, word: &str) -> Option<Value> {
        let Some(at) = &self.at else {
            return self.above?.about(word);
        };
        Some(match word {
            "@index" => at.index.into(),
            "@first" => (at.index == 0).into(),
            "@last" => (at.index + 1 == at.count).into(),
            "@key" => match &at.key {
                Some(key) => key.as_str().into(),
                None => at.index.into(),
            },
            _ => return None,
        })
    }
}

/// As Handlebars sees it.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(_) => true,
    }
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => out.push_str(text),
        Value::Array(all) => {
            for (n, value) in all.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(out, value);
            }
        }
        Value::Object(_) => out.push_str("[object Object]"),
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(text: &str, data: &Value) -> Result<String, Failure> {
        render(&parse(text)?, data)
    }

    #[test]
    fn what_ses_documents_is_rendered() {
        let data = json!({
            "name": "Jane <b>",
            "user": { "city": "Bern" },
            "subscription": [
                { "interest": "Sports", "topics": ["Tennis"] },
                { "interest": "Tech", "topics": [] },
            ],
            "none": [], "zero": 0,
        });
        for (text, wanted) in [
            ("Dear {{name}},", "Dear Jane <b>,"),
            ("{{{ name }}}{{& name}}", "Jane <b>Jane <b>"),
            (
                "{{user.city}}{{#with user}}{{city}}{{../zero}}{{/with}}",
                "BernBern0",
            ),
            (
                "{{#each subscription}}{{@index}}{{interest}}{{#each topics}}:{{this}}{{else}}-{{/each}};{{/each}}",
                "0Sports:Tennis;1Tech-;",
            ),
            (
                "{{#if zero}}a{{else}}b{{/if}}{{#unless none}}c{{/unless}}{{#if missing}}d{{/if}}",
                "bc",
            ),
            ("{{!-- {{name}} --}}{{! no }}x", "x"),
            (
                "{{#* inline \"hi\"}}Hi {{name}}{{/inline}}{{> hi}}!",
                "Hi Jane <b>!",
            ),
            ("{ {{~name~}} }", "{ Jane <b> }"),
        ] {
            assert_eq!(rendered(text, &data).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_said() {
        let data = json!({ "a": 1 });
        let said = |text: &str| rendered(text, &data).expect_err(text).to_string();
        assert_eq!(
            said("{{name}}"),
            "Attribute 'name' is not present in the rendering data."
        );
        assert_eq!(
            said("{{a.b}}"),
            "Attribute 'a.b' is not present in the rendering data."
        );
        for text in [
            "{{a",
            "{{#if a}}",
            "{{/if}}",
            "{{#if a}}{{/each}}",
            "{{else}}",
            "{{#x a}}{{/x}}",
            "{{> no}}",
            "{{}}",
        ] {
            assert!(said(text).contains("malformed"), "{text}");
        }
        let deep = "{{#if a}}".repeat(100_000);
        assert!(said(&deep).contains("too deeply"));
        let bomb = "{{#* inline \"b\"}}{{> b}}{{> b}}{{/inline}}{{> b}}";
        assert!(rendered(bomb, &data).is_err());
        let long = json!({ "l": vec![0; 1_000] });
        let nested = "{{#each l}}{{#each ../l}}{{#each ../../l}}x{{/each}}{{/each}}{{/each}}";
        assert_eq!(rendered(nested, &long), Err(Failure::TooLarge));
    }
}
