//! What layers share that are fitted to the training data: `normalize`, `min_max`, `robust`.
//!
//! They stand directly behind an input, for what comes out of a trained layer changes with every step and its figures
//! are not known in advance. Each has two buffers, of the shape of a sample or of one value for all features, which the
//! runtime fills before the first step.

use nnc_grammar::diagnostic::{Code, Diagnostic, Label};

use super::{Argument, ArgumentKind, Arguments, Default};
use crate::graph::{Builder, NodeId, Normalization, NormalizationKind, Op};
use crate::scalar::Scalar;

/// The argument `per`.
pub const PER: Argument = Argument {
    name: "per",
    kind: ArgumentKind::Choice(&["feature", "all"]),
    default: Some(Default::Choice("feature")),
    docs: "whether each feature has figures of its own",
};

/// A layer that is fitted: what it is called, and its buffers with what they hold before they are fitted.
#[derive(Debug)]
pub struct Fitted {
    /// The layer's keyword.
    pub name: &'static str,
    /// What the runtime has to find.
    pub kind: NormalizationKind,
    /// The two buffers, in the order of [`Normalization::buffers`].
    pub buffers: [(&'static str, f64); 2],
}

impl Fitted {
    /// Adds the buffers and `scalar`, whose inputs are the value and the two buffers.
    ///
    /// # Errors
    /// E0302 when there is not one value, E0307 when it is not the input.
    pub fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
        scalar: Scalar,
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            return Err(cx.error(
                Code::E0302,
                format!("`{}` takes one value", self.name),
                format!("found {}", inputs.len()),
            ));
        };
        let Some(input) = cx.graph.input_of(*x) else { return Err(self.not_at_input(cx, *x)) };
        let shape = cx.shape(*x).to_vec();
        let over_all = arguments.choice(PER.name) == "all";
        let fitted = if over_all { vec![1] } else { shape.clone() };
        let [first, second] = self.buffers.map(|(part, initial)| cx.buffer(part, fitted.clone(), initial));
        cx.normalization(Normalization { input, kind: self.kind, buffers: [first.0, second.0], over_all });
        Ok(cx.pointwise(scalar, vec![*x, first.1, second.1], shape))
    }

    fn not_at_input(&self, cx: &Builder<'_>, x: NodeId) -> Box<Diagnostic> {
        let mut source = cx.graph.node(x);
        while let (Op::Reshape, Some(from)) = (&source.op, source.inputs.first()) {
            source = cx.graph.node(*from);
        }
        let before = cx.graph.layer(source.layer);
        let (name, [(first, _), (second, _)]) = (self.name, self.buffers);
        let mut error = cx.error(
            Code::E0307,
            format!("`{name}` is not at an input"),
            format!("expected the input, whose `{first}` and `{second}` are known before training"),
        );
        error.secondary.push(Label { span: before.span, text: format!("`{}` comes before it", before.name) });
        error.help.push(format!("put `{name}` directly behind `input`"));
        error
    }
}

#[cfg(test)]
mod tests {
    use nnc_grammar::diagnostic::Code;

    use crate::compile::{Options, compile};
    use crate::graph::{NormalizationKind, Role};

    fn compiled(body: &str) -> crate::CompiledModel {
        let found = compile("m.nn", &format!("model M {{ {body} }}"), &Options::default());
        assert!(found.diagnostics.is_empty(), "{body}: {:?}", found.diagnostics);
        found.models.into_iter().next().expect("a model")
    }

    /// Code, message, what the label says, and the text it is under.
    fn fault(body: &str) -> (Code, String, String, String) {
        let text = format!("model M {{ {body} }}");
        let found = compile("m.nn", &text, &Options::default()).diagnostics;
        let [fault] = found.as_slice() else { panic!("{body}: {found:?}") };
        let under = text[fault.primary.span.start as usize..fault.primary.span.end as usize].to_owned();
        (fault.code, fault.message.clone(), fault.primary.text.clone(), under)
    }

    #[test]
    fn each_has_its_buffers() {
        for (layer, kind, names) in [
            ("normalize", NormalizationKind::Standard, ["mean", "std"]),
            ("min_max", NormalizationKind::MinMax, ["min", "max"]),
            ("robust", NormalizationKind::Robust, ["median", "iqr"]),
        ] {
            for (arguments, shape) in [("", vec![2, 3]), ("(per = all)", vec![1])] {
                let graph = compiled(&format!("input [2, 3] s: {layer}{arguments}")).graph;
                let [found] = graph.normalize.as_slice() else { panic!("{:?}", graph.normalize) };
                assert_eq!((found.kind, found.over_all), (kind, shape == [1]));
                for (buffer, name) in found.buffers.into_iter().zip(names) {
                    let parameter = graph.parameter(buffer);
                    assert_eq!(parameter.name, format!("s.{name}"));
                    assert_eq!((&parameter.shape, parameter.role), (&shape, Role::Buffer));
                }
            }
        }
    }

    #[test]
    fn a_reshape_may_stand_between_and_nothing_else() {
        for layer in ["normalize", "min_max", "robust"] {
            compiled(&format!("input [2, 2] flatten {layer} dense(1)"));
            for before in ["dense(4)", "relu", "normalize", "min_max", "robust"] {
                let (code, message, _, under) = fault(&format!("input [4] {before} -> {layer} -> dense(1)"));
                assert_eq!((code, under.as_str()), (Code::E0307, layer));
                assert_eq!(message, format!("`{layer}` is not at an input"));
            }
        }
        let (.., label, _) = fault("input [4] relu -> robust");
        assert_eq!(label, "expected the input, whose `median` and `iqr` are known before training");
    }

    #[test]
    fn min_max_wants_low_below_high() {
        let (code, message, label, under) = fault("input [4] min_max(low = 2)");
        assert_eq!((code, message.as_str()), (Code::E0205, "`min_max` has no room between low and high"));
        assert_eq!(label, "expected low below high, found low = 2 and high = 1");
        assert_eq!(under, "low = 2");
        let (code, _, _, under) = fault("input [4] min_max(1, high = 1)");
        assert_eq!((code, under.as_str()), (Code::E0205, "high = 1"));
        assert_eq!(fault("input [4] min_max(high = 1e31)").0, Code::E0205);
    }
}
