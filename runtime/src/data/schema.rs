//! What the columns of a data set mean: enough to read another file the same way, and to name classes and features.

use std::collections::BTreeMap;

use crate::error::{Error, listed};
use crate::safetensors::json;

/// Names and encoding of columns and classes. It travels with the weights, so that `predict` reads a file as training
/// did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// The columns that make the inputs, in the order of the inputs. Empty where columns have no names.
    pub features: Vec<Feature>,
    /// What makes the targets: one for each output that a loss compares.
    pub targets: Vec<TargetSchema>,
}

/// The columns that make the target of an output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetSchema {
    /// The columns.
    pub columns: Vec<String>,
    /// Names of the classes, in the order of their indices; empty for values.
    pub classes: Vec<String>,
}

/// A column that makes one input, or one for each category.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feature {
    /// The name in the header.
    pub name: String,
    /// For a column of text, its categories in order, each an input that is 1 or 0. Empty for a column of numbers.
    pub categories: Vec<String>,
}

impl Feature {
    /// Number of inputs it makes.
    pub fn width(&self) -> usize {
        self.categories.len().max(1)
    }
}

impl Schema {
    /// Whether data have the names that this schema, saved with weights, says: their numbers would fit in another order as
    /// well. What has no names fits.
    ///
    /// # Errors
    /// E0416 for other columns, categories or classes, or the same in another order.
    pub fn check(&self, data: &Self) -> Result<(), Error> {
        self.check_features(data)?;
        self.targets.iter().zip(&data.targets).try_for_each(|(saved, data)| {
            let of = saved.columns.first().map_or_else(String::new, |column| format!(" of `{column}`"));
            differs(&saved.classes, &data.classes, &format!("classes{of}"))
        })
    }

    /// [`Schema::check`] of columns and categories alone: weights that training begins with may be of other classes.
    ///
    /// # Errors
    /// As it has them.
    pub fn check_features(&self, data: &Self) -> Result<(), Error> {
        let names = |schema: &Self| schema.features.iter().map(|feature| feature.name.clone()).collect();
        let (were, are): (Vec<String>, Vec<String>) = (names(self), names(data));
        differs(&were, &are, "columns").map_err(|error| {
            let is_same_set = were.len() == are.len() && were.iter().all(|name| are.contains(name));
            match is_same_set {
                true => error.help(format!("take them in that order: `features [{}]`", were.join(", "))),
                false => error,
            }
        })?;
        self.features.iter().zip(&data.features).try_for_each(|(saved, data)| {
            differs(&saved.categories, &data.categories, &format!("categories of `{}`", saved.name))
        })
    }

    /// Names of the inputs: the column's, or `color=red` for a category.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for feature in &self.features {
            if feature.categories.is_empty() {
                names.push(feature.name.clone());
            }
            names.extend(feature.categories.iter().map(|category| format!("{}={category}", feature.name)));
        }
        names
    }

    /// Number of inputs that the columns make.
    pub fn input_len(&self) -> usize {
        self.features.iter().map(Feature::width).sum()
    }

    /// The columns that make the targets, those of all outputs.
    pub fn target_columns(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().flat_map(|target| &target.columns).map(String::as_str)
    }

    /// Names of the classes of the only output that has classes; empty where there is none, or several.
    pub fn classes(&self) -> &[String] {
        let mut named = self.targets.iter().filter(|target| !target.classes.is_empty());
        match (named.next(), named.next()) {
            (Some(only), None) => &only.classes,
            _ => &[],
        }
    }

    /// Adds itself to the metadata of a weights file: `classes`, `features`, `target` as JSON lists of names, and
    /// `columns` as a list with one list for each column: its name, then its categories. Where several outputs are
    /// compared `target` and `classes` are lists with one list for each of them.
    pub fn to_metadata(&self, metadata: &mut BTreeMap<String, String>) {
        let mut put = |key: &str, names: &[String]| {
            if !names.is_empty() {
                metadata.insert(key.to_owned(), json::string_list(names));
            }
        };
        put("features", &self.feature_names());
        match self.targets.as_slice() {
            [] => {}
            [target] => {
                put("classes", &target.classes);
                put("target", &target.columns);
            }
            targets => {
                let lists = |names: fn(&TargetSchema) -> &[String]| {
                    let lists: Vec<String> =
                        targets.iter().map(|target| json::string_list(names(target))).collect();
                    format!("[{}]", lists.join(","))
                };
                metadata.insert("target".to_owned(), lists(|target| &target.columns));
                metadata.insert("classes".to_owned(), lists(|target| &target.classes));
            }
        }
        if !self.features.is_empty() {
            let columns: Vec<String> = self
                .features
                .iter()
                .map(|feature| {
                    let names: Vec<&str> =
                        [&feature.name].into_iter().chain(&feature.categories).map(String::as_str).collect();
                    json::string_list(&names)
                })
                .collect();
            metadata.insert("columns".to_owned(), format!("[{}]", columns.join(",")));
        }
    }

    /// Reads itself back from the metadata of a weights file. What is missing or unreadable is left empty: weights
    /// are of use without names.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Self {
        let names =
            |key: &str| metadata.get(key).and_then(|text| json::parse_string_list(text)).unwrap_or_default();
        let columns =
            metadata.get("columns").and_then(|text| json::parse_string_lists(text)).unwrap_or_default();
        let features = columns
            .into_iter()
            .filter_map(|column| {
                let mut names = column.into_iter();
                Some(Feature { name: names.next()?, categories: names.collect() })
            })
            .collect();
        let lists = |key: &str| metadata.get(key).and_then(|text| json::parse_string_lists(text));
        let several = |columns: Vec<Vec<String>>| {
            let mut classes = lists("classes").unwrap_or_default().into_iter();
            let target = |columns| TargetSchema { columns, classes: classes.next().unwrap_or_default() };
            columns.into_iter().map(target).collect()
        };
        let target = TargetSchema { columns: names("target"), classes: names("classes") };
        let targets = match lists("target").filter(|lists| !lists.is_empty()) {
            Some(lists) => several(lists),
            None if target == TargetSchema::default() => Vec::new(),
            None => vec![target],
        };
        Self { features, targets }
    }
}

/// E0416 for two lists that both say something, and not the same.
fn differs(were: &[String], are: &[String], what: &str) -> Result<(), Error> {
    if were.is_empty() || are.is_empty() || were == are {
        return Ok(());
    }
    Err(Error::new("E0416", format!("the {what} are not those that the weights were trained on"))
        .note(format!("there they are {}", listed(were)))
        .note(format!("here they are {}", listed(are))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_brings_back_names_with_quotes_and_categories() {
        let schema = Schema {
            features: vec![
                Feature { name: "a \"b\"".into(), categories: vec![] },
                Feature { name: "color".into(), categories: vec!["rød".into(), "back\\slash".into()] },
            ],
            targets: vec![TargetSchema {
                columns: vec!["y".into()],
                classes: vec!["no".into(), "yes\n".into()],
            }],
        };
        let mut metadata = BTreeMap::new();
        schema.to_metadata(&mut metadata);
        assert_eq!(Schema::from_metadata(&metadata), schema);
        assert_eq!(schema.input_len(), 3);
        assert_eq!(schema.feature_names(), ["a \"b\"", "color=rød", "color=back\\slash"]);
    }

    #[test]
    fn metadata_brings_back_several_targets() {
        let target = |columns: &[&str], classes: &[&str]| TargetSchema {
            columns: columns.iter().map(ToString::to_string).collect(),
            classes: classes.iter().map(ToString::to_string).collect(),
        };
        let targets = vec![target(&["x", "y"], &[]), target(&["kind"], &["a", "b"])];
        let schema = Schema { targets, ..Schema::default() };
        let mut metadata = BTreeMap::new();
        schema.to_metadata(&mut metadata);
        assert_eq!(Schema::from_metadata(&metadata), schema);
        assert_eq!(schema.target_columns().collect::<Vec<_>>(), ["x", "y", "kind"]);
        assert_eq!(schema.classes(), ["a", "b"]);
    }

    #[test]
    fn unreadable_metadata_leaves_names_out() {
        let metadata = BTreeMap::from([("classes".to_owned(), "[1,".to_owned())]);
        assert_eq!(Schema::from_metadata(&metadata), Schema::default());
    }
}
