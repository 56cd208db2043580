//! Physical lines to logical ones: comments, continuations, directives, here-documents.

use super::heredoc::{self, Heredoc};
use crate::Located;
use std::ops::RangeInclusive;

/// One instruction's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logical {
    /// Continuations joined, comments left out.
    pub text: String,
    pub heredocs: Vec<Heredoc>,
    pub lines: RangeInclusive<usize>,
}

/// The escape character and the instructions' lines.
pub(super) fn read(text: &str) -> Result<(char, Vec<Logical>), Located> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = directives(text)?;
    let mut all = Vec::new();
    let mut lines = text.split_inclusive('\n').enumerate();
    while let Some((index, first)) = lines.next() {
        let start = index + 1;
        let mut end = start;
        if is_comment(first) {
            continue;
        }
        let (mut joined, mut goes_on) = continued(ended(first).trim_start(), escape);
        if !goes_on && joined.is_empty() {
            continue;
        }
        while goes_on {
            let Some((index, next)) = lines.next() else {
                break;
            };
            end = index + 1;
            if is_comment(next) || next.trim().is_empty() {
                continue;
            }
            let (more, again) = continued(ended(next), escape);
            joined.push_str(&more);
            goes_on = again;
        }
        let mut heredocs = heredoc::announced(&joined, escape);
        for heredoc in &mut heredocs {
            let mut is_ended = false;
            for (index, line) in lines.by_ref() {
                end = index + 1;
                let mut candidate = ended(line);
                if heredoc.chomps {
                    candidate = candidate.trim_start_matches('\t');
                }
                if candidate == heredoc.name {
                    is_ended = true;
                    break;
                }
                heredoc.content.push_str(line);
            }
            if !is_ended {
                return Err(Located::parse(start, "unterminated heredoc"));
            }
        }
        all.push(Logical {
            text: joined,
            heredocs,
            lines: start..=end,
        });
    }
    Ok((escape, all))
}

/// `# escape=` and its like, which come before all else.
fn directives(text: &str) -> Result<char, Located> {
    let (mut escape, mut seen) = ('\\', Vec::new());
    for (index, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix('#') else {
            break;
        };
        let Some((name, value)) = comment.split_once('=') else {
            break;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        // `syntax` would name another frontend: this one is all there is.
        if !["escape", "syntax", "check"].contains(&name.as_str()) {
            break;
        }
        if seen.contains(&name) {
            let what = format!("only one {name} parser directive can be used");
            return Err(Located::parse(index + 1, what));
        }
        if name == "escape" {
            escape = match value {
                "\\" => '\\',
                "`" => '`',
                other => {
                    let what = format!("invalid escape token '{other}' does not match ` or \\");
                    return Err(Located::parse(index + 1, what));
                }
            };
        }
        seen.push(name);
    }
    Ok(escape)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn ended(line: &str) -> &str {
    line.strip_suffix('\n')
        .map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
}

/// The line without an escape character at its end, and whether there was one that the next line
/// follows. Two of them are one that means itself.
fn continued(line: &str, escape: char) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}
