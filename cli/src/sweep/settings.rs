//! The settings of a sweep: every combination of the values that were listed.

use nnc_runtime::Error;

/// The most runs of one sweep: more are a slip, and would take days.
const MOST_RUNS: usize = 10_000;

/// The name of the axis that `--model` lists: as a keyword of the language it is the name of no parameter.
pub const MODEL: &str = "model";

/// One combination: a value for each name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As `--set` has them, in the order they were given; before them the model, under the name [`MODEL`], where
    /// models were listed.
    pub set: Vec<(String, String)>,
    /// What tells it from the others: `lr = 0.1, hidden = 8`.
    pub label: String,
}

/// All combinations of the values listed by `--model` and `--set`, the last name changing fastest.
///
/// # Errors
/// E0205 for an empty value, a name that is given twice, and for more combinations with `seeds` seeds than can be meant.
pub fn settings(
    models: Option<&str>,
    listed: &[(String, String)],
    seeds: usize,
) -> Result<Vec<Setting>, Error> {
    let mut axes: Vec<(&str, Vec<String>)> = Vec::with_capacity(listed.len() + 1);
    let models = models.map(|models| (MODEL, models));
    for (name, text) in
        models.into_iter().chain(listed.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    {
        if axes.iter().any(|(known, _)| *known == name) {
            return Err(Error::new("E0205", format!("`--set {name}` is given twice"))
                .help(format!("list its values: `--set {name}=…,…`")));
        }
        let values = split(text);
        if values.iter().any(String::is_empty) {
            return Err(Error::new("E0205", format!("`--set {name}={text}` lists an empty value")));
        }
        axes.push((name, values));
    }
    let runs = axes.iter().try_fold(seeds, |runs, (_, values)| runs.checked_mul(values.len()));
    if runs.is_none_or(|runs| runs > MOST_RUNS) {
        return Err(Error::new("E0205", format!("the sweep has more than {MOST_RUNS} runs"))
            .help("list fewer values, or fewer seeds"));
    }
    let mut sets: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for (name, values) in &axes {
        sets = sets
            .into_iter()
            .flat_map(|set| {
                values.iter().map(move |value| {
                    let mut set = set.clone();
                    set.push(((*name).to_owned(), value.clone()));
                    set
                })
            })
            .collect();
    }
    let is_varied =
        |name: &str| axes.iter().any(|(axis, values)| *axis == name && (values.len() > 1 || axes.len() == 1));
    Ok(sets
        .into_iter()
        .map(|set| {
            let varied = set.iter().filter(|(name, _)| is_varied(name));
            let label: Vec<String> = varied.map(|(name, value)| part_of_label(name, value)).collect();
            let label = if label.is_empty() { "as written".to_owned() } else { label.join(", ") };
            Setting { set, label }
        })
        .collect())
}

/// A model, a loss or an optimizer says by itself what it is.
fn part_of_label(name: &str, value: &str) -> String {
    match name {
        MODEL | "loss" | "optimizer" => value.to_owned(),
        _ => format!("{name} = {value}"),
    }
}

/// Splits at commas outside of parentheses, brackets, braces and quotes.
fn split(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let (mut depth, mut is_quoted) = (0_usize, false);
    for letter in text.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            '(' | '[' | '{' if !is_quoted => depth += 1,
            ')' | ']' | '}' if !is_quoted => depth = depth.saturating_sub(1),
            ',' if !is_quoted && depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = values.last_mut() {
            last.push(letter);
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{settings, split};

    fn listed(set: &[(&str, &str)]) -> Vec<(String, String)> {
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn commas_inside_brackets_and_quotes_do_not_split() {
        assert_eq!(split("0.1, 0.01"), ["0.1", "0.01"]);
        assert_eq!(split("sgd(lr = 0.1, beta = 1),adam"), ["sgd(lr = 0.1, beta = 1)", "adam"]);
        assert_eq!(split("f([1, 2], g(3, 4)), h"), ["f([1, 2], g(3, 4))", "h"]);
        assert_eq!(split("\"a,b\",c"), ["\"a,b\"", "c"]);
        assert_eq!(split("a),b"), ["a)", "b"], "a bracket too many is a fault of the value");
    }

    #[test]
    fn settings_are_the_product_of_all_values() {
        let all =
            settings(None, &listed(&[("lr", "1,2"), ("hidden", "8"), ("optimizer", "sgd,adam")]), 5).unwrap();
        let labels: Vec<&str> = all.iter().map(|setting| setting.label.as_str()).collect();
        assert_eq!(labels, ["lr = 1, sgd", "lr = 1, adam", "lr = 2, sgd", "lr = 2, adam"]);
        assert_eq!(all[1].set, listed(&[("lr", "1"), ("hidden", "8"), ("optimizer", "adam")]));
        let models = settings(Some("Raw, Scaled"), &listed(&[("lr", "1,2")]), 1).unwrap();
        assert_eq!(models[2].label, "Scaled, lr = 1");
        assert_eq!(models[2].set[0], (super::MODEL.to_owned(), "Scaled".to_owned()));
        assert_eq!(settings(None, &[], 1).unwrap()[0].label, "as written");
        assert_eq!(settings(None, &listed(&[("lr", "1")]), 1).unwrap()[0].label, "lr = 1");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(settings(None, &listed(&[("lr", "1,,2")]), 1).is_err());
        assert!(settings(None, &listed(&[("lr", "1"), ("lr", "2")]), 1).is_err());
        assert!(settings(None, &listed(&[("lr", "1,2")]), 6000).is_err());
    }
}
