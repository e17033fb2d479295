//! What is emitted, and what each stage prints, as files under `tests/snapshots`. Read a change before it is accepted:
//! `INSTA_UPDATE=always cargo test -p nnc --test snapshots`, and then the difference.

use nnc_compiler::{CompiledModel, Options, compile, to_rust};

/// A model as the command compiles it, called by its file's name.
fn model(path: &str) -> CompiledModel {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
        .expect("the model is there");
    let name = path.rsplit('/').next().unwrap_or(path);
    let compilation = compile(name, &text, &Options::default());
    assert!(!compilation.has_errors(), "{:#?}", compilation.diagnostics);
    compilation.models.into_iter().next().expect("a model")
}

/// Emitted code; the same tokens and the same bytes in two runs of the compiler.
fn emitted(path: &str) -> String {
    let (first, second) = (to_rust(&model(path).tokens), to_rust(&model(path).tokens));
    assert_eq!(first, second, "{path} is emitted differently from run to run");
    first
}

macro_rules! snapshots {
    ($($name:ident = $path:literal;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(concat!(stringify!($name), "_rust"), emitted($path));
            }
        )*
    };
}

snapshots! {
    rnn = "tests/data/models/rnn.nn";
    two_towers = "tests/data/pytorch/models/two_towers.nn";
    iris = "examples/iris/iris.nn";
    xor = "benches/xor.nn";
    dag = "tests/data/pytorch/models/dag.nn";
    own = "tests/data/models/own.nn";
    wide = "benches/wide.nn";
    halves = "tests/data/models/halves.nn";
    regular = "tests/data/models/regular.nn";
    mlp = "examples/zoo/mlp/mlp.nn";
    lenet5 = "examples/zoo/lenet5/lenet5.nn";
    char_rnn = "examples/zoo/char_rnn/char_rnn.nn";
}

#[test]
fn iris_stages() {
    let model = model("examples/iris/iris.nn");
    insta::assert_snapshot!("iris_program", model.program.to_string());
    insta::assert_snapshot!("iris_graph", model.graph.to_string());
    insta::assert_snapshot!(
        "iris_gradients",
        model.graphs.train.as_ref().expect("it is trained").to_string()
    );
    insta::assert_snapshot!("iris_plan", model.plan.to_string());
}

/// The derivatives of an activation by its element and by its trained parameters, as formulas.
#[test]
fn custom_gradients() {
    let model = model("tests/data/models/custom.nn");
    let text = model.graphs.train.as_ref().expect("it is trained").to_string();
    for formula in ["cos(", "sin("] {
        assert!(text.contains(formula), "{text}");
    }
    insta::assert_snapshot!("custom_gradients", text);
}

/// Files of weights say the specification of their model: who changes the compiler, and not what weights mean, must not
/// change what it is called.
#[test]
fn specifications() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<String> = ["benches", "tests/data/models"]
        .iter()
        .flat_map(|of| std::fs::read_dir(folder.join(of)).expect("the folder is there"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nn"))
        .map(|path| path.strip_prefix(folder).expect("it is inside").display().to_string().replace('\\', "/"))
        .collect();
    paths.sort();
    let lines = paths.iter().map(|path| format!("{} {path}\n", model(path).info.spec_hash));
    insta::assert_snapshot!("specifications", lines.collect::<String>());
}

/// What the snapshots are there for, said once in words.
#[test]
fn iris_is_straight_line_code_with_the_derivative_of_relu() {
    let code = emitted("examples/iris/iris.nn");
    let backward = code.split("fn head_backward").nth(1).expect("the layer has a backward part");
    let backward = &backward[..backward.find("\n}\n").expect("it ends")];
    // One selection a unit, on the saved output, without a loop over units.
    let derivative =
        |unit: usize| format!("L::select(L::load(&relu[g][{unit}]).gt(L::splat(0.0)), z, L::splat(0.0))");
    for unit in 0..16 {
        assert!(backward.contains(&derivative(unit)), "unit {unit}");
    }
    assert!(!code.contains("NaN") && !code.contains("compile_error"));
}

/// The functions in the README are those that are emitted.
#[test]
fn the_readme_shows_what_is_emitted() {
    let path = "benches/xor.nn";
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
        .expect("the model is there");
    let compilation = compile(path, &text, &Options::default());
    let code = to_rust(&compilation.models.first().expect("a model").tokens);
    let readme = include_str!("../README.md");
    for name in ["fn head_forward", "fn update"] {
        let at = code.find(name).unwrap_or_else(|| panic!("{name} is not emitted"));
        let start = code[..at].rfind("\n\n").map_or(0, |start| start + 2);
        // Functions with an entry stand in `rt::kernels!`, indented.
        let depth = code[start..].len() - code[start..].trim_start_matches(' ').len();
        let margin = " ".repeat(depth);
        let close = format!("\n{margin}}}\n");
        let end = code[at..].find(&close).map_or(code.len(), |end| at + end + close.len());
        let lines = code[start..end].lines().map(|line| line.strip_prefix(&margin).unwrap_or(line));
        let shown = lines.collect::<Vec<_>>().join("\n");
        assert!(readme.contains(&shown), "the README does not show\n{shown}");
    }
}
