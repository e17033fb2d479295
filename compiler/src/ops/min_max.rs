//! # min_max
//!
//! `min_max`: low + (high - low) (x - min) / (max - min), with the least and the greatest value of the training data:
//! training rows lie between `low` and `high`, others may lie outside.
//!
//! They are fitted before the first step, kept with the weights as the buffers `min` and `max`, and never trained. A
//! feature that never varies is divided by 1, so that it becomes `low` rather than NaN.
//!
//! Formula: y = low + (high - low) (x - min) / (max - min)
//!
//! Shapes: any, unchanged. It stands directly behind an input.
//!
//! Arguments: `low`, `high`: where the least and the greatest value go, low below high. `per = feature`: each feature
//! has its own; `per = all`: one range for all, as is usual for the pixels of an image.
//!
//! Example: `input [4]  min_max(low = -1) -> dense(16)`. Source: scikit-learn `sklearn.preprocessing.MinMaxScaler`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::fitted::{Fitted, PER};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId, NormalizationKind};
use crate::scalar::{Binary, Condition, Relation, Scalar};

/// The layer.
#[derive(Debug)]
pub struct MinMax;

const FITTED: Fitted =
    Fitted { name: "min_max", kind: NormalizationKind::MinMax, buffers: [("min", 0.0), ("max", 1.0)] };

/// Every f32 that leaves room for a product with a number near 1.
const ANY: ArgumentKind = ArgumentKind::Number { min: -1e30, max: 1e30 };

impl Layer for MinMax {
    fn name(&self) -> &'static str {
        FITTED.name
    }

    fn summary(&self) -> &'static str {
        "x brought between low and high by the range of the training data, kept with the weights"
    }

    fn page(&self) -> &'static str {
        include_str!("min_max.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            Argument {
                name: "low",
                kind: ANY,
                default: Some(Default::Number(0.0)),
                docs: "where the least value goes",
            },
            Argument {
                name: "high",
                kind: ANY,
                default: Some(Default::Number(1.0)),
                docs: "where the greatest value goes, above low",
            },
            PER,
        ]
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (low, high) = (arguments.number("low"), arguments.number("high"));
        if low >= high {
            let label = format!("expected low below high, found low = {low} and high = {high}");
            let mut error = cx.error(Code::E0205, "`min_max` has no room between low and high", label);
            if let Some(span) = arguments.span("high").or(arguments.span("low")) {
                error.primary.span = span;
            }
            error.help.push("the defaults are `low = 0, high = 1`".to_owned());
            return Err(error);
        }
        FITTED.apply(cx, arguments, inputs, scaled(low, high))
    }
}

/// Of the value, the least and the greatest. No factor and no summand where they would change nothing.
fn scaled(low: f64, high: f64) -> Scalar {
    let [value, min, max] = [0, 1, 2].map(Scalar::input);
    let range = Scalar::binary(Binary::Sub, Scalar::input(2), Scalar::input(1));
    let varies = Condition::Compare(Relation::Gt, max, Scalar::input(1));
    let divisor = Scalar::Select(Box::new(varies), Box::new(range), Box::new(Scalar::Number(1.0)));
    let share = Scalar::binary(Binary::Div, Scalar::binary(Binary::Sub, value, min), divisor);
    let wide = match high - low {
        1.0 => share,
        width => Scalar::binary(Binary::Mul, share, Scalar::Number(width)),
    };
    match low {
        0.0 => wide,
        low => Scalar::binary(Binary::Add, wide, Scalar::Number(low)),
    }
}
