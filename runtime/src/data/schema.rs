//! What the columns of a data set mean: enough to read another file the same way, and to name classes and features.

use std::collections::BTreeMap;

use crate::safetensors::json;

/// Names and encoding of columns and classes. It travels with the weights, so that `predict` reads a file as training
/// did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// The columns that make the inputs, in the order of the inputs. Empty where columns have no names.
    pub features: Vec<Feature>,
    /// The columns that make the targets.
    pub target: Vec<String>,
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

    /// Adds itself to the metadata of a weights file: `classes`, `features`, `target` as JSON lists of names, and
    /// `columns` as a list with one list for each column: its name, then its categories.
    pub fn to_metadata(&self, metadata: &mut BTreeMap<String, String>) {
        let mut put = |key: &str, names: &[String]| {
            if !names.is_empty() {
                metadata.insert(key.to_owned(), json::string_list(names));
            }
        };
        put("classes", &self.classes);
        put("target", &self.target);
        put("features", &self.feature_names());
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
        Self { features, target: names("target"), classes: names("classes") }
    }
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
            target: vec!["y".into()],
            classes: vec!["no".into(), "yes\n".into()],
        };
        let mut metadata = BTreeMap::new();
        schema.to_metadata(&mut metadata);
        assert_eq!(Schema::from_metadata(&metadata), schema);
        assert_eq!(schema.input_len(), 3);
        assert_eq!(schema.feature_names(), ["a \"b\"", "color=rød", "color=back\\slash"]);
    }

    #[test]
    fn unreadable_metadata_leaves_names_out() {
        let metadata = BTreeMap::from([("classes".to_owned(), "[1,".to_owned())]);
        assert_eq!(Schema::from_metadata(&metadata), Schema::default());
    }
}
