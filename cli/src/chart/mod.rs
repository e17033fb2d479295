//! Pictures of figures, as SVG written here: what a library of charts would add is axes, and what matters is that no
//! text covers another.
//!
//! A picture has a light ground of its own, so that it is legible on a light page and on a dark one. Colours are those
//! of Okabe and Ito, which colour-blind readers can tell apart; lines differ by their marks or dashes besides.

mod contour;
mod curves;
mod frame;
mod paths;
mod scale;
mod svg;

pub use curves::{Axis, Curves, Line, Point};
pub use paths::{Grid, Paths, Way};

/// Colours of series, in order: Okabe and Ito 2008, without the yellow, which a light ground swallows.
const COLORS: &[&str] = &["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Dashes of series, for each time that the colours have been used up.
const DASHES: &[&str] = &["", "7 4", "2 3", "9 3 2 3"];

/// How series number `n` is drawn: colour and dashes.
fn style(n: usize) -> (&'static str, &'static str) {
    let color = COLORS.get(n % COLORS.len()).copied().unwrap_or("#000000");
    let dashes = DASHES.get(n / COLORS.len() % DASHES.len()).copied().unwrap_or("");
    (color, dashes)
}
