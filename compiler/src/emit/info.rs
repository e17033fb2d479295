//! The table that a model describes itself with.

use proc_macro2::TokenStream;
use quote::quote;

use super::number;
use crate::graph::{Graph, Normalization, NormalizationKind, Output, Role, row_of_targets};
use crate::program::{OutputScale, Precision, Program, TargetKind};
use crate::simplify::{inference, without_loss};

use nnc_grammar::span::SourceMap;

/// What a model is, as plain data: for emission, and for callers that load a compiled model by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The model's name.
    pub name: String,
    /// The file it was compiled from.
    pub source: String,
    /// Over everything that gives the weights their meaning.
    pub spec_hash: String,
    /// Shape of one sample: of the only input, or of several flat and one after the other.
    pub input: Vec<usize>,
    /// The inputs, in the order in which they stand in a row.
    pub inputs: Vec<InputInfo>,
    /// Shape of one output.
    pub output: Vec<usize>,
    /// The outputs, in the order in which they stand in a row.
    pub outputs: Vec<Output>,
    /// What it is trained with, as it was written: losses and optimizer.
    pub training: String,
    /// Samples in a training batch.
    pub batch: usize,
    /// Parameters and buffers.
    pub tensors: Vec<TensorInfo>,
    /// Names of the optimizer's states.
    pub states: Vec<String>,
    /// The state that is the moving average of the weights.
    pub average: Option<usize>,
    /// Epochs of the longest warm-up of a schedule.
    pub warmup: f64,
    /// What is fitted to the training data.
    pub normalize: Vec<Normalization>,
    /// Name and place of each layer.
    pub layers: Vec<(String, String)>,
}

impl ModelInfo {
    /// What a sample is compared with: its kind, and classes or values.
    pub fn target(&self) -> Option<(TargetKind, usize)> {
        row_of_targets(&self.outputs)
    }

    /// Positions of a sample that have a class each, where classes alone are compared.
    pub fn positions(&self) -> usize {
        self.outputs.iter().find_map(|output| output.target).map_or(1, |target| target.positions)
    }
}

/// An input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputInfo {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How many tokens it may name.
    pub tokens: Option<usize>,
}

impl InputInfo {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A parameter or buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// As it is saved.
    pub name: String,
    /// As it is saved.
    pub shape: Vec<usize>,
    /// Whether it is kept in panels.
    pub is_matrix: bool,
    /// Its part.
    pub role: Role,
    /// Its layer.
    pub layer: String,
}

/// Describes a model.
pub fn model_info(program: &Program, graph: &Graph, sources: &SourceMap, file: &str) -> ModelInfo {
    let tensors: Vec<TensorInfo> = graph
        .parameters
        .iter()
        .map(|parameter| TensorInfo {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            is_matrix: parameter.is_matrix,
            role: parameter.role,
            layer: graph.layer(parameter.layer).name.clone(),
        })
        .collect();
    let output = graph.node(graph.output).shape.clone();
    // The weights mean what a prediction makes of them: loss and optimizer may change, and what is dropped in training.
    let prediction = inference(without_loss(graph));
    let names: Vec<String> =
        tensors.iter().map(|tensor| format!("{} {:?}", tensor.name, tensor.shape)).collect();
    let inputs: Vec<InputInfo> = graph
        .inputs
        .iter()
        .map(|input| InputInfo {
            name: input.name.clone(),
            shape: graph.node(input.node).shape.clone(),
            tokens: input.tokens,
        })
        .collect();
    let losses = program.losses.iter().map(|loss| loss.text.as_str());
    let training: Vec<&str> =
        losses.chain(program.optimizer.iter().map(|optimizer| optimizer.text.as_str())).collect();
    ModelInfo {
        training: training.join(", "),
        name: graph.name.clone(),
        source: file.to_owned(),
        spec_hash: crate::hash::hash(&format!("{}\n{}", names.join("\n"), prediction.meaning())),
        input: match inputs.as_slice() {
            [only] => only.shape.clone(),
            _ => vec![graph.input_len()],
        },
        inputs,
        output: if output.is_empty() { vec![1] } else { output },
        outputs: graph.outputs.clone(),
        batch: graph.batch,
        tensors,
        states: graph
            .optimizer
            .as_ref()
            .map(|optimizer| {
                let mut states: Vec<String> = optimizer.states.iter().map(|(name, _)| name.clone()).collect();
                // Gradients of the steps since the last update.
                if optimizer.accumulate > 1 {
                    states.push("gradients".to_owned());
                }
                states
            })
            .unwrap_or_default(),
        average: graph.optimizer.as_ref().and_then(|optimizer| optimizer.average),
        warmup: graph.optimizer.as_ref().map_or(0.0, |optimizer| optimizer.warmup),
        normalize: graph.normalize.clone(),
        layers: graph.layers.iter().map(|layer| (layer.name.clone(), sources.place(layer.span))).collect(),
    }
}

/// `static INFO`.
pub fn info_item(info: &ModelInfo) -> TokenStream {
    let shape = |shape: &[usize]| {
        let numbers = shape.iter().map(|n| number(*n));
        quote!(&[#(#numbers),*])
    };
    let (name, source, hash) = (&info.name, &info.source, &info.spec_hash);
    let training = &info.training;
    let (input, output, batch) = (shape(&info.input), shape(&info.output), number(info.batch));
    let inputs = info.inputs.iter().map(|input| {
        let (name, shape, tokens) = (&input.name, shape(&input.shape), option(input.tokens));
        quote!(rt::InputInfo { name: #name, shape: #shape, tokens: #tokens })
    });
    let outputs = info.outputs.iter().map(|output| {
        let (name, shape, limits) = (&output.name, shape(&output.shape), limits(output));
        let target = match output.target.map(|target| (target.kind, number(target.len))) {
            None => quote!(None),
            Some((TargetKind::Class, classes))
                if output.target.is_some_and(|target| target.positions > 1) =>
            {
                let positions = number(output.target.map_or(1, |target| target.positions));
                quote!(Some(rt::TargetInfo::Positions { classes: #classes, positions: #positions }))
            }
            Some((TargetKind::Class, classes)) => quote!(Some(rt::TargetInfo::Class { classes: #classes })),
            Some((TargetKind::Values, len)) => quote!(Some(rt::TargetInfo::Values { len: #len })),
        };
        quote!(rt::OutputInfo { name: #name, shape: #shape, target: #target, limits: #limits })
    });
    let tensors = info.tensors.iter().map(|tensor| {
        let (name, layer, dims) = (&tensor.name, &tensor.layer, shape(&tensor.shape));
        let kind = if tensor.is_matrix { quote!(matrix) } else { quote!(vector) };
        let role = match tensor.role {
            Role::Trained => TokenStream::new(),
            Role::Frozen => quote!(.frozen()),
            Role::Buffer => quote!(.buffer()),
        };
        let is_named = tensor.name.rsplit_once('.').is_some_and(|(of, _)| of == layer);
        let tensor = quote!(rt::TensorInfo::#kind(#name, #dims)#role);
        if is_named { tensor } else { quote!(rt::TensorInfo { layer: #layer, ..#tensor }) }
    });
    let states = &info.states;
    let warmup = super::scalar::literal(info.warmup, Precision::F64);
    let average = option(info.average);
    let normalize = info.normalize.iter().map(|Normalization { input, kind, buffers, over_all }| {
        let kind = match kind {
            NormalizationKind::Standard => quote!(Standard),
            NormalizationKind::MinMax => quote!(MinMax),
            NormalizationKind::Robust => quote!(Robust),
        };
        let input = number(*input as usize);
        let tensors = buffers.map(|buffer| number(buffer.0 as usize));
        quote! {
            rt::NormalizeInfo {
                input: #input,
                kind: rt::NormalizeKind::#kind,
                tensors: [#(#tensors),*],
                over_all: #over_all,
            }
        }
    });
    let layers = info.layers.iter().map(|(name, place)| quote!(rt::LayerInfo::new(#name, #place)));
    quote! {
        /// What the model says about itself.
        static INFO: rt::ModelInfo = rt::ModelInfo {
            name: #name,
            source: #source,
            spec_hash: #hash,
            input: #input,
            inputs: &[#(#inputs),*],
            output: #output,
            outputs: &[#(#outputs),*],
            training: #training,
            batch: #batch,
            tensors: &[#(#tensors),*],
            states: &[#(#states),*],
            average: #average,
            warmup: #warmup,
            normalize: &[#(#normalize),*],
            layers: &[#(#layers),*],
        };
    }
}

fn option(value: Option<usize>) -> TokenStream {
    match value {
        Some(value) => {
            let value = number(value);
            quote!(Some(#value))
        }
        None => quote!(None),
    }
}

fn limits(output: &Output) -> TokenStream {
    let any = (None, (f64::NEG_INFINITY, f64::INFINITY), OutputScale::Same);
    let (ignored, range, scale) =
        output.target.map_or(any, |target| (target.ignored, target.range, target.scale));
    if (ignored, range, scale) == any {
        return quote!(rt::TargetLimits::ANY);
    }
    let ignored = match ignored {
        Some(class) => {
            let class = number(class as usize);
            quote!(Some(#class))
        }
        None => quote!(None),
    };
    let bound = |value: f64| match value {
        f64::INFINITY => quote!(f64::INFINITY),
        f64::NEG_INFINITY => quote!(f64::NEG_INFINITY),
        value => super::scalar::literal(value, Precision::F64),
    };
    let (low, high) = (bound(range.0), bound(range.1));
    let only_ends = output.target.is_some_and(|target| target.only_ends);
    let scale = match scale {
        OutputScale::Same => quote!(rt::OutputScale::Same),
        OutputScale::Log => quote!(rt::OutputScale::Log),
        OutputScale::Logit => quote!(rt::OutputScale::Logit),
    };
    quote! {
        rt::TargetLimits { ignored: #ignored, low: #low, high: #high, only_ends: #only_ends, scale: #scale }
    }
}
