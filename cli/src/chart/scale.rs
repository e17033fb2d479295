//! From figures to pixels, and the figures that stand at an axis.

/// Values whose largest is so many times the smallest are told apart on a logarithmic axis alone.
const WIDE: f64 = 30.0;

/// An axis from the smallest to the largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
    /// Pixels of `low` and `high`.
    ends: (f64, f64),
}

/// A figure at an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Its value.
    pub value: f64,
    /// As it is written; empty for one without a text.
    pub text: String,
}

impl Scale {
    /// Holds all values, with some room; logarithmic where they span decades, if `may_be_log`.
    pub fn holding(values: impl Iterator<Item = f64>, may_be_log: bool) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if may_be_log && low > 0.0 && high / low >= WIDE {
            return Self { low: low / 1.3, high: high * 1.3, is_log: true, ends: (0.0, 1.0) };
        }
        let room = if high > low { 0.05 * (high - low) } else { 0.5 * high.abs().max(1e-6) };
        // Figures that begin at 0 have nothing below.
        let floor = if low >= 0.0 && low - room < 0.0 { 0.0 } else { low - room };
        Self { low: floor, high: high + room, is_log: false, ends: (0.0, 1.0) }
    }

    /// From one value to another, without room.
    pub fn exactly(low: f64, high: f64) -> Self {
        Self { low, high, is_log: false, ends: (0.0, 1.0) }
    }

    /// Between these pixels.
    pub fn over(self, from: f64, to: f64) -> Self {
        Self { ends: (from, to), ..self }
    }

    /// Whether it is logarithmic.
    pub fn is_log(&self) -> bool {
        self.is_log
    }

    /// The pixel of a value. On a logarithmic axis what is not above 0 is at its lower end.
    pub fn at(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    /// About `wanted` figures along the axis; whole ones alone if `is_whole`.
    pub fn ticks(&self, wanted: usize, is_whole: bool) -> Vec<Tick> {
        if self.is_log { self.log_ticks(wanted) } else { self.linear_ticks(wanted, is_whole) }
    }

    fn linear_ticks(&self, wanted: usize, is_whole: bool) -> Vec<Tick> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough * (1.0 - 1e-9))
            .unwrap_or(rough);
        let step = if is_whole { step.max(1.0).round() } else { step };
        if !(step.is_finite() && step > 0.0) {
            return Vec::new();
        }
        let first = (self.low / step - 1e-9).ceil();
        let n = (self.high / step + 1e-9).floor() - first;
        (0..=n.clamp(0.0, 100.0) as usize)
            .map(|k| {
                let value = (first + k as f64) * step;
                Tick { value, text: written(value, step) }
            })
            .collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<Tick> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = (self.high / self.low).log10();
        // A decade is a figure; half as many again fit.
        let every = (decades / (1.5 * wanted.max(1) as f64)).ceil().max(1.0) as i32;
        let factors: &[f64] = if decades < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        for power in (first..=last).filter(|power| power.rem_euclid(every) == 0) {
            for factor in factors {
                let value = factor * 10f64.powi(power);
                if (self.low..=self.high).contains(&value) {
                    ticks.push(Tick { value, text: written(value, value) });
                }
            }
        }
        ticks
    }
}

/// A value with the digits that a step of this size needs.
pub fn written(value: f64, step: f64) -> String {
    if value == 0.0 || value.abs() < step.abs() * 1e-6 {
        return "0".to_owned();
    }
    let magnitude = value.abs();
    if !(1e-3..1e5).contains(&magnitude) {
        let text = format!("{value:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        let digits =
            if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
        return format!("{digits}e{power}").replace('-', "−");
    }
    let places = (-step.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.places$}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::Scale;

    fn texts(values: &[f64], may_be_log: bool) -> Vec<String> {
        let ticks = Scale::holding(values.iter().copied(), may_be_log).ticks(5, false);
        ticks.into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn figures_are_round() {
        assert_eq!(texts(&[0.0, 1.0], true), ["0.0", "0.5", "1.0"].map(|text| text.replace("0.0", "0")));
        assert_eq!(texts(&[-2.0, 2.0], true), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(texts(&[1e-6, 1e-2], true), ["1e−6", "1e−5", "1e−4", "0.001", "0.01"]);
        assert_eq!(texts(&[1.0, 40.0], true), ["1", "2", "5", "10", "20", "50"]);
    }

    #[test]
    fn odd_values_have_an_axis_too() {
        for values in [&[][..], &[3.0], &[0.0], &[f64::NAN, f64::INFINITY], &[1e-300, 1e300], &[-5.0, -5.0]] {
            let scale = Scale::holding(values.iter().copied(), true).over(0.0, 100.0);
            assert!(scale.ticks(5, false).len() < 120);
            assert!(scale.at(1.0).is_finite(), "{values:?}");
        }
    }

    #[test]
    fn epochs_are_whole() {
        let ticks = Scale::holding([1.0, 3.0].into_iter(), false).ticks(6, true);
        assert!(ticks.iter().all(|tick| tick.value.fract() == 0.0));
    }
}
