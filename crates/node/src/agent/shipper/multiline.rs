//! What begins an event of several lines: `awslogs-multiline-pattern`, or the pattern of
//! `awslogs-datetime-format` (<https://docs.docker.com/engine/logging/drivers/awslogs/>). Pure.

use neargate_domain::Multiline;
use regex::bytes::Regex;

/// What `strftime` stands for, as Docker's awslogs driver has it.
const STRFTIME: [(char, &str); 19] = [
    ('a', "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"),
    (
        'A',
        "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)",
    ),
    ('w', "[0-6]"),
    ('d', "(?:0[1-9]|[1,2][0-9]|3[0,1])"),
    ('b', "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"),
    (
        'B',
        "(?:January|February|March|April|May|June|July|August|September|October|November|December)",
    ),
    ('m', "(?:0[1-9]|1[0-2])"),
    ('Y', r"\d{4}"),
    ('y', r"\d{2}"),
    ('H', "(?:[0,1][0-9]|2[0-3])"),
    ('I', "(?:0[0-9]|1[0-2])"),
    ('p', "[A,P]M"),
    ('M', "[0-5][0-9]"),
    ('S', "[0-5][0-9]"),
    ('f', r"\d{6}"),
    ('z', r"[+-]\d{4}"),
    ('Z', "[A-Z]{1,4}T"),
    ('j', "(?:0[0-9][1-9]|[1,2][0-9][0-9]|3[0-5][0-9]|36[0-6])"),
    ('L', r"\.\d{3}"),
];

/// The pattern of an event's first line.
///
/// # Errors
/// Docker's words for a pattern that is none.
pub fn first_line(multiline: &Multiline) -> Result<Regex, String> {
    let pattern = match multiline {
        Multiline::Pattern(pattern) => pattern.clone(),
        Multiline::Datetime(format) => of_datetime(format),
    };
    Regex::new(&pattern).map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start();
        format!(
            "awslogs could not parse multiline pattern key {pattern:?}: error parsing regexp: {}",
            why.trim_start_matches("error: ")
        )
    })
}

/// A sequence that Docker does not know stands for nothing; everything else is a pattern already.
fn of_datetime(format: &str) -> String {
    let mut pattern = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('%', Some(of)) => {
                let known = STRFTIME.iter().find(|(letter, _)| *letter == of);
                pattern += known.map_or("", |(_, pattern)| pattern);
                rest.next();
            }
            _ => pattern.push(c),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formats of AWS's page and of Docker's tests.
    #[test]
    fn a_date_begins_an_event() {
        for (format, line, begins) in [
            ("%Y-%m-%d %H:%M:%S", "2017-05-01 13:59:01 up", true),
            ("%Y-%m-%d %H:%M:%S", "2017-05-41 13:59:01 up", false),
            (
                r"\[%b %d, %Y %H:%M:%S\]",
                "[May 01, 2017 19:00:04] up",
                true,
            ),
            ("%A, %B %d at %I:%M %p", "Monday, May 01 at 07:00 PM", true),
            ("%H:%M:%S%L%z", "19:00:04.123+0200 x", true),
            ("%q%Y", "2017", true),
            ("100%", "100%", true),
        ] {
            let pattern = first_line(&Multiline::Datetime(format.into())).unwrap();
            assert_eq!(pattern.is_match(line.as_bytes()), begins, "{format}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        let why = first_line(&Multiline::Pattern("^(".into())).unwrap_err();
        assert_eq!(
            why,
            "awslogs could not parse multiline pattern key \"^(\": error parsing regexp: unclosed group"
        );
        assert!(first_line(&Multiline::Pattern(r"^\/[A-Z]\d+".into())).is_ok());
    }
}
