//! From words to an expression.

use super::lexer::{At, Token, lex};
use super::{Expression, Flag, GroupName, Id, Invalid, Number, Op, Part, Text};
use crate::trace::{CauseKind, Scalar};

/// The longest expression.
const MOST_BYTES: usize = 4_096;
/// How deep parentheses and negations may go.
const MOST_DEPTH: usize = 32;

/// What an expression is about: what may be said differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Trace,
    /// Within the braces of `service` or `edge`.
    Node,
    /// Within the braces of a root cause.
    Cause,
}

/// Reads an expression; empty text is one that takes everything.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(text: &str) -> Result<Expression, Invalid> {
    if text.len() > MOST_BYTES {
        return Err(Invalid {
            what: format!("an expression has {MOST_BYTES} bytes at the most"),
            at: MOST_BYTES,
        });
    }
    if text.trim().is_empty() {
        return Ok(Expression::Always);
    }
    let tokens = lex(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        end: text.chars().count() + 1,
        depth: 0,
    };
    let expression = parser.any(About::Trace)?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.invalid("this does not belong here")),
    }
}

struct Parser<'a> {
    tokens: &'a [At],
    at: usize,
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn invalid(&self, what: impl Into<String>) -> Invalid {
        let at = self.tokens.get(self.at).map_or(self.end, |(at, _)| *at);
        let what = what.into();
        Invalid { what, at }
    }

    fn takes(&mut self, token: &Token) -> bool {
        let is_it = self.peek() == Some(token);
        if is_it {
            self.at += 1;
        }
        is_it
    }

    fn expect(&mut self, token: &Token, shown: &str) -> Result<(), Invalid> {
        match self.takes(token) {
            true => Ok(()),
            false => Err(self.invalid(format!("{shown} is missing"))),
        }
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        if is_it {
            self.at += 1;
        }
        is_it
    }

    fn deeper(&mut self) -> Result<(), Invalid> {
        self.depth += 1;
        match self.depth > MOST_DEPTH {
            true => Err(self.invalid(format!("there are more than {MOST_DEPTH} levels"))),
            false => Ok(()),
        }
    }

    fn any(&mut self, about: About) -> Result<Expression, Invalid> {
        self.deeper()?;
        let mut all = vec![self.all(about)?];
        while self.takes_word("or") {
            all.push(self.all(about)?);
        }
        self.depth -= 1;
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Expression::Or(all),
        })
    }

    /// What stands beside each other must all be true, with AND or without.
    fn all(&mut self, about: About) -> Result<Expression, Invalid> {
        let mut all = vec![self.one(about)?];
        loop {
            let and = self.takes_word("and");
            let begins = match self.peek() {
                Some(Token::Word(word)) => !word.eq_ignore_ascii_case("or"),
                Some(Token::Not | Token::Open) => true,
                _ => false,
            };
            if !begins && !and {
                break;
            }
            all.push(self.one(about)?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Expression::And(all),
        })
    }

    fn one(&mut self, about: About) -> Result<Expression, Invalid> {
        if self.takes(&Token::Not) {
            self.deeper()?;
            let negated = self.one(about)?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(negated)));
        }
        if self.takes(&Token::Open) {
            let inner = self.any(about)?;
            self.expect(&Token::Close, ")")?;
            return Ok(inner);
        }
        let word = match self.peek() {
            Some(Token::Word(word)) => word.as_str(),
            _ => return Err(self.invalid("a keyword is missing")),
        };
        let lower = word.to_ascii_lowercase();
        if let Some(key) = annotation_key(word, &lower) {
            return self.annotation(key, about);
        }
        match lower.as_str() {
            "annotation" => self.annotation(None, about),
            "service" if about == About::Trace => self.service(),
            "edge" if about == About::Trace => self.edge(),
            "id" if about == About::Trace => {
                let id = self.service_id()?;
                Ok(Expression::Service(id, None))
            }
            "group.name" | "group.arn" if about == About::Trace => self.group(&lower),
            "rootcause.json" | "json" if about == About::Trace => self.json(),
            _ if lower.starts_with("rootcause.") && about == About::Trace => self.cause(&lower),
            _ => self.simple(&lower, about),
        }
    }

    fn annotation(&mut self, key: Option<String>, about: About) -> Result<Expression, Invalid> {
        if about == About::Cause {
            return Err(self.invalid("a root cause has no annotations"));
        }
        self.at += 1;
        let key = match key {
            Some(key) => key,
            None => {
                self.expect(&Token::OpenBracket, "[ and the annotation's key")?;
                let key = match self.next() {
                    Some(Token::Word(key) | Token::Text(key)) => key.clone(),
                    _ => return Err(self.invalid("an annotation's key is missing")),
                };
                self.expect(&Token::CloseBracket, "]")?;
                key
            }
        };
        let Some(op) = self.operator() else {
            return Ok(Expression::HasAnnotation(key));
        };
        let value = match self.next() {
            Some(Token::Text(text)) => Scalar::Text(text.clone()),
            Some(Token::Number(number)) => Scalar::Number(*number),
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "true" => Scalar::Bool(true),
                "false" => Scalar::Bool(false),
                _ => Scalar::Text(word.clone()),
            },
            _ => return Err(self.invalid("a value is missing")),
        };
        let is_of_text = matches!(op, Op::Contains | Op::BeginsWith | Op::EndsWith);
        let is_of_number = !matches!(op, Op::Equal | Op::NotEqual) && !is_of_text;
        let fits = match &value {
            Scalar::Text(_) => !is_of_number,
            Scalar::Number(_) => !is_of_text,
            Scalar::Bool(_) => !is_of_text && !is_of_number,
        };
        match fits {
            true => Ok(Expression::Annotation(key, op, value)),
            false => Err(self.invalid("the operator is not one for this value")),
        }
    }

    fn service(&mut self) -> Result<Expression, Invalid> {
        self.at += 1;
        self.expect(&Token::Open, "(")?;
        let id = self.optional_id()?;
        self.expect(&Token::Close, ")")?;
        let inner = self.braces(About::Node)?;
        Ok(Expression::Service(id, inner))
    }

    fn edge(&mut self) -> Result<Expression, Invalid> {
        self.at += 1;
        self.expect(&Token::Open, "(")?;
        let from = self.optional_id()?;
        let to = match self.takes(&Token::Comma) {
            true => self.optional_id()?,
            false => Id::default(),
        };
        self.expect(&Token::Close, ")")?;
        let inner = self.braces(About::Node)?;
        Ok(Expression::Edge(from, to, inner))
    }

    fn braces(&mut self, about: About) -> Result<Option<Box<Expression>>, Invalid> {
        if !self.takes(&Token::OpenBrace) {
            return Ok(None);
        }
        if self.takes(&Token::CloseBrace) {
            return Ok(None);
        }
        let inner = self.any(about)?;
        self.expect(&Token::CloseBrace, "}")?;
        Ok(Some(Box::new(inner)))
    }

    fn optional_id(&mut self) -> Result<Id, Invalid> {
        match self.peek() {
            Some(Token::Close | Token::Comma) => Ok(Id::default()),
            Some(Token::Text(name)) => {
                self.at += 1;
                let name = Some(name.clone());
                Ok(Id {
                    name,
                    ..Id::default()
                })
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("id") => self.service_id(),
            _ => Err(self.invalid("a service's name in quotation marks is missing")),
        }
    }

    /// `id(name: "…", type: "…", account.id: "…")`
    fn service_id(&mut self) -> Result<Id, Invalid> {
        self.at += 1;
        self.expect(&Token::Open, "(")?;
        let mut id = Id::default();
        while !self.takes(&Token::Close) {
            let field = match self.peek() {
                Some(Token::Word(word)) => word.to_ascii_lowercase(),
                _ => return Err(self.invalid("name, type or account.id is missing")),
            };
            let field = match field.as_str() {
                "name" => &mut id.name,
                "type" => &mut id.kind,
                "account.id" => &mut id.account,
                _ => return Err(self.invalid("an id has name, type and account.id")),
            };
            self.at += 1;
            self.expect(&Token::Colon, ":")?;
            match self.next() {
                Some(Token::Text(text)) => *field = Some(text.clone()),
                _ => return Err(self.invalid("a text in quotation marks is missing")),
            }
            if !self.takes(&Token::Comma) {
                self.expect(&Token::Close, ")")?;
                break;
            }
        }
        Ok(id)
    }

    fn group(&mut self, keyword: &str) -> Result<Expression, Invalid> {
        self.at += 1;
        let negated = match self.operator() {
            Some(Op::Equal) => false,
            Some(Op::NotEqual) => true,
            _ => return Err(self.invalid("groups are compared with = and !=")),
        };
        let Some(Token::Text(name)) = self.next() else {
            return Err(self.invalid("a text in quotation marks is missing"));
        };
        let group = Expression::Group(match keyword {
            "group.arn" => GroupName::Arn(name.clone()),
            _ => GroupName::Name(name.clone()),
        });
        Ok(match negated {
            true => Expression::Not(Box::new(group)),
            false => group,
        })
    }

    fn json(&mut self) -> Result<Expression, Invalid> {
        self.at += 1;
        let negated = match self.operator() {
            Some(Op::Equal) => false,
            Some(Op::NotEqual) => true,
            _ => return Err(self.invalid("root causes are compared with = and !=")),
        };
        let Some(Token::Json(value)) = self.next() else {
            return Err(self.invalid("# and JSON are missing"));
        };
        let like = Expression::CauseLike(value.clone());
        Ok(match negated {
            true => Expression::Not(Box::new(like)),
            false => like,
        })
    }

    fn cause(&mut self, keyword: &str) -> Result<Expression, Invalid> {
        let mut words = keyword.split('.').skip(1);
        let kind = match words.next() {
            Some("fault") => CauseKind::Fault,
            Some("error") => CauseKind::Error,
            Some("responsetime") => CauseKind::ResponseTime,
            _ => return Err(self.invalid("root causes are fault, error, responsetime and json")),
        };
        let part = match words.next() {
            Some("service") => Part::Service,
            Some("entity") => Part::Entity,
            Some("exception") if kind != CauseKind::ResponseTime => Part::Exception,
            _ => return Err(self.invalid("this root cause has no such part")),
        };
        if words.next().is_some() {
            return Err(self.invalid("this root cause has no such part"));
        }
        self.at += 1;
        let inner = self.braces(About::Cause)?;
        Ok(Expression::Cause(kind, part, inner))
    }

    fn operator(&mut self) -> Option<Op> {
        let op = match self.peek() {
            Some(Token::Op(op)) => *op,
            _ => return None,
        };
        self.at += 1;
        Some(op)
    }

    fn simple(&mut self, keyword: &str, about: About) -> Result<Expression, Invalid> {
        let of_cause = matches!(
            keyword,
            "first" | "last" | "remote" | "index" | "coverage" | "message"
        );
        let of_both = matches!(keyword, "name" | "type" | "inferred");
        let is_known = match about {
            About::Cause => of_cause || of_both,
            About::Trace | About::Node => !of_cause,
        };
        if !is_known {
            return Err(self.invalid(format!("{keyword} has no meaning here")));
        }
        if let Some(flag) = flag(keyword) {
            self.at += 1;
            return self.flag(flag);
        }
        if let Some(number) = number(keyword) {
            self.at += 1;
            let Some(op) = self.operator() else {
                return Ok(Expression::HasNumber(number));
            };
            if matches!(op, Op::Contains | Op::BeginsWith | Op::EndsWith) {
                return Err(self.invalid("the operator is not one for numbers"));
            }
            return match self.next() {
                Some(Token::Number(value)) => Ok(Expression::Number(number, op, *value)),
                _ => Err(self.invalid("a number is missing")),
            };
        }
        let Some(text) = text(keyword) else {
            return Err(self.invalid(format!("there is no keyword {keyword}")));
        };
        self.at += 1;
        let Some(op) = self.operator() else {
            return Ok(Expression::HasText(text));
        };
        let is_of_number = matches!(
            op,
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
        );
        if is_of_number {
            return Err(self.invalid("the operator is not one for text"));
        }
        match self.next() {
            Some(Token::Text(value) | Token::Word(value)) => {
                Ok(Expression::Text(text, op, value.clone()))
            }
            _ => Err(self.invalid("a text in quotation marks is missing")),
        }
    }

    fn flag(&mut self, flag: Flag) -> Result<Expression, Invalid> {
        let flag = Expression::Flag(flag);
        let op = match self.operator() {
            None => return Ok(flag),
            Some(op @ (Op::Equal | Op::NotEqual)) => op,
            Some(_) => return Err(self.invalid("it is compared with = and !=")),
        };
        let value = match self.next() {
            Some(Token::Word(word) | Token::Text(word)) => word.to_ascii_lowercase(),
            _ => String::new(),
        };
        let wanted = match value.as_str() {
            "true" => op == Op::Equal,
            "false" => op == Op::NotEqual,
            _ => return Err(self.invalid("true or false is missing")),
        };
        Ok(match wanted {
            true => flag,
            false => Expression::Not(Box::new(flag)),
        })
    }
}

/// `annotation.key`
fn annotation_key(word: &str, lower: &str) -> Option<Option<String>> {
    let key = lower.strip_prefix("annotation.")?;
    (!key.is_empty()).then(|| Some(word[word.len() - key.len()..].to_owned()))
}

fn flag(keyword: &str) -> Option<Flag> {
    Some(match keyword {
        "ok" => Flag::Ok,
        "error" => Flag::Error,
        "throttle" => Flag::Throttle,
        "fault" => Flag::Fault,
        "partial" => Flag::Partial,
        "inferred" => Flag::Inferred,
        "first" => Flag::First,
        "last" => Flag::Last,
        "remote" => Flag::Remote,
        "root" => Flag::Root,
        _ => return None,
    })
}

fn number(keyword: &str) -> Option<Number> {
    Some(match keyword {
        "responsetime" => Number::ResponseTime,
        "duration" => Number::Duration,
        "http.status" => Number::Status,
        "index" => Number::Index,
        "coverage" => Number::Coverage,
        _ => return None,
    })
}

fn text(keyword: &str) -> Option<Text> {
    Some(match keyword {
        "http.url" => Text::Url,
        "http.method" => Text::Method,
        "http.useragent" => Text::UserAgent,
        "http.clientip" => Text::ClientIp,
        "user" => Text::User,
        "name" => Text::Name,
        "type" => Text::Type,
        "message" => Text::Message,
        "availabilityzone" => Text::Zone,
        "instance.id" => Text::Instance,
        "resource.arn" => Text::Resource,
        _ => return None,
    })
}
