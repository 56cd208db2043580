//! Reads a pattern, and says in AWS's words what is wrong with it.

use super::token::{Token, Tokens};
use super::value::{Cidr, Range, Test, Wildcard, address, lower};
use super::{Invalid, Node};
use serde_json::Value;

const OR: &str = "$or";
/// Members that alternatives may not have.
const RESERVED: [&str; 25] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
    "$or",
];
/// Combinations of alternatives
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>).
const MOST_ALTERNATIVES: usize = 1_000;
/// Nested deeper than any event.
const DEEPEST: usize = 100;
/// More stars in one expression make AWS's matcher too slow.
const MOST_STARS: usize = 30;

/// A pattern as alternatives, each of which says all: what is said of a member last holds.
pub fn pattern(text: &str) -> Result<Vec<Node>, Invalid> {
    let mut tokens = Tokens::of(text);
    match tokens.next()? {
        Token::BeginObject => {}
        token => return Err(tokens.unlike(&token, "Filter is not an object")),
    }
    let mut rules = vec![Node::default()];
    object(&mut tokens, &mut rules, &mut Vec::new(), false)?;
    Ok(rules)
}

fn object(
    tokens: &mut Tokens<'_>,
    rules: &mut Vec<Node>,
    path: &mut Vec<String>,
    alternative: bool,
) -> Result<(), Invalid> {
    if path.len() > DEEPEST {
        return Err(tokens.wrong("Rule is nested too deeply"));
    }
    let mut any = false;
    while let Token::Name(name) = tokens.next()? {
        any = true;
        if name == OR {
            alternatives(tokens, rules, path)?;
            continue;
        }
        if alternative && RESERVED.contains(&name.as_str()) {
            let message =
                format!("{name} is Ruler reserved fieldName which cannot be used inside {OR}.");
            return Err(tokens.wrong(message));
        }
        match tokens.next()? {
            Token::BeginObject => {
                path.push(name);
                object(tokens, rules, path, alternative)?;
                path.pop();
            }
            Token::BeginArray => {
                let tests = leaf(tokens)?;
                for rule in &mut *rules {
                    rule.set(path, &name, tests.clone());
                }
            }
            token => {
                let message = format!("\"{name}\" must be an object or an array");
                return Err(tokens.unlike(&token, message));
            }
        }
    }
    match any {
        true => Ok(()),
        false => Err(tokens.wrong("Empty objects are not allowed")),
    }
}

fn alternatives(
    tokens: &mut Tokens<'_>,
    rules: &mut Vec<Node>,
    path: &mut Vec<String>,
) -> Result<(), Invalid> {
    let before = std::mem::take(rules);
    match tokens.next()? {
        Token::BeginArray => {}
        token => {
            let message = format!("It must be an Array followed with {OR}.");
            return Err(tokens.unlike(&token, message));
        }
    }
    let mut count = 0;
    loop {
        match tokens.next()? {
            Token::EndArray => break,
            Token::BeginObject => {
                count += 1;
                let mut with = before.clone();
                object(tokens, &mut with, path, true)?;
                rules.extend(with);
                if rules.len() > MOST_ALTERNATIVES {
                    return Err(Invalid(TOO_COMPLEX.into()));
                }
            }
            token => {
                let message = format!("Only JSON object is allowed in array of {OR} relationship.");
                return Err(tokens.unlike(&token, message));
            }
        }
    }
    match count {
        0 | 1 => {
            let message = format!("There must have at least 2 Objects in {OR} relationship.");
            Err(tokens.wrong(message))
        }
        _ => Ok(()),
    }
}

fn leaf(tokens: &mut Tokens<'_>) -> Result<Vec<Test>, Invalid> {
    let mut tests = Vec::new();
    loop {
        let test = match tokens.next()? {
            Token::EndArray => break,
            Token::BeginObject => expression(tokens)?,
            Token::String(text) => match address(&text) {
                Some(address) => Test::Address(address),
                None => Test::Text(text),
            },
            Token::Number(_, number) => Test::Number(number),
            Token::Null => Test::Literal(Value::Null),
            Token::True => Test::Literal(Value::Bool(true)),
            Token::False => Test::Literal(Value::Bool(false)),
            _ => {
                let message = "Match value must be String, number, true, false, or null";
                return Err(tokens.wrong(message));
            }
        };
        tests.push(test);
    }
    match tests.is_empty() {
        true => Err(tokens.wrong("Empty arrays are not allowed")),
        false => Ok(tests),
    }
}

fn closed(tokens: &mut Tokens<'_>, message: &str) -> Result<(), Invalid> {
    match tokens.next()? {
        Token::EndObject => Ok(()),
        _ => Err(tokens.wrong(message)),
    }
}

fn one_key(tokens: &mut Tokens<'_>) -> Result<(), Invalid> {
    closed(tokens, "Only one key allowed in match expression")
}

fn text(tokens: &mut Tokens<'_>, of: &str) -> Result<String, Invalid> {
    match tokens.next()? {
        Token::String(text) => Ok(text),
        _ => Err(tokens.wrong(format!("{of} match pattern must be a string"))),
    }
}

fn expression(tokens: &mut Tokens<'_>) -> Result<Test, Invalid> {
    let Token::Name(name) = tokens.next()? else {
        return Err(tokens.wrong("Match expression name not found"));
    };
    let test = match name.as_str() {
        "exactly" => Test::Text(text(tokens, "exact")?),
        "prefix" => {
            return affix(
                tokens,
                "prefix",
                "Prefix",
                Test::Prefix,
                Test::PrefixIgnoreCase,
            );
        }
        "suffix" => {
            return affix(
                tokens,
                "suffix",
                "Suffix",
                Test::Suffix,
                Test::SuffixIgnoreCase,
            );
        }
        "numeric" => {
            match tokens.next()? {
                Token::BeginArray => {}
                token => {
                    return Err(tokens.unlike(&token, "Value of numeric must be an array."));
                }
            }
            let range = numeric(tokens)?;
            closed(tokens, "Too many elements in numeric expression")?;
            return Ok(range);
        }
        "anything-but" => return anything_but(tokens),
        "exists" => match tokens.next()? {
            Token::True => Test::Exists,
            Token::False => Test::Absent,
            token => {
                let message = "exists match pattern must be either true or false.";
                return Err(tokens.unlike(&token, message));
            }
        },
        "cidr" => {
            let cidr = match tokens.next()? {
                Token::String(cidr) => cidr,
                _ => return Err(tokens.wrong("prefix match pattern must be a string")),
            };
            // Not the parser says this, so that no place comes with it.
            Test::Cidr(Cidr::parse(&cidr).map_err(Invalid)?)
        }
        "equals-ignore-case" => Test::EqualsIgnoreCase(lower(&text(tokens, &name)?)),
        "wildcard" => Test::Wildcard(wildcard(tokens, "wildcard")?),
        _ => return Err(tokens.wrong(format!("Unrecognized match type {name}"))),
    };
    one_key(tokens)?;
    Ok(test)
}

fn wildcard(tokens: &mut Tokens<'_>, of: &str) -> Result<Wildcard, Invalid> {
    let text = text(tokens, of)?;
    parsed_wildcard(tokens, &text)
}

fn parsed_wildcard(tokens: &Tokens<'_>, text: &str) -> Result<Wildcard, Invalid> {
    let wildcard = Wildcard::parse(text).map_err(|why| tokens.wrong(why))?;
    if wildcard.stars() > MOST_STARS {
        return Err(Invalid(TOO_COMPLEX.into()));
    }
    Ok(wildcard)
}

pub const TOO_COMPLEX: &str = "Rule is too complex - try using fewer wildcard characters or fewer \
                               repeating character sequences after a wildcard character";

/// A prefix or a suffix, or one in any case.
fn affix(
    tokens: &mut Tokens<'_>,
    name: &str,
    capital: &str,
    plain: fn(String) -> Test,
    ignoring_case: fn(String) -> Test,
) -> Result<Test, Invalid> {
    let test = match tokens.next()? {
        Token::String(text) => plain(text),
        Token::BeginObject => {
            let Token::Name(inner) = tokens.next()? else {
                return Err(tokens.wrong(format!("{capital} expression name not found")));
            };
            if inner != "equals-ignore-case" {
                return Err(tokens.wrong(format!("Unsupported {name} pattern: {inner}")));
            }
            let text = text(tokens, &inner)?;
            one_key(tokens)?;
            ignoring_case(lower(&text))
        }
        _ => return Err(tokens.wrong(format!("{name} match pattern must be a string"))),
    };
    one_key(tokens)?;
    Ok(test)
}

/// How the entries of an `anything-but` are read.
type Kind = fn(&Tokens<'_>, Token) -> Result<Test, Invalid>;

fn anything_but(tokens: &mut Tokens<'_>) -> Result<Test, Invalid> {
    let mut token = tokens.next()?;
    let nested = token == Token::BeginObject;
    let mut kind: Kind = plain;
    let mut of_wildcards = false;
    if nested {
        let Token::Name(name) = tokens.next()? else {
            return Err(tokens.wrong("Anything-But expression name not found"));
        };
        of_wildcards = name == "wildcard";
        kind = match name.as_str() {
            "equals-ignore-case" => not_ignoring_case,
            "prefix" => not_prefix,
            "suffix" => not_suffix,
            "wildcard" => not_wildcard,
            _ => {
                return Err(tokens.wrong(format!("Unsupported anything-but pattern: {name}")));
            }
        };
        token = tokens.next()?;
    }
    let tests = match token {
        Token::BeginArray => {
            // Of an entry the place is told twice.
            let tests = entries(tokens, kind).map_err(|wrong| tokens.wrong(wrong))?;
            let numbers = tests
                .iter()
                .filter(|t| matches!(t, Test::Number(_)))
                .count();
            if !nested && (tests.is_empty() || numbers != 0 && numbers != tests.len()) {
                return Err(tokens.wrong(
                    "Inside anything but list, either all values are number or string, mixed \
                     type is not supported",
                ));
            }
            tests
        }
        Token::String(_) | Token::Number(..) => vec![kind(tokens, token)?],
        _ => {
            return Err(tokens
                .wrong("Value of anything-but must be an array or single string/number value."));
        }
    };
    let tests = match of_wildcards {
        true => wildcards(tokens, tests)?,
        false => tests,
    };
    if nested {
        closed(tokens, "Too many elements in numeric expression")?;
    }
    closed(tokens, "Too many elements in numeric expression")?;
    Ok(Test::Not(tests))
}

fn entries(tokens: &mut Tokens<'_>, kind: Kind) -> Result<Vec<Test>, Invalid> {
    let mut tests = Vec::new();
    loop {
        match tokens.next()? {
            Token::EndArray => return Ok(tests),
            token => tests.push(kind(tokens, token)?),
        }
    }
}

fn plain(tokens: &Tokens<'_>, token: Token) -> Result<Test, Invalid> {
    match token {
        Token::String(text) => Ok(Test::Text(text)),
        Token::Number(text, number) => comparable(tokens, &text, number).map(Test::Number),
        _ => Err(tokens.wrong("Inside anything but list, start|null|boolean is not supported.")),
    }
}

fn not_ignoring_case(tokens: &Tokens<'_>, token: Token) -> Result<Test, Invalid> {
    match token {
        Token::String(text) => Ok(Test::EqualsIgnoreCase(lower(&text))),
        _ => Err(tokens.wrong(
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
        )),
    }
}

fn not_prefix(tokens: &Tokens<'_>, token: Token) -> Result<Test, Invalid> {
    not_affix(tokens, token).map(Test::Prefix)
}

fn not_suffix(tokens: &Tokens<'_>, token: Token) -> Result<Test, Invalid> {
    not_affix(tokens, token).map(Test::Suffix)
}

fn not_affix(tokens: &Tokens<'_>, token: Token) -> Result<String, Invalid> {
    match token {
        Token::String(text) if text.is_empty() => {
            Err(tokens.wrong("Null prefix/suffix not allowed"))
        }
        Token::String(text) => Ok(text),
        _ => Err(tokens.wrong("prefix/suffix match pattern must be a string")),
    }
}

/// The text of a wildcard; it is read as one once the list has ended.
fn not_wildcard(tokens: &Tokens<'_>, token: Token) -> Result<Test, Invalid> {
    match token {
        Token::String(text) => Ok(Test::Text(text)),
        _ => Err(tokens.wrong("wildcard match pattern must be a string")),
    }
}

fn wildcards(tokens: &Tokens<'_>, tests: Vec<Test>) -> Result<Vec<Test>, Invalid> {
    let parsed = |test: Test| match test {
        Test::Text(text) => parsed_wildcard(tokens, &text).map(Test::Wildcard),
        other => Ok(other),
    };
    tests.into_iter().map(parsed).collect()
}

/// A number that AWS's matcher can compare: not too large, and not so small that it would be 0.
fn comparable(tokens: &Tokens<'_>, text: &str, number: f64) -> Result<f64, Invalid> {
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = digits.bytes().all(|b| matches!(b, b'0' | b'.' | b'-'));
    if number.is_infinite() || number == 0.0 && !is_zero {
        return Err(tokens.wrong(format!("Cannot compare number : {text}")));
    }
    Ok(number)
}

/// A bound as it is written. Whether it can be compared is asked once the expression is read.
fn bound(tokens: &mut Tokens<'_>, of: &str) -> Result<(String, f64), Invalid> {
    match tokens.next()? {
        Token::Number(text, number) => Ok((text, number)),
        token => Err(tokens.unlike(&token, format!("Value of {of} must be numeric"))),
    }
}

fn last_of(tokens: &mut Tokens<'_>, message: &str) -> Result<(), Invalid> {
    match tokens.next()? {
        Token::EndArray => Ok(()),
        token => Err(tokens.unlike(&token, message)),
    }
}

fn numeric(tokens: &mut Tokens<'_>) -> Result<Test, Invalid> {
    const MANY: &str = "Too many elements in numeric expression";
    let operator = match tokens.next()? {
        Token::String(operator) => operator,
        token => {
            let message = format!("Invalid member in numeric match: {}", token.text());
            return Err(tokens.wrong(message));
        }
    };
    match operator.as_str() {
        "=" => {
            let (text, number) = bound(tokens, "equals")?;
            last_of(tokens, MANY)?;
            comparable(tokens, &text, number).map(Test::Number)
        }
        "<" | "<=" => {
            let (text, top) = bound(tokens, &operator)?;
            last_of(tokens, MANY)?;
            Ok(Test::Range(Range {
                top: comparable(tokens, &text, top)?,
                open_top: operator == "<",
                ..Range::ALL
            }))
        }
        ">" | ">=" => {
            let (text, bottom) = bound(tokens, &operator)?;
            let range = Range {
                bottom,
                open_bottom: operator == ">",
                ..Range::ALL
            };
            let range = upper(tokens, range)?;
            comparable(tokens, &text, bottom)?;
            Ok(Test::Range(range))
        }
        _ => {
            let token = tokens.next()?;
            let message = format!("Unrecognized numeric range operator: {operator}");
            Err(tokens.unlike(&token, message))
        }
    }
}

/// The upper bound of a range that may have one.
fn upper(tokens: &mut Tokens<'_>, range: Range) -> Result<Range, Invalid> {
    let operator = match tokens.next()? {
        Token::EndArray => return Ok(range),
        Token::String(operator) => operator,
        token => {
            let message = format!("Bad value in numeric range: {}", token.text());
            return Err(tokens.wrong(message));
        }
    };
    if operator != "<" && operator != "<=" {
        return Err(tokens.wrong(format!("Bad numeric range operator: {operator}")));
    }
    let (text, top) = bound(tokens, &operator)?;
    last_of(tokens, "Too many terms in numeric range expression")?;
    let top = comparable(tokens, &text, top)?;
    if range.bottom >= top {
        return Err(tokens.wrong("Bottom must be less than top"));
    }
    Ok(Range {
        top,
        open_top: operator == "<",
        ..range
    })
}
