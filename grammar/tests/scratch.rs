//! tmp
use nnc_grammar::{parse, span::SourceMap};
#[test] fn faults() {
    let all = std::fs::read_to_string("/tmp/faults.txt").unwrap();
    for text in all.split("====\n") {
        let mut s = SourceMap::new();
        let f = s.add("a.nn", text);
        let p = parse(&s, f);
        println!("-----\n{text}");
        for d in &p.diagnostics {
            println!("{}[{}] {} {:?} `{}`: {}", s.place(d.primary.span), d.code, d.message, (d.primary.span.start,d.primary.span.end), s.text(d.primary.span), d.primary.text);
            for l in &d.secondary { println!("     {} {}", s.place(l.span), l.text); }
            for l in &d.notes { println!("     note {}", l); }
            for l in &d.help { println!("     help {}", l); }
        }
        println!("items {} {:?}", p.ast.items.len(), p.ast.items.iter().map(|i| match i { nnc_grammar::ast::Item::Model(m) => m.body.statements.len(), nnc_grammar::ast::Item::Data(s)|nnc_grammar::ast::Item::Train(s) => s.settings.len(), _ => 0}).collect::<Vec<_>>());
    }
}
