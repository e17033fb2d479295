//! Whether data are, by the names of their columns and classes, what weights were trained on.

use std::path::Path;

use nnc_runtime::Error;
use nnc_runtime::data::{Feature, Schema};

/// Compares the names that were saved with weights, where there are any, with those of data that are measured with them.
/// The numbers alone would fit as well in another order.
///
/// # Errors
/// E0416 for other columns, categories or classes, or the same in another order.
pub fn check(saved: &Schema, data: &Schema, weights: &Path) -> Result<(), Error> {
    check_features(saved, data, weights)?;
    for (saved, data) in saved.targets.iter().zip(&data.targets) {
        let of = saved.columns.first().map_or_else(String::new, |column| format!(" of `{column}`"));
        differs(&saved.classes, &data.classes, &format!("classes{of}"), weights)?;
    }
    Ok(())
}

/// The same for columns and categories alone: weights that training begins with may be of other classes.
///
/// # Errors
/// As [`check`].
pub fn check_features(saved: &Schema, data: &Schema, weights: &Path) -> Result<(), Error> {
    let names = |features: &[Feature]| features.iter().map(|feature| feature.name.clone()).collect();
    let (were, are): (Vec<String>, Vec<String>) = (names(&saved.features), names(&data.features));
    differs(&were, &are, "columns", weights).map_err(|error| {
        let mut sorted = [were.clone(), are.clone()];
        sorted.iter_mut().for_each(|names| names.sort_unstable());
        let [were_sorted, are_sorted] = sorted;
        if were_sorted != are_sorted {
            return error;
        }
        error.help(format!("take them in that order: `features [{}]`", were.join(", ")))
    })?;
    saved.features.iter().zip(&data.features).try_for_each(|(saved, data)| {
        differs(&saved.categories, &data.categories, &format!("categories of `{}`", saved.name), weights)
    })
}

/// E0416 for two lists that both say something, and not the same.
fn differs(were: &[String], are: &[String], what: &str, weights: &Path) -> Result<(), Error> {
    if were.is_empty() || are.is_empty() || were == are {
        return Ok(());
    }
    let message = format!("the {what} are not those that the weights were trained on");
    Err(Error::new("E0416", message)
        .at(weights)
        .note(format!("there they are {}", listed(were)))
        .note(format!("here they are {}", listed(are))))
}

/// The first of them, in a line.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}
