//! `nnc bench`: the time of a training step and of inference.

use std::time::{Duration, Instant};

use nnc_compiler::costs;
use nnc_runtime::model::{Compared, Target, TargetInfo};
use nnc_runtime::{Error, Rng};

use crate::arguments::Run;
use crate::output::{Object, Output};
use crate::session::Prepared;
use crate::source::Failure;

/// How long each figure is measured.
const TIME: Duration = Duration::from_millis(1000);
/// The least that one look at the clock covers: a look costs some 25 ns.
const LEAST: Duration = Duration::from_micros(20);

/// Measures with random rows.
pub fn run(run: &Run, batch: Option<u64>, output: &Output) -> Result<(), Failure> {
    let batch = batch.map(|batch| batch as usize);
    let mut session = Prepared::new(run, batch, output, |_| Ok(()))?.start(run, output)?;
    let info = *session.network.info();
    let rng = Rng::new(session.seed, 1 << 32);
    let input = |index: usize| match info.tokens_at(index % info.input_len().max(1)) {
        Some(tokens) => rng.below(index as u64, tokens as u64) as f32,
        None => rng.normal(index as u64) as f32,
    };
    let inputs: Vec<f32> = (0..info.batch * info.input_len()).map(input).collect();
    let mut figures = Vec::new();
    if let (Some(graph), Some(target)) = (&session.model.graphs.train, info.target()) {
        // Of the samples alone, so that figures of different optimizers compare.
        let flops = costs::total_flops(graph) * info.batch as u64;
        let (mut classes, mut values) = (Vec::new(), Vec::new());
        match target {
            TargetInfo::Class { classes: n } | TargetInfo::Positions { classes: n, .. } => {
                let places = info.batch * target.width();
                classes = (0..places).map(|index| rng.below(index as u64, n as u64) as u32).collect();
            }
            TargetInfo::Values { len } => {
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
        }
        let target = match target {
            TargetInfo::Class { .. } | TargetInfo::Positions { .. } => Target::Classes(&classes),
            TargetInfo::Values { .. } => Target::Values(&values),
        };
        let network = &mut *session.network;
        // The rate that training uses could reach infinity within the thousands of steps that are measured here.
        network.set_learning_rate(1e-6);
        let mut fault = None;
        let median = median(|| {
            if let Err(error) = network.step_rows(&inputs, target) {
                fault = Some(error);
            }
        });
        if let Some(error) = fault {
            return Err(Error::from(error).into());
        }
        figures.push(("train", info.batch, median, flops));
    }
    let flops = costs::total_flops(&session.model.graphs.predict);
    let mut batches = vec![info.batch, 1];
    batches.dedup();
    for batch in batches {
        let inputs = inputs.get(..batch * info.input_len()).unwrap_or_default();
        let mut out = vec![0.0; batch * info.output_len()];
        let network = &*session.network;
        network.predict_rows(inputs, &mut out).map_err(Error::from)?;
        let median = median(|| {
            // It has just been seen to work.
            let _ = network.predict_rows(inputs, &mut out);
        });
        figures.push(("infer", batch, median, flops * batch as u64));
    }
    output.line(&format!("{:<8}{:>8}{:>14}{:>12}", "what", "batch", "median", "GFLOP/s"));
    for (what, batch, median, flops) in figures {
        let gflops = flops as f64 / median / 1e9;
        output.line(&format!("{what:<8}{batch:>8}{:>11.3} us{gflops:>12.2}", median * 1e6));
        output.event(
            Object::event("bench")
                .text("what", what)
                .text("model", info.name)
                .whole("batch", batch as u64)
                .whole("threads", 1)
                .number("median_us", median * 1e6)
                .number("gflops", gflops),
        );
    }
    Ok(())
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
