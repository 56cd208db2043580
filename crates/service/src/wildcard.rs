//! Patterns in which a few characters stand for others: filters, policies, exclusions.

/// Which characters of a pattern do not stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wildcards {
    /// `*` stands for any text.
    Star,
    /// `*` stands for any text and `?` for one character.
    StarAndOne,
    /// As [`Wildcards::StarAndOne`]; a backslash takes the character behind it as it is.
    Escaped,
}

impl Wildcards {
    /// Does `pattern` cover all of `text`?
    pub fn matches(self, pattern: &str, text: &str) -> bool {
        let pattern = self.tokens(pattern);
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

    fn tokens(self, pattern: &str) -> Vec<Token> {
        let mut chars = pattern.chars();
        let mut tokens = Vec::new();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Any,
                '?' if self != Wildcards::Star => Token::One,
                '\\' if self == Wildcards::Escaped => Token::Literal(chars.next().unwrap_or('\\')),
                c => Token::Literal(c),
            });
        }
        tokens
    }
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

#[cfg(test)]
mod tests {
    use super::Wildcards::{Escaped, Star, StarAndOne};

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text) in [
            ("*", ""),
            ("v*", "v1"),
            ("*-rc", "1-rc"),
            ("a*b*c", "aXbYc"),
            ("x", "x"),
            ("*ab", "aab"),
        ] {
            for wildcards in [Star, StarAndOne, Escaped] {
                assert!(wildcards.matches(pattern, text), "{pattern} {text}");
            }
        }
        for (pattern, text) in [("v*", "1v"), ("a*b*c", "aXc"), ("a*a", "a"), ("x", "xy")] {
            for wildcards in [Star, StarAndOne, Escaped] {
                assert!(!wildcards.matches(pattern, text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn other_wildcards_are_taken_where_they_are_meant() {
        assert!(Star.matches("a?", "a?") && !Star.matches("a?", "ab"));
        assert!(StarAndOne.matches("a?", "aß") && !StarAndOne.matches("a?", "a"));
        assert!(StarAndOne.matches(r"\?", r"\x") && !StarAndOne.matches(r"\?", "?"));
        assert!(Escaped.matches(r"\?\*", "?*") && !Escaped.matches(r"\?", "x"));
        assert!(Escaped.matches(r"a\", r"a\"));
    }

    #[test]
    fn a_backslash_escapes() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("?", "", false),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("*a*b*", "xaxbx", true),
            ("*ab", "aab", true),
            ("a?c", "abc", true),
            ("a\\*c", "abc", false),
            ("a\\*c", "a*c", true),
            ("a\\?", "a?", true),
            ("\\\\", "\\", true),
            ("Default", "default", false),
            ("ü?", "üß", true),
        ] {
            assert_eq!(Escaped.matches(pattern, text), fits, "{pattern:?} {text:?}");
        }
    }
}
