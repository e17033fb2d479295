//! `--set NAME=VALUE`.

use nnc_grammar::diagnostic::Code;

use super::{faults_with, program_with};
use crate::compile::{Options, compile};
use crate::program::Program;

const TEXT: &str = "model M(hidden = 4) {
    input [4]
    dense(hidden) -> relu
    dense(3)
    loss cross_entropy
    optimizer momentum(0.1, beta = 0.5)
}
train { epochs 5 }";

fn options(set: &[(&str, &str)]) -> Options {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Options { set, ..Options::default() }
}

#[track_caller]
fn program(set: &[(&str, &str)]) -> Program {
    program_with(TEXT, &options(set))
}

fn optimizer(set: &[(&str, &str)]) -> String {
    program(set).optimizer.expect("an optimizer").text
}

#[test]
fn hyper_parameters_take_the_place_of_what_is_written() {
    assert_eq!(optimizer(&[("lr", "0.3")]), "momentum(lr = 0.3, beta = 0.5)");
    assert_eq!(optimizer(&[("beta", "0.8")]), "momentum(lr = 0.1, beta = 0.8)");
    let twice = compile("m.nn", TEXT, &options(&[("lr", "0.3"), ("lr", "0.4")]));
    assert_eq!(twice.diagnostics.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::E0205]);
}

#[test]
fn what_every_optimizer_takes_is_set_for_all_parameters() {
    assert_eq!(
        program(&[("decay", "0.5")]).optimizer.map(|optimizer| optimizer.name),
        Some("momentum".into())
    );
    assert!(optimizer(&[("lr", "cosine(0.1)")]).contains("cosine"));
    let text = TEXT.replace("beta = 0.5", "beta = 0.5, decay = 0 for *.bias");
    let faults = faults_with(&text, &options(&[("decay", "0.1")]));
    assert_eq!(faults, [], "a setting of some parameters stays beside it");
    assert_eq!(faults_with(TEXT, &options(&[("decay", "-1")])), [(Code::E0205, "-1".to_owned())]);
}

#[test]
fn an_optimizer_comes_before_its_hyper_parameters() {
    assert_eq!(optimizer(&[("rho", "0.5"), ("optimizer", "rmsprop(lr = 1)")]), "rmsprop(lr = 1, rho = 0.5)");
}

#[test]
fn loss_and_section_are_replaced_or_added() {
    assert_eq!(program(&[("loss", "mse(reduction = sum)")]).losses[0].text, "mse(reduction = sum)");
    let train = program(&[("epochs", "7"), ("batch", "8")]).train;
    assert_eq!((train.epochs, train.batch), (7, 8));
    let text = "model M { input [4] dense(3) }";
    let bare = program_with(text, &options(&[("loss", "mse"), ("optimizer", "sgd"), ("epochs", "2")]));
    assert!(bare.losses.len() == 1 && bare.optimizer.is_some());
    assert_eq!(bare.train.epochs, 2);
}

#[test]
fn a_parameter_of_the_model_comes_first() {
    let text = "model M(epochs = 4) { input [4] dense(epochs) }";
    assert_eq!(program_with(text, &options(&[("epochs", "7")])).train.epochs, 10);
    assert_eq!(program(&[("hidden", "7"), ("epochs", "3")]).train.epochs, 3);
}

#[test]
fn messages_point_into_what_is_set() {
    let faults = |name: &str, value: &str| faults_with(TEXT, &options(&[(name, value)]));
    assert_eq!(faults("optimizer", "adamm"), [(Code::E0212, "adamm".to_owned())]);
    assert_eq!(faults("lr", "-1"), [(Code::E0205, "-1".to_owned())]);
    assert_eq!(faults("epochs", "0"), [(Code::E0205, "0".to_owned())]);
    assert_eq!(faults("loss", "mse loss mae"), [(Code::E0204, "loss mse loss mae".to_owned())]);
    let compilation = compile("m.nn", TEXT, &options(&[("optimizer", "adamm")]));
    let [fault] = compilation.diagnostics.as_slice() else { panic!("one fault") };
    assert!(compilation.sources.place(fault.primary.span).starts_with("setting optimizer:2:"));
}

#[test]
fn what_is_no_call_is_a_fault_of_syntax_and_leaves_the_model_whole() {
    for value in ["sgd(", "} model N {", "1", "sgd -> relu", ""] {
        let faults = compile("m.nn", TEXT, &options(&[("optimizer", value)])).diagnostics;
        assert!(faults.iter().any(|fault| fault.is_error()), "`{value}`");
    }
}

#[test]
fn unknown_names_are_reported_with_what_is_near() {
    let faults = compile("m.nn", TEXT, &options(&[("epoch", "3"), ("hiden", "3")])).diagnostics;
    let [first, second] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!((first.code, second.code), (Code::E0218, Code::E0218));
    assert_eq!(first.help, ["did you mean `epochs`?"]);
    assert_eq!(second.help, ["did you mean `hidden`?"]);
    assert_eq!(faults_with(TEXT, &options(&[("rho", "0.5")]))[0].0, Code::E0218, "momentum has none");
}
