//! stub
use super::{Scalar, Variable};
/// stub
pub fn evaluate(_x: &Scalar, _value: &mut dyn FnMut(Variable) -> f64) -> f64 { 0.0 }
