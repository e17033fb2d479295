//! Blocks of the standard library: what they hand on to the layers that they are made of.

use nnc_grammar::diagnostic::Code;

use crate::compile::{Options, compile};

/// The text of the graph of a model over `[5, 4]`, without the comments, which quote layers.
fn graph(block: &str, layers: &str) -> String {
    let text = format!("model M {{ input [5, 4] {layers} }} {block}");
    let compilation = compile("test.nn", &text, &Options::default());
    let faults = &compilation.diagnostics;
    let model = compilation.models.first().unwrap_or_else(|| panic!("{text} compiles: {faults:?}"));
    let graph = model.graph.to_string();
    graph.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn transformer_blocks_hand_their_flags_to_attention() {
    let before = "block other() {
        residual {
            norm1: layer_norm -> self_attn: attention(2, causal = true, dropout = 0.1, rotary = true) -> dropout(0.1)
        }
        residual {
            norm2: layer_norm -> linear1: dense(16) -> gelu -> dropout(0.1) -> linear2: dense(4) -> dropout(0.1)
        }
    }";
    let behind = "block other() {
        residual { self_attn: attention(2, causal = true, dropout = 0.1, rotary = true) -> dropout(0.1) }
        norm1: layer_norm
        residual { linear1: dense(16) -> gelu -> dropout(0.1) -> linear2: dense(4) -> dropout(0.1) }
        norm2: layer_norm
    }";
    for (name, written) in [("transformer_block", before), ("post_norm_transformer_block", behind)] {
        let of = |flags: &str| graph(written, &format!("part: {name}(4, heads = 2{flags})"));
        let all = of(", causal = true, dropout = 0.1, rotary = true");
        assert_eq!(all, graph(written, "part: other()"), "{name}");
        for fewer in ["", ", causal = true, rotary = true", ", causal = true, dropout = 0.1"] {
            assert_ne!(all, of(fewer), "{name}{fewer}");
        }
    }
}

#[test]
fn a_shape_that_does_not_fit_in_a_block_shows_the_use() {
    let shown = |text: &str| {
        let compilation = compile("test.nn", text, &Options::default());
        let [fault] = compilation.diagnostics.as_slice() else { panic!("{:?}", compilation.diagnostics) };
        let labels = fault.secondary.iter().filter(|label| label.text == "in this use");
        let places: Vec<String> =
            labels.map(|label| compilation.sources.text(label.span).to_owned()).collect();
        (fault.code, places)
    };
    let heads = |use_of: &str| (Code::E0322, vec![use_of.to_owned()]);
    let of_library = "model M { input [4, 6] repeat 2 { transformer_block(6, heads = 4) } }";
    assert_eq!(shown(of_library), heads("transformer_block(6, heads = 4)"));
    let own = "block b(w) { attention(w) } model M { input [4, 6] dense(6) -> b(4) }";
    assert_eq!(shown(own), heads("b(4)"));
    // What stands in the model is shown where it is.
    assert_eq!(shown("model M { input [4, 6] attention(4) }"), (Code::E0322, vec![]));
}

#[test]
fn what_every_use_may_say_is_among_the_arguments() {
    let told = |body: &str| {
        let text = format!("model M {{ input [4, 3] {body} }}");
        let compilation = compile("test.nn", &text, &Options::default());
        let fault = compilation.diagnostics.first().unwrap_or_else(|| panic!("{text}"));
        [fault.help.join(" "), fault.notes.join(" ")].concat()
    };
    assert_eq!(told("lstm(12, reverese = true)"), "did you mean `reverse`?");
    assert_eq!(told("dense(2) loss mse(reductoin = sum)"), "did you mean `reduction`?");
    assert_eq!(told("dense(2) loss mse optimizer adam(clip_nrom = 1)"), "did you mean `clip_norm`?");
    assert_eq!(
        told("dense(2) loss mse optimizer adam(lr = cosine(0.1, warmpu = 2))"),
        "did you mean `warmup`?"
    );
    let all = told("gru(12, foo = 1)");
    for name in ["hidden", "output", "reverse", "bidirectional", "carry", "mask"] {
        assert!(all.contains(&format!("`{name}`")), "{all}");
    }
}
