//! An instruction's words, split at spaces outside of quotes; quotes and escapes stay.

/// The words of a line.
pub fn words(text: &str, escape: char) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match quote {
            _ if c == escape && quote != Some('\'') => {
                word.push(c);
                word.extend(chars.next());
            }
            Some(q) => {
                word.push(c);
                if c == q {
                    quote = None;
                }
            }
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
            }
            None => {
                if c == '"' || c == '\'' {
                    quote = Some(c);
                }
                word.push(c);
            }
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// `name=value …` of `ENV` and `LABEL`, or their older form, `name the rest`. Values are as they stand.
///
/// # Errors
/// What BuildKit says of it.
pub fn pairs(text: &str, escape: char, instruction: &str) -> Result<Vec<(String, String)>, String> {
    let all = words(text, escape);
    let Some(first) = all.first() else {
        return Err(format!("{instruction} must have two arguments"));
    };
    if !first.contains('=') {
        let (name, value) = text
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("{instruction} must have two arguments"))?;
        return Ok(vec![(name.to_owned(), value.trim_start().to_owned())]);
    }
    all.iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(format!("{instruction} names can not be blank")),
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!(
                "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
            )),
        })
        .collect()
}
