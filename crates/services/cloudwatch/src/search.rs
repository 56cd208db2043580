//! What `SEARCH` asks for
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html>):
//! `{Namespace,Dimension,...} term AND Name="exact" NOT (a OR b)`.

use crate::engine::MetricKey;
use std::collections::BTreeSet;

/// A search expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The namespace, and the names of all dimensions, if the search says it.
    schema: Option<(String, BTreeSet<String>)>,
    terms: Term,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Not(Box<Term>),
    /// Of this property, or of any; as it is, or by its tokens.
    Is {
        property: Option<String>,
        text: String,
        exact: bool,
    },
}

/// How deep parentheses may be.
const DEPTH: usize = 32;

impl Search {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Search, String> {
        let (schema, rest) = schema(text.trim())?;
        let words = words(rest)?;
        let mut words = words.as_slice();
        let terms = any(&mut words, 0)?;
        match words.first() {
            None => Ok(Search { schema, terms }),
            Some(word) => Err(format!("Unexpected {word:?} in the search expression")),
        }
    }

    pub fn finds(&self, key: &MetricKey) -> bool {
        if let Some((namespace, names)) = &self.schema {
            let mine: BTreeSet<String> = key.dimensions.iter().map(|(n, _)| n.clone()).collect();
            if key.namespace != *namespace || mine != *names {
                return false;
            }
        }
        self.terms.holds(key)
    }

    pub fn namespace(&self) -> Option<&str> {
        self.schema
            .as_ref()
            .map(|(namespace, _)| namespace.as_str())
    }
}

/// A namespace and the names of dimensions.
type Schema = (String, BTreeSet<String>);

/// The schema that a search begins with, and what comes after it.
fn schema(text: &str) -> Result<(Option<Schema>, &str), String> {
    let Some(inner) = text.strip_prefix('{') else {
        return Ok((None, text));
    };
    let (inner, rest) = inner.split_once('}').ok_or("The schema is not closed")?;
    let mut parts = inner
        .split(',')
        .map(|part| part.trim().trim_matches('"').to_owned());
    let namespace = parts
        .next()
        .filter(|n| !n.is_empty())
        .ok_or("The schema has no namespace")?;
    Ok((Some((namespace, parts.collect())), rest))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Open,
    Close,
    Equals,
    Plain(String),
    Quoted(String),
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '(' => {
                found.push(Word::Open);
                1
            }
            ')' => {
                found.push(Word::Close);
                1
            }
            '=' => {
                found.push(Word::Equals);
                1
            }
            '"' => {
                let end = rest[1..].find('"').ok_or("A quote is not closed")?;
                found.push(Word::Quoted(rest[1..=end].to_owned()));
                end + 2
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '=' | '"');
                let end = rest.find(ends).unwrap_or(rest.len());
                found.push(Word::Plain(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[taken..].trim_start();
    }
    Ok(found)
}

fn is(word: Option<&Word>, text: &str) -> bool {
    matches!(word, Some(Word::Plain(w)) if w == text)
}

fn any(words: &mut &[Word], depth: usize) -> Result<Term, String> {
    let mut all = vec![every(words, depth)?];
    while is(words.first(), "OR") {
        *words = &words[1..];
        all.push(every(words, depth)?);
    }
    Ok(if all.len() == 1 {
        all.remove(0)
    } else {
        Term::Any(all)
    })
}

/// Terms beside each other are all wanted.
fn every(words: &mut &[Word], depth: usize) -> Result<Term, String> {
    let mut all = Vec::new();
    loop {
        if is(words.first(), "AND") {
            *words = &words[1..];
        }
        match words.first() {
            None | Some(Word::Close) => break,
            word if is(word, "OR") => break,
            _ => all.push(term(words, depth)?),
        }
    }
    Ok(Term::All(all))
}

fn term(words: &mut &[Word], depth: usize) -> Result<Term, String> {
    if depth > DEPTH {
        return Err("The search expression is nested too deeply".into());
    }
    if is(words.first(), "NOT") {
        *words = &words[1..];
        return Ok(Term::Not(Box::new(term(words, depth + 1)?)));
    }
    let Some((first, rest)) = words.split_first() else {
        return Err("The search expression ends too early".into());
    };
    *words = rest;
    let plain = match first {
        Word::Open => {
            let inner = any(words, depth + 1)?;
            let Some((Word::Close, rest)) = words.split_first() else {
                return Err("A parenthesis is not closed".into());
            };
            *words = rest;
            return Ok(inner);
        }
        Word::Plain(text) => (text, false),
        Word::Quoted(text) => (text, true),
        Word::Close | Word::Equals => return Err(format!("Unexpected {first:?}")),
    };
    let Some((Word::Equals, rest)) = words.split_first() else {
        let (text, exact) = plain;
        let text = text.clone();
        let property = None;
        return Ok(Term::Is {
            property,
            text,
            exact,
        });
    };
    let property = Some(plain.0.clone());
    let (value, rest) = rest.split_first().ok_or("A property has no value")?;
    *words = rest;
    match value {
        Word::Plain(text) => Ok(Term::Is {
            property,
            text: text.clone(),
            exact: false,
        }),
        Word::Quoted(text) => Ok(Term::Is {
            property,
            text: text.clone(),
            exact: true,
        }),
        Word::Open => {
            let inner = any(words, depth + 1)?;
            let Some((Word::Close, rest)) = words.split_first() else {
                return Err("A parenthesis is not closed".into());
            };
            *words = rest;
            Ok(inner.of(property.as_deref().unwrap_or_default()))
        }
        Word::Close | Word::Equals => Err(format!("Unexpected {value:?}")),
    }
}

impl Term {
    /// `Name=(a OR b)`.
    fn of(self, name: &str) -> Term {
        match self {
            Term::All(all) => Term::All(all.into_iter().map(|t| t.of(name)).collect()),
            Term::Any(all) => Term::Any(all.into_iter().map(|t| t.of(name)).collect()),
            Term::Not(inner) => Term::Not(Box::new(inner.of(name))),
            Term::Is {
                property,
                text,
                exact,
            } => Term::Is {
                property: property.or_else(|| Some(name.to_owned())),
                text,
                exact,
            },
        }
    }

    fn holds(&self, key: &MetricKey) -> bool {
        match self {
            Term::All(all) => all.iter().all(|term| term.holds(key)),
            Term::Any(all) => all.iter().any(|term| term.holds(key)),
            Term::Not(inner) => !inner.holds(key),
            Term::Is {
                property,
                text,
                exact,
            } => properties(key, property.as_deref()).iter().any(|found| {
                if *exact {
                    found.eq_ignore_ascii_case(text)
                } else {
                    let found = tokens(found);
                    tokens(text).iter().all(|wanted| found.contains(wanted))
                }
            }),
        }
    }
}

/// The texts that a term is held against.
fn properties<'a>(key: &'a MetricKey, property: Option<&str>) -> Vec<&'a str> {
    let dimensions = key.dimensions.iter();
    match property {
        None => {
            let both = dimensions.flat_map(|(name, value)| [name.as_str(), value.as_str()]);
            [key.namespace.as_str(), key.name.as_str()]
                .into_iter()
                .chain(both)
                .collect()
        }
        Some("Namespace") => vec![&key.namespace],
        Some("MetricName") => vec![&key.name],
        Some(name) => {
            let name = name.strip_prefix("Dimension.").unwrap_or(name);
            dimensions
                .filter(|(n, _)| n == name)
                .map(|(_, value)| value.as_str())
                .collect()
        }
    }
}

/// The whole text, its parts between signs, and the parts of `camelCase`, in small letters.
fn tokens(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    found.insert(text.to_lowercase());
    for part in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|p| !p.is_empty())
    {
        found.insert(part.to_lowercase());
        let chars: Vec<char> = part.chars().collect();
        let mut token = String::new();
        for (n, c) in chars.iter().enumerate() {
            let before = n.checked_sub(1).map(|b| chars[b]);
            let next_small = chars.get(n + 1).is_some_and(|next| next.is_lowercase());
            let begins = before.is_some_and(|b| {
                (c.is_uppercase() && (!b.is_uppercase() || next_small))
                    || c.is_numeric() != b.is_numeric()
            });
            if begins {
                found.insert(std::mem::take(&mut token).to_lowercase());
            }
            token.push(*c);
        }
        found.insert(token.to_lowercase());
    }
    // A term with signs in it is found by its parts.
    if found.len() > 1 && text.contains(|c: char| !c.is_alphanumeric()) {
        found.remove(&text.to_lowercase());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_testkit::scope;

    fn key(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> MetricKey {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        MetricKey {
            scope: scope(),
            namespace: namespace.into(),
            name: name.into(),
            dimensions: dimensions.iter().map(owned).collect(),
        }
    }

    #[test]
    fn searches() {
        let cpu = key("AWS/EC2", "CPUUtilization", &[("InstanceId", "i-1234")]);
        let custom = key("Custom", "my-metric", &[("Kind", "fooBar"), ("Zone", "b")]);
        let cases = [
            (
                "{AWS/EC2,InstanceId} MetricName=\"CPUUtilization\"",
                true,
                false,
            ),
            ("{AWS/EC2} CPUUtilization", false, false),
            ("{Custom, Zone, Kind}", false, true),
            ("{\"Custom\",Kind,Zone} my", false, true),
            ("Utilization", true, false),
            ("cpuutilization OR metric", true, true),
            ("\"metric\"", false, false),
            ("\"my-metric\"", false, true),
            ("my-metric", false, true),
            ("NOT metric", true, false),
            (
                "(InstanceId=\"i-1234\" OR Zone=b) Namespace=Custom",
                false,
                true,
            ),
            ("bar", false, true),
            ("Kind=(x OR foo)", false, true),
            ("InstanceId=1234", true, false),
            ("", true, true),
        ];
        for (text, first, second) in cases {
            let search = Search::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(
                (search.finds(&cpu), search.finds(&custom)),
                (first, second),
                "{text}"
            );
        }
        let deep = "(".repeat(100);
        for wrong in ["{AWS", "{}", "\"a", "a)", "(a", "a=", "=a", &deep] {
            assert!(Search::parse(wrong).is_err(), "{wrong}");
        }
    }
}
