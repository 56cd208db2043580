//! Files of variables: `.env`, and those that `env_file` names. Pure.

use super::interpolate::Variables;

/// The variables of a file, in its order; `None` is one without a value, which the environment has.
///
/// # Errors
/// What cannot be read, and on which line.
pub fn read(
    text: &str,
    variables: &mut Variables<'_>,
) -> Result<Vec<(String, Option<String>)>, String> {
    let mut all = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let at = |why: String| format!("line {}: {why}", n + 1);
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (line, None),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(at(format!("{name:?} is no name of a variable")));
        }
        let value = match value {
            None => None,
            Some(value) => Some(self::value(value, variables).map_err(at)?),
        };
        all.push((name.to_owned(), value));
    }
    Ok(all)
}

fn value(text: &str, variables: &mut Variables<'_>) -> Result<String, String> {
    if let Some(rest) = text.strip_prefix('\'') {
        let end = rest.find('\'').ok_or("a quote is not closed on its line")?;
        return Ok(rest[..end].to_owned());
    }
    if let Some(rest) = text.strip_prefix('"') {
        let (mut out, mut letters) = (String::new(), rest.chars());
        loop {
            match letters.next() {
                None => return Err("a quote is not closed on its line".into()),
                Some('"') => break,
                Some('\\') => match letters.next() {
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some('$') => out.push_str("$$"),
                    Some(other) => out.push(other),
                    None => {}
                },
                Some(other) => out.push(other),
            }
        }
        return variables.replace(&out);
    }
    let plain = text.split(" #").next().unwrap_or_default().trim_end();
    variables.replace(plain)
}
