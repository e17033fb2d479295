//! What large and deep formulas take.

use crate::scalar::{Binary, Relation, Scalar, Unary, Variable, differentiate, in_terms_of_output, simplify, cost};

#[test]
fn timing() {
    let b = Scalar::binary;
    let u = Scalar::unary;
    let x = || Scalar::input(0);
    let n = |v: f64| Scalar::Number(v);
    type Grow<'a> = Box<dyn Fn(Scalar, u32) -> Scalar + 'a>;
    let grows: Vec<(&str, u32, Grow)> = vec![
        ("sin chain", 1900, Box::new(|f, _| u(Unary::Sin, f))),
        ("tanh chain", 1900, Box::new(|f, _| u(Unary::Tanh, f))),
        ("sigmoid chain", 1900, Box::new(|f, _| u(Unary::Sigmoid, f))),
        ("exp chain", 1900, Box::new(|f, _| u(Unary::Exp, f))),
        ("continued fraction", 480, Box::new(|f, _| b(Binary::Div, x(), b(Binary::Add, n(1.5), f)))),
        ("horner", 600, Box::new(|f, k| b(Binary::Add, n(f64::from(k % 7) + 0.5), b(Binary::Mul, x(), f)))),
        ("nested select", 480, Box::new(|f, k| Scalar::select(Relation::Gt, x(), n(f64::from(k)), b(Binary::Mul, n(f64::from(k)), x()), f))),
        ("select of self", 480, Box::new(|f, k| Scalar::select(Relation::Gt, u(Unary::Sin, f), n(f64::from(k)), x(), n(1.0)))),
        ("product of sums", 480, Box::new(|f, k| b(Binary::Mul, f, b(Binary::Add, x(), n(f64::from(k) + 1.5))))),
        ("product of sins", 480, Box::new(|f, k| b(Binary::Mul, f, u(Unary::Sin, b(Binary::Add, x(), n(f64::from(k))))))),
        ("power tower", 900, Box::new(|f, _| b(Binary::Pow, x(), f))),
        ("square sum", 480, Box::new(|f, k| b(Binary::Add, b(Binary::Pow, f, n(2.0)), n(f64::from(k) + 0.25)))),
        ("max sin", 480, Box::new(|f, k| b(Binary::Max, u(Unary::Sin, f), Scalar::input(k)))),
        ("max xk", 600, Box::new(|f, k| b(Binary::Max, f, b(Binary::Mul, n(f64::from(k)), x())))),
        ("relu chain", 600, Box::new(|f, _| b(Binary::Sub, n(1.0), b(Binary::Max, f, n(0.0))))),
        ("x sigmoid", 480, Box::new(|f, _| b(Binary::Add, x(), b(Binary::Mul, n(0.5), u(Unary::Sigmoid, f))))),
        ("gates", 480, Box::new(|f, k| b(Binary::Mul, f, Scalar::select(Relation::Gt, x(), n(f64::from(k)), x(), n(0.0))))),
        ("sum of selects", 480, Box::new(|f, k| b(Binary::Add, f, Scalar::select(Relation::Gt, x(), n(f64::from(k)), x(), n(f64::from(k)))))),
        ("products of exp", 480, Box::new(|f, k| b(Binary::Mul, f, u(Unary::Exp, b(Binary::Mul, n(f64::from(k)), x()))))),
        ("log1pexp", 480, Box::new(|f, _| u(Unary::Log, b(Binary::Add, n(1.0), u(Unary::Exp, f))))),
    ];
    for (name, count, grow) in grows {
        let f = (0..count).fold(x(), |f, k| grow(f, k));
        let t = std::time::Instant::now();
        let s = simplify(&f);
        let t1 = t.elapsed();
        let d = differentiate(&f, Variable::Input(0));
        let t2 = t.elapsed();
        let o = in_terms_of_output(&d, &f);
        let t3 = t.elapsed();
        let p = simplify(&b(Binary::Mul, Scalar::input(1), o));
        let t4 = t.elapsed();
        println!("{name}: size {} depth {} simplify {t1:?} {} d {:?} size {} depth {} out {:?} prod {:?} {} cost {}", f.size(), f.depth(), s.size(), t2 - t1, d.size(), d.depth(), t3 - t2, t4-t3, p.size(), cost(&p));
    }
}
