//! Queries of Logs Insights, read by recursive descent
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html>).
//!
//! Pure: [`commands`] and [`expression`] are its two halves. What is not understood to its last word is refused, and what AWS has but this does not
//! is refused by its name: no part of a query is left out.

mod commands;
mod expression;

use super::lexer::{Lexer, Malformed, Token};
use super::syntax::{Aggregate, Command, Name};
use neargate_base::Timestamp;
use std::collections::BTreeSet;

/// Parentheses and calls nest no deeper: the stack is finite.
const MAX_DEPTH: usize = 64;
/// What one regular expression may take, compiled.
const REGEX_BYTES: usize = 1 << 20;
const MAX_REGEXES: usize = 32;
/// "The maximum value is 100,000."
pub const MAX_LIMIT: usize = 100_000;

/// Commands that AWS has.
const UNSERVED: [&str; 9] = [
    "diff",
    "anomaly",
    "unmask",
    "lookup",
    "join",
    "filterIndex",
    "source",
    "subquery",
    "append",
];

/// Read a query that is asked at `now`.
pub fn parse(query: &str, now: Timestamp) -> Result<Vec<Command>, Malformed> {
    let mut parser = Parser {
        lexer: Lexer::new(query),
        depth: 0,
        regexes: 0,
        now,
        aggregates: None,
        columns: Vec::new(),
    };
    let mut commands = Vec::new();
    // An empty query shows the latest events.
    if parser.lexer.peek()? == Token::End {
        return Ok(commands);
    }
    loop {
        let unexpected = parser.lexer.unexpected();
        let command = parser.command()?;
        // "The only query command that you can use in a query after the dedup command is limit."
        let fits = matches!(command, Command::Limit { .. } | Command::Display(_));
        if !fits && commands.iter().any(|c| matches!(c, Command::Dedup(_))) {
            return Err(unexpected);
        }
        commands.push(command);
        if parser.lexer.peek()? == Token::End {
            return parser.in_order(commands);
        }
        parser.symbol("|")?;
    }
}

struct Parser<'q> {
    lexer: Lexer<'q>,
    depth: usize,
    regexes: usize,
    now: Timestamp,
    /// Where aggregates may stand: those that were read.
    aggregates: Option<Vec<Aggregate>>,
    /// Names that stats gave, which may be written as they were there: `count(*)`.
    columns: Vec<Name>,
}

impl<'q> Parser<'q> {
    fn eat(&mut self, symbol: &'static str) -> Result<bool, Malformed> {
        let found = self.lexer.peek()? == Token::Symbol(symbol);
        if found {
            self.lexer.next()?;
        }
        Ok(found)
    }

    fn symbol(&mut self, symbol: &'static str) -> Result<(), Malformed> {
        if self.eat(symbol)? {
            Ok(())
        } else {
            Err(self.lexer.unexpected())
        }
    }

    fn eat_word(&mut self, word: &str) -> Result<bool, Malformed> {
        let found = matches!(self.lexer.peek()?, Token::Word(w) if w.eq_ignore_ascii_case(word));
        if found {
            self.lexer.next()?;
        }
        Ok(found)
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        if self.eat_word(word)? {
            Ok(())
        } else {
            Err(self.lexer.unexpected())
        }
    }

    /// The name of a field.
    fn name(&mut self) -> Result<Name, Malformed> {
        if let Some(column) = self.column() {
            return Ok(column);
        }
        match self.lexer.peek()? {
            Token::Word(name) | Token::Field(name) => {
                self.lexer.next()?;
                Ok(name.into())
            }
            _ => Err(self.lexer.unexpected()),
        }
    }

    /// A column that has no name but what it was written as.
    fn column(&mut self) -> Option<Name> {
        let written = |c: &&Name| c.contains('(') && self.lexer.clone().eats(c);
        let longest = self.columns.iter().filter(written).max_by_key(|c| c.len());
        let column = longest?.clone();
        self.lexer.eats(&column);
        Some(column)
    }

    fn names(&mut self) -> Result<Vec<Name>, Malformed> {
        let mut names = vec![self.name()?];
        while self.eat(",")? {
            names.push(self.name()?);
        }
        Ok(names)
    }

    fn command(&mut self) -> Result<Command, Malformed> {
        let start = self.lexer.place();
        let Token::Word(word) = self.lexer.peek()? else {
            return Err(self.lexer.unexpected());
        };
        let unexpected = self.lexer.unexpected();
        self.lexer.next()?;
        match word.to_ascii_lowercase().as_str() {
            "fields" => Ok(Command::Fields(self.named_list()?)),
            "display" => Ok(Command::Display(self.names()?)),
            "filter" => Ok(Command::Filter(self.any()?)),
            "parse" => self.parse_command(),
            "stats" => self.stats(),
            "sort" => self.sort(),
            "limit" => self.limit(),
            "pattern" => self.pattern(),
            "dedup" => Ok(Command::Dedup(self.names()?)),
            "unnest" => {
                let list = self.name()?;
                self.word("into")?;
                let into = self.name()?;
                Ok(Command::Unnest { list, into })
            }
            _ if UNSERVED.iter().any(|name| name.eq_ignore_ascii_case(&word)) => {
                let message = format!("Neargate does not support the command {word} yet");
                Err(self.lexer.error(message, start, start + word.len()))
            }
            _ => Err(unexpected),
        }
    }

    /// What stands behind stats may use their columns alone.
    fn in_order(&mut self, commands: Vec<Command>) -> Result<Vec<Command>, Malformed> {
        let end = self.lexer.place();
        // Two of them would multiply records.
        let unnests = |c: &&Command| matches!(c, Command::Unnest { .. });
        if commands.iter().filter(unnests).count() > 1 {
            let message = "a query can have no more than one unnest";
            return Err(self.lexer.error(message, 0, end));
        }
        let mut known: Option<BTreeSet<Name>> = None;
        for command in &commands {
            let mut unknown = None;
            command.reads(&mut |name: &Name| {
                let column = |known: &BTreeSet<Name>| known.iter().any(|k| is_of(k, name));
                if known.as_ref().is_some_and(|known| !column(known)) {
                    unknown.get_or_insert(name.clone());
                }
            });
            if let Some(unknown) = unknown {
                let message = format!("Unknown symbols found in or after stats: {unknown}");
                return Err(self.lexer.error(message, 0, end));
            }
            if let Command::Stats(_) | Command::Pattern(_) = command {
                known = Some(BTreeSet::new());
            }
            if let Some(known) = &mut known {
                command.makes(&mut |name| {
                    known.insert(name.clone());
                });
            }
        }
        Ok(commands)
    }
}

/// Is `name` the column, or a part of what it holds?
fn is_of(column: &str, name: &str) -> bool {
    let rest = name.strip_prefix(column);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
