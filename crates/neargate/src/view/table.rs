//! Columns that line up.

use super::paint::{Paint, Tone, tone};

/// A cell: its text and how it is painted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

/// Rows under a heading. Columns without any content are left out.
#[derive(Debug, Clone)]
pub struct Table {
    headings: Vec<&'static str>,
    /// Numbers stand to the right.
    right: Vec<bool>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A heading that begins with `>` is of a column of numbers.
    pub fn new(headings: &[&'static str]) -> Table {
        Table {
            right: headings.iter().map(|h| h.starts_with('>')).collect(),
            headings: headings.iter().map(|h| h.trim_start_matches('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// One cell a heading; `-` stands for nothing.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines; as wide as it needs to be.
    pub fn lines(&self, paint: Paint) -> Vec<String> {
        let width = |n: usize| {
            let cells = self.rows.iter().map(|r| r[n].text.chars().count());
            cells.max().unwrap_or(0).max(self.headings[n].len())
        };
        let filled = |n: &usize| self.rows.iter().any(|r| r[*n].text != "-");
        let columns: Vec<usize> = (0..self.headings.len()).filter(filled).collect();
        let line = |cell: &dyn Fn(usize) -> (String, usize)| {
            let mut line = String::new();
            for (at, &n) in columns.iter().enumerate() {
                let (text, used) = cell(n);
                let pad = " ".repeat(width(n).saturating_sub(used));
                let gap = if at == 0 { "" } else { "  " };
                line.push_str(gap);
                if self.right[n] {
                    line.push_str(&pad);
                    line.push_str(&text);
                } else {
                    line.push_str(&text);
                    line.push_str(&pad);
                }
            }
            line.trim_end().to_owned()
        };
        let heading = |n: usize| {
            let text = self.headings[n];
            (paint.text(text, Tone::Quiet), text.len())
        };
        let mut lines = vec![line(&heading)];
        for row in &self.rows {
            let cell = |n: usize| {
                let Cell { text, tone } = &row[n];
                (paint.text(text, *tone), text.chars().count())
            };
            lines.push(line(&cell));
        }
        lines
    }

    pub fn print(&self, paint: Paint) {
        for line in self.lines(paint) {
            super::say(&line);
        }
    }
}

impl Cell {
    /// A state, in the colour that belongs to it.
    pub fn state(text: impl Into<String>) -> Cell {
        let text = text.into();
        // `RUNNING (exit 1)`, `RUNNING > STOPPED`: the first word decides.
        let first = text.split(' ').next().unwrap_or_default().to_owned();
        let tone = tone(&first);
        Cell { text, tone }
    }

    /// What is needed to type the next command.
    pub fn strong(text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            tone: Tone::Strong,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        let text: String = text.into();
        Cell {
            text: if text.is_empty() { "-".into() } else { text },
            tone: Tone::Plain,
        }
    }
}
