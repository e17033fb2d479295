//! stub
use super::Scalar;
/// An equal, simpler formula.
pub fn simplify(x: &Scalar) -> Scalar { x.clone() }
/// stub
pub fn in_terms_of_output(derivative: &Scalar, _function: &Scalar) -> Scalar { derivative.clone() }
