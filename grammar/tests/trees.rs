//! What texts are read as: precedence, docs, and the places of nodes.

mod common;

use common::{EVERYTHING, meaning, read, tree};
use nnc_grammar::{
    ast::{BinaryOp, Expr, ExprKind, Item, Statement, UnaryOp},
    span::{SourceMap, Span},
};

/// An expression with all its parentheses.
fn grouped(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number { text, .. } => text.clone(),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Unary(op, operand) => {
            let symbol = if *op == UnaryOp::Neg { "-" } else { "!" };
            format!("({symbol}{})", grouped(operand))
        }
        ExprKind::Binary(op, lhs, rhs) => format!("({}{}{})", grouped(lhs), op.symbol(), grouped(rhs)),
        ExprKind::If { condition, then, otherwise } => {
            format!("if {} {{{}}} else {{{}}}", grouped(condition), grouped(then), grouped(otherwise))
        }
        kind => panic!("{kind:?}"),
    }
}

/// The value of `init a = …`.
fn value(text: &str) -> Expr {
    let ast = tree(&format!("init a = {text}"));
    let [Item::Init(function)] = ast.items.as_slice() else { panic!("{ast:?}") };
    function.body.clone()
}

#[test]
fn operators_bind_as_in_mathematics() {
    for (text, expected) in [
        ("a + b * c", "(a+(b*c))"),
        ("a - b - c", "((a-b)-c)"),
        ("a / b * c", "((a/b)*c)"),
        ("-a ^ b", "(-(a^b))"),
        ("a ^ b ^ c", "(a^(b^c))"),
        ("a ^ -b ^ c", "(a^(-(b^c)))"),
        ("-a * b", "((-a)*b)"),
        ("a < b + c", "(a<(b+c))"),
        ("a < b && c > d || e", "(((a<b)&&(c>d))||e)"),
        ("!a && b", "((!a)&&b)"),
        ("(a + b) * c", "((a+b)*c)"),
        ("a - -b", "(a-(-b))"),
        ("if a { b } else if c { d } else { e }", "if a {b} else {if c {d} else {e}}"),
    ] {
        assert_eq!(grouped(&value(text)), expected, "{text}");
    }
}

#[test]
fn line_breaks_and_comments_carry_no_meaning() {
    let ast = tree(EVERYTHING);
    let (_, parsed) = read(&EVERYTHING.replace(" -> ", "\n-> // next\n").replace(" = ", "\r\n=\t"));
    assert_eq!(parsed.diagnostics, []);
    assert_eq!(meaning(&parsed.ast), meaning(&ast));
}

#[test]
fn keywords_are_names_where_nothing_makes_them_keywords() {
    let ast =
        tree("model model(data, loss = 1) {\n input [4]\n data -> train\n loss: dense(loss)\n loss loss\n}");
    let [Item::Model(model)] = ast.items.as_slice() else { panic!("{ast:?}") };
    assert_eq!(model.name.name, "model");
    assert!(matches!(
        model.body.statements.as_slice(),
        [Statement::Input(_), Statement::Chain(_), Statement::Chain(_), Statement::Loss(_)]
    ));
}

#[test]
fn docs_belong_to_the_item_below() {
    let ast =
        tree("// A header.\n/// One.\n///\n///   Two.\n// Between.\ninit a = 1 /// no doc\ninit b = 2\n");
    let [Item::Init(a), Item::Init(b)] = ast.items.as_slice() else { panic!("{ast:?}") };
    assert_eq!(a.docs, ["One.", "", "  Two."]);
    assert_eq!(b.docs, [""; 0]);
    let comments: Vec<&str> = ast.comments.iter().map(|comment| comment.text.as_str()).collect();
    assert_eq!(comments, [" A header.", " Between.", "/ no doc"]);
}

#[test]
fn strings_are_unescaped() {
    let ast = tree(r#"use "a\n\t\\\"\x41\u{e4}\u{1F980}ß""#);
    let [Item::Use(include)] = ast.items.as_slice() else { panic!("{ast:?}") };
    assert_eq!(include.path.value, "a\n\t\\\"Aä\u{1F980}ß");
}

#[test]
fn warnings_are_allowed_by_their_codes() {
    let ast = tree("allow W0105,W0108\nallow W0104 model M { input [1] }");
    let [Item::Allow(several), Item::Allow(one), Item::Model(_)] = ast.items.as_slice() else {
        panic!("{ast:?}")
    };
    let names: Vec<&str> = several.codes.iter().map(|code| code.name.as_str()).collect();
    assert_eq!(names, ["W0105", "W0108"]);
    assert_eq!(one.codes.len(), 1);
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let (sources, parsed) = read("\u{feff}init a = 1");
    assert_eq!(parsed.diagnostics, []);
    let [Item::Init(function)] = parsed.ast.items.as_slice() else { panic!("{:?}", parsed.ast) };
    assert_eq!(sources.text(function.span), "init a = 1");
}

#[test]
fn windows_line_ends_count_as_one() {
    let (sources, parsed) = read("model A {\r\n    input [4]\r\n    dense(3) oops!\r\n}\r\n");
    let [diagnostic] = parsed.diagnostics.as_slice() else { panic!("{:?}", parsed.diagnostics) };
    assert_eq!(sources.place(diagnostic.primary.span), "test.nn:3:18");
}

// ---- Places --------------------------------------------------------------------------------------------------------

#[test]
fn places_hold_their_node_and_nothing_around_it() {
    let text = "// ä\u{1F980}\nmodel M( a = 1 , b ) // x\n{\n  input x: [ 4 ] // y\n  h: dense( 2 + a ) -> relu // z\n  \
                let y = ( a - 1 ) * 2\n  loss mse // w\n}\n// end";
    let (sources, parsed) = read(text);
    assert_eq!(parsed.diagnostics, []);
    let text_of = |span: Span| sources.text(span);
    let [Item::Model(model)] = parsed.ast.items.as_slice() else { panic!("{:?}", parsed.ast) };
    assert!(text_of(model.span).starts_with("model M") && text_of(model.span).ends_with('}'));
    assert!(text_of(model.body.span).starts_with('{') && text_of(model.body.span).ends_with('}'));
    assert_eq!(model.parameters.iter().map(|p| text_of(p.span)).collect::<Vec<_>>(), ["a = 1", "b"]);
    let [
        Statement::Input(input),
        Statement::Chain(chain),
        Statement::Assignment(value),
        Statement::Loss(loss),
    ] = model.body.statements.as_slice()
    else {
        panic!("{:?}", model.body.statements)
    };
    assert_eq!(text_of(input.span), "input x: [ 4 ]");
    assert_eq!(text_of(input.shape.span), "[ 4 ]");
    assert_eq!(text_of(chain.span), "h: dense( 2 + a ) -> relu");
    assert_eq!(
        chain.stages.iter().map(|stage| text_of(stage.span)).collect::<Vec<_>>(),
        ["h: dense( 2 + a )", "relu"]
    );
    assert_eq!(text_of(value.value.span), "( a - 1 ) * 2");
    let ExprKind::Binary(BinaryOp::Mul, lhs, _) = &value.value.kind else { panic!("{value:?}") };
    assert_eq!(text_of(lhs.span), "( a - 1 )");
    assert_eq!(text_of(loss.span), "mse");
}

#[test]
fn columns_count_characters() {
    let mut sources = SourceMap::new();
    let text = "ä\u{1F980}x\r\n\ny";
    let file = sources.add("test.nn", text);
    let place = |what: char| {
        let at = text.find(what).unwrap();
        sources.place(Span::new(file, at, at + 1))
    };
    assert_eq!(place('ä'), "test.nn:1:1");
    assert_eq!(place('x'), "test.nn:1:3");
    assert_eq!(place('y'), "test.nn:3:1");
    assert_eq!(sources.place(Span::new(file, text.len(), text.len())), "test.nn:3:2");
    assert_eq!(sources.place(Span::new(file, 9_999, 9_999)), "test.nn:3:1");
}
