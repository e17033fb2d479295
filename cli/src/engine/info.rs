//! The compiler's description of a model, as the runtime has it.

use nnc_compiler::emit;
use nnc_compiler::graph::{NormalizationKind, Role as GraphRole};
use nnc_compiler::program::{self, TargetKind};
use nnc_runtime::model::{
    InputInfo, LayerInfo, ModelInfo, NormalizeInfo, NormalizeKind, OutputInfo, OutputScale, TargetInfo,
    TargetLimits, TensorInfo,
};

/// The description, for as long as the program runs: it runs one model or a few.
pub fn leak(info: &emit::ModelInfo) -> &'static ModelInfo {
    let tensors = info.tensors.iter().map(|tensor| {
        let (name, shape) = (text(&tensor.name), list(tensor.shape.iter().copied()));
        let of_kind = if tensor.is_matrix { TensorInfo::matrix } else { TensorInfo::vector };
        let described = TensorInfo { layer: text(&tensor.layer), ..of_kind(name, shape) };
        match tensor.role {
            GraphRole::Trained => described,
            GraphRole::Frozen => described.frozen(),
            GraphRole::Buffer => described.buffer(),
        }
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
            scale: match target.scale {
                program::OutputScale::Same => OutputScale::Same,
                program::OutputScale::Log => OutputScale::Log,
                program::OutputScale::Logit => OutputScale::Logit,
            },
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

#[cfg(test)]
mod tests {
    use nnc::Model;
    use nnc_compiler::files::Files;
    use nnc_compiler::{Options, compile_with};

    /// What the command says of a model is what its code says itself.
    #[test]
    fn it_is_the_description_in_the_code() {
        macro_rules! is_described {
            ($($model:ident = $path:literal;)*) => {$({
                nnc::network!($path);
                let path = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), $path);
                let text = std::fs::read_to_string(&path).expect("the model is there");
                let name = path.rsplit('/').next().expect("a name");
                let compilation = compile_with(name, &text, &Options::default(), &mut Files::beside(std::path::Path::new(&path)));
                assert!(!compilation.has_errors(), "{path}: {:#?}", compilation.diagnostics);
                let described = super::leak(&compilation.models[0].info);
                assert_eq!(format!("{described:#?}"), format!("{:#?}", $model::description()), "{path}");
                assert!(std::ptr::eq($model::new(0).info(), $model::description()));
            })*};
        }
        is_described! {
            Outputs = "../tests/data/models/outputs.nn";
            TwoInputs = "../tests/data/models/two_inputs.nn";
            Half = "../tests/data/models/frozen.nn";
            Sequence = "../tests/data/models/sequence.nn";
            Iris = "../examples/iris/iris.nn";
            Diabetes = "../examples/diabetes/diabetes.nn";
            BreastCancer = "../examples/breast_cancer/breast_cancer.nn";
        }
    }
}
