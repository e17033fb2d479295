//! `nnc bench`: the time of a training step and of inference, in all or by layer.

use std::time::{Duration, Instant};

use nnc_compiler::costs::{self, calls};
use nnc_runtime::model::{Compared, Target, TargetInfo};
use nnc_runtime::{Error, Rng};

use crate::arguments::Run;
use crate::engine::{Profiler, Times, Unless, Watched};
use crate::output::{Object, Output};
use crate::profile::{ByLayer, What};
use crate::session::{Prepared, Session};
use crate::source::Failure;

/// How long each figure is measured.
const TIME: Duration = Duration::from_millis(1000);
/// The least that one look at the clock covers: a look costs some 25 ns.
const LEAST: Duration = Duration::from_micros(20);
/// Numbers that are kept of times by layer, at most.
const MOST: usize = 1 << 21;

/// Measures with random rows.
pub fn run(run: &Run, batch: Option<u64>, is_by_layer: bool, output: &Output) -> Result<(), Failure> {
    let batch = batch.map(|batch| batch as usize);
    let prepared = Prepared::new(run, batch, output, |_| Ok(()))?;
    if is_by_layer {
        let (mut session, profiler) = prepared.start_profiled(run, output)?;
        let rows = Rows::random(&session);
        return Ok(by_layer(&mut session, &rows, &profiler, output)?);
    }
    let mut session = prepared.start(run, Unless::One, output)?;
    let rows = Rows::random(&session);
    Ok(in_all(&mut session, &rows, output)?)
}

/// A batch of random rows.
struct Rows {
    inputs: Vec<f32>,
    classes: Vec<u32>,
    values: Vec<f32>,
}

impl Rows {
    fn random(session: &Session) -> Self {
        let info = session.info;
        let rng = Rng::new(session.seed, 1 << 32);
        let input = |index: usize| match info.tokens_at(index % info.input_len().max(1)) {
            Some(tokens) => rng.below(index as u64, tokens as u64) as f32,
            None => rng.normal(index as u64) as f32,
        };
        let inputs: Vec<f32> = (0..info.batch * info.input_len()).map(input).collect();
        let (mut classes, mut values) = (Vec::new(), Vec::new());
        match info.target() {
            Some(target @ (TargetInfo::Class { classes: n } | TargetInfo::Positions { classes: n, .. })) => {
                let places = info.batch * target.width();
                classes = (0..places).map(|index| rng.below(index as u64, n as u64) as u32).collect();
            }
            Some(TargetInfo::Values { len }) => {
                values = (0..info.batch * len).map(|index| rng.uniform(index as u64) as f32).collect();
                for Compared { target, target_from, .. } in info.compared() {
                    let Some(classes) = target.classes() else { continue };
                    for (n, row) in values.chunks_exact_mut(len).enumerate() {
                        for class in row.iter_mut().skip(target_from).take(target.width()) {
                            *class = rng.below(n as u64, classes as u64) as f32;
                        }
                    }
                }
            }
            None => {}
        }
        Self { inputs, classes, values }
    }

    /// What the rows are compared with, of this kind.
    fn target(&self, target: TargetInfo) -> Target<'_, f32> {
        match target {
            TargetInfo::Class { .. } | TargetInfo::Positions { .. } => Target::Classes(&self.classes),
            TargetInfo::Values { .. } => Target::Values(&self.values),
        }
    }

    /// Calls `measure` with a training step; it is not called for a model that is not trained.
    fn steps<T>(
        &self,
        session: &mut Session,
        measure: impl FnOnce(&mut dyn FnMut()) -> T,
    ) -> Result<Option<T>, Error> {
        let Some(target) = session.info.target().filter(|_| session.model.graphs.train.is_some()) else {
            return Ok(None);
        };
        let target = self.target(target);
        let network = &mut *session.network;
        // The rate that training uses could reach infinity within the thousands of steps that are measured here.
        network.set_learning_rate(1e-6);
        let mut fault = None;
        let measured = measure(&mut || {
            if let Err(error) = network.step_rows(&self.inputs, target) {
                fault = Some(error);
            }
        });
        fault.map_or(Ok(Some(measured)), |error| Err(Error::from(error)))
    }

    /// Calls `measure` with a prediction of the first `batch` rows.
    fn predictions<T>(
        &self,
        session: &Session,
        batch: usize,
        measure: impl FnOnce(&mut dyn FnMut()) -> T,
    ) -> Result<T, Error> {
        let info = session.info;
        let inputs = self.inputs.get(..batch * info.input_len()).unwrap_or_default();
        let mut out = vec![0.0; batch * info.output_len()];
        session.network.predict_rows(inputs, &mut out).map_err(Error::from)?;
        Ok(measure(&mut || {
            // It has just been seen to work.
            let _ = session.network.predict_rows(inputs, &mut out);
        }))
    }
}

/// The batches that predictions are measured with.
fn batches(session: &Session) -> Vec<usize> {
    let mut batches = vec![session.info.batch, 1];
    batches.dedup();
    batches
}

fn in_all(session: &mut Session, rows: &Rows, output: &Output) -> Result<(), Error> {
    let info = session.info;
    let mut figures = Vec::new();
    if let Some(median) = rows.steps(session, |step| median(step))? {
        // Of the samples alone, so that figures of different optimizers compare.
        let flops = session.model.graphs.train.as_ref().map_or(0, costs::total_flops);
        figures.push(("train", info.batch, median, flops * info.batch as u64));
    }
    let flops = costs::total_flops(&session.model.graphs.predict);
    for batch in batches(session) {
        let median = rows.predictions(session, batch, |predict| median(predict))?;
        figures.push(("infer", batch, median, flops * batch as u64));
    }
    let threads = session.threads;
    output.line(&format!("{:<8}{:>8}{:>9}{:>14}{:>12}", "what", "batch", "threads", "median", "GFLOP/s"));
    for (what, batch, median, flops) in figures {
        let gflops = flops as f64 / median / 1e9;
        output.line(&format!("{what:<8}{batch:>8}{threads:>9}{:>11.3} us{gflops:>12.2}", median * 1e6));
        output.event(
            Object::event("bench")
                .text("what", what)
                .text("model", info.name)
                .whole("batch", batch as u64)
                .whole("threads", threads as u64)
                .number("median_us", median * 1e6)
                .number("gflops", gflops),
        );
    }
    Ok(())
}

fn by_layer(session: &mut Session, rows: &Rows, profiler: &Profiler, output: &Output) -> Result<(), Error> {
    let batch = session.info.batch;
    if let Some(calls) = calls::training(&session.model) {
        // An update that waits for several steps belongs to all of them.
        let graph = session.model.graphs.train.as_ref();
        let cycle =
            graph.and_then(|graph| graph.optimizer.as_ref()).map_or(1, |optimizer| optimizer.accumulate);
        profiler.watch(Watched::Steps, calls.len())?;
        if let Some(times) = rows.steps(session, |step| medians(profiler, cycle, calls.len(), step))? {
            ByLayer::new(&session.model, &calls, &times, profiler)?.say(What::step(batch), output);
            output.line("");
        }
    }
    for (n, batch) in batches(session).into_iter().enumerate() {
        if n > 0 {
            output.line("");
        }
        let model = &session.model;
        let calls = if batch == 1 { calls::single(model) } else { calls::prediction(model) };
        profiler.watch(Watched::Predictions, calls.len())?;
        let times = rows.predictions(session, batch, |predict| medians(profiler, 1, calls.len(), predict))?;
        ByLayer::new(model, &calls, &times, profiler)?.say(What::prediction(batch), output);
    }
    Ok(())
}

/// The medians of what each function takes and of what stands between them, over calls of which `cycle` belong together.
fn medians(profiler: &Profiler, cycle: usize, functions: usize, call: &mut dyn FnMut()) -> Times {
    let mut measured = |time: Duration, least: usize| {
        let started = Instant::now();
        let mut all = Vec::new();
        while all.len() < least || (started.elapsed() < time && all.len() * (functions + 8) < MOST) {
            (0..cycle).for_each(|_| call());
            all.push(profiler.take());
        }
        all
    };
    // Not counted: caches and the predictions of branches fill.
    measured(TIME / 10, 1);
    let all = measured(TIME, 5);
    let of_median = |of: &dyn Fn(&Times) -> u64| {
        let mut values: Vec<u64> = all.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).map_or(0, |median| median * all.len() as u64)
    };
    let mut sum = Times::default();
    all.iter().for_each(|times| sum.add(times));
    let between = |times: &Times| times.ticks.saturating_sub(times.functions.iter().sum());
    for (n, ticks) in sum.functions.iter_mut().enumerate() {
        *ticks = of_median(&|times| times.functions.get(n).copied().unwrap_or(0));
    }
    // The whole is the sum of its parts.
    sum.ticks = of_median(&between) + sum.functions.iter().sum::<u64>();
    sum
}

/// The median time of a call in seconds.
fn median(mut call: impl FnMut()) -> f64 {
    let mut calls = 1;
    loop {
        let time = timed(calls, &mut call);
        if time >= LEAST || calls >= 1 << 20 {
            break;
        }
        calls *= 2;
    }
    let started = Instant::now();
    let mut times = Vec::new();
    while started.elapsed() < TIME || times.len() < 5 {
        times.push(timed(calls, &mut call).as_secs_f64() / f64::from(calls));
    }
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

fn timed(calls: u32, call: &mut impl FnMut()) -> Duration {
    let started = Instant::now();
    for _ in 0..calls {
        call();
    }
    started.elapsed()
}
