//! `nnc predict`: CSV in, CSV out.

use std::fs::File;
use std::path::Path;

use nnc_compiler::CompiledModel;
use nnc_compiler::graph::Op;
use nnc_runtime::Error;
use nnc_runtime::data::Schema;
use nnc_runtime::metrics::argmax;
use nnc_runtime::model::TargetInfo;

use crate::arguments::Run;
use crate::data;
use crate::output::{Output, print};
use crate::session::{Prepared, default_weights};
use crate::source::Failure;

/// Predicts rows: for classes the name and the probability of each, for values the values.
pub fn run(run: &Run, weights: Option<&Path>, input: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let mut session = Prepared::new(run, None, output, |_| Ok(()))?.start(run, output)?;
    let metadata =
        session.load_weights(weights.map_or_else(|| default_weights(run), Path::to_path_buf).as_path())?;
    let schema = Schema::from_metadata(&metadata);
    let info = *session.network.info();
    let rows = match input.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let file = File::open(path).map_err(|error| Error::read(path, &error))?;
            data::inputs(&path.display().to_string(), file, &session.model, &schema, &info)?
        }
        None => data::inputs("<stdin>", std::io::stdin().lock(), &session.model, &schema, &info)?,
    };
    let width = info.output_len();
    let mut out = vec![0.0; rows.rows * width];
    session.network.predict_rows(&rows.inputs, &mut out).map_err(Error::from)?;
    let is_class = matches!(info.target, Some(TargetInfo::Class { .. }));
    if is_class && !ends_in_softmax(&session.model) {
        out.chunks_mut(width.max(1)).for_each(softmax);
    }
    print(&table(&out, width, is_class, &schema));
    Ok(())
}

/// Whether the outputs are probabilities already.
fn ends_in_softmax(model: &CompiledModel) -> bool {
    let node = model.graph.node(model.graph.output);
    matches!(&node.op, Op::Operator(operator) if operator.name() == "softmax")
}

fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}

/// The answer as CSV, with a header.
fn table(out: &[f32], width: usize, is_class: bool, schema: &Schema) -> String {
    let mut text = String::new();
    let class = |n: usize| schema.classes.get(n).cloned().unwrap_or_else(|| n.to_string());
    let mut header: Vec<String> = Vec::new();
    if is_class {
        header.push(schema.target.first().cloned().unwrap_or_else(|| "class".to_owned()));
        header.extend((0..width).map(|n| format!("p_{}", class(n))));
    } else {
        let named = schema.target.len() == width;
        header.extend(
            (0..width).map(|n| if named { schema.target[n].clone() } else { format!("output_{}", n + 1) }),
        );
    }
    line(&mut text, &header);
    for row in out.chunks(width.max(1)) {
        let mut fields = Vec::with_capacity(width + 1);
        if is_class {
            fields.push(class(argmax(row)));
        }
        fields.extend(row.iter().map(f32::to_string));
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
    use super::{softmax, table};
    use nnc_runtime::data::Schema;

    #[test]
    fn classes_have_names_and_probabilities() {
        let schema = Schema {
            target: vec!["species".into()],
            classes: vec!["a,b".into(), "c".into()],
            ..Schema::default()
        };
        assert_eq!(
            table(&[0.25, 0.75, 0.5, 0.5], 2, true, &schema),
            "species,\"p_a,b\",p_c\nc,0.25,0.75\n\"a,b\",0.5,0.5\n"
        );
    }

    #[test]
    fn values_have_the_name_of_their_column() {
        let schema = Schema { target: vec!["price".into()], ..Schema::default() };
        assert_eq!(table(&[1.5], 1, false, &schema), "price\n1.5\n");
        assert_eq!(table(&[1.5, 2.0], 2, false, &Schema::default()), "output_1,output_2\n1.5,2\n");
    }

    #[test]
    fn probabilities_sum_to_one() {
        let mut row = [1000.0, 1001.0, -1000.0];
        softmax(&mut row);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(row[1] > row[0] && row[2] == 0.0);
    }
}
