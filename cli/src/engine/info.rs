//! The compiler's description of a model, as the runtime has it.

use nnc_compiler::emit;
use nnc_compiler::graph::{NormalizationKind, Role as GraphRole};
use nnc_compiler::program::TargetKind;
use nnc_runtime::model::{
    InputInfo, LayerInfo, Layout, ModelInfo, NormalizeInfo, NormalizeKind, OutputInfo, Role, TargetInfo,
    TargetLimits, TensorInfo,
};

/// The description, for as long as the program runs: it runs one model or a few.
pub fn leak(info: &emit::ModelInfo) -> &'static ModelInfo {
    let tensors = info.tensors.iter().map(|tensor| TensorInfo {
        name: text(&tensor.name),
        shape: list(tensor.shape.iter().copied()),
        layout: match tensor.shape.as_slice() {
            [outputs, inputs @ ..] if tensor.is_matrix => {
                Layout::Panel { outputs: *outputs, inputs: inputs.iter().product() }
            }
            shape => Layout::Vector { len: shape.iter().product() },
        },
        role: match tensor.role {
            GraphRole::Trained => Role::Parameter,
            GraphRole::Frozen => Role::Frozen,
            GraphRole::Buffer => Role::Buffer,
        },
        layer: text(&tensor.layer),
    });
    let outputs = info.outputs.iter().map(|output| OutputInfo {
        name: text(&output.name),
        shape: list(output.shape.iter().copied()),
        target: output.target.map(|target| match target.kind {
            TargetKind::Class if target.positions > 1 => {
                TargetInfo::Positions { classes: target.len, positions: target.positions }
            }
            TargetKind::Class => TargetInfo::Class { classes: target.len },
            TargetKind::Values => TargetInfo::Values { len: target.len },
        }),
        limits: output.target.map_or(TargetLimits::ANY, |target| TargetLimits {
            ignored: target.ignored,
            only_ends: target.only_ends,
            low: target.range.0,
            high: target.range.1,
        }),
    });
    let normalize = info.normalize.iter().map(|normalization| NormalizeInfo {
        input: normalization.input as usize,
        kind: match normalization.kind {
            NormalizationKind::Standard => NormalizeKind::Standard,
            NormalizationKind::MinMax => NormalizeKind::MinMax,
            NormalizationKind::Robust => NormalizeKind::Robust,
        },
        tensors: normalization.buffers.map(|buffer| buffer.0 as usize),
        over_all: normalization.over_all,
    });
    let layers = info.layers.iter().map(|(name, place)| LayerInfo { name: text(name), place: text(place) });
    Box::leak(Box::new(ModelInfo {
        name: text(&info.name),
        source: text(&info.source),
        spec_hash: text(&info.spec_hash),
        input: list(info.input.iter().copied()),
        inputs: list(info.inputs.iter().map(|input| InputInfo {
            name: text(&input.name),
            shape: list(input.shape.iter().copied()),
            tokens: input.tokens,
        })),
        output: list(info.output.iter().copied()),
        outputs: list(outputs),
        training: text(&info.training),
        batch: info.batch,
        tensors: list(tensors),
        states: list(info.states.iter().map(|state| text(state))),
        average: info.average,
        warmup: info.warmup,
        normalize: list(normalize),
        layers: list(layers),
    }))
}

fn text(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn list<T>(items: impl Iterator<Item = T>) -> &'static [T] {
    Box::leak(items.collect::<Vec<T>>().into_boxed_slice())
}
