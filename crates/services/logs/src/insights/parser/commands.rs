//! Commands: what stands between the bars of a query.

use super::{MAX_LIMIT, MAX_REGEXES, Parser, REGEX_BYTES};
use crate::insights::lexer::{Malformed, Token};
use crate::insights::syntax::{Command, Expr, Name, Named, Parse, SortKey, Stats};
use regex::{Regex, RegexBuilder};

impl Parser<'_> {
    /// An expression, and what it is called: by `as`, or as it is written.
    fn named(&mut self) -> Result<Named, Malformed> {
        let start = self.lexer.place();
        let expr = self.any()?;
        let written = self.lexer.since(start);
        let name = if self.eat_word("as")? {
            self.name()?
        } else if let Expr::Field(name) = &expr {
            name.clone()
        } else {
            written.into()
        };
        Ok(Named { name, expr })
    }

    pub(super) fn named_list(&mut self) -> Result<Vec<Named>, Malformed> {
        let mut list = vec![self.named()?];
        while self.eat(",")? {
            list.push(self.named()?);
        }
        Ok(list)
    }

    pub(super) fn parse_command(&mut self) -> Result<Command, Malformed> {
        let literal = matches!(self.lexer.peek()?, Token::Text(_) | Token::Symbol("/"));
        let source = if literal {
            Expr::Field("@message".into())
        } else {
            self.operand()?
        };
        let start = self.lexer.place();
        if let Some(pattern) = self.lexer.regex()? {
            let regex = self.regex(pattern, start)?;
            let named = regex.capture_names().enumerate();
            let mut names: Vec<(usize, Name)> = named
                .filter_map(|(n, name)| Some((n, name?.into())))
                .collect();
            if self.eat_word("as")? {
                let given = self.names()?;
                if given.len() + 1 != regex.captures_len() {
                    return Err(self.count_of_names(start, regex.captures_len() - 1, given.len()));
                }
                names = (1..).zip(given).collect();
            }
            if names.is_empty() {
                let end = self.lexer.place();
                let message = "the regular expression of parse names no groups";
                return Err(self.lexer.error(message, start, end));
            }
            return Ok(Command::Parse(Parse {
                source,
                regex,
                names,
            }));
        }
        let Token::Text(glob) = self.lexer.peek()? else {
            return Err(self.lexer.unexpected());
        };
        self.lexer.next()?;
        self.word("as")?;
        let names = self.names()?;
        let pieces: Vec<&str> = glob.split('*').collect();
        if pieces.len() != names.len() + 1 {
            return Err(self.count_of_names(start, pieces.len() - 1, names.len()));
        }
        let regex = self.regex(&glob_regex(&pieces), start)?;
        let names = (1..).zip(names).collect();
        Ok(Command::Parse(Parse {
            source,
            regex,
            names,
        }))
    }

    fn count_of_names(&mut self, start: usize, groups: usize, names: usize) -> Malformed {
        let end = self.lexer.place();
        let message = format!("parse has {groups} wildcards or groups and {names} names");
        self.lexer.error(message, start, end)
    }

    pub(super) fn regex(&mut self, source: &str, start: usize) -> Result<Regex, Malformed> {
        self.regexes += 1;
        let end = self.lexer.place();
        if self.regexes > MAX_REGEXES {
            let message = "a query has no more than 32 regular expressions";
            return Err(self.lexer.error(message, start, end));
        }
        // A slash may be escaped, as it ends the expression.
        let source = source.replace("\\/", "/");
        let built = RegexBuilder::new(&source).size_limit(REGEX_BYTES).build();
        built.map_err(|e| {
            let message = format!("invalid regular expression: {e}");
            self.lexer.error(message, start, end)
        })
    }

    pub(super) fn stats(&mut self) -> Result<Command, Malformed> {
        self.aggregates = Some(Vec::new());
        let start = self.lexer.place();
        let columns = self.named_list()?;
        let aggregates = self.aggregates.take().unwrap_or_default();
        if aggregates.is_empty() {
            let end = self.lexer.place();
            let message = "stats has no aggregate function";
            return Err(self.lexer.error(message, start, end));
        }
        let by = if self.eat_word("by")? {
            self.named_list()?
        } else {
            Vec::new()
        };
        self.columns = columns.iter().chain(&by).map(|c| c.name.clone()).collect();
        Ok(Command::Stats(Stats {
            aggregates,
            columns,
            by,
        }))
    }

    pub(super) fn sort(&mut self) -> Result<Command, Malformed> {
        let mut keys = Vec::new();
        loop {
            let expr = self.any()?;
            let descending = self.eat_word("desc")?;
            if !descending {
                self.eat_word("asc")?;
            }
            keys.push(SortKey { expr, descending });
            if !self.eat(",")? {
                return Ok(Command::Sort(keys));
            }
        }
    }

    pub(super) fn limit(&mut self) -> Result<Command, Malformed> {
        let any = self.eat_word("any")?;
        let start = self.lexer.place();
        let Token::Number(number) = self.lexer.peek()? else {
            return Err(self.lexer.unexpected());
        };
        self.lexer.next()?;
        let end = self.lexer.place();
        if number.fract() == 0.0 && (1.0..=MAX_LIMIT as f64).contains(&number) {
            let most = number as usize;
            Ok(Command::Limit { most, any })
        } else {
            let message = format!("limit must be between 1 and {MAX_LIMIT}");
            Err(self.lexer.error(message, start, end))
        }
    }

    /// `pattern` of a field.
    pub(super) fn pattern(&mut self) -> Result<Command, Malformed> {
        Ok(Command::Pattern(self.operand()?))
    }
}

/// Wildcards take as little as they can, one at the end takes the rest.
fn glob_regex(pieces: &[&str]) -> String {
    let mut regex = "(?s)".to_owned();
    for (n, piece) in pieces.iter().enumerate() {
        regex.push_str(&regex::escape(piece));
        match pieces.len() - n {
            1 => {}
            2 if pieces[n + 1].is_empty() => regex.push_str("(.*)"),
            _ => regex.push_str("(.*?)"),
        }
    }
    regex
}
