//! Patterns of artifacts' files: `*` and `?` within a name, `**` over directories
//! (<https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.artifacts.files>).

use regex::Regex;

/// Which files of a directory are meant.
#[derive(Debug)]
pub struct Patterns {
    wanted: Vec<Regex>,
    excluded: Vec<Regex>,
}

impl Patterns {
    /// # Errors
    /// The pattern that is none.
    pub fn new(wanted: &[String], excluded: &[String]) -> Result<Patterns, String> {
        let all = |patterns: &[String]| {
            let patterns = patterns.iter().map(|p| compiled(p));
            patterns.collect::<Result<Vec<_>, _>>()
        };
        Ok(Patterns {
            wanted: all(wanted)?,
            excluded: all(excluded)?,
        })
    }

    /// Is this file, named from the base directory, meant?
    pub fn take(&self, path: &str) -> bool {
        let any = |of: &[Regex]| of.iter().any(|p| p.is_match(path));
        any(&self.wanted) && !any(&self.excluded)
    }
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    let pattern = pattern.trim().trim_start_matches("./");
    let mut text = String::from("^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                match chars.peek() {
                    Some('/') => {
                        chars.next();
                        text += "(?:.*/)?";
                    }
                    _ => text += ".*",
                }
            }
            '*' => text += "[^/]*",
            '?' => text += "[^/]",
            other => text += &regex::escape(other.encode_utf8(&mut [0; 4])),
        }
    }
    text += "$";
    Regex::new(&text).map_err(|_| format!("{pattern} is no pattern"))
}
