//! `nnc summary`: layers, shapes, parameters, arithmetic and memory.

use nnc_compiler::CompiledModel;
use nnc_compiler::costs::{self, Memory};
use nnc_compiler::graph::{Direction, Graph, LayerId, Role};
use nnc_compiler::plan::thousands;

use crate::arguments::Source;
use crate::output::{Output, columns};
use crate::source::{Failure, compiled};

/// Shows a table for each model of a file.
pub fn run(source: &Source, by_memory: bool, output: &Output) -> Result<(), Failure> {
    let compilation = compiled(source, None, output)?;
    for (n, model) in compilation.models.iter().enumerate() {
        if n > 0 {
            output.line("");
        }
        output.line(&if by_memory { memory(model) } else { table(model) });
    }
    Ok(())
}

fn table(model: &CompiledModel) -> String {
    let graph = &model.graph;
    let mut rows =
        vec![["layer", "stage", "output", "initializer", "parameters", "FLOPs"].map(str::to_owned)];
    for (n, layer) in graph.layers.iter().enumerate() {
        let id = LayerId(n as u32);
        let nodes: Vec<_> = graph
            .nodes
            .iter()
            .filter(|node| node.layer == id && node.direction == Direction::Forward)
            .collect();
        let parameters: usize = graph
            .parameters
            .iter()
            .filter(|parameter| parameter.layer == id)
            .map(|parameter| parameter.len())
            .sum();
        let Some(last) = nodes.iter().rev().find(|node| node.batched) else { continue };
        let flops: u64 = nodes.iter().map(|node| costs::flops(graph, node)).sum();
        rows.push([
            layer.name.clone(),
            without_label(&layer.name, &layer.text).to_owned(),
            format!("{:?}", last.shape),
            if layer.is_frozen && parameters > 0 { "frozen".to_owned() } else { initializer(graph, id) },
            thousands(parameters),
            thousands(flops as usize),
        ]);
    }
    let mut text = format!("{} ({})\n\n", model.info.name, model.info.source);
    text.push_str(&columns(&rows, 4));
    let count = |role: fn(&Role) -> bool| -> usize {
        graph
            .parameters
            .iter()
            .filter(|parameter| role(&parameter.role))
            .map(|parameter| parameter.len())
            .sum()
    };
    let trained = count(|role| *role == Role::Trained);
    let (frozen, buffers) = (count(|role| *role == Role::Frozen), count(|role| *role == Role::Buffer));
    text.push_str(&format!("\nparameters   {}", thousands(trained)));
    match (frozen, buffers) {
        (0, 0) => {}
        (0, buffers) => text.push_str(&format!(" trained, {} not", thousands(buffers))),
        (frozen, 0) => text.push_str(&format!(" trained, {} frozen", thousands(frozen))),
        (frozen, buffers) => text.push_str(&format!(
            " trained, {} frozen, {} never trained",
            thousands(frozen),
            thousands(buffers)
        )),
    }
    let forward = costs::total_flops(&model.graphs.predict);
    text.push_str(&format!(
        "\ninference    {} FLOPs a sample, {}",
        thousands(forward as usize),
        bytes(costs::inference_bytes(model))
    ));
    if let (Some(train), Some(memory)) = (&model.graphs.train, costs::training_bytes(model)) {
        let a_sample = costs::total_flops(train);
        let update = costs::update_flops(train);
        text.push_str(&format!(
            "\ntraining     {} FLOPs a sample and {} a step, {} for a batch of {}",
            thousands(a_sample as usize),
            thousands(update as usize),
            bytes(memory),
            model.info.batch
        ));
        if let Some((kept, saved)) = costs::optimizer_bytes(model).filter(|_| frozen > 0) {
            text.push_str(&format!(
                "\noptimizer    {}, and {} saved by what is frozen",
                bytes(kept),
                bytes(saved)
            ));
        }
    }
    text
}

/// How the first trained parameter of a layer starts: its weight, where it has one. Nothing for a layer without.
fn initializer(graph: &Graph, layer: LayerId) -> String {
    let mut parameters = graph.parameters.iter();
    let first = parameters.find(|parameter| parameter.layer == layer && parameter.role != Role::Buffer);
    first.map_or_else(String::new, |parameter| parameter.initializer.text.clone())
}

/// The text of a stage; its label is in the first column already.
fn without_label<'a>(name: &str, text: &'a str) -> &'a str {
    let label = name.rsplit('.').next().unwrap_or(name);
    let without = |label: &str| text.strip_prefix(label)?.strip_prefix(':').map(str::trim_start);
    without(name).or_else(|| without(label)).unwrap_or(text)
}

/// The bytes of each layer that takes some.
fn memory(model: &CompiledModel) -> String {
    let layers = costs::memory(model);
    let row = |name: &str, memory: &Memory| {
        let Memory { parameters, optimizer, values } = *memory;
        let [parameters, optimizer, values, total] =
            [parameters, optimizer, values, memory.total()].map(thousands);
        [name.to_owned(), parameters, optimizer, values, total]
    };
    let mut rows = vec![["layer", "parameters", "optimizer", "values", "bytes"].map(str::to_owned)];
    let named = model.graph.layers.iter().zip(&layers).filter(|(_, memory)| memory.total() > 0);
    rows.extend(named.map(|(layer, memory)| row(&layer.name, memory)));
    let sum = layers.iter().fold(Memory::default(), |sum, layer| Memory {
        parameters: sum.parameters + layer.parameters,
        optimizer: sum.optimizer + layer.optimizer,
        values: sum.values + layer.values,
    });
    rows.push(row("in all", &sum));
    let of = match (&model.plan.train, model.plan.predict_groups) {
        (Some(_), _) => format!("training, batch {}", model.info.batch),
        (None, groups) => format!("inference, {} samples at once", groups * nnc_compiler::plan::LANES),
    };
    let head = format!("{} ({}): bytes in {of}\n\n", model.info.name, model.info.source);
    head + columns(&rows, 1).trim_end()
}

fn bytes(n: usize) -> String {
    match n {
        0..10_240 => format!("{} bytes", thousands(n)),
        10_240..10_485_760 => format!("{} KiB", thousands(n.div_ceil(1024))),
        _ => format!("{} MiB", thousands(n.div_ceil(1 << 20))),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn labels_are_shown_once() {
        assert_eq!(super::without_label("tower_2.hidden", "hidden: dense(4)"), "dense(4)");
        assert_eq!(super::without_label("tower_2.hidden", "tower_2.hidden: dense(4)"), "dense(4)");
        assert_eq!(super::without_label("relu", "relu"), "relu");
        assert_eq!(super::without_label("dense", "dense(4)"), "dense(4)");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(super::bytes(640), "640 bytes");
        assert_eq!(super::bytes(20_000), "20 KiB");
        assert_eq!(super::bytes(50 << 20), "50 MiB");
    }
}
