//! Lines over time, with axes and a legend.

use super::asked::Widget;
use super::canvas::{Canvas, LETTER};
use crate::series::TimeSeries;
use neargate_base::Timestamp;

/// The colors of lines that were given none, in turn: CloudWatch's own.
const COLORS: [[u8; 3]; 10] = [
    [31, 119, 180],
    [255, 127, 14],
    [44, 160, 44],
    [214, 39, 40],
    [148, 103, 189],
    [140, 86, 75],
    [227, 119, 194],
    [127, 127, 127],
    [188, 189, 34],
    [23, 190, 207],
];
const TEXT: [u8; 3] = [22, 25, 31];
const FAINT: [u8; 3] = [84, 91, 100];
const GRID: [u8; 3] = [225, 228, 234];
const ACROSS: [u8; 3] = [214, 39, 40];
/// The height of a line of text.
const ROW: i32 = 14;
/// Rows of the legend.
const LEGEND: usize = 4;
/// Values on the left axis, about.
const STEPS: f64 = 5.0;

/// A time series and which query it is of.
pub type Drawn = (String, TimeSeries);

/// Where the lines are, and what the corners of that stand for.
struct Plot {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
    start: i64,
    end: i64,
    low: f64,
    high: f64,
}

impl Plot {
    #[allow(clippy::cast_possible_truncation, reason = "the share is from 0 to 1")]
    fn x(&self, at: i64) -> i32 {
        let share = (at - self.start) as f64 / (self.end - self.start).max(1) as f64;
        self.left + (share.clamp(0.0, 1.0) * f64::from(self.right - self.left)) as i32
    }

    #[allow(clippy::cast_possible_truncation, reason = "the share is from 0 to 1")]
    fn y(&self, value: f64) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        self.bottom - (share.clamp(0.0, 1.0) * f64::from(self.bottom - self.top)) as i32
    }
}

/// The PNG of a widget.
///
/// # Errors
/// When it cannot be encoded.
pub fn draw(widget: &Widget, all: &[Drawn]) -> Result<Vec<u8>, png::EncodingError> {
    let mut canvas = Canvas::new(widget.width, widget.height);
    let (width, height) = (widget.width.cast_signed(), widget.height.cast_signed());
    let lines = heights(widget, all);
    let (low, high, step) = scale(widget, &lines);
    let legend = legend(all, width);
    let seconds = |at: Timestamp| at.as_millis().div_euclid(1_000);
    let labels = ticks(low, high, step);
    let widest = labels.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
    let plot = Plot {
        left: 12 + LETTER * i32::try_from(widest).unwrap_or(0),
        top: if widget.title.is_empty() {
            10
        } else {
            10 + ROW
        },
        right: width - 10,
        bottom: height - 10 - ROW - ROW * i32::try_from(legend.len()).unwrap_or(0),
        start: seconds(widget.start),
        end: seconds(widget.end),
        low,
        high,
    };
    let fits = plot.right - plot.left >= 20 && plot.bottom - plot.top >= 20;
    // In a picture as small as that there are lines alone.
    let plot = match fits {
        true => plot,
        false => Plot {
            left: 0,
            top: 0,
            right: width - 1,
            bottom: height - 1,
            ..plot
        },
    };
    if fits {
        axes(&mut canvas, widget, &plot, &labels);
    }
    for across in &widget.across {
        let (y, color) = (plot.y(across.value), across.color.unwrap_or(ACROSS));
        if (plot.low..=plot.high).contains(&across.value) {
            canvas.line((plot.left, y), (plot.right, y), color, 1);
            canvas.text((plot.right - 2, y - 6), &across.label, color, true);
        }
    }
    for (n, (_, values)) in lines.iter().enumerate() {
        let color = color(widget, all, n);
        let period = all[n].1.period.max(1);
        let mut before: Option<(i64, (i32, i32))> = None;
        for (at, value) in values {
            let here = (plot.x(*at), plot.y(*value));
            match before {
                // Where nothing was put there is no line.
                Some((last, from)) if at - last <= period => canvas.line(from, here, color, 2),
                _ => canvas.fill((here.0 - 1, here.1 - 1), (3, 3), color),
            }
            before = Some((*at, here));
        }
    }
    if fits {
        for (row, entries) in legend.iter().enumerate() {
            let y = plot.bottom + ROW + 10 + ROW * i32::try_from(row).unwrap_or(0);
            for (n, x) in entries {
                canvas.fill((*x, y - 4), (8, 8), color(widget, all, *n));
                canvas.text((x + 12, y), &all[*n].1.label, TEXT, false);
            }
        }
    }
    canvas.png()
}

fn color(widget: &Widget, all: &[Drawn], n: usize) -> [u8; 3] {
    let own = widget.colors.iter().find(|(id, _)| *id == all[n].0);
    own.map_or(COLORS[n % COLORS.len()], |(_, color)| *color)
}

/// The points of each line; stacked, each stands on those before.
fn heights(widget: &Widget, all: &[Drawn]) -> Vec<(usize, Vec<(i64, f64)>)> {
    let mut ground: std::collections::BTreeMap<i64, f64> = Default::default();
    let line = |(n, (_, series)): (usize, &Drawn)| {
        let finite = series.values.iter().filter(|(_, value)| value.is_finite());
        let points = finite.map(|(at, value)| {
            if !widget.stacked {
                return (*at, *value);
            }
            let height = ground.entry(*at).or_default();
            *height += value;
            (*at, *height)
        });
        (n, points.collect())
    };
    all.iter().enumerate().map(line).collect()
}

/// The lowest and highest value of the left axis, and how far its marks are apart.
fn scale(widget: &Widget, lines: &[(usize, Vec<(i64, f64)>)]) -> (f64, f64, f64) {
    let values = || {
        let points = lines.iter().flat_map(|(_, points)| points);
        points.map(|(_, value)| *value)
    };
    let mut low = values().fold(f64::INFINITY, f64::min);
    let mut high = values().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    low = widget.axis.min.unwrap_or(low);
    high = widget.axis.max.unwrap_or(high);
    if high - low <= f64::EPSILON * high.abs().max(1.0) {
        (low, high) = (low - 0.5, low + 0.5);
    }
    let rough = (high - low) / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|n| n * power)
        .into_iter()
        .find(|step| *step >= rough);
    let step = step.filter(|step| step.is_normal()).unwrap_or(rough);
    let low = widget.axis.min.unwrap_or((low / step).floor() * step);
    let high = widget.axis.max.unwrap_or((high / step).ceil() * step);
    match high > low {
        true => (low, high, step),
        false => (low, low + 1.0, 0.5),
    }
}

fn ticks(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    let first = (low / step).ceil() * step;
    let all = (0..20).map(|n| first + step * f64::from(n));
    let there = all.take_while(|value| *value <= high + step * 1e-9);
    there.map(|value| (value, short(value))).collect()
}

/// `1.5M`, `250`, `0.02`.
fn short(value: f64) -> String {
    let (divided, unit) = match value.abs() {
        n if n >= 1e12 => (value / 1e12, "T"),
        n if n >= 1e9 => (value / 1e9, "G"),
        n if n >= 1e6 => (value / 1e6, "M"),
        n if n >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = match divided.abs() {
        n if n > 0.0 && n < 0.001 => format!("{divided:.1e}"),
        _ => {
            let text = format!("{divided:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    match text.as_str() {
        "-0" => "0".to_owned(),
        text => format!("{text}{unit}"),
    }
}

fn axes(canvas: &mut Canvas, widget: &Widget, plot: &Plot, labels: &[(f64, String)]) {
    canvas.text((plot.left, 10), &widget.title, TEXT, false);
    if let Some(label) = &widget.axis.label {
        canvas.text((plot.right, 10), label, FAINT, true);
    }
    for (value, text) in labels {
        let y = plot.y(*value);
        canvas.line((plot.left, y), (plot.right, y), GRID, 1);
        canvas.text((plot.left - 4, y), text, FAINT, true);
    }
    canvas.line(
        (plot.left, plot.bottom),
        (plot.right, plot.bottom),
        FAINT,
        1,
    );
    let span = plot.end - plot.start;
    // A label and a gap take so much of the width.
    let room = i64::from((plot.right - plot.left) / (LETTER * 9)).max(1);
    let steps = [
        60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
        2_592_000, 7_776_000,
    ];
    let step = steps.into_iter().find(|step| span / step <= room);
    let step = step.unwrap_or(31_536_000);
    let local = |at: i64| at + widget.offset_seconds;
    let mut at = (local(plot.start).div_euclid(step) + 1) * step - widget.offset_seconds;
    while at <= plot.end {
        let x = plot.x(at);
        canvas.line((x, plot.bottom), (x, plot.bottom + 3), FAINT, 1);
        let text = Timestamp::from_millis(local(at) * 1_000).rfc3339();
        let text = match step {
            86_400.. => text.get(5..10),
            _ => text.get(11..16),
        };
        let text = text.unwrap_or_default();
        let half = LETTER * i32::try_from(text.len()).unwrap_or(0) / 2;
        if x + half <= plot.right + 8 {
            canvas.text((x - half, plot.bottom + 9), text, FAINT, false);
        }
        at += step;
    }
}

/// Rows of the legend: which lines, and where their names begin.
fn legend(all: &[Drawn], width: i32) -> Vec<Vec<(usize, i32)>> {
    let mut rows: Vec<Vec<(usize, i32)>> = Vec::new();
    let mut x = width;
    for (n, (_, series)) in all.iter().enumerate() {
        let letters = i32::try_from(series.label.chars().count()).unwrap_or(i32::MAX / 8);
        let wide = 12 + LETTER * letters.min(1_000) + 14;
        if x + wide > width - 4 {
            if rows.len() == LEGEND {
                return rows;
            }
            rows.push(Vec::new());
            x = 10;
        }
        if let Some(row) = rows.last_mut() {
            row.push((n, x));
        }
        x += wide;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::asked;
    use super::*;
    use serde_json::json;

    fn picture(widget: serde_json::Value, values: &[(i64, f64)]) -> (u32, u32, Vec<u8>) {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let widget = asked::read(&widget.to_string(), now).unwrap();
        let series = TimeSeries {
            label: "errors".into(),
            period: 300,
            values: values
                .iter()
                .map(|(ago, v)| (1_700_000_000 - ago, *v))
                .collect(),
            ..TimeSeries::default()
        };
        let bytes = draw(&widget, &[("m1".into(), series)]).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        (frame.width, frame.height, pixels)
    }

    fn has(pixels: &[u8], color: [u8; 3]) -> bool {
        pixels.chunks(3).any(|pixel| pixel == color)
    }

    #[test]
    fn a_line_in_its_color_with_text_around() {
        let widget = json!({
            "metrics": [["shop", "errors", { "color": "#00ff00" }]], "title": "Errors",
            "width": 300, "height": 200,
            "annotations": { "horizontal": [{ "value": 3, "label": "much", "color": "#ff00ff" }] },
        });
        let (width, height, pixels) = picture(widget, &[(900, 1.0), (600, 5.0), (300, 2.0)]);
        assert_eq!((width, height), (300, 200));
        for color in [[0, 255, 0], [255, 0, 255], TEXT, GRID] {
            assert!(has(&pixels, color), "{color:?}");
        }
    }

    #[test]
    fn whatever_the_values_and_however_small() {
        for values in [
            &[][..],
            &[(300, 0.0)],
            &[(300, f64::NAN), (600, f64::INFINITY)],
            &[(300, f64::MAX), (600, f64::MIN)],
            &[(300, 1e-300), (600, 2e-300)],
            &[(300, -5.0), (600, -5.0)],
        ] {
            for (width, height) in [(1, 1), (30, 30), (2000, 20), (600, 400)] {
                let widget =
                    json!({ "metrics": [], "width": width, "height": height, "stacked": true });
                let (w, h, _) = picture(widget, values);
                assert_eq!((w, h), (width, height));
            }
        }
    }

    #[test]
    fn values_are_written_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (250.0, "250"),
            (0.25, "0.25"),
            (1_500_000.0, "1.5M"),
            (20_000.0, "20k"),
            (0.0001, "1.0e-4"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
