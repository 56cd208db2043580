//! Where the statements of a policy stand in its text, for who simulates it.

use neargate_api_iam::Position;

/// The places of the statements, in order. AWS gives the place behind the brace that begins or
/// ends a statement; lines and columns count from one.
pub fn statements(text: &str) -> Vec<(Position, Position)> {
    let mut found = Vec::new();
    let mut reader = Reader::default();
    let mut begun: Option<Position> = None;
    for c in text.chars() {
        let event = reader.read(c);
        match event {
            Some(Event::Begin) => begun = Some(reader.position()),
            Some(Event::End) => {
                if let Some(begin) = begun.take() {
                    found.push((begin, reader.position()));
                }
            }
            None => {}
        }
    }
    found
}

enum Event {
    Begin,
    End,
}

/// Reads JSON that is known to be well-formed, far enough to know where it is.
#[derive(Default)]
struct Reader {
    line: i32,
    column: i32,
    in_string: bool,
    escaped: bool,
    /// The string that was read last: a key, if a colon follows.
    last: String,
    /// The key at the outermost level, whose value is being read.
    key: String,
    /// Objects and lists that are open.
    open: Vec<char>,
    /// How many were open when a statement began.
    statement: Option<usize>,
}

impl Reader {
    fn position(&self) -> Position {
        Position {
            line: Some(self.line + 1),
            column: Some(self.column + 1),
        }
    }

    fn read(&mut self, c: char) -> Option<Event> {
        if c == '\n' {
            self.line += 1;
            self.column = 0;
        } else {
            self.column += 1;
        }
        if self.in_string {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_string = false,
                c => self.last.push(c),
            }
            return None;
        }
        match c {
            '"' => {
                self.in_string = true;
                self.last.clear();
            }
            ':' if self.open.len() == 1 => self.key.clone_from(&self.last),
            '{' | '[' => {
                self.open.push(c);
                let depth = self.open.len();
                let is_first = depth == 2 || (depth == 3 && self.open[1] == '[');
                if c == '{' && is_first && self.key == "Statement" && self.statement.is_none() {
                    self.statement = Some(depth);
                    return Some(Event::Begin);
                }
            }
            '}' | ']' => {
                let depth = self.open.len();
                self.open.pop();
                if self.statement == Some(depth) {
                    self.statement = None;
                    return Some(Event::End);
                }
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<[i32; 4]> {
        let all = statements(text).into_iter();
        let number = |n: Option<i32>| n.expect("a number");
        all.map(|(a, b)| [a.line, a.column, b.line, b.column].map(number))
            .collect()
    }

    #[test]
    fn a_statement_alone() {
        // As AWS was seen to answer it.
        let text = r#"{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}"#;
        assert_eq!(places(text), [[1, 41, 1, 113]]);
    }

    #[test]
    fn statements_in_a_list() {
        let text = "{\"Statement\":[\n {\"Condition\":{\"a\":{\"b\":\"}\\\"{\"}}},\n {}]}";
        assert_eq!(places(text), [[2, 3, 2, 34], [3, 3, 3, 4]]);
        assert!(places(r#"{"Version":"2012-10-17","Id":"Statement"}"#).is_empty());
    }
}
