//! Filters of Describe calls
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>): all filters must
//! match, any value of one does; values are case-sensitive; `*` stands for any characters, `?`
//! for one, and a backslash takes either literally.

use super::error;
use neargate_api_ec2 as api;
use neargate_service::AwsError;

/// The most values of all filters of a call together.
const MAX_VALUES: usize = 200;

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

impl Filter {
    pub(super) fn parse(filters: Option<Vec<api::Filter>>) -> Result<Vec<Filter>, AwsError> {
        let filters = filters.unwrap_or_default();
        let count: usize = filters
            .iter()
            .map(|f| f.values.as_ref().map_or(0, Vec::len))
            .sum();
        if count > MAX_VALUES {
            return Err(error::too_many_filter_values());
        }
        let parse = |f: api::Filter| {
            let name = f.name.filter(|n| !n.is_empty());
            let name = name.ok_or_else(|| error::missing_parameter("Filter.Name"))?;
            Ok(Filter {
                name,
                values: f.values.unwrap_or_default(),
            })
        };
        filters.into_iter().map(parse).collect()
    }

    /// Does one of the resource's values fit one of the filter's?
    pub(super) fn accepts(&self, values: &[String]) -> bool {
        self.values
            .iter()
            .any(|pattern| values.iter().any(|v| wildcard(pattern, v)))
    }
}

/// Does `pattern` cover all of `text`?
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<Token> = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last `*` turns out not to fit: one character later.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                retry = Some((p, t));
                p += 1;
            }
            Some(token) if token.fits(text[t]) => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((star, at)) => {
                    retry = Some((star, at + 1));
                    (p, t) = (star + 1, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|token| *token == Token::Any)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Literal(char),
}

impl Token {
    fn fits(self, c: char) -> bool {
        match self {
            Token::Any | Token::One => true,
            Token::Literal(l) => l == c,
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut chars = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Literal(chars.next().unwrap_or('\\')),
            c => Token::Literal(c),
        });
    }
    tokens
}
