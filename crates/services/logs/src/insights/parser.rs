//! Queries of Logs Insights, read by recursive descent
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html>).
//!
//! Pure. What is not understood to its last word is refused, and what AWS has but this does not
//! is refused by its name: no part of a query is left out.

use super::functions::Function;
use super::lexer::{Lexer, Malformed, Token};
use super::moment::Period;
use super::syntax::{
    Aggregate, AggregateKind, Arithmetic, Command, Comparison, Expr, Name, Named, Parse, SortKey,
    Stats,
};
use super::value::Value;
use neargate_base::Timestamp;
use regex::{Regex, RegexBuilder};
use std::collections::BTreeSet;

/// Parentheses and calls nest no deeper: the stack is finite.
const MAX_DEPTH: usize = 64;
/// What one regular expression may take, compiled.
const REGEX_BYTES: usize = 1 << 20;
const MAX_REGEXES: usize = 32;
/// "The maximum value is 100,000."
pub const MAX_LIMIT: usize = 100_000;

/// Commands that AWS has.
const UNSERVED: [&str; 10] = [
    "pattern",
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

    fn named_list(&mut self) -> Result<Vec<Named>, Malformed> {
        let mut list = vec![self.named()?];
        while self.eat(",")? {
            list.push(self.named()?);
        }
        Ok(list)
    }

    fn parse_command(&mut self) -> Result<Command, Malformed> {
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

    fn regex(&mut self, source: &str, start: usize) -> Result<Regex, Malformed> {
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

    fn stats(&mut self) -> Result<Command, Malformed> {
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

    fn sort(&mut self) -> Result<Command, Malformed> {
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

    fn limit(&mut self) -> Result<Command, Malformed> {
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

    /// Counts how deep expressions nest.
    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let at = self.lexer.place();
            return Err(self.lexer.error("the query nests too deeply", at, at));
        }
        let result = inner(self)?;
        self.depth -= 1;
        Ok(result)
    }

    fn any(&mut self) -> Result<Expr, Malformed> {
        self.deeper(|parser| {
            let mut list = vec![parser.all()?];
            while parser.eat_word("or")? {
                list.push(parser.all()?);
            }
            Ok(alone(list).unwrap_or_else(Expr::Any))
        })
    }

    fn all(&mut self) -> Result<Expr, Malformed> {
        let mut list = vec![self.negation()?];
        while self.eat_word("and")? {
            list.push(self.negation()?);
        }
        Ok(alone(list).unwrap_or_else(Expr::All))
    }

    fn negation(&mut self) -> Result<Expr, Malformed> {
        if !self.eat_word("not")? {
            return self.comparison();
        }
        let inner = self.deeper(Self::negation)?;
        Ok(Expr::Not(Box::new(inner)))
    }

    fn comparison(&mut self) -> Result<Expr, Malformed> {
        let left = self.sum()?;
        let before = self.lexer.clone();
        let negated = self.eat_word("not")?;
        let test = if self.eat_word("like")? {
            self.like(left)?
        } else if self.eat_word("in")? {
            self.member(left)?
        } else if negated {
            // `not` belongs to what comes next.
            self.lexer = before;
            return Err(self.lexer.unexpected());
        } else if self.eat("=~")? {
            let start = self.lexer.place();
            let regex = match self.lexer.regex()? {
                Some(pattern) => self.regex(pattern, start)?,
                None => match self.lexer.peek()? {
                    Token::Text(pattern) => {
                        self.lexer.next()?;
                        self.regex(&pattern, start)?
                    }
                    _ => return Err(self.lexer.unexpected()),
                },
            };
            Expr::Matches(Box::new(left), regex)
        } else {
            return self.ordered(left);
        };
        Ok(if negated {
            Expr::Not(Box::new(test))
        } else {
            test
        })
    }

    fn like(&mut self, left: Expr) -> Result<Expr, Malformed> {
        let start = self.lexer.place();
        if let Some(pattern) = self.lexer.regex()? {
            let regex = self.regex(pattern, start)?;
            return Ok(Expr::Matches(Box::new(left), regex));
        }
        match self.lexer.peek()? {
            Token::Text(text) => {
                self.lexer.next()?;
                Ok(Expr::Contains(Box::new(left), text.into()))
            }
            _ => Err(self.lexer.unexpected()),
        }
    }

    fn member(&mut self, left: Expr) -> Result<Expr, Malformed> {
        self.symbol("[")?;
        let mut list = vec![self.sum()?];
        while self.eat(",")? {
            list.push(self.sum()?);
        }
        self.symbol("]")?;
        Ok(Expr::In(Box::new(left), list))
    }

    fn ordered(&mut self, left: Expr) -> Result<Expr, Malformed> {
        let comparison = match self.lexer.peek()? {
            Token::Symbol("=" | "==") => Comparison::Equal,
            Token::Symbol("!=") => Comparison::NotEqual,
            Token::Symbol("<") => Comparison::Less,
            Token::Symbol("<=") => Comparison::LessOrEqual,
            Token::Symbol(">") => Comparison::Greater,
            Token::Symbol(">=") => Comparison::GreaterOrEqual,
            _ => return Ok(left),
        };
        self.lexer.next()?;
        let right = self.sum()?;
        Ok(Expr::Compare(Box::new(left), comparison, Box::new(right)))
    }

    fn sum(&mut self) -> Result<Expr, Malformed> {
        let operators = [("+", Arithmetic::Add), ("-", Arithmetic::Subtract)];
        self.joined(&operators, Self::product)
    }

    fn product(&mut self) -> Result<Expr, Malformed> {
        let operators = [
            ("*", Arithmetic::Multiply),
            ("/", Arithmetic::Divide),
            ("%", Arithmetic::Remainder),
        ];
        self.joined(&operators, Self::power)
    }

    fn joined(
        &mut self,
        operators: &[(&'static str, Arithmetic)],
        inner: fn(&mut Self) -> Result<Expr, Malformed>,
    ) -> Result<Expr, Malformed> {
        let mut left = inner(self)?;
        let mut count = 0;
        'terms: loop {
            for (symbol, operator) in operators {
                if self.eat(symbol)? {
                    // Each makes the tree one deeper.
                    count += 1;
                    if count > MAX_DEPTH {
                        return Err(self.lexer.unexpected());
                    }
                    let right = inner(self)?;
                    left = Expr::Arithmetic(Box::new(left), *operator, Box::new(right));
                    continue 'terms;
                }
            }
            return Ok(left);
        }
    }

    fn power(&mut self) -> Result<Expr, Malformed> {
        let base = self.unary()?;
        if !self.eat("^")? {
            return Ok(base);
        }
        let exponent = self.deeper(Self::power)?;
        Ok(Expr::Arithmetic(
            Box::new(base),
            Arithmetic::Power,
            Box::new(exponent),
        ))
    }

    fn unary(&mut self) -> Result<Expr, Malformed> {
        if !self.eat("-")? {
            return self.operand();
        }
        let inner = self.deeper(Self::unary)?;
        Ok(Expr::Negative(Box::new(inner)))
    }

    fn operand(&mut self) -> Result<Expr, Malformed> {
        if let Some(column) = self.column() {
            return Ok(Expr::Field(column));
        }
        let start = self.lexer.place();
        let before = self.lexer.clone();
        match self.lexer.next()? {
            Token::Number(number) => Ok(Expr::Literal(Value::Number(number))),
            Token::Text(text) => Ok(Expr::Literal(Value::text(&text))),
            Token::Field(name) => Ok(Expr::Field(name.into())),
            Token::Symbol("(") => {
                let inner = self.any()?;
                self.symbol(")")?;
                Ok(inner)
            }
            Token::Word(word) => {
                if self.lexer.peek()? == Token::Symbol("(") {
                    return self.call(&word, start);
                }
                match word.to_ascii_lowercase().as_str() {
                    "true" => Ok(Expr::Literal(Value::Bool(true))),
                    "false" => Ok(Expr::Literal(Value::Bool(false))),
                    "and" | "or" | "not" | "like" | "in" | "as" | "by" => Err(before.unexpected()),
                    _ => Ok(Expr::Field(word.into())),
                }
            }
            Token::Symbol(_) | Token::End => Err(before.unexpected()),
        }
    }

    fn call(&mut self, word: &str, start: usize) -> Result<Expr, Malformed> {
        self.symbol("(")?;
        let name = word.to_ascii_lowercase();
        if self.aggregates.is_some()
            && let Some(expr) = self.aggregate(&name, start)?
        {
            return Ok(expr);
        }
        match name.as_str() {
            "bin" => {
                let period = self.period()?;
                self.symbol(")")?;
                let time = Expr::Field("@timestamp".into());
                return Ok(Expr::Floor(Box::new(time), period));
            }
            "datefloor" | "dateceil" => {
                let time = Box::new(self.any()?);
                self.symbol(",")?;
                let period = self.period()?;
                self.symbol(")")?;
                return Ok(match name.as_str() {
                    "datefloor" => Expr::Floor(time, period),
                    _ => Expr::Ceil(time, period),
                });
            }
            "now" => {
                self.symbol(")")?;
                let seconds = self.now.as_millis().div_euclid(1_000);
                return Ok(Expr::Literal(Value::Number(seconds as f64)));
            }
            _ => {}
        }
        let Some(function) = Function::named(word) else {
            let message = format!("unknown function {word}");
            return Err(self.lexer.error(message, start, start + word.len()));
        };
        let mut arguments = Vec::new();
        if !self.eat(")")? {
            arguments.push(self.any()?);
            while self.eat(",")? {
                arguments.push(self.any()?);
            }
            self.symbol(")")?;
        }
        let (least, most) = function.arity;
        if !(least..=most).contains(&arguments.len()) {
            let end = self.lexer.place();
            let message = format!("invalid number of arguments for {}", function.name);
            return Err(self.lexer.error(message, start, end));
        }
        Ok(Expr::Call(function, arguments))
    }

    /// An aggregate whose name and parenthesis were read; `None` when it is none.
    fn aggregate(&mut self, name: &str, start: usize) -> Result<Option<Expr>, Malformed> {
        let mut kind = match name {
            "avg" => AggregateKind::Avg,
            "count" => AggregateKind::Count,
            "count_distinct" => AggregateKind::CountDistinct,
            "max" => AggregateKind::Max,
            "min" => AggregateKind::Min,
            "pct" => AggregateKind::Pct(0.0),
            "stddev" => AggregateKind::Stddev,
            "sum" => AggregateKind::Sum,
            "earliest" => AggregateKind::Earliest,
            "latest" => AggregateKind::Latest,
            "sortsfirst" => AggregateKind::SortsFirst,
            "sortslast" => AggregateKind::SortsLast,
            _ => return Ok(None),
        };
        let all = kind == AggregateKind::Count
            && (self.eat("*")? || self.lexer.peek()? == Token::Symbol(")"));
        // Aggregates hold none themselves.
        let read = self.aggregates.take();
        let of = if all { None } else { Some(self.any()?) };
        self.aggregates = read;
        if kind == AggregateKind::Pct(0.0) {
            self.symbol(",")?;
            let place = self.lexer.place();
            let Token::Number(percent) = self.lexer.next()? else {
                return Err(self.lexer.error("pct takes a percentage", start, place));
            };
            if !(0.0..=100.0).contains(&percent) {
                let message = "the percentage of pct must be between 0 and 100";
                return Err(self.lexer.error(message, start, place));
            }
            kind = AggregateKind::Pct(percent);
        }
        self.symbol(")")?;
        let Some(aggregates) = &mut self.aggregates else {
            return Ok(None);
        };
        aggregates.push(Aggregate { kind, of });
        Ok(Some(Expr::Aggregate(aggregates.len() - 1)))
    }

    fn period(&mut self) -> Result<Period, Malformed> {
        let start = self.lexer.place();
        let before = self.lexer.clone();
        let Token::Number(count) = self.lexer.next()? else {
            return Err(before.unexpected());
        };
        let Token::Word(unit) = self.lexer.peek()? else {
            return Err(self.lexer.unexpected());
        };
        self.lexer.next()?;
        let end = self.lexer.place();
        Period::of(count, &unit.to_ascii_lowercase()).ok_or_else(|| {
            self.lexer
                .error(format!("invalid period {count}{unit}"), start, end)
        })
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
            if let Command::Stats(_) = command {
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

/// The only element, or all of them.
fn alone(mut list: Vec<Expr>) -> Result<Expr, Vec<Expr>> {
    match list.pop() {
        Some(one) if list.is_empty() => Ok(one),
        Some(last) => {
            list.push(last);
            Err(list)
        }
        None => Err(list),
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
