//! Numbers that a definition does not take: where they are told, what is expected, and what helps.

use super::*;

/// The one fault of a model whose body is this: its place, and what helps.
#[track_caller]
fn fault(body: &str) -> (Code, String, String) {
    fault_of_file(&format!("model M {{ input x: [4] {body} }}"))
}

#[track_caller]
fn fault_of_file(text: &str) -> (Code, String, String) {
    let (resolved, sources) = resolved_with(text, &Options::default());
    let [fault] = resolved.diagnostics.as_slice() else { panic!("{text}\n{:#?}", resolved.diagnostics) };
    (fault.code, sources.text(fault.primary.span).to_owned(), fault.help.join("; "))
}

/// Holds that a number in the place of `@` is out of range, and that there is help.
#[track_caller]
fn refused(body: &str, number: &str, help: &str) {
    let (code, place, found) = fault(&body.replace('@', number));
    assert_eq!((code, place.as_str(), found.as_str()), (Code::E0205, number, help), "{body}");
}

#[test]
fn losses_refuse_what_their_pages_refuse() {
    let with = |loss: &str| format!("dense(4) loss {loss} optimizer sgd(lr = 0.1)");
    refused(&with("huber(delta = @)"), "-1", "without the sign it is `1`");
    refused(&with("huber(delta = @)"), "0", "left out it is `1`");
    refused(&with("smooth_l1(beta = @)"), "0", "left out it is `1`");
    refused(&with("cross_entropy(label_smoothing = @)"), "2", "left out it is `0`");
    refused(&with("cross_entropy(label_smoothing = @)"), "10", "10 % is `0.1`");
    refused(&with("cross_entropy(label_smoothing = @)"), "-0.1", "without the sign it is `0.1`");
    refused(&with("cross_entropy(weights = @)"), "[1, -2, 1, 1]", "without the sign it is `2`");
    refused(&with("nll(weights = @)"), "[1, 1, -1, 1]", "without the sign it is `1`");
    refused(&with("binary_cross_entropy_with_logits(positive_weight = @)"), "0", "left out it is `1`");
    refused(&with("poisson(log_input = false, eps = @)"), "0", "left out it is `1e-8`");
    refused(&with("gaussian_nll(eps = @)"), "-1", "without the sign it is `1`");
    refused(&with("mse(weight = @)"), "0", "left out it is `1`");
    // A range is not the kind of a class.
    refused(
        &with("cross_entropy(ignore_index = @)"),
        "-1",
        "classes are counted from 0; left out none is passed over",
    );
    let program = body(&with("cross_entropy(label_smoothing = 0.1, weights = [1, 2, 3, 4])"));
    assert_eq!(program.losses[0].ignored, None);
    let program = body(&with("cross_entropy(label_smoothing = 0.1, ignore_index = 2)"));
    assert_eq!(program.losses[0].ignored, Some(2));
}

#[test]
fn activations_refuse_what_their_pages_refuse() {
    refused("celu(alpha = @)", "0", "left out it is `1`");
    refused("elu(alpha = @)", "-1", "without the sign it is `1`");
    refused("hard_tanh(high = @)", "-2", "the other way round: `low = -2, high = -1`");
    refused("hard_tanh(low = @)", "1", "left out they are `low = -1, high = 1`");
    assert_eq!(layers(&body("hard_tanh(low = 0, high = 2)")), ["hard_tanh"]);
}

#[test]
fn initializers_refuse_what_their_pages_refuse() {
    let with = |init: &str| format!("dense(4, init = {init})");
    refused(&with("normal(std = @)"), "-1", "without the sign it is `1`");
    refused(&with("truncated_normal(std = @)"), "-0.5", "without the sign it is `0.5`");
    for name in ["xavier", "xavier_normal", "glorot", "glorot_normal", "glorot_truncated", "orthogonal"] {
        refused(&with(&format!("{name}(gain = @)")), "0", "left out it is `1`");
    }
    refused(&with("uniform(low = 1, high = @)"), "1", "left out they are `low = -0.05, high = 0.05`");
    refused(&with("uniform(low = 1, high = @)"), "0", "the other way round: `low = 0, high = 1`");
    // What is known of the layer alone is no number yet.
    let own =
        "init own = uniform(low = -1 / fan_in, high = 1 / fan_in) model M { input [4] dense(4, init = own) }";
    assert_eq!(layers(&program(own)), ["dense"]);
}

#[test]
fn optimizers_and_layers_refuse_what_their_pages_refuse() {
    let with = |optimizer: &str| format!("dense(1) loss mse optimizer {optimizer}");
    refused(&with("momentum(beta = @)"), "1", "left out it is `0.9`");
    refused(&with("nesterov(beta = @)"), "1.5", "left out it is `0.9`");
    refused(&with("adam(beta1 = @)"), "1", "left out it is `0.9`");
    refused(&with("adam(beta2 = @)"), "1.001", "left out it is `0.999`");
    refused(&with("adam(beta2 = @)"), "99", "99 % is `0.99`");
    refused(&with("rmsprop(rho = @)"), "1", "left out it is `0.99`");
    refused(&with("adam(eps = @)"), "0", "left out it is `1e-8`");
    refused(&with("sgd(lr = @)"), "-0.1", "without the sign it is `0.1`");
    refused(&with("sgd(ema = @)"), "1", "for example `0.9`");
    refused(&with("sgd(accumulate = @)"), "0", "for example `1`");
    refused(&with("sgd(lr = 0.1, lr = @ for *.bias)"), "-1", "without the sign it is `1`");
    for layer in ["dropout(@)", "dropout(p = @)", "spatial_dropout(@)"] {
        refused(layer, "1", "left out it is `0.5`");
        refused(layer, "50", "50 % is `0.5`");
        refused(layer, "-0.5", "without the sign it is `0.5`");
    }
    refused("gaussian_noise(@)", "-1", "without the sign it is `1`");
    refused("dense(@)", "0", "for example `1`");
    refused("dense(@)", "2.5", "`2` or `3`");
}

/// A definition of one's own has the same kinds.
#[test]
fn own_definitions_have_ranges_as_well() {
    let file = |definition: &str, body: &str| format!("{definition} model M {{ input x: [4] {body} }}");
    let (code, place, help) = fault_of_file(&file(
        "activation band(x, from: lower = 0, to: upper = 1) = max(from, min(x, to))",
        "band(to = -1)",
    ));
    assert_eq!(
        (code, place.as_str(), help.as_str()),
        (Code::E0205, "-1", "the other way round: `from = -1, to = 0`")
    );
    let text = file(
        "loss scaled(output, target, by: share = 1) = by * mean((output - target)^2)",
        "dense(1) loss scaled(by = 2)",
    );
    assert_eq!(fault_of_file(&text).0, Code::E0205);
}

#[test]
fn the_warm_up_ends_before_the_training() {
    let file = |optimizer: &str, train: &str| {
        format!("model M {{ input [4] dense(1) loss mse optimizer {optimizer} }} {train}")
    };
    let of = |warmup: &str, train: &str| {
        faults(&file(&format!("sgd(lr = cosine(0.1, warmup = {warmup}))"), train))
    };
    assert_eq!(of("11", "train { epochs 10 }"), [(Code::E0420, "11".to_owned())]);
    assert_eq!(of("2.5", "train { epochs 2 }"), [(Code::E0420, "2.5".to_owned())]);
    assert_eq!(of("10", "train { epochs 10 }"), []);
    // The default number of epochs was said by nobody: who trains knows better.
    assert_eq!(of("11", ""), []);
    assert_eq!(of("11", "train { batch 4 }"), []);
    let scoped = file("sgd(lr = 0.1, lr = constant(0.1, warmup = 3) for *.bias)", "train { epochs 2 }");
    assert_eq!(faults(&scoped), [(Code::E0420, "3".to_owned())]);
    let longer = Options { set: vec![("epochs".to_owned(), "20".to_owned())], ..Options::default() };
    assert_eq!(faults_with(&file("sgd(lr = cosine(0.1, warmup = 11))", "train { epochs 10 }"), &longer), []);
    let (resolved, _) = resolved_with(
        &file("sgd(lr = cosine(0.1, warmup = 20))", "train { epochs 10 }"),
        &Options::default(),
    );
    assert_eq!(resolved.diagnostics[0].primary.text, "expected at most 10 epochs, found `20`");
    assert_eq!(
        resolved.diagnostics[0].help,
        ["warm up for less, `warmup = 1`", "or train for longer, `epochs 200`"]
    );
}

#[test]
fn schedules_stay_in_the_range_of_what_they_change() {
    let with = |optimizer: &str| format!("dense(1) loss mse optimizer {optimizer}");
    let refuse = |optimizer: &str, place: &str| assert_fault(&with(optimizer), Code::E0205, place);
    refuse("sgd(lr = cosine(0.1, to = -1))", "cosine(0.1, to = -1)");
    refuse("sgd(lr = linear(0.1, to = -0.0001))", "linear(0.1, to = -0.0001)");
    refuse("sgd(lr = polynomial(0.1, to = -1, warmup = 2))", "polynomial(0.1, to = -1, warmup = 2)");
    refuse("adam(beta1 = linear(0.9, to = 1.5))", "linear(0.9, to = 1.5)");
    refuse("sgd(lr = 0.1, l2 = linear(0.1, to = -1))", "linear(0.1, to = -1)");
    refuse("sgd(lr = 0.1, lr = cosine(0.1, to = -1) for *.bias)", "cosine(0.1, to = -1)");
    for optimizer in [
        "sgd(lr = cosine(0.1))",
        "sgd(lr = linear(0.1, warmup = 3))",
        "sgd(lr = one_cycle(0.1))",
        "sgd(lr = cosine_restarts(0.1, 2, factor = 2))",
        "sgd(lr = plateau(0.1))",
        "momentum(beta = linear(0.5, to = 0.99))",
        "adam(beta1 = cosine(0.95, to = 0.85))",
    ] {
        assert_eq!(body(&with(optimizer)).losses.len(), 1, "{optimizer}");
    }
    // What an epoch changes shows in as many epochs as there are.
    let grows = |epochs: usize| {
        format!(
            "model M {{ input [4] dense(1) loss mse optimizer momentum(beta = exponential(0.5, factor = 1.1)) }} train {{ epochs {epochs} }}"
        )
    };
    assert_eq!(faults(&grows(5)), []);
    assert_eq!(faults(&grows(20)), [(Code::E0205, "exponential(0.5, factor = 1.1)".to_owned())]);
    let (_, _, help) = fault(&with("adam(beta1 = linear(0.9, to = 1.5))"));
    assert_eq!(help, "`to` is a number from 0 to 1 as well");
    let own = "schedule wave(lr) = lr * cos(6 * progress) model M { input [4] dense(1) loss mse optimizer sgd(lr = wave(0.1)) }";
    assert_eq!(faults(own), [(Code::E0205, "wave(0.1)".to_owned())]);
}

/// Shapes are known later, and so is the length of a list.
#[test]
fn a_list_has_a_number_for_each_output() {
    let of = |loss: &str, units: usize| {
        let text = format!("model M {{ input [4] dense({units}) loss {loss} optimizer sgd }}");
        let faults = compile("test.nn", &text, &Options::default()).diagnostics;
        let [fault] = faults.as_slice() else { panic!("{text}\n{faults:#?}") };
        let at = fault.primary.span;
        let place = text.get(at.start as usize..at.end as usize).unwrap_or_default().to_owned();
        (fault.code, place, fault.help.join("; "))
    };
    let (code, place, help) = of("cross_entropy(weights = [1, 5])", 3);
    assert_eq!((code, place.as_str()), (Code::E0305, "[1, 5]"));
    assert_eq!(help, "one number for each output, in the order of the classes: `weights = [1, 5, 1]`");
    let (code, place, help) = of("nll(weights = [1, 2, 3])", 2);
    assert_eq!((code, place.as_str()), (Code::E0305, "[1, 2, 3]"));
    assert_eq!(help, "one number for each output, in the order of the classes: `weights = [1, 2]`");
    let (code, _, help) = of("cross_entropy(weights = [1, 2])", 100);
    assert_eq!(
        (code, help.as_str()),
        (Code::E0305, "give one number for each output, in the order of the classes")
    );
}
