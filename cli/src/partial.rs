//! Weights that training starts from: all of a model, or those of another, as far as they fit, and what became of each.

use std::path::{Path, PathBuf};

use nnc_grammar::diagnostic::closest;
use nnc_runtime::Error;
use nnc_runtime::data::Schema;
use nnc_runtime::safetensors::load_partial;

use crate::arguments::Run;
use crate::output::{Object, Output};
use crate::session::{Prepared, Session};

/// Weights that training starts from.
pub struct Start {
    /// The file.
    pub path: PathBuf,
    /// Whether what fits is taken, of whatever model it is.
    pub is_partial: bool,
    /// Where the model's file names it, if it does.
    pub place: Option<String>,
}

impl Start {
    /// Those that the section `train` names, beside the file in which it stands.
    pub fn of_file(prepared: &Prepared, run: &Run) -> Option<Self> {
        let weights = prepared.model.program.train.weights.as_ref()?;
        Some(Self {
            path: run.source.file.with_file_name(&weights.path),
            is_partial: weights.is_partial,
            place: Some(prepared.sources.place(weights.span).to_string()),
        })
    }

    /// Puts them into a model.
    ///
    /// # Errors
    /// As [`Session::load_weights`], or [`load`] for a part; E0416 when whole weights are of other columns than `data`.
    pub fn load(&self, session: &mut Session, data: &Schema, output: &Output) -> Result<(), Error> {
        let loaded = if self.is_partial {
            load(session, &self.path, output)
        } else {
            session.load_weights(&self.path).and_then(|saved| {
                Schema::from_metadata(&saved).check_features(data).map_err(|error| error.at(&self.path))
            })
        };
        loaded.map_err(|error| match &self.place {
            Some(place) => error.note(format!("they are asked for at {place}")),
            None => error,
        })
    }
}

/// Loads what fits, and says what was loaded, what was not and why, and what the file does not have.
///
/// # Errors
/// As [`load_partial`].
pub fn load(session: &mut Session, path: &Path, output: &Output) -> Result<(), Error> {
    let report = load_partial(&mut *session.network, path)?;
    let n_tensors = session.info.tensors.len();
    output.line(&format!("loaded {} of {n_tensors} tensors from {}", report.loaded.len(), path.display()));
    for name in &report.loaded {
        output.line(&format!("  loaded   {name}"));
    }
    for (name, reason) in &report.skipped {
        let meant = closest(name, report.missing.iter().map(String::as_str));
        let hint = meant.map_or_else(String::new, |meant| format!(" (is it `{meant}`?)"));
        output.line(&format!("  skipped  {name}: {reason}{hint}"));
    }
    for name in &report.missing {
        output.line(&format!("  missing  {name}: the file has none, it starts as the model says"));
    }
    let skipped: Vec<String> = report.skipped.into_iter().map(|(name, _)| name).collect();
    output.event(
        Object::event("loaded")
            .text("weights", &path.display().to_string())
            .texts("loaded", &report.loaded)
            .texts("skipped", &skipped)
            .texts("missing", &report.missing),
    );
    Ok(())
}
