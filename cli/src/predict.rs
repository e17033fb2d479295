//! `nnc predict`: rows in, as the model's data are, CSV out.

use std::path::Path;

use nnc_compiler::CompiledModel;
use nnc_compiler::program::Kind;
use nnc_runtime::Error;
use nnc_runtime::data::Schema;
use nnc_runtime::model::{ModelInfo, TargetInfo};
use nnc_runtime::outputs::{argmax, softmax};

use crate::arguments::Run;
use crate::data;
use crate::engine::Unless;
use crate::next::Next;
use crate::output::{Output, print};
use crate::session::{Prepared, default_weights};
use crate::source::Failure;

/// Predicts rows: for classes the name and the probability of each, for values the values.
///
/// For a model of characters a text is one row: the character that comes next, and the probability of each.
pub fn run(
    run: &Run,
    weights: Option<&Path>,
    input: Option<&Path>,
    prompt: Option<&str>,
    output: &Output,
) -> Result<(), Failure> {
    let prepared = Prepared::new(run, None, output, |_| Ok(()))?;
    let mut session = prepared.start(run, Unless::Cores, output)?;
    let metadata =
        session.load_weights(weights.map_or_else(|| default_weights(run), Path::to_path_buf).as_path())?;
    let schema = Schema::from_metadata(&metadata);
    let info = *session.network.info();
    if data::is_text(&session.model) {
        let (text, what) = match prompt {
            Some(prompt) => (prompt.to_owned(), "the prompt".to_owned()),
            None => data::text_to_continue(input)?,
        };
        let mut next = Next::new(&session.model, &info, &schema)?;
        let tokens = next.tokens(&text, &what)?;
        let mut row = next.scores(&*session.network, &tokens)?.to_vec();
        if !next.is_probability {
            softmax(&mut row);
        }
        let classes = next.chars().iter().map(char::to_string).collect();
        let part =
            Part { at: 0, range: 0..row.len(), columns: vec!["next".to_owned()], classes: Some(classes) };
        print(&table(&row, row.len(), &[part], None));
        return Ok(());
    }
    if prompt.is_some() {
        let message =
            format!("`--prompt` is for models of characters, the data of `{}` is no text", info.name);
        return Err(Error::new("E0416", message).help("name the rows with `--input`").into());
    }
    let rows = data::inputs(&session.model, &schema, &info, input)?;
    let width = info.output_len();
    let mut out = vec![0.0; rows.data.rows * width];
    session.network.predict_rows(&rows.data.inputs, &mut out).map_err(Error::from)?;
    let parts = parts(&info, &schema);
    for part in parts.iter().filter(|part| part.classes.is_some()) {
        if !ends_in_softmax(&session.model, part.at) {
            out.chunks_mut(width.max(1)).for_each(|row| softmax(part.of_mut(row)));
        }
    }
    let names = rows.names.as_ref().map(|(column, names)| (*column, names.as_slice()));
    print(&table(&out, width, &parts, names));
    Ok(())
}

/// One output of a row.
struct Part {
    /// Its place among the outputs.
    at: usize,
    /// Its values in the row.
    range: std::ops::Range<usize>,
    /// Names of its columns: of its only one for classes, of each value else.
    columns: Vec<String>,
    /// For classes, their names.
    classes: Option<Vec<String>>,
}

impl Part {
    fn of<'a>(&self, row: &'a [f32]) -> &'a [f32] {
        row.get(self.range.clone()).unwrap_or_default()
    }

    fn of_mut<'a>(&self, row: &'a mut [f32]) -> &'a mut [f32] {
        row.get_mut(self.range.clone()).unwrap_or_default()
    }
}

/// The outputs, with the names that training left with the weights. A single one without names is `output_1` and so
/// on, or `class`; several have their own names.
fn parts(info: &ModelInfo, schema: &Schema) -> Vec<Part> {
    let several = info.outputs.len() > 1;
    let mut from = 0;
    let mut trained = schema.targets.iter();
    let outputs = info.outputs.iter().enumerate();
    outputs
        .map(|(at, output)| {
            let len = output.len();
            let range = from..from + len;
            from += len;
            let schema = output
                .target
                .filter(|target| target.width() > 0)
                .and_then(|_| trained.next())
                .cloned()
                .unwrap_or_default();
            let numbered = |name: &str| (1..=len).map(|n| format!("{name}_{n}")).collect::<Vec<_>>();
            let (columns, classes) = match output.target {
                Some(TargetInfo::Class { classes }) => {
                    let column = schema.columns.first().cloned();
                    let name = if several { output.name } else { "class" };
                    let known = (0..classes)
                        .map(|n| schema.classes.get(n).cloned().unwrap_or_else(|| n.to_string()))
                        .collect();
                    (vec![column.unwrap_or_else(|| name.to_owned())], Some(known))
                }
                _ if schema.columns.len() == len => (schema.columns, None),
                _ if several && len == 1 => (vec![output.name.to_owned()], None),
                _ => (numbered(if several { output.name } else { "output" }), None),
            };
            Part { at, range, columns, classes }
        })
        .collect()
}

/// Whether the values of an output are probabilities already.
pub fn ends_in_softmax(model: &CompiledModel, at: usize) -> bool {
    let program = &model.program;
    let Some(output) = program.outputs.get(at) else { return false };
    let made = (output.value.0 as usize).checked_sub(program.inputs.len());
    made.and_then(|made| program.applications.get(made)).is_some_and(
        |application| matches!(&application.kind, Kind::Activation { name, .. } if name == "softmax"),
    )
}

/// The answer as CSV, with a header. Rows that have names begin with them, in a column of this name.
fn table(out: &[f32], width: usize, parts: &[Part], names: Option<(&str, &[String])>) -> String {
    let mut text = String::new();
    let mut header: Vec<String> = names.iter().map(|(column, _)| (*column).to_owned()).collect();
    for part in parts {
        header.extend(part.columns.iter().cloned());
        header.extend(part.classes.iter().flatten().map(|class| format!("p_{class}")));
    }
    line(&mut text, &header);
    for (n, row) in out.chunks(width.max(1)).enumerate() {
        let mut fields = Vec::with_capacity(header.len());
        fields.extend(names.map(|(_, names)| names.get(n).cloned().unwrap_or_default()));
        for part in parts {
            let values = part.of(row);
            if let Some(classes) = &part.classes {
                fields.push(classes.get(argmax(values)).cloned().unwrap_or_default());
            }
            fields.extend(values.iter().map(f32::to_string));
        }
        line(&mut text, &fields);
    }
    text
}

fn line(text: &mut String, fields: &[String]) {
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            text.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use nnc_runtime::data::{Schema, TargetSchema};
    use nnc_runtime::model::{LayerInfo, ModelInfo, OutputInfo, TargetInfo, TargetLimits};

    use super::{parts, softmax, table};

    /// The table of a model with these outputs.
    fn predicted(
        outputs: &[(&'static str, usize, Option<TargetInfo>)],
        targets: &[(&[&str], &[&str])],
        out: &[f32],
    ) -> String {
        let outputs: Vec<OutputInfo> = outputs
            .iter()
            .map(|&(name, len, target)| OutputInfo {
                name,
                shape: Box::leak(Box::new([len])),
                target,
                limits: TargetLimits::ANY,
            })
            .collect();
        let width = outputs.iter().map(OutputInfo::len).sum();
        let layers: &'static [LayerInfo] = &[];
        let info = ModelInfo {
            name: "M",
            source: "m.nn",
            spec_hash: "",
            input: &[1],
            output: Box::leak(Box::new([width])),
            outputs: Box::leak(outputs.into_boxed_slice()),
            training: "",
            batch: 1,
            tensors: &[],
            states: &[],
            inputs: &[],
            average: None,
            warmup: 0.0,
            normalize: &[],
            layers,
        };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let targets = targets
            .iter()
            .map(|(columns, classes)| TargetSchema { columns: names(columns), classes: names(classes) });
        let schema = Schema { targets: targets.collect(), ..Schema::default() };
        table(out, width, &parts(&info, &schema), None)
    }

    #[test]
    fn classes_have_names_and_probabilities() {
        let outputs = [("output", 2, Some(TargetInfo::Class { classes: 2 }))];
        let out = [0.25, 0.75, 0.5, 0.5];
        assert_eq!(
            predicted(&outputs, &[(&["species"], &["a,b", "c"])], &out),
            "species,\"p_a,b\",p_c\nc,0.25,0.75\n\"a,b\",0.5,0.5\n"
        );
        assert_eq!(predicted(&outputs, &[], &out[..2]), "class,p_0,p_1\n1,0.25,0.75\n");
    }

    #[test]
    fn values_have_the_name_of_their_column() {
        let values = |len| [("output", len, Some(TargetInfo::Values { len }))];
        assert_eq!(predicted(&values(1), &[(&["price"], &[])], &[1.5]), "price\n1.5\n");
        assert_eq!(predicted(&values(2), &[], &[1.5, 2.0]), "output_1,output_2\n1.5,2\n");
    }

    #[test]
    fn several_outputs_stand_side_by_side() {
        let outputs = [
            ("size", 1, Some(TargetInfo::Values { len: 1 })),
            ("features", 2, None),
            ("kind", 2, Some(TargetInfo::Class { classes: 2 })),
        ];
        let row = [3.5, 1.0, 2.0, 0.75, 0.25];
        assert_eq!(
            predicted(&outputs, &[(&["cm"], &[]), (&["species"], &["cat", "dog"])], &row),
            "cm,features_1,features_2,species,p_cat,p_dog\n3.5,1,2,cat,0.75,0.25\n"
        );
        assert_eq!(
            predicted(&outputs, &[], &row),
            "size,features_1,features_2,kind,p_0,p_1\n3.5,1,2,0,0.75,0.25\n"
        );
    }

    #[test]
    fn probabilities_sum_to_one() {
        let mut row = [1000.0, 1001.0, -1000.0];
        softmax(&mut row);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(row[1] > row[0] && row[2] == 0.0);
    }
}
