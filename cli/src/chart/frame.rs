//! What all pictures have: title, axes, legend, and the room that each takes.

use super::scale::Scale;
use super::svg::{Anchor, INK, PALE, Svg, fitted, width_of};

/// Width of every picture.
const WIDTH: f64 = 860.0;
/// Height of the part that the lines are in.
const HEIGHT: f64 = 400.0;
const EDGE: f64 = 18.0;
const TICK: f64 = 12.0;
const LABEL: f64 = 13.0;
const TITLE: f64 = 17.0;
const GRID: &str = "#e6e9ed";
/// Between the text of a tick and its axis.
const GAP: f64 = 8.0;

/// An entry of the legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it says.
    pub text: String,
    /// Colour and dashes.
    pub style: (&'static str, &'static str),
    /// What its sign is.
    pub sign: Sign,
}

/// The sign of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A piece of line.
    Line,
    /// A hollow disc.
    Hollow,
    /// A full disc.
    Full,
}

/// Texts of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// The largest.
    pub title: &'a str,
    /// Below it.
    pub subtitle: &'a str,
    /// At the axes.
    pub x: &'a str,
    /// At the axes.
    pub y: &'a str,
}

/// A value along the horizontal axis with its text.
pub type Label = (f64, String);

/// A picture with axes, and where values lie in it.
#[derive(Debug)]
pub struct Frame {
    /// What is drawn.
    pub svg: Svg,
    /// Across.
    pub x: Scale,
    /// Upwards.
    pub y: Scale,
    /// The right end of the axes.
    pub right: f64,
    /// The upper end of the axes.
    pub top: f64,
}

impl Frame {
    /// Draws everything but the lines; `side` is room that is left free on the right.
    pub fn new(
        texts: Texts<'_>,
        (x, labels): (Scale, Vec<Label>),
        y: Scale,
        legend: &[Entry],
        side: f64,
    ) -> Self {
        let ticks = y.ticks(6, false);
        let widest = ticks.iter().map(|tick| width_of(&tick.text, TICK)).fold(0.0, f64::max);
        let left = EDGE + LABEL + GAP + widest + GAP;
        let right = WIDTH - EDGE - side;
        let top = EDGE + TITLE + if texts.subtitle.is_empty() { 14.0 } else { 32.0 };
        let bottom = top + HEIGHT;
        let (x, y) = (x.over(left, right), y.over(bottom, top));
        let turn = turn(&labels, &x);
        let label_room = match turn {
            true => labels.iter().map(|(_, text)| width_of(text, TICK)).fold(0.0, f64::max) * 0.6 + TICK,
            false => TICK,
        };
        let label_base = bottom + GAP + label_room + GAP + LABEL;
        let rows = rows(legend, right + side - left);
        let legend_top = label_base + 16.0;
        let height = legend_top + rows.len() as f64 * 22.0 + EDGE;
        let mut svg = Svg::new(WIDTH, height, texts.title);
        let start = Anchor::Start;
        let title = fitted(texts.title, TITLE, WIDTH - 2.0 * EDGE);
        svg.text((EDGE, EDGE + TITLE - 2.0), &title, TITLE, INK, start, 0.0);
        let subtitle = fitted(texts.subtitle, LABEL, WIDTH - 2.0 * EDGE);
        svg.text((EDGE, EDGE + TITLE + 18.0), &subtitle, LABEL, PALE, start, 0.0);
        for tick in &ticks {
            let at = y.at(tick.value);
            svg.line((left, at), (right, at), GRID, 1.0);
            svg.text((left - GAP, at + 4.0), &tick.text, TICK, PALE, Anchor::End, 0.0);
        }
        for (value, text) in &labels {
            let at = x.at(*value);
            svg.line((at, top), (at, bottom), GRID, 1.0);
            if turn {
                svg.text((at + 4.0, bottom + GAP + TICK - 2.0), text, TICK, PALE, Anchor::End, 35.0);
            } else {
                svg.text((at, bottom + GAP + TICK - 2.0), text, TICK, PALE, Anchor::Middle, 0.0);
            }
        }
        svg.line((left, bottom), (right, bottom), PALE, 1.0);
        svg.line((left, top), (left, bottom), PALE, 1.0);
        let (middle, center) = ((left + right) / 2.0, (top + bottom) / 2.0);
        let across = fitted(texts.x, LABEL, right - left);
        svg.text((middle, label_base - 3.0), &across, LABEL, INK, Anchor::Middle, 0.0);
        let upwards = if y.is_log() { format!("{} (log scale)", texts.y) } else { texts.y.to_owned() };
        let upwards = fitted(&upwards, LABEL, HEIGHT);
        svg.text((EDGE + LABEL - 2.0, center), &upwards, LABEL, INK, Anchor::Middle, 90.0);
        for (n, row) in rows.iter().enumerate() {
            let base = legend_top + n as f64 * 22.0 + 12.0;
            for (at, entry) in row {
                draw_entry(&mut svg, (left + at, base), entry);
            }
        }
        svg.clip((left, top), right - left, HEIGHT);
        Self { svg, x, y, right, top }
    }
}

const SIGN: f64 = 26.0;

/// Entries in rows, as many in each as fit, with where each begins.
fn rows(legend: &[Entry], width: f64) -> Vec<Vec<(f64, Entry)>> {
    let mut rows: Vec<Vec<(f64, Entry)>> = Vec::new();
    let mut end = f64::INFINITY;
    for entry in legend {
        let text = fitted(&entry.text, LABEL, width - SIGN - 6.0);
        let room = SIGN + 6.0 + width_of(&text, LABEL);
        let entry = Entry { text, ..entry.clone() };
        if end + room <= width {
            if let Some(row) = rows.last_mut() {
                row.push((end, entry));
            }
            end += room + 18.0;
        } else {
            rows.push(vec![(0.0, entry)]);
            end = room + 18.0;
        }
    }
    rows
}

fn draw_entry(svg: &mut Svg, (x, base): (f64, f64), entry: &Entry) {
    let (color, dashes) = entry.style;
    let middle = base - 4.0;
    match entry.sign {
        Sign::Line => svg.polyline(&[(x, middle), (x + SIGN - 2.0, middle)], color, 2.5, dashes),
        Sign::Hollow => svg.dot((x + SIGN / 2.0, middle), 5.0, color, false),
        Sign::Full => svg.dot((x + SIGN / 2.0, middle), 5.0, color, true),
    }
    svg.text((x + SIGN + 6.0, base), &entry.text, LABEL, INK, Anchor::Start, 0.0);
}

/// Whether texts along the horizontal axis must be turned not to touch.
fn turn(labels: &[Label], x: &Scale) -> bool {
    labels.windows(2).any(|pair| match pair {
        [(a, first), (b, second)] => {
            let room = (x.at(*b) - x.at(*a)).abs();
            (width_of(first, TICK) + width_of(second, TICK)) / 2.0 + 6.0 > room
        }
        _ => false,
    })
}
