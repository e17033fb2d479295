//! What this stage promises, rule by rule.

use nnc_grammar::diagnostic::Code;
use nnc_grammar::span::SourceMap;

use super::{Resolved, resolve};
use crate::compile::{Options, compile};
use crate::load::Uses;
use crate::ops::Value;
use crate::program::{
    DataSource, EarlyStopping, Kind, Precision, Program, Reduction, Storage, TargetKind, ValueExpr, ValueId,
};
use crate::scalar::{Scalar, Variable};
use crate::std_library::Library;

mod blocks;
mod carried;
mod cells;
mod gradients;
mod masks;
mod outputs;
mod pages;
mod ranges;
mod set;

fn resolved_with(text: &str, options: &Options) -> (Resolved, SourceMap) {
    let mut sources = SourceMap::new();
    let file = sources.add("test.nn", text);
    let parsed = nnc_grammar::parse(&sources, file);
    assert_eq!(parsed.diagnostics, [], "the text must be free of faults of syntax");
    let library = Library::load(&mut sources);
    let uses = Uses::default();
    let (tree, faults) = super::set(&mut sources, &parsed.ast, &uses, &library, options);
    let mut resolved = resolve(&sources, &tree, &uses, &library, options);
    resolved.diagnostics.splice(0..0, faults);
    (resolved, sources)
}

/// Codes with the text at their places, in order.
fn faults_with(text: &str, options: &Options) -> Vec<(Code, String)> {
    let (resolved, sources) = resolved_with(text, options);
    resolved
        .diagnostics
        .iter()
        .map(|fault| (fault.code, sources.text(fault.primary.span).to_owned()))
        .collect()
}

fn faults(text: &str) -> Vec<(Code, String)> {
    faults_with(text, &Options::default())
}

/// The one fault of a body that begins with `input x: [4]`.
#[track_caller]
fn assert_fault(body: &str, code: Code, place: &str) {
    let text = format!("model M {{ input x: [4] {body} }}");
    assert_eq!(faults(&text), [(code, place.to_owned())], "{text}");
}

#[track_caller]
fn assert_file_fault(text: &str, code: Code, place: &str) {
    assert_eq!(faults(text), [(code, place.to_owned())], "{text}");
}

/// The one program of a text without faults.
#[track_caller]
fn program(text: &str) -> Program {
    program_with(text, &Options::default())
}

#[track_caller]
fn program_with(text: &str, options: &Options) -> Program {
    let (mut resolved, _) = resolved_with(text, options);
    let errors: Vec<_> = resolved.diagnostics.iter().filter(|fault| fault.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(resolved.programs.len(), 1);
    resolved.programs.remove(0)
}

#[track_caller]
fn body(body: &str) -> Program {
    program(&format!("model M {{ input x: [4] {body} }}"))
}

fn layers(program: &Program) -> Vec<&str> {
    program.applications.iter().map(|application| application.layer.as_str()).collect()
}

fn inputs(program: &Program) -> Vec<Vec<u32>> {
    program
        .applications
        .iter()
        .map(|application| application.inputs.iter().map(|id| id.0).collect())
        .collect()
}

#[test]
fn the_library_has_no_fault() {
    let mut sources = SourceMap::new();
    let library = Library::load(&mut sources);
    assert_eq!(library.diagnostics, []);
    // Read as a user's file, every definition is checked.
    let text: String = crate::std_library::FILES.iter().map(|(_, text)| *text).collect();
    let (resolved, _) = resolved_with(&format!("{text} model M {{ input [2] relu }}"), &Options::default());
    let errors: Vec<_> = resolved.diagnostics.iter().filter(|fault| fault.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn layers_are_called_by_kind_and_place_or_label() {
    let program = body("dense(1) -> a: dense(2) -> dense(3) -> relu -> relu");
    assert_eq!(layers(&program), ["dense", "a", "dense_3", "relu", "relu_2"]);
    let flags: Vec<bool> = program.applications.iter().map(|application| application.labelled).collect();
    assert_eq!(flags, [false, true, false, false, false]);
}

#[test]
fn a_name_that_a_label_takes_is_passed_over() {
    let program = body("dense(1) -> dense(2) -> dense_2: dense(3)");
    assert_eq!(layers(&program), ["dense", "dense_3", "dense_2"]);
}

#[test]
fn bodies_put_the_names_inside_behind_a_path() {
    let block = "block pair(n) { dense(n) -> inner: dense(n) }";
    let program = program(&format!("{block} model M {{ input [4] pair(1) -> pair(2) -> stem: pair(3) }}"));
    assert_eq!(
        layers(&program),
        ["pair.dense", "pair.inner", "pair_2.dense", "pair_2.inner", "stem.dense", "stem.inner"]
    );
    let program = body("repeat 2 { dense(4) } trunk: repeat 1 { dense(4) }");
    assert_eq!(layers(&program), ["repeat.1.dense", "repeat.2.dense", "trunk.1.dense"]);
    let program = body("dense(4) residual { dense(4) } skip: residual { dense(4) -> a: dense(4) }");
    assert_eq!(layers(&program), ["dense", "dense_2", "residual", "skip.dense", "skip.a", "skip"]);
    let program = body("fork: branch { dense(1) } { dense(2) } -> concat");
    assert_eq!(layers(&program), ["fork.1.dense", "fork.2.dense", "concat"]);
}

#[test]
fn names_differ_in_emitted_code_too() {
    assert_fault("repeat 1 { dense(4) } repeat_1_dense: relu -> dense(3)", Code::W0103, "repeat_1_dense");
    let text = "block b(n) { c_d: dense(n) } block d(n) { d: dense(n) }
        model M { input [4] a: b(1) -> a_c: d(2) }";
    assert_file_fault(text, Code::E0206, "d");
}

#[test]
fn a_let_names_a_value_and_moves_nothing() {
    let program = body("dense(1) let a = dense(2) -> relu dense(3) add(a, x)");
    assert_eq!(inputs(&program), [vec![0], vec![1], vec![2], vec![1], vec![3, 0]]);
    assert_eq!(program.outputs[0].value, ValueId(5));
}

#[test]
fn a_chain_may_begin_with_a_value() {
    let program = body("let a = dense(2) x -> dense(3) a -> relu");
    assert_eq!(inputs(&program), [vec![0], vec![0], vec![1]]);
    assert_eq!(program.outputs[0].value, ValueId(3));
}

#[test]
fn residual_joins_what_the_body_made_with_what_went_in() {
    let program = body("dense(8) residual { dense(8) -> relu }");
    assert_eq!(inputs(&program), [vec![0], vec![1], vec![2], vec![3, 1]]);
    let Some(Kind::Layer(layer, _)) = program.applications.last().map(|last| &last.kind) else {
        panic!("no layer")
    };
    assert_eq!(layer.name(), "residual");
}

#[test]
fn branches_are_put_together_by_the_next_stage() {
    let program = body("dense(8) -> branch { dense(2) } { } { dense(3) -> relu } -> concat -> dense(1)");
    assert_eq!(inputs(&program), [vec![0], vec![1], vec![1], vec![3], vec![2, 1, 4], vec![5]]);
    assert_fault("branch { dense(2) } { dense(3) }", Code::E0302, "branch");
    assert_fault("branch { dense(2) } { dense(3) } -> dense(1)", Code::E0302, "branch");
    assert_fault("let b = branch { relu } { relu } add(x, b)", Code::E0302, "branch");
    assert_fault("branch { dense(2) }", Code::E0302, "branch");
    assert_fault("branch { relu } { relu } -> add(x, x)", Code::E0302, "add(x, x)");
}

#[test]
fn add_and_concat_take_two_values_or_more() {
    assert_fault("add(x)", Code::E0302, "add(x)");
    assert_fault("concat", Code::E0302, "concat");
    assert_fault("concat(x, dense(3))", Code::E0204, "dense(3)");
    assert_fault("concat(x, y)", Code::E0207, "y");
    assert_fault("dense(3) -> x", Code::E0216, "x");
    assert_fault("x(3) -> relu", Code::E0215, "x(3)");
}

#[test]
fn arguments_of_a_use_are_put_in() {
    let text = "block tower(size, depth = 2, act = true) { repeat depth { dense(size * 2, bias = act) } }
        model M(n = 3) { input [4] tower(n) }";
    let program =
        program_with(text, &Options { set: vec![("n".to_owned(), "5".to_owned())], ..Options::default() });
    assert_eq!(program.applications.len(), 2);
    for application in &program.applications {
        let Kind::Layer(_, arguments) = &application.kind else { panic!("no layer") };
        assert_eq!(arguments.count("units"), 10);
        assert_eq!(arguments.get("bias"), Some(&Value::Bool(true)));
    }
}

#[test]
fn layers_of_a_block_stand_at_its_use() {
    let text = "block pair(n) { dense(n) }\nmodel M { input [4] stem: pair(1) }";
    let (resolved, sources) = resolved_with(text, &Options::default());
    let application = &resolved.programs[0].applications[0];
    assert_eq!(sources.text(application.span), "stem: pair(1)");
    assert_eq!(sources.text(application.call_span), "dense(n)");
}

#[test]
fn activations_become_scalars() {
    let program = body("leaky_relu(slope = 1 / 4) -> gelu(approximate = true)");
    let texts: Vec<&str> = program
        .applications
        .iter()
        .filter_map(|application| match &application.kind {
            Kind::Activation { text, .. } => Some(text.as_str()),
            Kind::Layer(..) | Kind::Cell(_) => None,
        })
        .collect();
    assert_eq!(texts, ["leaky_relu(slope = 0.25)", "gelu(approximate = true)"]);
    let shown = program.to_string();
    assert!(shown.contains("if x > 0 { x } else { 0.25 * x }"), "{shown}");
    // The truth value chose: nothing of the other form is left.
    assert!(shown.contains("tanh") && !shown.contains("erf"), "{shown}");
}

#[test]
fn the_user_hides_the_library_and_not_from_itself() {
    let text = "activation softplus(x) = 7 model M { input [2] mish -> softplus }";
    let shown = program(text).to_string();
    assert!(shown.contains("x * tanh(log(1 + exp(x)))"), "{shown}");
    assert!(shown.contains("softplus of %1 = 7"), "{shown}");
    let shown = program("activation sigmoid(x) = 2 * sigmoid(x) model M { input [2] sigmoid }").to_string();
    assert!(shown.contains("= 2 * sigmoid(x)"), "{shown}");
    let layer = program("block dense(n) { relu } model M { input [2] dense(3) }");
    assert_eq!(layers(&layer), ["dense.relu"]);
}

#[test]
fn losses_have_a_target_and_a_reduction() {
    let text = |loss: &str| format!("model M {{ input [4] dense(3) loss {loss} optimizer sgd(lr = 1) }}");
    let loss = program(&text("cross_entropy")).losses.remove(0);
    assert_eq!((loss.target, loss.reduction), (TargetKind::Class, Reduction::Mean));
    let loss = program(&text("huber(delta = 2, reduction = sum)")).losses.remove(0);
    assert_eq!((loss.target, loss.reduction), (TargetKind::Values, Reduction::Sum));
    assert_eq!(loss.text, "huber(delta = 2, reduction = sum)");
    assert!(matches!(loss.body, ValueExpr::Reduce(Reduction::Sum, _)));
    let loss = program(&text("mse(reduction = mean)")).losses.remove(0);
    assert!(matches!(loss.body, ValueExpr::Reduce(Reduction::Mean, _)));
    assert_eq!(faults(&text("mse(reduction = max)")), [(Code::E0204, "max".to_owned())]);
    assert_eq!(faults(&text("mse(3)")), [(Code::E0215, "3".to_owned())]);
    assert_eq!(faults(&text("cross_entrpy")), [(Code::E0211, "cross_entrpy".to_owned())]);
}

#[test]
fn numbers_of_an_optimizer_stay_variable_and_truth_values_are_put_in() {
    let text =
        "model M { input [4] dense(3) loss mse optimizer adam(0.5, beta1 = 0.25, bias_correction = false) }";
    let optimizer = program(text).optimizer.unwrap();
    assert_eq!(optimizer.text, "adam(lr = 0.5, beta1 = 0.25, bias_correction = false)");
    let hyper: Vec<(&str, f64)> =
        optimizer.hyper.iter().map(|hyper| (hyper.name.as_str(), hyper.value.base)).collect();
    assert_eq!(hyper, [("lr", 0.5), ("beta1", 0.25), ("beta2", 0.999), ("eps", 1e-8)]);
    assert_eq!(optimizer.rate, Some(0));
    let states: Vec<&str> = optimizer.states.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(states, ["m", "v"]);
    assert!(optimizer.states.iter().all(|(_, initial)| initial.is(0.0)));
    let targets: Vec<Variable> = optimizer.assignments.iter().map(|assign| assign.target).collect();
    let expected =
        [Variable::State(0), Variable::State(1), Variable::Local(0), Variable::Local(1), Variable::Weight];
    assert_eq!(targets, expected);
    // Without the correction a local is the moment itself.
    assert_eq!(optimizer.assignments[2].value, Scalar::Variable(Variable::State(0)));
}

#[test]
fn optimizers_assign_weight_and_states() {
    let check = |inside: &str, code, place| {
        let text = format!(
            "optimizer o(lr) {{ {inside} }} model M {{ input [1] dense(1) loss mse optimizer o(lr = 1) }}"
        );
        assert_file_fault(&text, code, place);
    };
    check("let a = gradient", Code::E0217, "o");
    check("weight = 0 velocity = 1", Code::E0217, "velocity");
    check("weight = 0 lr = 1", Code::E0217, "lr");
    check("let a = 1 a = 2 weight = a", Code::E0217, "a");
    check("let a = 1 let a = 2 weight = a", Code::E0206, "a");
    check("let gradient = 1 weight = 1", Code::E0206, "gradient");
    check("state lr = 0 weight = 1", Code::E0206, "lr");
    check("state s weight = s", Code::E0217, "s");
    check("state s = gradient weight = s", Code::E0207, "gradient");
    check("weight = weigth - lr", Code::E0207, "weigth");
}

#[test]
fn ranges_are_checked() {
    assert_fault("dense(0)", Code::E0205, "0");
    assert_fault("dense(2.5)", Code::E0205, "2.5");
    assert_fault("dense(1 / 0)", Code::E0205, "1 / 0");
    assert_fault("repeat 0 { relu }", Code::E0205, "0");
    assert_fault("dense(1) loss mse optimizer sgd(lr = 0)", Code::E0205, "0");
    assert_fault("dense(1) loss mse optimizer sgd(lr = -1)", Code::E0205, "-1");
    assert_file_fault("model M { input [0] relu }", Code::E0301, "0");
    assert_file_fault("model M { input [2, 1.5] relu }", Code::E0301, "1.5");
    assert_file_fault("model M { input [] relu }", Code::E0301, "[]");
}

#[test]
fn arguments_are_checked() {
    assert_fault("dense(16, biass = false)", Code::E0202, "biass");
    assert_fault("dense", Code::E0203, "dense");
    assert_fault("dense(16, bias = 1)", Code::E0204, "1");
    assert_fault("dense(16, units = 3)", Code::E0206, "units = 3");
    assert_fault("relu(3)", Code::E0215, "3");
    assert_fault("dense(n)", Code::E0207, "n");
    assert_fault("dense(3, init = hee)", Code::E0213, "hee");
    assert_fault("dense(3, init = 0.1)", Code::E0204, "0.1");
    assert_fault("dense(3, unroll = ful)", Code::E0204, "ful");
    assert_fault("rleu", Code::E0201, "rleu");
    assert_fault("residual(3)", Code::E0201, "residual");
}

#[test]
fn a_fault_is_told_once_and_what_follows_is_still_checked() {
    let text = "model M { input [4] dnse(3) -> dense(3) -> rleu let a = dense(1) add(a, b) dense(0) }";
    let codes: Vec<Code> = faults(text).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [Code::E0201, Code::E0201, Code::E0207, Code::E0205]);
}

#[test]
fn what_is_left_of_a_model_at_fault_has_its_shapes_checked() {
    let text = "model M { input [4, 4, 4] dense(3) let a = rleu dense(3, init = hee) }";
    let compilation = compile("test.nn", text, &Options::default());
    let codes: Vec<Code> = compilation.diagnostics.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, [Code::E0303, Code::E0201, Code::E0213]);
    assert!(compilation.models.is_empty());
}

#[test]
fn definitions_are_checked_used_or_not() {
    let file = |definition: &str| format!("{definition} model M {{ input [4] dense(3) }}");
    let check = |definition: &str, code, place| assert_file_fault(&file(definition), code, place);
    check("activation a(x) = y", Code::E0207, "y");
    check("activation a(x) = x > 0", Code::E0204, "x > 0");
    check("activation a = 3", Code::E0217, "a");
    check("activation a(x, x) = x", Code::E0206, "x");
    check("activation a(x) = a(x)", Code::E0208, "a(x)");
    check("activation a(x) = b(x) activation b(x) = a(x)", Code::E0208, "a(x)");
    check("block b(n) { b(n) }", Code::E0208, "b(n)");
    check("block b(n) { dense(m) }", Code::E0207, "m");
    check("block b(n) { loss mse }", Code::E0216, "mse");
    check("block b(input) { relu }", Code::E0206, "input");
    check("loss l(output, target) = output", Code::E0217, "output");
    check("loss l(output, target) = mean(target)", Code::E0217, "mean(target)");
    check("loss l(y, target) = 1", Code::E0217, "y");
    check("init i = fan", Code::E0207, "fan");
    check("activation a(x) = x activation a(x) = x", Code::E0206, "a");
}

#[test]
fn recursion_names_every_step() {
    let (resolved, _) = resolved_with(
        "activation a(x) = b(x) activation b(x) = c(x) activation c(x) = a(x) model M { input [1] a }",
        &Options::default(),
    );
    let [fault] = resolved.diagnostics.as_slice() else { panic!("{:#?}", resolved.diagnostics) };
    assert_eq!(fault.notes, ["`a` calls `b` calls `c` calls `a`"]);
}

#[test]
fn inputs_have_names_of_their_own_and_are_used() {
    assert_fault("input x: [3] dense(3)", Code::E0206, "x");
    assert_fault("input y: [0] add(x, y) -> dense(3)", Code::E0301, "0");
    assert_fault("input y: [3] dense(3)", Code::W0102, "input x: [4]");
    assert_fault("input y: [3] let z = x -> dense(3) output z, y", Code::E0217, "y");
}

#[test]
fn frozen_layers_are_not_trained_and_count_on() {
    let program = body("dense(3) frozen { dense(3) -> relu -> residual { dense(3) } } dense(3)");
    let trained: Vec<(&str, bool)> =
        program.applications.iter().map(|made| (made.layer.as_str(), made.trainable)).collect();
    assert_eq!(
        trained,
        [
            ("dense", true),
            ("dense_2", false),
            ("relu", false),
            ("dense_3", false),
            ("residual", false),
            ("dense_4", true)
        ]
    );
    assert_eq!(layers(&body("trunk: frozen { dense(3) } dense(3)")), ["trunk.dense", "dense"]);
}

#[test]
fn bodies_that_are_computed_again_are_told_apart_and_count_on() {
    let text = "dense(3) repeat 2 { recompute { dense(3) -> recompute { relu } } } let a = recompute { dense(3) } let b = relu add(a, b)";
    let program = body(text);
    let again: Vec<(&str, Option<u32>)> =
        program.applications.iter().map(|made| (made.layer.as_str(), made.recompute)).collect();
    assert_eq!(
        again,
        [
            ("dense", None),
            ("repeat.1.dense", Some(1)),
            ("repeat.1.relu", Some(1)),
            ("repeat.2.dense", Some(2)),
            ("repeat.2.relu", Some(2)),
            ("dense_2", Some(3)),
            ("relu", None),
            ("add", None)
        ]
    );
    assert_eq!(layers(&body("trunk: recompute { dense(3) } dense(3)")), ["trunk.dense", "dense"]);
}

#[test]
fn a_label_used_twice_names_the_same_layers() {
    let text = "model M { input x: [4] x -> f: tower -> dense(4) -> f: tower f: tower }
        block tower { dense(4) inner: dense(4) -> dense(4) }";
    let f = ["f.dense", "f.inner", "f.dense_3"];
    assert_eq!(layers(&program(text)), [&f[..], &["dense"], &f, &f].concat());
    assert_eq!(
        layers(&body("g: repeat 2 { dense(4) } g: repeat 2 { dense(4) } dense(4)")),
        ["g.1.dense", "g.2.dense", "g.1.dense", "g.2.dense", "dense"]
    );
    assert_eq!(layers(&body("a: dense(4) a: dense(4) dense(4)")), ["a", "a", "dense_3"]);
}

#[test]
fn settings_for_some_layers_are_checked() {
    let told = |settings: &str| {
        faults(&format!("model M {{ input [4] a: dense(4) loss mse optimizer sgd(lr = 0.1, {settings}) }}"))
    };
    let fault = |code: Code, place: &str| vec![(code, place.to_owned())];
    assert_eq!(told("freeze = true for a.*, freeze = 2.5 for a.bias, lr_factor = 0.1 for *.bias"), []);
    assert_eq!(told("freeze = 2"), fault(Code::E0202, "freeze = 2"));
    assert_eq!(told("freeze = -1 for a.*"), fault(Code::E0205, "-1"));
    assert_eq!(told("freeze = false for a.*"), fault(Code::E0204, "false"));
    assert_eq!(told("freeze = cosine(2) for a.*"), fault(Code::E0204, "cosine(2)"));
    assert_eq!(told("lr_factor = 0 for a.*"), fault(Code::E0205, "0"));
    let text = "model M { input [4] a: dense(4) loss mse optimizer sgd(lr = 1, freeze = 5 for a.*) } train { epochs 5 }";
    assert_eq!(faults(text), fault(Code::E0205, "5"));
    let text = "model M { input [4] dense(4) loss mse optimizer plain(size = 0.1, lr_factor = 2) }
        optimizer plain(size) { weight = weight - size * gradient }";
    assert_eq!(faults(text), fault(Code::E0202, "plain(size = 0.1, lr_factor = 2)"));
}

#[test]
fn a_loss_compares_with_a_value_of_the_model() {
    let text = |loss: &str| {
        format!(
            "model M {{ input x: [4] let code = dense(2) code -> dense(4) {loss} optimizer sgd(lr = 1) }}"
        )
    };
    let loss = |loss: &str| program(&text(loss)).losses.remove(0);
    assert_eq!(loss("loss mse(target = x)").within.map(|(value, _)| value.0), Some(0));
    assert_eq!(loss("loss mse").within, None);
    assert_eq!(loss("loss cross_entropy(target = x)").target, TargetKind::Values);
    assert_eq!(faults(&text("loss mse(target = y)")), [(Code::E0207, "y".to_owned())]);
    assert_eq!(faults(&text("loss mse(target = 3)")), [(Code::E0204, "3".to_owned())]);
    // A value that a loss alone looks at is used.
    let text =
        "model M { input x: [4] let code = dense(4) dense(4) loss mse(target = code) optimizer sgd(lr = 1) }";
    assert_eq!(faults(text), []);
    let compiled = |loss: &str| {
        let text = text.replace("mse(target = code)", loss);
        compile("test.nn", &text, &Options::default())
    };
    assert!(!compiled("mse(target = code)").has_errors());
    let other = text.replace("let code = dense(4)", "let code = dense(3)");
    let faults = compile("test.nn", &other, &Options::default()).diagnostics;
    assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::E0305]);
}

#[test]
fn a_table_needs_a_target_where_a_loss_compares_with_one() {
    let text = |loss: &str| {
        format!("data {{ csv \"a.csv\" }} model M {{ input x: [4] dense(4) {loss} optimizer sgd(lr = 1) }}")
    };
    assert_eq!(faults(&text("loss mse(target = x)")), []);
    assert_eq!(faults(&text("loss mse")), [(Code::E0203, "data".to_owned())]);
    assert_eq!(faults(&text("loss mse(target = x) loss mae")), [(Code::E0203, "data".to_owned())]);
}

#[test]
fn statements_have_their_places() {
    assert_fault("residual { loss mse } dense(3)", Code::E0216, "mse");
    assert_fault("residual { output x } dense(3)", Code::E0216, "output x");
    assert_fault("y = 3 dense(3)", Code::E0216, "y = 3");
    assert_fault("dense(3) loss mse loss mse optimizer sgd", Code::E0206, "mse");
    assert_fault("dense(3) loss mse optimizer sgd optimizer adam", Code::E0206, "adam");
    assert_fault("dense(3) metrics accuracy, acuracy", Code::E0214, "acuracy");
    assert_fault("dense(3) metrics mae, mae", Code::E0206, "mae");
    assert_fault("dense(3) loss mse optimizer sgd metrics mae, top_5", Code::E0214, "top_5");
    assert_fault("dense(3) loss cross_entropy optimizer sgd metrics confusion, r2", Code::E0214, "r2");
    assert_fault("dense(3) optimizer sgd", Code::E0401, "sgd");
}

#[test]
fn names_of_other_frameworks_are_understood() {
    for (body, advice) in [
        ("Linear(3)", "did you mean `dense`?"),
        ("dense(3) metric", "did you mean `metrics`?"),
        ("dense(out_features = 3)", "did you mean `units`?"),
        ("dense(3, activation = relu)", "an activation is a stage of its own: `dense(16) -> relu`"),
        ("dense(3) loss MSELoss optimizer sgd", "did you mean `mse`?"),
        ("dense(3) loss mse optimizer sgd(learning_rate = 1)", "did you mean `lr`?"),
        (
            "dense(3) loss mse optimizer sgd(momentum = 0.9)",
            "`momentum` is an optimizer of its own: `optimizer momentum(lr = 0.01, beta = 0.9)`",
        ),
        ("dense(3) loss mse optimizer sgd metrics mean_absolute_error", "did you mean `mae`?"),
        ("dense(3, init = XavierUniform)", "did you mean `xavier`?"),
    ] {
        let (resolved, _) = resolved_with(&format!("model M {{ input x: [4] {body} }}"), &Options::default());
        let help: Vec<&str> =
            resolved.diagnostics.iter().flat_map(|fault| &fault.help).map(String::as_str).collect();
        assert_eq!(help, [advice], "{body}");
    }
}

#[test]
fn a_model_has_an_input_and_a_chain() {
    assert_file_fault("model M { dense(3) }", Code::E0210, "M");
    assert_file_fault("model M { dense(3) input [4] }", Code::E0219, "dense(3)");
    assert_file_fault("model M { input [4] }", Code::E0217, "M");
    assert_file_fault("model M { input [4] let a = dense(3) }", Code::E0217, "M");
    assert_file_fault("activation a(x) = x", Code::E0221, "a");
    assert_file_fault("model M { input [4] relu } model M { input [4] relu }", Code::E0206, "M");
}

#[test]
fn training_needs_loss_and_optimizer_together() {
    let text = "model M { input [4] dense(3) loss mse }";
    assert!(program(text).optimizer.is_none());
    assert_file_fault(&format!("{text} train {{ epochs 3 }}"), Code::E0402, "mse");
}

#[test]
fn expansion_ends() {
    assert_fault("repeat 1000000000 { }", Code::E0502, "{ }");
    assert_fault("repeat 100 { repeat 100 { repeat 100 { relu } } }", Code::E0502, "{ relu }");
    assert_eq!(body("repeat 4000 { relu }").applications.len(), 4000);
    let doubled: String = (0..40).map(|n| format!("block b{}(n) {{ b{n}(n) -> b{n}(n) }} ", n + 1)).collect();
    let text = format!("block b0(n) {{ relu }} {doubled} model M {{ input [4] b40(1) }}");
    let codes: Vec<Code> = faults(&text).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [Code::E0502]);
}

#[test]
fn formulas_end() {
    let doubled: String = (0..40).map(|n| format!("activation a{}(x) = a{n}(a{n}(x)) ", n + 1)).collect();
    let text = format!("activation a0(x) = x * x {doubled} model M {{ input [4] a40 }}");
    let codes: Vec<Code> = faults(&text).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [Code::E0502]);
}

#[test]
fn parameters_of_a_model_are_set_from_outside() {
    let set = |name: &str, value: &str| Options {
        set: vec![(name.to_owned(), value.to_owned())],
        ..Options::default()
    };
    let text = "model M(hidden, bias = true) { input [4] dense(hidden, bias = bias) }";
    assert_eq!(faults(text), [(Code::E0203, "hidden".to_owned())]);
    let program = program_with(text, &set("hidden", "2 * 8"));
    let Kind::Layer(_, arguments) = &program.applications[0].kind else { panic!("no layer") };
    assert_eq!(arguments.count("units"), 16);
    assert_eq!(faults_with(text, &set("hidden", "true")), [(Code::E0204, "hidden".to_owned())]);
    let codes: Vec<Code> = faults_with(text, &set("hiden", "3")).into_iter().map(|(code, _)| code).collect();
    assert!(codes.contains(&Code::E0218), "{codes:?}");
}

#[test]
fn one_model_of_several_can_be_chosen() {
    let text = "activation a(x) = x model A { input [4] a } model B { input [4] relu }";
    let options = |name: &str| Options { model: Some(name.to_owned()), ..Options::default() };
    assert_eq!(program_with(text, &options("B")).name, "B");
    assert_eq!(faults_with(text, &options("C")), [(Code::E0221, "A".to_owned())]);
    // The other model may use what this one does not.
    assert_eq!(faults_with(text, &options("B")), []);
}

#[test]
fn what_nobody_uses_is_a_warning() {
    let text = "activation a(x) = b(x) activation b(x) = x model M { input [4] relu }";
    assert_eq!(faults(text), [(Code::W0102, "a".to_owned()), (Code::W0102, "b".to_owned())]);
    assert_fault("let a = dense(3) dense(3)", Code::W0102, "a");
    assert_eq!(faults("init i = 1 block b(n) { dense(n, init = i) } model M { input [4] b(2) }"), []);
}

#[test]
fn labels_name_parameters() {
    assert_fault("bend: relu", Code::W0103, "bend");
    assert_fault("join: add(x, x)", Code::W0103, "join");
    assert_eq!(faults("model M { input [4] norm: normalize -> head: dense(3) }"), []);
}

fn with_section(section: &str) -> String {
    format!("model M {{ input [4] dense(3) loss mse optimizer sgd }} {section}")
}

#[test]
fn classes_are_names_or_numbers() {
    let of = |keys: &str| with_section(&format!("data {{ csv \"a.csv\" target y {keys} }}"));
    let data = program(&of("classes [5, setosa, \"iris virginica\"] rows 500")).data.unwrap();
    let names: Vec<&str> = data.classes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, data.rows), (vec!["5", "setosa", "iris virginica"], Some(500)));
    assert_eq!(faults(&of("rows 0")), [(Code::E0205, "0".to_owned())]);
    assert_eq!(faults(&of("classes [5, 5]")), [(Code::E0206, "5".to_owned())]);
    assert_eq!(faults(&of("classes []")), [(Code::E0205, "[]".to_owned())]);
    assert_eq!(faults(&of("classes [true]")), [(Code::E0204, "true".to_owned())]);
}

#[test]
fn the_data_section_is_read() {
    let csv = "data { csv \"a.csv\" target [\"petal length\", y] ignore id split 4 / 5 validation 0.1 stratify true delimiter \";\" }";
    let data = program(&with_section(csv)).data.unwrap();
    assert_eq!(data.source, DataSource::Csv { path: "a.csv".to_owned(), test: None });
    let names: Vec<&str> = data.target.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["petal length", "y"]);
    assert_eq!((data.split, data.validation, data.stratify, data.delimiter), (0.8, 0.1, true, ';'));
    let idx = "data { idx \"a\" labels \"b\" test \"c\" test_labels \"d\" }";
    let data = program(&with_section(idx)).data.unwrap();
    let test = Some(("c".to_owned(), "d".to_owned()));
    assert_eq!(data.source, DataSource::Idx { images: "a".to_owned(), labels: "b".to_owned(), test });
    assert_eq!((data.split, data.scale), (1.0, 1.0 / 255.0));
    let data =
        program(&with_section("data { images \"photos\" classes [b, a] stratify true }")).data.unwrap();
    assert_eq!(data.source, DataSource::Images { folder: "photos".to_owned(), test: None });
    assert_eq!((data.split, data.scale, data.stratify), (1.0, 1.0 / 255.0, true));
    let of = |keys: &str| program(&with_section(&format!("data {{ {keys} }}"))).data.unwrap();
    let data = of("npy \"x.npy\" labels \"y.npy\" test \"tx.npy\" test_labels \"ty.npy\"");
    let text = |text: &str| text.to_owned();
    let test = Some((text("tx.npy"), Some(text("ty.npy"))));
    assert_eq!(data.source, DataSource::Npy { inputs: text("x.npy"), labels: Some(text("y.npy")), test });
    assert_eq!(data.scale, 1.0);
    let data = of("npz \"set.npz\" split 0.5");
    let arrays = vec![text("x"), text("y")];
    assert_eq!(data.source, DataSource::Npz { path: text("set.npz"), arrays, test: None });
    let data = of("npz \"set.npz\" arrays [a, b, \"a test\", d] scale 1 / 16");
    let arrays = ["a", "b", "a test", "d"].map(text).to_vec();
    assert_eq!(data.source, DataSource::Npz { path: text("set.npz"), arrays, test: None });
    assert_eq!(data.scale, 1.0 / 16.0);
}

#[test]
fn the_data_section_is_checked() {
    let check = |inside: &str, code, place| {
        assert_file_fault(&with_section(&format!("data {{ {inside} }}")), code, place)
    };
    check("csv \"a\" targt y target y", Code::E0209, "targt");
    check("csv \"a\"", Code::E0203, "data");
    check("target y", Code::E0203, "data");
    check("csv \"a\" target y idx \"b\"", Code::E0216, "idx");
    check("csv \"a\" target y labels \"b\"", Code::E0216, "labels");
    check("idx \"a\" labels \"b\" target y", Code::E0216, "target");
    check("idx \"a\" labels \"b\" test \"c\"", Code::E0203, "test");
    check("text \"a\" csv \"b\"", Code::E0216, "text");
    check("text \"a\" stratify true", Code::E0216, "stratify");
    check("text \"a\" classes [b, c]", Code::E0216, "classes");
    check("images \"a\" csv \"b\" target y", Code::E0216, "images");
    check("images \"a\" labels \"b\"", Code::E0216, "labels");
    check("images photos", Code::E0204, "photos");
    check("npy \"x\"", Code::E0203, "data");
    check("npy \"x\" labels \"y\" test \"a\"", Code::E0203, "test");
    check("npy \"x\" labels \"y\" test_labels \"a\"", Code::E0203, "test_labels");
    check("npy \"x\" labels \"y\" arrays [a, b]", Code::E0216, "arrays");
    check("npy \"x\" npz \"y\"", Code::E0216, "npz");
    check("npz \"x\" labels \"y\"", Code::E0216, "labels");
    check("npz \"x\" arrays [a]", Code::E0203, "data");
    check("npz \"x\" arrays [a, b, c]", Code::E0205, "[a, b, c]");
    check("npz \"x\" arrays [a, a]", Code::E0206, "a");
    check("npz \"x\" arrays [a, b, c, d] test \"y\"", Code::E0216, "test");
    check("npz \"x\" arrays [a, b, c, d] split 0.5", Code::E0216, "split");
    check("image \"photos\" csv \"a\" target y", Code::E0209, "image");
    check("text \"a\" stride 0", Code::E0205, "0");
    check("csv \"a\" target y stride 2", Code::E0216, "stride");
    check("csv \"a\" target y split 0", Code::E0205, "0");
    check("csv \"a\" target y split 1.5", Code::E0205, "1.5");
    check("csv \"a\" target y validation 1", Code::E0205, "1");
    check("csv \"a\" target y test \"b\" split 0.5", Code::E0216, "split");
    check("csv \"a\" target y target z", Code::E0206, "target");
    check("csv \"a\" target y features [x, y]", Code::E0206, "y");
    check("csv a target y", Code::E0204, "a");
    check("csv \"a\" target 3", Code::E0204, "3");
    check("csv \"a\" target y delimiter \"ab\"", Code::E0205, "\"ab\"");
    assert_file_fault(
        &with_section("data { csv \"a\" target y } data { csv \"b\" target y }"),
        Code::E0206,
        "data",
    );
}

/// A model of images with such an input, and what is done to them.
fn augmented(input: &str, augment: &str) -> String {
    format!(
        "model M {{ input {input} flatten dense(3) loss mse optimizer sgd }} data {{ idx \"a\" labels \"b\" augment {augment} }}"
    )
}

#[test]
fn augmentations_are_read() {
    let of = |input: &str, augment: &str| {
        let steps = program(&augmented(input, augment)).data.unwrap().augment;
        steps.iter().map(|step| step.kind.to_string()).collect::<Vec<_>>()
    };
    let all = "[shift(2), flip, crop(padding = 4, fill = reflect), noise(1 / 8)]";
    assert_eq!(
        of("[1, 28, 28]", all),
        ["shift(2)", "flip", "crop(padding = 4, fill = reflect)", "noise(0.125)"]
    );
    assert_eq!(of("[5, 6]", "crop(4)"), ["crop(padding = 4)"]);
    assert_eq!(of("[6, 5]", "flip"), ["flip"]);
    assert_eq!(
        of("[1, 5, 6]", "[crop(padding = pixels, fill = edge)]".replace("pixels", "1 + 1").as_str()),
        ["crop(padding = 2, fill = edge)"]
    );
    // Noise needs no image.
    let table = "model M { input [4] dense(3) loss mse optimizer sgd } data { csv \"a\" target y augment noise(0.1) }";
    assert_eq!(program(table).data.unwrap().augment.len(), 1);
}

#[test]
fn augmentations_are_checked() {
    let check = |input: &str, augment: &str, code, place| {
        assert_file_fault(&augmented(input, augment), code, place);
    };
    check("[1, 8, 9]", "[shift(2), flop]", Code::E0204, "flop");
    check("[1, 8, 9]", "[rotate(3)]", Code::E0204, "rotate");
    check("[1, 8, 9]", "3", Code::E0204, "3");
    check("[1, 8, 9]", "[]", Code::E0205, "[]");
    check("[1, 8, 9]", "[flip, shift(1), flip]", Code::E0206, "flip");
    check("[1, 8, 9]", "shift", Code::E0203, "shift");
    check("[1, 8, 9]", "flip(2)", Code::E0215, "2");
    check("[1, 8, 9]", "shift(0)", Code::E0205, "0");
    check("[1, 8, 9]", "shift(1.5)", Code::E0205, "1.5");
    check("[1, 8, 9]", "shift(8)", Code::E0205, "shift(8)");
    check("[1, 8, 9]", "crop(padding = 9)", Code::E0205, "crop(padding = 9)");
    check("[1, 8, 9]", "crop(2, fill = mirror)", Code::E0204, "mirror");
    check("[1, 8, 9]", "crop(pading = 2)", Code::E0202, "pading");
    check("[1, 8, 9]", "noise(0)", Code::E0205, "0");
    check("[1, 8, 9]", "noise(-1)", Code::E0205, "-1");
    check("[1, 8, 9]", "noise(std = 1 / 0)", Code::E0205, "1 / 0");
    check("[1, 1, 9]", "shift(1)", Code::E0205, "shift(1)");
    check("[72]", "[noise(1), flip, shift(2)]", Code::E0303, "flip");
    let two = "model M { input a: [2, 2] input b: [2, 2] add(a, b) flatten dense(3) loss mse optimizer sgd } data { csv \"a\" target y augment noise(1) }";
    assert_file_fault(two, Code::E0216, "noise(1)");
    assert_file_fault(&with_section("data { text \"a\" augment noise(1) }"), Code::E0216, "augment");
}

#[test]
fn the_train_section_is_read_and_checked() {
    let train =
        "train { epochs 3 batch 8 seed 9 shuffle false precision f64 stop early_stopping(min_delta = 0.5) }";
    let train = program(&with_section(train)).train;
    assert_eq!((train.epochs, train.batch, train.seed, train.shuffle), (3, 8, 9, false));
    assert_eq!(train.precision, Precision::F64);
    assert_eq!(train.stop, Some(EarlyStopping { patience: 10, min_delta: 0.5 }));
    let check = |inside: &str, code, place| {
        assert_file_fault(&with_section(&format!("train {{ {inside} }}")), code, place)
    };
    let weights = program(&with_section("train { weights \"base.safetensors\" partial true }")).train.weights;
    let weights = weights.map(|weights| (weights.path, weights.is_partial));
    assert_eq!(weights, Some(("base.safetensors".to_owned(), true)));
    check("weights base", Code::E0204, "base");
    check("weights \"\"", Code::E0205, "\"\"");
    check("partial true", Code::E0216, "partial");
    check("weights \"a\" partial 1", Code::E0204, "1");
    check("weight \"a\"", Code::E0209, "weight");
    check("epoch 3", Code::E0209, "epoch");
    check("epochs 0", Code::E0205, "0");
    check("batch 0", Code::E0205, "0");
    check("batch 1.5", Code::E0205, "1.5");
    check("seed -1", Code::E0205, "-1");
    check("shuffle 1", Code::E0204, "1");
    check("precision f16", Code::E0204, "f16");
    check("storage f16", Code::E0204, "f16");
    check("precision f64 storage bf16", Code::E0216, "bf16");
    assert_eq!(program(&with_section("train { storage bf16 }")).train.storage, Storage::Bf16);
    assert_eq!(program(&with_section("train { precision f64 storage full }")).train.storage, Storage::Full);
    check("stop early", Code::E0204, "early");
    check("stop early_stopping(patience = 0)", Code::E0205, "0");
    check("stop early_stopping(patients = 3)", Code::E0202, "patients");
}
