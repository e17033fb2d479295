//! Layers in `recompute { … }`: the same bits as without it, in less memory.

use nnc::{Model, Train};
use nnc_compiler::costs::calls::{self, Part};
use nnc_compiler::{CompiledModel, Options, compile};

mod models {
    nnc::network!("tests/data/models/twice.nn");
}

use models::{Once, Twice};

const SAMPLES: usize = 19;

/// Twelve words of each sample, and a class, as rows.
fn rows(step: usize) -> (Vec<f32>, Vec<u32>) {
    let word = |n: usize| ((n * n + 3 * step) % 9) as f32;
    let words = (0..SAMPLES * 12).map(word).collect();
    (words, (0..SAMPLES).map(|n| ((n + step) % 4) as u32).collect())
}

fn bits(model: &impl Model<Elem = f32>) -> Vec<(&'static str, Vec<u32>)> {
    let tensors = model.info().tensors.iter().enumerate();
    let read = |(n, tensor): (usize, &'static nnc::TensorInfo)| {
        let mut values = vec![0.0; tensor.len()];
        model.read_tensor(n, &mut values);
        (tensor.name, values.iter().map(|value| value.to_bits()).collect())
    };
    tensors.map(read).collect()
}

fn trained<M: Train<Elem = f32>>(mut model: M) -> (Vec<u32>, Vec<(&'static str, Vec<u32>)>) {
    let losses = (0..12).map(|step| {
        let (words, classes) = rows(step);
        model.step_rows(&words, nnc::Target::Classes(&classes)).expect("a batch").to_bits()
    });
    let losses = losses.collect();
    (losses, bits(&model))
}

#[test]
fn what_is_computed_again_has_the_same_bits() {
    let (losses, weights) = trained(Once::new(5));
    let (losses_again, weights_again) = trained(Twice::new(5));
    assert_eq!(losses_again, losses);
    assert_eq!(weights_again, weights);
}

fn models(text: &str) -> Vec<CompiledModel> {
    let compilation = compile("models.nn", text, &Options::default());
    assert!(!compilation.has_errors(), "{:#?}", compilation.diagnostics);
    compilation.models
}

/// A network as deep as `rounds`, as it is and with each round computed again.
fn deep(rounds: usize) -> Vec<CompiledModel> {
    let model = |name: &str, round: &str| {
        format!(
            "model {name} {{ input [16, 32] repeat {rounds} {{ {round} }} flatten dense(4) \
             loss cross_entropy optimizer sgd }}"
        )
    };
    let block = "transformer_block(32, heads = 4)";
    models(&format!(
        "{}\n{}\ntrain {{ batch 32 }}",
        model("Once", block),
        model("Twice", &format!("recompute {{ {block} }}"))
    ))
}

/// Bytes of the values that a step keeps.
fn activations(model: &CompiledModel) -> usize {
    let pass = model.plan.train.as_ref().expect("a model that is trained");
    pass.slots.iter().map(|slot| slot.bytes(model.plan.groups, 4)).sum()
}

#[test]
fn memory_grows_by_what_goes_from_round_to_round() {
    let [once_4, twice_4, once_8, twice_8] =
        [deep(4), deep(8)].concat().iter().map(activations).collect::<Vec<_>>()[..]
    else {
        panic!("two models each")
    };
    let handed_on = 16 * 32 * 32 * 4;
    assert!(twice_4 * 2 < once_4, "{twice_4} bytes for {once_4}");
    assert!(once_8 - once_4 > 4 * 8 * handed_on, "{once_8} bytes for {once_4}");
    assert!(twice_8 - twice_4 < 4 * 3 * handed_on / 2, "{twice_8} bytes for {twice_4}");
}

/// Nothing but what gradients need is computed again, and nothing where no gradient is needed.
#[test]
fn what_no_gradient_needs_is_computed_once() {
    let again = |body: &str| -> Vec<String> {
        let text = format!(
            "model M {{ input x: [4] let y = x -> {body} y -> head: dense(3) loss mse optimizer sgd }}"
        );
        let models = models(&text);
        let pass = models[0].plan.train.as_ref().expect("a model that is trained");
        let functions = pass.functions.iter().map(|function| function.name.clone());
        functions.filter(|name| name.ends_with("_recompute")).collect()
    };
    // The relu's gradient is that of its value, which the head needs too.
    assert_eq!(again("recompute { a: dense(4) -> relu }"), [] as [&str; 0]);
    assert_eq!(again("recompute { a: dense(4) -> tanh -> b: dense(4) -> relu }"), ["a_recompute"]);
    assert_eq!(again("frozen { recompute { a: dense(4) -> tanh -> b: dense(4) -> relu } }"), [] as [&str; 0]);
    assert_eq!(
        again("recompute { a: dense(4) -> tanh -> recompute { b: dense(4) -> tanh } -> c: dense(4) }"),
        ["a_recompute", "b_recompute"]
    );
}

/// What is computed again is a call of its own, to be seen in tables by layer.
#[test]
fn what_is_computed_again_is_told_apart_in_the_costs() {
    let body = "recompute { a: dense(4) -> tanh -> b: dense(4) } dense(3)";
    let models = models(&format!("model M {{ input [4] {body} loss mse optimizer sgd }}"));
    let calls = calls::training(&models[0]).expect("a model that is trained");
    let again: Vec<&str> =
        calls.iter().filter(|call| call.part == Part::Recompute).map(|call| call.function.as_str()).collect();
    assert_eq!(again, ["a_recompute"]);
}
