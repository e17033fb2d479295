//! Layers that share parameters, for they have one label: whether they are the same layer at both places.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use crate::graph::Graph;
use crate::program::{Application, Kind};

/// The first layer of a model, or of a cell, that has the label of layer `n` and parameters to share with it.
pub(super) fn first_of_label(layers: &[Application], n: usize) -> Option<&Application> {
    let here = layers.get(n)?;
    layers.iter().take(n).find(|first| first.layer == here.layer && has_parameters(first))
}

/// Reports a layer whose label is that of another kind of layer, or of one with other arguments.
pub(super) fn kind_clash(layers: &[Application], n: usize) -> Option<Box<Diagnostic>> {
    let (here, first) = (layers.get(n)?, first_of_label(layers, n)?);
    let (expected, found) = (text(first), text(here));
    let label = match (first.trainable, here.trainable) {
        _ if !has_parameters(here) => return None,
        _ if expected != found => format!("expected `{expected}` again, found `{found}`"),
        (true, false) => "frozen here, and trained there".to_owned(),
        (false, true) => "trained here, and frozen there".to_owned(),
        _ => return None,
    };
    Some(clash(here, first.call_span, label))
}

/// Reports parameters that a layer was to share, and that have another shape here. `first_at` is the place of the layer
/// that has them, if it is not that of the model's layer.
pub(super) fn shape_clash(
    graph: &Graph,
    n_before: usize,
    here: &Application,
    first_at: Option<Span>,
) -> Option<Box<Diagnostic>> {
    let made = graph.parameters.iter().skip(n_before);
    let mut pairs = made.filter_map(|made| {
        let first = graph.parameters.iter().take(n_before).find(|first| first.name == made.name)?;
        Some((first, made))
    });
    let (first, made) = pairs.next()?;
    let label = format!("`{}` is {:?} here", made.name, made.shape);
    let origin = first_at.unwrap_or(graph.layer(first.layer).span);
    let there = format!("and {:?} there", first.shape);
    Some(Box::new(clash(here, origin, label).with_label(origin, there)))
}

fn clash(here: &Application, first: Span, label: String) -> Box<Diagnostic> {
    let message = format!("`{}` is the label of two different layers", here.layer);
    let diagnostic = Diagnostic::new(Code::E0231, message, here.call_span, label);
    let diagnostic =
        if first == here.call_span { diagnostic } else { diagnostic.with_label(first, "the first is here") };
    Box::new(
        diagnostic
            .with_note("a label that is used twice shares its parameters")
            .with_help("give each layer a label of its own, or make them alike"),
    )
}

/// Whether a layer may have parameters to share.
fn has_parameters(application: &Application) -> bool {
    match &application.kind {
        Kind::Layer(layer, _) => layer.has_parameters(),
        Kind::Activation { parameters, .. } => !parameters.is_empty(),
        Kind::Cell(_) => true,
    }
}

/// A layer with all its arguments, as far as they mean something.
fn text(application: &Application) -> String {
    match &application.kind {
        Kind::Layer(layer, arguments) => format!("{}{arguments}", layer.name()),
        Kind::Activation { text, .. } => text.clone(),
        Kind::Cell(cell) => cell.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::compile::{Options, compile};
    use nnc_grammar::diagnostic::Code;

    /// Code, label and the text at the place of the first use, of all faults.
    fn faults(body: &str) -> Vec<(Code, String, String)> {
        let text = format!("model M {{ input x: [4] {body} }} block pair(n) {{ dense(n) -> dense(2) }}");
        let compilation = compile("test.nn", &text, &Options::default());
        let fault = |fault: &nnc_grammar::diagnostic::Diagnostic| {
            let first = fault.secondary.first().map_or("", |label| compilation.sources.text(label.span));
            (fault.code, fault.primary.text.clone(), first.to_owned())
        };
        compilation.diagnostics.iter().filter(|fault| fault.is_error()).map(fault).collect()
    }

    fn told(label: &str, first: &str) -> Vec<(Code, String, String)> {
        vec![(Code::E0231, label.to_owned(), first.to_owned())]
    }

    #[test]
    fn layers_of_one_label_are_one_layer() {
        assert_eq!(faults("a: dense(4) -> relu a: dense(4)"), []);
        assert_eq!(faults("a: pair(4) -> dense(4) a: pair(4)"), []);
        let dense = |n: usize| {
            format!("dense(units = {n}, bias = true, init = he, bias_init = zeros, unroll = auto)")
        };
        let expected = format!("expected `{}` again, found `{}`", dense(4), dense(3));
        assert_eq!(faults("a: dense(4) a: dense(3)"), told(&expected, "dense(4)"));
        assert_eq!(faults("a: prelu a: prelu(0.1)").len(), 1);
        assert_eq!(faults("a: dense(4) a: batch_norm").len(), 1);
        assert_eq!(
            faults("a: pair(4) -> dense(4) a: pair(3)").first().map(|fault| fault.0),
            Some(Code::E0231)
        );
        assert_eq!(
            faults("a: dense(4) frozen { a: dense(4) }"),
            told("frozen here, and trained there", "dense(4)")
        );
    }

    #[test]
    fn shared_parameters_have_one_shape() {
        let found = faults("a: dense(3) -> relu a: dense(3)");
        assert_eq!(found, told("`a.weight` is [3, 3] here", "a: dense(3)"));
        let text = "model M { input [4] a: dense(3) -> relu a: dense(3) }";
        let fault = &compile("test.nn", text, &Options::default()).diagnostics[0];
        assert!(fault.secondary.iter().any(|label| label.text == "and [3, 4] there"), "{fault:#?}");
    }

    #[test]
    fn layers_of_one_label_in_a_cell_are_one_layer() {
        let told = |first: &str, second: &str, features: usize| {
            let text = format!(
                "cell c {{ state h: [4] = 0 let x = input -> a: {first} let y = h -> a: {second} h = tanh(x + y) output h }} \
                 model M {{ input [6, {features}] c loss mse optimizer sgd(lr = 1) }}"
            );
            let compilation = compile("test.nn", &text, &Options::default());
            let told = |fault: &nnc_grammar::diagnostic::Diagnostic| {
                let labels = fault.secondary.iter();
                let labels =
                    labels.map(|label| (compilation.sources.text(label.span).to_owned(), label.text.clone()));
                (fault.code, fault.primary.text.clone(), labels.collect::<Vec<_>>())
            };
            let found: Vec<_> = compilation.diagnostics.iter().map(told).collect();
            let names = compilation
                .models
                .first()
                .map(|model| model.info.tensors.iter().map(|tensor| tensor.name.clone()).collect::<Vec<_>>());
            (found, names)
        };
        let names = Some(vec!["c.a.weight".to_owned(), "c.a.bias".to_owned()]);
        assert_eq!(told("dense(4)", "dense(4)", 4), (Vec::new(), names));
        let (found, _) = told("dense(4)", "dense(4)", 3);
        let [(code, label, others)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((*code, label.as_str()), (Code::E0231, "`c.a.weight` is [4, 4] here"));
        assert!(others.contains(&("dense(4)".to_owned(), "and [4, 3] there".to_owned())), "{others:?}");
        assert!(others.contains(&("c".to_owned(), "in this use".to_owned())), "{others:?}");
        let (found, _) = told("dense(4)", "dense(4, bias = false)", 4);
        assert!(
            matches!(found.as_slice(), [(Code::E0231, label, _)] if label.contains("bias = false")),
            "{found:?}"
        );
    }

    #[test]
    fn shared_parameters_are_there_once() {
        let text = "model M { input [4] a: dense(4) -> relu a: dense(4) loss mse optimizer sgd(lr = 1) }";
        let compilation = compile("test.nn", text, &Options::default());
        let names: Vec<&str> =
            compilation.models[0].info.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["a.weight", "a.bias"]);
    }
}
