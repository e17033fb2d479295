//! Lines over epochs or over layers, with the band that the seeds spread over.

use super::frame::{Entry, Frame, Label, Sign, Texts};
use super::scale::Scale;
use super::style;

/// More points than a picture can show are thinned out.
const MOST_POINTS: usize = 400;
/// Points of lines with up to so many of them are marked.
const MOST_MARKS: usize = 40;
/// Names that fit below an axis.
const MOST_NAMES: usize = 30;

/// Lines in one picture.
#[derive(Debug, Clone)]
pub struct Curves {
    /// What is shown.
    pub title: String,
    /// How it came about.
    pub subtitle: String,
    /// Across.
    pub x: Axis,
    /// What the figures are.
    pub y: String,
    /// The lines, in the order of the legend.
    pub lines: Vec<Line>,
}

/// What lies along the horizontal axis.
#[derive(Debug, Clone)]
pub enum Axis {
    /// Whole numbers of this unit.
    Number(String),
    /// Names at 1, 2, 3, …
    Names(String, Vec<String>),
}

/// A line.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is.
    pub label: String,
    /// From left to right.
    pub points: Vec<Point>,
}

/// A point of a line, and the band around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// The line.
    pub y: f64,
    /// The lower end of the band.
    pub low: f64,
    /// The upper end of the band.
    pub high: f64,
}

impl Curves {
    /// The picture.
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let mut y = Scale::holding(points().map(|point| point.y), true);
        if !y.is_log() {
            y = Scale::holding(points().flat_map(|point| [point.y, point.low, point.high]), false);
        }
        let (x, labels, unit) = self.across();
        let legend: Vec<Entry> = self
            .lines
            .iter()
            .enumerate()
            .map(|(n, line)| {
                let missing = if line.points.is_empty() { " (no figures)" } else { "" };
                Entry { text: format!("{}{missing}", line.label), style: style(n), sign: Sign::Line }
            })
            .collect();
        let texts = Texts { title: &self.title, subtitle: &self.subtitle, x: unit, y: &self.y };
        let mut frame = Frame::new(texts, (x, labels), y, &legend, 0.0);
        let (x, y) = (frame.x, frame.y);
        let lines: Vec<Vec<Point>> = self.lines.iter().map(|line| thinned(&line.points)).collect();
        for (n, points) in lines.iter().enumerate() {
            let upper = points.iter().map(|point| (x.at(point.x), y.at(point.high)));
            let lower = points.iter().rev().map(|point| (x.at(point.x), y.at(point.low)));
            let band: Vec<(f64, f64)> = upper.chain(lower).collect();
            frame.svg.area(&band, style(n).0, 0.16);
        }
        for (n, points) in lines.iter().enumerate() {
            let (color, dashes) = style(n);
            let places: Vec<(f64, f64)> = points.iter().map(|point| (x.at(point.x), y.at(point.y))).collect();
            frame.svg.polyline(&places, color, 2.2, dashes);
            let is_marked = matches!(self.x, Axis::Names(..)) && places.len() <= MOST_MARKS;
            if is_marked || places.len() == 1 {
                places.iter().for_each(|place| frame.svg.dot(*place, 3.5, color, n % 2 == 0));
            }
        }
        frame.svg.unclip();
        frame.svg.finish()
    }

    fn across(&self) -> (Scale, Vec<Label>, &str) {
        match &self.x {
            Axis::Number(unit) => {
                let values = self.lines.iter().flat_map(|line| &line.points).map(|point| point.x);
                let x = Scale::holding(values, false);
                let ticks = x.over(0.0, 1.0).ticks(8, true);
                (x, ticks.into_iter().map(|tick| (tick.value, tick.text)).collect(), unit)
            }
            Axis::Names(unit, names) => {
                let every = names.len().div_ceil(MOST_NAMES).max(1);
                let labels =
                    names.iter().enumerate().step_by(every).map(|(n, name)| (n as f64 + 1.0, name.clone()));
                (Scale::exactly(0.5, names.len().max(1) as f64 + 0.5), labels.collect(), unit)
            }
        }
    }
}

/// Every so many points, and the last.
fn thinned(points: &[Point]) -> Vec<Point> {
    let every = points.len().div_ceil(MOST_POINTS).max(1);
    let mut kept: Vec<Point> = points.iter().step_by(every).copied().collect();
    if let Some(last) = points.last().filter(|last| kept.last() != Some(*last)) {
        kept.push(*last);
    }
    kept
}
