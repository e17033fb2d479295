//! Blocks of the standard library: what they hand on to the layers that they are made of.

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
