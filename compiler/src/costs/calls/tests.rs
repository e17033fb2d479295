use super::{Call, Part, prediction, single, training};
use crate::compile::{CompiledModel, Options, compile};
use crate::costs::{total_flops, update_flops};
use crate::emit::to_rust;

fn compiled(text: &str) -> CompiledModel {
    let compilation = compile("m.nn", text, &Options::default());
    assert!(!compilation.has_errors(), "{text}\n{:#?}", compilation.diagnostics);
    compilation.models.into_iter().next().expect("a model")
}

/// The entries that a method of emitted code runs, in order.
fn entries(code: &str, method: &str) -> Vec<String> {
    let body = code.split(&format!("fn {method}(")).nth(1).expect("the method is there");
    let end = body.find("\n    }\n").expect("it ends");
    runs(code, &body[..end])
}

/// The entries that code runs, itself or in functions of blocks.
fn runs(code: &str, body: &str) -> Vec<String> {
    let word = |text: &str| text.split(['(', ':', '<', '\n']).next().unwrap_or_default().trim().to_owned();
    // Each call is handed `simd`, but for those that are run by it.
    let mut all = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find("simd") {
        let (before, behind) = (&rest[..at], &rest[at + "simd".len()..]);
        let opening = before.trim_end();
        if let Some(entry) = behind.strip_prefix(".run(") {
            all.push(word(entry.trim_start()));
        } else if opening.ends_with("threads.run(") {
            let entry = behind.trim_start_matches(',').split_once(',').map_or("", |(_, entry)| entry);
            all.push(word(entry.trim_start()));
        } else if let Some(call) = opening.strip_suffix('(') {
            let line = call.rsplit(['\n', ' ']).next().unwrap_or_default();
            let name = line.split("::").next().unwrap_or_default();
            let heads = [format!("\nfn {name}("), format!("\nfn {name}<")];
            if let Some(start) = heads.iter().find_map(|head| code.find(head.as_str())) {
                let function = &code[start..];
                let open = function.find(") {\n").expect("it has a body");
                let end = function.find("\n}\n").expect("it ends");
                all.extend(runs(code, &function[open..end]));
            }
        }
        rest = behind;
    }
    all
}

/// The calls are those of the code: by name, and where a function is shared, by direction.
fn same(model: &CompiledModel, calls: &[Call], entries: &[String]) {
    let names: Vec<&str> = calls.iter().map(|call| call.function.as_str()).collect();
    assert_eq!(calls.len(), entries.len(), "{names:?}\n{entries:?}");
    for (call, entry) in calls.iter().zip(entries) {
        let (function, entry) = (call.function.replace('_', ""), entry.to_lowercase());
        let layer = call.layer.map(|layer| model.graph.layer(layer).name.as_str());
        let is_same = match call.part {
            _ if !layer.is_some_and(|layer| layer.contains('.')) => {
                entry.starts_with(&function) || entry.starts_with(&function.replace("forward", "one"))
            }
            Part::Forward => ["forward", "one", "fold", "statistics"].iter().any(|word| entry.contains(word)),
            Part::Loss => entry.contains("loss") || entry.contains("gradient"),
            Part::Recompute => entry.contains("recompute"),
            Part::Update => entry.contains("update"),
            _ => entry.contains("backward"),
        };
        assert!(is_same, "{function} is {entry}: {names:?}\n{entries:?}");
    }
}

const TEXTS: [&str; 7] = [
    "model M { input [4] h: dense(8) -> relu dense(3) loss cross_entropy optimizer adam }",
    "model M { input [4] dense(8) -> tanh out: dense(2) loss mse optimizer sgd(lr = 0.1, clip_norm = 1) }",
    "model M { input [4] dense(8) -> batch_norm -> relu dense(2) loss mse optimizer sgd(accumulate = 3) }",
    "model M { input [1, 8, 8] repeat 2 { conv2d(4, kernel = 3, padding = 1) -> relu } max_pool2d(2) flatten dense(3)
      loss cross_entropy optimizer adam }",
    "model M { input [6, 3] lstm(5) dense(2) loss mse optimizer adam }",
    "model M { input a: [4] input b: [3] concat(a, b) dense(2) loss mse optimizer sgd }",
    "model M { input [4] norm: normalize dense(2) }",
];

#[test]
fn calls_are_those_of_the_emitted_code() {
    for text in TEXTS {
        let model = compiled(text);
        let code = to_rust(&model.tokens);
        if let Some(calls) = training(&model) {
            same(&model, &calls, &entries(&code, "step_rows"));
        }
        same(&model, &prediction(&model), &entries(&code, "several"));
        same(&model, &single(&model), &entries(&code, "one"));
    }
}

#[test]
fn arithmetic_is_that_of_the_whole() {
    for text in TEXTS {
        let model = compiled(text);
        let (Some(calls), Some(graph)) = (training(&model), &model.graphs.train) else { continue };
        let sum = |of: fn(&Call) -> u64| calls.iter().map(of).sum::<u64>();
        let (samples, once) = (sum(|call| call.sample_flops), sum(|call| call.flops));
        let norm = calls.iter().find(|call| call.function == "gradient_squares").map_or(0, |call| call.flops);
        assert_eq!(samples + once, total_flops(graph) + update_flops(graph) + norm, "{text}");
    }
}

#[test]
fn traffic_of_a_dense_layer() {
    let model = compiled(
        "model M { input [4] h: dense(16) -> relu dense(16) loss mse optimizer sgd } train { batch 32 }",
    );
    let calls = training(&model).expect("it is trained");
    let of = |function: &str| calls.iter().find(|call| call.function == function).expect("a call").clone();
    let row = 64;
    // Two groups of samples: 4 and 16 features; the weight is a panel of 4 rows, the bias a row. A ReLU
    // takes the greater of two.
    let forward = of("h_forward");
    assert_eq!(forward.bytes, row * (2 * 4 + 2 * 16 + 4 + 1));
    assert_eq!((forward.sample_flops, forward.flops), (2 * 4 * 16 + 16 + 16, 0));
    let backward = of("h_update");
    assert_eq!(
        (backward.part, calls.last().map(|call| &call.function)),
        (Part::Update, Some(&backward.function))
    );
    assert!(backward.flops > 0, "the update is counted");
    assert_eq!(of("load_samples").bytes, 2 * row * 2 * 4);
}

#[test]
fn a_table_is_read_where_it_is_looked_up() {
    let text = "model M { input tokens: [4] embedding(5000, 16) flatten dense(2) loss mse optimizer sgd }";
    let model = compiled(text);
    let calls = prediction(&model);
    let lookup = calls.iter().find(|call| call.function == "embedding_forward").expect("a call");
    assert!(lookup.bytes < 5000 * 16 * 4, "{lookup:?}");
}
