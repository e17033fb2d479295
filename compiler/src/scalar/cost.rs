//! What a formula costs, roughly.

use super::pool::{Node, Pool};
use super::{Binary, Scalar, Unary};

/// About how many vector instructions it takes, equal parts once: 1 for an addition or product, 10 for a division or
/// root, 20 and more for functions that are computed from polynomials.
pub fn cost(x: &Scalar) -> u32 {
    let mut pool = Pool::default();
    let root = pool.import(x);
    pool.reachable(root).into_iter().map(|id| cost_of_root(&pool, pool.node(id))).fold(0, u32::saturating_add)
}

fn cost_of_root(pool: &Pool, node: Node) -> u32 {
    match node {
        Node::Number(_) | Node::Variable(_) | Node::Truth(_) => 0,
        Node::Unary(Unary::Neg | Unary::Abs | Unary::Floor, _) => 1,
        Node::Unary(Unary::Sign, _) => 4,
        Node::Unary(Unary::Sqrt, _) => 10,
        Node::Unary(Unary::Exp | Unary::Log, _) => 20,
        Node::Unary(Unary::Expm1 | Unary::Log1p | Unary::Sin | Unary::Cos | Unary::Erf, _) => 25,
        Node::Unary(Unary::Sigmoid | Unary::Tanh, _) => 30,
        Node::Unary(Unary::Softplus, _) => 45,
        Node::Binary(Binary::Div, ..) => 10,
        Node::Binary(Binary::Pow, _, exponent) => match pool.number_of(exponent) {
            Some(n) if n.fract() == 0.0 && (1.0..=64.0).contains(&n) => multiplications(n),
            Some(n) if n.fract() == 0.0 && (-64.0..=-1.0).contains(&n) => 10 + multiplications(-n),
            Some(0.5) => 10,
            // e^(b log a)
            _ => 45,
        },
        Node::Binary(..) | Node::Compare(..) | Node::And(..) | Node::Or(..) | Node::Not(_) => 1,
        Node::Select(..) => 1,
    }
}

/// Products that a power takes by squaring.
fn multiplications(n: f64) -> u32 {
    // Checked to be a small whole number.
    let n = n as u32;
    n.ilog2() + n.count_ones() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_are_paid_once() {
        let e = Scalar::unary(Unary::Exp, Scalar::input(0));
        assert_eq!(cost(&e), 20);
        assert_eq!(cost(&Scalar::binary(Binary::Add, e.clone(), e)), 21);
    }

    #[test]
    fn powers_cost_their_products() {
        let power = |n| cost(&Scalar::binary(Binary::Pow, Scalar::input(0), Scalar::Number(n)));
        assert_eq!([power(1.0), power(2.0), power(3.0), power(8.0)], [0, 1, 2, 3]);
        assert_eq!(power(-2.0), 11);
        assert_eq!(power(0.3), 45);
    }
}
