//! Space-delimited patterns: `[ip, user, ..., status = 4* && status != 403, bytes > 1000]`.

use super::InvalidPattern;
use super::condition::Comparison;
use super::scan::Scan;
use std::collections::BTreeMap;

/// Parentheses nest no deeper.
const MAX_DEPTH: usize = 64;

/// `[ … ]`: fields before and behind at most one ellipsis.
#[derive(Debug, Clone)]
pub struct Fields {
    before: Vec<Field>,
    /// `None`: no ellipsis, the number of fields must be right.
    after: Option<Vec<Field>>,
    pub(super) regexes: usize,
}

#[derive(Debug, Clone)]
struct Field {
    /// Empty: the field is known by its number.
    name: String,
    condition: Option<Condition>,
}

#[derive(Debug, Clone)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Comparison),
}

impl Condition {
    fn holds(&self, text: &str) -> bool {
        match self {
            Condition::All(list) => list.iter().all(|c| c.holds(text)),
            Condition::Any(list) => list.iter().any(|c| c.holds(text)),
            Condition::Test(comparison) => comparison.text(text),
        }
    }
}

impl Fields {
    /// `inner` is what stands between the brackets. Nothing at all takes every message.
    pub(super) fn parse(inner: &str) -> Result<Fields, InvalidPattern> {
        let mut fields = Fields {
            before: Vec::new(),
            after: None,
            regexes: 0,
        };
        if inner.trim().is_empty() {
            fields.after = Some(Vec::new());
            return Ok(fields);
        }
        let mut parser = Parser {
            scan: Scan::new(inner),
            regexes: 0,
            depth: 0,
        };
        loop {
            parser.scan.skip_space();
            if parser.scan.eat("...") || parser.scan.eat("…") {
                if fields.after.replace(Vec::new()).is_some() {
                    return Err(InvalidPattern::Syntax);
                }
            } else {
                let field = parser.field()?;
                fields
                    .after
                    .as_mut()
                    .unwrap_or(&mut fields.before)
                    .push(field);
            }
            parser.scan.skip_space();
            if parser.scan.is_empty() {
                fields.regexes = parser.regexes;
                return Ok(fields);
            }
            if !parser.scan.eat(",") {
                return Err(InvalidPattern::Syntax);
            }
        }
    }

    /// The names and texts of the message's fields, if all conditions hold.
    pub(super) fn read<'a>(&'a self, message: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let texts = split(message);
        let names = self.assign(&texts)?;
        Some(names.into_iter().zip(texts).collect())
    }

    /// Does it name such a field? A number may be that of a nameless one.
    pub(super) fn has(&self, name: &str) -> bool {
        let mut all = self.before.iter().chain(self.after.iter().flatten());
        all.any(|f| f.name == name) || name.parse::<usize>().is_ok_and(|n| n > 0)
    }

    pub(super) fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let texts = split(message);
        let names = self.assign(&texts)?;
        let value = |(n, name): (usize, &str)| {
            let key = if name.is_empty() {
                format!("${}", n + 1)
            } else {
                format!("${name}")
            };
            (key, texts[n].to_owned())
        };
        Some(names.into_iter().enumerate().map(value).collect())
    }

    /// The name of each field of the message, if all conditions hold.
    fn assign(&self, texts: &[&str]) -> Option<Vec<&str>> {
        let after = self.after.as_deref().unwrap_or_default();
        let between = texts.len().checked_sub(self.before.len() + after.len())?;
        if self.after.is_none() && between > 0 {
            return None;
        }
        let mut names = vec![""; texts.len()];
        let places = (0..self.before.len()).chain(self.before.len() + between..texts.len());
        for (field, place) in self.before.iter().chain(after).zip(places) {
            if field
                .condition
                .as_ref()
                .is_some_and(|c| !c.holds(texts[place]))
            {
                return None;
            }
            names[place] = &field.name;
        }
        Some(names)
    }
}

struct Parser<'a> {
    scan: Scan<'a>,
    regexes: usize,
    depth: usize,
}

impl Parser<'_> {
    fn field(&mut self) -> Result<Field, InvalidPattern> {
        let start = self.scan.clone();
        let parenthesised = self.scan.peek() == Some('(');
        while self.scan.eat("(") {
            self.scan.skip_space();
        }
        let name = self.name().to_owned();
        self.scan.skip_space();
        if !parenthesised && matches!(self.scan.peek(), None | Some(',')) {
            return Ok(Field {
                name,
                condition: None,
            });
        }
        if name.is_empty() {
            return Err(InvalidPattern::Syntax);
        }
        self.scan = start;
        let condition = self.any(&name)?;
        Ok(Field {
            name,
            condition: Some(condition),
        })
    }

    fn name(&mut self) -> &str {
        self.scan
            .take_while(|c| c.is_alphanumeric() || "_-".contains(c))
    }

    fn any(&mut self, name: &str) -> Result<Condition, InvalidPattern> {
        let mut list = vec![self.all(name)?];
        while self.joined("||") {
            list.push(self.all(name)?);
        }
        Ok(if list.len() == 1 {
            list.remove(0)
        } else {
            Condition::Any(list)
        })
    }

    fn all(&mut self, name: &str) -> Result<Condition, InvalidPattern> {
        let mut list = vec![self.one(name)?];
        while self.joined("&&") {
            list.push(self.one(name)?);
        }
        Ok(if list.len() == 1 {
            list.remove(0)
        } else {
            Condition::All(list)
        })
    }

    fn joined(&mut self, token: &str) -> bool {
        self.scan.skip_space();
        self.scan.eat(token)
    }

    /// A condition speaks of its own field only: AWS refuses `status = 4* && bytes > 1000`.
    fn one(&mut self, name: &str) -> Result<Condition, InvalidPattern> {
        self.scan.skip_space();
        if self.scan.eat("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(InvalidPattern::Syntax);
            }
            let inner = self.any(name)?;
            self.depth -= 1;
            return if self.joined(")") {
                Ok(inner)
            } else {
                Err(InvalidPattern::Syntax)
            };
        }
        if self.name() != name {
            return Err(InvalidPattern::Syntax);
        }
        let comparison = Comparison::parse(&mut self.scan, &mut self.regexes)?;
        comparison
            .map(Condition::Test)
            .ok_or(InvalidPattern::Syntax)
    }
}

/// The fields of a message: separated by space; what stands between `[` and `]` or two `"` is
/// one field, without them.
fn split(message: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = message.trim_start();
    while !rest.is_empty() {
        let closing = match rest.as_bytes()[0] {
            b'[' => Some(']'),
            b'"' => Some('"'),
            _ => None,
        };
        let grouped = closing.and_then(|c| {
            rest[1..]
                .find(c)
                .map(|end| (&rest[1..=end], &rest[end + 2..]))
        });
        let (field, behind) = grouped.unwrap_or_else(|| {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest.split_at(end)
        });
        fields.push(field);
        rest = behind.trim_start();
    }
    fields
}
