//! Ways of two parameters over lines of equal loss.

use super::contour;
use super::frame::{Entry, Frame, Sign, Texts};
use super::scale::{Scale, written};
use super::style;
use super::svg::{Anchor, INK, PALE};

/// Lines of equal loss.
const LEVELS: usize = 12;
/// From the smallest loss to the largest: dark to light, by lightness alone.
const SHADES: &[&str] = &[
    "#2b2b2b", "#3a3a3a", "#494949", "#585858", "#676767", "#767676", "#858585", "#949494", "#a2a2a2",
    "#b0b0b0", "#bebebe", "#cccccc",
];
/// Room for the figures of the lines.
const SIDE: f64 = 104.0;

/// Ways over a surface.
#[derive(Debug, Clone)]
pub struct Paths {
    /// What is shown.
    pub title: String,
    /// How it came about.
    pub subtitle: String,
    /// The parameter across.
    pub x: String,
    /// The parameter upwards.
    pub y: String,
    /// The loss.
    pub grid: Grid,
    /// The ways, in the order of the legend.
    pub ways: Vec<Way>,
}

/// Values on a grid, row by row from below.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The first and last column.
    pub x: [f64; 2],
    /// The first and last row.
    pub y: [f64; 2],
    /// Values of a row.
    pub columns: usize,
    /// All of them.
    pub values: Vec<f64>,
}

/// Where two parameters went.
#[derive(Debug, Clone)]
pub struct Way {
    /// Whose way it is.
    pub label: String,
    /// From the start to the end.
    pub points: Vec<[f64; 2]>,
    /// Whether it did not end in numbers without bounds.
    pub is_whole: bool,
}

impl Paths {
    /// What a grid must cover to hold the ways, as far as they are whole.
    pub fn extent(ways: &[Way]) -> ([f64; 2], [f64; 2]) {
        let whole: Vec<&Way> = ways.iter().filter(|way| way.is_whole).collect();
        let axis = |n: usize| {
            let points = whole.iter().flat_map(|way| &way.points).chain(
                // Where each began is always seen.
                ways.iter().filter_map(|way| way.points.first()),
            );
            let values = points.filter_map(|point| point.get(n).copied()).filter(|value| value.is_finite());
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            if low > high {
                return [-1.0, 1.0];
            }
            let room = if high > low { 0.15 * (high - low) } else { low.abs().max(1.0) };
            [low - room, high + room]
        };
        (axis(0), axis(1))
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let [x, y] = [self.grid.x, self.grid.y].map(|[low, high]| Scale::exactly(low, high));
        let ticks = x.over(0.0, 1.0).ticks(8, false);
        let labels = ticks.into_iter().map(|tick| (tick.value, tick.text)).collect();
        let mut legend: Vec<Entry> = self
            .ways
            .iter()
            .enumerate()
            .map(|(n, way)| Entry { text: way.label.clone(), style: style(n), sign: Sign::Line })
            .collect();
        for (text, sign) in [("start", Sign::Hollow), ("end", Sign::Full)] {
            legend.push(Entry { text: text.to_owned(), style: (INK, ""), sign });
        }
        let texts = Texts { title: &self.title, subtitle: &self.subtitle, x: &self.x, y: &self.y };
        let mut frame = Frame::new(texts, (x, labels), y, &legend, SIDE);
        let levels = levels(&self.grid.values);
        self.draw_levels(&mut frame, &levels);
        let (x, y) = (frame.x, frame.y);
        let place = |[a, b]: &[f64; 2]| (x.at(*a), y.at(*b));
        for (n, way) in self.ways.iter().enumerate() {
            let (color, dashes) = style(n);
            let points: Vec<(f64, f64)> = way.points.iter().map(place).collect();
            frame.svg.polyline(&points, color, 2.0, dashes);
        }
        for (n, way) in self.ways.iter().enumerate() {
            let color = style(n).0;
            if let (Some(first), Some(last)) = (way.points.first(), way.points.last()) {
                frame.svg.dot(place(first), 5.0, INK, false);
                frame.svg.dot(place(last), 5.0, color, true);
            }
        }
        frame.svg.unclip();
        draw_figures(&mut frame, &levels);
        frame.svg.finish()
    }

    fn draw_levels(&self, frame: &mut Frame, levels: &[f64]) {
        let Grid { x: [left, right], y: [bottom, top], columns, values } = &self.grid;
        let rows = values.len() / (*columns).max(1);
        let step = |low: f64, high: f64, n: usize| (high - low) / n.saturating_sub(1).max(1) as f64;
        let (across, upwards) = (step(*left, *right, *columns), step(*bottom, *top, rows));
        let (x, y) = (frame.x, frame.y);
        for (n, level) in levels.iter().enumerate() {
            for line in contour::lines(values, *columns, *level) {
                let places: Vec<(f64, f64)> =
                    line.iter().map(|(a, b)| (x.at(left + a * across), y.at(bottom + b * upwards))).collect();
                frame.svg.polyline(&places, shade(n, levels.len()), 1.0, "");
            }
        }
    }
}

fn shade(n: usize, of: usize) -> &'static str {
    let at = n * (SHADES.len() - 1) / of.saturating_sub(1).max(1);
    SHADES.get(at).copied().unwrap_or(INK)
}

/// Losses that part the picture into areas of like size; near the smallest, closer.
fn levels(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut levels: Vec<f64> = (0..LEVELS)
        .filter_map(|n| {
            let share = ((n as f64 + 0.5) / LEVELS as f64).powf(1.6);
            sorted.get((share * sorted.len() as f64) as usize).copied()
        })
        .collect();
    levels.dedup();
    levels
}

/// What each line of equal loss is worth, beside the picture.
fn draw_figures(frame: &mut Frame, levels: &[f64]) {
    let (left, top) = (frame.right + 18.0, frame.top);
    frame.svg.text((left, top + 10.0), "loss", 12.0, INK, Anchor::Start, 0.0);
    for (n, level) in levels.iter().rev().enumerate() {
        let base = top + 32.0 + n as f64 * 18.0;
        let color = shade(levels.len() - 1 - n, levels.len());
        frame.svg.polyline(&[(left, base - 4.0), (left + 20.0, base - 4.0)], color, 2.0, "");
        let text = written(*level, level / 10.0);
        frame.svg.text((left + 26.0, base), &text, 12.0, PALE, Anchor::Start, 0.0);
    }
}
