//! `nnc list`: what the language offers, by kind and by name.

mod common;

use common::Folder;

/// The kinds, and an entry of each with what is shown of it.
const KINDS: [(&str, &str, &str, &str); 7] = [
    ("layers", "layer", "dense", "  dense(units, bias = true"),
    ("cells", "cell", "gru", "  gru(hidden, bound = 1 / sqrt(hidden))\n"),
    ("activations", "activation", "leaky_relu", "  leaky_relu(slope = 0.01)\n"),
    ("losses", "loss", "mse", "      = mean((output - target)^2)\n"),
    ("optimizers", "optimizer", "momentum", "      velocity = beta * velocity + gradient\n"),
    ("schedules", "schedule", "cosine", "  cosine(lr, to = 0)\n"),
    ("initializers", "initializer", "he", "      = normal(std = gain / sqrt(fan_in))\n"),
];

#[test]
fn a_kind_is_listed_with_formulas_and_defaults() {
    let folder = Folder::new();
    for (plural, noun, _, shown) in KINDS {
        let ran = folder.run(&["list", plural]).ok();
        let ran = ran.shows(shown);
        assert!(ran.out.starts_with(&format!("{plural}\n")), "{ran}");
        assert_eq!(folder.run(&["list", noun]).ok().out, ran.out, "one or many");
        for (other, ..) in KINDS.into_iter().filter(|(other, ..)| *other != plural) {
            assert!(!ran.out.lines().any(|line| line == other), "{ran}");
        }
    }
}

#[test]
fn without_a_kind_all_are_listed() {
    let ran = Folder::new().run(&["list"]).ok();
    let heads: Vec<&str> = ran.out.lines().filter(|line| line.starts_with(char::is_alphabetic)).collect();
    assert_eq!(heads, KINDS.map(|(plural, ..)| plural));
}

#[test]
fn one_entry_is_shown_with_its_page() {
    let folder = Folder::new();
    let ran = folder.run(&["list", "losses", "huber"]).ok();
    let ran =
        ran.shows("loss huber(delta = 1)\n").shows("Source: Huber 1964").shows("  delta: positive = 1\n");
    assert_eq!(folder.run(&["list", "huber"]).ok().out, ran.out, "a name alone is clear");
    folder.run(&["list", "min_max"]).ok().shows("low: any number = 0");
    // Both an activation and a schedule.
    folder.run(&["list", "step"]).ok().shows("activation step").shows("schedule step");
    let ran = folder.run(&["list", "schedules", "step"]).ok();
    assert!(!ran.out.contains("activation step"), "{ran}");
}

#[test]
fn an_unknown_name_is_told_what_is_like_it() {
    let folder = Folder::new();
    for (arguments, message, like) in [
        (&["list", "rellu"][..], "nothing is called `rellu`", "`relu`"),
        (&["list", "loses"], "nothing is called `loses`", "`losses`"),
        (&["list", "losses", "hubert"], "no loss is called `hubert`", "`huber`"),
    ] {
        let ran = folder.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran}");
        ran.says(message).says(&format!("did you mean {like}?"));
    }
    let ran = folder.run(&["list", "zzzzzzzz"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    ran.says("kinds are layers, cells, activations, losses, optimizers, schedules, initializers");
}

#[test]
fn programs_are_told_the_same() {
    let folder = Folder::new();
    for (plural, noun, name, _) in KINDS {
        let events = folder.run(&["list", plural, "--message-format", "json"]).ok().events();
        for event in &events {
            assert_eq!((&event["event"], &event["kind"]), (&"entry".into(), &noun.into()));
            let text = |key: &str| event[key].as_str().is_some_and(|text| !text.is_empty());
            assert!(text("name") && text("signature") && text("summary"), "{event}");
            // A layer may be too large for a line.
            let is_formula = event["formula"].as_array().is_some_and(|lines| !lines.is_empty());
            assert!(is_formula || (noun == "layer" && event["name"] != name), "{event}");
        }
        let one = folder.run(&["list", plural, name, "--message-format", "json"]).ok().events();
        assert_eq!(one.len(), 1);
        assert!(events.contains(&one[0]), "{}", one[0]);
    }
}
