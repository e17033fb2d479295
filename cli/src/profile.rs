//! The time of a step or a prediction by layer and direction: what `nnc bench --by-layer` and `nnc train --profile` show.

use nnc_compiler::CompiledModel;
use nnc_compiler::costs::calls::{Call, Part};
use nnc_compiler::graph::{Direction, LayerId};
use nnc_runtime::Error;

use crate::engine::{Look, Profiler, Times};
use crate::output::{Object, Output, columns};

/// What a layer takes in one direction, a pass.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// The layer, of what belongs to one.
    layer: Option<LayerId>,
    /// What it does there; `None` for what stands between the functions.
    part: Option<Part>,
    /// Seconds.
    seconds: f64,
    /// Operations on numbers.
    flops: f64,
    /// Bytes read and written.
    bytes: f64,
}

/// The time of a pass by layer and direction, in the order of the pass.
#[derive(Debug)]
pub struct ByLayer<'a> {
    model: &'a CompiledModel,
    rows: Vec<Row>,
    /// Passes that were measured.
    passes: u64,
    /// Seconds that looking at the clock took, a pass; they are in no row.
    looking: f64,
    /// Seconds below which a time says nothing of a rate: what a look takes.
    least: f64,
}

/// What a pass is.
#[derive(Debug, Clone, Copy)]
pub struct What {
    /// In events: `train` or `infer`.
    pub key: &'static str,
    /// For people.
    pub text: &'static str,
    /// Samples of a pass.
    pub batch: usize,
}

impl What {
    /// A training step.
    pub fn step(batch: usize) -> Self {
        Self { key: "train", text: "training step", batch }
    }

    /// A prediction.
    pub fn prediction(batch: usize) -> Self {
        Self { key: "infer", text: "inference", batch }
    }
}

impl<'a> ByLayer<'a> {
    /// Of what was measured of these calls.
    ///
    /// # Errors
    /// E0503 when other functions ran than these.
    pub fn new(
        model: &'a CompiledModel,
        calls: &[Call],
        times: &Times,
        profiler: &Profiler,
    ) -> Result<Self, Error> {
        // Every pass comes to the loss; behind one that is not finite nothing follows, and some updates wait.
        let runs = times.counts.first().copied().unwrap_or(0);
        let is_fitting = |(call, count): (&Call, &u64)| match call.part {
            Part::Recompute | Part::Backward | Part::BackwardAndUpdate | Part::Update => *count <= runs,
            Part::Load | Part::Forward | Part::Loss | Part::Store => *count == runs,
        };
        if runs < times.passes || !calls.iter().zip(&times.counts).all(is_fitting) {
            return Err(Error::new("E0503", "other functions ran than those that were planned")
                .help("this is a fault of nnc, not of the model: please report it with the model's text"));
        }
        let (tick, look) = (profiler.seconds_per_tick(), profiler.look());
        let (rows, looking) = rows(calls, times, tick, look);
        Ok(Self { model, rows, passes: times.passes, looking, least: look.within * tick })
    }

    /// Says it.
    pub fn say(&self, what: What, output: &Output) {
        output.line(&self.text(what));
        self.events(what, output);
    }

    /// Seconds of all passes that were measured.
    pub fn seconds(&self) -> f64 {
        (self.total().seconds + self.looking) * self.passes as f64
    }

    fn layer(&self, row: &Row) -> Option<&str> {
        row.layer.map(|layer| self.model.graph.layer(layer).name.as_str())
    }

    /// The whole pass.
    fn total(&self) -> Row {
        let sum = |of: fn(&Row) -> f64| self.rows.iter().map(of).sum();
        let (seconds, flops, bytes) = (sum(|row| row.seconds), sum(|row| row.flops), sum(|row| row.bytes));
        Row { layer: None, part: None, seconds, flops, bytes }
    }

    fn text(&self, what: What) -> String {
        let total = self.total();
        let decimals = if total.seconds < 1e-4 { 3 } else { 1 };
        let cells = |layer: &str, part: &str, row: &Row| {
            [
                layer.to_owned(),
                part.to_owned(),
                format!("{:.decimals$}", row.seconds * 1e6),
                format!("{:.1}", 100.0 * row.share(&total)),
                self.rate(row.flops, row).map_or_else(String::new, |rate| format!("{rate:.2}")),
                self.rate(row.bytes, row).map_or_else(String::new, |rate| format!("{rate:.2}")),
            ]
        };
        let mut rows = vec![["layer", "direction", "us", "%", "GFLOP/s", "GB/s"].map(str::to_owned)];
        let named = self.rows.iter();
        rows.extend(named.map(|row| cells(self.layer(row).unwrap_or_default(), row.part_name(), row)));
        rows.push(cells("in all", "", &total));
        let (name, source) = (&self.model.info.name, &self.model.info.source);
        format!(
            "{name} ({source}): {}, batch {}\n\n{}\nlooking at the clock took another {:.decimals$} us, {:.1} %",
            what.text,
            what.batch,
            columns(&rows, 2),
            self.looking * 1e6,
            100.0 * part(self.looking, self.looking + total.seconds)
        )
    }

    fn events(&self, what: What, output: &Output) {
        let event = |name: &str| {
            Object::event(name)
                .text("what", what.key)
                .text("model", &self.model.info.name)
                .whole("batch", what.batch as u64)
        };
        let total = self.total();
        for row in &self.rows {
            let mut event = event("layer");
            if let Some(layer) = self.layer(row) {
                event = event.text("layer", layer);
            }
            let event = event.text("direction", row.part_name()).number("share", row.share(&total));
            output.event(self.figures(event, row));
        }
        let event = event("profile").whole("passes", self.passes).number("clock_us", self.looking * 1e6);
        output.event(self.figures(event, &total));
    }

    fn figures(&self, event: Object, row: &Row) -> Object {
        let mut event = event.number("us", row.seconds * 1e6);
        for (key, count) in [("gflops", row.flops), ("gbytes", row.bytes)] {
            if let Some(rate) = self.rate(count, row) {
                event = event.number(key, rate);
            }
        }
        event
    }

    /// In thousands of millions a second; `None` where there is nothing, or no time that could be taken.
    fn rate(&self, count: f64, row: &Row) -> Option<f64> {
        (count > 0.0 && row.seconds > self.least).then(|| count / row.seconds / 1e9)
    }
}

/// A row for each layer and direction, and one for what stands between the functions, with the seconds that a pass takes
/// for looking at the clock, which are left out.
fn rows(calls: &[Call], times: &Times, tick: f64, look: Look) -> (Vec<Row>, f64) {
    let passes = times.passes.max(1) as f64;
    let samples = times.samples as f64 / passes;
    // What takes less than a look may come out below nothing.
    let seconds = |ticks: f64| ticks.max(0.0) * tick / passes;
    let mut rows: Vec<Row> = Vec::new();
    for ((call, ticks), count) in calls.iter().zip(&times.functions).zip(&times.counts) {
        let count = *count as f64;
        let row = Row {
            layer: call.layer,
            part: Some(call.part),
            seconds: seconds(*ticks as f64 - count * look.within),
            flops: call.sample_flops as f64 * samples + call.flops as f64 * count / passes,
            bytes: call.bytes as f64 * count / passes,
        };
        match rows.iter_mut().find(|known| known.is_of(&row)) {
            Some(known) => known.add(&row),
            None => rows.push(row),
        }
    }
    let looks = times.counts.iter().sum::<u64>() as f64;
    let within: u64 = times.functions.iter().sum();
    let outside = times.ticks.saturating_sub(within) as f64 - looks * (look.ticks - look.within);
    rows.push(Row { layer: None, part: None, seconds: seconds(outside), flops: 0.0, bytes: 0.0 });
    (rows, seconds(looks * look.ticks))
}

/// The part that a time is of a whole; 0 of no time.
fn part(of: f64, whole: f64) -> f64 {
    if whole > 0.0 { of / whole } else { 0.0 }
}

impl Row {
    fn part_name(&self) -> &'static str {
        self.part.map_or("other", Part::name)
    }

    /// Whether both are of one layer and direction: an update may be in one of several functions of it.
    fn is_of(&self, other: &Self) -> bool {
        let direction = |part| match part {
            Some(Part::Forward) => Some(Direction::Forward),
            Some(Part::Loss) => Some(Direction::Loss),
            Some(Part::Recompute) => Some(Direction::Recompute),
            Some(Part::Backward | Part::BackwardAndUpdate) => Some(Direction::Backward),
            Some(Part::Load | Part::Update | Part::Store) | None => None,
        };
        let is_same = direction(self.part).is_some() && direction(self.part) == direction(other.part);
        self.layer == other.layer && (is_same || self.part == other.part)
    }

    /// Of the time of a pass, which may be too short to be taken.
    fn share(&self, total: &Self) -> f64 {
        part(self.seconds, total.seconds)
    }

    fn add(&mut self, other: &Self) {
        if other.part == Some(Part::BackwardAndUpdate) {
            self.part = other.part;
        }
        self.seconds += other.seconds;
        self.flops += other.flops;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use nnc_compiler::costs::calls::{Call, Part};
    use nnc_compiler::graph::LayerId;

    use super::rows;
    use crate::engine::{Look, Times};

    fn call(layer: Option<u32>, part: Part) -> Call {
        let (layer, function) = (layer.map(LayerId), String::new());
        Call { function, layer, part, sample_flops: 10, flops: 100, bytes: 1000 }
    }

    #[test]
    fn functions_of_a_layer_and_direction_are_one_row() {
        let calls = [
            call(None, Part::Load),
            call(Some(0), Part::Forward),
            call(Some(1), Part::Loss),
            call(Some(0), Part::Backward),
            call(Some(0), Part::BackwardAndUpdate),
            call(None, Part::Update),
        ];
        // Ten steps of 4 samples; the update waits for every second one.
        let counts = vec![10, 10, 10, 10, 10, 5];
        let times = Times {
            passes: 10,
            samples: 40,
            ticks: 2000,
            functions: vec![100, 300, 60, 200, 400, 150],
            counts,
        };
        let look = Look { ticks: 5.0, within: 2.0 };
        let (rows, looking) = rows(&calls, &times, 0.5, look);
        let found: Vec<(Option<u32>, &str, f64)> =
            rows.iter().map(|row| (row.layer.map(|layer| layer.0), row.part_name(), row.seconds)).collect();
        let other = 0.5 / 10.0 * (2000.0 - 1210.0 - 55.0 * 3.0);
        assert_eq!(
            found,
            [
                (None, "load", 4.0),
                (Some(0), "forward", 14.0),
                (Some(1), "loss", 2.0),
                (Some(0), "backward + update", 9.0 + 19.0),
                (None, "update", 7.0),
                (None, "other", other),
            ]
        );
        assert_eq!(looking, 0.5 / 10.0 * 55.0 * 5.0);
        // All and no more: rows and looks are the whole.
        let all: f64 = rows.iter().map(|row| row.seconds).sum::<f64>() + looking;
        assert!((all - 100.0).abs() < 1e-9, "{all}");
        assert_eq!((rows[1].flops, rows[1].bytes), (10.0 * 4.0 + 100.0, 1000.0));
        assert_eq!((rows[3].flops, rows[3].bytes), (2.0 * (10.0 * 4.0 + 100.0), 2000.0), "of both functions");
        assert_eq!(rows[4].flops, 10.0 * 4.0 + 50.0, "of every second step");
    }

    #[test]
    fn what_takes_no_longer_than_a_look_takes_nothing() {
        let times = Times { passes: 1, samples: 1, ticks: 3, functions: vec![1], counts: vec![1] };
        let (rows, _) = rows(&[call(Some(0), Part::Forward)], &times, 1.0, Look { ticks: 5.0, within: 2.0 });
        assert!(rows.iter().all(|row| row.seconds == 0.0), "{rows:?}");
    }
}
