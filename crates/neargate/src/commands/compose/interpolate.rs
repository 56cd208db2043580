//! Variables in a Compose file: `$NAME`, `${NAME}`, `${NAME:-default}` and their kin, as the compose
//! specification has them. Pure: where values come from is the caller's to say.

use std::collections::BTreeSet;

/// How deep defaults may hold variables with defaults.
const MAX_DEPTH: usize = 16;

/// Where values come from, and which were asked for in vain.
pub struct Variables<'a> {
    pub get: &'a dyn Fn(&str) -> Option<String>,
    pub unset: BTreeSet<String>,
}

impl<'a> Variables<'a> {
    pub fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Variables<'a> {
        Variables {
            get,
            unset: BTreeSet::new(),
        }
    }

    /// The text with its variables replaced.
    ///
    /// # Errors
    /// What cannot be read, or must be set and is not, as a sentence.
    pub fn replace(&mut self, text: &str) -> Result<String, String> {
        self.within(text, 0)
    }

    fn within(&mut self, text: &str, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err(format!("variables nested more than {MAX_DEPTH} deep"));
        }
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let end = closing(after).ok_or_else(|| format!("${{ without }} in {text:?}"))?;
                let (inside, behind) = after.split_at(end);
                out.push_str(&self.braced(inside, depth)?);
                rest = &behind[1..];
            } else {
                let length = name_length(after);
                if length == 0 {
                    return Err(format!(
                        "a lone $ in {text:?}: write $$ where no variable is meant"
                    ));
                }
                let (name, behind) = after.split_at(length);
                out.push_str(&self.value(name));
                rest = behind;
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// What is between the braces.
    fn braced(&mut self, inside: &str, depth: usize) -> Result<String, String> {
        let length = name_length(inside);
        let (name, rest) = inside.split_at(length);
        if name.is_empty() {
            return Err(format!("${{{inside}}} names no variable"));
        }
        if rest.is_empty() {
            return Ok(self.value(name));
        }
        let (counts_empty, rest) = match rest.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let value = (self.get)(name).filter(|value| !(counts_empty && value.is_empty()));
        let (operator, word) = rest.split_at(rest.chars().next().map_or(0, char::len_utf8));
        match (operator, value) {
            ("-" | "?", Some(value)) => Ok(value),
            ("-", None) | ("+", Some(_)) => self.within(word, depth + 1),
            ("+", None) => Ok(String::new()),
            ("?", None) => {
                let why = self.within(word, depth + 1)?;
                let why = if why.is_empty() {
                    "it is not set"
                } else {
                    &why
                };
                Err(format!("the variable {name} is needed: {why}"))
            }
            _ => Err(format!("${{{inside}}} is not understood")),
        }
    }

    fn value(&mut self, name: &str) -> String {
        (self.get)(name).unwrap_or_else(|| {
            self.unset.insert(name.to_owned());
            String::new()
        })
    }
}

/// Where the brace is that ends what begins with `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0;
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if last == '$' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
        last = c;
    }
    None
}

fn name_length(text: &str) -> usize {
    let begins = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    if !text.as_bytes().first().is_some_and(begins) {
        return 0;
    }
    let goes_on = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    text.bytes().take_while(goes_on).count()
}
