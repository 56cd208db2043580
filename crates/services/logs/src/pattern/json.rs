//! JSON patterns: selectors compared with values, joined by `&&`, `||` and parentheses.

use super::InvalidPattern;
use super::condition::Comparison;
use super::scan::Scan;
use serde_json::Value;
use std::collections::BTreeMap;

/// Parentheses nest no deeper: the pattern is at most 1024 characters, the stack is finite.
const MAX_DEPTH: usize = 64;

/// `{ … }`.
#[derive(Debug, Clone)]
pub struct Json {
    expression: Expression,
    pub(super) regexes: usize,
}

#[derive(Debug, Clone)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Test(Selector, Test),
}

#[derive(Debug, Clone)]
enum Test {
    Compare(Comparison),
    Null,
    True,
    False,
    Exists,
    NotExists,
}

/// Where in a document a value is.
#[derive(Debug, Clone)]
pub struct Selector {
    /// As it is written, `$.a[0].b`.
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
    /// `*` or `[*]`: every member or element; one that satisfies the test is enough.
    Every,
}

impl Json {
    /// `inner` is what stands between the braces.
    pub(super) fn parse(inner: &str) -> Result<Json, InvalidPattern> {
        let mut parser = Parser {
            scan: Scan::new(inner),
            regexes: 0,
            every: 0,
            depth: 0,
        };
        let expression = parser.any()?;
        parser.scan.skip_space();
        if parser.scan.is_empty() {
            let regexes = parser.regexes;
            Ok(Json {
                expression,
                regexes,
            })
        } else {
            Err(InvalidPattern::Syntax)
        }
    }

    pub(super) fn holds(&self, document: &Value) -> bool {
        self.expression.holds(document)
    }

    pub(super) fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let document = document(message).filter(|d| self.holds(d))?;
        let mut values = BTreeMap::new();
        self.expression.collect(&document, &mut values);
        Some(values)
    }
}

/// The message as JSON; `None` when it is no array or object.
pub(super) fn document(message: &str) -> Option<Value> {
    let message = message.trim();
    if !message.starts_with('{') && !message.starts_with('[') {
        return None;
    }
    serde_json::from_str(message).ok()
}

struct Parser<'a> {
    scan: Scan<'a>,
    regexes: usize,
    every: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expression, InvalidPattern> {
        let mut list = vec![self.all()?];
        while self.joined("||") {
            list.push(self.all()?);
        }
        Ok(if list.len() == 1 {
            list.remove(0)
        } else {
            Expression::Any(list)
        })
    }

    fn all(&mut self) -> Result<Expression, InvalidPattern> {
        let mut list = vec![self.one()?];
        while self.joined("&&") {
            list.push(self.one()?);
        }
        Ok(if list.len() == 1 {
            list.remove(0)
        } else {
            Expression::All(list)
        })
    }

    fn joined(&mut self, token: &str) -> bool {
        self.scan.skip_space();
        self.scan.eat(token)
    }

    fn one(&mut self) -> Result<Expression, InvalidPattern> {
        self.scan.skip_space();
        if !self.scan.eat("(") {
            let selector = self.selector()?;
            return Ok(Expression::Test(selector, self.test()?));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(InvalidPattern::Syntax);
        }
        let inner = self.any()?;
        self.depth -= 1;
        if self.joined(")") {
            Ok(inner)
        } else {
            Err(InvalidPattern::Syntax)
        }
    }

    fn test(&mut self) -> Result<Test, InvalidPattern> {
        if self.scan.eat_word("IS") {
            let tests = [
                ("NULL", Test::Null),
                ("TRUE", Test::True),
                ("FALSE", Test::False),
            ];
            let found = tests.into_iter().find(|(word, _)| self.scan.eat_word(word));
            return found.map(|(_, test)| test).ok_or(InvalidPattern::Syntax);
        }
        if self.scan.eat_word("NOT") {
            return if self.scan.eat_word("EXISTS") {
                Ok(Test::NotExists)
            } else {
                Err(InvalidPattern::Syntax)
            };
        }
        if self.scan.eat_word("EXISTS") {
            return Ok(Test::Exists);
        }
        let comparison = Comparison::parse(&mut self.scan, &mut self.regexes)?;
        comparison.map(Test::Compare).ok_or(InvalidPattern::Syntax)
    }

    /// `$` and at least one step. Keys are letters, digits, `-` and `_`.
    fn selector(&mut self) -> Result<Selector, InvalidPattern> {
        if !self.scan.eat("$") {
            return Err(InvalidPattern::Syntax);
        }
        let (mut text, mut steps) = ("$".to_owned(), Vec::new());
        loop {
            if self.scan.eat(".") {
                if self.scan.eat("*") {
                    text.push_str(".*");
                    steps.push(Step::Every);
                    continue;
                }
                let key = self
                    .scan
                    .take_while(|c| c.is_alphanumeric() || "-_@".contains(c));
                if key.is_empty() {
                    return Err(InvalidPattern::Syntax);
                }
                text.extend([".", key]);
                steps.push(Step::Key(key.to_owned()));
            } else if self.scan.eat("[") {
                let every = self.scan.eat("*");
                let digits = if every {
                    "*"
                } else {
                    self.scan.take_while(|c| c.is_ascii_digit())
                };
                let index = if every {
                    Some(Step::Every)
                } else {
                    digits.parse().ok().map(Step::Index)
                };
                let closed = self.scan.eat("]");
                steps.push(index.filter(|_| closed).ok_or(InvalidPattern::Syntax)?);
                text.extend(["[", digits, "]"]);
            } else {
                break;
            }
        }
        // "One wildcard in a property selector, up to three in a pattern."
        let every = steps.iter().filter(|s| matches!(s, Step::Every)).count();
        self.every += every;
        if steps.is_empty() || every > 1 || self.every > 3 {
            return Err(InvalidPattern::Syntax);
        }
        Ok(Selector { text, steps })
    }
}

impl Selector {
    /// What stands alone, as the value of a metric.
    pub(super) fn parse(text: &str) -> Option<Selector> {
        let mut parser = Parser {
            scan: Scan::new(text),
            regexes: 0,
            every: 0,
            depth: 0,
        };
        let selector = parser.selector().ok()?;
        parser.scan.is_empty().then_some(selector)
    }

    /// The first value that it leads to.
    pub(super) fn first<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        find(document, &self.steps).first().copied()
    }
}

impl Expression {
    fn holds(&self, document: &Value) -> bool {
        match self {
            Expression::All(list) => list.iter().all(|e| e.holds(document)),
            Expression::Any(list) => list.iter().any(|e| e.holds(document)),
            Expression::Test(selector, test) => {
                let found = find(document, &selector.steps);
                match test {
                    Test::NotExists => found.is_empty(),
                    test => found.into_iter().any(|v| test.holds(v)),
                }
            }
        }
    }

    fn collect(&self, document: &Value, values: &mut BTreeMap<String, String>) {
        match self {
            Expression::All(list) | Expression::Any(list) => {
                list.iter().for_each(|e| e.collect(document, values));
            }
            Expression::Test(selector, _) => {
                if let Some(value) = find(document, &selector.steps).first() {
                    let text = match value {
                        Value::String(s) => s.clone(),
                        other => other.to_string(),
                    };
                    values.insert(selector.text.clone(), text);
                }
            }
        }
    }
}

impl Test {
    /// A comparison applies to strings, numbers and booleans only: "if the selector points to an
    /// array or object, the filter will not be applied", `!=` included.
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Test::Null, value) => value.is_null(),
            (Test::True, value) => *value == Value::Bool(true),
            (Test::False, value) => *value == Value::Bool(false),
            (Test::Exists, _) => true,
            (Test::NotExists, _) => false,
            (Test::Compare(c), Value::String(s)) => c.text(s),
            (Test::Compare(c), Value::Number(n)) => {
                c.number(n.as_f64().unwrap_or(f64::NAN), &n.to_string())
            }
            (Test::Compare(c), Value::Bool(b)) => c.text(if *b { "true" } else { "false" }),
            (Test::Compare(_), Value::Null | Value::Array(_) | Value::Object(_)) => false,
        }
    }
}

/// Every value the steps lead to: none or one, but for [`Step::Every`].
fn find<'a>(document: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let mut found = vec![document];
    for step in steps {
        found = match step {
            Step::Key(key) => found.into_iter().filter_map(|v| v.get(key)).collect(),
            Step::Index(index) => found
                .into_iter()
                .filter_map(|v| v.as_array().and_then(|a| a.get(*index)))
                .collect(),
            Step::Every => found.into_iter().flat_map(members).collect(),
        };
    }
    found
}

fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
