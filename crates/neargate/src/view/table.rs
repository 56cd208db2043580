//! Tables for people: columns that line up, as wide as the terminal at most.

use super::paint::{Paint, Tone, tone};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement};

/// Between two columns.
const GAP: u16 = 2;

/// A cell: its text and how it is painted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

#[derive(Debug, Clone)]
struct Column {
    heading: &'static str,
    /// Numbers stand to the right.
    is_number: bool,
    /// It goes first where there is no room.
    may_go: bool,
}

/// Rows under a heading. Columns without any content are left out.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A heading that begins with `>` is of a column of numbers. One that ends with `?` is of a
    /// column that is left out, the last one first, where the table would not fit the terminal.
    pub fn new(headings: &[&'static str]) -> Table {
        let column = |text: &&'static str| Column {
            heading: text.trim_start_matches('>').trim_end_matches('?'),
            is_number: text.starts_with('>'),
            may_go: text.ends_with('?'),
        };
        Table {
            columns: headings.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// One cell a heading; `-` stands for nothing.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines; as wide as it needs to be, unless `width` says how wide it may be.
    pub fn lines(&self, paint: Paint, width: Option<usize>) -> Vec<String> {
        let shown = self.shown(width);
        let mut drawn = comfy_table::Table::new();
        drawn.load_style(NOTHING).style_text_only();
        if let Some(width) = width {
            drawn
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        if paint.is_coloured() {
            drawn.enforce_styling();
        } else {
            drawn.force_no_tty();
        }
        let heading = |n: &usize| painted(self.columns[*n].heading, Tone::Quiet);
        drawn.set_header(shown.iter().map(heading));
        for row in &self.rows {
            let cells = shown.iter().map(|n| painted(&row[*n].text, row[*n].tone));
            drawn.add_row(cells);
        }
        for (at, n) in shown.iter().enumerate() {
            let column = drawn.column_mut(at).expect("as many as there are headings");
            let gap = if at + 1 == shown.len() { 0 } else { GAP };
            column.set_padding((0, gap));
            if self.columns[*n].is_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        drawn.lines().map(|l| l.trim_end().to_owned()).collect()
    }

    pub fn print(&self, paint: Paint) {
        for line in self.lines(paint, super::width()) {
            super::say(&line);
        }
    }

    /// The columns that have something to show, without those there is no room for.
    fn shown(&self, width: Option<usize>) -> Vec<usize> {
        let filled = |n: &usize| self.rows.iter().any(|r| r[*n].text != "-");
        let mut shown: Vec<usize> = (0..self.columns.len()).filter(filled).collect();
        let wide = |n: &usize| {
            let cells = self.rows.iter().map(|r| r[*n].text.chars().count());
            let heading = self.columns[*n].heading.len();
            cells.max().unwrap_or(0).max(heading) + usize::from(GAP)
        };
        while let Some(width) = width {
            let needed: usize = shown.iter().map(wide).sum();
            let last = shown.iter().rposition(|n| self.columns[*n].may_go);
            match last {
                Some(last) if needed > width + usize::from(GAP) => shown.remove(last),
                _ => break,
            };
        }
        shown
    }
}

fn painted(text: &str, tone: Tone) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Waiting => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
        Tone::Quiet => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
        Tone::Nth(_) => cell.fg(Color::DarkCyan),
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
