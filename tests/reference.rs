//! Emitted f64 code against the reference interpreter, which runs the graph as it was before any rewrite; and both
//! against central differences. Models of sequences are in `sequences.rs`.

mod common;

use std::collections::BTreeMap;

use nnc::{Model, Train};
use nnc_compiler::catalogue::{Argument, Entry, Kind, catalogue};
use nnc_compiler::graph::Role;
use nnc_compiler::{Options, compile};

use common::differential::{batch, check, check_slopes, slopes_agree, text};
use common::{Emitted, Expected, Numbers, compiled, random_tensors};

macro_rules! models {
    ($($name:ident: $model:ident = $path:literal;)*) => {
        /// The files of all of them.
        const MODELS: &[&str] = &[$($path),*];

        $(
            mod $name {
                nnc::network!($path);

                #[test]
                fn emitted_code_is_the_reference() {
                    super::check($path, || $model::new(0));
                }

                #[test]
                fn gradients_are_slopes() {
                    super::check_slopes($path);
                }
            }
        )*
    };
}

models! {
    chain: Chain = "tests/data/models/chain.nn";
    channel_rows: ChannelRows = "tests/data/models/channel_rows.nn";
    large_kernels: LargeKernels = "tests/data/models/large_kernels.nn";
    odd_names: OddNames = "tests/data/models/odd_names.nn";
    position_parts: PositionParts = "tests/data/models/position_parts.nn";
    graph: Web = "tests/data/models/graph.nn";
    blocks: Blocks = "tests/data/models/blocks.nn";
    block_names: Named = "tests/data/models/block_names.nn";
    own: Own = "tests/data/models/own.nn";
    custom: Custom = "tests/data/models/custom.nn";
    binary: Binary = "tests/data/models/binary.nn";
    norms: Norms = "tests/data/models/norms.nn";
    channels: Channels = "tests/data/models/channels.nn";
    convolutions: Convolutions = "tests/data/models/convolutions.nn";
    winograd: Winograd = "tests/data/models/winograd.nn";
    signals: Signals = "tests/data/models/signals.nn";
    outputs: Outputs = "tests/data/models/outputs.nn";
    pools: Pools = "tests/data/models/pools.nn";
    halved: Halved = "tests/data/models/halved.nn";
    views: Views = "tests/data/models/views.nn";
    trained: Trained = "tests/data/models/trained.nn";
    slopes: Slopes = "tests/data/models/slopes.nn";
    frozen: Half = "tests/data/models/frozen.nn";
    recompute: Again = "tests/data/models/recompute.nn";
    shared: Twins = "tests/data/models/shared.nn";
    within: Within = "tests/data/models/within.nn";
    within_and_data: Both = "tests/data/models/within_and_data.nn";
    thaw: Thaw = "tests/data/models/thaw.nn";
    frozen_stored: Stored = "tests/data/models/frozen_stored.nn";
    activations: Activations = "tests/data/models/activations.nn";
    between: Between = "tests/data/models/between.nn";
    middle: Middle = "tests/data/models/middle.nn";
}

/// Uses of an entry: as it is, and with each argument another than its default.
fn uses(entry: &Entry) -> Vec<String> {
    let changed = |argument: &Argument| {
        let value = match (argument.range.as_deref(), argument.default.as_deref()?) {
            (Some("class"), _) => "1".to_owned(),
            (_, "true") => "false".to_owned(),
            (_, "false") => "true".to_owned(),
            // Kinks come nearer, so that there are values on both sides.
            (_, "0") => "0.25".to_owned(),
            (_, number) => (number.parse::<f64>().ok()? / 2.0).to_string(),
        };
        Some(format!("{} = {value}", argument.name))
    };
    let arguments: Vec<String> = entry.arguments.iter().filter_map(changed).collect();
    let mut uses = vec![entry.name.clone()];
    if !arguments.is_empty() {
        uses.push(format!("{}({})", entry.name, arguments.join(", ")));
    }
    uses
}

fn of_kind(kind: Kind) -> Vec<Entry> {
    catalogue().into_iter().filter(|entry| entry.kind == kind).collect()
}

/// A loss that f32 cannot tell is none, for the interpreter and for emitted code: nothing changes.
#[test]
fn a_loss_beyond_f32_changes_nothing() {
    nnc::network! {
        pub model Far { input [2] dense(1) loss mse optimizer sgd(lr = 1e-3) }
        train { batch 1  precision f64 }
    }
    let mut model = Far::new(1);
    let before = model.predict(&[1.0, 2.0]);
    let loss = model.train_step(&[[1.0, 2.0]], &[[1e25]]).expect("the batch is whole");
    assert_eq!((loss, model.steps()), (f32::INFINITY, 0));
    assert_eq!(model.predict(&[1.0, 2.0]), before);
    let loss = model.train_step(&[[1.0, 2.0]], &[[1e15]]).expect("the batch is whole");
    assert_eq!((loss.is_finite(), model.steps()), (true, 1));
}

/// What is not a number stays so through every activation but steps, so that a loss tells of it.
#[test]
fn activations_of_what_is_no_number_are_none() {
    nnc::network! {
        pub model Spread {
            input x: [2]
            let of_identity = x -> identity
            let of_sigmoid = x -> sigmoid
            let of_tanh = x -> tanh
            let of_relu = x -> relu
            let of_leaky_relu = x -> leaky_relu
            let of_softplus = x -> softplus
            let of_log_sigmoid = x -> log_sigmoid
            let of_elu = x -> elu
            let of_silu = x -> silu
            let of_swish = x -> swish
            let of_gelu = x -> gelu
            let of_softsign = x -> softsign
            let of_relu6 = x -> relu6
            let of_hard_tanh = x -> hard_tanh
            let of_hard_sigmoid = x -> hard_sigmoid
            let of_hard_swish = x -> hard_swish
            let of_selu = x -> selu
            let of_celu = x -> celu
            let of_mish = x -> mish
            let of_prelu = x -> prelu
            let of_softmax = x -> softmax
            let of_log_softmax = x -> log_softmax
            let of_glu = x -> glu
            let of_swiglu = x -> swiglu
            output of_identity, of_sigmoid, of_tanh, of_relu, of_leaky_relu, of_softplus, of_log_sigmoid, of_elu, of_silu, of_swish, of_gelu, of_softsign, of_relu6, of_hard_tanh, of_hard_sigmoid, of_hard_swish, of_selu, of_celu, of_mish, of_prelu, of_softmax, of_log_softmax, of_glu, of_swiglu
        }
    }
    let tested: Vec<&str> =
        Spread::new(1).info().outputs.iter().map(|output| output.name.trim_start_matches("of_")).collect();
    let all: Vec<String> = of_kind(Kind::Activation).iter().map(|entry| entry.name.clone()).collect();
    let but_steps: Vec<&String> =
        all.iter().filter(|name| !["step", "sign"].contains(&name.as_str())).collect();
    assert_eq!(tested, but_steps);
    for predicted in [Spread::new(1).predict(&[f32::NAN; 2]).to_vec(), {
        let mut rows = vec![0.0; 2 * Spread::new(1).info().output_len()];
        Spread::new(1).predict_rows(&[f32::NAN; 4], &mut rows).expect("two rows");
        rows
    }] {
        let finite = predicted.iter().position(|value| !value.is_nan());
        assert_eq!(finite, None, "{predicted:?}");
    }
}

/// A model of every activation, each behind a layer of its own; those that let no gradient pass look at the input.
fn all_activations() -> String {
    let mut text = "/// Every activation of the standard library, as it is and with other arguments. Made from the catalogue.\n\
        model Activations {\n    input x: [6]\n    // Far enough to both sides for every kink.\n    let wide = add(x, x, x, x, x, x)\n"
        .to_owned();
    let mut names = Vec::new();
    for call in of_kind(Kind::Activation).iter().flat_map(uses) {
        let behind = |layer: &str| {
            let text = format!("model M {{ input x: [6] {layer}{call} dense(1) loss mse optimizer sgd }}");
            !compile("one.nn", &text, &Options::default()).has_errors()
        };
        let layer = if behind("dense(6) -> ") { "dense(6) -> " } else { "" };
        names.push(format!("v{}", names.len() + 1));
        text.push_str(&format!("    let {} = wide -> {layer}{call}\n", names[names.len() - 1]));
    }
    text.push_str(&format!("    concat({})\n    head: dense(2)\n", names.join(", ")));
    text.push_str(
        "    loss mse\n    optimizer sgd(lr = 0.0001)\n}\n\ntrain {\n    batch 19\n    precision f64\n}\n",
    );
    let mut sources = nnc_grammar::span::SourceMap::new();
    let file = sources.add("activations.nn", &text);
    let parsed = nnc_grammar::parse(&sources, file);
    nnc_grammar::format(&sources, file, &parsed.ast)
}

/// `UPDATE_DOCS=1 cargo test --test reference` writes the model anew.
#[test]
fn every_activation_is_in_a_model() {
    let path = "tests/data/models/activations.nn";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")), all_activations())
            .expect("it can be written");
    }
    assert!(text(path) == all_activations(), "{path} is out of date: run with UPDATE_DOCS=1");
}

#[test]
fn every_layer_and_cell_is_in_a_model() {
    let mut applied: Vec<String> = Vec::new();
    // Models of sequences are compared in a test of their own.
    let sequences =
        ["attention", "masks", "rnn", "lstm", "gru"].map(|name| format!("tests/data/models/{name}.nn"));
    assert!(sequences.iter().all(|path| text("tests/sequences.rs").contains(path)));
    for path in MODELS.iter().copied().chain(sequences.iter().map(String::as_str)) {
        let applications = compiled(&text(path)).program.applications;
        applied.extend(applications.into_iter().filter_map(|application| match application.kind {
            nnc_compiler::program::Kind::Layer(layer, _) => Some(layer.name().to_owned()),
            nnc_compiler::program::Kind::Cell(cell) => Some(cell.name.clone()),
            nnc_compiler::program::Kind::Activation { .. } => None,
        }));
    }
    for entry in of_kind(Kind::Layer).into_iter().chain(of_kind(Kind::Cell)) {
        assert!(
            applied.contains(&entry.name),
            "{} {} is in no model of this test",
            entry.kind.noun(),
            entry.name
        );
    }
}

/// Losses have no model of their own: each is compared here, behind outputs between 0 and 1, which all are defined for,
/// and behind outputs above 0, where those with kinks have values on both sides.
#[test]
fn gradients_of_every_loss_are_slopes() {
    for entry in of_kind(Kind::Loss) {
        let mut calls = uses(&entry);
        if entry.arguments.iter().any(|argument| argument.name == "weights") {
            calls.push(format!("{}(weights = [1, 2, 0.5, 3, 0, 1.5])", entry.name));
        }
        for call in calls {
            let of = |head: &str| {
                let text = format!(
                    "model M {{ input [4] hidden: dense(5) -> tanh head: dense(6) -> {head} loss {call} optimizer sgd(lr = 0.1) }} \
                    train {{ precision f64 }}"
                );
                slopes_agree(&format!("{call} behind {head}"), &text)
            };
            assert!(of("sigmoid"), "{call} has no finite loss of outputs between 0 and 1");
            of("softplus");
        }
    }
    for call in ["cross_entropy(target = values)", "cross_entropy(target = values, weights = [1, 2, 0.5])"] {
        let text = format!(
            "model M {{ input [4] dense(3) loss {call} optimizer sgd(lr = 0.1) }} train {{ precision f64 }}"
        );
        assert!(slopes_agree(call, &text));
    }
}

/// Gradients of emitted code against central differences of a loss that is computed here from its predictions.
#[test]
fn emitted_gradients_are_slopes() {
    let model = compiled(&text("tests/data/models/slopes.nn"));
    let mut numbers = Numbers(9);
    let tensors = random_tensors(&model, &mut numbers);
    let (x, target) = batch(&model, 21, &mut numbers);
    let Expected::Values(values) = &target else { panic!("the model has values") };
    let mut emitted = Emitted(slopes::Slopes::new(0));
    emitted.set(&tensors);
    emitted.step(&x, &target);
    let after = emitted.get();
    for (tensor, before) in &tensors {
        let moved = before.iter().zip(&after[tensor]);
        let gradient: Vec<f64> = moved.map(|(before, after)| (before - after) * 16.0).collect();
        let largest = gradient.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
        for at in (0..gradient.len()).step_by((gradient.len() / 16).max(1)) {
            let mut loss_at = |by: f64| {
                let mut moved = tensors.clone();
                moved.get_mut(tensor).expect("it is there")[at] += by;
                emitted.set(&moved);
                let errors = emitted.predict(&x).into_iter().zip(values).map(|(y, t)| (y - t) * (y - t));
                errors.sum::<f64>() / values.len() as f64
            };
            let slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
            let error = (gradient[at] - slope).abs();
            assert!(error <= 1e-6 * largest, "d_{tensor}[{at}] = {}, by differences {slope}", gradient[at]);
        }
    }
}

/// What is frozen keeps its bits, and what is not does not.
#[test]
fn frozen_tensors_stay_as_they_are() {
    for path in ["tests/data/models/frozen.nn", "tests/data/models/frozen_stored.nn"] {
        let model = compiled(&text(path));
        let mut numbers = Numbers(4);
        let tensors = random_tensors(&model, &mut numbers);
        let mut emitted: Box<dyn Steps> = if path.contains("stored") {
            Box::new(Emitted(frozen_stored::Stored::new(0)))
        } else {
            Box::new(Emitted(frozen::Half::new(0)))
        };
        let after = emitted.after(&tensors, &batch(&model, 16, &mut numbers));
        for tensor in &model.info.tensors {
            let is_same = after[&tensor.name] == tensors[&tensor.name];
            let below = tensor.layer.starts_with("batch_norm") && !tensor.layer.ends_with("_2");
            let is_kept = tensor.role == Role::Frozen || tensor.role == Role::Buffer && below;
            assert_eq!(is_same, is_kept, "{path}: `{}`", tensor.name);
        }
        assert!(model.info.tensors.iter().any(|tensor| tensor.role == Role::Frozen));
    }
}

/// Models of several types behind one face.
trait Steps {
    fn after(
        &mut self,
        tensors: &BTreeMap<String, Vec<f64>>,
        batch: &(Vec<f64>, Expected),
    ) -> BTreeMap<String, Vec<f64>>;
}

impl<M: Train> Steps for Emitted<M> {
    fn after(
        &mut self,
        tensors: &BTreeMap<String, Vec<f64>>,
        batch: &(Vec<f64>, Expected),
    ) -> BTreeMap<String, Vec<f64>> {
        self.set(tensors);
        for _ in 0..4 {
            self.step(&batch.0, &batch.1);
        }
        self.get()
    }
}

mod late {
    nnc::network! {
        pub model Net {
            input [4]
            hidden: dense(5) -> tanh
            head: dense(2)
            loss mse
            optimizer adam(lr = 0.01, freeze = 1 for *)
        }
    }
}

mod early {
    nnc::network! {
        pub model Net {
            input [4]
            hidden: dense(5) -> tanh
            head: dense(2)
            loss mse
            optimizer adam(lr = 0.01)
        }
    }
}

/// Behind the epochs for which it is frozen, a parameter is trained as one whose training begins there.
#[test]
fn training_of_what_was_frozen_begins_where_that_ends() {
    let (mut late, mut early) = (Emitted(late::Net::new(3)), Emitted(early::Net::new(3)));
    late.0.set_horizon(4, 9);
    let mut numbers = Numbers(8);
    let batch = |numbers: &mut Numbers| (numbers.take(64), Expected::Values(numbers.take(32)));
    let start = late.get();
    assert_eq!(start, early.get());
    for _ in 0..4 {
        let (x, target) = batch(&mut numbers);
        late.step(&x, &target);
        assert_eq!(late.get(), start);
    }
    for _ in 0..5 {
        let (x, target) = batch(&mut numbers);
        assert_eq!(late.step(&x, &target), early.step(&x, &target));
        assert_eq!(late.get(), early.get());
        assert_ne!(late.get(), start);
    }
}
