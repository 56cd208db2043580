//! Patterns of terms: all included ones must occur, no excluded one may, anywhere in the message
//! (substrings count: `ERROR` finds `ERRORCODE`).

use super::InvalidPattern;
use super::condition::regex;
use super::scan::Scan;
use memchr::memmem::Finder;
use regex::Regex;

/// `a "b c" -d`, or `?a ?b`.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    include: Vec<Term>,
    exclude: Vec<Term>,
    optional: Vec<Term>,
}

#[derive(Debug, Clone)]
enum Term {
    Text(Box<Finder<'static>>),
    Regex(Regex),
}

impl Term {
    fn occurs(&self, message: &str) -> bool {
        match self {
            Term::Text(finder) => finder.find(message.as_bytes()).is_some(),
            Term::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Terms {
    pub(super) fn parse(pattern: &str) -> Result<Terms, InvalidPattern> {
        let mut terms = Terms::default();
        let mut scan = Scan::new(pattern);
        loop {
            scan.skip_space();
            if scan.is_empty() {
                return Ok(terms);
            }
            let list = if scan.eat("-") {
                // AWS's documentation also writes `"ERROR" - "Exiting"`.
                scan.skip_space();
                &mut terms.exclude
            } else if scan.eat("?") {
                &mut terms.optional
            } else {
                &mut terms.include
            };
            if let Some(term) = term(&mut scan)? {
                list.push(term);
            }
            // Terms are separated by space; quoted ones may touch.
        }
    }

    pub(super) fn regexes(&self) -> usize {
        let all = self.include.iter().chain(&self.exclude);
        let all = all.chain(&self.optional);
        all.filter(|t| matches!(t, Term::Regex(_))).count()
    }

    /// With an included or excluded term, optional ones are ignored: the documentation's `?ERROR
    /// ?ARGUMENTS REQUEST` finds whatever contains `REQUEST`.
    pub(super) fn matches(&self, message: &str) -> bool {
        if self.include.is_empty() && self.exclude.is_empty() {
            return self.optional.is_empty() || self.optional.iter().any(|t| t.occurs(message));
        }
        self.include.iter().all(|t| t.occurs(message))
            && !self.exclude.iter().any(|t| t.occurs(message))
    }
}

/// `None` for quotes around nothing, or nothing but space, which match everything.
fn term(scan: &mut Scan<'_>) -> Result<Option<Term>, InvalidPattern> {
    let text = match scan.peek() {
        Some('"') => {
            let text = scan.quoted()?;
            if text.trim().is_empty() {
                return Ok(None);
            }
            text
        }
        Some('%') => return Ok(Some(Term::Regex(regex(scan.between_percents()?)?))),
        _ => {
            let text = scan.take_while(|c| !c.is_whitespace() && c != '"');
            // "Terms that include characters other than alphanumeric or underscore must be
            // placed inside double quotes."
            if text.is_empty() || !text.chars().all(|c| c.is_alphanumeric() || c == '_') {
                return Err(InvalidPattern::Syntax);
            }
            text.to_owned()
        }
    };
    Ok(Some(Term::Text(Box::new(Finder::new(&text).into_owned()))))
}
