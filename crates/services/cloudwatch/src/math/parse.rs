//! The tree of an expression.

use super::MathError;
use super::lex::{Token, tokens};

#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    Number(f64),
    Text(String),
    /// An id of the request, or a word that a function takes.
    Name(String),
    List(Vec<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// How deep an expression may be.
const DEPTH: usize = 64;
/// How many operators it may have, each of which makes its tree one deeper.
const OPERATORS: usize = 256;

/// Weaker levels first; operators of a level bind to the left, powers too.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("OR", Operator::Or)],
    &[("&&", Operator::And), ("AND", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
    &[("^", Operator::Power)],
];

/// Reads an expression.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Expression, MathError> {
    // A query is no expression, and has words of its own.
    let first = text.split_whitespace().next().unwrap_or_default();
    if first.eq_ignore_ascii_case("SELECT") {
        return Err(MathError::NotBuilt("Metrics Insights queries"));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        depth: 0,
        operators: 0,
    };
    let expression = parser.level(0)?;
    match parser.tokens.first() {
        None => Ok(expression),
        Some(token) => Err(unexpected(Some(token))),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
    operators: usize,
}

impl Parser<'_> {
    fn level(&mut self, level: usize) -> Result<Expression, MathError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            self.operators += 1;
            if self.operators > OPERATORS {
                return Err(MathError::new("The expression has too many operators"));
            }
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operator(&mut self, of: &[(&str, Operator)]) -> Option<Operator> {
        let word = match self.tokens.first()? {
            Token::Sign(sign) => sign,
            Token::Name(name) => name.as_str(),
            _ => return None,
        };
        let found = of.iter().find(|(sign, _)| *sign == word)?.1;
        self.tokens = &self.tokens[1..];
        Some(found)
    }

    fn unary(&mut self) -> Result<Expression, MathError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(MathError::new("The expression is nested too deeply"));
        }
        let found = if self.sign("-") {
            Expression::Negative(Box::new(self.unary()?))
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(found)
    }

    fn primary(&mut self) -> Result<Expression, MathError> {
        let Some((first, rest)) = self.tokens.split_first() else {
            return Err(unexpected(None));
        };
        self.tokens = rest;
        match first {
            Token::Number(n) => Ok(Expression::Number(*n)),
            Token::Text(text) => Ok(Expression::Text(text.clone())),
            Token::Name(name) if self.sign("(") => {
                Ok(Expression::Call(name.clone(), self.items(")")?))
            }
            Token::Name(name) => Ok(Expression::Name(name.clone())),
            Token::Sign("(") => {
                let inner = self.level(0)?;
                if self.sign(")") {
                    Ok(inner)
                } else {
                    Err(unexpected(self.tokens.first()))
                }
            }
            Token::Sign("[") => Ok(Expression::List(self.items("]")?)),
            Token::Sign(_) => Err(unexpected(Some(first))),
        }
    }

    /// What is between commas, up to `end`.
    fn items(&mut self, end: &str) -> Result<Vec<Expression>, MathError> {
        let mut items = Vec::new();
        if self.sign(end) {
            return Ok(items);
        }
        loop {
            items.push(self.level(0)?);
            if self.sign(end) {
                return Ok(items);
            }
            if !self.sign(",") {
                return Err(unexpected(self.tokens.first()));
            }
        }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.first(), Some(Token::Sign(s)) if *s == sign);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }
}

fn unexpected(token: Option<&Token>) -> MathError {
    MathError::new(match token {
        None => "Unexpected end of the expression".to_owned(),
        Some(Token::Number(n)) => format!("Unexpected '{n}'"),
        Some(Token::Name(text) | Token::Text(text)) => format!("Unexpected '{text}'"),
        Some(Token::Sign(sign)) => format!("Unexpected '{sign}'"),
    })
}

impl Expression {
    /// Every id that it names.
    pub fn names<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Expression::Number(_) | Expression::Text(_) => {}
            Expression::Name(name) => found.push(name),
            Expression::List(items) | Expression::Call(_, items) => {
                items.iter().for_each(|item| item.names(found));
            }
            Expression::Negative(inner) => inner.names(found),
            Expression::Binary(_, left, right) => {
                left.names(found);
                right.names(found);
            }
        }
    }

    /// Does it call this function?
    pub fn calls(&self, function: &str) -> bool {
        match self {
            Expression::Number(_) | Expression::Text(_) | Expression::Name(_) => false,
            Expression::List(items) => items.iter().any(|item| item.calls(function)),
            Expression::Call(name, items) => {
                name == function || items.iter().any(|item| item.calls(function))
            }
            Expression::Negative(inner) => inner.calls(function),
            Expression::Binary(_, left, right) => left.calls(function) || right.calls(function),
        }
    }
}
