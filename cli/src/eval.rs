//! `nnc eval`.

use std::path::Path;

use nnc_runtime::data::Schema;
use nnc_runtime::fit::evaluate;

use crate::arguments::Run;
use crate::data;
use crate::engine::Unless;
use crate::output::{Object, Output};
use crate::partial;
use crate::session::{Prepared, can_be_measured, can_be_trained, default_weights};
use crate::source::Failure;

/// Measures trained weights on the test rows; without test rows, on the validation rows, or else on all.
pub fn run(run: &Run, weights: Option<&Path>, is_partial: bool, output: &Output) -> Result<(), Failure> {
    let prepared = Prepared::new(run, None, output, |model| {
        can_be_measured(model, run)?;
        can_be_trained(model, run)
    })?;
    let split = data::load(&prepared.model, prepared.info, run)?;
    let metrics = prepared.metrics()?;
    let imported = if is_partial { prepared.imported()? } else { Vec::new() };
    let mut session = prepared.start(run, Unless::Cores, output)?;
    let weights = weights.map_or_else(|| default_weights(run), Path::to_path_buf);
    if is_partial {
        session.begin(&split.train, &imported)?;
        partial::load(&mut session, &weights, output)?;
    } else {
        let saved = session.load_weights(&weights)?;
        Schema::from_metadata(&saved).check(&split.train.schema).map_err(|error| error.at(&weights))?;
    }
    let (part, rows) = match (&split.test, &split.validation) {
        (Some(test), _) => ("test", test),
        (None, Some(validation)) => ("validation", validation),
        (None, None) => ("training", &split.train),
    };
    let evaluation = evaluate(&mut *session.network, rows, &metrics)?;
    output.line(&format!("{part} rows {}", evaluation.rows));
    output.line(&format!("loss {:.6}", evaluation.loss));
    let mut event = Object::event("evaluated")
        .text("part", part)
        .whole("rows", evaluation.rows as u64)
        .number("loss", evaluation.loss);
    for (name, figure) in &evaluation.metrics {
        output.line(&format!("{name} {figure:.6}"));
        event = event.number(name, *figure);
    }
    if let Some(confusion) = evaluation.confusion.as_ref().filter(|confusion| confusion.classes() <= 26) {
        output.line(&format!("\n{}", confusion.table(rows.class_names()).trim_end()));
    }
    output.event(event);
    Ok(())
}
