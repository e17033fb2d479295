//! `--partial`: weights of another model, as far as they fit, and what became of each.

use std::path::Path;

use nnc_grammar::diagnostic::closest;
use nnc_runtime::Error;
use nnc_runtime::safetensors::load_partial;

use crate::output::{Object, Output};
use crate::session::Session;

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
