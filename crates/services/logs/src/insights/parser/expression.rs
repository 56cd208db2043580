//! Expressions, by their precedence from `or` to calls of functions.

use super::{MAX_DEPTH, Parser};
use crate::insights::functions::Function;
use crate::insights::lexer::{Malformed, Token};
use crate::insights::moment::Period;
use crate::insights::syntax::{Aggregate, AggregateKind, Arithmetic, Comparison, Expr};
use crate::insights::value::Value;

impl Parser<'_> {
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

    pub(super) fn any(&mut self) -> Result<Expr, Malformed> {
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

    pub(super) fn operand(&mut self) -> Result<Expr, Malformed> {
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
