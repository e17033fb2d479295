//! One model through every door is one model: the same tokens, and the same bits after training.

use std::path::Path;

use nnc::Model;
use nnc_compiler::files::Files;
use nnc_compiler::{Options, compile, compile_with, door};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The example as a file.
mod file {
    nnc::network!("examples/iris/iris.nn");
}

/// The example inline, without its comments.
mod inline {
    nnc::network! {
        /// Tells three species of iris apart by four lengths of the flower.
        pub model Iris {
            input measurements: [4]
            normalize(per = all)
            hidden: dense(16) -> relu
            head: dense(3)
            loss cross_entropy
            optimizer adam(lr = 0.01)
            metrics accuracy
        }
        data {
            csv "iris.csv"
            target species
            split 0.8
            stratify true
        }
        train {
            epochs 60
            batch 16
            seed 7
        }
    }
}

/// Several models in one place, as visible as they say.
mod several {
    nnc::network! {
        activation twice(x) = 2 * x

        pub(crate) model First { input [2] dense(1) -> twice }
        pub(super) model HttpNet { input [3] dense(2) -> twice }
        model Hidden { input image: [2, 2] flatten dense(1) }
    }

    pub fn hidden() -> [f32; 1] {
        Hidden::new(1).predict(&[[1.0, 2.0], [3.0, 4.0]])
    }
}

/// A model from a file with its visibility.
mod narrow {
    nnc::network!(pub(super) "examples/iris/iris.nn");
}

/// A model that uses definitions of other files.
mod using {
    nnc::network!("tests/data/use/net.nn");
}

/// The same inline: paths are relative to the folder of `Cargo.toml`.
mod using_inline {
    nnc::network! {
        use "tests/data/use/lib/bent.nn"
        use "tests/data/use/lib/shapes.nn"
        use "tests/data/use/lib/training.nn"

        /// Uses what other files define.
        pub model Net {
            input x: [4]
            tower(8)
            dense(3) -> bent(slope = 0.1)
            loss quartic
            optimizer plain(lr = 0.01)
        }
    }
}

/// A model that begins with another; its weights are the program's business.
mod importing {
    nnc::network!("tests/data/use/letters.nn");
}

/// The same inline.
mod importing_inline {
    nnc::network! {
        import Net from "tests/data/use/net.nn" weights "tests/data/use/net.safetensors"

        pub model Letters {
            input x: [4]
            frozen { Net -> dense(6) }
            head: dense(3)
            loss cross_entropy
            optimizer adam(lr = 0.01)
        }
    }
}

const IRIS: &str = include_str!("../examples/iris/iris.nn");

fn samples() -> (Vec<[f32; 4]>, Vec<u32>) {
    let sample = |n: u16| [0, 1, 2, 3].map(|k| f32::from((n * 7 + k * 13) % 11) / 3.0);
    ((0..16).map(sample).collect(), (0..16).map(|n| n % 3).collect())
}

/// The bits of every parameter and buffer, by name.
fn weights(model: &impl Model<Elem = f32>) -> Vec<(String, Vec<u32>)> {
    let tensors = model.info().tensors.iter().enumerate();
    tensors
        .map(|(idx, tensor)| {
            let mut values = vec![0.0; tensor.len()];
            model.read_tensor(idx, &mut values);
            (tensor.name.to_owned(), values.into_iter().map(f32::to_bits).collect())
        })
        .collect()
}

/// Tokens as words. Only the formatter writes comments and, where it breaks a line, commas before a bracket: both are
/// left out.
fn words(tokens: TokenStream) -> Vec<String> {
    let mut words = Vec::new();
    flatten(tokens, &mut words);
    let is_closing =
        |word: Option<&String>| word.is_some_and(|word| [")", "]", "}", ">"].contains(&word.as_str()));
    let kept =
        |(at, word): (usize, &String)| (word != "," || !is_closing(words.get(at + 1))).then(|| word.clone());
    words.iter().enumerate().filter_map(kept).collect()
}

fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
            }
            // A doc comment is a raw string in tokens, `#[doc = "…"]` is none.
            tree => match syn::parse2::<syn::LitStr>(tree.clone().into()) {
                Ok(text) => words.push(format!("{:?}", text.value())),
                Err(_) => words.push(tree.to_string()),
            },
        }
    }
}

/// Formatted, which changes tokens here and there, and without `rt::comment!("…");`, which is a comment in text. In
/// macros tokens stay as they are.
fn formatted(tokens: TokenStream) -> TokenStream {
    let file = syn::parse2(tokens).expect("emitted code is Rust");
    without_comments(tokens_of(&prettyplease::unparse(&file)))
}

fn without_comments(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out: Vec<TokenTree> = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((token, others)) = rest.split_first() {
        if let [TokenTree::Ident(rt), _, _, TokenTree::Ident(comment), _, TokenTree::Group(_), _, behind @ ..] =
            rest
            && rt == "rt"
            && comment == "comment"
        {
            rest = behind;
            continue;
        }
        out.push(match token {
            TokenTree::Group(group) => {
                TokenTree::Group(Group::new(group.delimiter(), without_comments(group.stream())))
            }
            _ => token.clone(),
        });
        rest = others;
    }
    out.into_iter().collect()
}

fn tokens_of(text: &str) -> TokenStream {
    text.parse().expect("emitted code is tokens")
}

#[test]
fn inline_and_file_train_to_the_same_bits() {
    let (x, y) = samples();
    let (mut file, mut inline) = (file::Iris::new(7), inline::Iris::new(7));
    assert_eq!(weights(&file), weights(&inline));
    for _ in 0..50 {
        let losses = (file.train_step(&x, &y), inline.train_step(&x, &y));
        assert_eq!(losses.0.map(f32::to_bits), losses.1.map(f32::to_bits));
    }
    assert_eq!(weights(&file), weights(&inline));
    assert_ne!(weights(&file), weights(&file::Iris::new(7)));
    for x in &x {
        assert_eq!(file.predict(x).map(f32::to_bits), inline.predict(x).map(f32::to_bits));
    }
    // What it is, and none of its numbers.
    let text = format!("{file:?}");
    assert!(text.starts_with("Iris { source: \"") && text.ends_with(", .. }") && text.len() < 200, "{text}");
}

#[test]
fn used_files_are_the_same_through_every_door() {
    let (x, classes) = samples();
    let y: Vec<[f32; 3]> = classes.iter().map(|class| [0, 1, 2].map(|k| f32::from(*class == k))).collect();
    let (mut file, mut inline) = (using::Net::new(7), using_inline::Net::new(7));
    assert_eq!(weights(&file), weights(&inline));
    for _ in 0..50 {
        let losses = (file.train_step(&x, &y), inline.train_step(&x, &y));
        assert_eq!(losses.0.map(f32::to_bits), losses.1.map(f32::to_bits));
    }
    assert_eq!(weights(&file), weights(&inline));
    assert_eq!(file.info().spec_hash, inline.info().spec_hash);
}

#[test]
fn imported_models_are_the_same_through_every_door() {
    let (x, y) = samples();
    let (mut file, mut inline) = (importing::Letters::new(7), importing_inline::Letters::new(7));
    let before = weights(&file);
    assert!(before.iter().any(|(name, _)| name == "Net.dense.weight"), "{before:?}");
    assert_eq!(before, weights(&inline));
    for _ in 0..20 {
        let losses = (file.train_step(&x, &y), inline.train_step(&x, &y));
        assert_eq!(losses.0.map(f32::to_bits), losses.1.map(f32::to_bits));
    }
    assert_eq!(weights(&file), weights(&inline));
    for (before, after) in before.iter().zip(weights(&file)) {
        assert_eq!(*before == after, !before.0.starts_with("head."), "{}", before.0);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/use/letters.nn");
    let text = std::fs::read_to_string(&path).expect("the model is there");
    let compilation = compile_with("letters.nn", &text, &Options::default(), &mut Files::beside(&path));
    assert_eq!(compilation.diagnostics, []);
    assert_built("tests/data/use/letters.nn", door::modules(&compilation, &quote::quote!(pub)));
}

#[test]
fn the_build_script_gives_the_tokens_of_the_macro() {
    let expanded = door::modules(&compile("iris.nn", IRIS, &Options::default()), &quote::quote!(pub));
    assert_built("examples/iris/iris.nn", expanded);
}

#[test]
fn the_build_script_gives_the_tokens_of_the_macro_for_a_file_that_uses_others() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/use/net.nn");
    let text = std::fs::read_to_string(&path).expect("the model is there");
    let compilation = compile_with("net.nn", &text, &Options::default(), &mut Files::beside(&path));
    assert_eq!(compilation.diagnostics, []);
    let names: Vec<&str> = compilation.sources.files().map(|(_, file)| file.name.as_str()).collect();
    for name in ["net.nn", "lib/shapes.nn", "lib/bent.nn", "lib/training.nn"] {
        assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{names:?}");
    }
    assert_built("tests/data/use/net.nn", door::modules(&compilation, &quote::quote!(pub)));
}

/// The build script makes of a model what was expanded.
#[track_caller]
fn assert_built(model: &str, expanded: TokenStream) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(model);
    nnc_build::Builder::new().out_dir(folder.path()).compile(&path).expect("the model is correct");
    let target = folder.path().join(path.file_stem().unwrap_or_default()).with_extension("rs");
    let built = std::fs::read_to_string(target).expect("the file was written");
    let (built, expanded) = (words(tokens_of(&built)), words(formatted(expanded)));
    // All of it would be too long to read.
    let differs = built.iter().zip(&expanded).position(|(left, right)| left != right);
    let around = |words: &[String], at: usize| {
        words.iter().skip(at.saturating_sub(8)).take(16).cloned().collect::<Vec<_>>()
    };
    assert_eq!(differs.map(|at| around(&built, at)), differs.map(|at| around(&expanded, at)));
    assert_eq!(built.len(), expanded.len());
}

#[test]
fn the_same_text_gives_the_same_tokens() {
    let tokens =
        || door::modules(&compile("iris.nn", IRIS, &Options::default()), &quote::quote!(pub)).to_string();
    assert!(tokens() == tokens());
}

#[test]
fn a_place_is_named_in_the_file_that_it_stands_in() {
    let place = |model: &dyn Model<Elem = f32>| {
        model.info().layers.first().map_or("", |layer| layer.place).to_owned()
    };
    assert!(place(&file::Iris::new(7)).starts_with("iris.nn:"));
    assert!(place(&inline::Iris::new(7)).starts_with("doors.rs:"));
}

#[test]
fn models_are_as_visible_as_they_say() {
    let first: [f32; 1] = several::First::new(1).predict(&[1.0, 2.0]);
    let second: [f32; 2] = several::HttpNet::new(1).predict(&[1.0, 2.0, 3.0]);
    assert!(first.iter().chain(&second).chain(&several::hidden()).all(|value| value.is_finite()));
    assert_eq!(narrow::Iris::new(7).info().name, "Iris");
}
