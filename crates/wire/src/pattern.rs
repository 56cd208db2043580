//! The models' regular expressions: Java's dialect, compiled at first use and kept.
//!
//! A pattern with look-around does not compile here and is not enforced; `cargo xtask api`
//! lists those. Matching is over the whole string, as AWS's own framework matches.

use regex::{Regex, RegexBuilder};
use std::fmt;
use std::sync::OnceLock;

/// Bounds the memory of one compiled pattern.
const MAX_COMPILED_BYTES: usize = 8 << 20;

/// One pattern of a model.
pub struct Pattern {
    /// As the model writes it and AWS's messages quote it.
    pub source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub const fn new(source: &'static str) -> Self {
        Pattern {
            source,
            compiled: OnceLock::new(),
        }
    }

    /// The compiled form, anchored; `None` when the dialect is not ours.
    pub fn regex(&self) -> Option<&Regex> {
        let compile = || {
            let anchored = format!(r"\A(?:{})\z", from_java(self.source));
            RegexBuilder::new(&anchored)
                .size_limit(MAX_COMPILED_BYTES)
                .build()
                .ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source)
    }
}

/// Java's `\w`, `\d` and `\s` are ASCII, and a dash after one of them in a class is literal. So is its
/// `\p{Print}`.
fn from_java(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut depth = 0_usize; // of character classes
    let mut letters = source.chars();
    while let Some(c) = letters.next() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '\\' => {
                let Some(escaped) = letters.next() else {
                    out.push('\\');
                    break;
                };
                let is_print = escaped == 'p' && letters.as_str().starts_with("{Print}");
                if is_print {
                    letters.by_ref().take("{Print}".len()).for_each(drop);
                }
                let ascii = match escaped {
                    _ if is_print => r"\x20-\x7E",
                    'w' => "0-9A-Z_a-z",
                    'd' => "0-9",
                    's' => r" \t\n\x0B\f\r",
                    other => {
                        out.extend(['\\', other]);
                        continue;
                    }
                };
                if depth == 0 {
                    out.extend(["[", ascii, "]"]);
                    continue;
                }
                out.push_str(ascii);
                if letters.as_str().starts_with('-') {
                    letters.next();
                    out.push_str(r"\-");
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(source: &'static str, text: &str) -> bool {
        Pattern::new(source).regex().expect(source).is_match(text)
    }

    #[test]
    fn what_is_printed_is_ascii() {
        assert!(matches(r"\p{Print}+", "my policy, no. 1"));
        assert!(!matches(r"\p{Print}+", "a\tb") && !matches(r"\p{Print}+", "ä"));
        assert!(matches(r"[\p{Print}\t]+", "a\tb") && matches(r"\p{L}", "ä"));
    }

    #[test]
    fn patterns_match_whole_strings() {
        assert!(matches("[a-z]+|[0-9]+", "abc"));
        assert!(!matches("[a-z]+|[0-9]+", "abc1"));
        assert!(!matches("^[a-z]+$", "abc\n"));
    }

    #[test]
    fn java_classes_are_ascii() {
        assert!(matches(r"[\w+=,.@-]+", "role+name@x_1-2"));
        assert!(!matches(r"[\w+=,.@-]+", "röle"));
        assert!(matches(r"[\w-_]*", "a-b_c"));
        assert!(matches(r"\d{12}\s\w", "123456789012 x"));
        assert!(!matches(r"\d", "٣"));
        assert!(matches(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "Schlüssel ٣:/"));
        assert!(!matches(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "a,b"));
        assert!(matches(r"[^\d]\\\[", r"x\["));
    }

    #[test]
    fn other_dialects_are_not_enforced() {
        assert!(Pattern::new("(?!aws:).*").regex().is_none());
    }
}
