//! Trains on data made in memory, tests, saves and loads: `cargo run --release --example fit`.

#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;

use nnc::data::{DataSet, Feature, Schema, SplitOptions, TargetSchema, Targets, split};
use nnc::fit::{Callback, EarlyStopping, EpochReport, FitOptions};
use nnc::metrics::Metric;
use nnc::outputs::argmax;
use nnc::{Error, Rng, safetensors};

nnc::network! {
    /// Tells on which of three arms of a spiral a point lies.
    model Spiral {
        input point: [2]
        normalize
        first: dense(32) -> tanh
        second: dense(32) -> tanh
        head: dense(3)
        loss cross_entropy
        optimizer adam(lr = cosine(0.01))
    }
    train { batch 32 }
}

const ARMS: [&str; 3] = ["north", "east", "west"];
const POINTS: u32 = 300;

/// Points along three arms, with noise, and what columns and classes are called.
fn spiral(seed: u64) -> Result<DataSet, Error> {
    let noise = Rng::new(seed, 0);
    let mut points = Vec::new();
    let mut arms = Vec::new();
    for (arm, turn) in [(0, 0.0), (1, 1.0 / 3.0), (2, 2.0 / 3.0)] {
        for point in 0..POINTS {
            let along = f64::from(point) / f64::from(POINTS);
            let blur = 0.015 * noise.normal(u64::from(arm * POINTS + point));
            let angle = std::f64::consts::TAU * (along + turn + blur);
            points.extend([(along * angle.sin()) as f32, (along * angle.cos()) as f32]);
            arms.push(arm);
        }
    }
    let mut data = DataSet::from_rows(points, 2, Targets::Classes(arms))?;
    let feature = |name: &str| Feature { name: name.to_owned(), ..Feature::default() };
    let arm = TargetSchema { columns: vec!["arm".to_owned()], classes: ARMS.map(str::to_owned).to_vec() };
    data.schema = Schema { features: vec![feature("x"), feature("y")], targets: vec![arm] };
    Ok(data)
}

/// Prints every tenth epoch, and ends when all of the validation part is right.
struct Log;

impl Callback for Log {
    fn on_epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        let accuracy = report.metrics.first().map_or(0.0, |(_, figure)| *figure);
        if report.epoch.is_multiple_of(10) {
            let validation = report.validation_loss.unwrap_or(f64::NAN);
            println!(
                "epoch {:>3}  loss {:.4}  validation {validation:.4}  accuracy {accuracy:.3}",
                report.epoch, report.loss
            );
        }
        if accuracy == 1.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn main() -> Result<(), Error> {
    let data = spiral(1)?;
    let parts = split(&data, &SplitOptions { train: 0.8, validation: 0.1, ..SplitOptions::default() })?;

    let mut metadata = safetensors::Metadata::new();
    data.schema.to_metadata(&mut metadata);
    let options = FitOptions {
        epochs: 100,
        metrics: vec![Metric::Accuracy],
        early_stopping: Some(EarlyStopping { patience: 20, ..EarlyStopping::default() }),
        keep_best: true,
        metadata,
        ..FitOptions::default()
    };
    let mut spiral = Spiral::new(7);
    let report = spiral.fit(&parts, &options, &mut Log)?;
    println!("{} steps, {:?}; best epoch {:?}", report.steps, report.stopped, report.best_epoch);

    if let Some(test) = &parts.test {
        let found = spiral.evaluate(test, &[Metric::Accuracy])?;
        println!("\ntest loss {:.4}  {:?}  ({} rows)\n", found.loss, found.metrics, found.rows);
        if let Some(matrix) = &found.confusion {
            print!("{}", matrix.table(test.class_names()));
        }
    }

    let path = std::env::temp_dir().join("spiral.safetensors");
    safetensors::save(&spiral, &path, &options.metadata)?;
    let loaded = Spiral::load(&path)?;
    let point = [0.0, 0.5];
    let arm = argmax(&loaded.predict(&point));
    println!("\n{point:?} lies on {}", ARMS.get(arm).unwrap_or(&"none"));
    Ok(())
}
