//! # upsample
//!
//! `upsample(2)`: every channel of an image or signal with `scale` times as many places along each axis.
//!
//! Formula: y[i] = x[i / scale], rounded down, or between the two places next to (i + 1/2) / scale - 1/2
//!
//! Shapes: `[channels, H, W]` to `[channels, scale H, scale W]`, `[channels, L]` to `[channels, scale L]`.
//!
//! Arguments: `scale`, from 1, one number or one for each axis behind the channels; `mode = nearest`, which repeats every
//! number, or `bilinear`, which lies on straight lines between the middles of places, as PyTorch does with
//! `align_corners = false`. Of a signal `bilinear` is what PyTorch calls `linear`.
//!
//! Gradients: each place gets those of the places that show it, by their shares.
//!
//! Example: `input [8, 7, 7]  upsample(2, mode = bilinear)`. Source: PyTorch `torch.nn.Upsample`.

use nnc_grammar::diagnostic::Diagnostic;

use super::pad::by_axis;
use super::resample::{Map, resample};
use super::windows::places;
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::graph::{Builder, NodeId};

/// The layer.
#[derive(Debug)]
pub struct Upsample;

impl Layer for Upsample {
    fn name(&self) -> &'static str {
        "upsample"
    }

    fn summary(&self) -> &'static str {
        "an image or signal with several times as many places"
    }

    fn page(&self) -> &'static str {
        include_str!("upsample.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            Argument {
                name: "scale",
                kind: ArgumentKind::Counts { min: 1, axes: None, words: &[] },
                default: None,
                docs: "how many times as many places",
            },
            Argument {
                name: "mode",
                kind: ArgumentKind::Choice(&["nearest", "bilinear"]),
                default: Some(Default::Choice("nearest")),
                docs: "what stands in new places",
            },
        ]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let (x, shape) = places(cx, self.name(), inputs)?;
        let sizes = shape.get(1..).unwrap_or(&[]);
        let scales = by_axis(cx, self.name(), arguments, "scale", sizes.len())?;
        let is_linear = arguments.choice("mode") == "bilinear";
        let maps: Vec<Map> = sizes
            .iter()
            .zip(scales)
            .map(|(size, scale)| match is_linear && scale > 1 {
                true => Map::Linear { size: *size, scale },
                false => Map::Nearest { size: *size, scale },
            })
            .collect();
        Ok(resample(cx, x, &maps))
    }
}
