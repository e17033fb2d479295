//! SVG, element by element.

use std::fmt::Write;

/// A family that every system has something of.
const FONT: &str = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif";

/// Colour of text.
pub const INK: &str = "#1f2328";
/// Colour of text that is less important.
pub const PALE: &str = "#57606a";

/// Where a text stands relative to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A picture that is being written.
#[derive(Debug)]
pub struct Svg {
    text: String,
}

impl Svg {
    /// An empty picture on a light ground; `title` is what a screen reader says of it.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" \
             role=\"img\" font-family=\"{FONT}\">\n<title>{}</title>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"#ffffff\" stroke=\"#d0d7de\"/>",
            escaped(title),
            short(width - 1.0),
            short(height - 1.0),
            w = short(width),
            h = short(height),
        );
        Self { text }
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str, width: f64) {
        let _ = writeln!(
            self.text,
            "<path d=\"M{} {}L{} {}\" stroke=\"{color}\" stroke-width=\"{}\"/>",
            short(from.0),
            short(from.1),
            short(to.0),
            short(to.1),
            short(width),
        );
    }

    /// A line through points.
    pub fn polyline(&mut self, points: &[(f64, f64)], color: &str, width: f64, dashes: &str) {
        if points.len() < 2 {
            return;
        }
        let dashes =
            if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
        let _ = writeln!(
            self.text,
            "<path d=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{dashes}/>",
            path(points),
            short(width),
        );
    }

    /// An area.
    pub fn area(&mut self, points: &[(f64, f64)], color: &str, opacity: f64) {
        if points.len() > 2 {
            let _ = writeln!(
                self.text,
                "<path d=\"{}Z\" fill=\"{color}\" fill-opacity=\"{opacity}\"/>",
                path(points)
            );
        }
    }

    /// A disc; hollow when it is not filled.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, color: &str, is_filled: bool) {
        let fill = if is_filled { color } else { "#ffffff" };
        let _ = writeln!(
            self.text,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{fill}\" stroke=\"{color}\" stroke-width=\"1.8\"/>",
            short(x),
            short(y),
            short(radius),
        );
    }

    /// A text on one line; `turned` are degrees, against the clock.
    pub fn text(
        &mut self,
        (x, y): (f64, f64),
        text: &str,
        size: f64,
        color: &str,
        anchor: Anchor,
        turned: f64,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let turn = if turned == 0.0 {
            String::new()
        } else {
            format!(" transform=\"rotate({} {} {})\"", short(-turned), short(x), short(y))
        };
        let _ = writeln!(
            self.text,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{color}\" text-anchor=\"{anchor}\"{turn}>{}</text>",
            short(x),
            short(y),
            short(size),
            escaped(text),
        );
    }

    /// What follows is seen inside a rectangle alone, until [`Svg::unclip`].
    pub fn clip(&mut self, (x, y): (f64, f64), width: f64, height: f64) {
        let _ = writeln!(
            self.text,
            "<clipPath id=\"plot\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n\
             <g clip-path=\"url(#plot)\">",
            short(x),
            short(y),
            short(width),
            short(height),
        );
    }

    /// Ends what [`Svg::clip`] began.
    pub fn unclip(&mut self) {
        self.text.push_str("</g>\n");
    }

    /// The whole picture.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

/// How wide a text is, rather too wide than too narrow: fonts differ.
pub fn width_of(text: &str, size: f64) -> f64 {
    let of = |letter: char| match letter {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ':' | ';' | '(' | ')' | '[' | ']' | ' ' | '|' => 0.38,
        'm' | 'w' | 'M' | 'W' => 0.92,
        letter if letter.is_uppercase() => 0.72,
        letter if letter.is_ascii() => 0.6,
        _ => 1.0,
    };
    text.chars().map(of).sum::<f64>() * size
}

/// A text cut to a width, with an ellipsis where something is missing.
pub fn fitted(text: &str, size: f64, width: f64) -> String {
    if width_of(text, size) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width_of(&short, size) + 2.0 * size > width {
            break;
        }
        short.push(letter);
    }
    format!("{}…", short.trim_end())
}

fn path(points: &[(f64, f64)]) -> String {
    let mut text = String::with_capacity(points.len() * 12);
    for (n, (x, y)) in points.iter().enumerate() {
        let _ = write!(text, "{}{} {}", if n == 0 { 'M' } else { 'L' }, short(*x), short(*y));
    }
    text
}

/// A length to a tenth of a pixel; what is far outside of the picture is as good as beyond it.
fn short(value: f64) -> String {
    let value = if value.is_finite() { value.clamp(-1e5, 1e5) } else { 0.0 };
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML has no way to write these.
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(escaped("a < b & \"c\"\u{7}"), "a &lt; b &amp; &quot;c&quot; ");
        assert_eq!(fitted("short", 12.0, 100.0), "short");
        let cut = fitted(&"long ".repeat(50), 12.0, 100.0);
        assert!(cut.ends_with('…') && width_of(&cut, 12.0) <= 112.0, "{cut}");
    }

    #[test]
    fn lengths_are_short_and_finite() {
        assert_eq!(short(1.26), "1.3");
        assert_eq!(short(-0.01), "0");
        assert_eq!(short(f64::NAN), "0");
        assert_eq!(short(1e30), "100000");
    }
}
