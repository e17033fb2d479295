//! Reading on after a fault: what is said about wrong texts, and what is left of them.
//!
//! Each snapshot shows a text, its diagnostics as they are printed, and the tree's items and statements that remain.

mod common;

use common::read;
use nnc_grammar::{
    ast::{Ast, Item},
    diagnostic::{Color, render_all},
    format,
};

/// The snapshot of a text that is wrong: its faults, and what was read beside them.
fn check(name: &str, text: &str) {
    let (sources, parsed) = read(text);
    assert!(!parsed.diagnostics.is_empty(), "{name} has no fault");
    let faults = render_all(&sources, &parsed.diagnostics, Color::Never);
    let kept = kept(text, &parsed.ast);
    insta::with_settings!({ description => text, omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, format!("{faults}\n---- what is left ----\n{kept}"));
    });
}

/// What was read, in the canonical form.
fn kept(text: &str, ast: &Ast) -> String {
    let (sources, _) = read(text);
    let Some((file, _)) = sources.files().next() else { return String::new() };
    let ast = Ast { items: ast.items.clone(), comments: Vec::new() };
    format(&sources, file, &ast)
}

macro_rules! recovers {
    ($($name:ident: $text:expr,)*) => {
        $(#[test] fn $name() { check(stringify!($name), $text); })*
    };
}

recovers! {
    missing_closing_brace: "\
model A {
    input [4]
    residual {
        dense(4) -> relu
    dense(3)
}

data {
    csv \"iris.csv\"
}
",
    missing_closing_brace_at_the_end: "model A {\n    input [4]\n    dense(3)\n",
    missing_opening_brace: "model A\n    input [4]\n    dense(3)\n}\n\ntrain {\n    epochs 3\n}\n",
    missing_opening_brace_of_a_section: "data\n    csv \"a.csv\"\n    target x\n}\n\nblock b(x)\n    dense(x)\n}\n",
    missing_parenthesis: "\
model A {
    input [4]
    dense(16 -> relu
    dense(3, bias = false
    softmax
}
",
    wrong_bracket: "model A {\n    input [4)\n    dense(3)\n}\n",
    stray_closing_brace: "model A {\n    input [4]\n}\n}\n\ntrain {\n    epochs 3\n}\n",
    stray_tokens: "\
model A {
    input [4];
    dense(16) | relu
    dense(3) @
    loss mse
}
",
    unclosed_string: "data {\n    csv \"iris.csv\n    target species\n}\n\ntrain {\n    epochs 3\n}\n",
    unclosed_comment: "model A {\n    input [4] /* four\n    dense(3)\n}\n",
    comment_of_another_language: "# Irises\nmodel A {\n    input [4] # four\n    dense(3)\n}\n",
    bad_numbers: "\
model A(a = 1.2.3, b = 0x10, c = 12px) {
    input [4]
    dense(.5)
    dense(1e999)
    dropout(5%)
    dense(3)
}
",
    keyword_as_name: "model if {\n    input [4]\n    let else = dense(3)\n    true: dense(2)\n    dense(1)\n}\n",
    duplicate_commas: "model A {\n    input [4,, 4]\n    dense(16,, bias = false)\n    dense(3)\n}\n",
    missing_comma: "model A {\n    input [4]\n    dense(16 bias = false)\n    dense(3)\n}\n",
    missing_stage: "model A {\n    input [4]\n    dense(16) -> -> relu\n    dense(3) ->\n    loss mse\n}\n",
    missing_arrow_in_let: "model A {\n    input [4]\n    let x dense(3)\n    dense(2)\n}\n",
    missing_let: "\
model A {
    input x: [4]
    z = x -> dense(3) -> relu
    let y = z -> dense(2)
    y -> relu
}

cell c(n) {
    state h: [n]
    u = h -> b: dense(n) -> relu
  v = h -> c: dense(n) -> relu
    h = tanh(u)
    output h
}
",
    bare_arguments: "model A {\n    input [4]\n    dense 16 -> relu\n    optimizer adam 0.01\n    dense(3)\n}\n",
    misspelt_keywords: "\
modle A {
    input [4]
    inptu [4]
    resdual { dense(4) }
    dense(3)
}

trian {
    epochs 3
}
",
    settings_with_equals: "data {\n    csv = \"a.csv\"\n    target: species\n    split 0.8,\n}\n",
    missing_expression: "activation f(x) =\n\nactivation g(x) = x * \n\nactivation h(x) = x + 1\n",
    chained_comparison: "activation f(x) = if 0 < x < 1 { x } else { 0 }\n",
    missing_else: "activation f(x) = if x > 0 { x }\n\nloss l(output, target) = mean(output)\n",
    powers_as_in_python: "loss l(output, target) = mean((output - target) ** 2)\n",
    optimizer_statement: "optimizer o(lr) {\n    state v\n    v + 1\n    weight = weight - lr * gradient\n}\n",
    unknown_escape: "use \"a\\q.nn\"\nuse \"b.nn\"\nuse \"\\u{110000}\"\n",
    words_run_together: "import A from\"a.nn\"\nimport B from \"b.nn\"weights \"b.safetensors\"\nuse x\"c.nn\"\n",
    single_quotes: "use 'a.nn'\nmodel A { input [4] dense(3) }\n",
    letters_of_other_alphabets: "model Größe {\n    input [4]\n    dense(3) -> ρ\n    dense(2)\n}\n",
    several_files_worth_of_faults: "\
model A {
    input [4
    dense(16) => relu
    dense(3))
}

block b(x {
    dense(x)
}

train {
    epochs = 3
    batch
}
",
    text_between_items: "hello world\n\nmodel A { input [4] dense(3) }\n\n42\n\ntrain { epochs 3 }\n",
    nothing: "",
    only_comments: "// Nothing yet.\n",
}

#[test]
fn one_fault_leaves_the_other_statements() {
    let text = "model A {\n    input [4]\n    dense(16 16)\n    dense(3)\n    loss mse\n}\n";
    let (_, parsed) = read(text);
    let [Item::Model(model)] = parsed.ast.items.as_slice() else { panic!("{:?}", parsed.ast.items) };
    assert_eq!(model.body.statements.len(), 4, "the second 16 alone is dropped");
}
